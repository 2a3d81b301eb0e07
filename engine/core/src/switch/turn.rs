//! The inside of a turn: calling reactors, settling what they asked for, bringing messages and
//! timers to their part, and giving each link its turn.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::CloseReason;
use crate::peer::{PeerKey, ShardId};
use crate::reactor::{Answer, Ask, AskError, Host, Instance};
use crate::switch::core::{Core, Dialed, Stop};
use crate::switch::links::link::{Link, Stage};
use crate::switch::message::ShardMessage;
use crate::switch::node::coordinator::Coordinator;
use crate::switch::reactors::context::ReactorContext;
use crate::switch::reactors::reactor_set::ReactorSet;
use crate::switch::switch::{LINKS_PER_TURN, Switch};
use crate::switch::timers::Timer;
use crate::time::Instant;

/// Messages of a shard to itself, and outcomes of dials, handled at once: a reactor that answers each
/// by the next (notes to itself, dials again what was refused at once) holds up nobody.
const HANDLED_PER_SETTLING: usize = 1024;

/// Steps of handshakes taken in one turn. A step is tens of microseconds of curve arithmetic, as much
/// as dozens of messages, and a turn costs a small part of that: the next one comes at once while
/// steps are due, and it begins with what the sockets have.
const HANDSHAKE_STEPS_PER_TURN: usize = 1;

impl Switch {
    /// Calls one reactor with its host; a panic becomes the reason to close the peer at hand.
    pub(crate) fn call<R>(
        &mut self,
        index: usize,
        call: impl FnOnce(&mut dyn Instance, &mut dyn Host) -> R,
    ) -> Result<R, CloseReason> {
        let coordinator = self.coordinator.as_mut();
        let outcome = call_one(&mut self.reactors, &mut self.core, coordinator, index, call);
        outcome.expect("reactors are called from here alone, and by others only within such a call")
    }

    /// Puts a question of the application to a reactor.
    pub(crate) fn ask(&mut self, question: Ask) -> Result<Answer, AskError> {
        let coordinator = self.coordinator.as_mut();
        ask(&mut self.reactors, &mut self.core, coordinator, question)
    }

    /// Does what reactors asked for and what this shard told itself, until nothing is left or it has
    /// done [`HANDLED_PER_SETTLING`] of it; the rest has the next turn.
    pub(crate) fn settle(&mut self) {
        let mut handled = 0;
        loop {
            if let Some(Stop {
                peer,
                reason,
                graceful,
            }) = self.core.stops.pop_front()
            {
                if graceful {
                    let deadline = self.core.now + crate::switch::commands::GRACE;
                    self.close_gracefully(peer, reason, deadline);
                } else if self.core.links.peer(peer).is_some() {
                    self.close_peer(peer, reason);
                }
                continue;
            }
            if handled == HANDLED_PER_SETTLING {
                return;
            }
            handled += 1;
            if let Some(dialed) = self.core.dialed.pop_front() {
                self.tell_dialed(dialed);
                continue;
            }
            let Some(message) = self.core.inbox.pop_front() else {
                return;
            };
            self.dispatch(self.core.shard, message);
        }
    }

    /// Tells a reactor what became of a dial it asked for.
    fn tell_dialed(&mut self, dialed: Dialed) {
        let Dialed {
            reactor,
            address,
            outcome,
        } = dialed;
        // A panic here is counted; there is no peer at hand that it could cost.
        let _ = self.call(usize::from(reactor), |reactor, cx| {
            reactor.handle_dialed(cx, &address, outcome.as_ref().map(|_| ()));
        });
    }

    /// Brings a message from a shard to the part it is for.
    pub(crate) fn dispatch(&mut self, from: ShardId, message: ShardMessage) {
        let core = &mut self.core;
        match message {
            ShardMessage::Verdict { link, verdict } => core.handle_verdict(link, verdict),
            ShardMessage::Revoke { ticket, reject } => self.revoke(ticket, reject),
            ShardMessage::Probe { ticket, within } => self.probe(ticket, within),
            ShardMessage::Gate(update) => core.gate.handle_update(update),
            ShardMessage::Dial { attempt, address } => core.begin_dial(attempt, address),
            ShardMessage::CancelDial { attempt, id } => core.cancel_dial(attempt, id),
            ShardMessage::Draining { round } => self.handle_draining(round),
            ShardMessage::Broadcast { channel, message } => {
                core.broadcast_here(channel, &message);
            }
            ShardMessage::Note { reactor, note } => {
                // A panic here is counted; there is no peer at hand that it could cost.
                let _ = self.call(usize::from(reactor), |reactor, cx| {
                    reactor.handle_note(cx, from, note);
                });
            }
            message => match &mut self.coordinator {
                Some(coordinator) => coordinator.handle(core, from, message),
                None => debug_assert!(false, "{message:?} is for the coordinator"),
            },
        }
    }

    pub(crate) fn fire(&mut self, at: Instant, timer: Timer) {
        match timer {
            Timer::Link(key) => self.fire_link(at, key),
            Timer::Reactor(index, token) => {
                // A panic here is counted; there is no peer at hand that it could cost.
                let _ = self.call(usize::from(index), |reactor, cx| {
                    reactor.handle_timeout(cx, token);
                });
            }
            Timer::Dials => {
                if let Some(coordinator) = &mut self.coordinator {
                    coordinator.handle_timeout(&mut self.core);
                }
            }
            Timer::Shut(channel) => self.core.look_at_shut(channel),
            Timer::Trim => self.core.trim_pool(),
            Timer::Favour => self.handle_favour_timeout(),
            Timer::Shutdown => self.handle_shutdown_timeout(),
        }
    }

    fn fire_link(&mut self, at: Instant, key: PeerKey) {
        let Some(link) = self.core.links.get_mut(key) else {
            return;
        };
        link.timers.handle_fired(at);
        if link.next_at().is_some_and(|want| want <= self.core.now) {
            self.handle_link_timeout(key);
        } else {
            self.core.schedule(key);
        }
    }

    /// Gives links in their handshake their turn: as many as want little, up to and with those that
    /// take [`HANDSHAKE_STEPS_PER_TURN`] steps.
    ///
    /// A storm of connections so delays data by one step per turn, however many come. And data
    /// cannot hold handshakes up for ever, however much there is: each turn of the loop takes a
    /// step, and the queue is served in order.
    pub(crate) fn work_handshakes(&mut self) {
        let mut steps = 0;
        for _ in 0..self.core.handshaking.len().min(LINKS_PER_TURN) {
            let Some(key) = self.core.handshaking.pop_front() else {
                return;
            };
            let is_step = self.core.links.get(key).is_some_and(Link::is_step_due);
            self.work(key);
            self.settle();
            steps += usize::from(is_step);
            if steps == HANDSHAKE_STEPS_PER_TURN {
                return;
            }
        }
    }

    /// Gives a link its turn.
    pub(crate) fn work(&mut self, key: PeerKey) {
        let Some(link) = self.core.links.get_mut(key) else {
            return;
        };
        link.dirty = false;
        match link.stage {
            Stage::Connected { .. } => self.core.work_connected(key),
            Stage::Upgrading { .. } => self.core.work_upgrade(key),
            Stage::Established(_) => self.work_peer(key),
            Stage::Asking { .. } | Stage::Leaving { .. } if link.ended.is_some() => {
                let error = link.ended.clone().expect("just seen");
                let error = link.ended_early(error);
                self.core.refuse(key, CloseReason::Network(error));
            }
            Stage::Leaving { .. } => {
                if let Some((upgraded, pass)) = self.core.leave(key) {
                    self.establish(key, upgraded, pass);
                }
            }
            Stage::Parting { .. } => self.core.work_parting(key),
            Stage::Asking { .. } | Stage::Moving => {}
        }
    }
}

/// Calls a reactor, which is out of its place meanwhile: it can ask others, and nobody can call it.
/// `None` if it is being called already.
fn call_one<R>(
    reactors: &mut ReactorSet,
    core: &mut Core,
    coordinator: Option<&mut Coordinator>,
    index: usize,
    call: impl FnOnce(&mut dyn Instance, &mut dyn Host) -> R,
) -> Option<Result<R, CloseReason>> {
    let mut instance = reactors.take(index)?;
    let mut host = ReactorContext {
        core,
        coordinator,
        reactors,
        reactor: index,
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| call(&mut *instance, &mut host)));
    reactors.put_back(index, instance);
    Some(outcome.map_err(|panic| {
        let reason = reactors.blame(index, &*panic);
        tracing::error!(target: "ringwire::switch", %reason, "a reactor's panic was contained");
        core.metrics.reactor_panics += 1;
        reason
    }))
}

/// Puts a question to the reactor it is for.
pub(crate) fn ask(
    reactors: &mut ReactorSet,
    core: &mut Core,
    coordinator: Option<&mut Coordinator>,
    ask: Ask,
) -> Result<Answer, AskError> {
    let Some(index) = reactors.position(|instance| ask.is_for(instance)) else {
        // A reactor that is being called cannot be looked at: it may be the one.
        return Err(match reactors.is_calling() {
            true => AskError::Busy,
            false => AskError::NoSuchReactor,
        });
    };
    let put = |instance: &mut dyn Instance, host: &mut dyn Host| ask.put(instance, host);
    match call_one(reactors, core, coordinator, index, put) {
        Some(Ok(Some(answer))) => Ok(answer),
        Some(Ok(None)) => Err(AskError::NoSuchReactor),
        Some(Err(_)) => Err(AskError::Panicked),
        None => Err(AskError::Busy),
    }
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
