//! [`CatMessage`]: what neighbours say to each other.

use crate::contenders::protobuf::{field, number};
use crate::machine::{Message, Payload, Priority, Size};

/// A key: a transaction's hash. A signer: an account's address.
const KEY_BYTES: u32 = 32;
const SIGNER_BYTES: u32 = 20;

/// A message of CAT. A payload stands for a transaction's key, signer and sequence.
#[derive(Clone, Copy, Debug)]
pub enum CatMessage {
    /// The sender has it.
    Seen(Payload),
    /// The sender asks for it.
    Want(Payload),
    /// The transaction.
    Tx(Payload),
}

impl Message for CatMessage {
    fn size(&self) -> Size {
        match self {
            CatMessage::Seen(tx) => {
                let sequence = number(u64::from(tx.seq));
                Size::control(field(field(KEY_BYTES) + sequence + field(SIGNER_BYTES)))
            }
            CatMessage::Want(_) => Size::control(field(field(KEY_BYTES))),
            CatMessage::Tx(tx) => Size {
                payload: Some((tx.id, tx.bytes)),
                control_bytes: field(field(tx.bytes)) - tx.bytes,
            },
        }
    }

    fn priority(&self) -> Priority {
        match self {
            CatMessage::Want(_) => Priority::High,
            CatMessage::Seen(tx) | CatMessage::Tx(tx) => Priority::of_payload(tx.bytes),
        }
    }
}
