//! [`Exchange`]: the conversation about large payloads with all neighbours.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::claims::{Claimed, Claims};
use super::link::{ASKED_MAX, Link};
use super::message::{Control, Times};
use super::payload::{Expected, Late, Payload, Segment};
use super::queue::{Entry, Queue};
use super::restorable::Restorable;
use super::shard_set::ShardSet;
use super::stripes::{STRIPES, Stripe, Stripes};
use super::tree::{Ask, Heard, Pace, Tree};
use super::trees::Trees;
use super::waiting::Waiting;
use crate::coded::{
    Account, Blame, CodedSegment, Decoder, Encoder, Fault, Inserted, Limits, Manifest, ManifestId,
    Offer, Opened, Origin, OriginTag, Shard, Signature,
};

/// How often [`Exchange::tick`] is to be called.
pub const TICK: Duration = Duration::from_millis(100);

/// Ticks between two sweeps of the decoder.
const SWEEP_TICKS: u64 = 10;
/// Ticks between two offers of a payload to a neighbour that has not spoken of it.
const OFFER_TICKS: u64 = 50;
/// How often a payload is offered again: for a minute. After that it is for its neighbours' neighbours.
const OFFERS_MAX: u8 = 12;
/// Shards asked of one neighbour before the next is asked: so that they all send at the same time.
const ASKED_AT_ONCE: usize = 4;
/// Shards that the origin shows at once to a neighbour that has come to a stop.
const SHOWN_AT_ONCE: usize = 16;

/// Ticks after a payload is whole until its times are compared: by then most neighbours have it, too.
const LEARN_TICKS: u64 = 4;
/// Ticks after a payload is whole in which shards of it may still be on their way to neighbours.
const FRESH_TICKS: u64 = 20;
/// How long to restore a MiB takes, about: so long the originals that are missing are waited for.
const RESTORING_PER_MIB: Duration = Duration::from_millis(3);
/// What a way there and back is taken for where it was not measured.
const RTT_UNKNOWN: Duration = Duration::from_millis(200);

/// Bounds of an [`Exchange`]'s memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExchangeLimits {
    /// What is under way. Segments that are whole while the payload is not take up to twice the payload
    /// beside that.
    pub decoder: Limits,
    /// Bytes of whole payloads, with their repair shards, that are kept for those who ask. The
    /// youngest is kept in any case.
    pub kept_bytes_max: usize,
}

impl Default for ExchangeLimits {
    /// The decoder's defaults, and 512 MiB to be kept.
    fn default() -> Self {
        ExchangeLimits {
            decoder: Limits::default(),
            kept_bytes_max: 512 * 1024 * 1024,
        }
    }
}

/// Who a node is to its [`Exchange`].
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// What its payloads name as their origin. What it published in a former life does not come back to it.
    pub origin: Origin,
    /// Where it begins to count shards, so that neighbours ask for different ones: any number that differs from node to
    /// node.
    pub start: u16,
    /// What its probes are answered under.
    pub tag: OriginTag,
    /// The account of the node that an origin is: it may send shards of its own payloads unasked.
    pub account_of: fn(&Origin) -> Account,
}

/// What an [`Exchange`] wants done.
#[derive(Debug)]
pub enum Output<L> {
    /// Send a message about shards.
    Control {
        /// To whom.
        to: L,
        /// What.
        message: Control,
    },
    /// A payload is whole. Comes once for each.
    Deliver {
        /// The neighbour whose shard was the last.
        from: L,
        /// What its origin says of it.
        manifest: Manifest,
        /// The payload.
        payload: Bytes,
    },
    /// In place of [`Output::Deliver`], where verdicts are asked for ([`Exchange::ask_for_verdicts`]): is this whole payload good?
    /// The answer is [`Exchange::accept`] or [`Exchange::refuse`].
    Check {
        /// The neighbour whose shard was the last.
        from: L,
        /// What its origin says of it.
        manifest: Manifest,
        /// The payload.
        payload: Bytes,
    },
    /// No honest node sends what a neighbour has sent.
    Blame {
        /// The neighbour.
        link: L,
        /// What is wrong.
        fault: Fault,
    },
}

/// What an [`Exchange`] has counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Shards received that were wanted.
    pub shards: u64,
    /// Shards received that were there already, or came too late.
    pub surplus: u64,
    /// Shards received that nobody had asked for.
    pub unasked: u64,
    /// Shards handed out to be sent.
    pub sent: u64,
    /// Payloads delivered; where verdicts are asked for, those accepted.
    pub delivered: u64,
    /// Payloads whose origin committed to no payload.
    pub bad_encodings: u64,
    /// Payloads refused for lack of room.
    pub refused: u64,
    /// Payloads given up, as nothing more came.
    pub given_up: u64,
    /// Times a neighbour stalled.
    pub stalls: u64,
    /// Segments restored while a few originals were missing: waited for in vain, or to come from nobody.
    pub restored: u64,
    /// Shards asked for.
    pub asked: u64,
    /// Stripes whose feed kept back what it should have sent.
    pub strikes: u64,
    /// Numbers under which an origin has signed two payloads.
    pub equivocations: u64,
}

/// The conversation about large payloads. `L` names a link to a neighbour.
pub struct Exchange<L> {
    limits: ExchangeLimits,
    identity: Identity,
    now: Duration,
    decoder: Decoder<L>,
    claims: Claims,
    /// Whether whole payloads wait for a verdict.
    asks_for_verdicts: bool,
    links: BTreeMap<L, Link>,
    trees: Trees<L>,
    /// Shards that wait to be sent.
    queue: Queue<L>,
    /// The last shard that was looked up: it goes to several neighbours, one after the other.
    last: Option<Shard>,
    /// Whole payloads whose times are to be compared, and at which tick.
    unlearned: VecDeque<(u64, ManifestId)>,
    probes: u32,
    payloads: BTreeMap<ManifestId, Payload<L>>,
    /// Whole payloads, oldest first.
    kept: VecDeque<ManifestId>,
    kept_bytes: usize,
    /// Segments of which shards are to be announced.
    fresh: BTreeSet<(ManifestId, u16)>,
    /// Links that have not spoken of a payload, and how often it is still offered to them.
    silent: BTreeMap<(ManifestId, L), u8>,
    waiting: Waiting<L>,
    restorable: Restorable<L>,
    ticks: u64,
    output: VecDeque<Output<L>>,
    figures: Figures,
}

impl<L: Copy + Ord> Exchange<L> {
    /// An exchange without neighbours.
    pub fn new(limits: ExchangeLimits, identity: Identity) -> Self {
        Exchange {
            limits,
            identity,
            now: Duration::ZERO,
            trees: Trees::new(),
            queue: Queue::new(),
            last: None,
            unlearned: VecDeque::new(),
            probes: 0,
            decoder: Decoder::new(limits.decoder),
            claims: Claims::default(),
            asks_for_verdicts: false,
            links: BTreeMap::new(),
            payloads: BTreeMap::new(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            fresh: BTreeSet::new(),
            silent: BTreeMap::new(),
            waiting: Waiting::new(),
            restorable: Restorable::new(),
            ticks: 0,
            output: VecDeque::new(),
            figures: Figures::default(),
        }
    }

    /// From now on a whole payload is not delivered but handed out to be checked, and counts as under way until there is a verdict.
    /// Its shards are passed on meanwhile.
    pub fn ask_for_verdicts(&mut self) {
        self.asks_for_verdicts = true;
        self.decoder.hold_whole();
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output<L>> {
        self.output.pop_front()
    }

    /// The shard that is to be sent next, and to whom, among links with fewer than
    /// [`AHEAD_MAX`](super::AHEAD_MAX) shards on their way out of the node. To be drained whenever a link may have room,
    /// and after all of [`Exchange::poll_output`].
    pub fn poll_shard(&mut self) -> Option<(L, Shard)> {
        while let Some((to, entry)) = self.queue.pop() {
            if let Some(shard) = self.look_up(to, entry) {
                self.figures.sent += 1;
                return Some((to, shard));
            }
            self.queue.handle_left(to, 1);
        }
        None
    }

    /// So many shards from [`Exchange::poll_shard`] have left the node for a link, or were left out.
    pub fn handle_left(&mut self, link: L, count: usize) {
        self.queue.handle_left(link, count);
    }

    /// What was counted.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// Whether there is nothing that time changes: no payload under way and nobody to offer one to.
    pub fn is_idle(&self) -> bool {
        self.decoder.is_empty()
            && self.silent.is_empty()
            && self.waiting.is_empty()
            && self.unlearned.is_empty()
            && !self.has_unfinished_neighbours()
    }

    /// Bytes of memory set aside for what is under way or waits for a verdict, and taken by what is kept.
    pub fn bytes(&self) -> (usize, usize) {
        (self.decoder.bytes(), self.kept_bytes)
    }

    // ---- what it is told ----------------------------------------------------------------------

    /// The moment at which all happens that is told next, counted from any fixed one.
    pub fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// There is a neighbour; it is offered what is here, and pays for what it brings: nobody checks who made
    /// a payload.
    pub fn add_link(&mut self, link: L, account: Account) {
        if self.links.insert(link, Link::new(account)).is_some() {
            return;
        }
        self.probe(link);
        let offered = self.payloads.iter().filter(|(_, one)| one.is_offered());
        let ids: Vec<_> = offered.map(|(id, _)| *id).collect();
        for id in ids {
            self.offer(id, link);
            self.show_all(id, link);
        }
    }

    /// A neighbour is gone; what it was asked for is asked of others.
    pub fn remove_link(&mut self, link: L) {
        self.links.remove(&link);
        self.silent.retain(|(_, silent), _| *silent != link);
        self.waiting.remove_link(link);
        self.trees.remove_link(link);
        self.queue.remove_link(link);
        for payload in self.payloads.values_mut() {
            payload.remove_link(link);
        }
        self.ask_for_all();
    }

    /// Publishes a payload, with this node's signature where nodes sign; false if it was published or received before.
    pub fn publish(&mut self, encoder: Encoder, signature: Option<Signature>) -> bool {
        let id = encoder.id();
        if self.payloads.contains_key(&id) {
            return false;
        }
        // Should it come back when it is not kept any more, it is known.
        self.decoder.give_up(id);
        self.payloads
            .insert(id, Payload::published(encoder, signature));
        self.keep(id);
        self.offer_to_others(id);
        self.push_to_roots(id);
        true
    }

    /// Whether something may come of an offer: its payload has neither been taken nor refused, and does not wait for room. Where nodes sign, its signature is to
    /// be checked before [`Exchange::handle_control`] hears of it, and that of no other.
    pub fn is_new(&self, offer: &Offer) -> bool {
        let id = offer.manifest.id();
        !self.payloads.contains_key(&id)
            && !self.decoder.knows(id)
            && self.waiting.get(id).is_none()
            && !self.claims.is_void(offer)
            && offer.manifest.origin() != self.identity.origin
    }

    /// A neighbour has offered a payload that is new, and this node does not want it: it is known from then on, and never asked for. If its
    /// origin has made another one of its number, both are void all the same.
    pub fn refuse_offer(&mut self, from: L, offer: Offer) {
        if offer.signature.is_none() || self.is_sole(from, offer) {
            self.discard(offer.manifest.id());
        }
    }

    /// A payload that was handed out to be checked is good. Whether it is to be delivered: not if its origin has made another one
    /// of its number meanwhile, and not twice.
    pub fn accept(&mut self, id: ManifestId) -> bool {
        let is_held = self.decoder.release(id);
        self.figures.delivered += u64::from(is_held);
        self.take_waiting();
        is_held
    }

    /// A payload is not wanted, whatever is here of it: nothing of it is kept, offered or sent any more. Neighbours that were told
    /// of it hear that this node has nothing of it, and ask others.
    pub fn refuse(&mut self, id: ManifestId) {
        self.retract(id);
        self.discard(id);
        self.take_waiting();
    }

    /// The links to the node that an origin is.
    pub fn links_to(&self, origin: &Origin) -> Vec<L> {
        let maker = (self.identity.account_of)(origin);
        let links = self.links.iter();
        let links = links.filter(|(_, link)| link.account() == maker);
        links.map(|(link, _)| *link).collect()
    }

    /// A neighbour sent a message about shards.
    pub fn handle_control(&mut self, from: L, message: Control) {
        if !self.links.contains_key(&from) {
            return;
        }
        match message {
            Control::Offer(offer) => self.handle_offer(from, offer),
            Control::Have(id, segment, set) => self.handle_have(from, id, segment, &set),
            Control::Want(id, segment, set) => self.handle_want(from, id, segment, &set),
            Control::Times(id, times) => self.handle_times(from, id, times),
            Control::Feed { origin, begin, end } => self.handle_feed(from, &origin, begin, end),
            Control::Grant { origin, yes, no } => self.handle_grant(from, origin, yes, no),
            Control::Probe(tag, nonce) => self.say(from, Control::Echo(tag, nonce)),
            Control::Echo(_, nonce) => {
                if let Some(link) = self.links.get_mut(&from) {
                    link.handle_echo(self.now, nonce);
                }
            }
        }
    }

    /// A neighbour sent a shard. What nobody asked it for is taken as well, if it is of use and right: it was on its way when
    /// the word went out that another sends it from now on, and it has cost its bytes.
    pub fn handle_shard(&mut self, from: L, shard: Shard) {
        let (id, at, index) = (shard.manifest(), shard.segment(), shard.index());
        if !self.payloads.contains_key(&id) {
            return self.handle_early(from, shard);
        }
        let feeds = self.feeds(from, id, Stripe::of(index));
        let payload = self.payloads.get_mut(&id).expect("it was just there");
        payload.handle_word(from);
        let Some(segment) = payload.segment_mut(at) else {
            self.figures.unasked += 1;
            return;
        };
        let answer = segment.handle_answer(from, index);
        if answer == Some(Late(false))
            && let Some(link) = self.links.get_mut(&from)
        {
            link.handle_answer();
        }
        if answer.is_none() {
            self.figures.unasked += u64::from(!feeds);
            segment.handle_pushed(from, index);
        }
        // What is here already is not even hashed.
        if segment.holds(index) {
            self.figures.surplus += 1;
        } else {
            self.take(from, shard);
        }
        if answer.is_some() && self.has_much_room(from) {
            self.ask_for_all();
        }
    }

    /// Whether a neighbour may be asked for as many shards as one is at once, or again for none less.
    fn has_much_room(&self, link: L) -> bool {
        let room = self.links.get(&link).map_or(0, Link::room);
        room.is_multiple_of(ASKED_AT_ONCE)
    }

    /// A shard whose manifest has not come: they travel in different lanes. It is looked at when that is here.
    fn handle_early(&mut self, from: L, shard: Shard) {
        let is_kept = self.links.contains_key(&from)
            && matches!(self.decoder.insert(from, shard), Ok(Inserted::Early));
        self.figures.unasked += u64::from(!is_kept);
    }

    /// Whether a neighbour may send shards of a stripe unasked: its feed, and the origin itself.
    fn feeds(&self, from: L, id: ManifestId, stripe: Stripe) -> bool {
        let (Some(payload), Some(link)) = (self.payloads.get(&id), self.links.get(&from)) else {
            return false;
        };
        let tree = self.trees.find(&payload.manifest().origin());
        link.account() == payload.maker()
            || tree.is_some_and(|tree| tree.feed(stripe) == Some(from))
    }

    /// Announces what has come since the last call. To be called once per turn. What comes by feeds is announced when
    /// its segment is whole, and in each tick: everybody waits for feeds of their own.
    pub fn announce(&mut self) {
        for (id, index) in std::mem::take(&mut self.fresh) {
            self.offer_to_others(id);
            if self.is_announced_at_once(id, index) {
                self.announce_segment(id, index);
            } else {
                self.fresh.insert((id, index));
            }
        }
    }

    fn is_announced_at_once(&self, id: ManifestId, index: u16) -> bool {
        let Some(payload) = self.payloads.get(&id) else {
            return true;
        };
        let tree = self.trees.find(&payload.manifest().origin());
        let is_whole = payload.segment(index).is_none_or(Segment::is_whole);
        is_whole || tree.is_none_or(|tree| !tree.is_learned())
    }

    fn announce_segment(&mut self, id: ManifestId, index: u16) {
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        let Some(segment) = payload.segment_mut(index) else {
            return;
        };
        let held = segment.held();
        for &to in self.links.keys() {
            let set = segment.show(to, &held);
            if !set.is_empty() {
                let message = Control::Have(id, index, set);
                self.output.push_back(Output::Control { to, message });
            }
        }
    }

    /// A [`TICK`] has gone by.
    pub fn tick(&mut self) {
        self.ticks += 1;
        self.handle_due();
        for (id, index) in std::mem::take(&mut self.fresh) {
            self.announce_segment(id, index);
        }
        self.find_quiet();
        self.find_stalls();
        self.learn();
        if self.ticks.is_multiple_of(SWEEP_TICKS) {
            self.show_more();
            for id in self.decoder.sweep() {
                self.figures.given_up += 1;
                self.forget(id);
            }
            self.waiting.sweep(self.ticks);
            self.take_waiting();
        }
        if self.ticks.is_multiple_of(OFFER_TICKS) {
            self.offer_again();
        }
    }

    // ---- offers -------------------------------------------------------------------------------

    fn handle_offer(&mut self, from: L, offer: Offer) {
        let (manifest, id) = (offer.manifest, offer.manifest.id());
        self.silent.remove(&(id, from));
        if let Some(payload) = self.payloads.get_mut(&id) {
            payload.handle_word(from);
            // It may never hear of it otherwise: who has everything is announced nothing.
            if payload.is_whole() {
                let all = payload.segments_mut().next().map(|first| first.held());
                let message = Control::Have(id, 0, all.unwrap_or_default());
                self.output.push_back(Output::Control { to: from, message });
            }
            return;
        }
        if manifest.origin() == self.identity.origin {
            return;
        }
        // What waits was checked when it came, whatever this neighbour says.
        let offer = self.waiting.get(id).map_or(offer, |waits| waits.offer);
        match self.open(from, offer) {
            Ok(()) => self.take_waiting_of(id, Some(from)),
            // It never will have room.
            Err(Fault::TooLarge { .. }) => self.figures.refused += 1,
            Err(_) => {
                self.figures.refused += 1;
                self.waiting.push(offer, vec![from], self.ticks);
            }
        }
    }

    /// Takes a payload from now on, at the expense of a neighbour, unless its origin has made another of its number.
    ///
    /// # Errors
    /// Those of [`Decoder::open`].
    fn open(&mut self, from: L, offer: Offer) -> Result<(), Fault> {
        if offer.signature.is_some() && !self.is_sole(from, offer) {
            return Ok(());
        }
        let id = offer.manifest.id();
        let Some(account) = self.links.get(&from).map(Link::account) else {
            return Ok(());
        };
        if let Opened::New { given_up, early } = self.decoder.open(offer.manifest, account)? {
            given_up.into_iter().for_each(|id| self.give_way(id));
            let maker = (self.identity.account_of)(&offer.manifest.origin());
            self.payloads
                .insert(id, Payload::new(offer, maker, Some(from)));
            if offer.signature.is_some() {
                self.claims.note(offer);
            }
            // One that is gone by now could neither be blamed nor named as who brought the payload.
            for (link, shard) in early {
                if self.links.contains_key(&link) {
                    self.handle_shard(link, shard);
                }
            }
        }
        Ok(())
    }

    // ---- what waits for room ------------------------------------------------------------------

    /// A payload gives way to another one. Its neighbours have said what they have of it and will not say it again, so
    /// they are asked when there is room.
    fn give_way(&mut self, id: ManifestId) {
        self.figures.given_up += 1;
        if let Some(payload) = self.payloads.get(&id) {
            let (offer, links) = (*payload.offer(), payload.heard().collect());
            self.waiting.push(offer, links, self.ticks);
        }
        self.forget(id);
    }

    /// Takes of what waits what there is room for now, at the expense of any neighbour that has spoken of it. When room was made, and in
    /// each sweep: neighbours can have thousands of payloads wait.
    fn take_waiting(&mut self) {
        for id in self.waiting.ids() {
            let Some(waits) = self.waiting.get(id) else {
                continue;
            };
            let (offer, links) = (waits.offer, waits.links.clone());
            for link in links {
                match self.open(link, offer) {
                    Ok(()) => {
                        self.take_waiting_of(id, None);
                        break;
                    }
                    // Another account may have room of its own.
                    Err(Fault::AccountQuota) => {}
                    Err(_) => return,
                }
            }
        }
    }

    /// A payload waits no more: who has spoken of it says once more what it has, but for one that is saying it now.
    fn take_waiting_of(&mut self, id: ManifestId, but: Option<L>) {
        let Some(waits) = self.waiting.take(id) else {
            return;
        };
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        waits.links.iter().for_each(|one| payload.handle_word(*one));
        let segments: Vec<_> = payload
            .segments_mut()
            .map(|one| one.place().index())
            .collect();
        for to in waits.links.into_iter().filter(|one| Some(*one) != but) {
            for &segment in &segments {
                self.say(to, Control::begin_anew(id, segment));
            }
        }
    }

    /// Whether an origin has signed nothing else under this number.
    fn is_sole(&mut self, from: L, offer: Offer) -> bool {
        match self.claims.look(&offer, offer.manifest.id()) {
            Claimed::Free => true,
            Claimed::Void => false,
            Claimed::Twice(first) => {
                self.void(from, [*first, offer]);
                false
            }
        }
    }

    /// An origin has signed two manifests of one number: nothing of either is delivered or passed on any more. If
    /// neighbours have heard of the first by this node, they hear of both, so that they do the same.
    fn void(&mut self, from: L, [first, second]: [Offer; 2]) {
        self.figures.equivocations += 1;
        let known = self.payloads.get(&first.manifest.id());
        let is_told = known.is_some_and(Payload::is_offered);
        for offer in [first, second] {
            self.discard(offer.manifest.id());
        }
        let links: Vec<_> = self.links.keys().copied().filter(|_| is_told).collect();
        for to in links {
            self.say(to, Control::Offer(first));
            if to != from {
                self.say(to, Control::Offer(second));
            }
        }
    }

    /// Offers a payload to all but who brought it, once: with the first shard that is here. A manifest of which
    /// nobody has a shard goes no further, so that an honest node is not charged for it by the next.
    fn offer_to_others(&mut self, id: ManifestId) {
        let payload = self.payloads.get_mut(&id);
        let Some(is_other) = payload.and_then(Payload::begin_offer) else {
            return;
        };
        let links: Vec<_> = self.links.keys().copied().filter(is_other).collect();
        for link in links {
            self.offer(id, link);
        }
    }

    fn offer(&mut self, id: ManifestId, to: L) {
        if let Some(payload) = self.payloads.get(&id) {
            let message = Control::Offer(*payload.offer());
            self.output.push_back(Output::Control { to, message });
            self.silent.entry((id, to)).or_insert(OFFERS_MAX);
        }
    }

    /// Offers payloads again to who has not spoken of them, with what was shown of them: it had no room
    /// for them, perhaps.
    fn offer_again(&mut self) {
        let silent: Vec<_> = self.silent.keys().copied().collect();
        for (id, to) in silent {
            let Some(left) = self.silent.get_mut(&(id, to)) else {
                continue;
            };
            *left -= 1;
            if *left == 0 || !self.payloads.contains_key(&id) {
                self.silent.remove(&(id, to));
                continue;
            }
            self.offer(id, to);
            let payload = self.payloads.get_mut(&id);
            let segments = payload.into_iter().flat_map(Payload::segments_mut);
            for (set, index) in segments.map(|one| (one.shown(to), one.place().index())) {
                // What waits to be pushed is not to be asked for.
                if !set.is_empty() && !self.queue.has_segment(id, index) {
                    let message = Control::Have(id, index, set);
                    self.output.push_back(Output::Control { to, message });
                }
            }
        }
    }

    // ---- what is shown ------------------------------------------------------------------------

    /// Shows a neighbour all that is here of a payload.
    fn show_all(&mut self, id: ManifestId, to: L) {
        let payload = self.payloads.get_mut(&id);
        let segments = payload.into_iter().flat_map(Payload::segments_mut);
        for segment in segments {
            let (held, index) = (segment.held(), segment.place().index());
            let set = segment.show(to, &held);
            if !set.is_empty() {
                let message = Control::Have(id, index, set);
                self.output.push_back(Output::Control { to, message });
            }
        }
    }

    /// Shows more of what was published here to neighbours that have come to a stop.
    fn show_more(&mut self) {
        let links: Vec<_> = self.links.keys().copied().collect();
        for (id, payload) in &mut self.payloads {
            if !payload.is_published_here() {
                continue;
            }
            for segment in payload.segments_mut() {
                // Nobody has come to a stop while shards of it have not left.
                if self.queue.has_segment(*id, segment.place().index()) {
                    continue;
                }
                for &to in &links {
                    let more = segment.more_for(to, SHOWN_AT_ONCE);
                    let set = segment.show(to, &more);
                    if !set.is_empty() {
                        let message = Control::Have(*id, segment.place().index(), set);
                        self.output.push_back(Output::Control { to, message });
                    }
                }
            }
        }
    }

    /// Whether a neighbour lacks something of what was published here, and was not shown all of it.
    fn has_unfinished_neighbours(&self) -> bool {
        let mine = self.payloads.values().filter(|one| one.is_published_here());
        let links: Vec<_> = self.links.keys().copied().collect();
        mine.into_iter().any(|one| one.is_unfinished(&links))
    }

    // ---- wants --------------------------------------------------------------------------------

    fn handle_have(&mut self, from: L, id: ManifestId, segment: u16, set: &ShardSet) {
        self.silent.remove(&(id, from));
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        payload.handle_word(from);
        if let Some(segment) = payload.segment_mut(segment) {
            segment.handle_have(from, set);
            self.ask(id);
        }
    }

    fn handle_want(&mut self, from: L, id: ManifestId, index: u16, set: &ShardSet) {
        self.silent.remove(&(id, from));
        if set.is_empty() {
            return self.handle_begin_anew(from, id, index);
        }
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        let Some(segment) = payload.segment_mut(index) else {
            return;
        };
        let granted = segment.handle_want(from, set, ASKED_MAX);
        for shard in granted.iter() {
            self.queue.push(from, entry(id, index, shard));
        }
    }

    /// A neighbour has nothing of a segment any more: it hears what can be sent, and what it was asked for is asked of others.
    fn handle_begin_anew(&mut self, from: L, id: ManifestId, index: u16) {
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        let is_published_here = payload.is_published_here();
        let Some(segment) = payload.segment_mut(index) else {
            return;
        };
        let taken_back = segment.begin_anew(from);
        // The origin shows more when the neighbour has come to a stop.
        if !is_published_here {
            let held = segment.held();
            segment.show(from, &held);
        }
        let shown = segment.shown(from);
        if !shown.is_empty() {
            self.say(from, Control::Have(id, index, shown));
        }
        if taken_back > 0 {
            if let Some(link) = self.links.get_mut(&from) {
                link.take_back(taken_back);
            }
            self.ask(id);
        }
    }

    fn ask_for_all(&mut self) {
        let ids: Vec<_> = self.payloads.keys().copied().collect();
        for id in ids {
            self.ask(id);
        }
    }

    /// Asks neighbours for what is missing of a payload, a few shards each in turn, first segments first.
    fn ask(&mut self, id: ManifestId) {
        let Some(payload) = self.payloads.get_mut(&id).filter(|one| !one.is_whole()) else {
            return;
        };
        let origin = payload.manifest().origin();
        let neighbours = self.links.len();
        for segment in payload.segments_mut().filter(|one| !one.is_whole()) {
            let tree = self.trees.find(&origin);
            let fed = tree.map_or_else(Stripes::default, |tree| fed(tree, segment, &self.links));
            let expected = segment.expected(fed);
            let mut wanted = BTreeMap::new();
            // Who has stalled is asked for what nobody else can be asked for.
            for is_slow in [false, true] {
                let links = self.links.iter_mut();
                let mut links: Vec<_> = links.filter(|link| link.1.is_slow() == is_slow).collect();
                ask_in_turn(
                    segment,
                    &mut links,
                    self.identity.start,
                    &expected,
                    &mut wanted,
                );
            }
            let index = segment.place().index();
            for (to, set) in wanted {
                self.figures.asked += set.len() as u64;
                let tree = self.trees.plant(origin, self.ticks);
                let stripes = set.iter().map(Stripe::of).collect();
                let begin = tree.join(to, stripes, neighbours, self.ticks);
                if !begin.is_empty() {
                    let end = Stripes::default();
                    let message = Control::Feed { origin, begin, end };
                    self.output.push_back(Output::Control { to, message });
                }
                let message = Control::Want(id, index, set);
                self.output.push_back(Output::Control { to, message });
            }
        }
    }

    // ---- shards -------------------------------------------------------------------------------

    /// Takes a shard that was asked for.
    fn take(&mut self, from: L, shard: Shard) {
        let (id, segment, index) = (shard.manifest(), shard.segment(), shard.index());
        match self.decoder.insert(from, shard) {
            Ok(Inserted::Known | Inserted::Early) => self.figures.surplus += 1,
            Ok(inserted) => {
                self.figures.shards += 1;
                self.note_progress(from);
                match inserted {
                    Inserted::New => self.hold(id, segment, index),
                    Inserted::Enough => {
                        self.hold(id, segment, index);
                        self.wait_for_originals(from, id, segment);
                    }
                    restored => self.handle_restored(from, id, Ok(restored)),
                }
            }
            Err(fault) => self.handle_restored(from, id, Err(fault)),
        }
    }

    /// A segment can be restored. That is put off as long as it takes, if what is missing is on its way: with the last
    /// original it costs a third.
    fn wait_for_originals(&mut self, from: L, id: ManifestId, at: u16) {
        if self.restorable.contains(id, at) {
            return;
        }
        let place = self.payloads.get(&id).and_then(|one| {
            let segment = one.segment(at)?;
            let tree = self.trees.find(&one.manifest().origin())?;
            let fed = fed(tree, segment, &self.links);
            segment.is_expected(fed).then(|| segment.place())
        });
        match place {
            Some(place) => {
                let due = self.now + RESTORING_PER_MIB * place.bytes() as u32 / (1024 * 1024);
                self.restorable.insert(due, from, id, at);
            }
            None => self.restore(from, id, at),
        }
    }

    /// When [`Exchange::handle_due`] has something to do, on the clock of [`Exchange::advance`].
    pub fn next_due(&self) -> Option<Duration> {
        self.restorable.next_due()
    }

    /// Restores what was waited for in vain. To be called when [`Exchange::next_due`] has come.
    pub fn handle_due(&mut self) {
        while let Some((from, id, segment)) = self.restorable.take_due(self.now) {
            self.restore(from, id, segment);
        }
    }

    fn restore(&mut self, from: L, id: ManifestId, segment: u16) {
        self.figures.restored += 1;
        let restored = self.decoder.restore(id, segment);
        self.handle_restored(from, id, restored);
    }

    fn handle_restored(&mut self, from: L, id: ManifestId, restored: Result<Inserted, Fault>) {
        match restored {
            Ok(Inserted::Segment(coded)) => self.complete(id, coded),
            Ok(Inserted::Whole(coded, payload)) => {
                self.complete(id, coded);
                self.deliver(from, id, payload);
            }
            Ok(_) => (),
            Err(fault) if fault.blame() == Blame::Origin => {
                self.figures.bad_encodings += 1;
                self.forget(id);
            }
            Err(fault) => self.output.push_back(Output::Blame { link: from, fault }),
        }
    }

    fn note_progress(&mut self, from: L) {
        if let Some(link) = self.links.get_mut(&from) {
            link.handle_progress();
        }
    }

    fn hold(&mut self, id: ManifestId, segment: u16, index: u16) {
        self.fresh.insert((id, segment));
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        let Some(place) = payload.segment_mut(segment) else {
            return;
        };
        place.hold(index);
        let is_original = index < place.place().originals();
        let stripe = is_original.then(|| Stripe::of(index));
        payload.arrivals_mut().note(self.now, stripe);
        self.pass_on(id, segment);
    }

    fn complete(&mut self, id: ManifestId, coded: CodedSegment) {
        let index = coded.layout().index();
        self.restorable.remove(id, index);
        self.fresh.insert((id, index));
        let payload = self.payloads.get_mut(&id);
        let Some(payload) = payload else { return };
        let Some(segment) = payload.segment_mut(index) else {
            return;
        };
        let originals = ShardSet::first(segment.place().originals());
        let missing = originals.without(&segment.held());
        for (link, count) in segment.complete(coded) {
            if let Some(link) = self.links.get_mut(&link) {
                link.take_back(count);
            }
        }
        payload.arrivals_mut().note(self.now, None);
        payload.arrivals_mut().complete(self.now, &missing);
        self.pass_on(id, index);
    }

    fn deliver(&mut self, from: L, id: ManifestId, payload: Bytes) {
        let Some(whole) = self.payloads.get(&id) else {
            return;
        };
        let manifest = *whole.manifest();
        self.output.push_back(if self.asks_for_verdicts {
            Output::Check {
                from,
                manifest,
                payload,
            }
        } else {
            self.figures.delivered += 1;
            Output::Deliver {
                from,
                manifest,
                payload,
            }
        });
        self.keep(id);
        self.tell_times(id);
        self.take_waiting();
    }

    // ---- stripes ------------------------------------------------------------------------------

    /// Sends each shard of what was published here to the root of its stripe; of each round of stripes those that have
    /// the longest way first.
    fn push_to_roots(&mut self, id: ManifestId) {
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        let rtt = |link: &L| {
            self.links
                .get(link)
                .and_then(Link::rtt)
                .unwrap_or(RTT_UNKNOWN)
        };
        let mut near: Vec<_> = self.links.keys().copied().collect();
        near.sort_by_key(rtt);
        let tree = self.trees.plant(payload.manifest().origin(), self.ticks);
        let roots = tree.plant(&near);
        for segment in payload.segments_mut() {
            let at = segment.place().index();
            let shards = (0..segment.place().pushed()).filter_map(|index| {
                let root = roots[Stripe::of(index).index()]?;
                Some((
                    index / STRIPES as u16,
                    std::cmp::Reverse(rtt(&root)),
                    index,
                    root,
                ))
            });
            let mut shards: Vec<_> = shards.collect();
            shards.sort_unstable();
            for (_, _, index, root) in shards {
                if segment.push(root, index) {
                    self.queue.push(root, entry(id, at, index));
                }
            }
        }
    }

    /// Sends what has come of a segment to the children of its stripes.
    fn pass_on(&mut self, id: ManifestId, at: u16) {
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        let origin = payload.manifest().origin();
        let (Some(tree), Some(segment)) = (self.trees.find(&origin), payload.segment_mut(at))
        else {
            return;
        };
        for index in segment.begin_passing_on().iter() {
            for child in tree.children(Stripe::of(index)) {
                if segment.push(*child, index) {
                    self.queue.push(*child, entry(id, at, index));
                }
            }
        }
    }

    /// The shard of an entry, unless its receiver has it by now or it is here no more.
    fn look_up(&mut self, to: L, entry: Entry) -> Option<Shard> {
        let payload = self.payloads.get_mut(&entry.id)?;
        let segment = payload.segment(entry.segment)?;
        if segment.is_at(to, entry.index) {
            return None;
        }
        let is_last = |last: &&Shard| {
            (last.manifest(), last.segment(), last.index())
                == (entry.id, entry.segment, entry.index)
        };
        if self.last.as_ref().filter(is_last).is_none() {
            self.last = match segment.is_whole() {
                true => payload.coded_shard(entry.segment, entry.index),
                false => self
                    .decoder
                    .shard(entry.id, entry.segment, entry.index)
                    .cloned(),
            };
        }
        self.last.clone()
    }

    /// A payload is whole: neighbours hear when its stripes came.
    fn tell_times(&mut self, id: ManifestId) {
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        payload.set_whole_at(self.ticks);
        self.unlearned.push_back((self.ticks + LEARN_TICKS, id));
        let ages = payload
            .arrivals()
            .stripes()
            .map(|at| self.now.saturating_sub(at));
        let tree = self.trees.find(&payload.manifest().origin());
        let message = Control::Times(id, Times::new(tree.map_or(0, |tree| tree.load()), ages));
        for &to in self.links.keys() {
            self.output.push_back(Output::Control { to, message });
        }
    }

    fn handle_times(&mut self, from: L, id: ManifestId, times: Times) {
        if let Some(payload) = self.payloads.get_mut(&id) {
            payload.handle_word(from);
            payload.handle_times(self.now, from, times);
        }
    }

    /// Looks for better feeds after payloads that have been whole for a while.
    fn learn(&mut self) {
        while let Some((_, id)) = self.unlearned.pop_front_if(|(tick, _)| *tick <= self.ticks) {
            let Some(payload) = self.payloads.get(&id) else {
                continue;
            };
            let heard = payload.times().filter_map(|(link, at, times)| {
                let rtt = self.links.get(&link)?.rtt().unwrap_or(RTT_UNKNOWN);
                Some(Heard {
                    link,
                    at: times.ages().map(|age| at.saturating_sub(age)),
                    children: times.children.into(),
                    rtt,
                })
            });
            let heard: Vec<_> = heard.collect();
            let layout = payload.manifest().layout();
            let pace = Pace {
                per_shard: payload.arrivals().per_shard(),
                stripe_shards: (layout.padded_bytes() / layout.shard_bytes()).div_ceil(STRIPES),
            };
            let (origin, came) = (payload.manifest().origin(), payload.arrivals().stripes());
            let tree = self.trees.plant(origin, self.ticks);
            let asks = tree.learn(&came, &heard, pace, self.ticks);
            self.say_asks(origin, asks);
        }
    }

    fn handle_feed(&mut self, from: L, origin: &Origin, begin: Stripes, end: Stripes) {
        let tree = self
            .trees
            .find_mut(origin)
            .filter(|_| *origin != self.identity.origin);
        // An origin sends each shard to one neighbour only, and a tree grows where payloads have come.
        let none = (Stripes::default(), begin);
        let (yes, no) = tree.map_or(none, |tree| tree.handle_feed(from, begin, end));
        if !begin.is_empty() {
            let origin = *origin;
            self.say(from, Control::Grant { origin, yes, no });
        }
        let since = self.ticks.saturating_sub(FRESH_TICKS);
        for (id, payload) in &mut self.payloads {
            if payload.manifest().origin() != *origin || !payload.is_fresh(since) {
                continue;
            }
            // What came while the word was on its way.
            for segment in payload.segments_mut() {
                let at = segment.place().index();
                for index in segment.held_of(yes).iter() {
                    if segment.push(from, index) {
                        self.queue.push(from, entry(*id, at, index));
                    }
                }
            }
        }
    }

    fn handle_grant(&mut self, from: L, origin: Origin, yes: Stripes, no: Stripes) {
        let links = self.links.len();
        if let Some(tree) = self.trees.find_mut(&origin) {
            let asks = tree.handle_grant(from, yes, no, links);
            self.say_asks(origin, asks);
            self.ask_for_all();
        }
    }

    /// Feeds that send nothing of what others have are none any more. One that sends other shards is busy, and waited for.
    fn find_quiet(&mut self) {
        let mut struck: Vec<(Origin, Ask<L>)> = Vec::new();
        let mut quiet = BTreeSet::new();
        for (id, payload) in &mut self.payloads {
            let origin = payload.manifest().origin();
            let segments = payload
                .segments_mut()
                .filter_map(|segment| segment.tick().then(|| segment.place().index()));
            for at in segments.collect::<Vec<_>>() {
                quiet.insert(*id);
                let (Some(tree), Some(segment)) =
                    (self.trees.find_mut(&origin), payload.segment(at))
                else {
                    continue;
                };
                for stripe in Stripe::all() {
                    let Some(feed) = tree.feed(stripe) else {
                        continue;
                    };
                    if is_busy(feed, segment, &self.links) {
                        continue;
                    }
                    let (is_somewhere, is_at_feed) = segment.missing(stripe, feed);
                    if is_at_feed || (is_somewhere && !payload.has_heard(feed)) {
                        tree.strike(stripe, self.ticks);
                        self.figures.strikes += 1;
                        let end = [stripe].into_iter().collect();
                        let (link, begin) = (feed, Stripes::default());
                        struck.push((origin, Ask { link, begin, end }));
                    }
                }
            }
        }
        for (origin, ask) in struck {
            self.say_asks(origin, vec![ask]);
        }
        quiet.into_iter().for_each(|id| self.ask(id));
    }

    fn say_asks(&mut self, origin: Origin, asks: Vec<Ask<L>>) {
        for Ask { link, begin, end } in asks {
            self.say(link, Control::Feed { origin, begin, end });
        }
    }

    fn say(&mut self, to: L, message: Control) {
        self.output.push_back(Output::Control { to, message });
    }

    /// Measures the way to a neighbour and back.
    fn probe(&mut self, to: L) {
        self.probes = self.probes.wrapping_add(1);
        if let Some(link) = self.links.get_mut(&to) {
            link.handle_probed(self.now, self.probes);
            self.say(to, Control::Probe(self.identity.tag, self.probes));
        }
    }

    // ---- what is kept -------------------------------------------------------------------------

    /// Keeps a whole payload for those who ask, in place of older ones.
    fn keep(&mut self, id: ManifestId) {
        self.kept.push_back(id);
        self.kept_bytes += self.payloads[&id].kept_bytes();
        while self.kept_bytes > self.limits.kept_bytes_max && self.kept.len() > 1 {
            self.forget(self.kept[0]);
        }
    }

    /// Forgets a payload, and knows it from then on for one that is not wanted.
    fn discard(&mut self, id: ManifestId) {
        self.decoder.give_up(id);
        self.forget(id);
        self.waiting.take(id);
    }

    /// Tells neighbours that were told of a payload that nothing of it is here: each begins with it anew, as far as this node goes.
    fn retract(&mut self, id: ManifestId) {
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        for segment in payload.segments_mut() {
            let index = segment.place().index();
            for &to in self.links.keys() {
                if !segment.shown(to).is_empty() {
                    let message = Control::begin_anew(id, index);
                    self.output.push_back(Output::Control { to, message });
                }
            }
        }
    }

    /// Forgets a payload's shards; whether it is known is the decoder's matter.
    fn forget(&mut self, id: ManifestId) {
        self.silent.retain(|(of, _), _| *of != id);
        self.restorable.forget(id);
        self.queue.forget(id);
        let Some(mut payload) = self.payloads.remove(&id) else {
            return;
        };
        if let Some(at) = self.kept.iter().position(|kept| *kept == id) {
            self.kept.remove(at);
            self.kept_bytes -= payload.kept_bytes();
        }
        for segment in payload.segments_mut() {
            for (of, link) in &mut self.links {
                link.take_back(segment.take_back(*of));
            }
        }
    }

    fn find_stalls(&mut self) {
        let mut has_stalled = false;
        for (of, link) in &mut self.links {
            if !link.tick() {
                continue;
            }
            has_stalled = true;
            self.figures.stalls += 1;
            for payload in self.payloads.values_mut() {
                for segment in payload.segments_mut() {
                    link.take_back(segment.take_back(*of));
                }
            }
        }
        if has_stalled {
            self.ask_for_all();
        }
    }
}

fn entry(id: ManifestId, segment: u16, index: u16) -> Entry {
    Entry { id, segment, index }
}

/// The stripes of which shards are still to come from their feeds: all that have one; where these have brought nothing lately,
/// those whose feed is busy and has what is missing.
fn fed<L: Copy + Ord>(tree: &Tree<L>, segment: &Segment<L>, links: &BTreeMap<L, Link>) -> Stripes {
    let fed = tree.fed();
    if !segment.is_quiet() {
        return fed;
    }
    let is_coming = |stripe: &Stripe| {
        let feed = tree.feed(*stripe);
        feed.is_some_and(|feed| is_busy(feed, segment, links) && segment.missing(*stripe, feed).1)
    };
    fed.iter().filter(is_coming).collect()
}

/// Whether a feed sends other shards of use, and may be waited for.
fn is_busy<L: Copy + Ord>(feed: L, segment: &Segment<L>, links: &BTreeMap<L, Link>) -> bool {
    let is_silent = links.get(&feed).is_none_or(Link::is_silent);
    !is_silent && !segment.is_overdue()
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

impl<L> std::fmt::Debug for Exchange<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("links", &self.links.len())
            .field("payloads", &self.payloads.len())
            .field("kept_bytes", &self.kept_bytes)
            .finish_non_exhaustive()
    }
}
