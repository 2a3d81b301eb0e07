//! Sockets that are nobody yet, and the table of all sockets.
//!
//! ```text
//!   accepted ─▶ gate ─▶ ┌────────────┐                     ┌─ home is here ────▶ a peer
//!   dialed ─▶ dials ──▶ │  entrance  │ ─▶ (coordinator) ──▶┤
//!                       └────────────┘                     └─ elsewhere ───────▶ it moves there
//! ```

pub(crate) mod dials;
pub(crate) mod entrance;
pub(crate) mod filter;
pub(crate) mod gate;
pub(crate) mod goodbye;
pub(crate) mod handshake;
pub(crate) mod link;
pub(crate) mod table;
