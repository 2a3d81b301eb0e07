//! Feeds `secret::frame::fuzz_frame`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_codec::secret::frame::fuzz_frame(bytes));
