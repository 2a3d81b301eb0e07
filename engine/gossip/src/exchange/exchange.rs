//! [`Exchange`]: the conversation about large payloads with all neighbours.

use std::time::Duration;

use bytes::Bytes;

use super::announcer::{self, Announcer};
use super::claims::{Claimed, Claims};
use super::config::{ExchangeLimits, Identity};
use super::feeding::{Asks, Feeding};
use super::link::ASKED_MAX;
use super::links::Links;
use super::message::{Control, Times};
use super::output::{Figures, Output, Outputs};
use super::payload::{Late, Payload};
use super::payloads::Payloads;
use super::restorable::Restorable;
use super::sends::Sends;
use super::shard_set::ShardSet;
use super::stripes::{Stripe, Stripes};
use super::tree::Ask;
use super::waiting::Waiting;
use crate::coded::{
    Account, Blame, CodedSegment, Decoder, Encoder, Fault, Inserted, ManifestId, Offer, Opened,
    Origin, Shard, Signature,
};

/// How often [`Exchange::tick`] is to be called.
pub const TICK: Duration = Duration::from_millis(100);

/// Ticks between two sweeps of the decoder.
const SWEEP_TICKS: u64 = 10;
/// Ticks between two offers of a payload to a neighbour that has not spoken of it.
const OFFER_TICKS: u64 = 50;
/// Ticks after a payload is whole in which shards of it may still be on their way to neighbours.
const FRESH_TICKS: u64 = 20;
/// How long to restore a MiB takes, about: so long the originals that are missing are waited for.
const RESTORING_PER_MIB: Duration = Duration::from_millis(3);

/// The conversation about large payloads. `L` names a link to a neighbour.
///
/// It takes payloads and their shards, and lends its parts to each other; each has its own state.
pub struct Exchange<L> {
    identity: Identity,
    now: Duration,
    ticks: u64,
    /// Whether whole payloads wait for a verdict.
    asks_for_verdicts: bool,
    decoder: Decoder<L>,
    restorable: Restorable<L>,
    claims: Claims,
    waiting: Waiting<L>,
    payloads: Payloads<L>,
    links: Links<L>,
    feeding: Feeding<L>,
    sends: Sends<L>,
    announcer: Announcer<L>,
    output: Outputs<L>,
    figures: Figures,
}

impl<L: Copy + Ord> Exchange<L> {
    /// An exchange without neighbours.
    pub fn new(limits: ExchangeLimits, identity: Identity) -> Self {
        Exchange {
            identity,
            now: Duration::ZERO,
            ticks: 0,
            asks_for_verdicts: false,
            decoder: Decoder::new(limits.decoder),
            restorable: Restorable::new(),
            claims: Claims::default(),
            waiting: Waiting::new(),
            payloads: Payloads::new(limits.kept_bytes_max),
            links: Links::new(identity.start),
            feeding: Feeding::new(),
            sends: Sends::new(),
            announcer: Announcer::new(),
            output: Outputs::new(),
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
        self.output.pop()
    }

    /// The shard that is to be sent next, and to whom, among links with fewer than
    /// [`AHEAD_MAX`](super::AHEAD_MAX) shards on their way out of the node. To be drained whenever a link may have room,
    /// and after all of [`Exchange::poll_output`].
    pub fn poll_shard(&mut self) -> Option<(L, Shard)> {
        let next = self.sends.poll(&mut self.payloads, &self.decoder)?;
        self.figures.sent += 1;
        Some(next)
    }

    /// So many shards from [`Exchange::poll_shard`] have left the node for a link, or were left out.
    pub fn handle_left(&mut self, link: L, count: usize) {
        self.sends.handle_left(link, count);
    }

    /// What was counted.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// Whether there is nothing that time changes: no payload under way and nobody to offer one to.
    pub fn is_idle(&self) -> bool {
        self.decoder.is_empty()
            && self.announcer.is_idle()
            && self.waiting.is_empty()
            && self.feeding.is_idle()
            && !self.has_unfinished_neighbours()
    }

    /// Bytes of memory set aside for what is under way or waits for a verdict, and taken by what is kept.
    pub fn bytes(&self) -> (usize, usize) {
        (self.decoder.bytes(), self.payloads.kept_bytes())
    }

    // ---- what it is told ----------------------------------------------------------------------

    /// The moment at which all happens that is told next, counted from any fixed one.
    pub fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// There is a neighbour; it is offered what is here, and pays for what it brings: nobody checks who made
    /// a payload.
    pub fn add_link(&mut self, link: L, account: Account) {
        if self.links.insert(link, account) {
            self.probe(link);
            self.announcer
                .greet(link, &mut self.payloads, &mut self.output);
        }
    }

    /// A neighbour is gone; what it was asked for is asked of others.
    pub fn remove_link(&mut self, link: L) {
        self.links.remove(link);
        self.announcer.remove_link(link);
        self.waiting.remove_link(link);
        self.feeding.remove_link(link);
        self.sends.remove_link(link);
        self.payloads.remove_link(link);
        self.ask_for_all();
    }

    /// Publishes a payload, with this node's signature where nodes sign; false if it was published or received before.
    pub fn publish(&mut self, encoder: Encoder, signature: Option<Signature>) -> bool {
        let id = encoder.id();
        if self.payloads.contains(id) {
            return false;
        }
        // Should it come back when it is not kept any more, it is known.
        self.decoder.give_up(id);
        self.payloads
            .insert(id, Payload::published(encoder, signature));
        self.keep(id);
        if let Some(payload) = self.payloads.get_mut(id) {
            let links = &self.links;
            self.announcer
                .offer_to_others(id, payload, links, &mut self.output);
            let (origin, near) = (payload.manifest().origin(), links.nearest_first());
            let roots = self.feeding.roots(origin, &near, self.ticks);
            self.sends.push_to_roots(id, payload, &roots, links);
        }
        true
    }

    /// Whether something may come of an offer: its payload has neither been taken nor refused, and does not wait for room. Where nodes sign, its signature is to
    /// be checked before [`Exchange::handle_control`] hears of it, and that of no other.
    pub fn is_new(&self, offer: &Offer) -> bool {
        let id = offer.manifest.id();
        !self.payloads.contains(id)
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
        if let Some(payload) = self.payloads.get_mut(id) {
            announcer::retract(id, payload, &self.links, &mut self.output);
        }
        self.discard(id);
        self.take_waiting();
    }

    /// The links to the node that an origin is.
    pub fn links_to(&self, origin: &Origin) -> Vec<L> {
        let maker = (self.identity.account_of)(origin);
        let links = self.links.iter();
        let links = links.filter(|link| self.links.account(*link) == Some(maker));
        links.collect()
    }

    /// A neighbour sent a message about shards.
    pub fn handle_control(&mut self, from: L, message: Control) {
        if !self.links.contains(from) {
            return;
        }
        match message {
            Control::Offer(offer) => self.handle_offer(from, offer),
            Control::Have(id, segment, set) => self.handle_have(from, id, segment, &set),
            Control::Want(id, segment, set) => self.handle_want(from, id, segment, &set),
            Control::Times(id, times) => self.handle_times(from, id, times),
            Control::Feed { origin, begin, end } => self.handle_feed(from, origin, begin, end),
            Control::Grant { origin, yes, no } => self.handle_grant(from, &origin, yes, no),
            Control::Probe(tag, nonce) => self.output.say(from, Control::Echo(tag, nonce)),
            Control::Echo(_, nonce) => self.links.handle_echo(from, self.now, nonce),
        }
    }

    /// A neighbour sent a shard. What nobody asked it for is taken as well, if it is of use and right: it was on its way when
    /// the word went out that another sends it from now on, and it has cost its bytes.
    pub fn handle_shard(&mut self, from: L, shard: Shard) {
        let (id, at, index) = (shard.manifest(), shard.segment(), shard.index());
        let Some(payload) = self.payloads.get_mut(id) else {
            return self.handle_early(from, shard);
        };
        let (maker, origin) = (payload.maker(), payload.manifest().origin());
        payload.handle_word(from);
        let Some(segment) = payload.segment_mut(at) else {
            self.figures.unasked += 1;
            return;
        };
        let answer = segment.handle_answer(from, index);
        if answer == Some(Late(false)) {
            self.links.handle_answer(from);
        }
        if answer.is_none() {
            // Its feed and the origin itself send shards unasked.
            let feeds = self.links.account(from) == Some(maker)
                || self.feeding.is_feed(&origin, Stripe::of(index), from);
            self.figures.unasked += u64::from(!feeds);
            segment.handle_pushed(from, index);
        }
        // What is here already is not even hashed.
        if segment.holds(index) {
            self.figures.surplus += 1;
        } else {
            self.take(from, shard);
        }
        if answer.is_some() && self.links.has_much_room(from) {
            self.ask_for_all();
        }
    }

    /// A shard whose manifest has not come: they travel in different lanes. It is looked at when that is here.
    fn handle_early(&mut self, from: L, shard: Shard) {
        let is_kept = self.links.contains(from)
            && matches!(self.decoder.insert(from, shard), Ok(Inserted::Early));
        self.figures.unasked += u64::from(!is_kept);
    }

    /// Announces what has come since the last call. To be called once per turn. What comes by feeds is announced when
    /// its segment is whole, and in each tick: everybody waits for feeds of their own.
    pub fn announce(&mut self) {
        let (payloads, links) = (&mut self.payloads, &self.links);
        self.announcer
            .announce(payloads, links, &self.feeding, &mut self.output);
    }

    /// A [`TICK`] has gone by.
    pub fn tick(&mut self) {
        self.ticks += 1;
        self.handle_due();
        let (payloads, links) = (&mut self.payloads, &self.links);
        self.announcer
            .announce_all(payloads, links, &mut self.output);
        self.find_quiet();
        self.find_stalls();
        let asks = self.feeding.learn(&self.payloads, &self.links, self.ticks);
        self.say_asks(asks);
        if self.ticks.is_multiple_of(SWEEP_TICKS) {
            let (payloads, links) = (&mut self.payloads, &self.links);
            announcer::show_more(payloads, links, &self.sends, &mut self.output);
            for id in self.decoder.sweep() {
                self.figures.given_up += 1;
                self.forget(id);
            }
            self.waiting.sweep(self.ticks);
            self.take_waiting();
        }
        if self.ticks.is_multiple_of(OFFER_TICKS) {
            let (payloads, sends) = (&mut self.payloads, &self.sends);
            self.announcer
                .offer_again(payloads, sends, &mut self.output);
        }
    }

    // ---- offers -------------------------------------------------------------------------------

    fn handle_offer(&mut self, from: L, offer: Offer) {
        let (manifest, id) = (offer.manifest, offer.manifest.id());
        self.announcer.handle_word(id, from);
        if let Some(payload) = self.payloads.get_mut(id) {
            payload.handle_word(from);
            // It may never hear of it otherwise: who has everything is announced nothing.
            if payload.is_whole() {
                let all = payload.segments_mut().next().map(|first| first.held());
                let message = Control::Have(id, 0, all.unwrap_or_default());
                self.output.say(from, message);
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
        let Some(account) = self.links.account(from) else {
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
                if self.links.contains(link) {
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
        if let Some(payload) = self.payloads.get(id) {
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
        let Some(payload) = self.payloads.get_mut(id) else {
            return;
        };
        waits.links.iter().for_each(|one| payload.handle_word(*one));
        let segments: Vec<_> = payload
            .segments_mut()
            .map(|one| one.place().index())
            .collect();
        for to in waits.links.into_iter().filter(|one| Some(*one) != but) {
            for &segment in &segments {
                self.output.say(to, Control::begin_anew(id, segment));
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
        let known = self.payloads.get(first.manifest.id());
        let is_told = known.is_some_and(Payload::is_offered);
        for offer in [first, second] {
            self.discard(offer.manifest.id());
        }
        for to in self.links.iter().filter(|_| is_told) {
            self.output.say(to, Control::Offer(first));
            if to != from {
                self.output.say(to, Control::Offer(second));
            }
        }
    }

    /// Whether a neighbour lacks something of what was published here, and was not shown all of it.
    fn has_unfinished_neighbours(&self) -> bool {
        let links: Vec<_> = self.links.iter().collect();
        let mut payloads = self.payloads.iter();
        payloads.any(|(_, one)| one.is_published_here() && one.is_unfinished(&links))
    }

    // ---- wants --------------------------------------------------------------------------------

    fn handle_have(&mut self, from: L, id: ManifestId, segment: u16, set: &ShardSet) {
        self.announcer.handle_word(id, from);
        let Some(payload) = self.payloads.get_mut(id) else {
            return;
        };
        payload.handle_word(from);
        if let Some(segment) = payload.segment_mut(segment) {
            segment.handle_have(from, set);
            self.ask(id);
        }
    }

    fn handle_want(&mut self, from: L, id: ManifestId, index: u16, set: &ShardSet) {
        self.announcer.handle_word(id, from);
        if set.is_empty() {
            return self.handle_begin_anew(from, id, index);
        }
        let Some(payload) = self.payloads.get_mut(id) else {
            return;
        };
        let Some(segment) = payload.segment_mut(index) else {
            return;
        };
        let granted = segment.handle_want(from, set, ASKED_MAX);
        self.sends.grant(from, id, index, &granted);
    }

    /// A neighbour has nothing of a segment any more: it hears what can be sent, and what it was asked for is asked of others.
    fn handle_begin_anew(&mut self, from: L, id: ManifestId, index: u16) {
        let Some(payload) = self.payloads.get_mut(id) else {
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
            self.output.say(from, Control::Have(id, index, shown));
        }
        if taken_back > 0 {
            self.links.take_back(from, taken_back);
            self.ask(id);
        }
    }

    fn ask_for_all(&mut self) {
        for id in self.payloads.ids() {
            self.ask(id);
        }
    }

    /// Asks neighbours for what is missing of a payload, a few shards each in turn, first segments first.
    fn ask(&mut self, id: ManifestId) {
        let Some(payload) = self.payloads.get_mut(id).filter(|one| !one.is_whole()) else {
            return;
        };
        let origin = payload.manifest().origin();
        let neighbours = self.links.len();
        for segment in payload.segments_mut().filter(|one| !one.is_whole()) {
            let fed = self.feeding.fed(&origin, segment, &self.links);
            let expected = segment.expected(fed);
            let index = segment.place().index();
            for (to, set) in self.links.ask(segment, &expected) {
                self.figures.asked += set.len() as u64;
                let begin = self.feeding.join(origin, to, &set, neighbours, self.ticks);
                if !begin.is_empty() {
                    let end = Stripes::default();
                    self.output.say(to, Control::Feed { origin, begin, end });
                }
                self.output.say(to, Control::Want(id, index, set));
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
                self.links.handle_progress(from);
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
        let place = self.payloads.get(id).and_then(|one| {
            let segment = one.segment(at)?;
            let origin = one.manifest().origin();
            let fed = self.feeding.fed(&origin, segment, &self.links);
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
            Err(fault) => self.output.push(Output::Blame { link: from, fault }),
        }
    }

    /// A shard is here and is right.
    fn hold(&mut self, id: ManifestId, segment: u16, index: u16) {
        self.announcer.note(id, segment);
        let Some(payload) = self.payloads.get_mut(id) else {
            return;
        };
        let origin = payload.manifest().origin();
        let segment = payload.hold(segment, index, self.now);
        if let (Some(segment), Some(tree)) = (segment, self.feeding.tree(&origin)) {
            self.sends.pass_on(id, segment, tree);
        }
    }

    /// A segment is whole.
    fn complete(&mut self, id: ManifestId, coded: CodedSegment) {
        let index = coded.layout().index();
        self.restorable.remove(id, index);
        self.announcer.note(id, index);
        let Some(payload) = self.payloads.get_mut(id) else {
            return;
        };
        for (link, count) in payload.complete(coded, self.now) {
            self.links.take_back(link, count);
        }
        let origin = payload.manifest().origin();
        let segment = payload.segment_mut(index);
        if let (Some(segment), Some(tree)) = (segment, self.feeding.tree(&origin)) {
            self.sends.pass_on(id, segment, tree);
        }
    }

    fn deliver(&mut self, from: L, id: ManifestId, payload: Bytes) {
        let Some(whole) = self.payloads.get(id) else {
            return;
        };
        let manifest = *whole.manifest();
        self.output.push(if self.asks_for_verdicts {
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

    /// A payload is whole: neighbours hear when its stripes came.
    fn tell_times(&mut self, id: ManifestId) {
        let Some(payload) = self.payloads.get_mut(id) else {
            return;
        };
        payload.set_whole_at(self.ticks);
        let times = self.feeding.handle_whole(id, payload, self.now, self.ticks);
        for to in self.links.iter() {
            self.output.say(to, Control::Times(id, times));
        }
    }

    fn handle_times(&mut self, from: L, id: ManifestId, times: Times) {
        if let Some(payload) = self.payloads.get_mut(id) {
            payload.handle_word(from);
            payload.handle_times(self.now, from, times);
        }
    }

    fn handle_feed(&mut self, from: L, origin: Origin, begin: Stripes, end: Stripes) {
        // An origin sends each shard to one neighbour only.
        let (yes, no) = if origin == self.identity.origin {
            (Stripes::default(), begin)
        } else {
            self.feeding.handle_feed(from, &origin, begin, end)
        };
        if !begin.is_empty() {
            self.output.say(from, Control::Grant { origin, yes, no });
        }
        let since = self.ticks.saturating_sub(FRESH_TICKS);
        for (id, payload) in self.payloads.iter_mut() {
            if payload.manifest().origin() == origin && payload.is_fresh(since) {
                self.sends.catch_up(from, yes, id, payload);
            }
        }
    }

    fn handle_grant(&mut self, from: L, origin: &Origin, yes: Stripes, no: Stripes) {
        let links = self.links.len();
        if let Some(asks) = self.feeding.handle_grant(from, origin, yes, no, links) {
            self.say_asks(asks);
            self.ask_for_all();
        }
    }

    /// Ends feeds that bring nothing of what others have, and asks for what feeds have not brought lately.
    fn find_quiet(&mut self) {
        let payloads = &mut self.payloads;
        let (quiet, struck) = self.feeding.strike_quiet(payloads, &self.links, self.ticks);
        self.figures.strikes += struck.len() as u64;
        self.say_asks(struck);
        quiet.into_iter().for_each(|id| self.ask(id));
    }

    fn say_asks(&mut self, asks: Asks<L>) {
        for (origin, Ask { link, begin, end }) in asks {
            self.output.say(link, Control::Feed { origin, begin, end });
        }
    }

    /// Measures the way to a neighbour and back.
    fn probe(&mut self, to: L) {
        if let Some(nonce) = self.links.begin_probe(to, self.now) {
            self.output
                .say(to, Control::Probe(self.identity.tag, nonce));
        }
    }

    // ---- what is kept -------------------------------------------------------------------------

    /// Keeps a whole payload for those who ask, in place of older ones.
    fn keep(&mut self, id: ManifestId) {
        self.payloads.keep(id);
        while let Some(oldest) = self.payloads.surplus() {
            self.forget(oldest);
        }
    }

    /// Forgets a payload, and knows it from then on for one that is not wanted.
    fn discard(&mut self, id: ManifestId) {
        self.decoder.give_up(id);
        self.forget(id);
        self.waiting.take(id);
    }

    /// Forgets a payload's shards; whether it is known is the decoder's matter.
    fn forget(&mut self, id: ManifestId) {
        self.announcer.forget(id);
        self.restorable.forget(id);
        self.sends.forget(id);
        if let Some(mut payload) = self.payloads.remove(id) {
            self.links.take_back_all(&mut payload);
        }
    }

    fn find_stalls(&mut self) {
        let stalled = self.links.tick();
        for &link in &stalled {
            self.figures.stalls += 1;
            let taken_back = self.payloads.take_back(link);
            self.links.take_back(link, taken_back);
        }
        if !stalled.is_empty() {
            self.ask_for_all();
        }
    }
}

impl<L> std::fmt::Debug for Exchange<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("links", &self.links.len())
            .field("payloads", &self.payloads.len())
            .field("kept_bytes", &self.payloads.kept_bytes())
            .finish_non_exhaustive()
    }
}
