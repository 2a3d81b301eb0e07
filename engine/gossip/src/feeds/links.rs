//! [`Links`]: the neighbours of a node, each in its slot, and how many origins each of them feeds.

use std::time::Duration;

use super::link::{Link, Named};
use super::members::MemberId;
use super::message::{Alias, Part};
use super::neighbour::Provenance;
use super::origins::{OriginIndex, OriginState};
use super::refusal::Refusal;
use super::slot::{LINKS_MAX, Slot, Slots};

/// From so many origins with feeds on, no link becomes the feed of more than half of them: if it falls silent,
/// the others still arrive on time.
const SHARED_MIN: u16 = 8;

/// Links that send what comes from an origin of which nothing was said, and how many of them may be links
/// that others made.
const DEFAULT_FEEDS: usize = 2;
const DEFAULT_FEEDS_INBOUND: usize = 1;

/// The neighbours.
#[derive(Debug, Default)]
pub(super) struct Links {
    links: Vec<Option<Link>>,
    taken: Slots,
    /// Origins that have a feed.
    fed: u16,
}

impl Links {
    /// Takes a neighbour in. `None` when it is one too many.
    pub(super) fn insert(&mut self, link: Link) -> Option<Slot> {
        let slot = self.taken.first_free()?;
        self.taken.insert(slot);
        if self.links.len() <= slot.index() {
            self.links
                .resize_with(LINKS_MAX.min(slot.index() + 1), || None);
        }
        self.links[slot.index()] = Some(link);
        Some(slot)
    }

    /// A neighbour is gone. Returns whether it was there.
    pub(super) fn remove(&mut self, slot: Slot) -> bool {
        self.taken.remove(slot);
        let link = self.links.get_mut(slot.index());
        link.and_then(Option::take).is_some()
    }

    /// The neighbour in this slot.
    pub(super) fn get(&self, slot: Slot) -> Option<&Link> {
        self.links.get(slot.index()).and_then(Option::as_ref)
    }

    /// The neighbour in this slot, to change.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Link> {
        self.links.get_mut(slot.index()).and_then(Option::as_mut)
    }

    /// The slots that are taken.
    pub(super) fn slots(&self) -> Slots {
        self.taken
    }

    /// Which node is at the other end of which link.
    pub(super) fn ids(&self) -> impl Iterator<Item = (Slot, MemberId)> + '_ {
        let id = |slot: Slot| self.get(slot).map(|link| (slot, link.id()));
        self.taken.iter().filter_map(id)
    }

    /// Where the link comes from.
    pub(super) fn provenance(&self, slot: Slot) -> Provenance {
        self.get(slot).map(Link::provenance).unwrap_or_default()
    }

    /// Whether bodies wait for the link.
    pub(super) fn is_behind(&self, slot: Slot) -> bool {
        self.get(slot).is_some_and(Link::is_behind)
    }

    /// How long a message takes to the neighbour; nothing for one that is gone.
    pub(super) fn one_way(&self, slot: Option<Slot>) -> Duration {
        let link = slot.and_then(|slot| self.get(slot));
        link.map(Link::one_way).unwrap_or_default()
    }

    /// The link that feeds the origin.
    pub(super) fn feed_of(&self, state: &OriginState) -> Option<&Link> {
        state.choice().feed().and_then(|feed| self.get(feed))
    }

    /// Bytes that have come from the origin's feed so far.
    pub(super) fn feed_bytes(&self, state: &OriginState) -> u64 {
        self.feed_of(state).map_or(0, Link::received_bytes)
    }

    /// What the neighbour wants of us of the origin.
    pub(super) fn wanted(&self, slot: Slot, state: &OriginState) -> Part {
        let default = || self.get(slot).map_or(Part::Quiet, Link::wanted);
        state.wanted(slot).unwrap_or_else(default)
    }

    /// The origin that the neighbour calls so. `None` for one that has no place here.
    pub(super) fn origin_of(
        &self,
        slot: Slot,
        alias: Alias,
    ) -> Result<Option<OriginIndex>, Refusal> {
        let got = alias.number();
        match self.get(slot).and_then(|link| link.named(alias)) {
            Some(Named::Origin(origin)) => Ok(Some(origin)),
            Some(Named::Unplaced) => Ok(None),
            None => Err(Refusal::UnknownAlias { got }),
        }
    }

    /// Another origin has the place: no name for it stands any more, theirs or ours.
    pub(super) fn forget_origin(&mut self, origin: OriginIndex) {
        for link in self.links.iter_mut().flatten() {
            link.forget_origin(origin);
        }
    }

    /// Each neighbour is told anew what we call the origin, before it hears of it again.
    pub(super) fn name_again(&mut self, origin: OriginIndex) {
        for link in self.links.iter_mut().flatten() {
            link.name_again(origin);
        }
    }

    /// An origin has another feed.
    pub(super) fn count_feeds(&mut self, before: Option<Slot>, after: Option<Slot>) {
        if before == after {
            return;
        }
        self.fed = self.fed + u16::from(after.is_some()) - u16::from(before.is_some());
        for (slot, is_feed) in [(before, false), (after, true)] {
            if let Some(link) = slot.and_then(|slot| self.get_mut(slot)) {
                link.count_feed(is_feed);
            }
        }
    }

    /// Links that are not to become the feed of one more origin.
    pub(super) fn barred(&self) -> Slots {
        let mut barred = Slots::default();
        let is_full = |link: &Link| self.fed >= SHARED_MIN && link.feeds() >= self.fed.div_ceil(2);
        for slot in self.taken.iter() {
            if self
                .get(slot)
                .is_some_and(|link| link.is_closing() || is_full(link))
            {
                barred.insert(slot);
            }
        }
        barred
    }

    /// Sees to it that some links send what comes from origins of which nothing was said. Returns which are
    /// to be told so.
    pub(super) fn choose_default_feeds(&mut self) -> Slots {
        let is_feed = |link: &&Link| link.told() == Part::Feed;
        let feeds = self.links.iter().flatten().filter(is_feed).count();
        let inbound = self.links.iter().flatten().filter(is_feed);
        let inbound = inbound.filter(|link| !link.is_outbound()).count();
        let mut room = DEFAULT_FEEDS.saturating_sub(feeds);
        let mut room_inbound = DEFAULT_FEEDS_INBOUND.saturating_sub(inbound);
        let mut chosen = Slots::default();
        for slot in self.taken.iter() {
            let Some(link) = self.get_mut(slot) else {
                continue;
            };
            if room == 0 || link.told() == Part::Feed || (!link.is_outbound() && room_inbound == 0)
            {
                continue;
            }
            room -= 1;
            room_inbound -= usize::from(!link.is_outbound());
            link.set_told(Part::Feed);
            chosen.insert(slot);
        }
        chosen
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        self.links.iter().flatten().map(Link::bytes).sum()
    }
}
