//! [`LargeMessage`]: what neighbours say to each other.

use ringwire_gossip::coded::Shard;
use ringwire_gossip::exchange::Control;

use crate::machine::{Message, Priority, Size};

/// A message of the protocol.
#[derive(Clone, Debug)]
pub enum LargeMessage {
    /// About shards.
    Control(Control),
    /// A shard, and the number of the payload that it is of; none if it is of no payload of the run.
    Shard(Shard, Option<u32>),
}

impl Message for LargeMessage {
    fn size(&self) -> Size {
        match self {
            LargeMessage::Control(message) => Size::control(message.encode().len() as u32),
            LargeMessage::Shard(shard, id) => {
                let wire = shard.wire().len() as u32;
                let payload = id.map(|id| (id, shard.data().len() as u32));
                Size {
                    payload,
                    control_bytes: wire - payload.map_or(0, |(_, data)| data),
                }
            }
        }
    }

    fn priority(&self) -> Priority {
        match self {
            LargeMessage::Control(_) => Priority::High,
            LargeMessage::Shard(..) => Priority::Low,
        }
    }
}
