//! What a connection holds of what it received, for the budget that all peers of a shard share.

use super::MConnection;
use crate::time::Instant;

impl MConnection {
    /// Bytes of memory held for what came and was not pulled: not opened, half gathered, or whole.
    pub fn held_bytes(&self) -> usize {
        self.recv.held_bytes() + self.channels.held_bytes()
    }

    /// Bytes of memory that the messages which wait to be sent cost. Clones share their payload, so
    /// a message that waits at many peers is counted at each.
    pub fn queued_bytes(&self) -> usize {
        self.channels.queued_bytes()
    }

    /// Whether a whole message waits to be pulled.
    pub fn has_ready(&self) -> bool {
        self.channels.ready_bytes() > 0
    }

    /// Its owner does not read the socket although [`MConnection::wants_read`]: until something is
    /// received or pulled, no pong can be expected.
    pub fn note_held_back(&mut self, now: Instant) {
        self.heartbeat.handle_reading(now, false);
    }
}
