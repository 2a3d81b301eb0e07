//! The `ringwire` program as an operator meets it: called, read, signalled.

mod home;
mod program;
