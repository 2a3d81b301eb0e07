//! The dials of discovery: whom, and what became of them.

use ringwire_codec::secret::handshake::HandshakeError;
use ringwire_codec::{GoodbyeCode, NetAddress, NodeId};

use super::{Discovery, GIVEN_UP};
use crate::error::{CloseReason, Reject};
use crate::pex::backoff::Next;
use crate::pex::ensure;
use crate::pex::reactor::Pex;
use crate::pex::seeds::Round;
use crate::reactor::Context;
use crate::time::Instant;

/// What came of filling the places for outbound peers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filled {
    /// Places that were free.
    pub(super) places: usize,
    /// Dials begun for them.
    pub(super) dialed: usize,
}

/// What a failed dial says of the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// Nothing: it failed for a reason of ours.
    Nothing,
    /// Nobody is there, or has no room.
    Failed,
    /// Somebody else is there than was said.
    Lie,
    /// We are there.
    Ourselves,
}

impl Discovery {
    /// What became of a dial of ours.
    pub(in crate::pex) fn handle_dialed(
        &mut self,
        cx: &mut Context<'_, Pex>,
        address: &NetAddress,
        outcome: Result<(), &CloseReason>,
    ) {
        if let Err(reason) = outcome {
            self.judge(cx.now(), address, reason);
        }
        match self.seeds.handle_dialed(&address.id, outcome.is_ok()) {
            Round::Reached => {
                tracing::info!(target: "ringwire::pex", seed = %address, "reached a seed")
            }
            Round::GoesOn => {
                self.counters.seed_dials_failed += 1;
                if !self.dial_next_seed(cx)
                    && let Err(reason) = outcome
                {
                    self.report_unreached(reason);
                }
            }
            Round::NotOurs => {}
        }
        match (outcome.is_err(), self.crawler.is_some()) {
            (true, true) => {
                self.fill_places(cx);
            }
            (true, false) => self.redial(cx),
            (false, _) => {}
        }
    }

    /// Fills the places that a failed dial or a lost peer left, as often as an interval allows.
    pub(super) fn redial(&mut self, cx: &mut Context<'_, Pex>) {
        if self.redials > 0 {
            let filled = self.fill_places(cx);
            self.redials = self.redials.saturating_sub(filled.dialed.max(1));
        }
    }

    /// Dials as many as there are places: addresses of the book, or a seed's next visits.
    pub(super) fn fill_places(&mut self, cx: &mut Context<'_, Pex>) -> Filled {
        let (now, ourselves) = (cx.now(), cx.node_id());
        let Some(node) = cx.node().filter(|_| !self.is_stopping) else {
            return Filled::default();
        };
        let census = node.census();
        let places = ensure::places(census, self.config.outbound_max);
        let may_dial = |address: &NetAddress| {
            let is_apart = address.id != ourselves && !self.seeds.contains(&address.id);
            is_apart && !node.is_known(&address.id) && self.attempts.may_dial(&address.id, now)
        };
        let drawn = match &mut self.crawler {
            Some(crawler) => std::iter::from_fn(|| crawler.next(now, may_dial))
                .take(places)
                .collect(),
            None => {
                let bias = ensure::bias_to_new(census.outbound);
                ensure::draw(&mut self.book, places, bias, may_dial)
            }
        };
        let dialed = drawn.len();
        if dialed > 0 {
            tracing::debug!(target: "ringwire::pex",
                dialed,
                places,
                outbound = census.outbound,
                "dials from the book"
            );
        }
        for address in drawn {
            self.dial(cx, address);
        }
        Filled { places, dialed }
    }

    /// Goes on with the round of seeds; false if none of it is left.
    pub(super) fn dial_next_seed(&mut self, cx: &mut Context<'_, Pex>) -> bool {
        let ourselves = cx.node_id();
        let Some(node) = cx.node().filter(|_| !self.is_stopping) else {
            return false;
        };
        let is_free = |id: &NodeId| *id != ourselves && !node.is_known(id);
        let next = self.seeds.next(is_free);
        if let Some(seed) = &next {
            tracing::debug!(target: "ringwire::pex", %seed, "dials a seed");
            self.dial(cx, seed.clone());
        }
        next.is_some()
    }

    /// A dial failed, or a peer had no room for us.
    pub(super) fn count_failure(&mut self, now: Instant, address: &NetAddress) {
        self.book.mark_attempt(address, self.config.wall(now));
        self.is_unsaved = true;
        if self
            .attempts
            .handle_failed(address.id, now, &mut self.chance)
            == Next::GiveUp
        {
            tracing::debug!(target: "ringwire::pex", %address, "gave an address up");
            self.counters.given_up += 1;
            self.mark_bad(now, address, GIVEN_UP);
        }
    }

    fn dial(&mut self, cx: &mut Context<'_, Pex>, address: NetAddress) {
        if let Some(mut node) = cx.node() {
            self.counters.dials += 1;
            node.dial(address);
        }
    }

    fn judge(&mut self, now: Instant, address: &NetAddress, reason: &CloseReason) {
        self.is_stopping |= matches!(
            reason,
            CloseReason::Shutdown | CloseReason::Rejected(Reject::Stopping)
        );
        let verdict = verdict_of(reason);
        if verdict == Verdict::Nothing {
            return;
        }
        tracing::debug!(target: "ringwire::pex", %address, %reason, "dial failed");
        self.counters.dials_failed += 1;
        match verdict {
            Verdict::Nothing => {}
            Verdict::Failed => self.count_failure(now, address),
            // Not banned, as in the reference: whoever told this would else choose whom we ban.
            Verdict::Lie => {
                self.attempts.forget(&address.id);
                self.book.remove(address);
                self.is_unsaved = true;
            }
            Verdict::Ourselves => {
                self.book.remove(address);
                self.book.add_our_address(address.clone());
                self.is_unsaved = true;
            }
        }
    }

    /// No seed could be dialed. The reference refuses to start when it can resolve none and knows
    /// nobody else; names may resolve later, so this node says so and tries again.
    fn report_unreached(&self, reason: &CloseReason) {
        if self.book.is_empty() && !self.is_stopping {
            tracing::error!(target: "ringwire::pex",
                %reason,
                "no seed can be used and no other address is known; this is why of the last one. \
                 Trying again"
            );
        }
    }
}

fn verdict_of(reason: &CloseReason) -> Verdict {
    match reason {
        CloseReason::Rejected(Reject::IsSelf) => Verdict::Ourselves,
        CloseReason::Handshake(HandshakeError::WrongId { .. })
        | CloseReason::Rejected(Reject::IdMismatch { .. }) => Verdict::Lie,
        // What it said of itself does not do, or the application does not want it.
        CloseReason::Rejected(Reject::NodeInfo(_) | Reject::Filtered(_)) => Verdict::Failed,
        CloseReason::Goodbye(goodbye) if goodbye.code != GoodbyeCode::Duplicate => Verdict::Failed,
        // A limit of ours, or a connection that there is already.
        CloseReason::Rejected(_)
        | CloseReason::Goodbye(_)
        | CloseReason::Stopped
        | CloseReason::Done { .. }
        // Our own key does not sign.
        | CloseReason::Signing(_)
        | CloseReason::Shutdown => Verdict::Nothing,
        _ => Verdict::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::Goodbye;
    use crate::error::NetworkError;

    #[test]
    fn a_failed_dial_is_held_against_the_address_only_where_it_is_to_blame() {
        let id = NodeId::from_bytes([1; 20]);
        let rejected = |reject: Reject| verdict_of(&CloseReason::Rejected(reject));
        assert_eq!(rejected(Reject::IsSelf), Verdict::Ourselves);
        assert_eq!(rejected(Reject::OutboundFull(10)), Verdict::Nothing);
        assert_eq!(rejected(Reject::DuplicateId(id)), Verdict::Nothing);
        assert_eq!(rejected(Reject::Stopping), Verdict::Nothing);
        assert_eq!(verdict_of(&CloseReason::Shutdown), Verdict::Nothing);
        let filtered = Reject::Filtered(String::from("no"));
        assert_eq!(rejected(filtered), Verdict::Failed);
        let wrong = HandshakeError::WrongId {
            expected: id,
            found: NodeId::from_bytes([2; 20]),
        };
        assert_eq!(verdict_of(&CloseReason::Handshake(wrong)), Verdict::Lie);
        let goodbye = |code| verdict_of(&CloseReason::Goodbye(Goodbye::new(code, "")));
        assert_eq!(goodbye(GoodbyeCode::Full), Verdict::Failed);
        assert_eq!(goodbye(GoodbyeCode::Duplicate), Verdict::Nothing);
        let eof = CloseReason::Network(NetworkError::Eof);
        assert_eq!(verdict_of(&eof), Verdict::Failed);
    }
}
