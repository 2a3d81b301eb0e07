//! [`Exchange`]: the conversation about large payloads with all neighbours.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::link::{ASKED_MAX, Link};
use super::message::Control;
use super::payload::{Late, Payload, Segment};
use super::shard_set::ShardSet;
use crate::coded::{
    Account, Blame, CodedSegment, Decoder, Encoder, Fault, Inserted, Limits, Manifest, ManifestId,
    Opened, Origin, Shard,
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
    /// Send a shard.
    Shard {
        /// To whom.
        to: L,
        /// Which.
        shard: Shard,
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
    /// Payloads delivered.
    pub delivered: u64,
    /// Payloads whose origin committed to no payload.
    pub bad_encodings: u64,
    /// Payloads refused for lack of room.
    pub refused: u64,
    /// Payloads given up, as nothing more came.
    pub given_up: u64,
    /// Times a neighbour stalled.
    pub stalls: u64,
}

/// The conversation about large payloads. `L` names a link to a neighbour.
pub struct Exchange<L> {
    limits: ExchangeLimits,
    /// This node: what it published in a former life does not come back to it.
    own: Origin,
    /// Where this node begins to count shards, so that neighbours ask for different ones.
    start: u16,
    decoder: Decoder<L>,
    links: BTreeMap<L, Link>,
    payloads: BTreeMap<ManifestId, Payload<L>>,
    /// Whole payloads, oldest first.
    kept: VecDeque<ManifestId>,
    kept_bytes: usize,
    /// Segments of which shards are to be announced.
    fresh: BTreeSet<(ManifestId, u16)>,
    /// Links that have not spoken of a payload, and how often it is still offered to them.
    silent: BTreeMap<(ManifestId, L), u8>,
    ticks: u64,
    output: VecDeque<Output<L>>,
    figures: Figures,
}

impl<L: Copy + Ord> Exchange<L> {
    /// An exchange without neighbours, of a node whose payloads name `own` as their origin. `start` is
    /// any number that differs from node to node.
    pub fn new(limits: ExchangeLimits, own: Origin, start: u16) -> Self {
        Exchange {
            limits,
            own,
            start,
            decoder: Decoder::new(limits.decoder),
            links: BTreeMap::new(),
            payloads: BTreeMap::new(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            fresh: BTreeSet::new(),
            silent: BTreeMap::new(),
            ticks: 0,
            output: VecDeque::new(),
            figures: Figures::default(),
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output<L>> {
        self.output.pop_front()
    }

    /// What was counted.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// Whether there is nothing that time changes: no payload under way and nobody to offer one to.
    pub fn is_idle(&self) -> bool {
        self.decoder.is_empty() && self.silent.is_empty() && !self.has_unfinished_neighbours()
    }

    /// Bytes of memory set aside for what is under way, and taken by what is kept.
    pub fn bytes(&self) -> (usize, usize) {
        (self.decoder.bytes(), self.kept_bytes)
    }

    // ---- what it is told ----------------------------------------------------------------------

    /// There is a neighbour; it is offered what is here, and pays for what it brings: nobody checks who made
    /// a payload.
    pub fn add_link(&mut self, link: L, account: Account) {
        if self.links.insert(link, Link::new(account)).is_some() {
            return;
        }
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
        for payload in self.payloads.values_mut() {
            for segment in payload.segments_mut() {
                segment.remove_link(link);
            }
        }
        self.ask_for_all();
    }

    /// Publishes a payload; false if it was published or received before.
    pub fn publish(&mut self, encoder: Encoder) -> bool {
        let id = encoder.id();
        if self.payloads.contains_key(&id) {
            return false;
        }
        // Should it come back when it is not kept any more, it is known.
        self.decoder.give_up(id);
        self.payloads.insert(id, Payload::published(encoder));
        self.keep(id);
        self.offer_to_others(id);
        self.show_parts(id);
        true
    }

    /// A neighbour sent a message about shards.
    pub fn handle_control(&mut self, from: L, message: Control) {
        if !self.links.contains_key(&from) {
            return;
        }
        match message {
            Control::Offer(manifest) => self.handle_offer(from, manifest),
            Control::Have(id, segment, set) => self.handle_have(from, id, segment, &set),
            Control::Want(id, segment, set) => self.handle_want(from, id, segment, &set),
        }
    }

    /// A neighbour sent a shard.
    pub fn handle_shard(&mut self, from: L, shard: Shard) {
        let (id, index) = (shard.manifest(), shard.segment());
        let segment = self.payloads.get_mut(&id);
        let segment = segment.and_then(|payload| payload.segment_mut(index));
        let answer = segment.and_then(|segment| segment.handle_answer(from, shard.index()));
        let Some(Late(is_late)) = answer else {
            self.figures.unasked += 1;
            return;
        };
        if let (false, Some(link)) = (is_late, self.links.get_mut(&from)) {
            link.handle_shard();
        }
        self.take(from, shard);
        self.ask_for_all();
    }

    /// Announces what has come since the last call. To be called once per turn.
    pub fn announce(&mut self) {
        let links: Vec<L> = self.links.keys().copied().collect();
        for (id, index) in std::mem::take(&mut self.fresh) {
            self.offer_to_others(id);
            let Some(payload) = self.payloads.get_mut(&id) else {
                continue;
            };
            let Some(segment) = payload.segment_mut(index) else {
                continue;
            };
            let held = segment.held();
            for &to in &links {
                let set = segment.show(to, &held);
                if !set.is_empty() {
                    let message = Control::Have(id, index, set);
                    self.output.push_back(Output::Control { to, message });
                }
            }
        }
    }

    /// A [`TICK`] has gone by.
    pub fn tick(&mut self) {
        self.ticks += 1;
        self.find_stalls();
        if self.ticks.is_multiple_of(SWEEP_TICKS) {
            self.show_more();
            for id in self.decoder.sweep() {
                self.figures.given_up += 1;
                self.forget(id);
            }
        }
        if self.ticks.is_multiple_of(OFFER_TICKS) {
            self.offer_again();
        }
    }

    // ---- offers -------------------------------------------------------------------------------

    fn handle_offer(&mut self, from: L, manifest: Manifest) {
        let id = manifest.id();
        self.silent.remove(&(id, from));
        if let Some(payload) = self.payloads.get_mut(&id) {
            // It may never hear of it otherwise: who has everything is announced nothing.
            if payload.is_whole() {
                let all = payload.segments_mut().next().map(|first| first.held());
                let message = Control::Have(id, 0, all.unwrap_or_default());
                self.output.push_back(Output::Control { to: from, message });
            }
            return;
        }
        let account = self.links.get(&from).map(Link::account);
        let Some(account) = account.filter(|_| manifest.origin() != self.own) else {
            return;
        };
        match self.decoder.open(manifest, account) {
            Ok(Opened::Known) => {}
            Ok(Opened::New { given_up, .. }) => {
                self.figures.given_up += given_up.len() as u64;
                given_up.into_iter().for_each(|id| self.forget(id));
                self.payloads.insert(id, Payload::new(manifest, Some(from)));
            }
            // It is offered again; by then there may be room.
            Err(_) => self.figures.refused += 1,
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
            let message = Control::Offer(*payload.manifest());
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
                if !set.is_empty() {
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

    /// Shows each neighbour its part of a payload that was published here.
    fn show_parts(&mut self, id: ManifestId) {
        let links: Vec<_> = self.links.keys().copied().collect();
        let payload = self.payloads.get_mut(&id);
        for segment in payload.into_iter().flat_map(Payload::segments_mut) {
            let index = segment.place().index();
            let pushed = ShardSet::first(segment.place().pushed());
            for (part, &to) in links.iter().enumerate() {
                // Another neighbour begins in each segment, so that no one has less of all of them.
                let first = (part + usize::from(index)) % links.len();
                let set = pushed.iter().skip(first).step_by(links.len()).collect();
                let set = segment.show(to, &set);
                if !set.is_empty() {
                    let message = Control::Have(id, index, set);
                    self.output.push_back(Output::Control { to, message });
                }
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
        let payload = self.payloads.get_mut(&id);
        if let Some(segment) = payload.and_then(|payload| payload.segment_mut(segment)) {
            segment.handle_have(from, set);
            self.ask(id);
        }
    }

    fn handle_want(&mut self, from: L, id: ManifestId, index: u16, set: &ShardSet) {
        self.silent.remove(&(id, from));
        let Some(payload) = self.payloads.get_mut(&id) else {
            return;
        };
        let Some(segment) = payload.segment_mut(index) else {
            return;
        };
        let granted = segment.handle_want(from, set, ASKED_MAX);
        let is_whole = segment.is_whole();
        for shard in granted.iter() {
            let shard = match is_whole {
                true => payload.coded_shard(index, shard),
                false => self.decoder.shard(id, index, shard).cloned(),
            };
            if let Some(shard) = shard {
                self.figures.sent += 1;
                self.output.push_back(Output::Shard { to: from, shard });
            }
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
        for segment in payload.segments_mut() {
            let mut wanted = BTreeMap::new();
            // Who has stalled is asked for what nobody else can be asked for.
            for is_slow in [false, true] {
                let links = self.links.iter_mut();
                let mut links: Vec<_> = links.filter(|link| link.1.is_slow() == is_slow).collect();
                ask_in_turn(segment, &mut links, self.start, &mut wanted);
            }
            let index = segment.place().index();
            for (to, set) in wanted {
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
            Ok(Inserted::New) => {
                self.figures.shards += 1;
                self.hold(id, segment, index);
            }
            Ok(Inserted::Segment(coded)) => self.complete(id, coded),
            Ok(Inserted::Whole(coded, payload)) => {
                self.complete(id, coded);
                self.deliver(from, id, payload);
            }
            Ok(Inserted::Known | Inserted::Early) => self.figures.surplus += 1,
            Err(fault) if fault.blame() == Blame::Origin => {
                self.figures.bad_encodings += 1;
                self.forget(id);
            }
            Err(fault) => self.output.push_back(Output::Blame { link: from, fault }),
        }
    }

    fn hold(&mut self, id: ManifestId, segment: u16, index: u16) {
        self.fresh.insert((id, segment));
        let payload = self.payloads.get_mut(&id);
        if let Some(segment) = payload.and_then(|payload| payload.segment_mut(segment)) {
            segment.hold(index);
        }
    }

    fn complete(&mut self, id: ManifestId, coded: CodedSegment) {
        self.figures.shards += 1;
        let index = coded.layout().index();
        self.fresh.insert((id, index));
        let payload = self.payloads.get_mut(&id);
        let Some(segment) = payload.and_then(|payload| payload.segment_mut(index)) else {
            return;
        };
        for (link, count) in segment.complete(coded) {
            if let Some(link) = self.links.get_mut(&link) {
                link.take_back(count);
            }
        }
    }

    fn deliver(&mut self, from: L, id: ManifestId, payload: Bytes) {
        let Some(whole) = self.payloads.get(&id) else {
            return;
        };
        self.figures.delivered += 1;
        self.output.push_back(Output::Deliver {
            from,
            manifest: *whole.manifest(),
            payload,
        });
        self.keep(id);
    }

    // ---- what is kept -------------------------------------------------------------------------

    /// Keeps a whole payload for those who ask, in place of older ones.
    fn keep(&mut self, id: ManifestId) {
        self.kept.push_back(id);
        self.kept_bytes += self.payloads[&id].kept_bytes();
        while self.kept_bytes > self.limits.kept_bytes_max && self.kept.len() > 1 {
            let oldest = self.kept.pop_front().expect("there are two");
            self.kept_bytes -= self.payloads[&oldest].kept_bytes();
            self.forget(oldest);
        }
    }

    /// Forgets a payload's shards; whether it is known is the decoder's matter.
    fn forget(&mut self, id: ManifestId) {
        self.silent.retain(|(of, _), _| *of != id);
        let Some(mut payload) = self.payloads.remove(&id) else {
            return;
        };
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

/// Asks neighbours for a few shards each, round by round, as long as one of them has room and something
/// that is needed.
fn ask_in_turn<L: Copy + Ord>(
    segment: &mut Segment<L>,
    links: &mut [(&L, &mut Link)],
    start: u16,
    wanted: &mut BTreeMap<L, ShardSet>,
) {
    loop {
        let mut has_asked = false;
        for (of, link) in links.iter_mut() {
            let room = link.room().min(ASKED_AT_ONCE);
            let set = segment.ask(**of, room, start);
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
