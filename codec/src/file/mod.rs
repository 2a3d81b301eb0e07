//! Files with a name that an operator chose: opened with suspicion, written whole.
//!
//! | file | what it does |
//! |---|---|
//! | [`kind`] | says what stands under a name, and opens it only if it is a regular file |
//! | [`whole`] | replaces or creates a file so that a reader finds the old content or the new one |
//!
//! A path in a configuration may lead to a device, to a pipe that nobody writes to, or to another
//! file of the node. Reading such a thing may wait for ever, and writing over it may cost what
//! nobody can restore. So everything that reads or writes a named file goes through here.

pub mod kind;
pub mod whole;

pub use kind::{FileKind, NotRegular, open, read_at_most};
pub use whole::{Durability, create, replace};
