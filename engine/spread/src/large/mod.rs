//! Ringwire's own gossip of large payloads, the same code that the engine runs, in the harness.
//!
//! Payloads are real bytes: they are encoded, checked and decoded at each node, so a run takes as long as
//! that does. Manifests are signed and checked where the engine does it, by a cheap stand-in for Ed25519.

mod liar;
mod message;
mod node;
mod signature;

pub use liar::LargeLie;
pub use message::LargeMessage;
pub use node::{LargeNode, LargeWatch};
