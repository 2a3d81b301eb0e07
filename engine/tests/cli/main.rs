//! The `ringwire` program as an operator meets it: called, read, signalled.

mod comet_home;
mod config;
mod doctor;
mod home;
mod localnet;
mod node;
mod peers;
mod program;
mod readme;
mod seed;
mod start;
mod surroundings;
