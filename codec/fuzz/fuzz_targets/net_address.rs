//! Feeds `net_address::fuzz_net_address`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_codec::net_address::fuzz_net_address(bytes));
