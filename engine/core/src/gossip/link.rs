//! [`Link`]: a peer of the node, on whichever shard, as the shard that has a conversation names it.

use crate::peer::{PeerKey, ShardId};
use crate::reactor::{Context, Reactor, ReactorError};

/// A peer of the node, on whichever shard.
pub(super) type Link = (ShardId, PeerKey);

/// Stops a peer: here, or by a note to its shard.
pub(super) fn stop<R: Reactor>(
    cx: &mut Context<'_, R>,
    (shard, peer): Link,
    reason: String,
    note: impl FnOnce(PeerKey, String) -> R::Note,
) {
    if shard == cx.shard() {
        cx.stop_peer(peer, ReactorError::new(reason));
    } else {
        cx.send_note(shard, note(peer, reason));
    }
}

/// A peer of shard `number`.
#[cfg(test)]
pub(super) const fn link_at(number: u16) -> Link {
    let key = PeerKey {
        index: 3,
        generation: 0,
    };
    (ShardId(number), key)
}
