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
    /// When it was last asked for addresses or answered, whichever was later.
    pub(super) settled_at: Option<Instant>,
    /// Whether it was asked and has not answered yet.
    pub(super) is_owed: bool,
    /// Whether its address was marked as good since it is connected.
    pub(super) is_good: bool,
    /// Whether it was told to make room.
    pub(super) is_dismissed: bool,
    /// Whether it broke a rule and is being closed.
    pub(super) has_offended: bool,
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

    /// The operator wants others kept now.
    pub(super) fn keep(&mut self, is_kept: impl Fn(&NodeId) -> bool) {
        for (id, member) in &mut self.0 {
            member.is_kept = is_kept(id);
        }
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
    pub(super) fn handle_asked(&mut self, id: &NodeId, now: Instant) {
        if let Some(member) = self.0.get_mut(id) {
            (member.is_owed, member.settled_at) = (true, Some(now));
        }
    }

    /// Notes that a peer has answered.
    pub(super) fn handle_answered(&mut self, id: &NodeId, now: Instant) {
        if let Some(member) = self.0.get_mut(id) {
            (member.is_owed, member.settled_at) = (false, Some(now));
        }
    }

    /// Notes that a peer broke a rule.
    pub(super) fn mark_offender(&mut self, id: &NodeId) {
        if let Some(member) = self.0.get_mut(id) {
            member.has_offended = true;
        }
    }

    /// Notes that a peer was told to make room.
    pub(super) fn mark_dismissed(&mut self, id: &NodeId) {
        if let Some(member) = self.0.get_mut(id) {
            member.is_dismissed = true;
        }
    }

    /// Peers that were told to make room and are still there.
    pub(super) fn dismissed_count(&self) -> usize {
        self.0.values().filter(|member| member.is_dismissed).count()
    }

    /// The `count` inbound peers that are there longest, of those that need not stay and were not
    /// told to go; the longest first.
    pub(super) fn longest_silent(&self, count: usize) -> Vec<(NodeId, Member)> {
        if count == 0 {
            return Vec::new();
        }
        let may_go = |member: &Member| {
            member.direction == Direction::Inbound && !member.is_kept && !member.is_dismissed
        };
        let mut silent: Vec<_> = self.0.iter().filter(|(_, member)| may_go(member)).collect();
        silent.sort_by_key(|(id, member)| (member.since, **id));
        let longest = silent.into_iter().take(count);
        longest.map(|(id, member)| (*id, member.clone())).collect()
    }

    /// One of those that owe no answer and gave none within `pause`, by chance.
    pub(super) fn draw_askable(
        &self,
        now: Instant,
        pause: Duration,
        chance: &mut Chance,
    ) -> Option<NodeId> {
        let is_askable = |member: &Member| {
            let is_rested = member.settled_at.is_none_or(|last| now - last >= pause);
            member.speaks_pex && !member.is_owed && is_rested
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
            settled_at: None,
            is_owed: false,
            is_good: false,
            is_dismissed: false,
            has_offended: false,
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
        roster.handle_asked(&id(2), at(5));
        // An answer that is out is waited for, however long it takes.
        assert_eq!(roster.draw_askable(at(500), PAUSE, &mut chance), None);
        roster.handle_answered(&id(2), at(500));
        assert_eq!(roster.draw_askable(at(510), PAUSE, &mut chance), None);
        let rested = roster.draw_askable(at(511), PAUSE, &mut chance);
        assert_eq!(rested, Some(id(2)));
    }

    #[test]
    fn whoever_has_been_silent_longest_goes_first_and_kept_and_outbound_peers_never() {
        let mut roster = Roster::default();
        for (number, since) in [(1, 9), (2, 3), (3, 5)] {
            let since = at(since);
            let silent = member(number, [1, 1, 1, 1], Direction::Inbound);
            roster.insert(id(number), Member { since, ..silent });
        }
        let kept = Member {
            is_kept: true,
            ..member(4, [1, 1, 1, 1], Direction::Inbound)
        };
        roster.insert(id(4), kept);
        roster.insert(id(5), member(5, [1, 1, 1, 1], Direction::Outbound));
        let longest = |roster: &Roster, count| {
            let silent = roster.longest_silent(count).into_iter();
            silent.map(|(id, _)| id).collect::<Vec<_>>()
        };
        assert_eq!(longest(&roster, 2), [id(2), id(3)]);
        assert_eq!(longest(&roster, 9), [id(2), id(3), id(1)]);
        roster.mark_dismissed(&id(2));
        assert_eq!(longest(&roster, 9), [id(3), id(1)]);
        assert_eq!(roster.dismissed_count(), 1);
        assert!(longest(&roster, 0).is_empty());
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
