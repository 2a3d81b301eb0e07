//! Feeds `fuzz_feeds`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_gossip::feeds::fuzz_feeds(bytes));
