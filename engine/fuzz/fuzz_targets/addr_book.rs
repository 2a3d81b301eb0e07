//! Feeds `fuzz_addr_book`; what must hold is stated there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringwire_fuzz::fuzz_addr_book(bytes));
