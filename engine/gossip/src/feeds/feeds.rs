//! [`Feeds`]: the protocol of small and medium messages.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::asker::Asker;
use super::asking::{self, GRACE_DIGEST};
use super::config::{Counters, FeedsConfig};
use super::held::Key;
use super::link::Link;
use super::members::{MemberId, Members, MembersTag};
use super::memory::Memory;
use super::message::{
    Alias, Body, DigestEntry, FeedMessage, List, Name, Part, encode_have, encode_over,
};
use super::neighbour::Neighbour;
use super::open::Stage;
use super::origins::OriginIndex;
use super::output::{CloseReason, Delivery, Lane, Output, Verdict};
use super::reach::{Reach, Reaches};
use super::refusal::Refusal;
use super::routes::Routes;
use super::slot::{Slot, Slots};
use super::unchecked::{Unchecked, UncheckedMessages};
use crate::coded::Origin;

/// A node whose uplink is behind by more than this announces nothing: who hears no announcement does not choose
/// it as a feed, and who has chosen it finds another that is earlier.
const BACKLOG_MAX: Duration = Duration::from_millis(20);

/// What a node says and hears of small and medium messages.
///
/// The owner tells it of links and messages ([`handle_link_up`](Feeds::handle_link_up), [`handle_link_down`](Feeds::handle_link_down),
/// [`handle_message`](Feeds::handle_message)), lets it [`publish`](Feeds::publish), calls [`handle_timeout`](Feeds::handle_timeout) at
/// [`next_timeout`](Feeds::next_timeout), and after each of these does what [`poll_output`](Feeds::poll_output) says until that is `None`.
/// `now` counts from any fixed moment and never runs backwards.
#[derive(Debug)]
pub struct Feeds {
    config: FeedsConfig,
    routes: Routes,
    asker: Asker,
    memory: Memory,
    unchecked: UncheckedMessages,
    reaches: Reaches,
    members: Members,
    next_seq: u64,
    backlog: Duration,
    counters: Counters,
}

impl Feeds {
    /// A node that publishes as `own`, its public key.
    ///
    /// `first_seq` is the number of its first message: higher than any that it gave before, so a node that
    /// starts again takes the time in microseconds. `seed` is chance that nobody can guess.
    pub fn new(config: FeedsConfig, own: Origin, first_seq: u64, seed: u64) -> Self {
        Feeds {
            config,
            routes: Routes::new(own, seed),
            asker: Asker::new(config.keep_bytes_max),
            memory: Memory::new(config.keep, config.keep_bytes_max, seed),
            unchecked: UncheckedMessages::default(),
            reaches: Reaches::default(),
            members: Members::default(),
            next_seq: first_seq,
            backlog: Duration::ZERO,
            counters: Counters::default(),
        }
    }

    /// A neighbour is there. Returns its slot, or `None` when it is one too many, and takes no part.
    pub fn handle_link_up(&mut self, now: Duration, neighbour: &Neighbour) -> Option<Slot> {
        let slot = self.routes.add_link(Link::new(neighbour))?;
        self.members.handle_link_up(slot, neighbour.id);
        self.memory
            .tell(now, slot, Duration::ZERO, &mut self.routes);
        Some(slot)
    }

    /// The neighbour is gone. Its slot may be given to another. What was to be sent to it is dropped.
    pub fn handle_link_down(&mut self, now: Duration, slot: Slot) {
        if !self.routes.remove_link(now, slot) {
            return;
        }
        self.memory.handle_link_down(slot);
        self.asker.handle_link_down(now, slot, &mut self.routes);
        self.unchecked.handle_link_down(slot);
        self.reaches.handle_link_down(slot);
        self.members.handle_link_down(slot);
    }

    /// These nodes are members from now on; `own` is how they call this node, which may be one of them. As long as all
    /// others are neighbours, what this node publishes goes to all of them directly, if it is short
    /// ([`DIRECT_BYTES_MAX`](super::DIRECT_BYTES_MAX)), and members that know the same set do not pass it on to each other. Only
    /// where origins sign: in another's name anybody could say so. None: everything goes by feeds.
    pub fn set_members(&mut self, own: &MemberId, members: &BTreeSet<MemberId>) {
        self.members = Members::new(own, members);
        for (slot, id) in self.routes.links().ids() {
            self.members.handle_link_up(slot, id);
        }
    }

    /// What a payload of so many bytes says of members when it is published next: it is signed with that.
    pub fn members_for(&self, payload_bytes: usize) -> Option<MembersTag> {
        self.members.tag_for(payload_bytes)
    }

    /// A neighbour's message.
    ///
    /// # Errors
    /// [`Refusal`] says which rule the message breaks, which is always the neighbour's fault: the owner hangs
    /// up. Nothing of the message has been heard.
    pub fn handle_message(
        &mut self,
        now: Duration,
        slot: Slot,
        bytes: &Bytes,
    ) -> Result<(), Refusal> {
        let Some(link) = self.routes.link_mut(slot) else {
            return Ok(());
        };
        if link.is_closing() {
            return Ok(());
        }
        link.handle_received(bytes.len());
        match FeedMessage::decode(bytes)? {
            FeedMessage::Body(body) => self.handle_body(now, slot, &body, bytes),
            FeedMessage::Have(names) => self.handle_have(now, slot, names),
            FeedMessage::Want(names) => self.handle_want(now, slot, names),
            FeedMessage::Part(part, which, 0) => self.routes.handle_part(slot, part, which),
            // Stripes are of large payloads.
            FeedMessage::Part(..) => Ok(()),
            FeedMessage::Alias(alias, origin) => {
                self.handle_alias(now, slot, alias, &origin);
                Ok(())
            }
            FeedMessage::Digest(entries) => self.handle_digest(now, slot, entries),
            FeedMessage::Over(names) => self.handle_over(now, slot, names),
        }
    }

    /// Publishes a message of this node, or a bundle of them; it is not delivered here. Its signature is this node's of the
    /// [`MessageId`](super::MessageId) under [`next_seq`](Feeds::next_seq), its members are those of
    /// [`members_for`](Feeds::members_for), or none; `left` is how long anybody needs the message, if
    /// that ends, as [`Delivery::ends`] has it. Returns the number that it got.
    ///
    /// # Errors
    /// [`Refusal`] for a payload that no body can have: too long, or no right bundle.
    pub fn publish(
        &mut self,
        now: Duration,
        message: &Delivery,
        left: Option<Duration>,
    ) -> Result<u64, Refusal> {
        debug_assert_eq!(message.ends, left.is_some(), "what is signed is so");
        let seq = self.next_seq;
        let left_ms = left.map_or(0, |left| {
            u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1)
        });
        let body = body_of(message, OriginIndex::OWN.alias(), seq, left_ms);
        let bytes = FeedMessage::Body(body).encode()?;
        self.next_seq += 1;
        let key = (OriginIndex::OWN, seq);
        self.routes.handle_accepted(now, OriginIndex::OWN, seq);
        self.reaches.insert(now, seq);
        let body = (bytes.clone(), left_ms);
        self.memory
            .insert(now, key, body, Slots::NONE, false, &mut self.routes);
        // Who has said nothing of this node's messages yet gets them: the first hop is never the one that
        // waits for a request.
        let state = self.routes.origin(OriginIndex::OWN);
        let members = self.members.served(message.members);
        self.counters.direct += u64::from(!members.is_empty());
        let part = |slot| match members.contains(slot) {
            true => Part::Feed,
            false => state.wanted(slot).unwrap_or(Part::Feed),
        };
        let slots = self.routes.links().slots();
        let mut to: Vec<(Slot, Part)> = slots.iter().map(|slot| (slot, part(slot))).collect();
        self.feed_one_at_least(&mut to);
        self.pass_on(to, key, body_lane(message.urgent), &bytes);
        Ok(seq)
    }

    /// Where no neighbour wants a message of this node sent, one gets it all the same: in a burst they may come to feed each
    /// other in a circle, and then all would wait for what none has.
    fn feed_one_at_least(&self, to: &mut [(Slot, Part)]) {
        if to.iter().any(|(_, part)| *part == Part::Feed) {
            return;
        }
        let links = self.routes.links();
        let cost = |(slot, part): &&mut (Slot, Part)| {
            let is_quiet = *part == Part::Quiet;
            (is_quiet, links.is_behind(*slot), links.one_way(Some(*slot)))
        };
        if let Some((_, part)) = to.iter_mut().min_by_key(cost) {
            *part = Part::Feed;
        }
    }

    /// The number that the next message of this node gets.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// What the owner has found of a message, or of a bundle as a whole, that [`Output::Check`] gave it. Does nothing
    /// for another.
    pub fn handle_verdict(&mut self, now: Duration, origin: &Origin, seq: u64, verdict: Verdict) {
        self.judge(now, origin, seq, verdict, |_| true);
    }

    /// What the owner has found of each message of a bundle, in its order. [`Verdict::of_bundle`] says what becomes of
    /// the bundle; if it is passed on, those messages of it are delivered that are good.
    pub fn handle_verdicts(
        &mut self,
        now: Duration,
        origin: &Origin,
        seq: u64,
        verdicts: &[Verdict],
    ) {
        let is_good = |index: usize| verdicts.get(index) == Some(&Verdict::PassOn);
        self.judge(now, origin, seq, Verdict::of_bundle(verdicts), is_good);
    }

    fn judge(
        &mut self,
        now: Duration,
        origin: &Origin,
        seq: u64,
        verdict: Verdict,
        is_good: impl Fn(usize) -> bool,
    ) {
        let Some(origin) = self.routes.find(origin) else {
            return;
        };
        let key = (origin, seq);
        let Some(unchecked) = self.unchecked.remove(key) else {
            return;
        };
        match verdict {
            Verdict::PassOn => self.accept(now, key, unchecked, is_good),
            Verdict::Ignore => self.settle(now, key),
            Verdict::Blame => self.blame(now, key, unchecked.slot),
        }
    }

    /// When [`handle_timeout`](Feeds::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Duration> {
        let digest = self.memory.next_due();
        self.asker.next_due().into_iter().chain(digest).min()
    }

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Duration) {
        let has_room = !self.unchecked.is_half_full(self.config.unchecked_bytes_max);
        self.asker.handle_timeout(now, has_room, &mut self.routes);
        self.memory.handle_timeout(now, &mut self.routes);
    }

    /// What to do next, in this order. `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.routes.poll_output()
    }

    /// Whether this node may publish. Not while half of what it remembers came after a message that a neighbour may still
    /// lack: what is published faster than neighbours take it is forgotten before they ask for it. Nobody is waited for
    /// longer than a second.
    pub fn may_publish(&mut self, now: Duration) -> bool {
        let links = self.routes.links().slots();
        self.memory.has_room(now, links)
    }

    /// How long a message that is sent now waits until it leaves, as far as the owner can tell.
    pub fn set_backlog(&mut self, backlog: Duration) {
        self.backlog = backlog;
    }

    /// Bodies wait for the link, or do not any more. As long as they do it is told of no messages: it would ask for what
    /// waits for it already. When that is over it hears of what it was not told and did not get.
    pub fn set_behind(&mut self, now: Duration, slot: Slot, is_behind: bool) {
        let Some(link) = self.routes.link_mut(slot) else {
            return;
        };
        let since = link.set_behind(now, is_behind);
        if is_behind {
            return;
        }
        let untold = link.take_untold();
        match since {
            Some(since) => self.memory.tell(now, slot, since, &mut self.routes),
            None => {
                let told = self.memory.announce(now, slot, &untold, &mut self.routes);
                self.counters.announced += told as u64;
            }
        }
    }

    /// A body of an [`Output::Send`] was not sent to the link after all, because too much waited for it. The neighbour
    /// may ask for it, also if it was sent in answer to that.
    pub fn handle_left_out(&mut self, slot: Slot, bytes: &[u8]) {
        let Ok(FeedMessage::Body(body)) = FeedMessage::decode(bytes) else {
            return;
        };
        let key = (OriginIndex::from(body.alias), body.seq);
        if let Some(came_at) = self.memory.forget_answer(key, slot)
            && let Some(link) = self.routes.link_mut(slot)
        {
            link.handle_left_out(came_at);
        }
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters;
        self.asker.count_into(&mut counters);
        counters.closed += self.routes.closed();
        counters
    }

    /// The link that sends the messages of an origin, if one does.
    pub fn feed_of(&self, origin: &Origin) -> Option<Slot> {
        let index = self.routes.find(origin)?;
        self.routes.origin(index).choice().feed()
    }

    /// How far this node's last messages have come among its neighbours, the oldest first.
    pub fn reaches(&self) -> impl Iterator<Item = Reach> + '_ {
        self.reaches.iter()
    }

    /// The links.
    pub fn slots(&self) -> Slots {
        self.routes.links().slots()
    }

    /// The origins that have a feed, and which link that is.
    pub fn feeds(&self) -> impl Iterator<Item = (Origin, Slot)> + '_ {
        self.routes.feeds()
    }

    /// How many origins' messages a link sends as they come, and how many links do that. Each origin is
    /// looked at.
    pub fn feeding(&self) -> (usize, usize) {
        let (origins, links) = self
            .feeds()
            .fold((0, Slots::NONE), |(origins, mut links), feed| {
                links.insert(feed.1);
                (origins + 1, links)
            });
        (origins, links.len())
    }

    /// Messages of which something was heard and that are not over yet.
    pub fn open_len(&self) -> usize {
        self.asker.len()
    }

    /// Bytes that are kept of origins, links and messages, without the messages' own.
    pub fn state_bytes(&self) -> usize {
        self.routes.bytes()
            + self.asker.bytes()
            + self.memory.index_bytes()
            + self.unchecked.index_bytes()
            + self.reaches.bytes()
    }

    /// Bytes of messages that are remembered.
    pub fn held_bytes(&self) -> usize {
        self.memory.bytes()
    }

    fn handle_body(
        &mut self,
        now: Duration,
        slot: Slot,
        body: &Body<'_>,
        bytes: &Bytes,
    ) -> Result<(), Refusal> {
        let Some(origin) = self.routes.links().origin_of(slot, body.alias)? else {
            self.counters.unplaced += 1;
            return Ok(());
        };
        let key = (origin, body.seq);
        self.counters.bodies += 1;
        self.counters.body_bytes += body.payload.len() as u64;
        let (rate, burst) = (self.config.link_rate, self.config.keep);
        let amount = (body.messages().count(), body.payload.len());
        if let Some(link) = self.routes.link_mut(slot)
            && !link.try_receive(now, rate, burst, amount)
        {
            self.counters.over_link_rate += 1;
            return Ok(());
        }
        if origin == OriginIndex::OWN {
            // It is ours, of a former life perhaps, or somebody says so. We know what we have published.
            self.counters.duplicates += amount.0 as u64;
            self.note_has(key, slot);
            self.routes.tell(origin, &[(slot, Part::Quiet)]);
            return Ok(());
        }
        let stage = self.asker.stage(key);
        let asked_at = match stage {
            Some(Stage::Asked {
                slot: asked, at, ..
            }) if asked == slot => Some(at),
            _ => None,
        };
        let was_asked = asked_at.is_some();
        if !was_asked && let Some(link) = self.routes.link_mut(slot) {
            link.handle_unasked(now, key);
        }
        let is_had = self.routes.origin(origin).window().contains(body.seq);
        if is_had || stage == Some(Stage::Checking) {
            self.counters.duplicates += amount.0 as u64;
            self.note_sent(slot, None);
            self.asker.note(now, key, slot, body.alias, !was_asked);
            self.memory.note_had(key, slot);
            return Ok(());
        }
        if stage.is_none() {
            self.asker.begin(now, key, &self.routes);
        }
        self.asker.note(now, key, slot, body.alias, !was_asked);
        let delivery = Delivery {
            origin: *self.routes.origin(origin).key(),
            seq: body.seq,
            index: 0,
            urgent: body.urgent,
            is_bundle: body.is_bundle,
            priority: body.priority,
            ends: body.left_ms > 0,
            signature: body.signature.copied(),
            members: body.members,
            payload: bytes.slice_ref(body.payload),
        };
        let unchecked = Unchecked {
            slot: Some(slot),
            came_at: now,
            asked_at,
            left_ms: body.left_ms,
            delivery,
        };
        if self.config.check {
            self.check(now, key, unchecked);
        } else {
            self.accept(now, key, unchecked, |_| true);
        }
        Ok(())
    }

    /// The owner shall check the message, unless too many wait for that: then it is asked for later.
    fn check(&mut self, now: Duration, key: Key, unchecked: Unchecked) {
        let bytes_max = self.config.unchecked_bytes_max;
        if !self.unchecked.has_room(&unchecked, bytes_max) {
            self.counters.unchecked_refused += 1;
            return self.asker.wait_again(now, key);
        }
        self.asker.handle_checking(key);
        let (from, delivery) = (unchecked.slot, unchecked.delivery.clone());
        self.unchecked.insert(key, unchecked);
        self.routes.push(Output::Check { from, delivery });
    }

    /// A link has sent a message that is good, or one that is known: after so long, if it was asked for.
    fn note_sent(&mut self, slot: Slot, answered_after: Option<Duration>) {
        let Some(link) = self.routes.link_mut(slot) else {
            return;
        };
        link.handle_sent();
        if let Some(after) = answered_after {
            link.handle_answered(after);
        }
    }

    /// The message is neither delivered nor passed on, nor heard again.
    fn settle(&mut self, now: Duration, key: Key) {
        self.asker.forget(key, &mut self.routes);
        self.note_had(now, key);
    }

    /// From now on the message was had. Returns false for one of an origin that finds no room among those that are
    /// heard.
    fn note_had(&mut self, now: Duration, (origin, seq): Key) -> bool {
        let Ok(silent) = self.routes.hear(now, origin) else {
            self.counters.origins_refused += 1;
            return false;
        };
        if let Some(silent) = silent {
            self.forget_origin(silent);
        }
        self.routes.handle_accepted(now, origin, seq);
        true
    }

    /// Who sent the message is to blame. Another link may send the true one.
    fn blame(&mut self, now: Duration, key: Key, slot: Option<Slot>) {
        self.counters.blamed += 1;
        self.asker.forget_word_of(now, key, slot, &mut self.routes);
        if let Some(slot) = slot
            && let Some(link) = self.routes.link_mut(slot)
            && link.handle_blamed(now)
        {
            self.routes.close(slot, CloseReason::Messages);
        }
    }

    /// The message is good: it is delivered and passed on. Of a bundle those messages are delivered that are good.
    fn accept(
        &mut self,
        now: Duration,
        key: Key,
        message: Unchecked,
        is_good: impl Fn(usize) -> bool,
    ) {
        let (origin, seq) = key;
        let Unchecked {
            slot: from,
            came_at,
            asked_at,
            left_ms,
            mut delivery,
        } = message;
        if let Some(from) = from {
            let answered_after = asked_at.map(|asked_at| came_at.saturating_sub(asked_at));
            self.note_sent(from, answered_after);
        }
        let Some(left_ms) = self.left_after(now, from, came_at, left_ms) else {
            self.counters.expired += 1;
            return self.asker.forget_word_of(now, key, from, &mut self.routes);
        };
        if !self.note_had(now, key) {
            return self.asker.forget(key, &mut self.routes);
        }
        let (rate, burst) = (self.config.origin_rate, self.config.keep);
        let amount = (delivery.messages().count(), delivery.payload.len());
        let state = self.routes.origin_mut(origin);
        if !state.try_pass_on(now, rate, burst, amount) {
            self.counters.over_origin_rate += 1;
            return self.asker.forget(key, &mut self.routes);
        }
        self.counters.accepted += 1;
        if let Some(link) = from.and_then(|from| self.routes.link_mut(from)) {
            link.handle_good(now);
        }
        let is_direct = self.members.is_ours(delivery.members);
        let mut spoke = self
            .asker
            .handle_accepted(now, key, is_direct, &mut self.routes);
        from.map(|from| spoke.insert(from));
        let body = body_of(&delivery, origin.alias(), seq, left_ms);
        let bytes = FeedMessage::Body(body)
            .encode()
            .expect("it was read with its bounds");
        // The application gets what is kept here anyway, so what was received is free again at once.
        delivery.payload = bytes.slice(bytes.len() - delivery.payload.len()..);
        let (body, was_asked) = ((bytes.clone(), left_ms), asked_at.is_some());
        self.memory
            .insert(now, key, body, spoke, was_asked, &mut self.routes);
        let state = self.routes.origin(origin);
        let members = self.members.served(delivery.members);
        let others = self.routes.links().slots().without(spoke).without(members);
        let part = |slot| (slot, self.routes.links().wanted(slot, state));
        let to = others.iter().map(part).collect();
        self.pass_on(to, key, body_lane(delivery.urgent), &bytes);
        self.deliver(from, delivery, is_good);
    }

    /// What is left now of a message's time, in milliseconds, 0 for ever: less what it took on the way here, and
    /// since it came. `None` when its time is over.
    fn left_after(
        &self,
        now: Duration,
        from: Option<Slot>,
        came_at: Duration,
        left_ms: u32,
    ) -> Option<u32> {
        if left_ms == 0 {
            return Some(0);
        }
        let passed = self.routes.links().one_way(from) + now.saturating_sub(came_at);
        let passed_ms = u32::try_from(passed.as_millis()).unwrap_or(u32::MAX).max(1);
        left_ms
            .checked_sub(passed_ms)
            .filter(|left_ms| *left_ms > 0)
    }

    /// Gives the messages of a body to the application, one by one.
    fn deliver(&mut self, from: Option<Slot>, delivery: Delivery, is_good: impl Fn(usize) -> bool) {
        if !delivery.is_bundle {
            return self.routes.push(Output::Deliver { from, delivery });
        }
        for (index, payload) in delivery.messages().enumerate() {
            if !is_good(index) {
                continue;
            }
            let delivery = Delivery {
                index: u16::try_from(index).expect("a bundle has its bound"),
                is_bundle: false,
                payload,
                ..delivery
            };
            self.routes.push(Output::Deliver { from, delivery });
        }
    }

    /// Sends a message to neighbours, or announces it, as their parts say.
    ///
    /// Bodies leave one after the other, and to the nearest first: so others help as soon as they can.
    fn pass_on(&mut self, mut to: Vec<(Slot, Part)>, key: Key, lane: Lane, body: &Bytes) {
        let (origin, seq) = key;
        to.sort_by_key(|(slot, _)| self.routes.links().one_way(Some(*slot)));
        for (slot, part) in to {
            match part {
                Part::Quiet => (),
                Part::Backup
                    if self.backlog > BACKLOG_MAX || self.routes.links().is_behind(slot) =>
                {
                    self.counters.kept_back += 1;
                    // Another that would tell it may be behind with it as well.
                    if let Some(link) = self.routes.link_mut(slot) {
                        link.handle_untold(key);
                    }
                }
                Part::Backup => {
                    self.routes.name_origin(slot, Lane::Control, origin);
                    let alias = origin.alias();
                    self.counters.announced += 1;
                    self.routes
                        .send(slot, Lane::Control, encode_have(&[Name { alias, seq }]));
                }
                Part::Feed => {
                    self.routes.name_origin(slot, lane, origin);
                    self.routes.send(slot, lane, body.clone());
                }
            }
        }
    }

    fn handle_have(
        &mut self,
        now: Duration,
        slot: Slot,
        names: List<'_, Name>,
    ) -> Result<(), Refusal> {
        for name in names.iter() {
            let Some(origin) = self.routes.links().origin_of(slot, name.alias)? else {
                self.counters.unplaced += 1;
                continue;
            };
            let grace = asking::grace(self.routes.origin(origin), self.routes.links(), slot);
            self.handle_announced(now, slot, (origin, name.seq), name.alias, grace);
        }
        Ok(())
    }

    /// A neighbour has a message. Returns whether nothing was heard of it before.
    fn handle_announced(
        &mut self,
        now: Duration,
        slot: Slot,
        key: Key,
        alias: Alias,
        grace: Duration,
    ) -> bool {
        let (origin, seq) = key;
        if self.asker.handle_announced(now, key, slot, alias, grace) {
            self.memory.note_had(key, slot);
        } else if origin == OriginIndex::OWN {
            // We know what we have published.
            self.note_has(key, slot);
            self.routes.tell(origin, &[(slot, Part::Quiet)]);
        } else if !self.routes.origin(origin).window().contains(seq) {
            let routes = &mut self.routes;
            return self
                .asker
                .handle_promised(now, key, slot, alias, grace, routes);
        }
        false
    }

    fn handle_want(
        &mut self,
        now: Duration,
        slot: Slot,
        names: List<'_, Name>,
    ) -> Result<(), Refusal> {
        let mut gone = Vec::new();
        for name in names.iter() {
            let origin = self.routes.our_origin(name.alias)?;
            let key = (origin, name.seq);
            if let Some(bytes) = self.memory.answer(now, key, slot) {
                self.routes.name_origin(slot, Lane::Bodies, origin);
                self.routes.send(slot, Lane::Bodies, bytes);
            } else if self.was_had(key) && !self.memory.is_needed(now, key) {
                // It was announced, so it is owed a word.
                self.routes.name_origin(slot, Lane::Control, origin);
                gone.push(name);
            }
        }
        if !gone.is_empty() {
            self.routes.send(slot, Lane::Control, encode_over(&gone));
        }
        Ok(())
    }

    /// Whether the message was had, also if it is not remembered any more.
    fn was_had(&self, (origin, seq): Key) -> bool {
        match origin {
            OriginIndex::OWN => seq < self.next_seq,
            _ => self.routes.origin(origin).window().contains(seq),
        }
    }

    /// A neighbour has announced messages and does not send them: their time is over, or it has forgotten them.
    fn handle_over(
        &mut self,
        now: Duration,
        slot: Slot,
        names: List<'_, Name>,
    ) -> Result<(), Refusal> {
        for name in names.iter() {
            let Some(origin) = self.routes.links().origin_of(slot, name.alias)? else {
                continue;
            };
            let key = (origin, name.seq);
            self.asker.handle_over(now, key, slot, &mut self.routes);
        }
        Ok(())
    }

    fn handle_alias(&mut self, now: Duration, slot: Slot, alias: Alias, origin: &Origin) {
        let place = self.routes.place_of(now, slot, origin);
        if let Some((place, true)) = place {
            self.forget_origin(place);
        }
        let place = place.map(|(place, _)| place);
        self.counters.origins_refused += u64::from(place.is_none());
        if let Some(link) = self.routes.link_mut(slot) {
            link.set_alias(alias, place);
        }
    }

    /// Another origin has the place: nothing may be left that means the old one.
    fn forget_origin(&mut self, origin: OriginIndex) {
        for key in self.asker.forget_origin(origin, &mut self.routes) {
            self.unchecked.remove(key);
        }
        self.memory.forget_origin(origin);
    }

    fn handle_digest(
        &mut self,
        now: Duration,
        slot: Slot,
        entries: List<'_, DigestEntry>,
    ) -> Result<(), Refusal> {
        for entry in entries.iter() {
            let Some(origin) = self.routes.links().origin_of(slot, entry.alias)? else {
                self.counters.unplaced += 1;
                continue;
            };
            for seq in entry.seqs() {
                let key = (origin, seq);
                let is_had = self.routes.origin(origin).window().contains(seq);
                if is_had || origin == OriginIndex::OWN {
                    self.note_has(key, slot);
                } else {
                    let is_new = self.handle_announced(now, slot, key, entry.alias, GRACE_DIGEST);
                    self.counters.found_by_digest += u64::from(is_new);
                }
            }
        }
        Ok(())
    }

    /// The neighbour has a message that this node has had.
    fn note_has(&mut self, key: Key, slot: Slot) {
        let (origin, seq) = key;
        if origin == OriginIndex::OWN {
            self.reaches.note(seq, slot);
        }
        self.memory.note_had(key, slot);
    }
}

fn body_lane(urgent: bool) -> Lane {
    if urgent { Lane::Control } else { Lane::Bodies }
}

fn body_of(message: &Delivery, alias: Alias, seq: u64, left_ms: u32) -> Body<'_> {
    Body {
        alias,
        seq,
        urgent: message.urgent,
        is_bundle: message.is_bundle,
        priority: message.priority,
        left_ms,
        signature: message.signature.as_ref(),
        members: message.members,
        payload: &message.payload,
    }
}
