//! The order of a turn.
//!
//! ```text
//!   run ─▶ settle ─▶ links past their handshake, each: ─▶ a few handshakes ─▶ who is read ─▶ buffers
//!                      read ─ settle ─ write ─ hand out room ─ settle ─ close ─ write
//! ```
//!
//! To *settle* is to do what reactors asked for while they were called, and what this shard told
//! itself. It follows each step in which a reactor may have been called, so that what a reactor asked
//! for is done before anything else is read.

use std::rc::Rc;
use std::sync::Arc;

use crate::config::Config;
use crate::error::CloseReason;
use crate::peer::{PeerKey, ShardId};
use crate::switch::core::{Dialed, Stop, Unsettled};
use crate::switch::links::link::Link;
use crate::switch::message::ShardMessage;
use crate::switch::node::ending;
use crate::switch::peer::closing::{GRACE, advance_closing, close_peer, flushed, revoke};
use crate::switch::peer::established;
use crate::switch::peer::probe::{end_silent, hear_probed, probe};
use crate::switch::reactors::context::call;
use crate::switch::shard::{Parts, Shard};
use crate::switch::timers::Timer;
use crate::time::Instant;

/// Links worked on in one turn at most; the rest have the next one. Links in their handshake have a
/// turn of their own behind it (see [`work_handshakes`]).
const LINKS_PER_TURN: usize = 256;

/// Bytes sealed in one turn, after which the rest of the links wait for the next: what was sealed
/// should be written while the core's cache still has it, and its buffers come back to be sealed
/// into again (docs/decisions, 19).
const TURN_BYTES: usize = 256 * 1024;

/// Messages handed to reactors for one peer in one turn, so that peers take turns.
const MESSAGES_PER_TURN: usize = 64;

/// Messages of a shard to itself, and outcomes of dials, handled at once: a reactor that answers each
/// by the next (notes to itself, dials again what was refused at once) holds up nobody.
const HANDLED_PER_SETTLING: usize = 1024;

/// Steps of handshakes taken in one turn. A step is tens of microseconds of curve arithmetic, as much
/// as dozens of messages, and a turn costs a small part of that: the next one comes at once while
/// steps are due, and it begins with what the sockets have.
const HANDSHAKE_STEPS_PER_TURN: usize = 1;

// ---- the turn -------------------------------------------------------------------------------

/// One turn of the shard.
pub(crate) fn run(shard: &mut Shard) {
    let Parts { core, links, .. } = shard.parts();
    core.begin_turn();
    links.begin_turn();
    settle(shard);
    let Parts {
        links, deliveries, ..
    } = shard.parts();
    if deliveries.take_reopened() {
        links.mark_peers();
    }
    for _ in 0..shard.links().ready_len().min(LINKS_PER_TURN) {
        let Some(key) = shard.parts().links.next_ready() else {
            break;
        };
        work(shard, key);
        settle(shard);
        if shard.links().turn_bytes() >= TURN_BYTES {
            break;
        }
    }
    work_handshakes(shard);
    let Parts {
        core,
        links,
        memory,
        recv_budget,
        ..
    } = shard.parts();
    recv_budget.balance_reading(core, links);
    memory.park_if_exhausted(links);
    memory.plan_trim(core);
    ending::finish(shard);
}

/// Gives links in their handshake their turn: as many as want little, up to and with those that
/// take [`HANDSHAKE_STEPS_PER_TURN`] steps.
///
/// A storm of connections so delays data by one step per turn, however many come. And data
/// cannot hold handshakes up for ever, however much there is: each turn of the loop takes a
/// step, and the queue is served in order.
fn work_handshakes(shard: &mut Shard) {
    let mut steps = 0;
    for _ in 0..shard.links().shaking_len().min(LINKS_PER_TURN) {
        let Some(key) = shard.parts().links.next_shaking() else {
            return;
        };
        let is_step = shard.links().get(key).is_some_and(Link::is_step_due);
        work(shard, key);
        settle(shard);
        steps += usize::from(is_step);
        if steps == HANDSHAKE_STEPS_PER_TURN {
            return;
        }
    }
}

/// Gives a link its turn.
fn work(shard: &mut Shard, key: PeerKey) {
    let Parts {
        core,
        links,
        entrance,
        ..
    } = shard.parts();
    let Some(link) = links.get_mut(key) else {
        return;
    };
    // Costs a look where nobody logs that much.
    let _inside = link.span().clone().entered();
    link.begin_turn();
    if link.peer().is_some() {
        if let Err(reason) = work_peer(shard, key) {
            close_peer(shard, key, reason);
        }
    } else if link.is_parting() {
        links.work_parting(core, key);
    } else if let Some(luggage) = entrance.work(core, links, key) {
        established::establish(shard, key, luggage);
    }
}

/// One turn of a peer: read, write, hand out room, and close if that is due. Tells why it must be
/// closed, if it must.
fn work_peer(shard: &mut Shard, key: PeerKey) -> Result<(), CloseReason> {
    pull(shard, key)?;
    let Parts { core, links, .. } = shard.parts();
    hear_probed(core, links, key);
    settle(shard);
    established::write(shard, key)?;
    established::hand_out_room(shard, key);
    settle(shard);
    advance_closing(shard, key);
    // Room that was taken just now may be written at once, and a flush may have begun.
    established::write(shard, key)?;
    if let Some(reason) = flushed(shard.links(), key) {
        return Err(reason);
    }
    let Parts {
        core,
        links,
        sends,
        recv_budget,
        ..
    } = shard.parts();
    sends.touch_changed(core, links, key);
    recv_budget.read_as_wanted(core, links, key);
    links.schedule(core, key);
    Ok(())
}

/// Hands messages to their reactors, until there are none, their channel is full, or the
/// peer's share of the turn is used up. Tells why the peer must be closed, if it must.
fn pull(shard: &mut Shard, key: PeerKey) -> Result<(), CloseReason> {
    let Some(peer) = shard.links().peer(key) else {
        return Ok(());
    };
    let info = Rc::clone(peer.info());
    for _ in 0..MESSAGES_PER_TURN {
        match established::next_message(shard, key)? {
            Some(received) => established::receive(shard, &info, received)?,
            None => return Ok(()),
        }
        // A reactor may have stopped this very peer; then nothing more reaches it.
        settle(shard);
    }
    shard.parts().links.mark(key);
    Ok(())
}

// ---- settling -------------------------------------------------------------------------------

/// Does what reactors asked for and what this shard told itself, until nothing is left or it has
/// done [`HANDLED_PER_SETTLING`] of it; the rest has the next turn.
#[inline]
pub(crate) fn settle(shard: &mut Shard) {
    if shard.core().has_unsettled() {
        settle_all(shard);
    }
}

fn settle_all(shard: &mut Shard) {
    let mut handled = 0;
    loop {
        let core = shard.parts().core;
        if let Some(stop) = core.take_stop() {
            close(shard, stop);
            continue;
        }
        if handled == HANDLED_PER_SETTLING {
            return;
        }
        handled += 1;
        match core.take_unsettled() {
            Some(Unsettled::Dialed(dialed)) => tell_dialed(shard, dialed),
            Some(Unsettled::Message(message)) => {
                let own = core.identity().shard();
                dispatch(shard, own, message);
            }
            None => return,
        }
    }
}

/// Closes a peer as a reactor has asked for.
fn close(shard: &mut Shard, stop: Stop) {
    let Stop {
        peer,
        reason,
        graceful,
    } = stop;
    let Parts { core, links, .. } = shard.parts();
    if graceful {
        links.close_gracefully(peer, reason, core.now() + GRACE);
    } else if links.peer(peer).is_some() {
        close_peer(shard, peer, reason);
    }
}

/// Tells a reactor what became of a dial it asked for.
fn tell_dialed(shard: &mut Shard, dialed: Dialed) {
    let Dialed {
        reactor,
        address,
        outcome,
    } = dialed;
    // A panic here is counted; there is no peer at hand that it could cost.
    let _ = call(shard, usize::from(reactor), |reactor, cx| {
        reactor.handle_dialed(cx, &address, outcome.as_ref().map(|_| ()));
    });
}

/// Brings a message from a shard to the part it is for.
pub(crate) fn dispatch(shard: &mut Shard, from: ShardId, message: ShardMessage) {
    let Parts {
        core,
        links,
        entrance,
        sends,
        shutdown,
        ..
    } = shard.parts();
    match message {
        ShardMessage::Verdict { link, verdict } => {
            entrance.handle_verdict(core, links, link, verdict);
        }
        ShardMessage::Gate(update) => entrance.handle_gate_update(update),
        ShardMessage::Dial { attempt, address } => entrance.dial(core, attempt, address),
        ShardMessage::CancelDial { attempt, reason } => {
            entrance.cancel_dial(core, links, attempt, reason);
        }
        ShardMessage::Reconfigure { number, config } => reconfigure(shard, number, config),
        ShardMessage::Revoke { ticket, reject } => revoke(shard, ticket, reject),
        ShardMessage::Probe { ticket, within } => probe(shard, ticket, within),
        ShardMessage::Draining { round } => shutdown.handle_draining(core, links, round),
        ShardMessage::Broadcast { channel, message } => {
            sends.broadcast_here(core, links, channel, &message);
        }
        ShardMessage::Note { reactor, note } => {
            // A panic here is counted; there is no peer at hand that it could cost.
            let _ = call(shard, usize::from(reactor), |reactor, cx| {
                reactor.handle_note(cx, from, note);
            });
        }
        message => match shard.coordination() {
            Some((coordinator, mut desk)) => coordinator.handle(&mut desk, from, message),
            None => debug_assert!(false, "{message:?} is for the coordinator"),
        },
    }
}

/// Goes by another configuration from now on: the gate, every connection, every reactor.
fn reconfigure(shard: &mut Shard, number: u64, config: Arc<Config>) {
    let Parts {
        core,
        links,
        entrance,
        ..
    } = shard.parts();
    core.set_config(Arc::clone(&config));
    entrance.handle_reconfigured(core.identity());
    let keys: Vec<_> = links.peer_keys().collect();
    for key in keys {
        if let Some(peer) = links.peer_mut(key) {
            peer.set_rates(core.now(), config.send_rate, config.recv_rate);
        }
        links.mark(key);
    }
    for index in 0..shard.reactors().len() {
        // A panic here is counted; there is no peer at hand that it could cost.
        let _ = call(shard, index, |reactor, cx| {
            reactor.handle_reconfigured(cx, &config);
        });
    }
    let core = shard.parts().core;
    core.tell_coordinator(ShardMessage::Reconfigured(number));
}

// ---- time -----------------------------------------------------------------------------------

/// Does what is due now and was set before this call.
pub(crate) fn handle_timeout(shard: &mut Shard) {
    let mark = shard.core().mark_timers();
    while let Some((at, timer)) = shard.parts().core.pop_due(mark) {
        fire(shard, at, timer);
        settle(shard);
    }
}

fn fire(shard: &mut Shard, at: Instant, timer: Timer) {
    match timer {
        Timer::Link(key) => fire_link(shard, at, key),
        Timer::Reactor(index, token) => {
            // A panic here is counted; there is no peer at hand that it could cost.
            let _ = call(shard, usize::from(index), |reactor, cx| {
                reactor.handle_timeout(cx, token);
            });
        }
        Timer::Dials => {
            if let Some((coordinator, mut desk)) = shard.coordination() {
                coordinator.handle_timeout(&mut desk);
            }
        }
        Timer::Shut(channel) => {
            let Parts {
                core, deliveries, ..
            } = shard.parts();
            deliveries.handle_timeout(core, channel);
        }
        Timer::Trim => shard.parts().memory.trim(),
        Timer::Favour => fire_favour(shard),
        Timer::Shutdown => ending::handle_timeout(shard),
    }
}

/// Looks at the peers that are read although they hold much, and closes those that do not get on.
fn fire_favour(shard: &mut Shard) {
    let Parts {
        core, recv_budget, ..
    } = shard.parts();
    let mut due = recv_budget.take_due(core);
    loop {
        let Parts {
            core,
            links,
            recv_budget,
            ..
        } = shard.parts();
        let Some((peer, reason)) = recv_budget.look_at_due(core, links, &mut due) else {
            return;
        };
        close_peer(shard, peer, reason);
    }
}

/// An entry of a link in the timer heap came up.
fn fire_link(shard: &mut Shard, at: Instant, key: PeerKey) {
    let Parts {
        core,
        links,
        entrance,
        ..
    } = shard.parts();
    let Some(link) = links.get_mut(key) else {
        return;
    };
    if !link.handle_fired(at, core.now()) {
        return links.schedule(core, key);
    }
    if let Some(reason) = end_silent(core, links, key) {
        return close_peer(shard, key, reason);
    }
    if !entrance.handle_timeout(core, links, key) {
        return;
    }
    if let Err(reason) = established::handle_timeout(shard, key) {
        return close_peer(shard, key, reason);
    }
    // A parting link looks at its deadline in its turn.
    shard.parts().links.mark(key);
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
