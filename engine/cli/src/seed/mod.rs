//! `ringwire seed`: a node that is there to be asked for addresses.
//!
//! ```text
//!   who is new ── whom do you know? ──▶ seed ── crawls ──▶ the network
//!              ◀── addresses, goodbye ──  │
//!                                         └─▶ HOME/config/addrbook.json
//! ```

mod figures;
mod run;

pub(crate) use run::{SeedArgs, run};
