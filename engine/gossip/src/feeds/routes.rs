//! [`Routes`]: by which links the messages of which origins come and go, and what the links are told of that.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::choice::Change;
use super::link::Link;
use super::links::Links;
use super::message::{Alias, FeedMessage, Part, Which, order_of};
use super::order::Order;
use super::origins::{NoRoom, OriginIndex, OriginState, OriginTable};
use super::output::{CloseReason, Lane, Output};
use super::refusal::Refusal;
use super::slot::Slot;
use crate::coded::Origin;

/// A node's origins and links, and what it has to say.
#[derive(Debug)]
pub(super) struct Routes {
    origins: OriginTable,
    links: Links,
    outputs: VecDeque<Output>,
    /// Whether a name was ever given to another origin.
    has_renamed: bool,
    /// Links that the owner was told to close.
    closed: u64,
}

impl Routes {
    /// Of a node that publishes as `own`.
    pub(super) fn new(own: Origin, seed: u64) -> Self {
        Routes {
            origins: OriginTable::new(own, seed),
            links: Links::default(),
            outputs: VecDeque::new(),
            has_renamed: false,
            closed: 0,
        }
    }

    /// A neighbour is there. `None` when it is one too many.
    pub(super) fn add_link(&mut self, link: Link) -> Option<Slot> {
        let slot = self.links.insert(link)?;
        self.choose_default_feeds();
        Some(slot)
    }

    /// A neighbour is gone. Returns whether it was there.
    pub(super) fn remove_link(&mut self, now: Duration, slot: Slot) -> bool {
        if !self.links.remove(slot) {
            return false;
        }
        // The next link in this place shall not get what was meant for this one.
        self.outputs.retain(|output| !output.is_for(slot));
        for origin in self.origins.indices() {
            self.choose(origin, |state, _| state.handle_link_down(now, slot));
        }
        self.choose_default_feeds();
        true
    }

    /// The links.
    pub(super) fn links(&self) -> &Links {
        &self.links
    }

    /// The link in this slot, to change.
    pub(super) fn link_mut(&mut self, slot: Slot) -> Option<&mut Link> {
        self.links.get_mut(slot)
    }

    /// The origin of this key, if it has a place.
    pub(super) fn find(&self, key: &Origin) -> Option<OriginIndex> {
        self.origins.find(key)
    }

    /// What is kept of the origin at this place.
    pub(super) fn origin(&self, origin: OriginIndex) -> &OriginState {
        self.origins.state(origin)
    }

    /// The same, to change.
    pub(super) fn origin_mut(&mut self, origin: OriginIndex) -> &mut OriginState {
        self.origins.state_mut(origin)
    }

    /// A message of the origin is had from now on.
    pub(super) fn handle_accepted(&mut self, now: Duration, origin: OriginIndex, seq: u64) {
        if self.origins.state_mut(origin).handle_accepted(now, seq) {
            self.links.name_again(origin);
        }
    }

    /// A message of the origin is accepted. Returns an origin that was known and is forgotten for that: nothing may
    /// be left that means its messages.
    ///
    /// # Errors
    /// [`NoRoom`] for an origin of which nothing was accepted before, while too many others were heard of late.
    pub(super) fn hear(
        &mut self,
        now: Duration,
        origin: OriginIndex,
    ) -> Result<Option<OriginIndex>, NoRoom> {
        let Some((silent, old)) = self.origins.hear(now, origin)? else {
            return Ok(None);
        };
        self.links.count_feeds(old.choice().feed(), None);
        self.links.name_again(silent);
        Ok(Some(silent))
    }

    /// Bytes that have come from the origin's feed so far.
    pub(super) fn feed_bytes(&self, origin: OriginIndex) -> u64 {
        self.links.feed_bytes(self.origins.state(origin))
    }

    /// The origins that have a feed.
    pub(super) fn feeds(&self) -> impl Iterator<Item = (Origin, Slot)> + '_ {
        let states = self.origins.indices();
        let states = states.map(|index| self.origins.state(index));
        states.filter_map(|state| Some((*state.key(), state.choice().feed()?)))
    }

    /// Bytes that all this takes, without what is to be said.
    pub(super) fn bytes(&self) -> usize {
        self.origins.bytes() + self.links.bytes()
    }

    /// What is to be done next.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// This is to be done.
    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// The owner shall hang up on a link.
    pub(super) fn close(&mut self, slot: Slot, reason: CloseReason) {
        self.closed += 1;
        self.push(Output::Close { slot, reason });
    }

    /// Links that the owner was told to close.
    pub(super) fn closed(&self) -> u64 {
        self.closed
    }

    /// The neighbour wants this of us.
    ///
    /// # Errors
    /// [`Refusal::UnknownAlias`] for an origin that there is not.
    pub(super) fn handle_part(
        &mut self,
        slot: Slot,
        part: Part,
        which: Which,
    ) -> Result<(), Refusal> {
        match which {
            Which::One(alias) => {
                let origin = self.our_origin(alias)?;
                self.origins.state_mut(origin).set_wanted(slot, part);
            }
            Which::All => {
                if let Some(link) = self.links.get_mut(slot) {
                    link.set_wanted(part);
                }
            }
        }
        Ok(())
    }

    /// The place of an origin that a neighbour names. `None` if there is none, or the neighbour names too many. Also
    /// returns whether another origin had it, of which nothing may be left.
    pub(super) fn place_of(
        &mut self,
        now: Duration,
        slot: Slot,
        key: &Origin,
    ) -> Option<(OriginIndex, bool)> {
        if let Some(known) = self.origins.find(key) {
            return Some((known, false));
        }
        if !self.links.get_mut(slot)?.try_name(now) {
            return None;
        }
        let (origin, displaced) = self.origins.find_or_add(now, key)?;
        self.has_renamed |= displaced.is_some();
        if let Some(displaced) = &displaced {
            self.links.forget_origin(origin);
            self.links.count_feeds(displaced.choice().feed(), None);
        }
        Some((origin, displaced.is_some()))
    }

    /// Changes what is chosen of an origin, and tells neighbours so.
    pub(super) fn choose(
        &mut self,
        origin: OriginIndex,
        change: impl FnOnce(&mut OriginState, &Links) -> Vec<Change>,
    ) {
        let state = self.origins.state_mut(origin);
        let before = state.choice().feed();
        let changes = change(state, &self.links);
        let after = state.choice().feed();
        self.links.count_feeds(before, after);
        self.tell(origin, &changes);
    }

    /// The link feeds no origin any more.
    pub(super) fn replace_feed(&mut self, now: Duration, feed: Slot) {
        for origin in self.origins.indices() {
            if self.origins.state(origin).choice().feed() == Some(feed) {
                self.choose(origin, |state, _| state.handle_missed(now));
            }
        }
    }

    /// Tells neighbours their parts, as far as they have a name for the origin.
    pub(super) fn tell(&mut self, origin: OriginIndex, changes: &[Change]) {
        for (slot, part) in changes {
            let link = self.links.get(*slot);
            let Some(alias) = link.and_then(|link| link.alias_of(origin)) else {
                continue;
            };
            let message = FeedMessage::Part(*part, Which::One(alias), 0);
            self.send_message(*slot, &message);
        }
    }

    /// Sees to it that some links send what comes from origins of which nothing was said.
    fn choose_default_feeds(&mut self) {
        for slot in self.links.choose_default_feeds().iter() {
            self.send_message(slot, &FeedMessage::Part(Part::Feed, Which::All, 0));
        }
    }

    /// Sees to it that the neighbour knows our alias for the origin when it reads what this lane brings next.
    pub(super) fn name_origin(&mut self, slot: Slot, lane: Lane, origin: OriginIndex) {
        let link = self.links.get_mut(slot);
        if link.is_some_and(|link| link.note_named(lane, origin)) {
            let message = FeedMessage::Alias(origin.alias(), *self.origins.state(origin).key());
            let bytes = message.encode().expect("an alias has its bounds");
            // What waits under a name that is another's now would be taken for the new one's.
            let order = match self.has_renamed {
                true => Order::Fence,
                false => Order::First,
            };
            self.push(Output::Send {
                slot,
                lane,
                order,
                bytes,
            });
        }
    }

    /// The origin that we call so. The neighbour may mean the one that had the place before: it is told the new
    /// name before it hears of the new one, and what it says of the old one does no harm to this.
    pub(super) fn our_origin(&self, alias: Alias) -> Result<OriginIndex, Refusal> {
        let origin = OriginIndex::from(alias);
        let got = alias.number();
        match self.origins.get(origin) {
            Some(_) => Ok(origin),
            None => Err(Refusal::UnknownAlias { got }),
        }
    }

    /// Says something of messages to a neighbour.
    pub(super) fn send_message(&mut self, slot: Slot, message: &FeedMessage<'_>) {
        let bytes = message
            .encode()
            .expect("what is said of messages has its bounds");
        self.send(slot, Lane::Control, bytes);
    }

    /// Sends these bytes to a neighbour.
    pub(super) fn send(&mut self, slot: Slot, lane: Lane, bytes: Bytes) {
        let order = order_of(&bytes);
        self.push(Output::Send {
            slot,
            lane,
            order,
            bytes,
        });
    }
}

#[cfg(test)]
impl Routes {
    /// So many links, to which nothing was said.
    pub(super) fn with_links(count: u8) -> Self {
        use super::neighbour::{Neighbour, Provenance};
        let mut routes = Routes::new([9; 32], 7);
        for id in 0..count {
            let neighbour = Neighbour {
                id: [id; 20],
                provenance: Provenance::default(),
                rtt: None,
            };
            let slot = routes.add_link(Link::new(&neighbour));
            slot.expect("there is room");
        }
        while routes.poll_output().is_some() {}
        routes
    }
}
