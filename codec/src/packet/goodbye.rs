//! Goodbye: why the sender closes the connection, between Ringwire nodes only.
//!
//! ```text
//! Packet        { … 4242 PacketGoodbye }
//! PacketGoodbye { uint32 code = 1 ; string text = 2 }
//! ```
//!
//! A node of CometBFT takes an unknown packet for a fault, so a goodbye is sent only to a node whose
//! extension says that it reads one ([`GOODBYE_VERSION`]). It is the last packet of its sender.
//!
//! The code is for the program and the text for people. Both are the sender's word and no more: a
//! reader may log them and must not punish anybody for them.

use bytes::BufMut;

use crate::delimited;
use crate::error::DecodeError;
use crate::proto::{Fields, put_bytes, put_varint};
use crate::varint;

/// The field of `Packet` that carries a goodbye, far from what CometBFT may add.
pub const GOODBYE_FIELD: u32 = 4242;

/// The version of the extension from which on a node reads goodbyes.
pub const GOODBYE_VERSION: u32 = 2;

/// The longest text of a goodbye, in bytes of printable ASCII.
pub const GOODBYE_TEXT_MAX: usize = 128;

const FIELD_CODE: u32 = 1;
const FIELD_TEXT: u32 = 2;

/// The longest body of a packet that is a goodbye: tag and length, the longest code, the longest
/// text.
pub const GOODBYE_BODY_MAX: usize = 3 + 2 + (1 + 5) + (1 + 2 + GOODBYE_TEXT_MAX);

/// Why a node closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GoodbyeCode {
    /// 1: the operator or the application wants it.
    Stopped,
    /// 2: the node ends.
    Shutdown,
    /// 3: there is no room for this peer.
    Full,
    /// 4: the two are connected already.
    Duplicate,
    /// 5: the peer is banned.
    Banned,
    /// 6: a rule of the node refuses the peer.
    Refused,
    /// 7: the peer broke a rule of the protocol.
    Fault,
    /// 8: the node had trouble of its own.
    Internal,
    /// A code of a later version; never one of those above, never 0.
    Other(u32),
}

impl GoodbyeCode {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Stopped => 1,
            Self::Shutdown => 2,
            Self::Full => 3,
            Self::Duplicate => 4,
            Self::Banned => 5,
            Self::Refused => 6,
            Self::Fault => 7,
            Self::Internal => 8,
            Self::Other(number) => number,
        }
    }

    /// The code of a number; none for 0, which says nothing.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => return None,
            1 => Self::Stopped,
            2 => Self::Shutdown,
            3 => Self::Full,
            4 => Self::Duplicate,
            5 => Self::Banned,
            6 => Self::Refused,
            7 => Self::Fault,
            8 => Self::Internal,
            number => Self::Other(number),
        })
    }
}

/// The last word of a node that closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketGoodbye<'a> {
    /// Why.
    pub code: GoodbyeCode,
    /// The same for people: at most [`GOODBYE_TEXT_MAX`] bytes of printable ASCII, or nothing.
    pub text: &'a str,
}

impl<'a> PacketGoodbye<'a> {
    /// Reads the fields of a goodbye.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (mut number, mut text) = (0, &b""[..]);
        let mut fields = Fields::new(bytes, "packet_goodbye");
        while let Some(field) = fields.next()? {
            match field.number {
                FIELD_CODE => number = field.uint32("packet_goodbye.code")?,
                FIELD_TEXT => text = field.bytes("packet_goodbye.text")?,
                _ => {}
            }
        }
        let code = GoodbyeCode::from_number(number).ok_or(DecodeError::BadValue {
            field: "packet_goodbye.code",
            rule: "must be at least 1",
        })?;
        let text = check_text(text)?;
        Ok(Self { code, text })
    }

    /// Appends the packet behind its length.
    ///
    /// # Panics
    ///
    /// If the text breaks its rule: it is our own.
    pub(super) fn encode(&self, buf: &mut impl BufMut) {
        assert!(
            check_text(self.text.as_bytes()).is_ok(),
            "our own text is short and printable"
        );
        let mut fields = Vec::with_capacity(GOODBYE_BODY_MAX);
        put_varint(FIELD_CODE, self.code.number().into(), &mut fields);
        put_bytes(FIELD_TEXT, self.text.as_bytes(), &mut fields);
        let mut body = Vec::with_capacity(GOODBYE_BODY_MAX);
        crate::proto::put_message(GOODBYE_FIELD, &fields, &mut body);
        delimited::encode(&body, buf);
    }
}

/// The start of `text` that a goodbye can carry, with `?` in place of what cannot be printed.
#[must_use]
pub fn goodbye_text(text: &str) -> String {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    text.chars().take(GOODBYE_TEXT_MAX).map(printable).collect()
}

fn check_text(text: &[u8]) -> Result<&str, DecodeError> {
    if text.len() > GOODBYE_TEXT_MAX {
        return Err(DecodeError::TooLong {
            what: "packet_goodbye.text",
            len: text.len() as u64,
            max: GOODBYE_TEXT_MAX as u64,
        });
    }
    let is_printable = text.iter().all(|byte| (b' '..=b'~').contains(byte));
    std::str::from_utf8(text)
        .ok()
        .filter(|_| is_printable)
        .ok_or(DecodeError::BadValue {
            field: "packet_goodbye.text",
            rule: "must be printable ASCII",
        })
}

// The longest length in front of a goodbye's body takes two bytes.
const _: () = assert!(varint::encoded_len(GOODBYE_BODY_MAX as u64) == 2);

#[cfg(test)]
mod tests {
    use super::super::{Packet, accepted_body_max, decode_delimited, fuzz_packet};
    use super::*;

    fn encoded(code: u32, text: &str) -> Vec<u8> {
        let code = GoodbyeCode::from_number(code).expect("not zero");
        let mut buf = Vec::new();
        Packet::Goodbye(PacketGoodbye { code, text }).encode(&mut buf);
        buf
    }

    /// The body of a packet around the fields of a goodbye.
    fn wrapped(fields: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        crate::proto::put_message(GOODBYE_FIELD, fields, &mut body);
        body
    }

    #[test]
    fn a_goodbye_has_fixed_bytes() {
        assert_eq!(
            hex::encode(encoded(3, "full")),
            "0c9289020808031204".to_owned() + &hex::encode("full")
        );
        assert_eq!(hex::encode(encoded(2, "")), "06928902020802");
    }

    #[test]
    fn what_is_written_is_read_back_whatever_the_code() {
        for code in [1, 2, 3, 4, 5, 6, 7, 8, 9, u32::MAX] {
            for text in ["", " ", "no room for another peer ~"] {
                let bytes = encoded(code, text);
                let read = decode_delimited(&bytes, GOODBYE_BODY_MAX);
                let code = GoodbyeCode::from_number(code).unwrap();
                let packet = Packet::Goodbye(PacketGoodbye { code, text });
                assert_eq!(read, Ok(Some((packet, bytes.len()))));
                assert_eq!(GoodbyeCode::from_number(code.number()), Some(code));
                fuzz_packet(&bytes[1..]);
            }
        }
    }

    #[test]
    fn the_longest_text_passes_and_one_byte_more_is_refused() {
        let longest = "x".repeat(GOODBYE_TEXT_MAX);
        let bytes = encoded(u32::MAX, &longest);
        assert_eq!(bytes.len(), 2 + GOODBYE_BODY_MAX);
        assert!(decode_delimited(&bytes, GOODBYE_BODY_MAX).is_ok());
        let mut fields = vec![0x08, 1];
        put_bytes(
            FIELD_TEXT,
            "x".repeat(GOODBYE_TEXT_MAX + 1).as_bytes(),
            &mut fields,
        );
        let refused = Packet::decode(&wrapped(&fields)).map(|_| ());
        let (what, max) = ("packet_goodbye.text", GOODBYE_TEXT_MAX as u64);
        let len = max + 1;
        assert_eq!(refused, Err(DecodeError::TooLong { what, len, max }));
    }

    #[test]
    fn text_that_is_not_printable_is_refused() {
        for (byte, good) in [
            (0x1f, false),
            (b' ', true),
            (b'~', true),
            (0x7f, false),
            (0x80, false),
        ] {
            let mut fields = vec![0x08, 1];
            put_bytes(FIELD_TEXT, &[byte], &mut fields);
            assert_eq!(Packet::decode(&wrapped(&fields)).is_ok(), good, "{byte:#x}");
        }
    }

    #[test]
    fn a_goodbye_without_a_code_is_refused_and_unknown_fields_are_skipped() {
        assert!(matches!(
            Packet::decode(&wrapped(&[])),
            Err(DecodeError::BadValue {
                field: "packet_goodbye.code",
                ..
            })
        ));
        let expected = PacketGoodbye {
            code: GoodbyeCode::Stopped,
            text: "",
        };
        let with_more = Packet::decode(&[0x92, 0x89, 0x02, 4, 0x08, 1, 0x18, 7])
            .map(|packet| packet == Packet::Goodbye(expected));
        assert_eq!(with_more, Ok(true));
    }

    #[test]
    fn any_text_can_be_made_one_that_fits() {
        let long = "ä\n".repeat(GOODBYE_TEXT_MAX);
        let text = goodbye_text(&long);
        assert_eq!(text, "?".repeat(GOODBYE_TEXT_MAX));
        assert_eq!(goodbye_text("plain words"), "plain words");
        encoded(1, &text);
    }

    #[test]
    #[should_panic(expected = "short and printable")]
    fn a_text_of_our_own_that_does_not_fit_is_our_own_fault() {
        encoded(1, "two\nlines");
    }

    #[test]
    fn a_goodbye_may_be_longer_than_the_smallest_agreed_packet() {
        assert!(GOODBYE_BODY_MAX > accepted_body_max(64));
    }
}
