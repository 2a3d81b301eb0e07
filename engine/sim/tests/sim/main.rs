//! Networks of whole nodes in simulated time: what the engine promises, under every kind of luck.
//!
//! Each test is a function of its seed. A failure prints the one command that replays it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a seed to replay comes from the environment"
)]

mod admission;
mod at_scale;
mod bridge;
mod change;
mod checks;
mod churn;
mod faults;
mod feeds;
mod feeds_forgers;
mod feeds_numbers;
mod feeds_order;
mod forger;
mod goodbye;
mod gossip;
mod gossip_attacks;
mod large;
mod large_checks;
mod large_forgers;
mod life;
mod logs;
mod members;
mod peers;
mod pex;
mod reach;
mod reactors;
mod reconnect;
mod replay;
mod sending;
mod support;
mod traffic;
mod typed;
