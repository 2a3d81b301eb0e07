//! What is promised of every node at every step.
//!
//! * a peer id is connected at most once per node, and only a connected peer is removed;
//! * nobody is a peer of himself;
//! * a queue never holds more than its channel allows;
//! * a reactor is called by the grammar of [`ringwire_core::reactor`];
//! * a shard that reports that it stopped holds no link and no peer;
//! * a delivery is whole, from whom it says, once, in order (see [`crate::ledger`]).

use ringwire_codec::NodeId;
use ringwire_core::peer::PeerInfo;
use ringwire_core::switch::{Delivery, Event};

use crate::ledger::Stamp;
use crate::plan::Place;
use crate::world::World;

impl World {
    pub(super) fn check_event(&mut self, place: Place, event: &Event) {
        match event {
            Event::PeerAdded(peer) => self.check_added(place, peer),
            Event::PeerRemoved { peer, .. } => {
                let known = self
                    .shard(place)
                    .and_then(|shard| shard.peers.get(&peer.key).map(|(id, _)| *id));
                if known != Some(peer.id) {
                    self.fail(format!(
                        "{place:?} removed {} which it did not have",
                        peer.id
                    ));
                }
            }
            Event::Stopped => self.check_stopped(place),
            _ => {}
        }
    }

    fn check_added(&mut self, place: Place, peer: &PeerInfo) {
        let node = &self.nodes[place.node as usize];
        if peer.id == node.id {
            self.fail(format!("{place:?} became a peer of itself"));
        }
        if let Some(home) = node.home_of(peer.id) {
            self.fail(format!(
                "{place:?} added {} which lives on {home:?}",
                peer.id
            ));
        }
    }

    fn check_stopped(&mut self, place: Place) {
        let Some(shard) = self.shard(place) else {
            return;
        };
        let (peers, links) = (shard.peers.len(), shard.links.len());
        if peers + links > 0 {
            self.fail(format!(
                "{place:?} stopped with {peers} peers and {links} links"
            ));
        }
    }

    pub(super) fn check_gauges(&mut self, place: Place) {
        while let Some(gauge) = self
            .shard(place)
            .and_then(|shard| shard.switch.poll_gauge())
        {
            let capacities = &self.nodes[place.node as usize].capacities;
            let capacity = capacities
                .get(&gauge.channel)
                .copied()
                .unwrap_or(usize::MAX);
            if gauge.queued > capacity {
                self.fail(format!(
                    "{place:?}: {gauge:?} over the capacity of {capacity}"
                ));
            }
            if let Some(shard) = self.shard(place) {
                shard
                    .queued
                    .insert((gauge.peer, gauge.channel), gauge.queued);
            }
        }
    }

    pub(super) fn check_grammar(&mut self, place: Place) {
        let broken = self.nodes[place.node as usize]
            .grammar
            .borrow_mut()
            .take_broken();
        if let Some(broken) = broken {
            self.fail(format!("{place:?}: {broken}"));
        }
    }

    pub(super) fn check_delivery(&mut self, place: Place, delivery: &Delivery) -> Option<Stamp> {
        let peer: NodeId = delivery.peer;
        let Some(peer) = self.number_of(peer) else {
            self.fail(format!("{place:?} got a message of unknown {peer}"));
        };
        let judged =
            self.record
                .ledger_mut()
                .judge(place.node, peer, delivery.channel, &delivery.message);
        judged.unwrap_or_else(|broken| self.fail(broken))
    }
}
