//! [`Window`]: how many bytes a lane may have under way.

use std::collections::VecDeque;

/// Bytes under way at most: enough for 100 Mbit/s over 300 ms, which is what Linux grows to by itself.
pub const WINDOW_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bytes under way at first with slow start: ten segments (RFC 6928).
pub const INITIAL_WINDOW_BYTES: u64 = 14_600;

/// A lane that sent nothing for so long, or for two round trips if that is longer, starts slowly again
/// (RFC 5681, section 4.1: one retransmission timeout, which is 200 ms at least on Linux).
const IDLE_NANOS: u64 = 200_000_000;

#[derive(Debug)]
pub(super) struct Window {
    slow_start: bool,
    limit_bytes: u64,
    in_flight_bytes: u64,
    /// When which bytes will be acknowledged, in order of time.
    acks: VecDeque<(u64, u32)>,
    sent_at: u64,
    idle_nanos: u64,
}

impl Window {
    /// The window of a lane whose way there and back takes `rtt_nanos`.
    pub(super) fn new(slow_start: bool, rtt_nanos: u64) -> Self {
        Window {
            slow_start,
            limit_bytes: start_bytes(slow_start),
            in_flight_bytes: 0,
            acks: VecDeque::new(),
            sent_at: 0,
            idle_nanos: IDLE_NANOS.max(2 * rtt_nanos),
        }
    }

    /// Whether something may leave now.
    pub(super) fn is_open(&mut self, now: u64) -> bool {
        self.settle(now);
        self.in_flight_bytes < self.limit_bytes
    }

    /// Bytes leave now.
    pub(super) fn handle_sent(&mut self, now: u64, bytes: u32) {
        if now.saturating_sub(self.sent_at) > self.idle_nanos {
            self.limit_bytes = start_bytes(self.slow_start);
        }
        self.sent_at = now;
        self.in_flight_bytes += u64::from(bytes);
    }

    /// Bytes have been read at the other end; the word of it will be here at `at`.
    pub(super) fn handle_ack(&mut self, at: u64, bytes: u32) {
        debug_assert!(self.acks.back().is_none_or(|(last, _)| *last <= at));
        self.acks.push_back((at, bytes));
    }

    /// When the next acknowledgement comes, if one is on its way.
    pub(super) fn next_ack(&self) -> Option<u64> {
        self.acks.front().map(|(at, _)| *at)
    }

    fn settle(&mut self, now: u64) {
        while let Some((_, bytes)) = self.acks.pop_front_if(|(at, _)| *at <= now) {
            self.in_flight_bytes -= u64::from(bytes);
            // Every byte acknowledged makes room for one more: the window doubles in a round trip.
            self.limit_bytes = WINDOW_BYTES_MAX.min(self.limit_bytes + u64::from(bytes));
        }
    }
}

fn start_bytes(slow_start: bool) -> u64 {
    if slow_start {
        INITIAL_WINDOW_BYTES
    } else {
        WINDOW_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_start_begins_with_ten_segments_doubles_and_begins_again_after_a_pause() {
        let mut window = Window::new(true, 100);
        window.handle_sent(1, 14_599);
        assert!(window.is_open(1), "one byte of room");
        window.handle_sent(1, 1);
        assert!(!window.is_open(1));
        window.handle_ack(101, 14_600);
        assert!(!window.is_open(100));
        assert!(window.is_open(101));
        window.handle_sent(101, 29_199);
        assert!(window.is_open(101), "twice as much as before");
        window.handle_sent(101, 1);
        assert!(!window.is_open(101));
        window.handle_ack(201, 29_200);
        window.is_open(201);
        window.handle_sent(101 + IDLE_NANOS, 20_000);
        assert!(window.is_open(101 + IDLE_NANOS), "no pause yet");
        window.handle_ack(101 + IDLE_NANOS, 20_000);
        window.is_open(101 + IDLE_NANOS);
        window.handle_sent(101 + 2 * IDLE_NANOS + 1, 14_600);
        assert!(!window.is_open(101 + 2 * IDLE_NANOS + 1));
    }

    #[test]
    fn without_slow_start_the_window_is_whole_from_the_first_byte() {
        let mut window = Window::new(false, 100);
        window.handle_sent(0, WINDOW_BYTES_MAX as u32 - 1);
        assert!(window.is_open(0));
        window.handle_sent(0, 1);
        assert!(!window.is_open(0));
    }
}
