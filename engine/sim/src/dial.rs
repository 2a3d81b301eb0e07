//! Dials: from a wish to two ends of a new wire, or to the reason why not.
//!
//! ```text
//!   Output::Dial ──resolve──▶ no such name           ─▶ handle_dial_failed
//!                 ──round trip─▶ down, cut off, slow ─▶ handle_dial_failed
//!                            └─▶ a wire ─▶ handle_connected here, handle_accepted there
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use ringwire_codec::Host;
use ringwire_core::error::NetworkError;
use ringwire_core::peer::RemoteAddr;
use ringwire_core::switch::{DialId, LinkId};

use crate::node::PORT;
use crate::plan::{EndRef, Place, Step};
use crate::wire::{End, Wire};
use crate::world::World;

/// Time a resolver takes to say that it knows no such name.
const RESOLVE_DELAY: Duration = Duration::from_millis(1);

impl World {
    pub(super) fn begin_dial(
        &mut self,
        from: Place,
        dial: DialId,
        host: &Host,
        port: u16,
        timeout: Duration,
    ) {
        self.note(from, "dial", dial.0, 0);
        if let Some(shard) = self.shard(from) {
            shard.dials.insert(dial);
        }
        let target = match host {
            Host::Ip(ip) => self.geography.number_at(ip),
            // No two nodes of a world share a machine.
            Host::Unix(_) => None,
            Host::Name(name) => match self.geography.number_named(name) {
                Some(number) => Some(number),
                None => {
                    let (host, message) = (name.to_string(), String::from("no such name"));
                    let error = NetworkError::Resolve { host, message };
                    return self
                        .clock
                        .plan_after(RESOLVE_DELAY, Step::DialFails { from, dial, error });
                }
            },
        };
        let target = target.filter(|&number| number < self.node_count() && port == PORT);
        let Some(target) = target else {
            return self.clock.plan_after(RESOLVE_DELAY, refused(from, dial));
        };
        let round_trip = self.profile_between(from.node, target).latency * 2;
        if round_trip > timeout || self.is_cut_off(from.node, target) {
            let error = NetworkError::DialTimeout;
            return self
                .clock
                .plan_after(timeout, Step::DialFails { from, dial, error });
        }
        self.clock
            .plan_after(round_trip, Step::Connect { from, dial, target });
    }

    pub(super) fn fail_dial(&mut self, from: Place, dial: DialId, error: NetworkError) {
        if self
            .shard(from)
            .is_some_and(|shard| shard.dials.remove(&dial))
        {
            self.note(from, "dial failed", dial.0, 0);
            self.tell(from, |switch, now| {
                switch.handle_dial_failed(now, dial, error)
            });
        }
    }

    /// The dial has come through: both sides get their end of a new wire.
    pub(super) fn connect(&mut self, from: Place, dial: DialId, target: u32) {
        let is_up = self.nodes[target as usize]
            .shards
            .iter()
            .any(|shard| !shard.stopped);
        if !is_up {
            return self.take_step(refused(from, dial));
        }
        if self.is_cut_off(from.node, target) {
            return self.fail_dial(from, dial, NetworkError::DialTimeout);
        }
        if !self
            .shard(from)
            .is_some_and(|shard| shard.dials.remove(&dial))
        {
            return;
        }
        let accepting = self.nodes[target as usize].next_accepting();
        let at = self.place(target, accepting);
        let (dialed, accepted) = self.make_wire(from, at);
        let (out, remote) = self.link_of(dialed);
        self.note(from, "connected", out.0, dial.0);
        self.tell(from, |switch, now| {
            switch.handle_connected(now, dial, out, remote)
        });
        let (link, remote) = self.link_of(accepted);
        self.note(at, "accepted", link.0, 0);
        self.tell(at, |switch, now| switch.handle_accepted(now, link, remote));
    }

    fn make_wire(&mut self, from: Place, at: Place) -> (EndRef, EndRef) {
        let port = 32_768 + (self.wires.made() % 28_000) as u16;
        let client = SocketAddr::new(self.geography.ip_seen(from.node), port);
        let dialer = End::new(from, self.next_link(), self.socket_addr_of(at.node));
        let accepter = End::new(at, self.next_link(), client);
        let profile = self.profile_between(from.node, at.node);
        let faults = self
            .faults
            .of_link(self.clock.now(), from.node, at.node, &mut self.rng);
        let held_by = [&dialer, &accepter].map(|end| (end.place, end.link));
        let wire = self
            .wires
            .insert(Wire::new([dialer, accepter], profile, faults));
        let ends = [0, 1].map(|side| EndRef { wire, side });
        for ((place, link), at) in held_by.into_iter().zip(ends) {
            if let Some(shard) = self.shard(place) {
                shard.links.insert(link, at);
            }
        }
        (ends[0], ends[1])
    }

    fn link_of(&self, at: EndRef) -> (LinkId, RemoteAddr) {
        let wire = self.wires.get(at.wire).expect("it was made just now");
        let end = &wire.ends[at.side];
        (end.link, end.remote.into())
    }
}

fn refused(from: Place, dial: DialId) -> Step {
    let message = String::from("connection refused");
    Step::DialFails {
        from,
        dial,
        error: NetworkError::Io {
            operation: "connect",
            message,
        },
    }
}
