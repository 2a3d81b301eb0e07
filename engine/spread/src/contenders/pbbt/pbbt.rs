//! [`Pbbt`]: a node.

use std::collections::VecDeque;
use std::time::Duration;

use super::block::Block;
use super::message::{PbbtMessage, data_parts};
use super::part_set::PartSet;
use crate::contenders::links::Links;
use crate::contenders::seen::Seen;
use crate::machine::{Context, LinkId, Machine, NodeIndex, Payload};

/// Blocks that are kept; older ones have been decided, and others of Celestia's reactors bring them.
const BLOCKS_KEPT: usize = 20;

type Here<'a> = Context<'a, PbbtMessage>;

/// A node with Celestia's propagation reactor.
#[derive(Debug, Default)]
pub struct Pbbt {
    links: Links<()>,
    /// The newest last.
    blocks: VecDeque<Block>,
    seen: Seen,
}

impl Pbbt {
    fn block(&mut self, id: u32) -> Option<&mut Block> {
        let mut newest_first = self.blocks.iter_mut().rev();
        newest_first.find(|block| block.payload.id == id)
    }

    /// Keeps a block and passes the word of it on.
    fn start(&mut self, context: &mut Here<'_>, payload: Payload, from: Option<LinkId>) {
        self.seen.insert(payload.id);
        let is_whole = from.is_none();
        let block = Block::new(payload, is_whole, context.now(), self.links.len());
        if let Some(at) = block.retry_at() {
            context.wake_at(at);
        }
        self.blocks.push_back(block);
        if self.blocks.len() > BLOCKS_KEPT {
            self.blocks.pop_front();
        }
        for link in self.links.ids() {
            if Some(*link) != from {
                context.send(*link, PbbtMessage::CompactBlock(payload));
            }
        }
    }

    /// Asks a peer for what it offered, and offers that to the others.
    fn ask(&mut self, context: &mut Here<'_>, link: LinkId, id: u32) {
        let Some(peer) = self.links.index(link) else {
            return;
        };
        let Some(block) = self.block(id) else {
            return;
        };
        let parts = block.ask(peer);
        if parts.is_empty() {
            return;
        }
        let want = PbbtMessage::WantParts {
            block: id,
            parts: parts.clone(),
            missing: block.missing(),
            prove: false,
        };
        context.send(link, want);
        self.offer(context, id, &parts, Some(link));
    }

    fn offer(&mut self, context: &mut Here<'_>, id: u32, parts: &PartSet, but: Option<LinkId>) {
        for (peer, link) in self.links.ids().to_vec().into_iter().enumerate() {
            if Some(link) != but {
                self.offer_to(context, id, parts, (peer, link));
            }
        }
    }

    fn offer_to(
        &mut self,
        context: &mut Here<'_>,
        id: u32,
        parts: &PartSet,
        (peer, link): (usize, LinkId),
    ) {
        let Some(block) = self.block(id) else {
            return;
        };
        let parts = block.offer(peer, parts);
        if !parts.is_empty() {
            context.send(link, PbbtMessage::HaveParts { block: id, parts });
        }
    }

    fn handle_part(&mut self, context: &mut Here<'_>, link: LinkId, id: u32, part: u32) {
        let Some(peer) = self.links.index(link) else {
            return;
        };
        let Some(block) = self.block(id) else {
            return;
        };
        if !block.handle_part(peer, part) {
            return;
        }
        let mut new = PartSet::default();
        new.insert(part);
        if block.missing() == 0 {
            block.complete();
            new = block.held().clone();
            context.deliver(id);
            self.offer(context, id, &new, Some(link));
        }
        self.fill(context, id, &new);
        self.ask(context, link, id);
    }

    /// Sends parts to those who wait for them.
    fn fill(&mut self, context: &mut Here<'_>, id: u32, parts: &PartSet) {
        for (peer, link) in self.links.ids().to_vec().into_iter().enumerate() {
            let Some(block) = self.block(id) else {
                return;
            };
            let (payload, parts) = (block.payload, block.fill(peer, parts));
            send_parts(context, link, payload, &parts, true);
        }
    }

    /// The parts that the proposer offers to its `peer`th of `peers` peers.
    fn share(payload: &Payload, peer: usize, peers: usize) -> PartSet {
        let k = data_parts(payload);
        let chunk = k.div_ceil(peers as u32);
        let chunks = k.div_ceil(chunk);
        let first = k + (peer as u32 % chunks) * chunk;
        let mut parts = PartSet::default();
        parts.insert(0);
        parts.insert(k - 1);
        for part in first..(first + chunk).min(2 * k) {
            parts.insert(part);
        }
        parts
    }

    fn retry(&mut self, context: &mut Here<'_>) {
        let now = context.now();
        let mut order: Vec<usize> = (0..self.links.len()).collect();
        context.rng().shuffle(&mut order);
        for block in &mut self.blocks {
            if block.retry_at().is_none_or(|at| at > now) {
                continue;
            }
            let missing = block.missing();
            for (peer, parts) in block.retry(now, &order) {
                let want = PbbtMessage::WantParts {
                    block: block.payload.id,
                    parts,
                    missing,
                    prove: true,
                };
                context.send(self.links.ids()[peer], want);
            }
        }
    }
}

fn send_parts(
    context: &mut Here<'_>,
    link: LinkId,
    block: Payload,
    parts: &PartSet,
    has_proof: bool,
) {
    for part in parts.iter() {
        let message = PbbtMessage::RecoveryPart {
            block,
            part,
            has_proof,
        };
        context.send(link, message);
    }
}

impl Machine for Pbbt {
    type Message = PbbtMessage;

    fn handle_link_up(
        &mut self,
        context: &mut Here<'_>,
        link: LinkId,
        _peer: NodeIndex,
        _outbound: bool,
        _rtt: Duration,
    ) {
        self.links.push(link, ());
        for block in &mut self.blocks {
            block.add_peer();
        }
        if let Some(newest) = self.blocks.back() {
            context.send(link, PbbtMessage::CompactBlock(newest.payload));
        }
    }

    fn handle_link_down(&mut self, _context: &mut Here<'_>, link: LinkId) {
        if let Some((at, ())) = self.links.remove(link) {
            for block in &mut self.blocks {
                block.remove_peer(at);
            }
        }
    }

    fn handle_message(&mut self, context: &mut Here<'_>, link: LinkId, message: PbbtMessage) {
        let Some(peer) = self.links.index(link) else {
            return;
        };
        match message {
            PbbtMessage::CompactBlock(payload) => {
                if !self.seen.contains(payload.id) {
                    self.start(context, payload, Some(link));
                }
            }
            PbbtMessage::HaveParts { block: id, parts } => {
                if let Some(block) = self.block(id) {
                    block.handle_have(peer, &parts);
                    self.ask(context, link, id);
                }
            }
            PbbtMessage::WantParts {
                block: id,
                parts,
                missing,
                prove,
            } => {
                if let Some(block) = self.block(id) {
                    let (payload, parts) =
                        (block.payload, block.handle_want(peer, &parts, missing));
                    send_parts(context, link, payload, &parts, prove);
                }
            }
            PbbtMessage::RecoveryPart { block, part, .. } => {
                self.handle_part(context, link, block.id, part);
            }
        }
    }

    fn publish(&mut self, context: &mut Here<'_>, payload: Payload) {
        self.start(context, payload, None);
        let links = self.links.ids().to_vec();
        for (peer, link) in links.iter().enumerate() {
            let parts = Self::share(&payload, peer, links.len());
            self.offer_to(context, payload.id, &parts, (peer, *link));
        }
    }

    fn handle_timer(&mut self, context: &mut Here<'_>) {
        self.retry(context);
        if let Some(at) = self.blocks.iter().filter_map(Block::retry_at).min() {
            context.wake_at(at);
        }
    }

    fn state_bytes(&self) -> usize {
        self.blocks.iter().map(Block::state_bytes).sum::<usize>() + self.seen.len() * 32
    }
}
