//! Feeds `secret::auth::fuzz_auth`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_codec::secret::auth::fuzz_auth(bytes));
