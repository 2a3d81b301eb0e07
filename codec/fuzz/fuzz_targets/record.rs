//! Feeds `secret::record::fuzz_record`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_codec::secret::record::fuzz_record(bytes));
