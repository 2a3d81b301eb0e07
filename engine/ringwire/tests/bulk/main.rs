//! Much data between two engines, on both record layers, and what happens when somebody on the
//! path changes one byte of it.
//!
//! ```text
//!   steady.rs   engine ═══════════════════ engine    every digest equal
//!   tamper.rs   engine ═══ man in the ════ engine    always noticed, nothing wrong delivered
//!                           middle
//! ```
//!
//! `RINGWIRE_BULK_MIB` sets how many MiB `steady.rs` moves on each record layer (default 1024;
//! less for a slow machine).

mod proxy;
mod steady;
#[allow(dead_code, reason = "each test program uses a part of what they share")]
#[path = "../support/mod.rs"]
mod support;
mod tamper;

use std::sync::{Mutex, MutexGuard, PoisonError};

use ringwire::peer::Framing;

use support::node::Node;

/// The two record layers and whether a node must offer wide records to get there.
const FRAMINGS: [(Framing, bool); 2] = [(Framing::Comet, false), (Framing::Wide, true)];

/// One engine pair at a time: the figures printed here are those of an otherwise idle program.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An engine on one shard, with or without wide records.
fn start(seed: u8, wide: bool) -> Option<Node> {
    Node::start([seed; 32], 1, |config| config.wide_records = wide)
}
