//! A connection of the world: two ends and the two lanes between them.
//!
//! ```text
//!   ends[0] dialer  ── lanes[0] ──▶  ends[1] accepter
//!                   ◀── lanes[1] ──
//! ```
//!
//! An end is what a socket is to a shell. It lives on one shard of one node and may move to
//! another shard of it; it is closed once, after the transmit in flight has left.

use std::net::SocketAddr;

use ringwire_core::switch::{LinkId, ReadMode};
use slab::Slab;

use crate::link::{Lane, LaneFaults};
use crate::plan::{Place, WireId};
use crate::profile::LinkProfile;

/// How far an end has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EndState {
    /// In use.
    Open,
    /// Between two shards of its node.
    Moving,
    /// Its switch is done with it; a transmit is still leaving.
    Closing,
    /// Gone.
    Closed,
}

/// A socket of the world.
#[derive(Debug)]
pub(super) struct End {
    /// Shard that holds it.
    pub(super) place: Place,
    /// That shard's name of it.
    pub(super) link: LinkId,
    /// Address of the other end.
    pub(super) remote: SocketAddr,
    pub(super) mode: ReadMode,
    pub(super) state: EndState,
    /// Whether a read is planned already.
    pub(super) read_planned: bool,
    /// Whether the switch was told that the stream is over.
    pub(super) told_closed: bool,
}

impl End {
    pub(super) fn new(place: Place, link: LinkId, remote: SocketAddr) -> Self {
        End {
            place,
            link,
            remote,
            mode: ReadMode::Pause,
            state: EndState::Open,
            read_planned: false,
            told_closed: false,
        }
    }

    /// Whether its switch wants bytes of it.
    pub(super) fn reads(&self) -> bool {
        self.state == EndState::Open && self.mode != ReadMode::Pause && !self.told_closed
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) ends: [End; 2],
    pub(super) lanes: [Lane; 2],
}

impl Wire {
    pub(super) fn new(ends: [End; 2], profile: LinkProfile, faults: [LaneFaults; 2]) -> Self {
        Wire {
            ends,
            lanes: faults.map(|faults| Lane::new(profile, faults)),
        }
    }

    /// The nodes it connects, the dialer first.
    pub(super) fn nodes(&self) -> (u32, u32) {
        (self.ends[0].place.node, self.ends[1].place.node)
    }

    /// Whether both ends are gone.
    pub(super) fn is_dead(&self) -> bool {
        self.ends.iter().all(|end| end.state == EndState::Closed)
    }
}

/// The connections of a world.
#[derive(Debug, Default)]
pub(super) struct Wires {
    slots: Slab<(WireId, Wire)>,
    made: u64,
}

impl Wires {
    pub(super) fn insert(&mut self, wire: Wire) -> WireId {
        self.made += 1;
        let slot = self.slots.vacant_entry();
        let id = WireId::new(slot.key(), self.made);
        slot.insert((id, wire));
        id
    }

    pub(super) fn get(&self, id: WireId) -> Option<&Wire> {
        let (of, wire) = self.slots.get(id.slot())?;
        (*of == id).then_some(wire)
    }

    pub(super) fn get_mut(&mut self, id: WireId) -> Option<&mut Wire> {
        let (of, wire) = self.slots.get_mut(id.slot())?;
        (*of == id).then_some(wire)
    }

    pub(super) fn remove(&mut self, id: WireId) {
        if self.get(id).is_some() {
            self.slots.remove(id.slot());
        }
    }

    /// All wires, in an order that follows from how they came and went.
    pub(super) fn iter(&self) -> impl Iterator<Item = (WireId, &Wire)> {
        self.slots.iter().map(|(_, (id, wire))| (*id, wire))
    }

    /// How many were made so far.
    pub(super) fn made(&self) -> u64 {
        self.made
    }
}
