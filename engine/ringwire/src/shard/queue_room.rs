//! Room in the queues of peers: how a sender on any thread knows that its message fits, before it is
//! sent.
//!
//! ```text
//!   sender                       mailbox              shard                      its switch
//!   reserve at the gauge ──▶ Request, with the ──▶ hold the ──▶ Command::Send ──▶ queue
//!      │  or Full, at once     reservation         reservation                     │
//!      ▼                                               │                            ▼
//!   gauge = queued + coming ◀── release ◀── after ◀── show ◀────────────────── QueueGauge
//! ```
//!
//! The order at the end of a turn matters: the gauge first counts the message as queued, and only then
//! ceases to count it as coming. So a place is never free while its message is between the two; for a
//! moment it may be counted twice. The gauge itself is proven in `ringwire_sync`, and the switch's half
//! is `peer/sends` of the core.

use std::collections::HashMap;
use std::sync::Arc;

use ringwire_codec::ChannelId;
use ringwire_core::peer::{PeerInfo, PeerKey, ShardId};
use ringwire_core::reactor::ChannelDescriptor;
use ringwire_core::switch::QueueGauge;
use ringwire_sync::Gauge;
use smallvec::SmallVec;

/// What the handle knows of one peer.
#[derive(Debug)]
pub(crate) struct PeerEntry {
    info: PeerInfo,
    shard: ShardId,
    /// Of each channel that both sides speak.
    gauges: SmallVec<[(ChannelId, Gauge); 8]>,
}

/// Room held in a peer's queue by a message on its way there; given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    peer: Arc<PeerEntry>,
    gauge: usize,
}

/// The peers of one shard, and the room that messages of this turn hold in their queues.
#[derive(Debug, Default)]
pub(super) struct LocalPeers {
    entries: HashMap<PeerKey, Arc<PeerEntry>>,
    /// Held until the gauges count the messages taken this turn.
    held: Vec<Reservation>,
}

impl LocalPeers {
    /// A peer was added.
    pub(super) fn insert(&mut self, entry: Arc<PeerEntry>) {
        self.entries.insert(entry.info.key, entry);
    }

    /// A peer is gone.
    pub(super) fn remove(&mut self, key: PeerKey) -> Option<Arc<PeerEntry>> {
        self.entries.remove(&key)
    }

    /// Holds the room of a message that the switch is given.
    pub(super) fn hold(&mut self, reservation: Option<Reservation>) {
        self.held.extend(reservation);
    }

    /// Tells the senders how full the queues are; then the room held for this turn's messages is
    /// counted there, and given back here.
    pub(super) fn show(&mut self, gauges: impl Iterator<Item = QueueGauge>) {
        for gauge in gauges {
            if let Some(entry) = self.entries.get(&gauge.peer) {
                entry.set_queued(gauge.channel, gauge.queued);
            }
        }
        self.held.clear();
    }
}

impl PeerEntry {
    /// An entry with a gauge for each of our `channels` that the peer announced.
    pub(crate) fn new(info: PeerInfo, shard: ShardId, channels: &[ChannelDescriptor]) -> Self {
        let gauges = channels
            .iter()
            .filter(|channel| info.has_channel(channel.id))
            .map(|channel| (channel.id, Gauge::new(channel.send_queue_capacity)))
            .collect();
        PeerEntry {
            info,
            shard,
            gauges,
        }
    }

    /// The peer, as the switch announced it.
    pub(crate) fn info(&self) -> &PeerInfo {
        &self.info
    }

    /// Its home.
    pub(crate) fn shard(&self) -> ShardId {
        self.shard
    }

    /// Holds room for one message on a channel the peer speaks, or `None` when its queue is full.
    pub(crate) fn reserve(self: &Arc<Self>, channel: ChannelId) -> Option<Reservation> {
        let gauge = self.gauges.iter().position(|(id, _)| *id == channel)?;
        // Not made before there is room: it gives back what it holds when it is dropped.
        self.gauges[gauge].1.reserve().then(|| Reservation {
            peer: self.clone(),
            gauge,
        })
    }

    /// The shard counted what waits on a channel.
    fn set_queued(&self, channel: ChannelId, queued: usize) {
        if let Some((_, gauge)) = self.gauges.iter().find(|(id, _)| *id == channel) {
            gauge.set_queued(queued);
        }
    }

    /// What waits on each channel: queued at the shard or on the way to it.
    pub(crate) fn queues(&self) -> impl Iterator<Item = (ChannelId, usize)> {
        self.gauges
            .iter()
            .map(|(channel, gauge)| (*channel, gauge.len()))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.peer.gauges[self.gauge].1.release();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::SocketAddr;

    use ringwire_codec::{NodeId, NodeInfo, NodeInfoOther, NodeKey, ProtocolVersion};
    use ringwire_core::peer::{Direction, Framing};
    use ringwire_core::time::Instant;

    use super::*;

    const CHANNEL: ChannelId = ChannelId(0x20);
    const CAPACITY: usize = 2;

    fn entry() -> Arc<PeerEntry> {
        entry_of(NodeKey::from_seed([1; 32]).id(), 0)
    }

    pub(in crate::shard) fn entry_of(id: NodeId, index: u32) -> Arc<PeerEntry> {
        let node_info = NodeInfo {
            protocol_version: ProtocolVersion::default(),
            node_id: id,
            listen_addr: String::new(),
            network: String::new(),
            version: String::new(),
            channels: [CHANNEL].as_slice().into(),
            moniker: String::new(),
            other: NodeInfoOther::default(),
            extension: None,
        };
        let info = PeerInfo {
            key: PeerKey {
                index,
                generation: 0,
            },
            id,
            node_info: Arc::new(node_info),
            remote_addr: SocketAddr::from(([127, 0, 0, 1], 1)).into(),
            direction: Direction::Inbound,
            persistent: false,
            framing: Framing::Comet,
            since: Instant::ZERO,
        };
        let ours = |id| ChannelDescriptor {
            send_queue_capacity: CAPACITY,
            ..ChannelDescriptor::new(id, 1)
        };
        Arc::new(PeerEntry::new(
            info,
            ShardId(0),
            &[ours(CHANNEL), ours(ChannelId(0x21))],
        ))
    }

    #[test]
    fn a_queue_takes_what_fits_between_what_is_queued_and_what_is_coming() {
        let entry = entry();
        let first = entry.reserve(CHANNEL).expect("room for the first");
        let _second = entry.reserve(CHANNEL).expect("room for the second");
        assert!(entry.reserve(CHANNEL).is_none());
        // The shard took the first: it counts as queued before it ceases to be coming.
        entry.set_queued(CHANNEL, 1);
        drop(first);
        assert!(entry.reserve(CHANNEL).is_none());
        entry.set_queued(CHANNEL, 0);
        assert!(entry.reserve(CHANNEL).is_some());
    }

    #[test]
    fn a_channel_that_the_peer_does_not_speak_has_no_queue() {
        let entry = entry();
        assert!(entry.reserve(ChannelId(0x21)).is_none());
        assert_eq!(entry.queues().collect::<Vec<_>>(), [(CHANNEL, 0)]);
    }
}
