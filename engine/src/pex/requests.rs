//! Asking and being asked: the rules between us and one peer.
//!
//! A CometBFT node bans whoever sends it addresses it did not ask for, and whoever asks a third
//! time within ten seconds of the second (docs/quirks.md, quirk 22). We hold our peers to the same
//! rules, and keep them ourselves with room to spare: [`Requests`] is asked before each request
//! goes out, whoever wants it sent.
//!
//! A peer that does not answer stays askable, unlike in the reference (quirk 23), and an answer
//! that comes after we have given up on it is still one that we asked for.

use std::time::Duration;

use ringwire_codec::DecodeError;
use thiserror::Error;

use crate::time::Instant;

/// Requests of a peer that are answered whenever they come, as in the reference.
const REQUESTS_FREE: u32 = 2;

/// The longest pause that we demand between further requests of a peer: the reference's at its
/// defaults. A node with a longer interval of its own must not ban those who know only the default.
pub(super) const REQUEST_PAUSE_MAX: Duration = Duration::from_secs(10);

/// The least pause between two requests of ours to one peer: the ten seconds that the reference
/// demands by default, and one for what the network adds to the one request and not to the other.
pub(super) const ASK_PAUSE_MIN: Duration = Duration::from_secs(11);

/// Requests that a peer may leave unanswered before it is asked no more.
const UNANSWERED_MAX: u32 = 3;

/// What costs a peer its connection and a day of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Abuse {
    /// It asks too often.
    #[error("asked for addresses again after {after:?}, {pause:?} is the least")]
    TooOften {
        /// Since its last request.
        after: Duration,
        /// What it had to wait.
        pause: Duration,
    },
    /// It sent addresses that nobody had asked for.
    #[error("sent addresses that it was not asked for")]
    Unsolicited,
    /// It sent what is no message of the peer exchange, or addresses that are none.
    #[error("sent no message of the peer exchange: {0}")]
    Undecodable(#[from] DecodeError),
}

/// What was asked so far, in both directions, on one connection.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Requests of the peer that were answered, as far as the free ones count.
    received: u32,
    received_at: Option<Instant>,
    asked_at: Option<Instant>,
    /// Answers that the peer still owes us.
    unanswered: u32,
}

impl Requests {
    /// The peer asks. After the free requests it must let `pause` pass between two.
    ///
    /// # Errors
    /// [`Abuse::TooOften`] when it did not.
    pub(super) fn handle_request(&mut self, now: Instant, pause: Duration) -> Result<(), Abuse> {
        if self.received < REQUESTS_FREE {
            self.received += 1;
        } else if let Some(last) = self.received_at {
            let after = now - last;
            if after < pause {
                return Err(Abuse::TooOften { after, pause });
            }
        }
        self.received_at = Some(now);
        Ok(())
    }

    /// Whether the peer may be asked now; if so it counts as asked.
    pub(super) fn try_ask(&mut self, now: Instant, pause: Duration) -> bool {
        let is_early = self.asked_at.is_some_and(|last| now - last < pause);
        if is_early || self.unanswered >= UNANSWERED_MAX {
            return false;
        }
        self.asked_at = Some(now);
        self.unanswered += 1;
        true
    }

    /// The request that was just counted could not be sent.
    pub(super) fn handle_unsent(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// The peer sends addresses.
    ///
    /// # Errors
    /// [`Abuse::Unsolicited`] when it owes us none.
    pub(super) fn handle_answer(&mut self) -> Result<(), Abuse> {
        if self.unanswered == 0 {
            return Err(Abuse::Unsolicited);
        }
        self.unanswered -= 1;
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
    fn two_requests_are_free_and_the_third_must_keep_its_distance_from_the_second() {
        let mut requests = Requests::default();
        assert_eq!(requests.handle_request(at(0), PAUSE), Ok(()));
        assert_eq!(requests.handle_request(at(0), PAUSE), Ok(()));
        let just_early = at(10) - at(0) - Duration::from_nanos(1);
        let early = Instant::ZERO + just_early;
        let too_often = Abuse::TooOften {
            after: just_early,
            pause: PAUSE,
        };
        assert_eq!(requests.handle_request(early, PAUSE), Err(too_often));
        assert_eq!(requests.handle_request(at(10), PAUSE), Ok(()));
        assert!(requests.handle_request(at(19), PAUSE).is_err());
        assert_eq!(requests.handle_request(at(20), PAUSE), Ok(()));
    }

    // Conformance item 71.
    #[test]
    fn an_answer_is_taken_once_per_request_and_never_without_one() {
        let mut requests = Requests::default();
        assert_eq!(requests.handle_answer(), Err(Abuse::Unsolicited));
        assert!(requests.try_ask(at(0), ASK_PAUSE_MIN));
        assert_eq!(requests.handle_answer(), Ok(()));
        assert_eq!(requests.handle_answer(), Err(Abuse::Unsolicited));
    }

    #[test]
    fn nobody_is_asked_again_within_the_pause_answered_or_not() {
        let mut requests = Requests::default();
        assert!(requests.try_ask(at(0), ASK_PAUSE_MIN));
        assert!(!requests.try_ask(at(10), ASK_PAUSE_MIN));
        assert_eq!(requests.handle_answer(), Ok(()));
        assert!(!requests.try_ask(at(10), ASK_PAUSE_MIN));
        assert!(requests.try_ask(at(11), ASK_PAUSE_MIN));
    }

    #[test]
    fn a_late_answer_is_taken_although_the_peer_was_asked_again_meanwhile() {
        let mut requests = Requests::default();
        assert!(requests.try_ask(at(0), ASK_PAUSE_MIN));
        assert!(requests.try_ask(at(11), ASK_PAUSE_MIN));
        assert_eq!(requests.handle_answer(), Ok(()));
        assert_eq!(requests.handle_answer(), Ok(()));
        assert_eq!(requests.handle_answer(), Err(Abuse::Unsolicited));
    }

    #[test]
    fn a_peer_that_never_answers_is_asked_three_times_and_no_more() {
        let mut requests = Requests::default();
        let asked = (0..10).filter(|n| requests.try_ask(at(n * 11), ASK_PAUSE_MIN));
        assert_eq!(asked.count(), 3);
        assert_eq!(requests.handle_answer(), Ok(()));
        assert!(requests.try_ask(at(200), ASK_PAUSE_MIN));
    }

    #[test]
    fn a_request_that_was_not_sent_owes_no_answer_but_keeps_its_pause() {
        let mut requests = Requests::default();
        assert!(requests.try_ask(at(0), ASK_PAUSE_MIN));
        requests.handle_unsent();
        assert_eq!(requests.handle_answer(), Err(Abuse::Unsolicited));
        assert!(!requests.try_ask(at(10), ASK_PAUSE_MIN));
    }
}
