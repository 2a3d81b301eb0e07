//! Signs of life of a connection: asked for, and counted.

use super::MConnection;
use crate::time::Instant;

impl MConnection {
    /// Has the peer pinged now, whenever the next ping would be due.
    pub fn ping_now(&mut self, now: Instant) {
        self.heartbeat.ping_now(now);
    }

    /// Packets of any kind that have come, but a goodbye: signs that the peer is there and takes us
    /// for one.
    pub fn packets_heard(&self) -> u64 {
        self.counters.received_packets + self.heartbeat.beats_heard()
    }

    /// Tells the heartbeat whether a pong could be seen by now.
    pub(super) fn note_reading(&mut self, now: Instant) {
        let reading = !self.unread && self.wants_read(now);
        self.heartbeat.handle_reading(now, reading);
    }
}
