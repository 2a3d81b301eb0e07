//! Pings and pongs: is the peer still there, and does it see that we are.
//!
//! ```text
//!              ping_interval                 written            pong
//!   quiet ─────────────────▶ ping due ─────────────▶ waiting ─────────▶ quiet
//!                               │  pong_timeout         │  pong_timeout
//!                               ▼                       ▼
//!                           the peer takes no bytes  the peer does not answer:  PongTimeout
//! ```
//!
//! Rules (docs/quirks.md, quirk 28):
//!
//! * A ping is due every `ping_interval`; any pong answers it, pongs nobody asked for are harmless.
//! * A pong is owed from the moment a ping was read, goes out ahead of data, and is owed at most
//!   once: pings that pile up share it. More than [`PINGS_PER_SECOND_MAX`] pings in a second are
//!   counted and not answered.
//! * The deadline stands still while it is us who do not read: the pong may lie in the socket.
//! * Nor does it pass while this process or its machine stands still ([`Deadline`]).
//! * The deadline starts when the ping is due and again when it is written. So a peer that takes no
//!   bytes at all is noticed too, and one that is slow has the whole time from the write on.

use std::time::Duration;

use super::ConnError;
use super::round_trip::{RoundTrip, RoundTripTimer};
use crate::time::{Deadline, Instant};

/// Pings answered per second. An honest peer sends one a minute.
pub const PINGS_PER_SECOND_MAX: u32 = 10;
/// How far the deadline is moved out at least when reading starts again, so that a pong that waited
/// in the socket can be read; never more than the pause itself.
const RESUME_GRACE: Duration = Duration::from_secs(1);

/// The heartbeat of one connection.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    ping_interval: Duration,
    pong_timeout: Duration,
    next_ping_at: Instant,
    ping_due: bool,
    /// Set from the moment a ping is due until a pong came.
    pong_deadline: Option<Deadline>,
    /// Since when it is us who do not read.
    paused_at: Option<Instant>,
    pong_due: bool,
    window_start: Instant,
    pings_in_window: u32,
    pings_dropped: u64,
    /// Pings and pongs that came.
    beats_heard: u64,
    round_trip: RoundTripTimer,
}

impl Heartbeat {
    /// A heartbeat whose first ping is due one interval from now.
    pub fn new(ping_interval: Duration, pong_timeout: Duration, now: Instant) -> Self {
        Heartbeat {
            ping_interval,
            pong_timeout,
            next_ping_at: now + ping_interval,
            ping_due: false,
            pong_deadline: None,
            paused_at: None,
            pong_due: false,
            window_start: now,
            pings_in_window: 0,
            pings_dropped: 0,
            beats_heard: 0,
            round_trip: RoundTripTimer::default(),
        }
    }

    /// The peer sent a ping.
    pub fn handle_ping(&mut self, now: Instant) {
        self.beats_heard += 1;
        if now - self.window_start >= Duration::from_secs(1) {
            self.window_start = now;
            self.pings_in_window = 0;
        }
        if self.pings_in_window == PINGS_PER_SECOND_MAX {
            self.pings_dropped += 1;
            return;
        }
        self.pings_in_window += 1;
        self.pong_due = true;
    }

    /// The peer's pong, asked for or not, came at `at`. One that overtakes our ping does not answer it.
    pub fn handle_pong(&mut self, at: Instant) {
        self.beats_heard += 1;
        if !self.ping_due {
            self.pong_deadline = None;
            self.round_trip.end(at);
        }
    }

    /// Tells whether we read the peer's bytes as they come, or leave them in the socket.
    pub fn handle_reading(&mut self, now: Instant, reading: bool) {
        match (reading, self.paused_at) {
            (false, None) => self.paused_at = Some(now),
            (true, Some(paused_at)) => {
                self.paused_at = None;
                let pause = now - paused_at;
                if !pause.is_zero() {
                    self.round_trip.spoil();
                }
                if let Some(deadline) = &mut self.pong_deadline {
                    let later = deadline.at() + pause;
                    deadline.move_to(later.max(now + pause.min(RESUME_GRACE)));
                }
            }
            _ => {}
        }
    }

    /// Somebody wants to know now whether the peer is there: a ping is due.
    pub fn ping_now(&mut self, now: Instant) {
        self.ping_due = true;
        if self.pong_deadline.is_none() {
            self.pong_deadline = Some(self.pong_deadline_from(now));
        }
    }

    fn pong_deadline_from(&self, now: Instant) -> Deadline {
        Deadline::new(now + self.pong_timeout, RESUME_GRACE)
    }

    /// When [`Heartbeat::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Instant {
        match self.pong_deadline {
            Some(deadline) if self.paused_at.is_none() => deadline.at().min(self.next_ping_at),
            _ => self.next_ping_at,
        }
    }

    /// Time passed.
    ///
    /// # Errors
    /// [`ConnError::PongTimeout`] when the answer is overdue.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ConnError> {
        if let Some(deadline) = &mut self.pong_deadline
            && self.paused_at.is_none()
            && deadline.has_passed(now)
        {
            return Err(ConnError::PongTimeout(self.pong_timeout));
        }
        if now >= self.next_ping_at {
            self.next_ping_at = now + self.ping_interval;
            // While a pong is still awaited, because the deadline stands still, one ping is enough.
            if self.pong_deadline.is_none() {
                self.ping_due = true;
                self.pong_deadline = Some(self.pong_deadline_from(now));
            }
        }
        Ok(())
    }

    /// Whether a ping or a pong is to be written.
    #[inline]
    pub fn has_output(&self) -> bool {
        self.ping_due || self.pong_due
    }

    /// Whether a pong is to be written now; asking writes it off.
    pub fn take_pong(&mut self) -> bool {
        std::mem::take(&mut self.pong_due)
    }

    /// Whether a ping is to be written now; asking starts the wait for its answer.
    pub fn take_ping(&mut self, now: Instant) -> bool {
        let due = std::mem::take(&mut self.ping_due);
        if due {
            // A pause that began earlier moves the deadline out by its whole length when it ends;
            // that is more than needed, never less.
            let written = self.pong_deadline_from(now);
            let deadline = self.pong_deadline.get_or_insert(written);
            deadline.move_to(written.at());
            self.round_trip.begin(now);
        }
        due
    }

    /// How long the peer takes to answer pings; none before the first answer.
    pub fn round_trip(&self) -> Option<RoundTrip> {
        self.round_trip.known()
    }

    /// The time of an answer that came since this was asked last.
    #[inline]
    pub fn take_round_trip(&mut self) -> Option<Duration> {
        self.round_trip.take_news()
    }

    /// Pings and pongs that came.
    pub fn beats_heard(&self) -> u64 {
        self.beats_heard
    }

    /// Pings that came too fast to be answered.
    pub fn pings_dropped(&self) -> u64 {
        self.pings_dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: Duration = Duration::from_secs(60);
    const PONG: Duration = Duration::from_secs(45);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn waiting_since_60() -> Heartbeat {
        let mut heartbeat = Heartbeat::new(PING, PONG, at(0));
        heartbeat
            .handle_timeout(at(60))
            .expect("no pong is awaited yet");
        assert!(heartbeat.take_ping(at(60)));
        heartbeat
    }

    #[test]
    fn a_ping_is_due_at_each_interval_and_not_before() {
        let mut heartbeat = Heartbeat::new(PING, PONG, at(0));
        assert_eq!(heartbeat.poll_timeout(), at(60));
        assert_eq!(heartbeat.handle_timeout(at(59)), Ok(()));
        assert!(!heartbeat.take_ping(at(59)));
        assert_eq!(heartbeat.handle_timeout(at(60)), Ok(()));
        assert!(heartbeat.take_ping(at(60)));
        assert!(!heartbeat.has_output());
    }

    #[test]
    fn a_ping_that_is_asked_for_is_due_at_once_and_its_answer_within_the_timeout() {
        let mut heartbeat = Heartbeat::new(PING, PONG, at(0));
        heartbeat.ping_now(at(3));
        assert_eq!(heartbeat.poll_timeout(), at(48));
        assert!(heartbeat.take_ping(at(3)) && !heartbeat.has_output());
        heartbeat.handle_pong(at(4));
        assert_eq!(
            heartbeat.poll_timeout(),
            at(60),
            "the regular one is not put off"
        );
    }

    // Conformance item 5.
    #[test]
    fn a_peer_that_never_answers_is_given_up_at_the_deadline_and_not_before() {
        let mut heartbeat = waiting_since_60();
        assert_eq!(heartbeat.poll_timeout(), at(105));
        assert_eq!(heartbeat.handle_timeout(at(104)), Ok(()));
        assert_eq!(
            heartbeat.handle_timeout(at(105)),
            Err(ConnError::PongTimeout(PONG))
        );
    }

    #[test]
    fn who_stood_still_past_the_deadline_looks_once_for_the_pong_that_may_have_come() {
        let mut heartbeat = waiting_since_60();
        assert_eq!(heartbeat.handle_timeout(at(130)), Ok(()));
        assert_eq!(heartbeat.poll_timeout(), at(131));
        let mut answered = heartbeat.clone();
        answered.handle_pong(at(130));
        assert_eq!(answered.handle_timeout(at(131)), Ok(()));
        // However late it looks again.
        let timeout = Err(ConnError::PongTimeout(PONG));
        assert_eq!(heartbeat.clone().handle_timeout(at(131)), timeout);
        assert_eq!(heartbeat.handle_timeout(at(200)), timeout);
    }

    // Conformance item 6.
    #[test]
    fn pongs_that_nobody_asked_for_are_harmless_and_answer_no_later_ping() {
        let mut heartbeat = Heartbeat::new(PING, PONG, at(0));
        for _ in 0..3 {
            heartbeat.handle_pong(at(1));
        }
        heartbeat
            .handle_timeout(at(60))
            .expect("no pong is awaited yet");
        heartbeat.handle_pong(at(60));
        assert!(heartbeat.take_ping(at(61)));
        assert_eq!(
            heartbeat.handle_timeout(at(106)),
            Err(ConnError::PongTimeout(PONG))
        );
    }

    // Conformance item 8.
    #[test]
    fn ping_and_pong_go_on_for_ever() {
        let mut heartbeat = Heartbeat::new(PING, PONG, at(0));
        for round in 1..100 {
            heartbeat
                .handle_timeout(at(60 * round))
                .expect("each ping was answered");
            assert!(heartbeat.take_ping(at(60 * round)));
            heartbeat
                .handle_timeout(at(60 * round + 44))
                .expect("the deadline is not over");
            heartbeat.handle_pong(at(60 * round + 44));
        }
    }

    // Conformance item 7.
    #[test]
    fn pings_that_pile_up_share_one_pong() {
        let mut heartbeat = Heartbeat::new(PING, PONG, at(0));
        for _ in 0..3 {
            heartbeat.handle_ping(at(1));
        }
        assert!(heartbeat.take_pong());
        assert!(!heartbeat.take_pong());
        assert_eq!(heartbeat.pings_dropped(), 0);
    }

    #[test]
    fn a_flood_of_pings_is_answered_so_often_a_second_and_counted_beyond() {
        let mut heartbeat = Heartbeat::new(PING, PONG, at(0));
        let answered = (0..PINGS_PER_SECOND_MAX + 5)
            .filter(|_| {
                heartbeat.handle_ping(at(1));
                heartbeat.take_pong()
            })
            .count();
        assert_eq!(answered, PINGS_PER_SECOND_MAX as usize);
        assert_eq!(heartbeat.pings_dropped(), 5);
        heartbeat.handle_ping(at(2));
        assert!(heartbeat.take_pong());
    }

    #[test]
    fn the_deadline_stands_still_while_we_do_not_read() {
        let mut heartbeat = waiting_since_60();
        heartbeat.handle_reading(at(100), false);
        assert_eq!(heartbeat.handle_timeout(at(500)), Ok(()));
        assert!(
            !heartbeat.has_output(),
            "one ping is on its way, a second would say nothing"
        );
        heartbeat.handle_reading(at(1000), true);
        assert_eq!(heartbeat.handle_timeout(at(1004)), Ok(()));
        assert_eq!(
            heartbeat.handle_timeout(at(1005)),
            Err(ConnError::PongTimeout(PONG))
        );
    }

    #[test]
    fn a_peer_that_takes_no_bytes_is_given_up_although_the_ping_was_never_written() {
        let mut heartbeat = Heartbeat::new(PING, PONG, at(0));
        heartbeat
            .handle_timeout(at(60))
            .expect("no pong is awaited yet");
        assert!(heartbeat.has_output());
        assert_eq!(
            heartbeat.handle_timeout(at(105)),
            Err(ConnError::PongTimeout(PONG))
        );
    }

    #[test]
    fn a_pong_measures_its_ping_unless_it_was_us_who_did_not_read() {
        let mut heartbeat = waiting_since_60();
        heartbeat.handle_pong(at(62));
        assert_eq!(heartbeat.take_round_trip(), Some(Duration::from_secs(2)));
        let mut heartbeat = waiting_since_60();
        heartbeat.handle_reading(at(61), false);
        heartbeat.handle_reading(at(61), true);
        heartbeat.handle_reading(at(62), false);
        heartbeat.handle_reading(at(70), true);
        heartbeat.handle_pong(at(70));
        assert_eq!(heartbeat.take_round_trip(), None, "it lay in the socket");
    }
}
