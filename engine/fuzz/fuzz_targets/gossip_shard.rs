//! Feeds `fuzz_shard`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_gossip::coded::fuzz_shard(bytes));
