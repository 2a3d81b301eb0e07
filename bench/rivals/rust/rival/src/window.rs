//! How many messages may be under way with a rival that never makes a sender wait.

/// Bytes under way that keep a loopback link busy, and that both ends have room for.
const WINDOW_BYTES: usize = 4 << 20;
/// The fewest messages, whatever their size: what Ringwire's channel queues in the same case.
const WINDOW_MIN: usize = 64;
/// The most.
const WINDOW_MAX: usize = 4096;

/// Messages of so many bytes that may be sent and not acknowledged. Every queue of a node has
/// room for as many, so none is ever dropped.
#[must_use]
pub fn window(message_bytes: usize) -> usize {
    (WINDOW_BYTES / message_bytes).clamp(WINDOW_MIN, WINDOW_MAX)
}

/// After how many messages a receiver acknowledges.
#[must_use]
pub fn acknowledged_each(message_bytes: usize) -> usize {
    window(message_bytes) / 4
}
