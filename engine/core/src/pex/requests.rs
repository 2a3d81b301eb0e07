//! Asking and being asked: the rules between us and one peer, on one connection.
//!
//! ```text
//!   it asks      free, or the pause is over     answered at once
//!                too soon                       it waits: answered when the pause is over
//!                while one waits                not answered, and counted; too many: abuse
//!
//!   we ask       an answer is out               not again, however long it takes
//!                its last answer is too recent  not yet
//! ```
//!
//! A node of CometBFT has one request out at a time, on every version from 0.34 to 1.0: it asks
//! again when it was answered, and may do so at once. So a request that comes too soon says nothing
//! of its sender, and an answer that waits holds an honest one back. Who goes on asking without an
//! answer is none of these. What was decided about each rule, and what honest versions do:
//! docs/decisions/0032-bans-that-grow.md.
//!
//! CometBFT itself hangs up on whoever asks a third time within ten seconds of the second
//! (docs/quirks.md, quirk 22), and bans whoever sends addresses unasked. [`Requests`] is asked
//! before each request of ours goes out, whoever wants it sent. The pause begins with the *answer*
//! to the request before: whatever delayed either on the way, and whoever slept meanwhile, the other
//! side has seen that request before we saw its answer, so it sees the whole pause.

use std::time::Duration;

use ringwire_codec::DecodeError;
use thiserror::Error;

use crate::time::Instant;

/// Requests of a peer that are answered whenever they come, as in the reference.
const REQUESTS_FREE: u32 = 2;

/// The longest pause that we demand between further requests of a peer: the reference's at its
/// defaults. A node with a longer interval of its own must not hold those up who know only the
/// default.
pub(super) const REQUEST_PAUSE_MAX: Duration = Duration::from_secs(10);

/// The least pause between an answer and the next request of ours to one peer: the ten seconds that
/// the reference demands by default, and one for clocks that do not run alike.
pub(super) const ASK_PAUSE_MIN: Duration = Duration::from_secs(11);

/// Requests that may come while one waits for its answer. An honest node sends none, an older
/// Ringwire node up to two; they may come all at once when either side has slept.
const SURPLUS_MAX: u32 = 8;

/// What costs a peer its connection, and when it is done again some time of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Abuse {
    /// It goes on asking although its answer is still to come.
    #[error("asked for addresses {count} times without waiting for the answer")]
    TooOften {
        /// Requests beyond the one that waits.
        count: u32,
    },
    /// It sent addresses that nobody had asked for.
    #[error("sent addresses that it was not asked for")]
    Unsolicited,
    /// It sent what is no message of the peer exchange, or addresses that are none.
    #[error("sent no message of the peer exchange: {0}")]
    Undecodable(#[from] DecodeError),
}

/// What to do about a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reply {
    /// It is to be answered now.
    Now,
    /// It came too soon: [`Requests::take_waiting`] is to be asked after this time.
    After(Duration),
    /// Another one waits already; this one is not answered.
    Never,
}

/// What was asked so far, in both directions, on one connection.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Requests of the peer that were answered at once, as far as the free ones count.
    received: u32,
    answered_at: Option<Instant>,
    /// Whether a request waits until it may be answered.
    is_waiting: bool,
    /// Requests that came while it did.
    surplus: u32,
    /// Whether the peer owes us an answer.
    is_owed: bool,
    /// When we asked, or had our answer, whichever was later.
    settled_at: Option<Instant>,
}

impl Requests {
    /// The peer asks. After the free requests `pause` passes between two answers.
    ///
    /// # Errors
    /// [`Abuse::TooOften`] when it does not wait for its answer.
    pub(super) fn handle_request(&mut self, now: Instant, pause: Duration) -> Result<Reply, Abuse> {
        if self.is_waiting {
            self.surplus += 1;
            return match self.surplus > SURPLUS_MAX {
                true => Err(Abuse::TooOften {
                    count: self.surplus,
                }),
                false => Ok(Reply::Never),
            };
        }
        let since = self.answered_at.map(|last| now - last);
        if self.received < REQUESTS_FREE {
            self.received += 1;
        } else if let Some(rest) = since.and_then(|since| pause.checked_sub(since))
            && !rest.is_zero()
        {
            self.is_waiting = true;
            return Ok(Reply::After(rest));
        }
        self.answered_at = Some(now);
        Ok(Reply::Now)
    }

    /// Whether a request has waited for its answer; it is to be answered now.
    pub(super) fn take_waiting(&mut self, now: Instant) -> bool {
        if self.is_waiting {
            (self.answered_at, self.surplus) = (Some(now), 0);
        }
        std::mem::take(&mut self.is_waiting)
    }

    /// Whether the peer may be asked now; if so it counts as asked.
    pub(super) fn try_ask(&mut self, now: Instant, pause: Duration) -> bool {
        let is_early = self.settled_at.is_some_and(|last| now - last < pause);
        if is_early || self.is_owed {
            return false;
        }
        (self.is_owed, self.settled_at) = (true, Some(now));
        true
    }

    /// The request that was just counted could not be sent.
    pub(super) fn handle_unsent(&mut self) {
        self.is_owed = false;
    }

    /// The peer sends addresses.
    ///
    /// # Errors
    /// [`Abuse::Unsolicited`] when it owes us none.
    pub(super) fn handle_answer(&mut self, now: Instant) -> Result<(), Abuse> {
        if !std::mem::take(&mut self.is_owed) {
            return Err(Abuse::Unsolicited);
        }
        self.settled_at = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    // Conformance item 70.
    #[test]
    fn two_requests_are_free_and_the_third_is_answered_when_the_pause_since_the_second_is_over() {
        let mut requests = Requests::default();
        assert_eq!(requests.handle_request(at(0), PAUSE), Ok(Reply::Now));
        assert_eq!(requests.handle_request(at(0), PAUSE), Ok(Reply::Now));
        let nearly = at(10) - at(0) - Duration::from_nanos(1);
        assert_eq!(
            requests.handle_request(Instant::ZERO + nearly, PAUSE),
            Ok(Reply::After(Duration::from_nanos(1)))
        );
        assert!(requests.take_waiting(at(10)));
        assert!(!requests.take_waiting(at(10)));
        assert_eq!(requests.handle_request(at(20), PAUSE), Ok(Reply::Now));
        let rest = Duration::from_secs(4);
        let soon = requests.handle_request(at(26), PAUSE);
        assert_eq!(soon, Ok(Reply::After(rest)));
    }

    // CometBFT 0.37 asks at its 30 s look and again when the answer wakes it, 100 ms later.
    #[test]
    fn who_asks_again_as_soon_as_it_is_answered_is_answered_each_time_and_never_blamed() {
        let mut requests = Requests::default();
        let (mut now, mut answers) = (at(0), Vec::new());
        for _ in 0..20 {
            now += Duration::from_millis(100);
            match requests.handle_request(now, PAUSE) {
                Ok(Reply::Now) => {}
                Ok(Reply::After(rest)) => {
                    now += rest;
                    assert!(requests.take_waiting(now));
                }
                other => panic!("{other:?}"),
            }
            answers.push(now);
        }
        let paced = answers[1..]
            .windows(2)
            .all(|pair| pair[1] - pair[0] >= PAUSE);
        assert!(paced, "{answers:?}");
    }

    #[test]
    fn requests_on_top_of_one_that_waits_are_not_answered_and_too_many_are_abuse() {
        let mut requests = Requests::default();
        for _ in 0..REQUESTS_FREE {
            assert_eq!(requests.handle_request(at(0), PAUSE), Ok(Reply::Now));
        }
        for _ in 0..2 {
            let waits = requests.handle_request(at(0), PAUSE);
            assert!(matches!(waits, Ok(Reply::After(_))), "{waits:?}");
            for _ in 0..SURPLUS_MAX {
                assert_eq!(requests.handle_request(at(0), PAUSE), Ok(Reply::Never));
            }
            // What came while it waited is forgiven with the answer.
            assert!(requests.take_waiting(at(10)));
        }
        assert!(requests.handle_request(at(10), PAUSE).is_ok());
        for _ in 0..SURPLUS_MAX {
            assert_eq!(requests.handle_request(at(10), PAUSE), Ok(Reply::Never));
        }
        let too_often = Err(Abuse::TooOften { count: 9 });
        assert_eq!(requests.handle_request(at(10), PAUSE), too_often);
    }

    // Conformance item 71.
    #[test]
    fn an_answer_is_taken_once_per_request_and_never_without_one() {
        let mut requests = Requests::default();
        assert_eq!(requests.handle_answer(at(0)), Err(Abuse::Unsolicited));
        assert!(requests.try_ask(at(0), ASK_PAUSE_MIN));
        assert_eq!(requests.handle_answer(at(1)), Ok(()));
        assert_eq!(requests.handle_answer(at(1)), Err(Abuse::Unsolicited));
    }

    #[test]
    fn nobody_is_asked_again_within_the_pause_since_its_answer() {
        let mut requests = Requests::default();
        assert!(requests.try_ask(at(0), ASK_PAUSE_MIN));
        assert_eq!(requests.handle_answer(at(70)), Ok(()));
        assert!(!requests.try_ask(at(80), ASK_PAUSE_MIN));
        assert!(requests.try_ask(at(81), ASK_PAUSE_MIN));
    }

    #[test]
    fn a_peer_that_owes_an_answer_is_not_asked_again_and_its_answer_is_taken_however_late() {
        let mut requests = Requests::default();
        assert!(requests.try_ask(at(0), ASK_PAUSE_MIN));
        assert!(!(1..10).any(|n| requests.try_ask(at(n * 100), ASK_PAUSE_MIN)));
        assert_eq!(requests.handle_answer(at(1000)), Ok(()));
        assert!(requests.try_ask(at(1011), ASK_PAUSE_MIN));
    }

    #[test]
    fn a_request_that_was_not_sent_owes_no_answer_but_keeps_its_pause() {
        let mut requests = Requests::default();
        assert!(requests.try_ask(at(0), ASK_PAUSE_MIN));
        requests.handle_unsent();
        assert_eq!(requests.handle_answer(at(1)), Err(Abuse::Unsolicited));
        assert!(!requests.try_ask(at(10), ASK_PAUSE_MIN));
        assert!(requests.try_ask(at(11), ASK_PAUSE_MIN));
    }
}
