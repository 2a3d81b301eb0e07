//! [`Feeds`]: the protocol of small and medium messages.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::choice::Change;
use super::config::{Counters, FeedsConfig};
use super::held::{HeldMessages, Key};
use super::link::{Link, Named};
use super::message::{
    Alias, Body, DIGEST_ENTRIES_MAX, DigestEntry, FeedMessage, List, Name, Part, Which,
    encode_digest, encode_have, encode_want,
};
use super::open::{OpenMessages, Stage};
use super::origins::{OriginIndex, OriginState, OriginTable};
use super::output::{CloseReason, Delivery, Lane, Output, Verdict};
use super::refusal::Refusal;
use super::slot::{LINKS_MAX, Slot, Slots};
use crate::coded::Origin;

/// An announced message is waited for at least so long: on gossipsub 60 % of the requests leave less than
/// 10 ms before the message comes unasked (go-libp2p-pubsub #619).
const GRACE_MIN: Duration = Duration::from_millis(5);

/// And at most so long, while nothing comes from the feed.
const GRACE_MAX: Duration = Duration::from_millis(40);

/// So long for a message of an origin that has no feed yet: it comes by others' feeds.
const GRACE_COLD: Duration = Duration::from_millis(100);

/// A feed that is busy with other messages is waited for until then.
const PATIENCE: Duration = Duration::from_millis(250);

/// When all that will speak of a message soon have done so: longer than a message is under way between any
/// two neighbours.
const CLOSE: Duration = Duration::from_millis(400);

/// A link that sends bytes, but not the answer, is waited for at most so many times its answer time, within
/// these bounds: else drops would buy it any time.
const ANSWER_TIMES_MAX: u32 = 4;
const DRIP_MIN: Duration = Duration::from_millis(200);
const DRIP_MAX: Duration = Duration::from_secs(1);

/// When all who announced a message were asked in vain, they are asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A message that nobody sends is forgotten after this.
const GIVE_UP: Duration = Duration::from_secs(10);

/// A message that a digest names is likely under way.
const GRACE_DIGEST: Duration = Duration::from_millis(500);

/// A node whose uplink is behind by more than this announces nothing: who hears no announcement does not choose
/// it as a feed, and who has chosen it finds another that is earlier.
const BACKLOG_MAX: Duration = Duration::from_millis(20);

/// From so many origins with feeds on, no link becomes the feed of more than half of them: if it falls silent,
/// the others still arrive on time.
const SHARED_MIN: u16 = 8;

/// How often digests go out, to how many links, and how old a message is of which they tell.
const DIGEST_EVERY: Duration = Duration::from_secs(1);
const DIGEST_LINKS: usize = 2;
const DIGEST_AGE: Duration = Duration::from_secs(4);

/// Links that send what comes from an origin of which nothing was said, and how many of them may be links
/// that others made.
const DEFAULT_FEEDS: usize = 2;
const DEFAULT_FEEDS_INBOUND: usize = 1;

/// What keeping a message for its check takes beside its payload: about what its entries in tables do.
const UNCHECKED_BYTES: usize = 256;

/// A message that came, and who sent it: it may wait for its verdict.
#[derive(Debug)]
struct Unchecked {
    /// `None` when the link is gone.
    slot: Option<Slot>,
    came_at: Duration,
    left_ms: u32,
    delivery: Delivery,
}

/// What a node says and hears of small and medium messages.
///
/// The owner tells it of links and messages ([`handle_link_up`](Feeds::handle_link_up), [`handle_link_down`](Feeds::handle_link_down),
/// [`handle_message`](Feeds::handle_message)), lets it [`publish`](Feeds::publish), calls [`handle_timeout`](Feeds::handle_timeout) at
/// [`next_timeout`](Feeds::next_timeout), and after each of these does what [`poll_output`](Feeds::poll_output) says until that is `None`.
/// `now` counts from any fixed moment and never runs backwards.
#[derive(Debug)]
pub struct Feeds {
    config: FeedsConfig,
    origins: OriginTable,
    links: Vec<Option<Link>>,
    taken: Slots,
    open: OpenMessages,
    held: HeldMessages,
    unchecked: BTreeMap<Key, Unchecked>,
    unchecked_bytes: usize,
    /// Origins that have a feed.
    fed: u16,
    outputs: VecDeque<Output>,
    next_seq: u64,
    digest_at: Duration,
    /// The link that gets the next digest.
    digest_next: usize,
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
            origins: OriginTable::new(own, seed),
            links: Vec::new(),
            taken: Slots::default(),
            open: OpenMessages::default(),
            held: HeldMessages::new(config.keep, config.keep_bytes_max),
            unchecked: BTreeMap::new(),
            unchecked_bytes: 0,
            fed: 0,
            outputs: VecDeque::new(),
            next_seq: first_seq,
            digest_at: DIGEST_EVERY,
            digest_next: 0,
            backlog: Duration::ZERO,
            counters: Counters::default(),
        }
    }

    /// A neighbour is there. `rtt` is how long a ping takes, if that is known. Returns its slot, or `None` when
    /// it is one too many, and takes no part.
    pub fn handle_link_up(
        &mut self,
        now: Duration,
        outbound: bool,
        rtt: Option<Duration>,
    ) -> Option<Slot> {
        let slot = self.taken.first_free()?;
        self.taken.insert(slot);
        if self.links.len() <= slot.index() {
            self.links
                .resize_with(LINKS_MAX.min(slot.index() + 1), || None);
        }
        self.links[slot.index()] = Some(Link::new(outbound, rtt));
        self.choose_default_feeds();
        self.send_digest(now, slot, Duration::ZERO);
        Some(slot)
    }

    /// The neighbour is gone. Its slot may be given to another. What was to be sent to it is dropped.
    pub fn handle_link_down(&mut self, now: Duration, slot: Slot) {
        if self
            .links
            .get_mut(slot.index())
            .and_then(Option::take)
            .is_none()
        {
            return;
        }
        self.taken.remove(slot);
        // The next link in this place shall not get what was meant for this one.
        self.outputs.retain(|output| !output.is_for(slot));
        self.held.handle_link_down(slot);
        for key in self.open.keys() {
            self.forget_word(now, key, slot);
        }
        for unchecked in self.unchecked.values_mut() {
            unchecked.slot.take_if(|from| *from == slot);
        }
        for origin in self.origins.indices() {
            self.choose(origin, |state| state.handle_link_down(now, slot));
        }
        self.choose_default_feeds();
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
        let Some(link) = self.link_mut(slot) else {
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
            FeedMessage::Part(part, which, 0) => self.handle_part(slot, part, which),
            // Stripes are of large payloads.
            FeedMessage::Part(..) => Ok(()),
            FeedMessage::Alias(alias, origin) => {
                self.handle_alias(now, slot, alias, &origin);
                Ok(())
            }
            FeedMessage::Digest(entries) => self.handle_digest(now, slot, entries),
        }
    }

    /// Publishes a message of this node; it is not delivered here. `signature` is this node's of the
    /// [`MessageId`](super::MessageId) under [`next_seq`](Feeds::next_seq); `left` is how long anybody needs the message, if
    /// that ends. Returns the number that it got.
    ///
    /// # Errors
    /// [`Refusal::TooLong`] and [`Refusal::Urgent`] for a payload that no message can have.
    pub fn publish(
        &mut self,
        now: Duration,
        message: &Delivery,
        left: Option<Duration>,
    ) -> Result<u64, Refusal> {
        let seq = self.next_seq;
        let left_ms = left.map_or(0, |left| {
            u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1)
        });
        let body = body_of(message, OriginIndex::OWN.alias(), seq, left_ms);
        let bytes = FeedMessage::Body(body).encode()?;
        self.next_seq += 1;
        let key = (OriginIndex::OWN, seq);
        self.origins
            .state_mut(OriginIndex::OWN)
            .handle_accepted(now, seq);
        self.held.insert(now, key, left_ms, bytes.clone());
        // Who has said nothing of this node's messages yet gets them: the first hop is never the one that
        // waits for a request.
        let state = self.origins.state(OriginIndex::OWN);
        let to = self
            .taken
            .iter()
            .map(|slot| (slot, state.wanted(slot).unwrap_or(Part::Feed)));
        let to = to.collect();
        self.pass_on(to, key, body_lane(message.urgent), &bytes);
        Ok(seq)
    }

    /// The number that the next message of this node gets.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// What the owner has found of a message that [`Output::Check`] gave it. Does nothing for another.
    pub fn handle_verdict(&mut self, now: Duration, origin: &Origin, seq: u64, verdict: Verdict) {
        let Some(origin) = self.origins.find(origin) else {
            return;
        };
        let key = (origin, seq);
        let Some(unchecked) = self.take_unchecked(key) else {
            return;
        };
        match verdict {
            Verdict::PassOn => self.accept(now, key, unchecked),
            Verdict::Ignore => self.settle(now, key),
            Verdict::Blame => self.blame(now, key, unchecked.slot),
        }
    }

    /// When [`handle_timeout`](Feeds::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Duration> {
        let digest = (self.held.len() > 0).then_some(self.digest_at);
        self.open.next_due().into_iter().chain(digest).min()
    }

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(key) = self.open.first_due(now) {
            self.handle_due(now, key);
        }
        if self.digest_at <= now {
            self.digest_at = now + DIGEST_EVERY;
            self.held.expire(now);
            self.send_digests(now);
        }
    }

    /// What to do next, in this order. `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How long a message that is sent now waits until it leaves, as far as the owner can tell.
    pub fn set_backlog(&mut self, backlog: Duration) {
        self.backlog = backlog;
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The link that sends the messages of an origin, if one does.
    pub fn feed_of(&self, origin: &Origin) -> Option<Slot> {
        let index = self.origins.find(origin)?;
        self.origins.state(index).choice().feed()
    }

    /// Messages of which something was heard and that are not over yet.
    pub fn open_len(&self) -> usize {
        self.open.len()
    }

    /// Bytes that are kept of origins, links and messages, without the messages' own.
    pub fn state_bytes(&self) -> usize {
        let links: usize = self.links.iter().flatten().map(Link::bytes).sum();
        let unchecked = self.unchecked.len() * UNCHECKED_BYTES;
        self.origins.bytes() + links + self.open.bytes() + self.held.index_bytes() + unchecked
    }

    /// Bytes of messages that are remembered.
    pub fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    fn handle_body(
        &mut self,
        now: Duration,
        slot: Slot,
        body: &Body<'_>,
        bytes: &Bytes,
    ) -> Result<(), Refusal> {
        let Some(origin) = self.origin_of(slot, body.alias)? else {
            self.counters.unplaced += 1;
            return Ok(());
        };
        let key = (origin, body.seq);
        self.counters.bodies += 1;
        self.counters.body_bytes += body.payload.len() as u64;
        let (rate, burst, len) = (self.config.link_rate, self.config.keep, body.payload.len());
        if let Some(link) = self.link_mut(slot) {
            if !link.try_receive(now, rate, burst, len) {
                self.counters.over_link_rate += 1;
                return Ok(());
            }
            link.handle_sent();
        }
        if origin == OriginIndex::OWN {
            // It is ours, of a former life perhaps, or somebody says so. We know what we have published.
            self.counters.duplicates += 1;
            self.tell(origin, &[(slot, Part::Quiet)]);
            return Ok(());
        }
        let stage = self.open.get_mut(key).map(|open| open.stage());
        let was_asked = matches!(stage, Some(Stage::Asked { slot: asked, .. }) if asked == slot);
        if let Some(Stage::Asked {
            slot: asked, at, ..
        }) = stage
            && asked == slot
            && let Some(link) = self.link_mut(slot)
        {
            link.handle_answered(now.saturating_sub(at));
        }
        let is_had = self.origins.state(origin).window().contains(body.seq);
        if is_had || stage == Some(Stage::Checking) {
            self.counters.duplicates += 1;
            self.note_word(now, key, slot, body.alias, !was_asked);
            return Ok(());
        }
        if stage.is_none() {
            let feed_bytes = self.feed_bytes(origin);
            self.open.insert(now, key, now + CLOSE, feed_bytes, None);
        }
        self.note_word(now, key, slot, body.alias, !was_asked);
        let delivery = Delivery {
            origin: *self.origins.state(origin).key(),
            seq: body.seq,
            urgent: body.urgent,
            priority: body.priority,
            signature: body.signature.copied(),
            payload: bytes.slice_ref(body.payload),
        };
        let unchecked = Unchecked {
            slot: Some(slot),
            came_at: now,
            left_ms: body.left_ms,
            delivery,
        };
        if self.config.check {
            self.check(now, key, unchecked);
        } else {
            self.accept(now, key, unchecked);
        }
        Ok(())
    }

    /// The owner shall check the message, unless too many wait for that: then it is asked for later.
    fn check(&mut self, now: Duration, key: Key, unchecked: Unchecked) {
        let bytes = self.unchecked_bytes + UNCHECKED_BYTES + unchecked.delivery.payload.len();
        let Some(open) = self.open.get_mut(key) else {
            return;
        };
        if bytes > self.config.unchecked_bytes_max {
            self.counters.unchecked_refused += 1;
            open.wait_again();
            return self.open.set_due(key, now + ASK_AGAIN);
        }
        open.handle_checking();
        self.unchecked_bytes = bytes;
        let (from, delivery) = (unchecked.slot, unchecked.delivery.clone());
        self.unchecked.insert(key, unchecked);
        self.outputs.push_back(Output::Check { from, delivery });
    }

    fn take_unchecked(&mut self, key: Key) -> Option<Unchecked> {
        let unchecked = self.unchecked.remove(&key)?;
        self.unchecked_bytes -= UNCHECKED_BYTES + unchecked.delivery.payload.len();
        Some(unchecked)
    }

    /// The message is neither delivered nor passed on, nor heard again.
    fn settle(&mut self, now: Duration, key: Key) {
        let (origin, seq) = key;
        self.end_promise(key);
        self.open.remove(key);
        self.origins.state_mut(origin).handle_accepted(now, seq);
    }

    /// Who sent the message is to blame. Another link may send the true one.
    fn blame(&mut self, now: Duration, key: Key, slot: Option<Slot>) {
        if let Some(open) = self.open.get_mut(key) {
            open.wait_again();
            if let Some(slot) = slot {
                open.forget_link(slot);
            }
        }
        self.open.set_due(key, now);
        if let Some(slot) = slot
            && let Some(link) = self.link_mut(slot)
            && link.handle_blamed(now)
        {
            self.close_link(slot, CloseReason::Messages);
        }
    }

    fn close_link(&mut self, slot: Slot, reason: CloseReason) {
        self.counters.closed += 1;
        self.outputs.push_back(Output::Close { slot, reason });
    }

    /// The message is good: it is delivered and passed on.
    fn accept(&mut self, now: Duration, key: Key, message: Unchecked) {
        let (origin, seq) = key;
        let Unchecked {
            slot: from,
            came_at,
            left_ms,
            delivery,
        } = message;
        let (rate, burst, len) = (
            self.config.origin_rate,
            self.config.keep,
            delivery.payload.len(),
        );
        let state = self.origins.state_mut(origin);
        if !state.try_pass_on(now, rate, burst, len) {
            self.counters.over_origin_rate += 1;
            return self.settle(now, key);
        }
        self.counters.accepted += 1;
        self.end_promise(key);
        self.origins.state_mut(origin).handle_accepted(now, seq);
        let mut spoke = Slots::default();
        let mut first_at = now;
        if let Some(open) = self.open.get_mut(key) {
            open.handle_held();
            (spoke, first_at) = (open.spoke(), open.first_at());
        }
        from.map(|from| spoke.insert(from));
        // Who announced it long before it came may have foretold it: then the others still have to speak.
        let is_fresh = now <= first_at + CLOSE;
        let since = if is_fresh { first_at } else { now };
        self.open.set_due(key, since + CLOSE);
        let link = from.and_then(|from| self.links[from.index()].as_ref());
        let passed = link.map(Link::one_way).unwrap_or_default() + now.saturating_sub(came_at);
        let passed_ms = u32::try_from(passed.as_millis()).unwrap_or(u32::MAX);
        let is_over = left_ms > 0 && left_ms <= passed_ms.max(1);
        let urgent = delivery.urgent;
        if !is_over {
            let left_ms = left_ms.saturating_sub(passed_ms.max(1));
            let body = body_of(&delivery, origin.alias(), seq, left_ms);
            let bytes = FeedMessage::Body(body)
                .encode()
                .expect("it was read with its bounds");
            self.held.insert(now, key, left_ms, bytes.clone());
            let state = self.origins.state(origin);
            let part = |slot: Slot| {
                let default = || {
                    self.links[slot.index()]
                        .as_ref()
                        .map_or(Part::Quiet, Link::wanted)
                };
                (slot, state.wanted(slot).unwrap_or_else(default))
            };
            let to = self.taken.without(spoke).iter().map(part).collect();
            self.pass_on(to, key, body_lane(urgent), &bytes);
        }
        self.outputs.push_back(Output::Deliver { from, delivery });
    }

    /// Sends a message to neighbours, or announces it, as their parts say.
    ///
    /// Bodies leave one after the other, and to the nearest first: so others help as soon as they can.
    fn pass_on(&mut self, mut to: Vec<(Slot, Part)>, key: Key, lane: Lane, body: &Bytes) {
        let (origin, seq) = key;
        to.sort_by_key(|(slot, _)| self.links[slot.index()].as_ref().map(Link::one_way));
        for (slot, part) in to {
            match part {
                Part::Quiet => (),
                Part::Backup if self.backlog > BACKLOG_MAX => self.counters.kept_back += 1,
                Part::Backup => {
                    self.name_origin(slot, Lane::Control, origin);
                    let alias = origin.alias();
                    self.counters.announced += 1;
                    self.send(slot, Lane::Control, encode_have(&[Name { alias, seq }]));
                }
                Part::Feed => {
                    self.name_origin(slot, lane, origin);
                    self.send(slot, lane, body.clone());
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
            let Some(origin) = self.origin_of(slot, name.alias)? else {
                self.counters.unplaced += 1;
                continue;
            };
            let grace = self.grace(origin, slot);
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
        if let Some(open) = self.open.get_mut(key) {
            let is_new = open.note(now, slot, alias, false);
            // Those who spoke before may all have been asked in vain: this one is not made to wait for them.
            if is_new && open.stage() == Stage::Waiting && open.due() > now + grace {
                self.open.set_due(key, now + grace);
            }
        } else if origin == OriginIndex::OWN {
            // We know what we have published.
            self.tell(origin, &[(slot, Part::Quiet)]);
        } else if !self.origins.state(origin).window().contains(seq) {
            if !self.link_mut(slot).is_some_and(Link::try_promise) {
                self.counters.promises_refused += 1;
                return false;
            }
            let feed_bytes = self.feed_bytes(origin);
            let open = self
                .open
                .insert(now, key, now + grace, feed_bytes, Some(slot));
            open.note(now, slot, alias, false);
            return true;
        }
        false
    }

    fn handle_want(
        &mut self,
        now: Duration,
        slot: Slot,
        names: List<'_, Name>,
    ) -> Result<(), Refusal> {
        for name in names.iter() {
            let origin = self.our_origin(name.alias)?;
            if let Some(bytes) = self.held.answer(now, (origin, name.seq), slot) {
                self.name_origin(slot, Lane::Bodies, origin);
                self.send(slot, Lane::Bodies, bytes);
            }
        }
        Ok(())
    }

    fn handle_part(&mut self, slot: Slot, part: Part, which: Which) -> Result<(), Refusal> {
        match which {
            Which::One(alias) => {
                let origin = self.our_origin(alias)?;
                self.origins.state_mut(origin).set_wanted(slot, part);
            }
            Which::All => {
                if let Some(link) = self.link_mut(slot) {
                    link.set_wanted(part);
                }
            }
        }
        Ok(())
    }

    fn handle_alias(&mut self, now: Duration, slot: Slot, alias: Alias, origin: &Origin) {
        let place = self.place_of(now, slot, origin);
        self.counters.origins_refused += u64::from(place.is_none());
        if let Some(link) = self.link_mut(slot) {
            link.set_alias(alias, place);
        }
    }

    /// The place of an origin that a neighbour names. `None` if there is none, or the neighbour names too many.
    fn place_of(&mut self, now: Duration, slot: Slot, key: &Origin) -> Option<OriginIndex> {
        if let Some(known) = self.origins.find(key) {
            return Some(known);
        }
        if !self.link_mut(slot)?.try_name(now) {
            return None;
        }
        let (origin, displaced) = self.origins.find_or_add(now, key)?;
        if let Some(displaced) = displaced {
            self.forget_origin(origin, displaced.choice().feed());
        }
        Some(origin)
    }

    /// Another origin has the place: nothing may be left that means the old one, whose feed that was.
    fn forget_origin(&mut self, origin: OriginIndex, feed: Option<Slot>) {
        for link in self.links.iter_mut().flatten() {
            link.forget_origin(origin);
        }
        for key in self.open.keys_of(origin) {
            self.end_promise(key);
            self.open.remove(key);
            self.take_unchecked(key);
        }
        self.held.forget_origin(origin);
        self.count_feeds(feed, None);
    }

    fn handle_digest(
        &mut self,
        now: Duration,
        slot: Slot,
        entries: List<'_, DigestEntry>,
    ) -> Result<(), Refusal> {
        for entry in entries.iter() {
            let Some(origin) = self.origin_of(slot, entry.alias)? else {
                self.counters.unplaced += 1;
                continue;
            };
            for seq in entry.seqs() {
                let is_had = self.origins.state(origin).window().contains(seq);
                if !is_had && origin != OriginIndex::OWN {
                    let key = (origin, seq);
                    let is_new = self.handle_announced(now, slot, key, entry.alias, GRACE_DIGEST);
                    self.counters.found_by_digest += u64::from(is_new);
                }
            }
        }
        Ok(())
    }

    /// The moment has come at which something is done about a message.
    fn handle_due(&mut self, now: Duration, key: Key) {
        let (origin, _) = key;
        let Some(open) = self.open.get_mut(key) else {
            return;
        };
        let (first_at, feed_bytes) = (open.first_at(), open.feed_bytes());
        match open.stage() {
            Stage::Held => self.close(now, key),
            // The verdict says what is next.
            Stage::Checking => self.open.set_due(key, now + GIVE_UP),
            Stage::Waiting => {
                let feed = self.origins.state(origin).choice().feed();
                let feed = feed.and_then(|feed| self.links[feed.index()].as_ref());
                let is_busy = feed
                    .is_some_and(|feed| feed.received_bytes() > feed_bytes && !feed.is_suspect());
                if is_busy && now < first_at + PATIENCE {
                    let grace = self.origins.state(origin).lateness().bound();
                    self.open
                        .set_due(key, now + grace.clamp(GRACE_MIN, GRACE_MAX));
                } else {
                    self.ask(now, key);
                }
            }
            Stage::Asked {
                slot,
                at,
                received_bytes,
            } => {
                let Some(link) = self.links[slot.index()].as_ref() else {
                    return self.ask(now, key);
                };
                let is_busy = link.received_bytes() > received_bytes;
                let time = link.answer_time();
                let patience = (time * ANSWER_TIMES_MAX).clamp(DRIP_MIN, DRIP_MAX);
                if is_busy && now < at + patience {
                    self.open.set_due(key, now + time);
                } else {
                    open.handle_unanswered(slot);
                    self.handle_unanswered(now, slot);
                    self.ask(now, key);
                }
            }
        }
    }

    /// A neighbour did not send in time what it had announced.
    fn handle_unanswered(&mut self, now: Duration, slot: Slot) {
        self.counters.unanswered += 1;
        let link = self.link_mut(slot);
        if link.is_some_and(|link| link.handle_unanswered(now)) {
            self.close_link(slot, CloseReason::Promises);
        }
    }

    /// Asks the next link that has announced the message.
    fn ask(&mut self, now: Duration, key: Key) {
        let (origin, seq) = key;
        let links = &self.links;
        let is_trusted = |slot: Slot| links[slot.index()].as_ref().is_some_and(Link::is_trusted);
        let Some(open) = self.open.get_mut(key) else {
            return;
        };
        let Some((slot, alias)) = open.next_to_ask(is_trusted) else {
            if now >= open.first_at() + GIVE_UP {
                self.end_promise(key);
                self.open.remove(key);
            } else {
                open.wait_again();
                self.open.set_due(key, now + ASK_AGAIN);
            }
            return;
        };
        let Some(link) = links[slot.index()].as_ref() else {
            open.forget_link(slot);
            return self.open.set_due(key, now);
        };
        let due = now + link.answer_time();
        let was_asked = open.was_asked();
        let feed_bytes = open.feed_bytes();
        open.handle_asked(now, slot, link.received_bytes());
        self.open.set_due(key, due);
        self.counters.asked += 1;
        self.send(slot, Lane::Control, encode_want(&[Name { alias, seq }]));
        // A feed that sends nothing at all does not hold up the next message.
        let feed = self.origins.state(origin).choice().feed();
        if let Some(feed) = feed
            && !was_asked
            && feed != slot
            && let Some(link) = self.link_mut(feed)
            && link.received_bytes() == feed_bytes
        {
            link.suspect();
        }
    }

    /// All who will speak of the message soon have done so: what is to be learned from it?
    fn close(&mut self, now: Duration, key: Key) {
        let (origin, _) = key;
        let Some(open) = self.open.remove(key) else {
            return;
        };
        let heard = open.heard();
        let feed = self.origins.state(origin).choice().feed();
        let sent = |slot| heard.iter().any(|heard| heard.slot == slot && heard.sent);
        if let Some(feed) = feed
            && open.was_asked()
            && !sent(feed)
        {
            self.counters.missed += 1;
            self.choose(origin, |state| state.handle_missed(now));
            let link = self.link_mut(feed);
            if link.is_some_and(Link::handle_missed) {
                self.replace_feed(now, feed);
            }
        }
        let barred = self.barred();
        self.choose(origin, |state| {
            state.handle_heard(now, open.first_at(), &heard, barred)
        });
    }

    /// Links that are not to become the feed of one more origin.
    fn barred(&self) -> Slots {
        let mut barred = Slots::default();
        for slot in self.taken.iter() {
            let link = self.links[slot.index()].as_ref();
            let is_full =
                |link: &Link| self.fed >= SHARED_MIN && link.feeds() >= self.fed.div_ceil(2);
            if link.is_some_and(|link| link.is_closing() || is_full(link)) {
                barred.insert(slot);
            }
        }
        barred
    }

    /// Changes what is chosen of an origin, and tells neighbours so.
    fn choose(
        &mut self,
        origin: OriginIndex,
        change: impl FnOnce(&mut OriginState) -> Vec<Change>,
    ) {
        let state = self.origins.state_mut(origin);
        let before = state.choice().feed();
        let changes = change(state);
        let after = state.choice().feed();
        self.count_feeds(before, after);
        self.tell(origin, &changes);
    }

    /// An origin has another feed.
    fn count_feeds(&mut self, before: Option<Slot>, after: Option<Slot>) {
        if before == after {
            return;
        }
        self.fed = self.fed + u16::from(after.is_some()) - u16::from(before.is_some());
        for (slot, is_feed) in [(before, false), (after, true)] {
            if let Some(link) = slot.and_then(|slot| self.link_mut(slot)) {
                link.count_feed(is_feed);
            }
        }
    }

    /// The link feeds no origin any more.
    fn replace_feed(&mut self, now: Duration, feed: Slot) {
        for origin in self.origins.indices() {
            if self.origins.state(origin).choice().feed() == Some(feed) {
                self.choose(origin, |state| state.handle_missed(now));
            }
        }
    }

    /// Tells neighbours their parts, as far as they have a name for the origin.
    fn tell(&mut self, origin: OriginIndex, changes: &[Change]) {
        for (slot, part) in changes {
            let link = self.links[slot.index()].as_ref();
            let Some(alias) = link.and_then(|link| link.alias_of(origin)) else {
                continue;
            };
            let message = FeedMessage::Part(*part, Which::One(alias), 0);
            self.send_message(*slot, &message);
        }
    }

    /// Sees to it that some links send what comes from origins of which nothing was said.
    fn choose_default_feeds(&mut self) {
        let is_feed = |link: &&Link| link.told() == Part::Feed;
        let feeds = self.links.iter().flatten().filter(is_feed).count();
        let inbound = self.links.iter().flatten().filter(is_feed);
        let inbound = inbound.filter(|link| !link.is_outbound()).count();
        let mut room = DEFAULT_FEEDS.saturating_sub(feeds);
        let mut room_inbound = DEFAULT_FEEDS_INBOUND.saturating_sub(inbound);
        for slot in self.taken.iter() {
            let Some(link) = self.links[slot.index()].as_mut() else {
                continue;
            };
            if room == 0 || link.told() == Part::Feed || (!link.is_outbound() && room_inbound == 0)
            {
                continue;
            }
            room -= 1;
            room_inbound -= usize::from(!link.is_outbound());
            link.set_told(Part::Feed);
            self.send_message(slot, &FeedMessage::Part(Part::Feed, Which::All, 0));
        }
    }

    fn send_digests(&mut self, now: Duration) {
        let since = now.saturating_sub(DIGEST_AGE);
        for _ in 0..DIGEST_LINKS.min(self.taken.len()) {
            let from_here = (0..LINKS_MAX).map(|ahead| (self.digest_next + ahead) % LINKS_MAX);
            let mut slots = from_here.filter_map(Slot::new);
            let Some(slot) = slots.find(|slot| self.taken.contains(*slot)) else {
                return;
            };
            self.digest_next = slot.index() + 1;
            self.send_digest(now, slot, since);
        }
    }

    /// Tells a neighbour which messages are remembered, of the origins of which one came since.
    fn send_digest(&mut self, now: Duration, slot: Slot, since: Duration) {
        let mut entries = Vec::new();
        for origin in self.held.origins_since(since) {
            self.name_origin(slot, Lane::Control, origin);
            entries.extend(self.held.digest(now, origin));
        }
        for some in entries.chunks(DIGEST_ENTRIES_MAX) {
            self.send(slot, Lane::Control, encode_digest(some));
        }
    }

    /// Sees to it that the neighbour knows our alias for the origin when it reads what this lane brings next.
    fn name_origin(&mut self, slot: Slot, lane: Lane, origin: OriginIndex) {
        let state = self.origins.state_mut(origin);
        if state.note_named(slot, lane) {
            let message = FeedMessage::Alias(origin.alias(), *state.key());
            let bytes = message.encode().expect("an alias has its bounds");
            self.send(slot, lane, bytes);
        }
    }

    fn note_word(&mut self, now: Duration, key: Key, slot: Slot, alias: Alias, sent: bool) {
        if let Some(open) = self.open.get_mut(key) {
            open.note(now, slot, alias, sent);
        }
    }

    /// A link is gone: what it announced is asked for elsewhere.
    fn forget_word(&mut self, now: Duration, key: Key, slot: Slot) {
        let Some(open) = self.open.get_mut(key) else {
            return;
        };
        open.forget_link(slot);
        // The link is gone, and its promises with it.
        open.take_promise_of(slot);
        if open.is_lost() {
            self.end_promise(key);
            self.open.remove(key);
        } else if matches!(open.stage(), Stage::Asked { slot: asked, .. } if asked == slot) {
            self.open.set_due(key, now);
        }
    }

    fn end_promise(&mut self, key: Key) {
        let slot = self.open.get_mut(key).and_then(|open| open.take_promise());
        if let Some(slot) = slot
            && let Some(link) = self.link_mut(slot)
        {
            link.end_promise();
        }
    }

    /// How long to wait for a message that this link has announced.
    fn grace(&self, origin: OriginIndex, announcer: Slot) -> Duration {
        let state = self.origins.state(origin);
        match state.choice().feed() {
            None => GRACE_COLD,
            Some(feed) if feed == announcer => GRACE_MAX,
            Some(feed) => {
                let link = self.links[feed.index()].as_ref();
                if link.is_none_or(Link::is_suspect) {
                    return Duration::ZERO;
                }
                let least = if state.choice().is_learning() {
                    GRACE_MAX
                } else {
                    GRACE_MIN
                };
                state.lateness().bound().clamp(least, GRACE_MAX)
            }
        }
    }

    /// Bytes that have come from the origin's feed so far.
    fn feed_bytes(&self, origin: OriginIndex) -> u64 {
        let feed = self.origins.state(origin).choice().feed();
        let link = feed.and_then(|feed| self.links[feed.index()].as_ref());
        link.map_or(0, Link::received_bytes)
    }

    /// The origin that the neighbour calls so. `None` for one that has no place here.
    fn origin_of(&self, slot: Slot, alias: Alias) -> Result<Option<OriginIndex>, Refusal> {
        let link = self.links[slot.index()].as_ref();
        let got = alias.number();
        match link.and_then(|link| link.named(alias)) {
            Some(Named::Origin(origin)) => Ok(Some(origin)),
            Some(Named::Unplaced) => Ok(None),
            None => Err(Refusal::UnknownAlias { got }),
        }
    }

    /// The origin that we call so. The neighbour may mean the one that had the place before: it is told the new
    /// name before it hears of the new one, and what it says of the old one does no harm to this.
    fn our_origin(&self, alias: Alias) -> Result<OriginIndex, Refusal> {
        let origin = OriginIndex::from(alias);
        let got = alias.number();
        match self.origins.get(origin) {
            Some(_) => Ok(origin),
            None => Err(Refusal::UnknownAlias { got }),
        }
    }

    fn link_mut(&mut self, slot: Slot) -> Option<&mut Link> {
        self.links.get_mut(slot.index()).and_then(Option::as_mut)
    }

    fn send_message(&mut self, slot: Slot, message: &FeedMessage<'_>) {
        let bytes = message
            .encode()
            .expect("what is said of messages has its bounds");
        self.send(slot, Lane::Control, bytes);
    }

    fn send(&mut self, slot: Slot, lane: Lane, bytes: Bytes) {
        self.outputs.push_back(Output::Send { slot, lane, bytes });
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
        priority: message.priority,
        left_ms,
        signature: message.signature.as_ref(),
        payload: &message.payload,
    }
}
