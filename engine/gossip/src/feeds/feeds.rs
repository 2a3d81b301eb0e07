//! [`Feeds`]: the protocol of small and medium messages.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::choice::Change;
use super::config::{Counters, FeedsConfig};
use super::held::{HeldMessages, Key};
use super::link::Link;
use super::message::{
    Alias, Body, DIGEST_ENTRIES_MAX, DigestEntry, FeedMessage, List, Name, Part, Which,
    encode_digest, encode_have, encode_want,
};
use super::open::{OpenMessages, Stage};
use super::origins::{OriginIndex, OriginTable};
use super::output::{Delivery, Lane, Output, Verdict};
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

/// A link that sends bytes, but not the answer, is waited for at most so many times its answer time.
const ANSWER_TIMES_MAX: u32 = 4;

/// When all who announced a message were asked in vain, they are asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A message that nobody sends is forgotten after this.
const GIVE_UP: Duration = Duration::from_secs(10);

/// A message that a digest names is likely under way.
const GRACE_DIGEST: Duration = Duration::from_millis(500);

/// A node whose uplink is behind by more than this announces nothing: who hears no announcement does not choose
/// it as a feed, and who has chosen it finds another that is earlier.
const BACKLOG_MAX: Duration = Duration::from_millis(20);

/// How often digests go out, to how many links, and how old a message is of which they tell.
const DIGEST_EVERY: Duration = Duration::from_secs(1);
const DIGEST_LINKS: usize = 2;
const DIGEST_AGE: Duration = Duration::from_secs(4);

/// Links that send what comes from an origin of which nothing was said, and how many of them may be links
/// that others made.
const DEFAULT_FEEDS: usize = 2;
const DEFAULT_FEEDS_INBOUND: usize = 1;

/// A message that waits for its verdict, and who sent it.
#[derive(Debug)]
struct Unchecked {
    slot: Slot,
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
        _now: Duration,
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
        self.send_digest(slot, Duration::ZERO);
        Some(slot)
    }

    /// The neighbour is gone. Its slot may be given to another.
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
        self.held.handle_link_down(slot);
        for key in self.open.keys() {
            self.forget_word(now, key, slot);
        }
        for origin in self.origins.indices() {
            let changes = self.origins.state_mut(origin).handle_link_down(now, slot);
            self.tell(origin, &changes);
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
        link.handle_received(bytes.len());
        match FeedMessage::decode(bytes)? {
            FeedMessage::Body(body) => self.handle_body(now, slot, &body, bytes),
            FeedMessage::Have(names) => self.handle_have(now, slot, names),
            FeedMessage::Want(names) => self.handle_want(slot, names),
            FeedMessage::Part(part, which, _stripe) => self.handle_part(slot, part, which),
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
        self.held.insert(now, key, bytes.clone());
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
        let Some((origin, _)) = self.origins.find_or_add(now, origin) else {
            return;
        };
        let key = (origin, seq);
        let Some(unchecked) = self.unchecked.remove(&key) else {
            return;
        };
        let Unchecked {
            slot,
            left_ms,
            delivery,
        } = unchecked;
        match verdict {
            Verdict::PassOn => self.accept(now, slot, key, left_ms, delivery),
            Verdict::Ignore => {
                self.end_promise(key);
                self.open.remove(key);
                self.origins.state_mut(origin).handle_accepted(now, seq);
            }
            // Another link may send the true one.
            Verdict::Blame => {
                if let Some(link) = self.link_mut(slot) {
                    link.strike();
                }
                if let Some(open) = self.open.get_mut(key) {
                    open.wait_again();
                    open.forget_link(slot);
                }
                self.open.set_due(key, now);
            }
        }
    }

    /// When [`handle_timeout`](Feeds::handle_timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Duration> {
        let digest = (self.held.len() > 0).then_some(self.digest_at);
        self.open.next_due().into_iter().chain(digest).min()
    }

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(key) = self.open.pop_due(now) {
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
        let mut all = self.origins.indices();
        let index = all.find(|index| self.origins.state(*index).key() == origin)?;
        self.origins.state(index).choice().feed()
    }

    /// Bytes that are kept of origins, links and messages, without the messages' own.
    pub fn state_bytes(&self) -> usize {
        let links: usize = self.links.iter().flatten().map(Link::bytes).sum();
        self.origins.bytes() + links + self.open.bytes() + self.held.index_bytes()
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
        let origin = self.origin_of(slot, body.alias)?;
        let key = (origin, body.seq);
        if let Some(link) = self.link_mut(slot) {
            link.handle_sent();
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
        if !self.config.check {
            self.accept(now, slot, key, body.left_ms, delivery);
            return Ok(());
        }
        if let Some(open) = self.open.get_mut(key) {
            open.handle_checking();
        }
        self.outputs.push_back(Output::Check(delivery.clone()));
        let left_ms = body.left_ms;
        self.unchecked.insert(
            key,
            Unchecked {
                slot,
                left_ms,
                delivery,
            },
        );
        Ok(())
    }

    /// The message is good: it is delivered and passed on.
    fn accept(&mut self, now: Duration, from: Slot, key: Key, left_ms: u32, delivery: Delivery) {
        let (origin, seq) = key;
        self.counters.accepted += 1;
        self.end_promise(key);
        self.origins.state_mut(origin).handle_accepted(now, seq);
        let mut spoke = Slots::default();
        let mut first_at = now;
        if let Some(open) = self.open.get_mut(key) {
            open.handle_held();
            (spoke, first_at) = (open.spoke(), open.first_at());
        }
        spoke.insert(from);
        self.open.set_due(key, (first_at + CLOSE).max(now));
        let one_way = self.links[from.index()].as_ref().map(Link::one_way);
        let passed_ms = one_way.unwrap_or_default().as_millis() as u32;
        let is_over = left_ms > 0 && left_ms <= passed_ms.max(1);
        let urgent = delivery.urgent;
        if !is_over {
            let left_ms = left_ms.saturating_sub(passed_ms.max(1));
            let body = body_of(&delivery, origin.alias(), seq, left_ms);
            let bytes = FeedMessage::Body(body)
                .encode()
                .expect("it was read with its bounds");
            self.held.insert(now, key, bytes.clone());
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
        self.outputs.push_back(Output::Deliver(delivery));
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
            let origin = self.origin_of(slot, name.alias)?;
            let grace = self.grace(origin, slot);
            self.handle_announced(now, slot, (origin, name.seq), name.alias, grace);
        }
        Ok(())
    }

    /// A neighbour has a message.
    fn handle_announced(
        &mut self,
        now: Duration,
        slot: Slot,
        key: Key,
        alias: Alias,
        grace: Duration,
    ) {
        let (origin, seq) = key;
        if self.open.get_mut(key).is_some() {
            self.note_word(now, key, slot, alias, false);
        } else if origin == OriginIndex::OWN {
            // We know what we have published.
            self.tell(origin, &[(slot, Part::Quiet)]);
        } else if !self.origins.state(origin).window().contains(seq) {
            if !self.link_mut(slot).is_some_and(Link::try_promise) {
                self.counters.promises_refused += 1;
                return;
            }
            let feed_bytes = self.feed_bytes(origin);
            let open = self
                .open
                .insert(now, key, now + grace, feed_bytes, Some(slot));
            open.note(now, slot, alias, false);
        }
    }

    fn handle_want(&mut self, slot: Slot, names: List<'_, Name>) -> Result<(), Refusal> {
        for name in names.iter() {
            let origin = self.our_origin(slot, name.alias)?;
            if let Some(bytes) = self.held.answer((origin, name.seq), slot) {
                self.name_origin(slot, Lane::Bodies, origin);
                self.send(slot, Lane::Bodies, bytes);
            }
        }
        Ok(())
    }

    fn handle_part(&mut self, slot: Slot, part: Part, which: Which) -> Result<(), Refusal> {
        match which {
            Which::One(alias) => {
                let origin = self.our_origin(slot, alias)?;
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
        let Some((origin, displaces)) = self.origins.find_or_add(now, origin) else {
            self.counters.origins_refused += 1;
            return;
        };
        if displaces {
            for link in self.links.iter_mut().flatten() {
                link.forget_origin(origin);
            }
        }
        if let Some(link) = self.link_mut(slot) {
            link.set_alias(alias, origin);
        }
    }

    fn handle_digest(
        &mut self,
        now: Duration,
        slot: Slot,
        entries: List<'_, DigestEntry>,
    ) -> Result<(), Refusal> {
        for entry in entries.iter() {
            let origin = self.origin_of(slot, entry.alias)?;
            for seq in entry.seqs() {
                let is_had = self.origins.state(origin).window().contains(seq);
                if !is_had && origin != OriginIndex::OWN {
                    self.counters.found_by_digest += 1;
                    self.handle_announced(now, slot, (origin, seq), entry.alias, GRACE_DIGEST);
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
                if is_busy && now < at + time * ANSWER_TIMES_MAX {
                    self.open.set_due(key, now + time);
                } else {
                    self.counters.unanswered += 1;
                    if let Some(link) = self.link_mut(slot) {
                        link.strike();
                    }
                    self.ask(now, key);
                }
            }
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
            let changes = self.origins.state_mut(origin).handle_missed(now);
            self.tell(origin, &changes);
            if self.link_mut(feed).is_some_and(Link::handle_missed) {
                self.replace_feed(now, feed);
            }
        }
        let state = self.origins.state_mut(origin);
        let changes = state.handle_heard(now, open.first_at(), &heard);
        self.tell(origin, &changes);
    }

    /// The link feeds no origin any more.
    fn replace_feed(&mut self, now: Duration, feed: Slot) {
        for origin in self.origins.indices() {
            if self.origins.state(origin).choice().feed() == Some(feed) {
                let changes = self.origins.state_mut(origin).handle_missed(now);
                self.tell(origin, &changes);
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
            self.send_digest(slot, since);
        }
    }

    /// Tells a neighbour which messages are remembered, of the origins of which one came since.
    fn send_digest(&mut self, slot: Slot, since: Duration) {
        let mut entries = Vec::new();
        for origin in self.held.origins_since(since) {
            self.name_origin(slot, Lane::Control, origin);
            entries.extend(self.held.digest(origin));
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
        if matches!(open.stage(), Stage::Asked { slot: asked, .. } if asked == slot) {
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

    /// The origin that the neighbour calls so.
    fn origin_of(&self, slot: Slot, alias: Alias) -> Result<OriginIndex, Refusal> {
        let link = self.links[slot.index()].as_ref();
        let got = alias.number();
        link.and_then(|link| link.origin_of(alias))
            .ok_or(Refusal::UnknownAlias { got })
    }

    /// The origin that we call so, if the neighbour can know that.
    fn our_origin(&self, slot: Slot, alias: Alias) -> Result<OriginIndex, Refusal> {
        let origin = OriginIndex::from(alias);
        let state = self.origins.get(origin);
        let got = alias.number();
        match state {
            Some(state) if state.is_named(slot) => Ok(origin),
            _ => Err(Refusal::UnknownAlias { got }),
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
