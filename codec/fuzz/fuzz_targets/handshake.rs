//! Feeds `secret::handshake::fuzz_handshake`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(
    |bytes: &[u8]| ringwire_codec::secret::handshake::fuzz_handshake(bytes)
);
