//! Contenders and measures of Ringwire's whole-system benches.
//!
//! A contender moves the same payload the same way: the [`limit`] by the least possible code,
//! [`engine`] by complete Ringwire nodes, and [`rivals`] in programs of their own. [`cases`] says what
//! is done; the contenders of a [`case`] run in turn, and every figure is compared with the limit
//! of the same run (docs/benchmarks.md). [`child`] holds what must be another process, [`crowd`]
//! thousands of peers that cost little, [`revision`] Ringwire at another commit, [`report`] the page made of the figures. [`noise`] says which
//! case is measured again, [`selection`] finds the cases that a run is asked for. [`speeds`] is what the machine itself gives. [`pair`] is a
//! connection without a kernel, for what is measured in nanoseconds.

pub mod alloc;
pub mod case;
pub mod cases;
pub mod child;
pub mod crowd;
pub mod engine;
pub mod limit;
pub mod machine;
pub mod measure;
pub mod noise;
pub mod outcome;
pub mod pair;
pub mod report;
pub mod revision;
pub mod rivals;
pub mod selection;
pub mod speeds;
