//! The regression guard: what a message costs, against the committed `baseline.json`.
//!
//! ```text
//!   in_memory      allocations, and instructions where valgrind is installed
//!   over_sockets   system calls of whole nodes
//! ```
//!
//! These repeat from run to run; wall-clock time does not, and is never judged.
//!
//! After a change that is meant to cost or save something, write a new baseline and commit it:
//! `RINGWIRE_BASELINE=write cargo test -p ringwire-bench --test guard`

mod baseline;
mod in_memory;
mod over_sockets;
#[path = "../../../engine/ringwire/tests/common/way.rs"]
mod way;
