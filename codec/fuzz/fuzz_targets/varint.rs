//! Feeds `varint::fuzz_varint`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_codec::varint::fuzz_varint(bytes));
