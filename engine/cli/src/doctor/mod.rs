//! `ringwire doctor`: whether this machine, and a home on it, can run a node, and how to mend it.

mod home;
mod network;
mod run;

pub(crate) use run::{DoctorArgs, run};
