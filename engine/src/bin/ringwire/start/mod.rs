//! `ringwire start`: one node, and with `--stdin` and `--stdout` one end of a gossip pipe.
//!
//! ```text
//!   stdin ─▶ reader thread: a line, sealed with a mark ─▶ Node ◀── gossip ──▶ other nodes
//!                                                          │
//!   stdout ◀─ writer thread: mark taken off, a line  ◀─────┘
//! ```

mod args;
mod line;
mod run;

pub(crate) use args::StartArgs;
pub(crate) use run::run;
