//! Feeds `pex::fuzz_pex`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_codec::pex::fuzz_pex(bytes));
