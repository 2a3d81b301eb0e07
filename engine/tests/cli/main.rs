//! The `ringwire` program as an operator meets it: called, read, signalled.

mod config;
mod doctor;
mod home;
mod localnet;
mod program;
mod start;
