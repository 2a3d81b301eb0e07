//! The `ringwire` program as an operator meets it: called, read, signalled.

mod comet_home;
mod config;
mod ctl;
mod doctor;
mod home;
mod localnet;
mod memory;
mod metrics;
mod mixed;
mod node;
mod numbers;
mod output;
mod packages;
mod peers;
mod program;
mod prometheus;
mod readme;
mod seed;
mod service;
mod signals;
mod start;
mod surroundings;
mod top;
mod transport;
mod visits;
#[path = "../../../ringwire/tests/common/way.rs"]
mod way;
