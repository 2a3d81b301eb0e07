//! `ringwire start`: one node, and with `--stdin` and `--stdout` one end of a gossip pipe.
//!
//! ```text
//!   stdin ─▶ input: lines, each sealed with a mark ──────▶ Node ◀── gossip ──▶ other nodes
//!                                                          │
//!   stdout ◀─ output: mark taken off, made harmless  ◀─────┘
//! ```

mod args;
mod input;
mod line;
mod output;
mod run;
mod unsent;

pub(crate) use args::StartArgs;
pub(crate) use run::run;
