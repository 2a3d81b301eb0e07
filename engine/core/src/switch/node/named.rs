//! The nodes that the operator named, persistent peers, seeds and unconditional ones, and how each link
//! to them is doing (coordinator only).
//!
//! Anybody can make a connection to us fail, as often as they like, so most refusals are nobody's
//! business. A link that the operator asked for is: that it fails is told once for each new reason,
//! and again when the node is connected after all. What was told last, and why, is kept for whoever
//! asks ([`NamedPeer`]).
//!
//! ```text
//!            failed, for another reason than was told ─▶ told
//!   quiet ──────────────────────────────────────────────────▶ in trouble ─┐ failed for the same
//!     ▲                                                            │  ▲ ──┘ reason: counted
//!     └────────────── the other side admitted us: told ────────────┘
//! ```
//!
//! That a link which stood is lost is told in the same way: once for each new reason, and again when it had
//! stood for an hour. A seed's is not: it hangs up once it has answered.
//!
//! Bounded by what the operator names: the three lists of the configuration, as they are now.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ringwire_codec::{GoodbyeCode, NetAddress, NodeId};

use crate::error::{CloseReason, Reject};
use crate::time::Instant;

/// What the operator named a node as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NamedAs {
    /// A peer to stay connected to.
    Persistent,
    /// A node to ask for addresses.
    Seed,
    /// A peer that passes the limits.
    Unconditional,
    /// Somebody whom the application asked to dial once. Not kept: only its failure is told.
    Asked,
}

impl fmt::Display for NamedAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NamedAs::Persistent => "a persistent peer",
            NamedAs::Seed => "a seed",
            NamedAs::Unconditional => "an unconditional peer",
            NamedAs::Asked => "a node that was to be dialed",
        })
    }
}

/// A persistent peer or seed, as of now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedPeer {
    /// Whom, and where it is dialed.
    pub address: NetAddress,
    /// What it was named as.
    pub named_as: NamedAs,
    /// Whether it is a peer now.
    pub connected: bool,
    /// Attempts that failed since it was last connected.
    pub failures: u64,
    /// Why it was last refused, not reached or lost, and how long ago.
    pub last_error: Option<(Duration, CloseReason)>,
    /// When it is dialed again, from now; none while it is connected or being dialed, and for a seed,
    /// which is dialed when nobody else can be.
    pub next_dial_in: Option<Duration>,
}

/// How long a link must have stood for its loss to be news again, whatever was told before.
const STEADY_AFTER: Duration = Duration::from_secs(3600);

/// All that the operator named.
#[derive(Debug, Default)]
pub(crate) struct Named(BTreeMap<NodeId, Entry>);

#[derive(Debug)]
struct Entry {
    /// Where it is dialed; none of one that is only unconditional.
    address: Option<NetAddress>,
    named_as: NamedAs,
    failures: u64,
    last_error: Option<(Instant, CloseReason)>,
    /// The reason that was told and still holds.
    told: Option<CloseReason>,
    /// Why a link that stood was lost, as it was told last.
    told_lost: Option<CloseReason>,
}

impl Named {
    /// Who is in the lists of the configuration. One that is in several counts as persistent before a
    /// seed before unconditional.
    pub(crate) fn new(
        persistent: &[NetAddress],
        seeds: &[NetAddress],
        unconditional: &[NodeId],
    ) -> Self {
        let mut named = Named::default();
        for id in unconditional {
            named.insert(*id, None, NamedAs::Unconditional);
        }
        for address in seeds {
            named.insert(address.id, Some(address.clone()), NamedAs::Seed);
        }
        for address in persistent {
            named.insert(address.id, Some(address.clone()), NamedAs::Persistent);
        }
        named
    }

    /// The operator names others now. How those that stay are doing is kept.
    pub(crate) fn rename(
        &mut self,
        persistent: &[NetAddress],
        seeds: &[NetAddress],
        unconditional: &[NodeId],
    ) {
        let named = Named::new(persistent, seeds, unconditional);
        let mut before = std::mem::replace(self, named);
        for (id, entry) in &mut self.0 {
            if let Some(known) = before.0.remove(id) {
                entry.failures = known.failures;
                entry.last_error = known.last_error;
                entry.told = known.told;
                entry.told_lost = known.told_lost;
            }
        }
    }

    /// One more, or one in another place.
    fn insert(&mut self, id: NodeId, address: Option<NetAddress>, named_as: NamedAs) {
        let entry = Entry {
            address,
            named_as,
            failures: 0,
            last_error: None,
            told: None,
            told_lost: None,
        };
        self.0.insert(id, entry);
    }

    /// Where a named node is dialed.
    pub(crate) fn address_of(&self, id: &NodeId) -> Option<&NetAddress> {
        self.0.get(id)?.address.as_ref()
    }

    /// What an id was named as, if it was.
    pub(crate) fn role_of(&self, id: &NodeId) -> Option<NamedAs> {
        self.0.get(id).map(|entry| entry.named_as)
    }

    /// A link to a named node was refused or did not come about. Returns whether that is news.
    pub(crate) fn handle_failed(
        &mut self,
        now: Instant,
        id: &NodeId,
        reason: &CloseReason,
    ) -> bool {
        let Some(entry) = self.0.get_mut(id) else {
            return false;
        };
        if entry.named_as == NamedAs::Seed && is_done(reason) {
            // A seed says so once it has answered: that is what it was asked for.
            return false;
        }
        entry.failures += 1;
        entry.last_error = Some((now, reason.clone()));
        // Dials that cross end so once, and all is well; a second time it is another node with our key
        // or its.
        let may_be_crossing = is_duplicate(reason) && entry.failures == 1;
        let is_news = entry.told.as_ref() != Some(reason) && !may_be_crossing;
        if is_news {
            entry.told = Some(reason.clone());
        }
        is_news
    }

    /// A link that had stood for `lasted` was lost. Returns what its node was named as, if that is news.
    pub(crate) fn handle_lost(
        &mut self,
        now: Instant,
        id: &NodeId,
        reason: &CloseReason,
        lasted: Duration,
    ) -> Option<NamedAs> {
        let entry = self.0.get_mut(id)?;
        entry.last_error = Some((now, reason.clone()));
        if entry.named_as == NamedAs::Seed || is_our_wish(reason) {
            return None;
        }
        let is_news = entry.told_lost.as_ref() != Some(reason) || lasted >= STEADY_AFTER;
        entry.told_lost = Some(reason.clone());
        is_news.then_some(entry.named_as)
    }

    /// A link to a node stands. Returns what it was named as and how often it had failed, if that had
    /// been told.
    pub(crate) fn handle_stands(&mut self, id: &NodeId) -> Option<(NamedAs, u64)> {
        let entry = self.0.get_mut(id)?;
        let failures = std::mem::take(&mut entry.failures);
        entry.told.take().map(|_| (entry.named_as, failures))
    }

    /// All of them, by id; `link_of` gives for each whether it is connected, and when it is dialed.
    pub(crate) fn list(
        &self,
        now: Instant,
        link_of: impl Fn(&NodeId) -> (bool, Option<Instant>),
    ) -> Vec<NamedPeer> {
        let show = |(id, entry): (&NodeId, &Entry)| {
            let address = entry.address.clone()?;
            let (connected, next_dial) = link_of(id);
            let last_error = entry.last_error.as_ref();
            Some(NamedPeer {
                address,
                named_as: entry.named_as,
                connected,
                failures: entry.failures,
                last_error: last_error.map(|(at, reason)| (now - *at, reason.clone())),
                next_dial_in: next_dial.map(|at| at - now),
            })
        };
        self.0.iter().filter_map(show).collect()
    }
}

/// Whether it is this node that wanted the link to end.
fn is_our_wish(reason: &CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::Stopped | CloseReason::Shutdown | CloseReason::Done { .. }
    )
}

/// Whether the other side has said that it needs the link no longer.
fn is_done(reason: &CloseReason) -> bool {
    matches!(reason, CloseReason::Goodbye(goodbye) if goodbye.code == GoodbyeCode::Stopped)
}

/// Whether a link was refused, on either side, because there is another of the same node.
fn is_duplicate(reason: &CloseReason) -> bool {
    match reason {
        CloseReason::Rejected(Reject::DuplicateId(_)) => true,
        CloseReason::Goodbye(goodbye) => goodbye.code == GoodbyeCode::Duplicate,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::Goodbye;
    use crate::error::NetworkError;

    fn address(byte: u8) -> NetAddress {
        let id = NodeId::from_bytes([byte; 20]);
        format!("{id}@10.0.0.{byte}:26656")
            .parse()
            .expect("an address")
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    const MOMENT: Duration = Duration::from_secs(1);
    const BANNED: CloseReason = CloseReason::Rejected(Reject::Banned);
    const EOF: CloseReason = CloseReason::Network(NetworkError::Eof);

    #[test]
    fn a_failure_is_news_once_per_reason_and_again_on_a_change() {
        let (kept, id) = (address(1), address(1).id);
        let mut named = Named::new(&[kept], &[], &[]);
        let told = [&EOF, &EOF, &BANNED, &BANNED, &EOF].map(|reason| {
            let is_news = named.handle_failed(at(1), &id, reason);
            u8::from(is_news)
        });
        assert_eq!(told, [1, 0, 1, 0, 1]);
        assert_eq!(named.handle_stands(&id), Some((NamedAs::Persistent, 5)));
        assert_eq!(named.handle_stands(&id), None);
        assert!(named.handle_failed(at(2), &id, &EOF), "a new trouble");
        assert!(
            !named.handle_failed(at(2), &address(2).id, &EOF),
            "nobody named it"
        );
    }

    #[test]
    fn a_lost_link_is_news_once_per_reason_on_a_change_and_after_an_hour() {
        let ids = [1, 2, 3, 4].map(|byte| address(byte).id);
        let mut named = Named::new(&[address(1)], &[address(2)], &[ids[0], ids[1], ids[2]]);
        let mut lose = |id, reason, lasted| named.handle_lost(at(1), id, reason, lasted);
        let persistent = Some(NamedAs::Persistent);
        assert_eq!(lose(&ids[0], &EOF, MOMENT), persistent);
        assert_eq!(lose(&ids[0], &EOF, MOMENT), None);
        assert_eq!(lose(&ids[0], &BANNED, MOMENT), persistent);
        assert_eq!(lose(&ids[0], &BANNED, STEADY_AFTER - MOMENT), None);
        assert_eq!(lose(&ids[0], &BANNED, STEADY_AFTER), persistent);
        assert_eq!(lose(&ids[0], &CloseReason::Stopped, MOMENT), None);
        assert_eq!(lose(&ids[1], &EOF, MOMENT), None, "a seed hangs up");
        assert_eq!(lose(&ids[2], &EOF, MOMENT), Some(NamedAs::Unconditional));
        assert_eq!(lose(&ids[3], &EOF, MOMENT), None, "a stranger");
        let shown = named.list(at(2), |_| (false, None));
        assert_eq!(shown.len(), 2, "one without an address is not dialed");
    }

    #[test]
    fn that_a_seed_is_done_is_no_failure_and_that_a_persistent_peer_is_done_is_one() {
        let done = CloseReason::Goodbye(Goodbye::new(GoodbyeCode::Stopped, ""));
        let mut named = Named::new(&[address(1)], &[address(2)], &[]);
        assert!(named.handle_failed(at(1), &address(1).id, &done));
        assert!(!named.handle_failed(at(1), &address(2).id, &done));
        let list = named.list(at(2), |_| (false, None));
        assert_eq!((list[0].failures, list[1].failures), (1, 0));
        assert_eq!(list[1].last_error, None);
    }

    #[test]
    fn that_dials_cross_is_no_news_and_that_a_node_is_there_twice_is() {
        let id = address(1).id;
        let goodbye = Goodbye::new(GoodbyeCode::Duplicate, "");
        for reason in [
            CloseReason::Rejected(Reject::DuplicateId(id)),
            CloseReason::Goodbye(goodbye),
        ] {
            let mut named = Named::new(&[address(1)], &[], &[]);
            assert!(!named.handle_failed(at(1), &id, &reason));
            assert_eq!(named.handle_stands(&id), None, "nothing was told");
            assert!(!named.handle_failed(at(2), &id, &reason));
            assert!(named.handle_failed(at(3), &id, &reason));
            assert!(!named.handle_failed(at(4), &id, &reason));
        }
    }

    #[test]
    fn whoever_stays_named_keeps_its_troubles_and_whoever_is_named_no_longer_is_forgotten() {
        let mut named = Named::new(&[address(1), address(2)], &[address(3)], &[]);
        for byte in [1, 2, 3] {
            assert!(named.handle_failed(at(1), &address(byte).id, &EOF));
        }
        named.rename(&[address(3), address(4)], &[address(1)], &[]);
        let list = named.list(at(2), |_| (false, None));
        let shown: Vec<_> = list
            .iter()
            .map(|peer| (peer.address.clone(), peer.named_as, peer.failures))
            .collect();
        let (persistent, seed) = (NamedAs::Persistent, NamedAs::Seed);
        let expected = [
            (address(1), seed, 1),
            (address(3), persistent, 1),
            (address(4), persistent, 0),
        ];
        assert_eq!(shown, expected);
        assert!(!named.handle_failed(at(3), &address(1).id, &EOF), "told");
        assert!(!named.handle_failed(at(3), &address(2).id, &EOF), "gone");
        assert!(named.handle_failed(at(3), &address(4).id, &EOF), "new");
    }

    #[test]
    fn a_list_shows_who_is_missing_and_why() {
        let mut named = Named::new(&[address(1), address(2)], &[address(2), address(3)], &[]);
        let roles = [1, 2, 3, 4].map(|byte| named.role_of(&address(byte).id));
        let (persistent, seed) = (Some(NamedAs::Persistent), Some(NamedAs::Seed));
        assert_eq!(roles, [persistent, persistent, seed, None]);
        named.handle_failed(at(1), &address(1).id, &EOF);
        named.handle_failed(at(5), &address(1).id, &EOF);
        named.handle_lost(at(6), &address(2).id, &BANNED, MOMENT);
        let list = named.list(at(10), |id| match *id == address(1).id {
            true => (false, Some(at(12))),
            false => (true, None),
        });
        let expected = NamedPeer {
            address: address(1),
            named_as: NamedAs::Persistent,
            connected: false,
            failures: 2,
            last_error: Some((Duration::from_secs(5), EOF)),
            next_dial_in: Some(Duration::from_secs(2)),
        };
        assert_eq!(list[0], expected);
        assert_eq!(list[1].last_error, Some((Duration::from_secs(4), BANNED)));
        assert_eq!((list[1].failures, list.len()), (0, 3));
    }
}
