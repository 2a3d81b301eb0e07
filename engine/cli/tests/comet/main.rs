//! The program beside whole nodes of CometBFT: what it finds out about them from outside.
//!
//! Without `go`, or without the network its modules come from, every test here says so and tests
//! nothing.

#[allow(
    dead_code,
    reason = "shared with the engine's own tests, which use all of it"
)]
#[path = "../../../ringwire/tests/interop/golang.rs"]
mod golang;
mod nodes;
#[allow(
    dead_code,
    reason = "shared with the program's other tests, which use all of it"
)]
#[path = "../cli/program.rs"]
mod program;
#[allow(
    dead_code,
    reason = "shared with the engine's own tests, which use all of it"
)]
#[path = "../../../ringwire/tests/common/way.rs"]
mod way;
