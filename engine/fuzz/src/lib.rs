//! The inputs of the engine's fuzz targets, as a library that each target calls.

mod inputs;

pub use inputs::{fuzz_address_list, fuzz_attacker, fuzz_network};
pub use ringwire_core::pex::fuzz_addr_book;
