//! The steps of a world and how each is taken: wake-ups, turns, bytes, moves, faults.

use std::time::Duration;

use ringwire_core::switch::{Parcel, Switch};
use ringwire_core::time::Instant;

use crate::fault_table::{Fault, FaultRule};
use crate::link::Ending;
use crate::node::Shard;
use crate::plan::{EndRef, Place, Step};
use crate::wire::EndState;
use crate::world::{TURN_DELAY_MAX, World};

impl World {
    pub(super) fn take_step(&mut self, step: Step) {
        if let Some(thaw) = self.thaw_of(&step) {
            return self.clock.plan(thaw, step);
        }
        match step {
            Step::Turn(place) => self.take_turn(place),
            Step::Wake(place) => self.wake(place),
            Step::Mesh { to, from, message } => {
                self.tell(to, |switch, now| switch.handle_mesh(now, from, message));
            }
            Step::Adopt { to, end, parcel } => self.adopt(to, end, parcel),
            Step::Connect { from, dial, target } => self.connect(from, dial, target),
            Step::DialFails { from, dial, error } => self.fail_dial(from, dial, error),
            Step::Land(end) => self.land(end),
            Step::Sent(end) => self.finish_transmit(end),
            Step::Read(end) => self.read(end),
            Step::Linger(end) => self.close_now(end),
            Step::Fault(rule) => self.strike(&rule),
            Step::Restart(node) => self.bring_up(node),
        }
    }

    /// The shard at `place`, if that life still lasts.
    pub(super) fn shard(&mut self, place: Place) -> Option<&mut Shard> {
        let node = &mut self.nodes[place.node as usize];
        if node.life != place.life {
            return None;
        }
        node.shards.get_mut(usize::from(place.shard.0))
    }

    /// Tells a switch something and gives it a turn soon.
    pub(super) fn tell(&mut self, place: Place, what: impl FnOnce(&mut Switch, Instant)) {
        let now = self.now();
        let Some(shard) = self.shard(place) else {
            return;
        };
        what(&mut shard.switch, now);
        self.touch(place);
    }

    /// Plans a turn of a shard unless one is planned.
    pub(super) fn touch(&mut self, place: Place) {
        let Some(shard) = self.shard(place) else {
            return;
        };
        if std::mem::replace(&mut shard.turn_planned, true) {
            return;
        }
        // Never zero: a shard that always has work must not stop time.
        let delay = Duration::from_nanos(1) + self.rng.duration_below(TURN_DELAY_MAX);
        self.clock.plan_after(delay, Step::Turn(place));
    }

    fn take_turn(&mut self, place: Place) {
        let now = self.now();
        let Some(shard) = self.shard(place) else {
            return;
        };
        shard.turn_planned = false;
        shard.switch.run(now);
        while let Some(output) = self
            .shard(place)
            .and_then(|shard| shard.switch.poll_output())
        {
            self.carry_out(place, output);
        }
        self.take_deliveries(place);
        self.check_gauges(place);
        self.check_grammar(place);
        if self
            .shard(place)
            .is_some_and(|shard| shard.switch.has_work())
        {
            self.touch(place);
        }
        self.plan_wake(place);
    }

    fn plan_wake(&mut self, place: Place) {
        let Some(shard) = self.shard(place) else {
            return;
        };
        let Some(at) = shard.switch.poll_timeout() else {
            return;
        };
        if shard.wake_at.is_some_and(|planned| planned <= at) {
            return;
        }
        shard.wake_at = Some(at);
        self.clock.plan(at, Step::Wake(place));
    }

    fn wake(&mut self, place: Place) {
        let now = self.now();
        let Some(shard) = self.shard(place) else {
            return;
        };
        if shard.wake_at.is_some_and(|planned| planned > now) {
            return;
        }
        shard.wake_at = None;
        if shard.switch.poll_timeout().is_some_and(|at| at <= now) {
            self.note(place, "timeout", 0, 0);
            self.tell(place, |switch, now| switch.handle_timeout(now));
        } else {
            self.plan_wake(place);
        }
    }

    fn adopt(&mut self, to: Place, at: EndRef, parcel: Box<Parcel>) {
        if self.shard(to).is_none() {
            return;
        }
        let link = self.next_link();
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        let end = &mut wire.ends[at.side];
        debug_assert_eq!(end.state, EndState::Moving);
        (end.place, end.link, end.state) = (to, link, EndState::Open);
        let remote = end.remote.into();
        if let Some(shard) = self.shard(to) {
            shard.links.insert(link, at);
        }
        self.note(to, "adopted", link.0, 0);
        self.tell(to, |switch, now| {
            switch.handle_adopted(now, link, remote, parcel)
        });
    }

    fn strike(&mut self, rule: &FaultRule) {
        match &rule.fault {
            Fault::Partition(groups) => self.partition(groups),
            Fault::Crash { node, down } => self.crash(*node, *down),
            Fault::Reset | Fault::Eof => {
                let ending = if rule.fault == Fault::Reset {
                    Ending::Reset
                } else {
                    Ending::Eof
                };
                self.end_wires(rule, ending);
            }
            Fault::Stall(rest) => self.stall_wires(rule, *rest),
            Fault::Corrupt(_) | Fault::SlowReader(_) => {
                self.fail("corruption and slow readers strike new links, not at a time");
            }
        }
    }
}
