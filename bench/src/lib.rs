//! Contenders and measures of Ringwire's whole-system benches.
//!
//! A contender moves the same payload the same way: the [`limit`] by the least possible code,
//! [`engine`] by two complete Ringwire nodes. They run in turn, pinned to the same CPUs, and every
//! figure is a ratio to the limit of the same run (docs/benchmarks.md). [`pair`] is a connection
//! without a kernel, for what is measured in nanoseconds.

pub mod engine;
pub mod limit;
pub mod measure;
pub mod pair;
