//! [`Payload`]: which shards of one payload are here, and what its neighbours have, were shown and are asked
//! for.
//!
//! Invariant: `asked` of a segment is the union of what its neighbours are asked for, and these are
//! disjoint; when a shard is asked for, held and asked together are below k.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::coded::{
    Account, CodedSegment, Encoder, Manifest, Offer, SegmentLayout, Shard, Signature,
};

use super::link::QUIET_TICKS;
use super::message::Times;
use super::shard_set::ShardSet;
use super::stripes::{STRIPES, Stripe, Stripes};

/// How often a neighbour is sent each shard, on average, before it is refused: a second time after a
/// stall.
const SENT_PER_SHARD_MAX: usize = 2;

/// Of one neighbour and one segment.
#[derive(Clone, Copy, Debug, Default)]
struct Neighbour {
    /// What it has announced.
    has: ShardSet,
    /// What was announced to it.
    shown: ShardSet,
    /// What it is asked for.
    asked: ShardSet,
    /// What it was asked for when it stalled: taken if it comes after all.
    late: ShardSet,
    /// Shards sent to it, how often altogether, and which.
    sent: usize,
    given: ShardSet,
    /// What it wanted although it was given it: on its way, unless it is wanted once more.
    doubted: ShardSet,
    /// It announced or wanted something since the last look.
    has_moved: bool,
}

/// Ticks without a pushed shard of a segment after which a feed is waited for no longer, even if it sends others: two seconds. Each
/// pushed shard takes one tick back.
const OVERDUE_TICKS: u32 = 20;

/// What feeds are going to bring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// Shards that are not asked for.
    left_out: ShardSet,
    /// Of these, what counts as if it were asked for.
    coming: ShardSet,
}

/// One segment of a payload.
pub(super) struct Segment<L> {
    place: SegmentLayout,
    held: ShardSet,
    asked: ShardSet,
    /// What was passed on to children.
    passed_on: ShardSet,
    /// Ticks since the first shard was heard of, less one for each that a feed has sent, and not below zero.
    quiet: u32,
    coded: Option<CodedSegment>,
    neighbours: BTreeMap<L, Neighbour>,
}

impl<L: Copy + Ord> Segment<L> {
    fn new(place: SegmentLayout) -> Self {
        Segment {
            place,
            held: ShardSet::default(),
            asked: ShardSet::default(),
            passed_on: ShardSet::default(),
            quiet: 0,
            coded: None,
            neighbours: BTreeMap::new(),
        }
    }

    fn all(&self) -> ShardSet {
        ShardSet::first(self.place.shard_count())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.held == self.all()
    }

    /// A neighbour has announced shards.
    pub(super) fn handle_have(&mut self, from: L, set: &ShardSet) {
        let all = self.all();
        let neighbour = self.neighbours.entry(from).or_default();
        neighbour.has = neighbour.has.union(&set.both(&all));
        neighbour.has_moved = true;
    }

    /// Which of the shards that a neighbour wants it may be sent: what it was shown, within reason.
    pub(super) fn handle_want(&mut self, from: L, set: &ShardSet, max: usize) -> ShardSet {
        let may_be_sent = SENT_PER_SHARD_MAX * usize::from(self.place.shard_count());
        let neighbour = self.neighbours.entry(from).or_default();
        neighbour.has_moved = true;
        let room = may_be_sent.saturating_sub(neighbour.sent).min(max);
        let wanted = set.both(&neighbour.shown);
        // A want and a shard that was pushed have crossed on their ways; a second want is meant.
        let crossed = wanted.both(&neighbour.given).without(&neighbour.doubted);
        neighbour.doubted = neighbour
            .doubted
            .union(&crossed)
            .without(&wanted.without(&crossed));
        let granted = wanted.without(&crossed).some(room, 0);
        neighbour.sent += granted.len();
        neighbour.given = neighbour.given.union(&granted);
        granted
    }

    /// Whether a shard is to be pushed to a neighbour; it is noted that it was.
    pub(super) fn push(&mut self, to: L, index: u16) -> bool {
        let neighbour = self.neighbours.entry(to).or_default();
        if neighbour.has.contains(index) || neighbour.given.contains(index) {
            return false;
        }
        neighbour.given.insert(index);
        neighbour.shown.insert(index);
        neighbour.sent += 1;
        true
    }

    /// Whether a neighbour has announced a shard meanwhile.
    pub(super) fn is_at(&self, link: L, index: u16) -> bool {
        let neighbour = self.neighbours.get(&link);
        neighbour.is_some_and(|one| one.has.contains(index))
    }

    /// What is to be passed on to children: what is held and pushed at all, and was not passed on yet.
    pub(super) fn begin_passing_on(&mut self) -> ShardSet {
        let pushed = ShardSet::first(self.place.pushed());
        let new = self.held.both(&pushed).without(&self.passed_on);
        self.passed_on = self.passed_on.union(&new);
        new
    }

    /// What is held of some stripes and is pushed at all.
    pub(super) fn held_of(&self, stripes: Stripes) -> ShardSet {
        self.of_stripes(stripes).both(&self.held)
    }

    /// All shards of some stripes that are pushed.
    fn of_stripes(&self, stripes: Stripes) -> ShardSet {
        ShardSet::of_stripes(stripes).both(&ShardSet::first(self.place.pushed()))
    }

    /// A feed has sent a shard.
    pub(super) fn handle_pushed(&mut self, from: L, index: u16) {
        self.quiet = self.quiet.saturating_sub(1);
        self.neighbours.entry(from).or_default().has.insert(index);
    }

    /// Time goes by; true if feeds have brought nothing lately.
    pub(super) fn tick(&mut self) -> bool {
        let is_started =
            !self.held.is_empty() || self.neighbours.values().any(|one| !one.has.is_empty());
        if self.is_whole() || !is_started {
            return false;
        }
        self.quiet = self.quiet.saturating_add(1);
        self.is_quiet()
    }

    /// Whether feeds have brought nothing lately.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet >= QUIET_TICKS
    }

    /// Whether it has been quiet for so long that a feed which sends other shards is waited for no longer.
    pub(super) fn is_overdue(&self) -> bool {
        self.quiet >= OVERDUE_TICKS
    }

    /// What is expected of the feeds of these stripes. While they send, all but what is pushed of the other stripes; else
    /// what is pushed of these.
    pub(super) fn expected(&self, fed: Stripes) -> Expected {
        if self.is_quiet() {
            let coming = self.of_stripes(fed);
            let left_out = coming;
            Expected { left_out, coming }
        } else {
            Expected {
                left_out: self.all().without(&self.of_stripes(Stripes(!fed.0))),
                coming: ShardSet::default(),
            }
        }
    }

    /// Whether all originals that are missing are to come from feeds of these stripes, or were asked for.
    pub(super) fn is_expected(&self, fed: Stripes) -> bool {
        let originals = ShardSet::first(self.place.originals());
        let coming = self.of_stripes(fed).union(&self.asked);
        let missing = originals.without(&self.held).without(&coming);
        missing.is_empty()
    }

    /// Whether shards of a stripe are missing that somebody has, and whether the feed itself has announced one.
    pub(super) fn missing(&self, stripe: Stripe, feed: L) -> (bool, bool) {
        let missing = self
            .of_stripes([stripe].into_iter().collect())
            .without(&self.held);
        let has = |one: &Neighbour| !one.has.both(&missing).is_empty();
        let at_feed = self.neighbours.get(&feed).is_some_and(has);
        (self.neighbours.values().any(has), at_feed)
    }

    /// Chooses up to `room` shards to ask a neighbour for, of those that are not expected, and notes that it is asked.
    pub(super) fn ask(&mut self, of: L, room: usize, start: u16, expected: &Expected) -> ShardSet {
        if self.is_whole() {
            return ShardSet::default();
        }
        let under_way = self.held.union(&self.asked).union(&expected.coming).len();
        let needed = usize::from(self.place.originals()).saturating_sub(under_way);
        let Some(neighbour) = self.neighbours.get_mut(&of) else {
            return ShardSet::default();
        };
        let new = neighbour.has.without(&self.held).without(&self.asked);
        let new = new.without(&expected.left_out);
        let chosen = new.some(room.min(needed), start % self.place.shard_count());
        neighbour.asked = neighbour.asked.union(&chosen);
        self.asked = self.asked.union(&chosen);
        chosen
    }

    /// Whether a shard that a neighbour sends was asked for; it is not any more. `None` if it was not,
    /// and whether it comes late otherwise.
    pub(super) fn handle_answer(&mut self, from: L, index: u16) -> Option<Late> {
        let neighbour = self.neighbours.get_mut(&from)?;
        if neighbour.asked.remove(index) {
            self.asked.remove(index);
            return Some(Late(false));
        }
        neighbour.late.remove(index).then_some(Late(true))
    }

    pub(super) fn holds(&self, index: u16) -> bool {
        self.held.contains(index)
    }

    fn complete(&mut self, coded: CodedSegment) -> Vec<(L, usize)> {
        self.coded = Some(coded);
        self.held = self.all();
        self.asked = ShardSet::default();
        let neighbours = self.neighbours.iter_mut();
        let taken_back = neighbours.map(|(link, neighbour)| {
            let asked = std::mem::take(&mut neighbour.asked);
            neighbour.late = neighbour.late.union(&asked);
            (*link, asked.len())
        });
        taken_back.filter(|(_, count)| *count > 0).collect()
    }

    /// A neighbour begins with the segment anew: what it had, what was sent to it and what it was asked for is gone there. Gives
    /// for how many shards it was asked.
    pub(super) fn begin_anew(&mut self, from: L) -> usize {
        let taken_back = self.take_back(from);
        let neighbour = self.neighbours.entry(from).or_default();
        neighbour.has = ShardSet::default();
        neighbour.given = ShardSet::default();
        neighbour.doubted = ShardSet::default();
        neighbour.has_moved = true;
        taken_back
    }

    fn take_back(&mut self, from: L) -> usize {
        let Some(neighbour) = self.neighbours.get_mut(&from) else {
            return 0;
        };
        let asked = std::mem::take(&mut neighbour.asked);
        neighbour.late = neighbour.late.union(&asked);
        self.asked = self.asked.without(&asked);
        asked.len()
    }

    fn remove_link(&mut self, link: L) {
        self.take_back(link);
        self.neighbours.remove(&link);
    }

    /// What is to be announced to a neighbour, of `set`: what it was not shown and does not have. That the
    /// whole segment is here is announced to everybody, once: who has it all is asked for nothing and
    /// shown nothing more.
    pub(super) fn show(&mut self, to: L, set: &ShardSet) -> ShardSet {
        let all = self.all();
        let neighbour = self.neighbours.entry(to).or_default();
        if neighbour.shown == all {
            return ShardSet::default();
        }
        if *set == all {
            neighbour.shown = all;
            return all;
        }
        let new = set.without(&neighbour.shown);
        neighbour.shown = neighbour.shown.union(&new);
        new.without(&neighbour.has)
    }

    /// What a neighbour was shown.
    pub(super) fn shown(&self, to: L) -> ShardSet {
        let neighbour = self.neighbours.get(&to);
        neighbour.map_or_else(ShardSet::default, |neighbour| neighbour.shown)
    }

    /// More to show to a neighbour that has come to a stop: first what no neighbour has.
    pub(super) fn more_for(&mut self, to: L, count: usize) -> ShardSet {
        let common = self.neighbours.values();
        let common = common.fold(ShardSet::default(), |all, one| all.union(&one.has));
        let all = self.all();
        let neighbour = self.neighbours.entry(to).or_default();
        let has_moved = std::mem::take(&mut neighbour.has_moved);
        if has_moved || neighbour.has == all {
            return ShardSet::default();
        }
        let new = all.without(&neighbour.shown).without(&neighbour.has);
        let rare = new.without(&common).some(count, 0);
        let rest = new.without(&rare).some(count - rare.len(), 0);
        rare.union(&rest)
    }

    /// Whether a neighbour lacks something, and was not shown everything.
    fn is_unfinished_for(&self, link: L) -> bool {
        let all = self.all();
        let neighbour = self.neighbours.get(&link);
        neighbour.is_none_or(|one| one.has != all && one.shown != all)
    }

    pub(super) fn held(&self) -> ShardSet {
        self.held
    }

    pub(super) fn place(&self) -> SegmentLayout {
        self.place
    }
}

/// Whether a shard came after its neighbour had stalled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Late(pub(super) bool);

/// One payload that is under way, or kept for those who ask.
pub(super) struct Payload<L> {
    offer: Offer,
    /// The account of its origin.
    maker: Account,
    segments: Vec<Segment<L>>,
    /// Of a payload that was published here: its segments are coded when they are asked for.
    encoder: Option<Encoder>,
    /// Who offered it first.
    from: Option<L>,
    /// Whether it was offered to the others.
    is_offered: bool,
    /// Neighbours that have said anything of it.
    spoke: BTreeSet<L>,
    arrivals: Arrivals,
    /// What neighbours said of theirs, and when.
    times: BTreeMap<L, (Duration, Times)>,
    /// The tick in which it became whole.
    whole_at: Option<u64>,
}

/// When the shards of a payload came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrivals {
    first: Option<Duration>,
    last: Duration,
    shards: usize,
    /// The last original of each stripe.
    stripes: [Duration; STRIPES],
}

impl Arrivals {
    /// A shard has come; only originals count for its stripe.
    fn note(&mut self, now: Duration, stripe: Option<Stripe>) {
        self.first.get_or_insert(now);
        self.last = now;
        self.shards += 1;
        if let Some(stripe) = stripe {
            self.stripes[stripe.index()] = now;
        }
    }

    /// Stripes of which originals were missing when their segment became whole came then.
    fn complete(&mut self, now: Duration, missing: &ShardSet) {
        for index in missing.iter() {
            self.stripes[Stripe::of(index).index()] = now;
        }
    }

    /// By stripe, when its last original was there.
    pub(super) fn stripes(&self) -> [Duration; STRIPES] {
        self.stripes
    }

    /// The time from one shard to the next on average.
    pub(super) fn per_shard(&self) -> Duration {
        let first = self.first.unwrap_or(self.last);
        let shards = u32::try_from(self.shards.max(1)).unwrap_or(u32::MAX);
        self.last.saturating_sub(first) / shards
    }
}

impl<L: Copy + Ord> Payload<L> {
    /// A payload of which nothing is here, and who offered it.
    pub(super) fn new(offer: Offer, maker: Account, from: Option<L>) -> Self {
        let segments = offer
            .manifest
            .layout()
            .segments()
            .map(Segment::new)
            .collect();
        Payload {
            offer,
            maker,
            segments,
            encoder: None,
            from,
            is_offered: false,
            spoke: from.into_iter().collect(),
            arrivals: Arrivals::default(),
            times: BTreeMap::new(),
            whole_at: None,
        }
    }

    /// A neighbour has said something of it.
    pub(super) fn handle_word(&mut self, from: L) {
        self.spoke.insert(from);
    }

    /// Who has said anything of it.
    pub(super) fn heard(&self) -> impl Iterator<Item = L> {
        self.spoke.iter().copied()
    }

    /// Whether a neighbour has said anything of it.
    pub(super) fn has_heard(&self, from: L) -> bool {
        self.spoke.contains(&from)
    }

    pub(super) fn handle_times(&mut self, now: Duration, from: L, times: Times) {
        self.times.insert(from, (now, times));
    }

    /// What neighbours have said of their times, and when.
    pub(super) fn times(&self) -> impl Iterator<Item = (L, Duration, &Times)> {
        self.times
            .iter()
            .map(|(link, (at, times))| (*link, *at, times))
    }

    pub(super) fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// A shard of a segment has come; gives the segment.
    pub(super) fn hold(
        &mut self,
        segment: u16,
        index: u16,
        now: Duration,
    ) -> Option<&mut Segment<L>> {
        let segment = self.segments.get_mut(usize::from(segment))?;
        segment.held.insert(index);
        let is_original = index < segment.place.originals();
        let stripe = is_original.then(|| Stripe::of(index));
        self.arrivals.note(now, stripe);
        Some(segment)
    }

    /// A segment is whole: any shard of it can be sent. Gives who was asked for how many more.
    pub(super) fn complete(&mut self, coded: CodedSegment, now: Duration) -> Vec<(L, usize)> {
        let index = coded.layout().index();
        let Some(segment) = self.segments.get_mut(usize::from(index)) else {
            return Vec::new();
        };
        let originals = ShardSet::first(segment.place.originals());
        let missing = originals.without(&segment.held);
        let taken_back = segment.complete(coded);
        self.arrivals.note(now, None);
        self.arrivals.complete(now, &missing);
        taken_back
    }

    /// A neighbour has stalled, or nothing of the payload is wanted any more: what it is asked for is not expected of it. Gives
    /// how many shards these are.
    pub(super) fn take_back(&mut self, from: L) -> usize {
        let segments = self.segments.iter_mut();
        segments.map(|segment| segment.take_back(from)).sum()
    }

    /// It is whole since this tick.
    pub(super) fn set_whole_at(&mut self, tick: u64) {
        self.whole_at = Some(tick);
    }

    /// Whether shards of it may still be on their way to neighbours: it is not whole, or since this tick only.
    pub(super) fn is_fresh(&self, since: u64) -> bool {
        self.encoder.is_none() && self.whole_at.is_none_or(|tick| tick >= since)
    }

    pub(super) fn remove_link(&mut self, link: L) {
        self.spoke.remove(&link);
        self.times.remove(&link);
        self.segments
            .iter_mut()
            .for_each(|one| one.remove_link(link));
    }

    pub(super) fn segment(&self, index: u16) -> Option<&Segment<L>> {
        self.segments.get(usize::from(index))
    }

    /// A payload that was published here.
    pub(super) fn published(encoder: Encoder, signature: Option<Signature>) -> Self {
        let manifest = *encoder.manifest();
        let offer = Offer {
            manifest,
            signature,
        };
        let mut payload = Payload::new(offer, manifest.origin(), None);
        for segment in &mut payload.segments {
            segment.held = segment.all();
        }
        payload.encoder = Some(encoder);
        payload
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.offer.manifest
    }

    pub(super) fn offer(&self) -> &Offer {
        &self.offer
    }

    /// The account of the node that made it.
    pub(super) fn maker(&self) -> Account {
        self.maker
    }

    /// Whom it was not offered by, when it has not been offered to others before.
    pub(super) fn begin_offer(&mut self) -> Option<impl Fn(&L) -> bool + use<L>> {
        if std::mem::replace(&mut self.is_offered, true) {
            return None;
        }
        let from = self.from;
        Some(move |link: &L| Some(*link) != from)
    }

    pub(super) fn is_offered(&self) -> bool {
        self.is_offered
    }

    pub(super) fn is_published_here(&self) -> bool {
        self.encoder.is_some()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.segments.iter().all(Segment::is_whole)
    }

    /// Whether one of these neighbours lacks something, and was not shown everything.
    pub(super) fn is_unfinished(&self, links: &[L]) -> bool {
        let mut segments = self.segments.iter();
        segments.any(|segment| links.iter().any(|link| segment.is_unfinished_for(*link)))
    }

    pub(super) fn segment_mut(&mut self, index: u16) -> Option<&mut Segment<L>> {
        self.segments.get_mut(usize::from(index))
    }

    pub(super) fn segments_mut(&mut self) -> impl Iterator<Item = &mut Segment<L>> {
        self.segments.iter_mut()
    }

    /// A shard of a segment that is whole.
    pub(super) fn coded_shard(&mut self, segment: u16, index: u16) -> Option<Shard> {
        let place = self.segments.get_mut(usize::from(segment))?;
        if let (None, Some(encoder)) = (&place.coded, &mut self.encoder) {
            place.coded = encoder.segment(segment).ok();
        }
        place.coded.as_ref()?.shard(index).ok()
    }

    /// Bytes of memory that it takes when it is whole: payload and repair shards.
    pub(super) fn kept_bytes(&self) -> usize {
        2 * self.offer.manifest.layout().padded_bytes()
    }
}
