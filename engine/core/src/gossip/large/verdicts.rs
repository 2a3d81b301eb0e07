//! [`Verdicts`]: what the application says of payloads, once when they are offered and once when they are whole.
//!
//! ```text
//!   offer ── may it be had? ──▶ shards, passed on as they come ──▶ whole ── is it good? ──▶ delivered
//!              at once                                              at once, or within a time
//! ```
//! What waits for the second word counts as under way, so the exchange bounds its bytes.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::NodeId;
use ringwire_gossip::coded::{ManifestId, Origin};

use crate::gossip::acceptance::Acceptance;
use crate::gossip::checks::{Check, CheckAnswer, Checks, Judged};
use crate::gossip::judge::Judge;

/// A payload that a peer offers, and of which nothing is here: see [`Large::with_offer_validator`](super::Large::with_offer_validator).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LargeOffer {
    /// Who offers it.
    pub from: NodeId,
    /// Who has published it; where manifests are not signed, who is said to have.
    pub origin: NodeId,
    /// The origin's number of it. Numbers begin anywhere and say nothing of an order.
    pub seq: u64,
    /// Bytes that it has.
    pub bytes: usize,
}

/// Says whether a payload may be had.
pub(super) type OfferValidator = Box<dyn FnMut(&LargeOffer) -> Acceptance>;

/// A whole payload that the application checks.
#[derive(Debug)]
pub(super) struct Unchecked {
    pub(super) id: ManifestId,
    pub(super) origin: Origin,
    /// Who sent the last shard that was missing.
    pub(super) from: NodeId,
    pub(super) payload: Bytes,
}

/// Who is asked, and what has no answer yet.
pub(super) struct Verdicts {
    offers: Option<OfferValidator>,
    judge: Judge,
    checks: Checks<Unchecked>,
}

impl Verdicts {
    /// Everything is good.
    pub(super) fn new() -> Self {
        Verdicts {
            offers: None,
            judge: Judge::Nobody,
            checks: Checks::default(),
        }
    }

    pub(super) fn set_offer_validator(&mut self, validator: OfferValidator) {
        self.offers = Some(validator);
    }

    pub(super) fn set_judge(&mut self, judge: Judge) {
        self.judge = judge;
    }

    /// Whether whole payloads wait for a word.
    pub(super) fn are_asked_for(&self) -> bool {
        !self.judge.is_nobody()
    }

    /// Whether a payload may be had.
    pub(super) fn of_offer(&mut self, offer: &LargeOffer) -> Acceptance {
        match &mut self.offers {
            None => Acceptance::Accept,
            Some(validator) => validator(offer),
        }
    }

    /// Hands a whole payload to the application, which has until `due`. Gives it back if the answer is there at once.
    pub(super) fn begin(&mut self, due: Duration, whole: Unchecked) -> Option<Judged<Unchecked>> {
        let (from, payload) = (whole.from, whole.payload.clone());
        let checks = self.checks.begin(due, from, whole, [payload]);
        let ask = |check: Check| self.judge.ask(check);
        let answer = checks.into_iter().find_map(ask)?;
        self.checks.answer(answer)
    }

    /// The application has found something; see [`Checks::answer`].
    pub(super) fn answer(&mut self, answer: CheckAnswer) -> Option<Judged<Unchecked>> {
        self.checks.answer(answer)
    }

    /// A payload whose time is over by now.
    pub(super) fn expire_one(&mut self, now: Duration) -> Option<Judged<Unchecked>> {
        self.checks.expire_one(now)
    }

    /// When the time of the next is over.
    pub(super) fn next_due(&mut self) -> Option<Duration> {
        self.checks.next_due()
    }
}
