//! How a peer ends: at once, after what is queued for it was sent, or by word of the coordinator.
//!
//! ```text
//!   begin_closing    ─▶ nobody has anything left ─▶ flush ─▶ last byte handed over ─┐
//!          └───────────────────────── deadline ─────────────────────────────────────┼─▶ close_peer
//!   a broken rule, a lost socket, a reactor's error, Revoke ────────────────────────┘
//! ```
//!
//! The coordinator hears of the end only after the last `remove_peer` has returned, so no
//! `init_peer` of the same id can come before (items 64 and 65).

use std::time::Duration;

use tracing::debug;

use crate::buffer::Buffer;
use crate::error::{CloseReason, Reject};
use crate::peer::{PeerInfo, PeerKey};
use crate::switch::io::Event;
use crate::switch::links::goodbye::goodbye_for;
use crate::switch::links::table::Links;
use crate::switch::message::{ShardMessage, Ticket};
use crate::switch::peer::peer::Peer;
use crate::switch::reactors::context::call;
use crate::switch::shard::{Parts, Shard};

/// How long a peer that is stopped on purpose has for taking what is queued.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Flushes a closing peer once nobody has anything left for it.
#[inline]
pub(crate) fn advance_closing(shard: &mut Shard, key: PeerKey) {
    let Parts {
        links, reactors, ..
    } = shard.parts();
    let Some(peer) = links.peer_mut(key) else {
        return;
    };
    let is_due =
        peer.wants_flush() && !(0..reactors.len()).any(|index| reactors.has_pending(index, key));
    if is_due {
        peer.begin_flush();
    }
}

/// Why a closing peer is to be closed now that its last byte was handed to the kernel, if it was.
#[inline]
pub(crate) fn flushed(links: &Links, key: PeerKey) -> Option<CloseReason> {
    let link = links.get(key)?;
    let reason = link.peer()?.flushed()?;
    (!link.is_sending()).then(|| reason.clone())
}

/// Closes a peer now: every reactor is told, then the coordinator.
pub(crate) fn close_peer(shard: &mut Shard, key: PeerKey, reason: CloseReason) {
    let Parts { core, links, .. } = shard.parts();
    let Some(mut link) = links.remove(key) else {
        return;
    };
    let _inside = link.span().clone().entered();
    let Some(peer) = link.peer_mut() else {
        unreachable!("close_peer is for peers");
    };
    // A peer that was asked to leave leaves for that reason, however its socket ends.
    let reason = peer.take_closing().unwrap_or(reason);
    debug!(target: "ringwire::switch", %reason, "closes");
    let goodbye = goodbye_for(&reason).and_then(|goodbye| peer.seal_goodbye(&goodbye));
    let last = goodbye.into_iter().map(Buffer::from).collect();
    links.part(core, &link, last);
    let Some(mut peer) = link.into_peer() else {
        unreachable!("just seen");
    };
    for index in 0..shard.reactors().len() {
        // A panic here is counted; there is no peer left that it could cost.
        let _ = call(shard, index, |reactor, cx| {
            reactor.remove_peer(cx, peer.info(), &reason)
        });
    }
    forget(shard, key, &mut peer, reason);
}

/// Forgets a peer of which every reactor was told that it is gone.
fn forget(shard: &mut Shard, key: PeerKey, peer: &mut Peer, reason: CloseReason) {
    let Parts {
        core,
        memory,
        sends,
        recv_budget,
        ..
    } = shard.parts();
    sends.forget(core, peer);
    peer.release(memory.pool());
    recv_budget.forget(key, peer.held());
    core.count().peers_removed += 1;
    core.tell_coordinator(ShardMessage::Left {
        ticket: peer.ticket(),
        reason: reason.clone(),
    });
    core.event(Event::PeerRemoved {
        peer: PeerInfo::clone(peer.info()),
        reason,
    });
}

/// Closes all peers now.
pub(crate) fn close_all(shard: &mut Shard, reason: &CloseReason) {
    let keys: Vec<_> = shard.links().peer_keys().collect();
    for key in keys {
        close_peer(shard, key, reason.clone());
    }
}

/// Closes an admitted connection that the coordinator no longer wants: it lost a simultaneous
/// dial, or its peer was banned.
pub(crate) fn revoke(shard: &mut Shard, ticket: Ticket, reject: Reject) {
    match key_of_ticket(shard.links(), ticket) {
        Some(key) => close_peer(shard, key, CloseReason::Rejected(reject)),
        None => shard.parts().revoked.remember(ticket, reject),
    }
}

/// The peer of a ticket, if it lives here.
pub(crate) fn key_of_ticket(links: &Links, ticket: Ticket) -> Option<PeerKey> {
    let has_it = |key: &PeerKey| links.peer(*key).is_some_and(|it| it.ticket() == ticket);
    links.peer_keys().find(has_it)
}
