//! Feeds `node_info::fuzz_node_info`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_codec::node_info::fuzz_node_info(bytes));
