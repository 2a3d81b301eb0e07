//! The last word of a side that closes on purpose, said to Ringwire nodes only.
//!
//! It travels as the last packet of its sender (docs/wire.md, section 6), so a node that was refused
//! finds the reason in its own log. It is the remote's word: it blames nobody, and it never makes a
//! persistent peer less wanted.

use std::fmt;

use bytes::BytesMut;
use ringwire_codec::packet::{GOODBYE_BODY_MAX, goodbye_text};
use ringwire_codec::{Blame, GoodbyeCode, Packet, PacketGoodbye};

use super::AgreedLimits;
use crate::buffer::Sealer;

/// Bytes of the length in front of a record's plaintext.
const HEADER_BYTES: usize = 4;
/// Bytes of the tag behind it.
const TAG_BYTES: usize = 16;

/// Why a side closes, as it tells the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// Why.
    pub code: GoodbyeCode,
    /// More about it, for people: printable ASCII, at most 128 bytes, often nothing.
    pub text: Box<str>,
}

impl Goodbye {
    /// A goodbye with as much of `text` as it can carry.
    pub fn new(code: GoodbyeCode, text: &str) -> Self {
        Goodbye {
            code,
            text: goodbye_text(text).into(),
        }
    }

    /// Whose fault the end of the connection was. Having no room is nobody's, and what the remote
    /// accuses us of would be ours: a peer is never to blame for a goodbye.
    pub fn blame(&self) -> Blame {
        match self.code {
            GoodbyeCode::Banned | GoodbyeCode::Refused | GoodbyeCode::Fault => Blame::Local,
            _ => Blame::Network,
        }
    }

    /// The sealed record that says it, if the peer reads goodbyes and its records go on.
    pub(crate) fn seal(&self, limits: &AgreedLimits, sealer: &mut Sealer) -> Option<BytesMut> {
        let Sealer::Wide { sealer, .. } = sealer else {
            return None;
        };
        if !limits.goodbye {
            return None;
        }
        let mut record = BytesMut::with_capacity(HEADER_BYTES + 2 + GOODBYE_BODY_MAX + TAG_BYTES);
        record.resize(HEADER_BYTES, 0);
        let (code, text) = (self.code, &*self.text);
        Packet::Goodbye(PacketGoodbye { code, text }).encode(&mut record);
        record.resize(record.len() + TAG_BYTES, 0);
        sealer.seal(&mut record).ok()?;
        Some(record)
    }
}

impl From<PacketGoodbye<'_>> for Goodbye {
    fn from(packet: PacketGoodbye<'_>) -> Self {
        Goodbye {
            code: packet.code,
            text: packet.text.into(),
        }
    }
}

impl fmt::Display for Goodbye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            GoodbyeCode::Stopped => f.write_str("its operator closed the connection"),
            GoodbyeCode::Shutdown => f.write_str("it shuts down"),
            GoodbyeCode::Full => f.write_str("it has no room for us"),
            GoodbyeCode::Duplicate => f.write_str("it is connected to us already"),
            GoodbyeCode::Banned => f.write_str("it has banned us"),
            GoodbyeCode::Refused => f.write_str("a rule of its own refuses us"),
            GoodbyeCode::Fault => f.write_str("it says that we broke a rule"),
            GoodbyeCode::Internal => f.write_str("it had trouble of its own"),
            code => write!(f, "reason {}", code.number()),
        }?;
        match &*self.text {
            "" => Ok(()),
            text => write!(f, ": {text}"),
        }
    }
}
