//! Buffers of a shard: the pool they come from, the two cursors that read and write them, and the
//! record layers these open and seal by.
//!
//! ```text
//!  in:   kernel ─▶ [pool] Chunk ─▶ [recv] opened in place ─▶ packets ─▶ slices or one [gather]
//!  out:  messages ─▶ [send] packets into the open record, sealed in place ─▶ vectored write ─▶ [pool]
//! ```

#[allow(clippy::module_inception, reason = "the buffer is the room's namesake")]
mod buffer;
pub mod cost;
pub mod gather;
pub mod layer;
pub mod pool;
pub mod recv;
mod reuse;
pub mod send;

pub use buffer::Buffer;
pub use cost::memory_cost;
pub use gather::GatherBuf;
pub use layer::{Framing, LayerError, Opener, Sealer};
pub use pool::{BufferPool, COPY_OUT_BYTES, Chunk, PoolLimits};
pub use recv::{JoinCounters, RecvBuf};
pub use send::{SendBuf, Transmit};
