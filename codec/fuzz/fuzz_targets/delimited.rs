//! Feeds `delimited::fuzz_delimited`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_codec::delimited::fuzz_delimited(bytes));
