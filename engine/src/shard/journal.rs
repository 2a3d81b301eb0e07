//! What a shard writes into the log: each decision once, where the shell learns of it. The way of
//! a message is silent.

use tracing::{debug, info, warn};

use crate::error::Blame;
use crate::peer::ShardId;
use crate::switch::Event;

/// Logs what the switch of `shard` decided.
pub(crate) fn record(engine: u64, shard: ShardId, event: &Event) {
    let shard = shard.0;
    match event {
        Event::PeerAdded(peer) => info!(
            engine, shard, peer = %peer.id, addr = %peer.remote_addr,
            direction = ?peer.direction, framing = ?peer.framing, "peer added"
        ),
        Event::PeerRemoved { peer, reason } if reason.blame() == Blame::Peer => {
            warn!(engine, shard, peer = %peer.id, addr = %peer.remote_addr, %reason, "peer removed");
        }
        Event::PeerRemoved { peer, reason } => {
            info!(engine, shard, peer = %peer.id, addr = %peer.remote_addr, %reason, "peer removed");
        }
        // Anyone can make a connection fail, as often as they like: not a warning.
        Event::ConnectionRefused {
            remote_addr,
            id: Some(id),
            reason,
        } => {
            debug!(engine, shard, peer = %id, addr = %remote_addr, %reason, "connection refused");
        }
        Event::ConnectionRefused {
            remote_addr,
            id: None,
            reason,
        } => {
            debug!(engine, shard, addr = %remote_addr, %reason, "connection refused");
        }
        // The operator asked for these links, and is told once for each reason.
        Event::NamedPeerFailed {
            address,
            named_as,
            reason,
            retry_in,
        } => {
            let retry_in = retry_in.map(tracing::field::debug);
            warn!(engine, shard, %address, %reason, retry_in, "no connection to {named_as}");
        }
        Event::NamedPeerBack {
            id,
            named_as,
            failures,
        } => {
            info!(engine, shard, peer = %id, failures, "connected to {named_as} after failures");
        }
        Event::DialFailed {
            address,
            error,
            is_named,
            retry_in,
        } => {
            let retry_in = retry_in.map(tracing::field::debug);
            match is_named {
                true => debug!(engine, shard, %address, %error, retry_in, "dial failed"),
                false => info!(engine, shard, %address, %error, retry_in, "dial failed"),
            }
        }
        Event::GaveUp(address) => warn!(engine, shard, %address, "lost peer given up"),
        Event::Stopped => debug!(engine, shard, "switch stopped"),
    }
}
