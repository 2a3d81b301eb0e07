//! Faults that strike what exists: partitions, crashes, lost and stalled connections.

use std::time::Duration;

use ringwire_core::peer::ShardId;
use ringwire_core::time::Instant;

use crate::fault_table::FaultRule;
use crate::link::Ending;
use crate::plan::{EndRef, Step, WireId};
use crate::world::World;

impl World {
    /// Lets nodes of different groups no longer reach each other; nodes in no group reach
    /// everybody. No groups heal the network: what was written meanwhile arrives then.
    pub fn partition(&mut self, groups: &[Vec<u32>]) {
        self.geography.divide(groups);
        for (id, (a, b)) in self.wires_where(|_, _| true) {
            let held = self.is_cut_off(a, b);
            for side in 0..2 {
                if let Some(wire) = self.wires.get_mut(id) {
                    wire.lanes[side].hold(held);
                }
                self.pump(EndRef { wire: id, side });
            }
        }
    }

    /// Lets a node stand still for `span`, as a stopped process or a suspended machine does: nothing
    /// of it runs, its sockets stay, and what comes for it waits in them. Then it goes on, and finds
    /// its clock advanced and everything at once.
    pub fn freeze(&mut self, number: u32, span: Duration) {
        let until = self.now() + span;
        let frozen = self.frozen.entry(number).or_insert(until);
        *frozen = until.max(*frozen);
    }

    /// When the node of a step goes on, if it stands still now. What the kernel and the network do
    /// goes on without it.
    pub(super) fn thaw_of(&mut self, step: &Step) -> Option<Instant> {
        let nodes = match step {
            Step::Turn(place) | Step::Wake(place) => [Some(place.node), None],
            Step::Mesh { to, .. } | Step::Adopt { to, .. } => [Some(to.node), None],
            Step::Connect { from, target, .. } => [Some(from.node), Some(*target)],
            Step::DialFails { from, .. } => [Some(from.node), None],
            Step::Sent(end) | Step::Read(end) => {
                let wire = self.wires.get(end.wire)?;
                [Some(wire.ends[end.side].place.node), None]
            }
            Step::Land(_) | Step::Linger(_) | Step::Fault(_) | Step::Restart(_) => [None, None],
        };
        let now = self.now();
        self.frozen.retain(|_, until| *until > now);
        let thaws = nodes.into_iter().flatten();
        thaws
            .filter_map(|node| self.frozen.get(&node).copied())
            .max()
    }

    /// Takes a node down at once, without goodbye; it starts again after `down` with nothing but
    /// its key and configuration. Its peers notice a lost connection.
    pub fn crash(&mut self, number: u32, down: Duration) {
        if self.is_up(number) {
            self.take_down(number);
            self.clock.plan_after(down, Step::Restart(number));
        }
    }

    /// Takes a node down at once, without goodbye, until [`World::bring_up`]. Its peers notice a
    /// lost connection. Nothing happens when it is down already.
    pub fn take_down(&mut self, number: u32) {
        if !self.is_up(number) {
            return;
        }
        self.note(self.place(number, ShardId::COORDINATOR), "crash", 0, 0);
        let node = &mut self.nodes[number as usize];
        // What is planned for this life is dropped from now on.
        node.life += 1;
        node.shards.clear();
        for (id, (a, b)) in self.wires_where(|a, b| a == number || b == number) {
            for (side, node) in [(0, a), (1, b)] {
                if node == number {
                    self.end_side(EndRef { wire: id, side }, Ending::Reset);
                }
            }
        }
    }

    /// Starts a node that is down, with its key, its configuration and what it had kept. Nothing
    /// happens when it is up.
    ///
    /// # Panics
    /// When the configuration does not hold; it did in the node's first life.
    pub fn bring_up(&mut self, number: u32) {
        if !self.is_up(number) {
            self.start(number).unwrap_or_else(|error| self.fail(error));
        }
    }

    /// Loses every connection between two nodes.
    pub fn reset_between(&mut self, a: u32, b: u32) {
        for (id, _) in self.wires_where(|x, y| (x, y) == (a, b) || (x, y) == (b, a)) {
            self.end_both_lanes(id, Ending::Reset);
        }
    }

    pub(super) fn end_wires(&mut self, rule: &FaultRule, ending: Ending) {
        for (id, _) in self.wires_where(|a, b| rule.place.includes(a, b)) {
            self.end_both_lanes(id, ending);
        }
    }

    pub(super) fn stall_wires(&mut self, rule: &FaultRule, rest: Duration) {
        let now = self.now();
        for (id, _) in self.wires_where(|a, b| rule.place.includes(a, b)) {
            if let Some(wire) = self.wires.get_mut(id) {
                wire.lanes.iter_mut().for_each(|lane| lane.stall(now, rest));
            }
        }
    }

    /// Whether a partition lies between two nodes.
    pub(super) fn is_cut_off(&self, a: u32, b: u32) -> bool {
        self.geography.is_cut_off(a, b)
    }

    /// The wires between nodes that `is_meant` accepts, the dialer given first.
    fn wires_where(&self, is_meant: impl Fn(u32, u32) -> bool) -> Vec<(WireId, (u32, u32))> {
        let wires = self.wires.iter().map(|(id, wire)| (id, wire.nodes()));
        wires.filter(|(_, (a, b))| is_meant(*a, *b)).collect()
    }

    fn end_both_lanes(&mut self, id: WireId, ending: Ending) {
        let now = self.now();
        for side in 0..2 {
            let Some(wire) = self.wires.get_mut(id) else {
                return;
            };
            if let Some(landing) = wire.lanes[side].end(now, ending) {
                self.clock
                    .plan(landing, Step::Land(EndRef { wire: id, side }));
            }
            // What is written after the loss goes nowhere, and goes at once.
            self.pump(EndRef { wire: id, side });
        }
    }
}
