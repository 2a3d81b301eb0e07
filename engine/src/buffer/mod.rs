//! Buffers of a shard: the pool they come from, and the two cursors that read and write them.
//!
//! ```text
//!  in:   kernel ─▶ [pool] Chunk ─▶ [recv] opened in place ─▶ packets ─▶ slices or one gather
//!  out:  messages ─▶ [send] packets into the open record, sealed in place ─▶ vectored write ─▶ [pool]
//! ```

pub mod pool;

pub use pool::{BufferPool, COPY_OUT_BYTES, Chunk, PoolLimits};
