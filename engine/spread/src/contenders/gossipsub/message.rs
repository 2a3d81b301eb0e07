//! [`GossipsubMessage`]: what neighbours say to each other, one thing to an RPC.

use std::rc::Rc;

use crate::contenders::protobuf::{field, varint};
use crate::machine::{Message, Payload, Priority, Size};

/// `/eth2/`, the fork in eight digits, `/beacon_block/ssz_snappy`.
const TOPIC_BYTES: u32 = 38;
/// An id: the first bytes of a hash.
pub(super) const ID_BYTES: u32 = 20;
/// How long a pruned link rests, in seconds, as a number with its tag.
const BACKOFF_BYTES: u32 = 2;

/// A message of gossipsub.
#[derive(Clone, Debug)]
pub enum GossipsubMessage {
    /// The message itself.
    Publish(Payload),
    /// What the sender has had of late.
    IHave(Rc<[u32]>),
    /// What the sender misses of it.
    IWant(Rc<[u32]>),
    /// What the sender has already.
    IDontWant(u32),
    /// What the sender has, and would have pushed under version 1.2.
    IAnnounce(u32),
    /// The answer: send it.
    INeed(u32),
    /// The sender takes this link into its mesh.
    Graft,
    /// The sender has it in its mesh no longer.
    Prune,
}

impl Message for GossipsubMessage {
    fn size(&self) -> Size {
        if let GossipsubMessage::Publish(payload) = self {
            let message = field(payload.bytes) + field(TOPIC_BYTES);
            return Size {
                payload: Some((payload.id, payload.bytes)),
                control_bytes: rpc(message) - payload.bytes,
            };
        }
        let ids = |ids: &[u32]| ids.len() as u32 * field(ID_BYTES);
        let control = match self {
            GossipsubMessage::IHave(have) => field(TOPIC_BYTES) + ids(have),
            GossipsubMessage::IWant(want) => ids(want),
            GossipsubMessage::IAnnounce(_) => field(TOPIC_BYTES) + field(ID_BYTES),
            GossipsubMessage::Graft => field(TOPIC_BYTES),
            GossipsubMessage::Prune => field(TOPIC_BYTES) + BACKOFF_BYTES,
            _ => field(ID_BYTES),
        };
        Size::control(rpc(field(control)))
    }

    fn priority(&self) -> Priority {
        match self {
            GossipsubMessage::Publish(payload) => Priority::of_payload(payload.bytes),
            _ => Priority::High,
        }
    }
}

/// An RPC around a field of so many bytes, with its length in front.
fn rpc(bytes: u32) -> u32 {
    let bytes = field(bytes);
    varint(u64::from(bytes)) + bytes
}
