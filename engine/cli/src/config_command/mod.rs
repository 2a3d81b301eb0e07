//! `ringwire config`: is config.toml in order, and what is in force?

mod check;
mod run;
mod show;

pub(crate) use check::faults;
pub(crate) use run::{ConfigArgs, run};
