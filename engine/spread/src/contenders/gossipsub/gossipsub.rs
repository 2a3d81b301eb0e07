//! [`Gossipsub`]: a node.

use std::rc::Rc;
use std::time::Duration;

use super::cache::Cache;
use super::config::GossipsubConfig;
use super::message::{GossipsubMessage, ID_BYTES};
use super::peers::Peers;
use super::wanted::Wanted;
use crate::contenders::seen::Seen;
use crate::machine::{Context, LinkId, Machine, NodeIndex, Payload};

const HEARTBEAT: Duration = Duration::from_millis(700);

/// From this length on a node says that it has a message already.
const IDONTWANT_BYTES_MIN: u32 = 1024;

type Here<'a> = Context<'a, GossipsubMessage>;

/// A node that speaks gossipsub.
#[derive(Debug)]
pub struct Gossipsub {
    config: GossipsubConfig,
    peers: Peers,
    cache: Cache,
    wanted: Wanted,
    seen: Seen,
    /// The next heartbeat, from the first link on.
    beat_at: Option<Duration>,
}

impl Gossipsub {
    /// A node without links.
    pub fn new(config: GossipsubConfig) -> Self {
        Gossipsub {
            config,
            peers: Peers::new(config),
            cache: Cache::default(),
            wanted: Wanted::default(),
            seen: Seen::default(),
            beat_at: None,
        }
    }

    fn handle_publish(&mut self, context: &mut Here<'_>, link: LinkId, payload: Payload) {
        if !self.seen.insert(payload.id) {
            return;
        }
        context.deliver(payload.id);
        self.wanted.forget(payload.id);
        self.cache.put(payload);
        if payload.bytes >= IDONTWANT_BYTES_MIN {
            for other in self.peers.mesh_without(Some(link)) {
                context.send(other, GossipsubMessage::IDontWant(payload.id));
            }
        }
        for other in self.peers.mesh_without(Some(link)) {
            if self.peers.is_unwanted(other, payload.id) {
                continue;
            }
            let coin = context.rng().usize(0..self.config.mesh);
            let message = if coin < self.config.announced {
                GossipsubMessage::IAnnounce(payload.id)
            } else {
                GossipsubMessage::Publish(payload)
            };
            context.send(other, message);
        }
    }

    fn handle_announced(&mut self, context: &mut Here<'_>, link: LinkId, id: u32) {
        if self.seen.contains(id) {
            return;
        }
        if let Some(deadline) = self.wanted.handle_announced(context.now(), id, link) {
            context.send(link, GossipsubMessage::INeed(id));
            context.wake_at(deadline);
        }
    }

    fn handle_unwanted(&mut self, context: &mut Here<'_>, link: LinkId, id: u32) {
        let is_copy = |message: &GossipsubMessage| matches!(message, GossipsubMessage::Publish(payload) if payload.id == id);
        context.cancel(link, is_copy);
        if !self.seen.contains(id) {
            self.peers.set_unwanted(link, id);
        }
    }

    fn send_cached(&self, context: &mut Here<'_>, link: LinkId, ids: &[u32]) {
        for payload in ids.iter().filter_map(|id| self.cache.get(*id)) {
            context.send(link, GossipsubMessage::Publish(payload));
        }
    }

    fn beat(&mut self, context: &mut Here<'_>) {
        let changes = self.peers.balance(context.now(), context.rng());
        for link in changes.grafted {
            context.send(link, GossipsubMessage::Graft);
        }
        for link in changes.pruned {
            context.send(link, GossipsubMessage::Prune);
        }
        if let Some(told) = self.cache.told() {
            for link in self.peers.lazy(context.rng()) {
                context.send(link, GossipsubMessage::IHave(Rc::clone(&told)));
            }
        }
        self.cache.shift();
        self.peers.forget_unwanted();
        self.beat_at = Some(context.now() + HEARTBEAT);
    }
}

impl Machine for Gossipsub {
    type Message = GossipsubMessage;

    fn handle_link_up(
        &mut self,
        context: &mut Here<'_>,
        link: LinkId,
        _peer: NodeIndex,
        outbound: bool,
        _rtt: Duration,
    ) {
        self.peers.add(link, outbound);
        if self.beat_at.is_none() {
            let at = context.now() + HEARTBEAT.mul_f64(context.rng().f64());
            self.beat_at = Some(at);
            context.wake_at(at);
        }
    }

    fn handle_link_down(&mut self, _context: &mut Here<'_>, link: LinkId) {
        self.peers.remove(link);
    }

    fn handle_message(&mut self, context: &mut Here<'_>, link: LinkId, message: GossipsubMessage) {
        match message {
            GossipsubMessage::Publish(payload) => self.handle_publish(context, link, payload),
            GossipsubMessage::IHave(ids) => {
                let ids = ids.iter().copied();
                let missing: Rc<[u32]> = ids.filter(|id| !self.seen.contains(*id)).collect();
                if !missing.is_empty() {
                    context.send(link, GossipsubMessage::IWant(missing));
                }
            }
            GossipsubMessage::IWant(ids) => self.send_cached(context, link, &ids),
            GossipsubMessage::IDontWant(id) => self.handle_unwanted(context, link, id),
            GossipsubMessage::IAnnounce(id) => self.handle_announced(context, link, id),
            GossipsubMessage::INeed(id) => self.send_cached(context, link, &[id]),
            GossipsubMessage::Graft => {
                if !self.peers.handle_graft(context.now(), link) {
                    context.send(link, GossipsubMessage::Prune);
                }
            }
            GossipsubMessage::Prune => self.peers.handle_prune(context.now(), link),
        }
    }

    fn publish(&mut self, context: &mut Here<'_>, payload: Payload) {
        self.seen.insert(payload.id);
        self.cache.put(payload);
        for link in self.peers.mesh_without(None) {
            context.send(link, GossipsubMessage::Publish(payload));
        }
    }

    fn handle_timer(&mut self, context: &mut Here<'_>) {
        for (link, id) in self.wanted.expire(context.now()) {
            context.send(link, GossipsubMessage::INeed(id));
        }
        if self.beat_at.is_some_and(|at| at <= context.now()) {
            self.beat(context);
        }
        let next = self.beat_at.into_iter().chain(self.wanted.deadline());
        if let Some(at) = next.min() {
            context.wake_at(at);
        }
    }

    fn state_bytes(&self) -> usize {
        // An id for each message ever seen; another with its place in the cache; a link with its backoff.
        let id = ID_BYTES as usize;
        self.seen.len() * id + self.cache.len() * (id + 8) + self.peers.len() * 24
    }
}
