//! Gossip protocols on the model network: Ringwire's own among faults and liars, and those it is compared with.
//!
//! One program, so that a long test leaves no core idle and the crate is linked once.

mod cat;
mod crds;
mod direct;
mod dog;
mod gossipsub;
mod large_liars;
mod large_payloads;
mod liars;
mod model;
mod pbbt;
mod plumtree;
mod seeds;
