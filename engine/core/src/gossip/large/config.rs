//! How the gossip of large payloads behaves: its channels, and the bounds of its memory.

use std::time::Duration;

use ringwire_codec::ChannelId;
use ringwire_gossip::coded::{
    Limits, PAYLOAD_BYTES_MAX, PROOF_MAX, SHARD_BYTES_MAX, SHARD_HEADER_BYTES,
};
use ringwire_gossip::exchange::{CONTROL_BYTES_MAX, ExchangeLimits};

use crate::reactor::ChannelDescriptor;

/// Messages about shards that wait in a connection before they wait in the reactor.
const CONTROL_QUEUE: usize = 64;
/// Shards that wait in a connection before they wait in the reactor: enough to keep a link busy for a
/// turn, few enough that a message of more weight finds little before it.
const SHARD_QUEUE: usize = 4;

/// Sweeps, of a second each, without a shard after which a payload is given up: longer than the reference's
/// pings take to find out a dead link, by which the last shards may have been on their way.
const IDLE_SWEEPS_MAX: u8 = 120;

/// How a [`super::Large`] behaves.
#[derive(Clone, Debug)]
pub struct LargeConfig {
    /// The channel of the messages about shards. Its weight should be above that of the shards.
    pub control: ChannelDescriptor,
    /// The channel of the shards. What comes is delivered under its id.
    pub shards: ChannelDescriptor,
    /// Whether each payload's manifest carries the signature of its origin, which is the node's public key then. All nodes of the
    /// channel sign, or none does. Without signatures anybody can publish in another's name, and set up the ways of that
    /// one's payloads wrongly. On.
    pub signed: bool,
    /// Bytes of a shard of what is published here: 16, 32 or 64 KiB. `None`: 16 KiB up to 2 MiB, 32 KiB above.
    pub shard_bytes: Option<usize>,
    /// How long the application may check a whole payload, where it takes its time: what has no answer by then is not delivered.
    pub check_within: Duration,
    /// Bytes set aside for payloads that are under way, on all shards of the node together. What the application is checking counts
    /// as under way.
    pub under_way_bytes_max: usize,
    /// Of these, for payloads that one peer brought first: twice the largest that is to come.
    pub peer_bytes_max: usize,
    /// Bytes of payloads, with their repair shards, that are kept for peers that come later, on all
    /// shards of the node together.
    pub kept_bytes_max: usize,
}

impl LargeConfig {
    /// The defaults for a pair of channels: signed manifests, 512 MiB under way and half of it for one
    /// peer, 512 MiB kept, and 10 s for an application that checks payloads. Messages about shards weigh 6, shards 2.
    pub fn new(control: ChannelId, shards: ChannelId) -> Self {
        LargeConfig {
            control: ChannelDescriptor {
                send_queue_capacity: CONTROL_QUEUE,
                recv_message_capacity: CONTROL_BYTES_MAX,
                ..ChannelDescriptor::new(control, 6)
            },
            shards: ChannelDescriptor {
                send_queue_capacity: SHARD_QUEUE,
                recv_message_capacity: SHARD_HEADER_BYTES + 32 * PROOF_MAX + SHARD_BYTES_MAX,
                publish_capacity: Some(PAYLOAD_BYTES_MAX),
                ..ChannelDescriptor::new(shards, 2)
            },
            signed: true,
            shard_bytes: None,
            check_within: Duration::from_secs(10),
            under_way_bytes_max: 512 * 1024 * 1024,
            peer_bytes_max: 256 * 1024 * 1024,
            kept_bytes_max: 512 * 1024 * 1024,
        }
    }

    /// The bounds of one of `shard_count` shards. One payload must find room on the shard that owns it,
    /// so what a peer may bring is not divided, and what is under way is at least that.
    pub(super) fn limits(&self, shard_count: u16) -> ExchangeLimits {
        let shards = usize::from(shard_count.max(1));
        ExchangeLimits {
            decoder: Limits {
                bytes_max: (self.under_way_bytes_max / shards).max(self.peer_bytes_max),
                account_bytes_max: self.peer_bytes_max,
                idle_sweeps_max: IDLE_SWEEPS_MAX,
                ..Limits::default()
            },
            kept_bytes_max: self.kept_bytes_max / shards,
        }
    }
}
