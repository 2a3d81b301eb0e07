//! The example reactors on simulated networks: with faults, slow peers and liars.

mod block_sync;
mod mempool;
