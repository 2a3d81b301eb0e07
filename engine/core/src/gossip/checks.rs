//! [`Checks`]: messages that the application checks before they go further, and takes its time.
//!
//! ```text
//!   conversation ── Check ──▶ application, on whatever thread
//!        ▲                        │ accept, ignore, blame
//!        └── verdicts of a body ──┴── or nothing until the time is over: ignored
//! ```
//! A body is what a conversation gives out at a time: a message or a bundle of them, or a large payload. The conversation
//! bounds the bytes of what waits, so the bodies that wait are bounded too.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::NodeId;
use ringwire_gossip::feeds::Verdict;

use super::acceptance::Acceptance;

/// Which message is meant: see [`Check`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CheckId {
    body: u64,
    index: u16,
}

/// A message or a large payload that the application checks: it answers with a [`CheckAnswer`] of the same id, at any time within
/// [`FeedsConfig::check_within`](super::FeedsConfig::check_within) or
/// [`LargeConfig::check_within`](super::LargeConfig::check_within).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Which one.
    pub id: CheckId,
    /// Who brought it; of a large payload, who sent the last shard of it that was missing.
    pub from: NodeId,
    /// The message.
    pub message: Bytes,
}

/// What the application has found: a question to the reactor on the shard that asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckAnswer {
    /// Of which message.
    pub id: CheckId,
    /// What it is.
    pub acceptance: Acceptance,
}

/// A body whose messages were all answered, or whose time was over.
#[derive(Debug)]
pub(super) struct Judged<B> {
    /// Which body.
    pub(super) body: B,
    /// By message, in the body's order.
    pub(super) verdicts: Vec<Verdict>,
    /// Why somebody is to be stopped for it.
    pub(super) blamed: Option<String>,
    /// Messages that the application ignored, and those without an answer.
    pub(super) ignored: u64,
    pub(super) late: u64,
}

#[derive(Debug)]
struct Pending<B> {
    body: B,
    verdicts: Vec<Option<Verdict>>,
    reason: Option<String>,
}

impl<B> Pending<B> {
    fn judged(self) -> Judged<B> {
        let count = |verdict| self.verdicts.iter().filter(|it| **it == verdict).count() as u64;
        let ignored = count(Some(Verdict::Ignore));
        // One to blame ends the check of all.
        let late = if self.reason.is_some() {
            0
        } else {
            count(None)
        };
        let verdicts = self.verdicts.into_iter();
        Judged {
            body: self.body,
            verdicts: verdicts.map(|it| it.unwrap_or(Verdict::Ignore)).collect(),
            blamed: self.reason,
            ignored,
            late,
        }
    }
}

/// The bodies of which not all messages were answered. `B` is what a conversation knows a body by.
#[derive(Debug)]
pub(super) struct Checks<B> {
    pending: BTreeMap<u64, Pending<B>>,
    /// When the time of each is over, in that order; some were answered since.
    due: VecDeque<(Duration, u64)>,
    next: u64,
}

impl<B> Default for Checks<B> {
    fn default() -> Self {
        Checks {
            pending: BTreeMap::new(),
            due: VecDeque::new(),
            next: 0,
        }
    }
}

impl<B> Checks<B> {
    /// Begins to check the messages of a body, which `from` has brought, until `due`: no earlier than that of the body before.
    /// Returns them for the application.
    pub(super) fn begin(
        &mut self,
        due: Duration,
        from: NodeId,
        of: B,
        messages: impl IntoIterator<Item = Bytes>,
    ) -> Vec<Check> {
        let body = self.next;
        self.next += 1;
        let check = |(index, message)| Check {
            id: CheckId { body, index },
            from,
            message,
        };
        let checks: Vec<Check> = (0..).zip(messages).map(check).collect();
        let pending = Pending {
            body: of,
            verdicts: vec![None; checks.len()],
            reason: None,
        };
        self.pending.insert(body, pending);
        self.due.push_back((due, body));
        checks
    }

    /// The application has found something. Gives the body if that was its last message, or somebody is to blame for
    /// it: then the others do not matter. A second answer, or one that is late, says nothing.
    pub(super) fn answer(&mut self, answer: CheckAnswer) -> Option<Judged<B>> {
        let CheckId { body, index } = answer.id;
        let pending = self.pending.get_mut(&body)?;
        let place = pending.verdicts.get_mut(usize::from(index))?;
        if place.is_some() {
            return None;
        }
        *place = Some(match answer.acceptance {
            Acceptance::Accept => Verdict::PassOn,
            Acceptance::Ignore => Verdict::Ignore,
            Acceptance::Blame(reason) => {
                pending.reason = Some(reason);
                Verdict::Blame
            }
        });
        let is_done = pending.reason.is_some() || pending.verdicts.iter().all(Option::is_some);
        is_done
            .then(|| self.pending.remove(&body))
            .flatten()
            .map(Pending::judged)
    }

    /// A body whose time is over by now.
    pub(super) fn expire_one(&mut self, now: Duration) -> Option<Judged<B>> {
        while self.due.front().is_some_and(|(due, _)| *due <= now) {
            let (_, body) = self.due.pop_front()?;
            if let Some(pending) = self.pending.remove(&body) {
                return Some(pending.judged());
            }
        }
        None
    }

    /// When the time of the next is over.
    pub(super) fn next_due(&mut self) -> Option<Duration> {
        while let Some((due, body)) = self.due.front() {
            if self.pending.contains_key(body) {
                return Some(*due);
            }
            self.due.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId::from_bytes([7; 20]);
    const SOON: Duration = Duration::from_secs(1);

    /// Begins to check a body of one message.
    fn begin(checks: &mut Checks<u64>, due: Duration, body: u64) -> Check {
        let message = Bytes::from_static(b"tx");
        let mut begun = checks.begin(due, PEER, body, [message]);
        assert_eq!(begun.len(), 1);
        begun.remove(0)
    }

    fn answer(check: &Check, acceptance: Acceptance) -> CheckAnswer {
        CheckAnswer {
            id: check.id,
            acceptance,
        }
    }

    #[test]
    fn an_answer_ends_the_check_and_a_second_one_says_nothing() {
        let mut checks = Checks::default();
        let check = &begin(&mut checks, SOON, 5);
        let judged = checks
            .answer(answer(check, Acceptance::Accept))
            .expect("it was the last");
        assert_eq!(
            (judged.body, &judged.verdicts[..], judged.late),
            (5, &[Verdict::PassOn][..], 0)
        );
        assert!(judged.blamed.is_none());
        assert!(checks.answer(answer(check, Acceptance::Ignore)).is_none());
        assert_eq!(checks.next_due(), None);
    }

    #[test]
    fn what_has_no_answer_in_time_is_ignored_and_an_answer_comes_too_late() {
        let mut checks = Checks::default();
        let check = begin(&mut checks, SOON, 5);
        begin(&mut checks, SOON * 2, 6);
        assert!(checks.expire_one(SOON - Duration::from_nanos(1)).is_none());
        assert_eq!(checks.next_due(), Some(SOON));
        let judged = checks.expire_one(SOON).expect("its time is over");
        assert_eq!(
            (judged.body, &judged.verdicts[..], judged.late),
            (5, &[Verdict::Ignore][..], 1)
        );
        assert!(checks.answer(answer(&check, Acceptance::Accept)).is_none());
        assert!(checks.expire_one(SOON).is_none());
        assert_eq!(checks.next_due(), Some(SOON * 2));
    }

    #[test]
    fn blame_ends_the_check_of_a_body_and_says_why() {
        let mut checks = Checks::default();
        let messages = [b"tx", b"ty"].map(|bytes| Bytes::from_static(bytes));
        let begun = checks.begin(SOON, PEER, 5, messages);
        let blame = Acceptance::Blame(String::from("a lie"));
        let judged = checks
            .answer(answer(&begun[1], blame))
            .expect("the other does not matter");
        assert_eq!(judged.verdicts, [Verdict::Ignore, Verdict::Blame]);
        assert_eq!((judged.blamed.as_deref(), judged.late), (Some("a lie"), 0));
        assert!(
            checks
                .answer(answer(&begun[0], Acceptance::Accept))
                .is_none()
        );
    }
}
