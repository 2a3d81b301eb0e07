//! `ringwire peers`: whom a node is connected to, and whom it knows.
//!
//! ```text
//!   node runs:  HOME/data/ringwire.sock ──▶ report: node, peers, counters, address book ─┐
//!   it does not:      HOME/config/addrbook.json ──▶ address book ────────────────────────┴─▶ tables, JSON
//! ```

mod run;
mod text;

pub(crate) use run::{PeersArgs, run};
