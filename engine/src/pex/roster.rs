//! Who is connected, on all shards, as far as the peer exchange cares (coordinator only).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};

use crate::chance::Chance;
use crate::peer::{Direction, ShardId};
use crate::time::Instant;

/// A connected peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Member {
    /// Where it lives.
    pub(super) shard: ShardId,
    /// Who dialed.
    pub(super) direction: Direction,
    /// Whether the operator wants it kept.
    pub(super) is_kept: bool,
    /// Whether it has the channel of the peer exchange.
    pub(super) speaks_pex: bool,
    /// Where it is: the socket's IP, and the port where it listens as far as that is known.
    pub(super) place: NetAddress,
    /// When we heard of it.
    pub(super) since: Instant,
    /// When it was last asked for addresses.
    pub(super) asked_at: Option<Instant>,
    /// Whether its address was marked as good since it is connected.
    pub(super) is_good: bool,
}

/// The connected peers by id; bounded by the limits of peers.
#[derive(Debug, Default)]
pub(super) struct Roster(BTreeMap<NodeId, Member>);

impl Roster {
    /// A peer is connected.
    pub(super) fn insert(&mut self, id: NodeId, member: Member) {
        self.0.insert(id, member);
    }

    /// A peer is gone.
    pub(super) fn remove(&mut self, id: &NodeId) -> Option<Member> {
        self.0.remove(id)
    }

    /// A connected peer.
    pub(super) fn find(&self, id: &NodeId) -> Option<&Member> {
        self.0.get(id)
    }

    /// Whether a peer other than `id` is at `ip`.
    pub(super) fn shares_ip(&self, id: &NodeId, ip: IpAddr) -> bool {
        let mut others = self.0.iter().filter(|(other, _)| *other != id);
        others.any(|(_, member)| member.place.host.ip() == Some(ip))
    }

    /// Notes that a peer is asked now.
    pub(super) fn mark_asked(&mut self, id: &NodeId, now: Instant) {
        if let Some(member) = self.0.get_mut(id) {
            member.asked_at = Some(now);
        }
    }

    /// One of those that were not asked within `pause`, by chance.
    pub(super) fn draw_askable(
        &self,
        now: Instant,
        pause: Duration,
        chance: &mut Chance,
    ) -> Option<NodeId> {
        let is_askable = |member: &Member| {
            member.speaks_pex && member.asked_at.is_none_or(|last| now - last >= pause)
        };
        let askable: Vec<_> = self
            .0
            .iter()
            .filter(|(_, member)| is_askable(member))
            .collect();
        let count = u32::try_from(askable.len()).expect("peers have a limit far below");
        let drawn = (count > 0).then(|| chance.below(count) as usize)?;
        askable.get(drawn).map(|(id, _)| **id)
    }

    /// The outbound peers that stayed for `span` and are not marked as good yet; they are now.
    pub(super) fn take_stable(
        &mut self,
        now: Instant,
        span: Duration,
    ) -> Vec<(NodeId, NetAddress)> {
        let mut stable = Vec::new();
        for (id, member) in &mut self.0 {
            let is_outbound = member.direction == Direction::Outbound;
            if is_outbound && !member.is_good && now - member.since >= span {
                member.is_good = true;
                stable.push((*id, member.place.clone()));
            }
        }
        stable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(11);

    fn id(number: u8) -> NodeId {
        NodeId::from_bytes([number; 20])
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn member(number: u8, ip: [u8; 4], direction: Direction) -> Member {
        Member {
            shard: ShardId(0),
            direction,
            is_kept: false,
            speaks_pex: true,
            place: NetAddress::from_ip(id(number), ip.into(), 26_656),
            since: at(0),
            asked_at: None,
            is_good: false,
        }
    }

    #[test]
    fn only_peers_that_speak_and_were_not_asked_lately_are_drawn() {
        let (mut roster, mut chance) = (Roster::default(), Chance::new([1; 32]));
        assert_eq!(roster.draw_askable(at(0), PAUSE, &mut chance), None);
        let silent = Member {
            speaks_pex: false,
            ..member(1, [1, 1, 1, 1], Direction::Outbound)
        };
        roster.insert(id(1), silent);
        assert_eq!(roster.draw_askable(at(0), PAUSE, &mut chance), None);
        roster.insert(id(2), member(2, [2, 2, 2, 2], Direction::Inbound));
        assert_eq!(roster.draw_askable(at(0), PAUSE, &mut chance), Some(id(2)));
        roster.mark_asked(&id(2), at(5));
        assert_eq!(roster.draw_askable(at(15), PAUSE, &mut chance), None);
        assert_eq!(roster.draw_askable(at(16), PAUSE, &mut chance), Some(id(2)));
    }

    #[test]
    fn an_outbound_peer_is_stable_once_and_only_after_its_time() {
        let mut roster = Roster::default();
        roster.insert(id(1), member(1, [1, 1, 1, 1], Direction::Outbound));
        roster.insert(id(2), member(2, [2, 2, 2, 2], Direction::Inbound));
        let span = Duration::from_secs(120);
        assert!(roster.take_stable(at(119), span).is_empty());
        let stable = roster.take_stable(at(120), span);
        assert_eq!(
            stable.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
            [id(1)]
        );
        assert!(roster.take_stable(at(500), span).is_empty());
    }

    #[test]
    fn an_address_is_shared_when_another_peer_is_there() {
        let mut roster = Roster::default();
        roster.insert(id(1), member(1, [1, 1, 1, 1], Direction::Inbound));
        assert!(!roster.shares_ip(&id(1), [1, 1, 1, 1].into()));
        roster.insert(id(2), member(2, [1, 1, 1, 1], Direction::Inbound));
        assert!(roster.shares_ip(&id(1), [1, 1, 1, 1].into()));
        roster.remove(&id(2));
        assert!(!roster.shares_ip(&id(1), [1, 1, 1, 1].into()));
    }
}
