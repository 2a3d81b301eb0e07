//! [`Block`]: what a node knows of one block, and of its neighbours' parts of it.

use std::collections::VecDeque;
use std::time::Duration;

use super::message::data_parts;
use super::part_set::PartSet;
use crate::machine::Payload;

/// Bytes of a part.
pub(super) const PART_BYTES: u32 = 64 * 1024;

/// A block that is not there after so long is asked for again.
const RETRY: Duration = Duration::from_millis(2500);

/// A block of few parts is asked for twice, so that it does not depend on few peers: requests in all, at least.
const REQUESTS_MIN: u32 = 34;

/// A third of the peers may be faulty.
const FAULTY_SHARE: f64 = 0.33;

#[derive(Debug, Default)]
struct Peer {
    /// Parts that it offered, until they are asked for or turn out to be needless.
    offered: VecDeque<u32>,
    /// All that it ever offered.
    has: PartSet,
    asked: PartSet,
    /// Requests without an answer.
    outstanding: u32,
    /// Parts that were offered to it.
    told: PartSet,
    /// Parts that it asked for and that were not there.
    wants: PartSet,
    /// It asked for so many more.
    missing: u32,
}

/// A block. Peers stand in the order of the node's links.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) payload: Payload,
    held: PartSet,
    /// How many peers were asked for each part.
    requests: Vec<u32>,
    retry_at: Duration,
    peers: Vec<Peer>,
}

impl Block {
    /// A block of which a node with so many links has just heard, or, if `is_whole`, proposes itself.
    pub(super) fn new(payload: Payload, is_whole: bool, now: Duration, links: usize) -> Self {
        let parts = 2 * data_parts(&payload);
        let held = if is_whole { parts } else { 0 };
        Block {
            payload,
            held: PartSet::first(held),
            requests: vec![0; parts as usize],
            retry_at: now + RETRY,
            peers: (0..links).map(|_| Peer::default()).collect(),
        }
    }

    pub(super) fn add_peer(&mut self) {
        self.peers.push(Peer::default());
    }

    /// A peer is gone: what it was asked for, another may be.
    pub(super) fn remove_peer(&mut self, at: usize) {
        for part in self.peers.remove(at).asked.iter() {
            self.requests[part as usize] -= 1;
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.held.len() == self.part_count()
    }

    /// All parts that are there.
    pub(super) fn held(&self) -> &PartSet {
        &self.held
    }

    fn part_count(&self) -> u32 {
        self.requests.len() as u32
    }

    /// Parts that are still needed.
    pub(super) fn missing(&self) -> u32 {
        (self.part_count() / 2).saturating_sub(self.held.len())
    }

    /// A peer offers parts.
    pub(super) fn handle_have(&mut self, peer: usize, parts: &PartSet) {
        self.peers[peer].has.add(parts);
        if self.is_whole() {
            return;
        }
        for part in parts.without(&self.held).iter() {
            if self.requests[part as usize] < self.requests_max() {
                self.peers[peer].offered.push_back(part);
            }
        }
    }

    /// Of the parts that a peer offered, those to ask it for now.
    pub(super) fn ask(&mut self, peer: usize) -> PartSet {
        let max = self.requests_max();
        let outstanding_max = self.outstanding_max();
        let asked = &mut self.peers[peer];
        let mut parts = PartSet::default();
        if self.held.len() >= self.requests.len() as u32 / 2 {
            return parts;
        }
        while asked.outstanding < outstanding_max
            && let Some(part) = asked.offered.pop_front()
        {
            let requests = &mut self.requests[part as usize];
            if !self.held.contains(part) && *requests < max {
                *requests += 1;
                asked.outstanding += 1;
                asked.asked.insert(part);
                parts.insert(part);
            }
        }
        parts
    }

    /// Of these parts, those that the peer was not offered before.
    pub(super) fn offer(&mut self, peer: usize, parts: &PartSet) -> PartSet {
        let told = &mut self.peers[peer].told;
        let new = parts.without(told);
        told.add(&new);
        new
    }

    /// A peer asks. Returns the parts to send it; those that are not there will be sent when they are.
    pub(super) fn handle_want(&mut self, peer: usize, parts: &PartSet, missing: u32) -> PartSet {
        let held = &self.held;
        let peer = &mut self.peers[peer];
        peer.missing = missing;
        let mut sent = PartSet::default();
        for part in parts.iter().filter(|part| held.contains(*part)) {
            if peer.missing == 0 {
                break;
            }
            peer.missing -= 1;
            sent.insert(part);
        }
        peer.wants.add(&parts.without(held));
        sent
    }

    /// A part is there. Whether it is new.
    pub(super) fn handle_part(&mut self, peer: usize, part: u32) -> bool {
        let is_new = !self.held.contains(part);
        if is_new {
            let peer = &mut self.peers[peer];
            peer.outstanding = peer.outstanding.saturating_sub(1);
            self.held.insert(part);
        }
        is_new
    }

    /// Decodes the block: all parts are there, and nothing is to be asked for.
    pub(super) fn complete(&mut self) {
        self.held = PartSet::first(self.part_count());
        for peer in &mut self.peers {
            peer.offered = VecDeque::new();
            peer.asked = PartSet::default();
        }
    }

    /// Of these parts, those that a peer waits for.
    pub(super) fn fill(&mut self, peer: usize, parts: &PartSet) -> PartSet {
        let peer = &mut self.peers[peer];
        let mut sent = PartSet::default();
        if peer.wants.is_empty() {
            return sent;
        }
        for part in parts.iter() {
            if peer.missing > 0 && peer.wants.remove(part) {
                peer.missing -= 1;
                sent.insert(part);
            }
        }
        sent
    }

    /// When the block has to be asked for again. `None` when it is there.
    pub(super) fn retry_at(&self) -> Option<Duration> {
        (!self.is_whole()).then_some(self.retry_at)
    }

    /// Asks again: which data parts of whom, in the order of `peers`.
    pub(super) fn retry(&mut self, now: Duration, peers: &[usize]) -> Vec<(usize, PartSet)> {
        self.retry_at = now + RETRY;
        let max = self.requests_max();
        let whole = self.part_count();
        let ahead = |at: &usize| self.peers[*at].has.len() == whole;
        let mut asked: Vec<usize> = peers.iter().copied().filter(ahead).collect();
        if asked.is_empty() {
            asked = peers.to_vec();
        }
        let mut missing = PartSet::first(whole / 2).without(&self.held);
        let mut wants = Vec::new();
        for at in asked {
            let parts = missing.without(&self.peers[at].asked);
            for part in parts.iter() {
                self.requests[part as usize] += 1;
                if self.requests[part as usize] >= max {
                    missing.remove(part);
                }
            }
            if !parts.is_empty() {
                self.peers[at].asked.add(&parts);
                wants.push((at, parts));
            }
        }
        wants
    }

    /// How many peers are asked for one part.
    fn requests_max(&self) -> u32 {
        REQUESTS_MIN.div_ceil(self.part_count()).max(1)
    }

    /// For how many parts a peer is asked at one time.
    fn outstanding_max(&self) -> u32 {
        let faulty = (self.peers.len() as f64 * FAULTY_SHARE).ceil() as u32;
        (self.part_count() / 2).div_ceil(faulty.max(1))
    }

    /// What it takes to remember this.
    pub(super) fn state_bytes(&self) -> usize {
        let sets = 8 * self.requests.len().div_ceil(64);
        let offered: usize = self.peers.iter().map(|peer| peer.offered.len()).sum();
        // A hash and a count for each part, five sets and two counts for each peer.
        self.requests.len() * 36 + self.peers.len() * (5 * sets + 8) + 4 * offered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::NodeIndex;

    fn block(parts: u32, links: usize) -> Block {
        let payload = Payload {
            id: 0,
            origin: NodeIndex(0),
            seq: 0,
            bytes: parts * PART_BYTES,
        };
        Block::new(payload, false, Duration::ZERO, links)
    }

    #[test]
    fn a_block_of_17_parts_is_asked_for_once_and_one_of_16_twice() {
        for (parts, requests) in [(17, 1), (16, 2)] {
            let mut block = block(parts, 3);
            for peer in 0..3 {
                block.handle_have(peer, &PartSet::first(1));
            }
            let asked = (0..3).filter(|peer| !block.ask(*peer).is_empty());
            assert_eq!(asked.count(), requests);
        }
    }

    #[test]
    fn a_peer_is_asked_for_its_share_and_for_more_when_that_is_there() {
        // 34 parts, of which 34 ÷ ⌈0.33 × 9⌉ rounded up.
        let mut block = block(34, 9);
        block.handle_have(0, &PartSet::first(68));
        assert_eq!(block.ask(0).len(), 12);
        assert!(block.ask(0).is_empty());
        assert!(block.handle_part(0, 0) && !block.handle_part(0, 0));
        assert_eq!(block.ask(0).len(), 1);
    }

    #[test]
    fn a_want_is_answered_at_once_or_later_and_never_beyond_what_is_missing() {
        let mut block = block(34, 2);
        block.handle_part(0, 1);
        block.handle_part(0, 2);
        assert_eq!(block.handle_want(1, &PartSet::first(6), 3).len(), 2);
        block.handle_part(0, 3);
        block.handle_part(0, 4);
        let new = PartSet::first(5).without(&PartSet::first(3));
        let sent = block.fill(1, &new);
        assert_eq!(sent.iter().collect::<Vec<_>>(), [3], "three in all");
    }

    #[test]
    fn after_two_and_a_half_seconds_data_parts_are_asked_of_those_who_have_the_block() {
        let mut block = block(34, 3);
        assert_eq!(block.retry_at(), Some(RETRY));
        block.handle_part(0, 0);
        block.handle_have(2, &PartSet::first(68));
        let wants = block.retry(RETRY, &[1, 0, 2]);
        assert_eq!(wants.len(), 1);
        assert_eq!((wants[0].0, wants[0].1.len()), (2, 33));
        block.complete();
        assert_eq!(block.retry_at(), None);
    }
}
