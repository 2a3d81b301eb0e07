//! What the ways between threads count beside their items: the bytes of the messages in them.
//!
//! A ring has so many places; whether they hold votes or blocks is a difference of gigabytes. So
//! each ring that carries messages has a bound of bytes as well, counted in one number that both
//! ends share.

use ringwire_core::switch::{Command, Delivery, Event, ShardMessage};

/// Something that may carry a message.
pub(crate) trait Payload {
    /// Bytes of the message; zero if there is none.
    fn payload_bytes(&self) -> usize;
}

impl Payload for Delivery {
    fn payload_bytes(&self) -> usize {
        self.message.len()
    }
}

impl Payload for Event {
    fn payload_bytes(&self) -> usize {
        0
    }
}

impl Payload for ShardMessage {
    fn payload_bytes(&self) -> usize {
        match self {
            ShardMessage::Note { note, .. } => note.bytes(),
            ShardMessage::Broadcast { message, .. } => message.len(),
            _ => 0,
        }
    }
}

impl Payload for Command {
    fn payload_bytes(&self) -> usize {
        match self {
            Command::Send { message, .. }
            | Command::Broadcast { message, .. }
            | Command::Publish { message, .. } => message.len(),
            _ => 0,
        }
    }
}

/// In tests a number stands for a message of so many bytes.
#[cfg(test)]
mod numbers {
    use super::Payload;

    macro_rules! weigh {
        ($($number:ty),+) => {
            $(impl Payload for $number {
                fn payload_bytes(&self) -> usize {
                    *self as usize
                }
            })+
        };
    }
    weigh!(u8, u32, usize, i32);

    impl<A, B> Payload for (A, B) {
        fn payload_bytes(&self) -> usize {
            0
        }
    }
}
