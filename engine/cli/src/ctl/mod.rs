//! `ringwire ctl`: changes a node while it runs.

mod run;

pub(crate) use run::{CtlArgs, run};
