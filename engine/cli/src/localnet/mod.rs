//! `ringwire localnet`: whole nodes in one process, and proof that gossip loses nothing.
//!
//! ```text
//!   [source] ─▶ reader thread ─▶ publisher: stamps, waits for the window ─▶ node 0, 1, 2, … in turn
//!                                     │                                          │  gossip
//!                                     ▼                                          ▼
//!   [report] ◀── compares ── ledger of the source        ledger of each node ◀── receiver threads
//! ```
//!
//! Nothing of it is a shortcut: the nodes are full engines that know each other by socket only.
//! [`formation`] says when they are a network, [`graph`] who is connected to whom, [`ledger`] what
//! "exactly once" means.

mod args;
mod formation;
mod graph;
mod ledger;
mod network;
mod progress;
mod publisher;
mod reach;
mod report;
mod run;
mod source;
mod stamp;
mod tally;

pub(crate) use args::LocalnetArgs;
pub(crate) use run::run;
