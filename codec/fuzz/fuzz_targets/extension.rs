//! Feeds `extension::fuzz_extension`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_codec::extension::fuzz_extension(bytes));
