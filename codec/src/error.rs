//! What can be wrong with the bytes of a message, and whose fault a failure is.
//!
//! One enum serves all plain decoders of this crate. It holds only integers and names known at
//! compile time, so making one allocates nothing however often a peer provokes it.

use thiserror::Error;

/// Whose fault a failure is. It decides who is punished: a peer may be banned for what it did,
/// never for what the network or we did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The remote node broke a rule of the protocol.
    Peer,
    /// This node did: a wrong setting, a wrong call, a limit of its own.
    Local,
    /// The path between them did: reset, time-out, end of stream.
    Network,
}

/// Why bytes from a peer are not the message they should be.
///
/// Each variant names the field or message and the rule that was broken. The blame is always the
/// sender's, see [`DecodeError::blame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes of a complete message ended in the middle of a field.
    #[error("{what}: the message ends in the middle of a field")]
    Truncated {
        /// The message that was being read.
        what: &'static str,
    },

    /// A varint took more than ten bytes or more than 64 bits.
    #[error("varint: more than 64 bits")]
    VarintOverflow,

    /// A length is over its limit. Found before the bytes themselves are read or waited for.
    #[error("{what}: {len} bytes, at most {max} are allowed")]
    TooLong {
        /// The message or field whose length it is.
        what: &'static str,
        /// The length found, in bytes.
        len: u64,
        /// The largest length allowed, in bytes.
        max: u64,
    },

    /// A repeated field has more entries than allowed.
    #[error("{what}: more than {max} entries")]
    TooMany {
        /// The repeated field.
        what: &'static str,
        /// The largest number of entries allowed.
        max: usize,
    },

    /// A known field came with another wire type than its declared one.
    #[error("{field}: wire type {found} does not belong to this field")]
    WrongWireType {
        /// The field.
        field: &'static str,
        /// The wire type found, 0 to 7.
        found: u8,
    },

    /// A field tag is not one that protobuf allows: number 0, number over 2^29 - 1, or a wire type
    /// that is a group (3, 4) or not assigned (6, 7).
    #[error("{what}: field number {number} with wire type {wire_type} is not a valid tag")]
    BadTag {
        /// The message that was being read.
        what: &'static str,
        /// The field number found.
        number: u64,
        /// The wire type found, 0 to 7.
        wire_type: u8,
    },

    /// None of the known members of a oneof is set.
    #[error("{what}: no known message is set")]
    UnknownMessage {
        /// The message whose oneof is empty.
        what: &'static str,
    },

    /// An integer is larger than its field allows.
    #[error("{field}: {value} is over {max}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// The value as it lies on the wire; a negative one shows as a number over 2^63.
        value: u64,
        /// The largest value allowed.
        max: u64,
    },

    /// A value has the right type but breaks a rule of its field.
    #[error("{field}: {rule}")]
    BadValue {
        /// The field.
        field: &'static str,
        /// The rule, as a short sentence.
        rule: &'static str,
    },
}

impl DecodeError {
    /// Always [`Blame::Peer`]: these bytes came through an authenticated channel, so only the peer
    /// can have written them.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        Blame::Peer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_field_rule_and_blame() {
        let error = DecodeError::OutOfRange {
            field: "packet_msg.channel_id",
            value: 1025,
            max: 255,
        };
        assert_eq!(error.to_string(), "packet_msg.channel_id: 1025 is over 255");
        assert_eq!(error.blame(), Blame::Peer);
    }

    #[test]
    fn an_error_stays_small() {
        assert!(size_of::<DecodeError>() <= 40);
    }
}
