//! The inlets of a shard: what threads that send much have left for its peers.
//!
//! Each inlet has one peer and one channel. A turn moves from each as much as the peer's queue has
//! room for; what is left stays in the inlet, whose sender then waits. Which inlet is first changes
//! from turn to turn, so that senders who share a queue share it evenly.

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::switch::{Offered, Switch};
use ringwire_core::time::Instant;
use ringwire_sync::Inlet;

/// What one thread sends to one peer on one channel.
#[derive(Debug)]
pub(crate) struct PeerInlet {
    /// The peer.
    pub(crate) peer: NodeId,
    /// The channel.
    pub(crate) channel: ChannelId,
    /// The messages.
    pub(crate) messages: Inlet<Bytes>,
}

/// All inlets of one shard.
#[derive(Debug, Default)]
pub(super) struct Inlets {
    inlets: Vec<(PeerInlet, IsOver)>,
    first: usize,
}

/// Whether an inlet has ended and is to be dropped.
type IsOver = bool;

impl Inlets {
    /// A thread begins to send.
    pub(super) fn add(&mut self, inlet: PeerInlet) {
        self.inlets.push((inlet, false));
    }

    /// Moves what there is room for to the peers' queues; whether there was anything. Inlets whose
    /// sender or peer is gone end here.
    pub(super) fn serve(&mut self, now: Instant, switch: &mut Switch) -> bool {
        let count = self.inlets.len();
        if count == 0 {
            return false;
        }
        self.first = (self.first + 1) % count;
        let mut moved = false;
        for step in 0..count {
            let (inlet, is_over) = &mut self.inlets[(self.first + step) % count];
            if !inlet.messages.is_awake() {
                continue;
            }
            let next = || {
                let message = inlet.messages.pop();
                moved |= message.is_some();
                message
            };
            let offered = switch.handle_offered(now, inlet.peer, inlet.channel, next);
            *is_over = offered == Offered::Gone || inlet.messages.is_over();
        }
        self.inlets.retain(|(_, is_over)| !is_over);
        moved
    }
}
