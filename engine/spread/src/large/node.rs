//! [`LargeNode`]: a node that gossips large payloads as Ringwire does.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_gossip::coded::{
    Account, Encoder, Limits, Manifest, ManifestId, Origin, OriginTag, shard_bytes_of,
};
use ringwire_gossip::exchange::{
    Control, Exchange, ExchangeLimits, Figures, Identity, Output, TICK,
};

use super::liar::{LargeLiar, LargeLie};
use super::message::LargeMessage;
use super::signature::{is_signed, sign};
use crate::machine::{Context, LinkId, Machine, NodeIndex, Payload};

/// Whole payloads and their repair shards that all nodes of a run keep for those who ask: of a thousand each keeps
/// two of 1 MiB.
const KEPT_BYTES_OF_ALL: usize = 4 << 30;

/// One node keeps no more than the engine does.
const KEPT_BYTES_MAX: usize = 512 << 20;

/// Shards leave one after the other: the next one is given to its link when what waits on all links takes no longer
/// than this to leave. Side by side they would all be late.
const AHEAD_OF_LINE: Duration = Duration::from_millis(2);

/// Payloads whose numbers are remembered, for the account of who was sent what.
const NUMBERS_MAX: usize = 64;

/// A node that gossips large payloads as Ringwire does.
#[derive(Debug)]
pub struct LargeNode {
    own: Account,
    exchange: Exchange<LinkId>,
    /// What the run calls payloads, the oldest first.
    numbers: Vec<(ManifestId, u32)>,
    ticks_at: Option<Duration>,
    up: Vec<LinkId>,
    /// What may be under way.
    under_way_max: usize,
    /// What it says in place of the truth, if it lies.
    liar: Option<LargeLiar>,
    /// Whether what breaks the rules is somebody's lie, and no fault of this code.
    is_among_liars: bool,
    /// Payloads that the run has not published and that came whole all the same, by origin and number.
    strange: BTreeSet<(Origin, u64)>,
    watch: Option<Rc<Cell<LargeWatch>>>,
}

/// What can be seen of a node while a run is played and after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LargeWatch {
    /// What its exchange has counted.
    pub figures: Figures,
    /// Bytes set aside for what is under way.
    pub under_way_bytes: usize,
    /// Payloads that it has delivered and that the run has not published: a liar's.
    pub strange: usize,
}

impl LargeNode {
    /// The node of this number among `nodes`, with a seed of its own.
    pub fn new(node: NodeIndex, seed: u64, nodes: u32) -> Self {
        LargeNode::with_limits(node, seed, nodes, Limits::default())
    }

    /// The same in a network in which some lie, with bounds of what it has under way.
    pub fn among_liars(node: NodeIndex, seed: u64, nodes: u32, decoder: Limits) -> Self {
        LargeNode {
            is_among_liars: true,
            ..LargeNode::with_limits(node, seed, nodes, decoder)
        }
    }

    /// The same as a liar. No payload is due to it.
    #[must_use]
    pub fn lying(self, lie: LargeLie) -> Self {
        LargeNode {
            liar: Some(LargeLiar::new(lie, self.own)),
            ..self
        }
    }

    /// The same, and what happens to it is shown.
    #[must_use]
    pub fn watched(self, watch: Rc<Cell<LargeWatch>>) -> Self {
        LargeNode {
            watch: Some(watch),
            ..self
        }
    }

    fn with_limits(node: NodeIndex, seed: u64, nodes: u32, decoder: Limits) -> Self {
        let limits = ExchangeLimits {
            decoder,
            kept_bytes_max: (KEPT_BYTES_OF_ALL / nodes as usize).min(KEPT_BYTES_MAX),
        };
        let identity = Identity {
            origin: account(node),
            start: seed as u16,
            tag: OriginTag(0),
            account_of: |origin| *origin,
        };
        LargeNode {
            own: account(node),
            exchange: Exchange::new(limits, identity),
            numbers: Vec::new(),
            ticks_at: None,
            up: Vec::new(),
            under_way_max: decoder.bytes_max,
            liar: None,
            is_among_liars: false,
            strange: BTreeSet::new(),
            watch: None,
        }
    }

    /// What the node's exchange has counted.
    pub fn figures(&self) -> Figures {
        self.exchange.figures()
    }

    /// Does what the protocol says.
    fn drain(&mut self, context: &mut Context<'_, LargeMessage>) {
        self.exchange.announce();
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Control { to, message } => {
                    let said = match &mut self.liar {
                        Some(liar) => liar.say(to, message),
                        None => vec![message],
                    };
                    for message in said {
                        context.send(to, LargeMessage::Control(message));
                    }
                }
                Output::Deliver {
                    manifest, payload, ..
                } => self.deliver(context, &manifest, &payload),
                Output::Check { .. } => unreachable!("nobody asks for verdicts"),
                Output::Blame { link, fault } => {
                    assert!(self.is_among_liars, "all nodes are honest: {fault}");
                    context.close(link);
                }
            }
        }
        let (under_way, _) = self.exchange.bytes();
        assert!(under_way <= self.under_way_max, "{under_way} under way");
        if let Some(watch) = &self.watch {
            watch.set(LargeWatch {
                figures: self.exchange.figures(),
                under_way_bytes: under_way,
                strange: self.strange.len(),
            });
        }
        self.send_waiting(context);
        if let Some(due) = self.exchange.next_due() {
            context.wake_at(due);
        }
        if self.ticks_at.is_none() && !self.exchange.is_idle() {
            let at = context.now() + TICK;
            self.ticks_at = Some(at);
            context.wake_at(at);
        }
    }

    /// A payload is whole. The run hears of those that it has published. What it has not is a liar's, and comes once for each
    /// number, whatever the liar says.
    fn deliver(
        &mut self,
        context: &mut Context<'_, LargeMessage>,
        manifest: &Manifest,
        payload: &Bytes,
    ) {
        if let Some(number) = payload_number(manifest) {
            let is_whole = || *payload == payload_bytes(number, payload.len());
            assert!(!self.is_among_liars || is_whole(), "other bytes: {number}");
            return context.deliver(number);
        }
        assert!(self.is_among_liars, "only the run publishes");
        let is_first = self.strange.insert((manifest.origin(), manifest.seq()));
        assert!(is_first, "two payloads of one number: {manifest:?}");
    }

    /// A liar that hears of a payload for the first time publishes something of its own beside it.
    fn lie_beside(&mut self, manifest: &Manifest) {
        let Some(liar) = &mut self.liar else {
            return;
        };
        for encoder in liar.publishes(manifest) {
            let signature = sign(encoder.manifest());
            self.exchange.publish(encoder, Some(signature));
        }
    }

    /// Gives shards to their links, as many as can leave soon.
    fn send_waiting(&mut self, context: &mut Context<'_, LargeMessage>) {
        loop {
            let backlog = context.backlog(&self.up);
            if backlog > AHEAD_OF_LINE {
                context.wake_at(context.now() + backlog - AHEAD_OF_LINE);
                return;
            }
            let Some((to, shard)) = self.exchange.poll_shard() else {
                return;
            };
            self.exchange.handle_left(to, 1);
            let number = self.number_of(shard.manifest());
            let sent = match &mut self.liar {
                Some(liar) => liar.send(context.now(), to, shard),
                None => Some(shard),
            };
            if let Some(shard) = sent {
                context.send(to, LargeMessage::Shard(shard, number));
            }
        }
    }

    /// Whether a message may be heard: an offer of which something may come is looked at once, as in the engine.
    fn is_proven(&self, message: &Control) -> bool {
        match message {
            Control::Offer(offer) => !self.exchange.is_new(offer) || is_signed(offer),
            _ => true,
        }
    }

    /// Notes what the run calls a payload; false if that is known, or the run has not published it.
    fn note_number(&mut self, manifest: &Manifest) -> bool {
        let Some(number) = payload_number(manifest) else {
            return false;
        };
        let id = manifest.id();
        if self.numbers.iter().any(|(known, _)| *known == id) {
            return false;
        }
        if self.numbers.len() == NUMBERS_MAX {
            self.numbers.remove(0);
        }
        self.numbers.push((id, number));
        true
    }

    fn number_of(&self, id: ManifestId) -> Option<u32> {
        let known = self.numbers.iter().find(|(known, _)| *known == id)?;
        Some(known.1)
    }
}

impl Machine for LargeNode {
    type Message = LargeMessage;

    fn handle_link_up(
        &mut self,
        context: &mut Context<'_, LargeMessage>,
        link: LinkId,
        peer: NodeIndex,
        _outbound: bool,
        _rtt: Duration,
    ) {
        self.up.push(link);
        self.exchange.advance(context.now());
        self.exchange.add_link(link, account(peer));
        self.drain(context);
    }

    fn handle_link_down(&mut self, context: &mut Context<'_, LargeMessage>, link: LinkId) {
        self.up.retain(|other| *other != link);
        self.exchange.advance(context.now());
        self.exchange.remove_link(link);
        self.drain(context);
    }

    fn handle_message(
        &mut self,
        context: &mut Context<'_, LargeMessage>,
        link: LinkId,
        message: LargeMessage,
    ) {
        self.exchange.advance(context.now());
        match message {
            LargeMessage::Control(message) => {
                if !self.is_proven(&message) {
                    assert!(self.is_among_liars, "all nodes are honest: {message:?}");
                    return context.close(link);
                }
                if let Control::Offer(offer) = &message
                    && self.note_number(&offer.manifest)
                {
                    self.lie_beside(&offer.manifest);
                }
                let message = match &self.liar {
                    Some(liar) => liar.hear(message),
                    None => message,
                };
                self.exchange.handle_control(link, message);
            }
            LargeMessage::Shard(shard, _) => {
                self.exchange.handle_shard(link, shard);
            }
        }
        self.drain(context);
    }

    fn publish(&mut self, context: &mut Context<'_, LargeMessage>, payload: Payload) {
        let bytes = payload_bytes(payload.id, payload.bytes as usize);
        let seq = u64::from(payload.id);
        self.exchange.advance(context.now());
        let shard_bytes = shard_bytes_of(bytes.len());
        let encoder = Encoder::new(self.own, seq, bytes, shard_bytes);
        let encoder = encoder.expect("the payload is large");
        self.note_number(encoder.manifest());
        let signature = sign(encoder.manifest());
        self.exchange.publish(encoder, Some(signature));
        self.drain(context);
    }

    fn handle_timer(&mut self, context: &mut Context<'_, LargeMessage>) {
        self.exchange.advance(context.now());
        self.exchange.handle_due();
        if self.ticks_at.take_if(|at| *at <= context.now()).is_some() {
            self.exchange.tick();
        }
        self.drain(context);
        if let Some(at) = self.ticks_at {
            context.wake_at(at);
        }
    }

    fn is_counted(&self) -> bool {
        self.liar.is_none()
    }

    /// Only what stands here: the exchange counts payloads, not what it keeps of links.
    fn state_bytes(&self) -> usize {
        self.numbers.capacity() * size_of::<(ManifestId, u32)>()
    }
}

/// Who is charged for what a node brings.
fn account(node: NodeIndex) -> Account {
    let mut account = [0; 32];
    account[..4].copy_from_slice(&node.0.to_le_bytes());
    account
}

/// What the run calls a payload, which its origin gives it as its number. What the run has not published, liars' payloads, has a
/// number of 2^40 or more.
fn payload_number(manifest: &Manifest) -> Option<u32> {
    u32::try_from(manifest.seq()).ok()
}

/// Bytes that differ from payload to payload and from shard to shard.
fn payload_bytes(number: u32, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    fastrand::Rng::with_seed(number.into()).fill(&mut bytes);
    bytes.into()
}
