//! Bundles: several messages of an origin that travel as one.
//!
//! ```text
//!  payload of a bundle   length 4 │ message │ length 4 │ message │ …      from 2 to 1,024 messages
//! ```
//! What a body costs beside its bytes (a number, a signature and its check, announcements, entries in tables) its
//! messages share. Nothing waits to be bundled: an origin puts together what is there at the same moment. A message
//! that is alone has no length before it, so there is one form for each.

use bytes::{BufMut, Bytes, BytesMut};

use super::message::{MEDIUM_BYTES_MAX, SMALL_BYTES_MAX};
use super::refusal::Refusal;

/// Messages of one bundle at most: whoever reads it does something for each.
pub const BUNDLE_MESSAGES_MAX: usize = 1024;

/// Bytes of the messages of an urgent bundle at most. A node passes a bundle on when it is there as a whole, and
/// other urgent messages wait behind it: 16 KiB take 1.3 ms of a link of 100 Mbit/s.
pub const URGENT_BUNDLE_BYTES_MAX: usize = 16 * 1024;

/// Bytes before each message of a bundle.
pub const BUNDLE_LENGTH_BYTES: usize = size_of::<u32>();

/// Puts messages together, up to what one body may carry.
#[derive(Debug)]
pub struct BundleWriter {
    bytes_max: usize,
    message_bytes_max: usize,
    messages: Vec<Bytes>,
    /// Bytes of the messages.
    message_bytes: usize,
}

/// What [`BundleWriter::finish`] has put together: the payload of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    /// One message, or several with their lengths.
    pub bytes: Bytes,
    /// Whether it is several.
    pub is_bundle: bool,
}

impl BundleWriter {
    /// For urgent messages, or for others: both have a bound.
    pub fn new(urgent: bool) -> Self {
        let (bytes_max, message_bytes_max) = bounds(urgent);
        BundleWriter {
            bytes_max,
            message_bytes_max,
            messages: Vec::new(),
            message_bytes: 0,
        }
    }

    /// Whether a message of so many bytes finds room. The first does if any body may carry it.
    pub fn has_room(&self, message_bytes: usize) -> bool {
        message_bytes <= self.message_bytes_max
            && self.messages.len() < BUNDLE_MESSAGES_MAX
            && self.message_bytes + message_bytes <= self.bytes_max
    }

    /// Puts a message in.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn push(&mut self, message: Bytes) {
        assert!(self.has_room(message.len()), "whoever pushes has asked");
        self.message_bytes += message.len();
        self.messages.push(message);
    }

    /// Messages so far.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The payload. A single message is not copied. `None` for no message.
    pub fn finish(mut self) -> Option<Payload> {
        if self.messages.len() < 2 {
            let bytes = self.messages.pop()?;
            let is_bundle = false;
            return Some(Payload { bytes, is_bundle });
        }
        let len = self.message_bytes + self.messages.len() * BUNDLE_LENGTH_BYTES;
        let mut bytes = BytesMut::with_capacity(len);
        for message in &self.messages {
            let len = u32::try_from(message.len()).expect("a message is far shorter");
            bytes.put_u32_le(len);
            bytes.put_slice(message);
        }
        Some(Payload {
            bytes: bytes.freeze(),
            is_bundle: true,
        })
    }
}

/// Checks the payload of a body.
///
/// # Errors
/// [`Refusal::TooLong`] for messages of more than [`MEDIUM_BYTES_MAX`] together; [`Refusal::Urgent`] for an urgent
/// message, or for urgent ones together, that are longer than such may be; [`Refusal::Bundle`] for one message alone, or too many; [`Refusal::Truncated`]
/// for a bundle that ends inside a message or its length.
pub(super) fn check_payload(payload: &[u8], is_bundle: bool, urgent: bool) -> Result<(), Refusal> {
    let (max, message_max) = bounds(urgent);
    let got = payload.len();
    match is_bundle {
        true => check_bundle(payload, max, message_max, urgent),
        false if got > message_max => Err(too_long(got, message_max, urgent)),
        false => Ok(()),
    }
}

fn check_bundle(
    payload: &[u8],
    max: usize,
    message_max: usize,
    urgent: bool,
) -> Result<(), Refusal> {
    let mut rest = payload;
    let (mut got, mut bytes) = (0, 0);
    while !rest.is_empty() {
        let (message, behind) = split(rest)?;
        bytes += message.len();
        if message.len() > message_max {
            return Err(too_long(message.len(), message_max, urgent));
        }
        if bytes > max {
            return Err(too_long(bytes, max, urgent));
        }
        got += 1;
        if got > BUNDLE_MESSAGES_MAX {
            break;
        }
        rest = behind;
    }
    match (2..=BUNDLE_MESSAGES_MAX).contains(&got) {
        true => Ok(()),
        false => Err(Refusal::Bundle { got }),
    }
}

fn too_long(got: usize, max: usize, urgent: bool) -> Refusal {
    match urgent {
        true => Refusal::Urgent { got, max },
        false => Refusal::TooLong { got, max },
    }
}

/// Bytes of all messages of a payload, and of each, at most.
fn bounds(urgent: bool) -> (usize, usize) {
    match urgent {
        true => (URGENT_BUNDLE_BYTES_MAX, SMALL_BYTES_MAX),
        false => (MEDIUM_BYTES_MAX, MEDIUM_BYTES_MAX),
    }
}

/// The first message of what is left of a bundle, and the rest.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let field = "length of a bundle's message";
    let (got, needed) = (bytes.len(), BUNDLE_LENGTH_BYTES);
    let (length, rest) =
        bytes
            .split_first_chunk()
            .ok_or(Refusal::Truncated { field, got, needed })?;
    let (field, got) = ("message of a bundle", rest.len());
    let needed = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    rest.split_at_checked(needed)
        .ok_or(Refusal::Truncated { field, got, needed })
}

/// The messages of a checked payload, in the origin's order.
pub(super) fn messages(payload: &[u8], is_bundle: bool) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(payload);
    std::iter::from_fn(move || {
        let bytes = rest.take()?;
        if !is_bundle {
            return Some(bytes);
        }
        if bytes.is_empty() {
            return None;
        }
        let (message, behind) = split(bytes).expect("a bundle is checked before it is read");
        rest = Some(behind);
        Some(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(urgent: bool, messages: &[&'static [u8]]) -> Payload {
        let mut writer = BundleWriter::new(urgent);
        for message in messages {
            writer.push(Bytes::from_static(message));
        }
        writer.finish().unwrap()
    }

    fn check(payload: &[u8]) -> Result<(), Refusal> {
        check_payload(payload, true, false)
    }

    #[test]
    fn a_message_alone_is_its_own_payload_and_others_get_lengths() {
        let alone = write(false, &[b"vote"]);
        assert_eq!((&alone.bytes[..], alone.is_bundle), (&b"vote"[..], false));
        let all: [&[u8]; 3] = [b"vote", b"", b"another"];
        let bundle = write(false, &all);
        let expected = b"\x04\0\0\0vote\0\0\0\0\x07\0\0\0another";
        assert_eq!((&bundle.bytes[..], bundle.is_bundle), (&expected[..], true));
        assert_eq!(check(&bundle.bytes), Ok(()));
        assert_eq!(messages(&bundle.bytes, true).collect::<Vec<_>>(), all);
        assert_eq!(messages(b"vote", false).collect::<Vec<_>>(), [b"vote"]);
        assert_eq!(messages(b"", false).collect::<Vec<_>>(), [b""]);
        assert_eq!(BundleWriter::new(true).finish(), None);
    }

    #[test]
    fn a_bundle_of_one_message_or_none_or_too_many_is_refused() {
        assert_eq!(check(b""), Err(Refusal::Bundle { got: 0 }));
        assert_eq!(check(b"\x01\0\0\0v"), Err(Refusal::Bundle { got: 1 }));
        let empty = |count: usize| vec![0; count * BUNDLE_LENGTH_BYTES];
        assert_eq!(check(&empty(BUNDLE_MESSAGES_MAX)), Ok(()));
        let got = BUNDLE_MESSAGES_MAX + 1;
        assert_eq!(check(&empty(got)), Err(Refusal::Bundle { got }));
        assert_eq!(
            check(&empty(2 * got)),
            Err(Refusal::Bundle { got }),
            "the rest is not counted"
        );
    }

    #[test]
    fn a_bundle_that_ends_inside_a_message_or_its_length_is_refused() {
        let bundle = write(false, &[b"vote", b"another"]).bytes;
        for len in 0..bundle.len() {
            assert!(check(&bundle[..len]).is_err(), "{len}");
        }
        let (got, needed) = (3, 4);
        let field = "message of a bundle";
        assert_eq!(
            check(b"\0\0\0\0\x04\0\0\0vot"),
            Err(Refusal::Truncated { field, got, needed })
        );
        let field = "length of a bundle's message";
        assert_eq!(
            check(b"\0\0\0\0\x04\0\0"),
            Err(Refusal::Truncated { field, got, needed })
        );
        let huge = check(b"\xff\xff\xff\xffvote");
        assert!(matches!(huge, Err(Refusal::Truncated { got: 4, .. })));
    }

    #[test]
    fn a_writer_has_room_up_to_the_bounds_of_a_reader() {
        for (urgent, bytes_max, message_max) in [
            (false, MEDIUM_BYTES_MAX, MEDIUM_BYTES_MAX),
            (true, URGENT_BUNDLE_BYTES_MAX, SMALL_BYTES_MAX),
        ] {
            let mut writer = BundleWriter::new(urgent);
            assert!(writer.has_room(message_max) && !writer.has_room(message_max + 1));
            let message = Bytes::from(vec![7; 1000]);
            while writer.has_room(message.len()) {
                writer.push(message.clone());
            }
            let left = bytes_max - writer.len() * message.len();
            assert!(writer.has_room(left) && !writer.has_room(left + 1));
            writer.push(vec![8; left].into());
            let payload = writer.finish().unwrap();
            assert_eq!(check_payload(&payload.bytes, true, urgent), Ok(()));
            let mut longer = payload.bytes.to_vec();
            longer.extend(b"\x01\0\0\0v");
            let (got, max) = (bytes_max + 1, bytes_max);
            assert_eq!(
                check_payload(&longer, true, urgent),
                Err(too_long(got, max, urgent))
            );
        }
        let mut writer = BundleWriter::new(false);
        while writer.has_room(0) {
            writer.push(Bytes::new());
        }
        assert_eq!(writer.len(), BUNDLE_MESSAGES_MAX);
    }

    #[test]
    fn an_urgent_bundle_has_bounds_of_its_own() {
        let long = vec![0; SMALL_BYTES_MAX + 1];
        let mut writer = BundleWriter::new(false);
        writer.push(long.clone().into());
        writer.push(Bytes::new());
        let payload = writer.finish().unwrap();
        assert_eq!(check_payload(&payload.bytes, true, false), Ok(()));
        let (got, max) = (SMALL_BYTES_MAX + 1, SMALL_BYTES_MAX);
        let too_long = Err(Refusal::Urgent { got, max });
        assert_eq!(check_payload(&payload.bytes, true, true), too_long);
        assert_eq!(check_payload(&long, false, true), too_long);
    }
}
