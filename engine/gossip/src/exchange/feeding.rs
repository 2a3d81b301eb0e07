//! [`Feeding`]: who feeds this node which stripes of which origin, and whom this node feeds: the trees of all origins, and
//! what makes them grow.
//!
//! ```text
//!  asked for a shard ──▶ join ─────────▶ feed ──▶ brings nothing of what others have ──▶ strike: none any more
//!  payload is whole ──▶ learn ──▶ asked ──▶ grant ──▶ feed, in place of one that is later
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::links::Links;
use super::message::Times;
use super::payload::{Payload, Segment};
use super::payloads::Payloads;
use super::shard_set::ShardSet;
use super::stripes::{STRIPES, Stripe, Stripes};
use super::tree::{Ask, Heard, Pace, Tree};
use super::trees::Trees;
use crate::coded::{ManifestId, Origin};

/// Ticks after a payload is whole until its times are compared: by then most neighbours have it, too.
const LEARN_TICKS: u64 = 4;

/// Asks of the trees of several origins, in order.
pub(super) type Asks<L> = Vec<(Origin, Ask<L>)>;

/// The trees of all origins.
#[derive(Debug)]
pub(super) struct Feeding<L> {
    trees: Trees<L>,
    /// Whole payloads whose times are to be compared, and at which tick.
    unlearned: VecDeque<(u64, ManifestId)>,
}

impl<L: Copy + Ord> Feeding<L> {
    pub(super) fn new() -> Self {
        Feeding {
            trees: Trees::new(),
            unlearned: VecDeque::new(),
        }
    }

    /// Whether nothing is to be learned.
    pub(super) fn is_idle(&self) -> bool {
        self.unlearned.is_empty()
    }

    pub(super) fn tree(&self, origin: &Origin) -> Option<&Tree<L>> {
        self.trees.find(origin)
    }

    pub(super) fn remove_link(&mut self, link: L) {
        self.trees.remove_link(link);
    }

    // ---- what feeds bring ---------------------------------------------------------------------

    /// Whether a neighbour feeds this node a stripe.
    pub(super) fn is_feed(&self, origin: &Origin, stripe: Stripe, link: L) -> bool {
        let tree = self.trees.find(origin);
        tree.is_some_and(|tree| tree.feed(stripe) == Some(link))
    }

    /// Whether a payload of an origin has come whole, so that everybody waits for feeds of their own.
    pub(super) fn is_learned(&self, origin: &Origin) -> bool {
        self.trees.find(origin).is_some_and(Tree::is_learned)
    }

    /// The stripes of which shards of a segment are still to come from their feeds: all that have one; where these have
    /// brought nothing lately, those whose feed is busy and has what is missing.
    pub(super) fn fed(&self, origin: &Origin, segment: &Segment<L>, links: &Links<L>) -> Stripes {
        let Some(tree) = self.trees.find(origin) else {
            return Stripes::default();
        };
        let fed = tree.fed();
        if !segment.is_quiet() {
            return fed;
        }
        let is_coming = |stripe: &Stripe| {
            let feed = tree.feed(*stripe);
            feed.is_some_and(|feed| {
                is_busy(feed, segment, links) && segment.missing(*stripe, feed).1
            })
        };
        fed.iter().filter(is_coming).collect()
    }

    /// A neighbour is asked for shards: it becomes the feed of those stripes that have none. Gives what it is to be told.
    pub(super) fn join(
        &mut self,
        origin: Origin,
        link: L,
        shards: &ShardSet,
        links: usize,
        tick: u64,
    ) -> Stripes {
        let stripes = shards.iter().map(Stripe::of).collect();
        let tree = self.trees.plant(origin, tick);
        tree.join(link, stripes, links, tick)
    }

    /// Time goes by for a segment of each payload: feeds that send nothing of what others have are none any more. One that
    /// sends other shards is busy, and waited for. Gives the payloads of which feeds have brought nothing lately, and whom
    /// to tell that it feeds no more.
    pub(super) fn strike_quiet(
        &mut self,
        payloads: &mut Payloads<L>,
        links: &Links<L>,
        tick: u64,
    ) -> (BTreeSet<ManifestId>, Asks<L>) {
        let (mut quiet, mut struck) = (BTreeSet::new(), Vec::new());
        for (id, payload) in payloads.iter_mut() {
            let segments = payload
                .segments_mut()
                .filter_map(|segment| segment.tick().then(|| segment.place().index()));
            for at in segments.collect::<Vec<_>>() {
                quiet.insert(id);
                self.strike_in(payload, at, links, tick, &mut struck);
            }
        }
        (quiet, struck)
    }

    fn strike_in(
        &mut self,
        payload: &Payload<L>,
        at: u16,
        links: &Links<L>,
        tick: u64,
        struck: &mut Asks<L>,
    ) {
        let origin = payload.manifest().origin();
        let (Some(tree), Some(segment)) = (self.trees.find_mut(&origin), payload.segment(at))
        else {
            return;
        };
        for stripe in Stripe::all() {
            let Some(feed) = tree.feed(stripe) else {
                continue;
            };
            if is_busy(feed, segment, links) {
                continue;
            }
            let (is_somewhere, is_at_feed) = segment.missing(stripe, feed);
            if is_at_feed || (is_somewhere && !payload.has_heard(feed)) {
                tree.strike(stripe, tick);
                let ask = Ask {
                    link: feed,
                    begin: Stripes::default(),
                    end: [stripe].into_iter().collect(),
                };
                struck.push((origin, ask));
            }
        }
    }

    // ---- whom this node feeds -----------------------------------------------------------------

    /// The root of each stripe of what is published here, among the neighbours, nearest first.
    pub(super) fn roots(&mut self, origin: Origin, near: &[L], tick: u64) -> [Option<L>; STRIPES] {
        self.trees.plant(origin, tick).plant(near)
    }

    /// A neighbour wants to be fed stripes, and others not any more. Gives which it will get, and which not. A tree grows
    /// where payloads have come: elsewhere it gets none.
    pub(super) fn handle_feed(
        &mut self,
        from: L,
        origin: &Origin,
        begin: Stripes,
        end: Stripes,
    ) -> (Stripes, Stripes) {
        let tree = self.trees.find_mut(origin);
        let none = (Stripes::default(), begin);
        tree.map_or(none, |tree| tree.handle_feed(from, begin, end))
    }

    // ---- better feeds -------------------------------------------------------------------------

    /// A neighbour feeds this node some stripes from now on, and others not. Gives what to tell whom; `None` if nothing is
    /// known of the origin.
    pub(super) fn handle_grant(
        &mut self,
        from: L,
        origin: &Origin,
        yes: Stripes,
        no: Stripes,
        links: usize,
    ) -> Option<Asks<L>> {
        let tree = self.trees.find_mut(origin)?;
        let asks = tree.handle_grant(from, yes, no, links);
        Some(asks.into_iter().map(|ask| (*origin, ask)).collect())
    }

    /// A payload is whole: its times will be compared. Gives what neighbours are to be told of its own.
    pub(super) fn handle_whole(
        &mut self,
        id: ManifestId,
        payload: &Payload<L>,
        now: Duration,
        tick: u64,
    ) -> Times {
        self.unlearned.push_back((tick + LEARN_TICKS, id));
        let stripes = payload.arrivals().stripes();
        let ages = stripes.map(|at| now.saturating_sub(at));
        let tree = self.trees.find(&payload.manifest().origin());
        Times::new(tree.map_or(0, Tree::load), ages)
    }

    /// Looks for better feeds after payloads that have been whole for a while. Gives whom to ask.
    pub(super) fn learn(&mut self, payloads: &Payloads<L>, links: &Links<L>, tick: u64) -> Asks<L> {
        let mut all = Vec::new();
        while let Some((_, id)) = self.unlearned.pop_front_if(|(due, _)| *due <= tick) {
            let Some(payload) = payloads.get(id) else {
                continue;
            };
            let heard = payload.times().map(|(link, at, times)| Heard {
                link,
                at: times.ages().map(|age| at.saturating_sub(age)),
                children: times.children.into(),
                rtt: links.rtt(link),
            });
            let heard: Vec<_> = heard.collect();
            let layout = payload.manifest().layout();
            let pace = Pace {
                per_shard: payload.arrivals().per_shard(),
                stripe_shards: (layout.padded_bytes() / layout.shard_bytes()).div_ceil(STRIPES),
            };
            let (origin, came) = (payload.manifest().origin(), payload.arrivals().stripes());
            let tree = self.trees.plant(origin, tick);
            let asks = tree.learn(&came, &heard, pace, tick);
            all.extend(asks.into_iter().map(|ask| (origin, ask)));
        }
        all
    }
}

/// Whether a feed sends other shards of use, and may be waited for.
fn is_busy<L: Copy + Ord>(feed: L, segment: &Segment<L>, links: &Links<L>) -> bool {
    !links.is_silent(feed) && !segment.is_overdue()
}

#[cfg(test)]
mod tests {
    use super::super::link::QUIET_TICKS;
    use super::*;
    use crate::coded::{Layout, Manifest, SHARD_BYTES_MIN};

    const ORIGIN: Origin = [9; 32];

    fn payloads() -> (ManifestId, Payloads<u8>) {
        let layout = Layout::new(16 * SHARD_BYTES_MIN, SHARD_BYTES_MIN).expect("it is coded");
        let manifest = Manifest::new(ORIGIN, 1, layout, [2; 32]);
        let mut payloads = Payloads::new(0);
        payloads.insert(manifest.id(), Payload::new(manifest.into(), ORIGIN, None));
        (manifest.id(), payloads)
    }

    fn links() -> Links<u8> {
        let mut links = Links::new(0);
        (1..=2).for_each(|link| assert!(links.insert(link, [link; 32])));
        links
    }

    fn segment(payloads: &mut Payloads<u8>, id: ManifestId) -> &mut Segment<u8> {
        let payload = payloads.get_mut(id).expect("it is there");
        payload.segment_mut(0).expect("the only one")
    }

    fn stripe(at: u16) -> Stripes {
        [Stripe::of(at)].into_iter().collect()
    }

    /// Neighbour 1 feeds stripe 3, and neighbour 2 has all shards.
    fn fed_stripe() -> (Feeding<u8>, Links<u8>, ManifestId, Payloads<u8>) {
        let (mut feeding, links, (id, mut payloads)) = (Feeding::new(), links(), payloads());
        let mut shards = ShardSet::default();
        shards.insert(3);
        assert_eq!(feeding.join(ORIGIN, 1, &shards, 2, 0), stripe(3));
        segment(&mut payloads, id).handle_have(2, &ShardSet::first(16));
        (feeding, links, id, payloads)
    }

    #[test]
    fn a_feed_that_says_nothing_of_what_others_have_is_struck_once() {
        let (mut feeding, mut links, id, mut payloads) = fed_stripe();
        for tick in 1..u64::from(QUIET_TICKS) {
            links.tick();
            let (quiet, struck) = feeding.strike_quiet(&mut payloads, &links, tick);
            assert!(quiet.is_empty() && struck.is_empty(), "{tick}");
        }
        assert!(feeding.is_feed(&ORIGIN, Stripe::of(3), 1));
        for count in [1, 0] {
            links.tick();
            let (quiet, struck) = feeding.strike_quiet(&mut payloads, &links, 2);
            assert!(quiet.contains(&id));
            let end = stripe(3);
            let (link, begin) = (1, Stripes::default());
            assert_eq!(struck, vec![(ORIGIN, Ask { link, begin, end }); count]);
        }
        assert!(!feeding.is_feed(&ORIGIN, Stripe::of(3), 1));
    }

    #[test]
    fn a_feed_that_sends_other_shards_is_waited_for() {
        let (mut feeding, mut links, id, mut payloads) = fed_stripe();
        segment(&mut payloads, id).handle_have(1, &ShardSet::first(16));
        for tick in 0..=u64::from(QUIET_TICKS) {
            links.tick();
            links.handle_progress(1);
            let (_, struck) = feeding.strike_quiet(&mut payloads, &links, tick);
            assert_eq!(struck, []);
        }
        let segment = segment(&mut payloads, id);
        assert!(segment.is_quiet());
        assert_eq!(feeding.fed(&ORIGIN, segment, &links), stripe(3));
        (0..QUIET_TICKS).for_each(|_| assert_eq!(links.tick(), []));
        assert_eq!(feeding.fed(&ORIGIN, segment, &links), Stripes::default());
    }

    #[test]
    fn times_are_compared_some_ticks_after_a_payload_is_whole_and_who_was_earlier_is_asked() {
        let ms = Duration::from_millis;
        let (mut feeding, links, (id, mut payloads)) = (Feeding::new(), links(), payloads());
        let payload = payloads.get_mut(id).expect("it is there");
        (0..16).for_each(|index| assert!(payload.hold(0, index, ms(500)).is_some()));
        let times = feeding.handle_whole(id, payload, ms(600), 10);
        assert_eq!(times.ages(), [ms(100); STRIPES]);
        payload.handle_times(ms(600), 2, Times::new(0, [ms(500); STRIPES]));
        assert_eq!(feeding.learn(&payloads, &links, 10 + LEARN_TICKS - 1), []);
        assert!(!feeding.is_idle() && !feeding.is_learned(&ORIGIN));
        let asks = feeding.learn(&payloads, &links, 10 + LEARN_TICKS);
        assert!(feeding.is_idle() && feeding.is_learned(&ORIGIN));
        let asked: Vec<_> = asks.iter().map(|(_, ask)| (ask.link, ask.begin)).collect();
        assert_eq!(asked, [(2, Stripes(u16::MAX))], "it had all of them before");
        let granted = feeding.handle_grant(2, &ORIGIN, stripe(3), Stripes::default(), 2);
        assert_eq!(granted, Some(vec![]));
        assert!(feeding.is_feed(&ORIGIN, Stripe::of(3), 2));
        assert_eq!(
            feeding.handle_grant(2, &[0; 32], stripe(3), Stripes::default(), 2),
            None
        );
    }

    #[test]
    fn nobody_is_fed_an_origin_of_which_nothing_has_come() {
        let mut feeding = Feeding::new();
        let begin = stripe(3);
        let answer = feeding.handle_feed(1, &ORIGIN, begin, Stripes::default());
        assert_eq!(answer, (Stripes::default(), begin));
        feeding.roots(ORIGIN, &[], 0);
        let answer = feeding.handle_feed(1, &ORIGIN, begin, Stripes::default());
        assert_eq!(answer, (begin, Stripes::default()));
    }
}
