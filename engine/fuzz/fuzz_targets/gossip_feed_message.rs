//! Feeds `fuzz_feed_message`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_gossip::feeds::fuzz_feed_message(bytes));
