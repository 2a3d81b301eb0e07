//! An engine against CometBFT's own code: its switch, transport, PEX reactor and address book, in
//! a small Go program ([`go/README.md`](../go/README.md)) that these tests build and drive.
//!
//! ```text
//!   line.rs       which lines of CometBFT there are, and how their program is built
//!   process.rs    a running program: commands in, events out, all with deadlines
//!   ours.rs       the engine it meets
//!   content.rs    messages that both ends make from a seed and compare by SHA-256
//! ```
//!
//! Without `go`, or without the network its modules come from, every test here says so and tests
//! nothing.

mod content;
mod discovery;
mod handshake;
mod life;
mod line;
mod messages;
mod ours;
mod peer_exchange;
mod process;
