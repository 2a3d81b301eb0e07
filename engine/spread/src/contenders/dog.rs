//! [`Dog`]: CometBFT's Dynamic Optimal Graph. Nodes flood, and cut the routes over which copies come.
//!
//! * A route is a pair of a node's links: what first came over the one goes out over the other. All are open
//!   at first. What a node publishes itself has no source, so it always goes to every peer.
//! * Of the first copy too many a node complains to its sender with `HaveTx`; the sender cuts the route from
//!   *its* first source of that message to the complainer. Then the node may not complain again until its
//!   controller lets it.
//! * The controller looks once in an interval at ρ, duplicates for each message that was new. ρ below the
//!   bounds: it asks one random peer to open one random route again (`ResetRoute`). ρ at the upper bound or
//!   above: the next duplicate may be complained of. Nothing came: nothing changes.
//! * A lost peer's routes are forgotten, and the controller looks at once.
//!
//! A target of 1 is two copies. They are all there is for safety: a message that every neighbour withholds from
//! a node is lost to it. The controller cannot see that, for it counts what came, of all origins together.
//!
//! Sources: `spec/mempool/gossip/dog.md` and ADR-119 of CometBFT, and the mempool's reactor of v2.0.0-rc1, which
//! has the defaults. Spec and code differ in what `ResetRoute` opens: [`Reset`].

use std::time::Duration;

use crate::machine::{Context, LinkId, Machine, Message, NodeIndex, Payload, Priority, Size};

/// Bytes of a transaction's key, its SHA-256.
const TX_KEY_BYTES: u32 = 32;

/// Bytes of a peer's id.
const PEER_ID_BYTES: usize = 20;

/// What `ResetRoute` opens again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reset {
    /// One random route to the peer, as the code does.
    One,
    /// All routes to the peer and from it, as the spec says.
    All,
}

/// What the controller aims at.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DogConfig {
    /// Duplicates for each message that was new.
    pub target_redundancy: f64,
    /// How far from the target ρ may be, as a share of it.
    pub tolerance: f64,
    /// Time between two looks. No less than the longest round trip, or nodes cut more than they want.
    pub adjust_interval: Duration,
    /// What a peer that gets too little is given back.
    pub reset: Reset,
}

impl Default for DogConfig {
    fn default() -> Self {
        DogConfig {
            target_redundancy: 1.0,
            tolerance: 0.1,
            adjust_interval: Duration::from_secs(1),
            reset: Reset::One,
        }
    }
}

/// What DOG's nodes say to each other.
#[derive(Clone, Debug)]
pub enum DogMessage {
    /// A payload, whole.
    Tx(Payload),
    /// "I had this already when you sent it": the payload's id.
    HaveTx(u32),
    /// "I get too little."
    ResetRoute,
}

impl Message for DogMessage {
    fn size(&self) -> Size {
        match self {
            DogMessage::Tx(payload) => {
                // Two nested protobuf fields: `Message { Txs { bytes } }`.
                let field = 1 + varint_bytes(payload.bytes);
                let nested = 1 + varint_bytes(field + payload.bytes);
                Size {
                    payload: Some((payload.id, payload.bytes)),
                    control_bytes: nested + field,
                }
            }
            DogMessage::HaveTx(_) => Size::control(4 + TX_KEY_BYTES),
            DogMessage::ResetRoute => Size::control(2),
        }
    }

    fn priority(&self) -> Priority {
        match self {
            DogMessage::Tx(payload) => Priority::of_payload(payload.bytes),
            DogMessage::HaveTx(_) | DogMessage::ResetRoute => Priority::High,
        }
    }
}

fn varint_bytes(value: u32) -> u32 {
    (32 - value.leading_zeros()).max(1).div_ceil(7)
}

/// Where a message came from first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Own,
    Peer(LinkId),
}

#[derive(Debug)]
struct Peer {
    link: LinkId,
    /// Where nothing goes that came from this peer first.
    cut: Vec<LinkId>,
}

/// A node that runs DOG.
#[derive(Debug, Default)]
pub struct Dog {
    peers: Vec<Peer>,
    controller: Controller,
    /// By payload.
    sources: Vec<Option<Source>>,
    seen: usize,
    /// Entries of all lists of senders.
    senders: usize,
}

impl Dog {
    /// A node without links.
    pub fn new(config: DogConfig) -> Self {
        Dog {
            controller: Controller {
                config,
                ..Controller::default()
            },
            ..Dog::default()
        }
    }

    fn source(&self, id: u32) -> Option<Source> {
        self.sources.get(id as usize).copied().flatten()
    }

    fn remember(&mut self, id: u32, source: Source) {
        let index = id as usize;
        if self.sources.len() <= index {
            self.sources.resize(index + 1, None);
        }
        self.sources[index] = Some(source);
        self.seen += 1;
        self.controller.first_times += 1;
    }

    fn handle_tx(&mut self, context: &mut Context<'_, DogMessage>, link: LinkId, payload: Payload) {
        self.senders += 1;
        if self.source(payload.id).is_some() {
            return self.handle_duplicate(context, link, payload.id);
        }
        self.remember(payload.id, Source::Peer(link));
        context.deliver(payload.id);
        let source = self.peers.iter().find(|peer| peer.link == link);
        let cut = source.map_or(&[][..], |source| &source.cut);
        for peer in &self.peers {
            if peer.link != link && !cut.contains(&peer.link) {
                context.send(peer.link, DogMessage::Tx(payload));
            }
        }
    }

    fn handle_duplicate(&mut self, context: &mut Context<'_, DogMessage>, link: LinkId, id: u32) {
        self.controller.duplicates += 1;
        // A sender is left out if its turn has not come yet.
        context.cancel(
            link,
            |message| matches!(message, DogMessage::Tx(payload) if payload.id == id),
        );
        if self.controller.try_complain(context.now()) {
            context.send(link, DogMessage::HaveTx(id));
        }
    }

    fn handle_have_tx(&mut self, link: LinkId, id: u32) {
        let Some(Source::Peer(source)) = self.source(id) else {
            return;
        };
        let source = self.peers.iter_mut().find(|peer| peer.link == source);
        if let Some(source) = source
            && !source.cut.contains(&link)
        {
            source.cut.push(link);
        }
    }

    fn handle_reset_route(&mut self, context: &mut Context<'_, DogMessage>, link: LinkId) {
        if self.controller.config.reset == Reset::All {
            return self.open_all(link);
        }
        let is_cut = |peer: &&mut Peer| peer.cut.contains(&link);
        let mut sources: Vec<&mut Peer> = self.peers.iter_mut().filter(is_cut).collect();
        if !sources.is_empty() {
            let chosen = context.rng().usize(..sources.len());
            sources[chosen].cut.retain(|target| *target != link);
        }
    }

    /// Opens every route from and to a link.
    fn open_all(&mut self, link: LinkId) {
        for peer in &mut self.peers {
            if peer.link == link {
                peer.cut.clear();
            }
            peer.cut.retain(|target| *target != link);
        }
    }

    fn adjust(&mut self, context: &mut Context<'_, DogMessage>) {
        if self.controller.wants_more(context.now()) && !self.peers.is_empty() {
            let chosen = context.rng().usize(..self.peers.len());
            context.send(self.peers[chosen].link, DogMessage::ResetRoute);
        }
        context.wake_at(self.controller.tick_at);
    }
}

impl Machine for Dog {
    type Message = DogMessage;

    fn handle_link_up(
        &mut self,
        context: &mut Context<'_, DogMessage>,
        link: LinkId,
        _peer: NodeIndex,
        _outbound: bool,
        _rtt: Duration,
    ) {
        if self.peers.is_empty() {
            // Nodes did not start all at once.
            let phase = context.rng().f64();
            let interval = self.controller.config.adjust_interval;
            self.controller.tick_at = context.now() + interval.mul_f64(phase);
            context.wake_at(self.controller.tick_at);
        }
        self.peers.push(Peer {
            link,
            cut: Vec::new(),
        });
    }

    fn handle_link_down(&mut self, context: &mut Context<'_, DogMessage>, link: LinkId) {
        self.open_all(link);
        self.peers.retain(|peer| peer.link != link);
        self.adjust(context);
    }

    fn handle_message(
        &mut self,
        context: &mut Context<'_, DogMessage>,
        link: LinkId,
        message: DogMessage,
    ) {
        match message {
            DogMessage::Tx(payload) => self.handle_tx(context, link, payload),
            DogMessage::HaveTx(id) => self.handle_have_tx(link, id),
            DogMessage::ResetRoute => self.handle_reset_route(context, link),
        }
    }

    fn publish(&mut self, context: &mut Context<'_, DogMessage>, payload: Payload) {
        self.remember(payload.id, Source::Own);
        for peer in &self.peers {
            context.send(peer.link, DogMessage::Tx(payload));
        }
    }

    fn handle_timer(&mut self, context: &mut Context<'_, DogMessage>) {
        if context.now() >= self.controller.tick_at {
            self.adjust(context);
        } else {
            // A complaint has put the look off.
            context.wake_at(self.controller.tick_at);
        }
    }

    fn state_bytes(&self) -> usize {
        let routes: usize = self.peers.iter().map(|peer| peer.cut.len()).sum();
        self.seen * TX_KEY_BYTES as usize + (self.senders + 2 * routes) * PEER_ID_BYTES
    }
}

/// Keeps the copies that a node gets near the target.
#[derive(Debug, Default)]
struct Controller {
    config: DogConfig,
    first_times: u32,
    duplicates: u32,
    may_not_complain: bool,
    tick_at: Duration,
}

impl Controller {
    /// Whether a duplicate may be complained of now. If so, it is the only one until the next look.
    fn try_complain(&mut self, now: Duration) -> bool {
        if self.may_not_complain {
            return false;
        }
        self.may_not_complain = true;
        self.tick_at = now + self.config.adjust_interval;
        true
    }

    /// Looks at what came since the last look. Returns whether that was too little.
    fn wants_more(&mut self, now: Duration) -> bool {
        self.tick_at = now + self.config.adjust_interval;
        let (first_times, duplicates) = (self.first_times, self.duplicates);
        (self.first_times, self.duplicates) = (0, 0);
        if first_times + duplicates == 0 {
            return false;
        }
        let target = self.config.target_redundancy;
        let (lower, upper) = (
            target * (1.0 - self.config.tolerance),
            target * (1.0 + self.config.tolerance),
        );
        let redundancy = if first_times == 0 {
            upper
        } else {
            f64::from(duplicates) / f64::from(first_times)
        };
        if redundancy >= upper {
            self.may_not_complain = false;
        }
        redundancy < lower
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(first_times: u32, duplicates: u32) -> Controller {
        Controller {
            first_times,
            duplicates,
            may_not_complain: true,
            ..Controller::default()
        }
    }

    #[test]
    fn the_controller_acts_outside_its_bounds_and_not_without_traffic() {
        let verdict = |first_times, duplicates| {
            let mut controller = controller(first_times, duplicates);
            let wants_more = controller.wants_more(Duration::ZERO);
            (wants_more, !controller.may_not_complain)
        };
        assert_eq!(verdict(0, 0), (false, false));
        assert_eq!(verdict(10, 8), (true, false));
        assert_eq!(verdict(10, 9), (false, false), "the lower bound is inside");
        assert_eq!(verdict(10, 10), (false, false));
        assert_eq!(verdict(10, 11), (false, true), "the upper bound is outside");
        assert_eq!(verdict(0, 1), (false, true));
    }

    #[test]
    fn one_complaint_is_made_until_the_next_look() {
        let mut controller = Controller::default();
        assert!(controller.try_complain(Duration::from_millis(300)));
        assert!(!controller.try_complain(Duration::from_millis(301)));
        assert_eq!(controller.tick_at, Duration::from_millis(1300));
        (controller.first_times, controller.duplicates) = (1, 5);
        controller.wants_more(Duration::from_millis(1300));
        assert!(controller.try_complain(Duration::from_millis(1301)));
    }

    #[test]
    fn messages_are_as_long_as_protobuf_makes_them() {
        assert_eq!(
            [0, 127, 128, 16_383, 16_384].map(varint_bytes),
            [1, 1, 2, 2, 3]
        );
        let payload = Payload {
            id: 0,
            origin: NodeIndex(0),
            seq: 0,
            bytes: 4096,
        };
        assert_eq!(DogMessage::Tx(payload).size().bytes(), 4096 + 3 + 3);
        assert_eq!(DogMessage::HaveTx(0).size().bytes(), 36);
    }
}
