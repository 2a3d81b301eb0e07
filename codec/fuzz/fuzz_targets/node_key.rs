//! Feeds `key::fuzz_node_key_json`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_codec::key::fuzz_node_key_json(bytes));
