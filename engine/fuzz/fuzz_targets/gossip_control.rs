//! Feeds `fuzz_control`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_gossip::exchange::fuzz_control(bytes));
