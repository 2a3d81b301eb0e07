//! The switch against itself: whole nodes of one or several shards, in memory and simulated time.

mod dialing;
mod gossip;
mod life;
mod sending;
mod world;
