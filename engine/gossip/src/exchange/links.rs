//! [`Links`]: all neighbours, and which of them is asked for a shard.
//!
//! Invariant: a link counts the shards that the segments of all payloads ask of it. Who takes back what a segment asks
//! takes it back from the link, too.

use std::collections::BTreeMap;
use std::time::Duration;

use super::link::Link;
use super::payload::{Expected, Payload, Segment};
use super::shard_set::ShardSet;
use crate::coded::Account;

/// Shards asked of one neighbour before the next is asked: so that they all send at the same time.
const ASKED_AT_ONCE: usize = 4;
/// What a way there and back is taken for where it was not measured.
const RTT_UNKNOWN: Duration = Duration::from_millis(200);

/// All neighbours.
#[derive(Debug)]
pub(super) struct Links<L> {
    links: BTreeMap<L, Link>,
    /// Number of the last probe.
    probes: u32,
    /// Where this node begins to count shards.
    start: u16,
}

impl<L> Links<L> {
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }
}

impl<L: Copy + Ord> Links<L> {
    pub(super) fn new(start: u16) -> Self {
        Links {
            links: BTreeMap::new(),
            probes: 0,
            start,
        }
    }

    /// There is a neighbour; false if it was one before, of which all is forgotten.
    pub(super) fn insert(&mut self, link: L, account: Account) -> bool {
        self.links.insert(link, Link::new(account)).is_none()
    }

    pub(super) fn remove(&mut self, link: L) {
        self.links.remove(&link);
    }

    pub(super) fn contains(&self, link: L) -> bool {
        self.links.contains_key(&link)
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = L> {
        self.links.keys().copied()
    }

    /// Who is charged for the payloads that a neighbour brings.
    pub(super) fn account(&self, link: L) -> Option<Account> {
        self.links.get(&link).map(Link::account)
    }

    // ---- the way there and back ---------------------------------------------------------------

    /// A neighbour is probed now; gives the number of the probe. `None` if it is none.
    pub(super) fn begin_probe(&mut self, to: L, now: Duration) -> Option<u32> {
        self.probes = self.probes.wrapping_add(1);
        let link = self.links.get_mut(&to)?;
        link.handle_probed(now, self.probes);
        Some(self.probes)
    }

    pub(super) fn handle_echo(&mut self, from: L, now: Duration, nonce: u32) {
        if let Some(link) = self.links.get_mut(&from) {
            link.handle_echo(now, nonce);
        }
    }

    /// The way to a neighbour and back, or what it is taken for where it was not measured.
    pub(super) fn rtt(&self, link: L) -> Duration {
        let measured = self.links.get(&link).and_then(Link::rtt);
        measured.unwrap_or(RTT_UNKNOWN)
    }

    /// All neighbours, the nearest first.
    pub(super) fn nearest_first(&self) -> Vec<L> {
        let mut near: Vec<_> = self.iter().collect();
        near.sort_by_key(|link| self.rtt(*link));
        near
    }

    // ---- what they are asked for --------------------------------------------------------------

    /// Asks neighbours for what is missing of a segment, in turn. Who has stalled is asked for what nobody else can be asked
    /// for. Gives who is asked for what.
    pub(super) fn ask(
        &mut self,
        segment: &mut Segment<L>,
        expected: &Expected,
    ) -> BTreeMap<L, ShardSet> {
        let mut wanted = BTreeMap::new();
        for is_slow in [false, true] {
            let links = self.links.iter_mut();
            let mut links: Vec<_> = links.filter(|link| link.1.is_slow() == is_slow).collect();
            ask_in_turn(segment, &mut links, self.start, expected, &mut wanted);
        }
        wanted
    }

    /// Whether a neighbour may be asked for as many shards as one is at once, or again for none less.
    pub(super) fn has_much_room(&self, link: L) -> bool {
        let room = self.links.get(&link).map_or(0, Link::room);
        room.is_multiple_of(ASKED_AT_ONCE)
    }

    /// A neighbour has sent a shard in time that it was asked for.
    pub(super) fn handle_answer(&mut self, from: L) {
        if let Some(link) = self.links.get_mut(&from) {
            link.handle_answer();
        }
    }

    /// A neighbour has sent a shard that was of use.
    pub(super) fn handle_progress(&mut self, from: L) {
        if let Some(link) = self.links.get_mut(&from) {
            link.handle_progress();
        }
    }

    /// Whether a neighbour has sent nothing of use lately, or is none.
    pub(super) fn is_silent(&self, link: L) -> bool {
        self.links.get(&link).is_none_or(Link::is_silent)
    }

    /// So many shards that a neighbour was asked for are not wanted any more.
    pub(super) fn take_back(&mut self, link: L, count: usize) {
        if let Some(link) = self.links.get_mut(&link) {
            link.take_back(count);
        }
    }

    /// A payload is not wanted any more: nobody is asked for it.
    pub(super) fn take_back_all(&mut self, payload: &mut Payload<L>) {
        for (of, link) in &mut self.links {
            link.take_back(payload.take_back(*of));
        }
    }

    /// Time goes by. Gives who has stalled: what these were asked for is to be taken back.
    pub(super) fn tick(&mut self) -> Vec<L> {
        let links = self.links.iter_mut();
        let stalled = links.filter_map(|(of, link)| link.tick().then_some(*of));
        stalled.collect()
    }
}

/// Asks neighbours for a few shards each, round by round, as long as one of them has room and something
/// that is needed.
fn ask_in_turn<L: Copy + Ord>(
    segment: &mut Segment<L>,
    links: &mut [(&L, &mut Link)],
    start: u16,
    expected: &Expected,
    wanted: &mut BTreeMap<L, ShardSet>,
) {
    loop {
        let mut has_asked = false;
        for (of, link) in links.iter_mut() {
            let room = link.room().min(ASKED_AT_ONCE);
            let set = segment.ask(**of, room, start, expected);
            if !set.is_empty() {
                link.handle_asked(set.len());
                let before = wanted.entry(**of).or_default();
                *before = before.union(&set);
                has_asked = true;
            }
        }
        if !has_asked {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::{ASKED_MAX, STALL_TICKS};
    use super::super::stripes::Stripes;
    use super::*;
    use crate::coded::{Layout, Manifest, SHARD_BYTES_MIN};

    const ORIGINALS: u16 = 24;

    /// A payload of one segment, of which these neighbours have all shards.
    fn payload(had_by: &[u8]) -> Payload<u8> {
        let layout = Layout::new(usize::from(ORIGINALS) * SHARD_BYTES_MIN, SHARD_BYTES_MIN);
        let manifest = Manifest::new([9; 32], 1, layout.expect("it is coded"), [2; 32]);
        let mut payload = Payload::new(manifest.into(), [9; 32], None);
        for &link in had_by {
            let segment = payload.segment_mut(0).expect("the only one");
            assert_eq!(segment.place().originals(), ORIGINALS);
            segment.handle_have(link, &ShardSet::first(256));
        }
        payload
    }

    fn links(count: u8) -> Links<u8> {
        let mut links = Links::new(0);
        (1..=count).for_each(|link| assert!(links.insert(link, [link; 32])));
        links
    }

    fn ask(links: &mut Links<u8>, payload: &mut Payload<u8>) -> Vec<(u8, usize)> {
        let segment = payload.segment_mut(0).expect("the only one");
        let expected = segment.expected(Stripes::default());
        let wanted = links.ask(segment, &expected);
        wanted
            .iter()
            .map(|(link, set)| (*link, set.len()))
            .collect()
    }

    #[test]
    fn neighbours_are_asked_for_a_few_shards_each_in_turn_and_for_no_more_than_is_needed() {
        let (mut links, mut payload) = (links(4), payload(&[1, 2, 4]));
        assert_eq!(ask(&mut links, &mut payload), [(1, 8), (2, 8), (4, 8)]);
        assert_eq!(ask(&mut links, &mut payload), []);
    }

    #[test]
    fn who_has_stalled_is_asked_last_and_what_was_taken_back_of_others() {
        let (mut links, mut payload) = (links(3), payload(&[1, 2]));
        assert_eq!(ask(&mut links, &mut payload), [(1, 12), (2, 12)]);
        let stalled: Vec<_> = (0..STALL_TICKS).flat_map(|_| links.tick()).collect();
        assert_eq!(stalled, [1, 2]);
        assert_eq!(payload.take_back(1), 12);
        links.take_back(1, 12);
        let segment = payload.segment_mut(0).expect("the only one");
        segment.handle_have(3, &ShardSet::first(256));
        assert_eq!(ask(&mut links, &mut payload), [(3, 12)]);
    }

    #[test]
    fn what_is_not_wanted_any_more_makes_room_at_all_who_were_asked() {
        let (mut links, mut one, mut other) = (links(1), payload(&[1]), payload(&[1]));
        assert_eq!(ask(&mut links, &mut one), [(1, ASKED_MAX)]);
        assert_eq!(ask(&mut links, &mut other), []);
        links.take_back_all(&mut one);
        assert_eq!(ask(&mut links, &mut other), [(1, ASKED_MAX)]);
    }

    #[test]
    fn who_was_not_measured_is_farther_than_who_was() {
        let ms = Duration::from_millis;
        let mut links = links(3);
        for (link, rtt) in [(3, 10), (2, 30)] {
            let nonce = links.begin_probe(link, ms(100)).expect("a neighbour");
            links.handle_echo(link, ms(100 + rtt), nonce);
        }
        assert_eq!(links.nearest_first(), [3, 2, 1]);
        assert_eq!(links.begin_probe(4, ms(100)), None);
        assert_eq!(links.rtt(4), RTT_UNKNOWN);
    }
}
