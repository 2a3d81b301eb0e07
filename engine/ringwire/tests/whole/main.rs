//! Whole engines, a subject a file.
//!
//! One program: what these tests do most is wait until a time is over, and here they wait together.

#[path = "../common/mod.rs"]
mod common;
mod gossip;
mod listen;
mod return_in_memory;
mod signer;
