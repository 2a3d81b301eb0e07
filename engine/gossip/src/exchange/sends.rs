//! [`Sends`]: the shards that wait to be sent: those that neighbours have asked for, and those that are pushed to them.

use std::cmp::Reverse;

use super::links::Links;
use super::payload::{Payload, Segment};
use super::payloads::Payloads;
use super::queue::{Entry, Queue};
use super::shard_set::ShardSet;
use super::stripes::{STRIPES, Stripe, Stripes};
use super::tree::Tree;
use crate::coded::{Decoder, ManifestId, Shard};

/// What waits to be sent.
#[derive(Debug)]
pub(super) struct Sends<L> {
    queue: Queue<L>,
    /// The last shard that was looked up: it goes to several neighbours, one after the other.
    last: Option<Shard>,
}

impl<L: Copy + Ord> Sends<L> {
    pub(super) fn new() -> Self {
        Sends {
            queue: Queue::new(),
            last: None,
        }
    }

    // ---- in -----------------------------------------------------------------------------------

    /// A neighbour gets shards of a segment that it has asked for.
    pub(super) fn grant(&mut self, to: L, id: ManifestId, segment: u16, shards: &ShardSet) {
        for index in shards.iter() {
            self.queue.push(to, entry(id, segment, index));
        }
    }

    /// Sends each shard of what was published here to the root of its stripe; of each round of stripes those that have
    /// the longest way first.
    pub(super) fn push_to_roots(
        &mut self,
        id: ManifestId,
        payload: &mut Payload<L>,
        roots: &[Option<L>; STRIPES],
        links: &Links<L>,
    ) {
        for segment in payload.segments_mut() {
            let shards = (0..segment.place().pushed()).filter_map(|index| {
                let root = roots[Stripe::of(index).index()]?;
                let round = index / STRIPES as u16;
                Some((round, Reverse(links.rtt(root)), index, root))
            });
            let mut shards: Vec<_> = shards.collect();
            shards.sort_unstable();
            for (_, _, index, root) in shards {
                self.push(root, id, segment, index);
            }
        }
    }

    /// Sends what has come of a segment to the children of its stripes.
    pub(super) fn pass_on(&mut self, id: ManifestId, segment: &mut Segment<L>, tree: &Tree<L>) {
        for index in segment.begin_passing_on().iter() {
            for child in tree.children(Stripe::of(index)) {
                self.push(*child, id, segment, index);
            }
        }
    }

    /// A neighbour is fed some stripes from now on: it gets what has come of a payload while its word was on its way.
    pub(super) fn catch_up(
        &mut self,
        to: L,
        stripes: Stripes,
        id: ManifestId,
        payload: &mut Payload<L>,
    ) {
        for segment in payload.segments_mut() {
            for index in segment.held_of(stripes).iter() {
                self.push(to, id, segment, index);
            }
        }
    }

    /// Sends a shard unasked, unless the neighbour has it or it is on its way there.
    fn push(&mut self, to: L, id: ManifestId, segment: &mut Segment<L>, index: u16) {
        if segment.push(to, index) {
            let at = segment.place().index();
            self.queue.push(to, entry(id, at, index));
        }
    }

    // ---- out ----------------------------------------------------------------------------------

    /// The shard that is to be sent next, and to whom, among links with room.
    pub(super) fn poll(
        &mut self,
        payloads: &mut Payloads<L>,
        decoder: &Decoder<L>,
    ) -> Option<(L, Shard)> {
        while let Some((to, entry)) = self.queue.pop() {
            if let Some(shard) = self.look_up(to, entry, payloads, decoder) {
                return Some((to, shard));
            }
            self.queue.handle_left(to, 1);
        }
        None
    }

    /// The shard of an entry, unless its receiver has it by now or it is here no more.
    fn look_up(
        &mut self,
        to: L,
        entry: Entry,
        payloads: &mut Payloads<L>,
        decoder: &Decoder<L>,
    ) -> Option<Shard> {
        let Entry { id, segment, index } = entry;
        let payload = payloads.get_mut(id)?;
        let place = payload.segment(segment)?;
        if place.is_at(to, index) {
            return None;
        }
        let is_entry =
            |last: &&Shard| (last.manifest(), last.segment(), last.index()) == (id, segment, index);
        if self.last.as_ref().filter(is_entry).is_none() {
            self.last = match place.is_whole() {
                true => payload.coded_shard(segment, index),
                false => decoder.shard(id, segment, index).cloned(),
            };
        }
        self.last.clone()
    }

    /// So many shards of a link have left the node, or were left out.
    pub(super) fn handle_left(&mut self, link: L, count: usize) {
        self.queue.handle_left(link, count);
    }

    /// Whether shards of a segment wait, for whichever link.
    pub(super) fn has_segment(&self, id: ManifestId, segment: u16) -> bool {
        self.queue.has_segment(id, segment)
    }

    pub(super) fn remove_link(&mut self, link: L) {
        self.queue.remove_link(link);
    }

    /// A payload is not sent any more.
    pub(super) fn forget(&mut self, id: ManifestId) {
        self.queue.forget(id);
    }
}

fn entry(id: ManifestId, segment: u16, index: u16) -> Entry {
    Entry { id, segment, index }
}

#[cfg(test)]
mod tests {
    use super::super::queue::AHEAD_MAX;
    use super::*;
    use crate::coded::{Encoder, Limits, SHARD_BYTES_MIN};

    /// A payload of one segment of 32 originals that was published here.
    fn payloads() -> (ManifestId, Payloads<u8>) {
        let bytes = vec![7; 32 * SHARD_BYTES_MIN].into();
        let encoder = Encoder::new([1; 32], 1, bytes, SHARD_BYTES_MIN).expect("it is coded");
        let id = encoder.id();
        let mut payloads = Payloads::new(0);
        payloads.insert(id, Payload::published(encoder, None));
        (id, payloads)
    }

    fn links(rtts: &[(u8, u64)]) -> Links<u8> {
        use std::time::Duration;
        let mut links = Links::new(0);
        for &(link, rtt) in rtts {
            assert!(links.insert(link, [link; 32]));
            let nonce = links
                .begin_probe(link, Duration::ZERO)
                .expect("a neighbour");
            links.handle_echo(link, Duration::from_millis(rtt), nonce);
        }
        links
    }

    /// All that leaves at links that take everything.
    fn sent(sends: &mut Sends<u8>, payloads: &mut Payloads<u8>) -> Vec<(u8, u16)> {
        let decoder = Decoder::new(Limits::default());
        let mut sent = Vec::new();
        while let Some((to, shard)) = sends.poll(payloads, &decoder) {
            sends.handle_left(to, 1);
            sent.push((to, shard.index()));
        }
        sent
    }

    #[test]
    fn of_each_round_of_stripes_those_with_the_longest_way_leave_first() {
        let (mut sends, (id, mut payloads)) = (Sends::new(), payloads());
        let mut roots = [Some(1); STRIPES];
        roots[3] = Some(2);
        roots[4] = None;
        let payload = payloads.get_mut(id).expect("it is there");
        sends.push_to_roots(id, payload, &roots, &links(&[(1, 10), (2, 50)]));
        let sent = sent(&mut sends, &mut payloads);
        assert_eq!(sent[..3], [(2, 3), (1, 0), (1, 1)]);
        assert_eq!(sent[15..17], [(2, 19), (1, 16)], "the second round");
        assert!(sent.iter().all(|(_, index)| index % 16 != 4));
    }

    #[test]
    fn what_is_passed_on_goes_to_each_child_once_and_who_joins_catches_up() {
        let (mut sends, (id, mut payloads)) = (Sends::new(), payloads());
        let mut tree = Tree::new();
        let stripe: Stripes = [Stripe::of(5)].into_iter().collect();
        tree.handle_feed(1, stripe, Stripes::default());
        for _ in 0..2 {
            let payload = payloads.get_mut(id).expect("it is there");
            let segment = payload.segment_mut(0).expect("the only one");
            sends.pass_on(id, segment, &tree);
        }
        assert_eq!(sent(&mut sends, &mut payloads), [(1, 5), (1, 21)]);
        for to in [1, 2] {
            let payload = payloads.get_mut(id).expect("it is there");
            sends.catch_up(to, stripe, id, payload);
        }
        assert_eq!(sent(&mut sends, &mut payloads), [(2, 5), (2, 21)]);
    }

    #[test]
    fn what_its_receiver_has_by_then_is_not_sent_and_leaves_its_place_to_others() {
        let (mut sends, (id, mut payloads)) = (Sends::new(), payloads());
        let count = 2 * AHEAD_MAX as u16;
        sends.grant(1, id, 0, &ShardSet::first(count));
        let payload = payloads.get_mut(id).expect("it is there");
        let segment = payload.segment_mut(0).expect("the only one");
        segment.handle_have(1, &ShardSet::first(count - 1));
        let decoder = Decoder::new(Limits::default());
        let last = sends.poll(&mut payloads, &decoder);
        assert_eq!(
            last.map(|(to, shard)| (to, shard.index())),
            Some((1, count - 1))
        );
        assert!(sends.poll(&mut payloads, &decoder).is_none());
    }
}
