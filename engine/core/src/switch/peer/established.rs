//! A peer's life on its home shard: added to every reactor, then read and written turn by turn until it
//! is closed (see `closing`).
//!
//! Order of calls, per peer and for every reactor in the order of registration:
//! `init_peer`, `add_peer`, `receive`…, `remove_peer`.

use std::rc::Rc;

use crate::conn::{MConnection, Received, Upgraded};
use crate::error::CloseReason;
use crate::peer::{PeerInfo, PeerKey, RemoteAddr};
use crate::reactor::Envelope;
use crate::switch::core::Stop;
use crate::switch::io::{Event, LinkId};
use crate::switch::links::entrance::{Luggage, peer_info, turn_away};
use crate::switch::links::link::{Link, Names, Stage};
use crate::switch::message::{Parcel, ShardMessage};
use crate::switch::peer::closing::close_peer;
use crate::switch::peer::peer::{Peer, Pulled};
use crate::switch::peer::sends::expire_waiting;
use crate::switch::reactors::context::call;
use crate::switch::shard::{Parts, Shard};
use crate::time::Instant;

/// A connection has moved in: it becomes a peer here.
pub(crate) fn adopt(shard: &mut Shard, id: LinkId, remote: RemoteAddr, parcel: Parcel) {
    let Parcel {
        upgraded,
        direction,
        pass,
        ..
    } = parcel;
    let Parts { core, links, .. } = shard.parts();
    core.count().adopted += 1;
    let names = Names {
        id,
        remote,
        direction,
        attempt: None,
    };
    let key = links.insert(names, Stage::Moving);
    establish(shard, key, (upgraded, pass));
}

/// Makes a peer of an admitted link whose home is here.
pub(crate) fn establish(shard: &mut Shard, key: PeerKey, mut luggage: Luggage) {
    let Parts {
        core,
        links,
        revoked,
        ..
    } = shard.parts();
    if core.is_stopping() {
        return turn_away(core, links, key, &mut luggage, CloseReason::Shutdown);
    }
    let pass = luggage.1;
    if let Some(reject) = revoked.take(pass.ticket) {
        let reason = CloseReason::Rejected(reject);
        return turn_away(core, links, key, &mut luggage, reason);
    }
    let Some(link) = links.get(key) else {
        return;
    };
    let info = peer_info(link, &luggage.0, pass.persistent, core.now());
    let outcome = init_peer(shard, &info);
    settle_in(shard, key, &info, luggage);
    if let Err(reason) = outcome.and_then(|()| add_peer(shard, &info)) {
        return close_peer(shard, key, reason);
    }
    let Parts { core, links, .. } = shard.parts();
    core.tell_coordinator(ShardMessage::Joined(pass.ticket));
    // What came behind NodeInfo is read at once.
    links.mark(key);
}

/// Gives a link its peer, of which every reactor has heard.
fn settle_in(shard: &mut Shard, key: PeerKey, info: &Rc<PeerInfo>, (upgraded, pass): Luggage) {
    let Upgraded { layer, .. } = *upgraded;
    let Parts { core, links, .. } = shard.parts();
    let channels = core.channels().descriptors();
    let conn_config = core.identity().conn_config();
    let conn = MConnection::new(conn_config, channels, layer, core.now());
    links.establish(key, Box::new(Peer::new(Rc::clone(info), conn, pass.ticket)));
    core.count().peers_added += 1;
    core.event(Event::PeerAdded(PeerInfo::clone(info)));
}

fn init_peer(shard: &mut Shard, info: &PeerInfo) -> Result<(), CloseReason> {
    (0..shard.reactors().len())
        .map(|index| call(shard, index, |reactor, _| reactor.init_peer(info)))
        .fold(Ok(()), Result::and)
}

fn add_peer(shard: &mut Shard, info: &PeerInfo) -> Result<(), CloseReason> {
    (0..shard.reactors().len())
        .map(|index| call(shard, index, |reactor, cx| reactor.add_peer(cx, info)))
        .fold(Ok(()), Result::and)
}

/// The peer's next message whose channel has room, or why it must be closed.
#[inline]
pub(crate) fn next_message(
    shard: &mut Shard,
    key: PeerKey,
) -> Result<Option<Received>, CloseReason> {
    let Parts {
        core,
        links,
        memory,
        deliveries,
        ..
    } = shard.parts();
    let Some(link) = links.get_mut(key) else {
        return Ok(None);
    };
    let Some(peer) = link.peer_mut() else {
        return Ok(None);
    };
    let (now, id) = (core.now(), peer.info().id);
    let (is_congested, mut shut) = (core.is_congested(), None);
    let pulled = peer.pull(now, memory.pool(), core.channels(), |channel| {
        let is_shut = !deliveries.has_room(channel);
        shut = shut.or(is_shut.then_some(channel));
        !is_congested && !is_shut
    })?;
    if let Some(channel) = shut {
        deliveries.hold_back(core, channel, id);
    }
    let Pulled {
        message,
        is_held_back,
    } = pulled;
    if let Some(time) = peer.take_round_trip() {
        core.count().round_trip_time.record(time);
    }
    // The socket's end counts once everything that came before it was taken.
    if message.is_none()
        && !is_held_back
        && let Some(error) = lost(link, now)
    {
        return Err(error);
    }
    Ok(message)
}

/// What the end of a peer's socket means, if it has ended.
#[inline]
fn lost(link: &Link, now: Instant) -> Option<CloseReason> {
    let error = link.ended()?;
    let was_of_use = link.peer().is_some_and(|peer| peer.was_of_use(now));
    let error = match was_of_use {
        true => Some(error.clone()),
        false => link.ended_early(),
    };
    error.map(CloseReason::Network)
}

/// Hands a message to the reactor of its channel.
#[inline]
pub(crate) fn receive(
    shard: &mut Shard,
    info: &PeerInfo,
    received: Received,
) -> Result<(), CloseReason> {
    let Received {
        channel,
        message,
        at,
    } = received;
    let Parts { core, .. } = shard.parts();
    let number = core.channels().number(channel);
    let number = number.expect("the connection checked the id");
    let counters = &mut core.count().channels[number];
    counters.received_messages += 1;
    counters.received_bytes += message.len() as u64;
    core.note_received(number, at);
    let index = core.channels().owner_of(number);
    let outcome = call(shard, index, |reactor, cx| {
        reactor.filter_message(info, channel, &message)?;
        reactor.receive(
            cx,
            Envelope {
                from: info,
                channel,
                message,
            },
        )
    })?;
    outcome.map_err(|error| CloseReason::Reactor {
        reactor: shard.reactors().name(index).to_owned(),
        error,
    })
}

/// Fills a write, unless one is in flight.
#[inline]
pub(crate) fn write(shard: &mut Shard, key: PeerKey) -> Result<(), CloseReason> {
    let Parts {
        core,
        links,
        memory,
        sends,
        ..
    } = shard.parts();
    let Some(link) = links.get_mut(key) else {
        return Ok(());
    };
    if link.is_sending() || link.ended().is_some() {
        return Ok(());
    }
    let Some(peer) = link.peer_mut() else {
        return Ok(());
    };
    if let Some(buffers) = peer.poll_transmit(core.now(), memory.pool())? {
        sends.count_queued(peer);
        links.transmit(core, key, buffers);
    }
    Ok(())
}

/// Gives room in the queues first to the sends that wait, in order, then to the reactors that
/// were answered `Full`.
pub(crate) fn hand_out_room(shard: &mut Shard, key: PeerKey) {
    let Parts {
        core, links, sends, ..
    } = shard.parts();
    sends.send_waiting(core, links, key);
    for number in 0..shard.core().channels().descriptors().len() {
        let Parts {
            core, links, sends, ..
        } = shard.parts();
        let channel = core.channels().descriptors()[number].id;
        let Some(peer) = links.peer(key) else {
            return;
        };
        let is_due = peer.queues().is_starved(number)
            && sends.can_send(links, key, channel)
            && !peer.queues().waits_on(channel);
        if !is_due {
            continue;
        }
        if let Some(peer) = links.peer_mut(key) {
            peer.queues_mut().feed(number);
        }
        let index = core.channels().owner_of(number);
        let outcome = call(shard, index, |reactor, cx| {
            reactor.handle_room(cx, key, channel)
        });
        if let Err(reason) = outcome {
            shard.parts().core.stop(Stop {
                peer: key,
                reason,
                graceful: false,
            });
        }
    }
}

/// Something of a peer is due: why it has to be closed, if it has.
pub(crate) fn handle_timeout(shard: &mut Shard, key: PeerKey) -> Result<(), CloseReason> {
    let Parts { core, links, .. } = shard.parts();
    let now = core.now();
    let Some(link) = links.get_mut(key) else {
        return Ok(());
    };
    let ended = link.ended().cloned();
    let Some(peer) = link.peer_mut() else {
        return Ok(());
    };
    if let Some(error) = ended
        && peer.is_forgotten(now)
    {
        return Err(CloseReason::Network(error));
    }
    peer.handle_timeout(now)?;
    if let Some(reason) = peer.overdue(now) {
        return Err(reason.clone());
    }
    expire_waiting(core, peer);
    Ok(())
}
