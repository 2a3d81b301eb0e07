//! Feeds `packet::fuzz_packet`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_codec::packet::fuzz_packet(bytes));
