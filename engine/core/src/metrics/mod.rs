//! What a shard counts, and how long things take there.
//!
//! ```text
//!   counters    plain integers, bumped in place and read as a copy
//!   histogram   durations in fixed buckets: what a figure of time is kept as
//!   waits       messages that began to wait in one turn, counted together until their wait ends
//! ```

mod counters;
mod histogram;
mod waits;

pub use counters::{ChannelMetrics, Metrics, RefusalMetrics};
pub use histogram::{BOUNDS, Histogram};
pub(crate) use waits::Waits;
