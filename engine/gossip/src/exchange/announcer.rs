//! [`Announcer`]: what neighbours are told of what is here: payloads are offered, and shards are announced.
//!
//! A payload is offered to each neighbour with the first shard that is here, and again until the neighbour has spoken of it.
//! Shards are announced once per turn; those that come by feeds when their segment is whole, and in each tick: everybody
//! waits for feeds of their own.

use std::collections::{BTreeMap, BTreeSet};

use super::feeding::Feeding;
use super::links::Links;
use super::message::Control;
use super::output::Outputs;
use super::payload::{Payload, Segment};
use super::payloads::Payloads;
use super::sends::Sends;
use super::shard_set::ShardSet;
use crate::coded::ManifestId;

/// How often a payload is offered again: for a minute. After that it is for its neighbours' neighbours.
const OFFERS_MAX: u8 = 12;
/// Shards that the origin shows at once to a neighbour that has come to a stop.
const SHOWN_AT_ONCE: usize = 16;

/// What is to be announced, and who has not answered.
#[derive(Debug)]
pub(super) struct Announcer<L> {
    /// Segments of which shards are to be announced.
    fresh: BTreeSet<(ManifestId, u16)>,
    /// Links that have not spoken of a payload, and how often it is still offered to them.
    silent: BTreeMap<(ManifestId, L), u8>,
}

impl<L: Copy + Ord> Announcer<L> {
    pub(super) fn new() -> Self {
        Announcer {
            fresh: BTreeSet::new(),
            silent: BTreeMap::new(),
        }
    }

    /// Whether there is nobody to offer a payload to again.
    pub(super) fn is_idle(&self) -> bool {
        self.silent.is_empty()
    }

    /// A neighbour has spoken of a payload: it is not offered to it any more.
    pub(super) fn handle_word(&mut self, id: ManifestId, from: L) {
        self.silent.remove(&(id, from));
    }

    pub(super) fn remove_link(&mut self, link: L) {
        self.silent.retain(|(_, silent), _| *silent != link);
    }

    /// A payload is here no more.
    pub(super) fn forget(&mut self, id: ManifestId) {
        self.silent.retain(|(of, _), _| *of != id);
    }

    // ---- offers -------------------------------------------------------------------------------

    /// Offers a payload to all but who brought it, once: with the first shard that is here. A manifest of which
    /// nobody has a shard goes no further, so that an honest node is not charged for it by the next.
    pub(super) fn offer_to_others(
        &mut self,
        id: ManifestId,
        payload: &mut Payload<L>,
        links: &Links<L>,
        output: &mut Outputs<L>,
    ) {
        let Some(is_other) = payload.begin_offer() else {
            return;
        };
        for link in links.iter().filter(is_other) {
            self.offer(id, payload, link, output);
        }
    }

    fn offer(&mut self, id: ManifestId, payload: &Payload<L>, to: L, output: &mut Outputs<L>) {
        output.say(to, Control::Offer(*payload.offer()));
        self.silent.entry((id, to)).or_insert(OFFERS_MAX);
    }

    /// Offers a new neighbour all that others were offered, and shows it what is here of that.
    pub(super) fn greet(&mut self, to: L, payloads: &mut Payloads<L>, output: &mut Outputs<L>) {
        for (id, payload) in payloads.iter_mut().filter(|(_, one)| one.is_offered()) {
            self.offer(id, payload, to, output);
            for segment in payload.segments_mut() {
                let held = segment.held();
                show(id, segment, &held, to, output);
            }
        }
    }

    /// Offers payloads again to who has not spoken of them, with what was shown of them: it had no room
    /// for them, perhaps.
    pub(super) fn offer_again(
        &mut self,
        payloads: &mut Payloads<L>,
        sends: &Sends<L>,
        output: &mut Outputs<L>,
    ) {
        self.silent.retain(|(id, to), left| {
            *left -= 1;
            let payload = payloads.get_mut(*id).filter(|_| *left > 0);
            let Some(payload) = payload else {
                return false;
            };
            output.say(*to, Control::Offer(*payload.offer()));
            for segment in payload.segments_mut() {
                let (set, index) = (segment.shown(*to), segment.place().index());
                // What waits to be pushed is not to be asked for.
                if !set.is_empty() && !sends.has_segment(*id, index) {
                    output.say(*to, Control::Have(*id, index, set));
                }
            }
            true
        });
    }

    // ---- announcements ------------------------------------------------------------------------

    /// Shards of a segment have come: they are to be announced.
    pub(super) fn note(&mut self, id: ManifestId, segment: u16) {
        self.fresh.insert((id, segment));
    }

    /// Announces what does not come by feeds, and what is whole, and offers the payloads of all that has come.
    pub(super) fn announce(
        &mut self,
        payloads: &mut Payloads<L>,
        links: &Links<L>,
        feeding: &Feeding<L>,
        output: &mut Outputs<L>,
    ) {
        for (id, index) in std::mem::take(&mut self.fresh) {
            let Some(payload) = payloads.get_mut(id) else {
                continue;
            };
            self.offer_to_others(id, payload, links, output);
            let is_learned = feeding.is_learned(&payload.manifest().origin());
            let Some(segment) = payload.segment_mut(index) else {
                continue;
            };
            if segment.is_whole() || !is_learned {
                announce_segment(id, segment, links, output);
            } else {
                self.fresh.insert((id, index));
            }
        }
    }

    /// Announces all that has come.
    pub(super) fn announce_all(
        &mut self,
        payloads: &mut Payloads<L>,
        links: &Links<L>,
        output: &mut Outputs<L>,
    ) {
        for (id, index) in std::mem::take(&mut self.fresh) {
            let payload = payloads.get_mut(id);
            if let Some(segment) = payload.and_then(|payload| payload.segment_mut(index)) {
                announce_segment(id, segment, links, output);
            }
        }
    }
}

fn announce_segment<L: Copy + Ord>(
    id: ManifestId,
    segment: &mut Segment<L>,
    links: &Links<L>,
    output: &mut Outputs<L>,
) {
    let held = segment.held();
    for to in links.iter() {
        show(id, segment, &held, to, output);
    }
}

/// Tells a neighbour of those shards of a segment that it was not told of.
fn show<L: Copy + Ord>(
    id: ManifestId,
    segment: &mut Segment<L>,
    shards: &ShardSet,
    to: L,
    output: &mut Outputs<L>,
) {
    let set = segment.show(to, shards);
    if !set.is_empty() {
        output.say(to, Control::Have(id, segment.place().index(), set));
    }
}

/// Shows more of what was published here to neighbours that have come to a stop.
pub(super) fn show_more<L: Copy + Ord>(
    payloads: &mut Payloads<L>,
    links: &Links<L>,
    sends: &Sends<L>,
    output: &mut Outputs<L>,
) {
    for (id, payload) in payloads.iter_mut() {
        if !payload.is_published_here() {
            continue;
        }
        for segment in payload.segments_mut() {
            // Nobody has come to a stop while shards of it have not left.
            if sends.has_segment(id, segment.place().index()) {
                continue;
            }
            for to in links.iter() {
                let more = segment.more_for(to, SHOWN_AT_ONCE);
                show(id, segment, &more, to, output);
            }
        }
    }
}

/// Tells neighbours that were told of a payload that nothing of it is here: each begins with it anew, as far as this node goes.
pub(super) fn retract<L: Copy + Ord>(
    id: ManifestId,
    payload: &mut Payload<L>,
    links: &Links<L>,
    output: &mut Outputs<L>,
) {
    for segment in payload.segments_mut() {
        let index = segment.place().index();
        for to in links.iter() {
            if !segment.shown(to).is_empty() {
                output.say(to, Control::begin_anew(id, index));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coded::{Layout, Manifest, SHARD_BYTES_MIN};

    const ORIGIN: [u8; 32] = [9; 32];

    /// What a test needs beside the announcer.
    struct World {
        id: ManifestId,
        payloads: Payloads<u8>,
        links: Links<u8>,
        sends: Sends<u8>,
        output: Outputs<u8>,
    }

    impl World {
        /// Neighbours 1 to 3, and a payload that 1 has offered, of which one shard is here.
        fn new() -> Self {
            let layout = Layout::new(16 * SHARD_BYTES_MIN, SHARD_BYTES_MIN).expect("it is coded");
            let manifest = Manifest::new(ORIGIN, 1, layout, [2; 32]);
            let (mut payloads, mut links) = (Payloads::new(0), Links::new(0));
            let mut payload = Payload::new(manifest.into(), ORIGIN, Some(1));
            assert!(payload.hold(0, 0, std::time::Duration::ZERO).is_some());
            payloads.insert(manifest.id(), payload);
            (1..=3).for_each(|link| assert!(links.insert(link, [link; 32])));
            World {
                id: manifest.id(),
                payloads,
                links,
                sends: Sends::new(),
                output: Outputs::new(),
            }
        }

        fn announce(&mut self, announcer: &mut Announcer<u8>, feeding: &Feeding<u8>) {
            let (payloads, links) = (&mut self.payloads, &self.links);
            announcer.announce(payloads, links, feeding, &mut self.output);
        }

        /// To whom offers go, and to whom announcements.
        fn said(&mut self) -> (Vec<u8>, Vec<u8>) {
            let (mut offered, mut announced) = (Vec::new(), Vec::new());
            while let Some(output) = self.output.pop() {
                match output {
                    super::super::Output::Control { to, message } => match message {
                        Control::Offer(_) => offered.push(to),
                        Control::Have(..) => announced.push(to),
                        other => panic!("{other:?}"),
                    },
                    other => panic!("{other:?}"),
                }
            }
            (offered, announced)
        }
    }

    #[test]
    fn what_has_come_is_offered_to_all_but_its_bringer_and_announced_to_all_once() {
        let (mut world, mut announcer) = (World::new(), Announcer::new());
        let feeding = Feeding::new();
        for expected in [(vec![2, 3], vec![1, 2, 3]), (vec![], vec![])] {
            announcer.note(world.id, 0);
            world.announce(&mut announcer, &feeding);
            assert_eq!(world.said(), expected);
        }
    }

    #[test]
    fn what_feeds_bring_is_announced_in_the_tick() {
        let (mut world, mut announcer) = (World::new(), Announcer::new());
        let mut feeding = Feeding::new();
        let payload = world.payloads.get(world.id).expect("it is there");
        feeding.handle_whole(world.id, payload, std::time::Duration::ZERO, 0);
        feeding.learn(&world.payloads, &world.links, 100);
        announcer.note(world.id, 0);
        world.announce(&mut announcer, &feeding);
        assert_eq!(world.said(), (vec![2, 3], vec![]));
        announcer.announce_all(&mut world.payloads, &world.links, &mut world.output);
        assert_eq!(world.said(), (vec![], vec![1, 2, 3]));
    }

    #[test]
    fn a_payload_is_offered_again_until_a_neighbour_speaks_of_it_or_a_minute_is_over() {
        let (mut world, mut announcer) = (World::new(), Announcer::new());
        announcer.note(world.id, 0);
        world.announce(&mut announcer, &Feeding::new());
        world.said();
        announcer.handle_word(world.id, 2);
        let mut again = |announcer: &mut Announcer<u8>| {
            announcer.offer_again(&mut world.payloads, &world.sends, &mut world.output);
            world.said()
        };
        for _ in 1..OFFERS_MAX {
            assert_eq!(again(&mut announcer), (vec![3], vec![3]));
        }
        assert!(!announcer.is_idle());
        assert_eq!(again(&mut announcer), (vec![], vec![]));
        assert!(announcer.is_idle());
    }

    #[test]
    fn a_new_neighbour_is_greeted_with_what_others_were_offered() {
        let (mut world, mut announcer) = (World::new(), Announcer::new());
        announcer.greet(4, &mut world.payloads, &mut world.output);
        assert_eq!(world.said(), (vec![], vec![]), "nothing was offered yet");
        announcer.note(world.id, 0);
        world.announce(&mut announcer, &Feeding::new());
        world.said();
        announcer.greet(4, &mut world.payloads, &mut world.output);
        assert_eq!(world.said(), (vec![4], vec![4]));
        [2, 3]
            .into_iter()
            .for_each(|link| announcer.remove_link(link));
        assert!(!announcer.is_idle());
        announcer.forget(world.id);
        assert!(announcer.is_idle());
    }
}
