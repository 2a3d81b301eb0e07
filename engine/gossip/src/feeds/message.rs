//! [`FeedMessage`]: what neighbours tell each other of small and medium messages.
//!
//! ```text
//!  body    1 │ alias 2 │ seq 8 │ flags 1 │ priority 1 │ ms left 4 │ signature 64, if flagged │ payload
//!  have    2 │ short id 8 │ …
//!  want    3 │ short id 8 │ …                                     integers little-endian
//!  part    4 │ part 1 │ alias 2, or ffff for all │ stripe 1
//!  alias   5 │ alias 2 │ origin 32
//!  digest  6 │ window 4 │ count 4 │ xor of ids 32
//! ```
//! Reading allocates nothing: payloads and ids stay where they lie, and their bounds are checked before they
//! are looked at. Whether a body is small or medium follows from its length, so there is one form for each.

use bytes::{BufMut, Bytes, BytesMut};

use super::id::ShortId;
use super::refusal::Refusal;
use crate::coded::{Origin, PAYLOAD_BYTES_MIN};

/// The longest payload of a small message, in bytes: a vote fits, and only such a message can be urgent.
pub const SMALL_BYTES_MAX: usize = 1024;

/// The longest payload of a medium message, in bytes; longer ones travel coded.
pub const MEDIUM_BYTES_MAX: usize = 128 * 1024;

/// Bytes of a body before its signature, or before its payload where it has none.
pub const BODY_HEADER_BYTES: usize = 1 + 2 + 8 + 1 + 1 + 4;

/// Bytes of an origin's signature (Ed25519).
pub const SIGNATURE_BYTES: usize = 64;

/// The longest message, in bytes: a signed body of the longest payload.
pub const FEED_MESSAGE_BYTES_MAX: usize = BODY_HEADER_BYTES + SIGNATURE_BYTES + MEDIUM_BYTES_MAX;

/// Ids in one message at most: 4 KiB of them. More go into the next message.
pub const IDS_MAX: usize = 512;

/// Origins that one direction of a link can name at a time, which bounds the table of who reads them:
/// 16,384 origins of 32 bytes are 512 KiB.
pub const ALIASES_MAX: u16 = 16_384;

/// Stripes of an origin, each of which has feeds of its own. Small and medium messages are stripe 0.
pub const STRIPES_MAX: u8 = 16;

// Every length has a class that carries it.
const _: () = assert!(PAYLOAD_BYTES_MIN <= MEDIUM_BYTES_MAX + 1);

const BODY: u8 = 1;
const HAVE: u8 = 2;
const WANT: u8 = 3;
const PART: u8 = 4;
const ALIAS: u8 = 5;
const DIGEST: u8 = 6;

const URGENT: u8 = 1;
const SIGNED: u8 = 2;

const ALL: u16 = u16::MAX;

/// A short name of an origin on one link, given by who sends its messages. Below [`ALIASES_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Alias(u16);

impl Alias {
    /// The alias of this number.
    ///
    /// # Errors
    /// [`Refusal::Alias`] from [`ALIASES_MAX`] on.
    pub fn new(number: u16) -> Result<Self, Refusal> {
        if number < ALIASES_MAX {
            Ok(Alias(number))
        } else {
            let (got, max) = (number, ALIASES_MAX - 1);
            Err(Refusal::Alias { got, max })
        }
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// Which origins a [`FeedMessage::Part`] is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// The one that the reader of the message calls so on this link.
    One(Alias),
    /// All, also those that this link has not named yet.
    All,
}

/// What a neighbour shall do with the messages of an origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Neither send nor announce them.
    Quiet,
    /// Announce each as soon as it is there.
    Backup,
    /// Send each as soon as it is there.
    Feed,
}

/// A message of an origin, and what is said of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Body<'a> {
    /// Who made it, by the sender's name for them.
    pub alias: Alias,
    /// The origin's number of it.
    pub seq: u64,
    /// Whether it goes before all that is not urgent; at most [`SMALL_BYTES_MAX`] are.
    pub urgent: bool,
    /// Which goes first among those that are equally urgent: the higher.
    pub priority: u8,
    /// Milliseconds after which nobody needs it; 0 for never. Each hop subtracts the time that it took.
    pub left_ms: u32,
    /// The origin's signature of the message's id.
    pub signature: Option<&'a [u8; SIGNATURE_BYTES]>,
    /// The payload: at most [`MEDIUM_BYTES_MAX`] bytes.
    pub payload: &'a [u8],
}

/// What an end of a link holds of a window of time, so that the other sees whether it holds the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest {
    /// The number of the window.
    pub window: u32,
    /// How many messages are held of it.
    pub count: u32,
    /// The ids of them, each under the link's key, joined by exclusive or.
    pub xor: [u8; 32],
}

/// Ids of a `have` or a `want`: from one to [`IDS_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ids<'a> {
    bytes: &'a [u8],
}

/// A message between neighbours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeedMessage<'a> {
    /// A message itself.
    Body(Body<'a>),
    /// The sender holds these messages.
    Have(Ids<'a>),
    /// The sender wants these messages, which the reader has announced.
    Want(Ids<'a>),
    /// What the reader shall do with the messages of an origin, or of a stripe of it.
    Part(Part, Which, u8),
    /// The sender calls the origin so from now on.
    Alias(Alias, Origin),
    /// What the sender holds.
    Digest(Digest),
}

impl<'a> FeedMessage<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Refusal`] says which rule the bytes break: always the sender's fault.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if bytes.len() > FEED_MESSAGE_BYTES_MAX {
            let (got, max) = (bytes.len(), FEED_MESSAGE_BYTES_MAX);
            return Err(Refusal::TooLong { got, max });
        }
        let mut fields = Fields { bytes };
        let [kind] = fields.take("kind")?;
        let message = match kind {
            BODY => return decode_body(fields).map(FeedMessage::Body),
            HAVE => return Ids::decode(fields.bytes).map(FeedMessage::Have),
            WANT => return Ids::decode(fields.bytes).map(FeedMessage::Want),
            PART => decode_part(&mut fields)?,
            ALIAS => {
                let alias = Alias::new(fields.u16("alias")?)?;
                FeedMessage::Alias(alias, fields.take("origin")?)
            }
            DIGEST => FeedMessage::Digest(Digest {
                window: fields.u32("window")?,
                count: fields.u32("count")?,
                xor: fields.take("xor of ids")?,
            }),
            got => return Err(Refusal::Kind { got }),
        };
        fields.end(message)
    }

    /// Writes a message.
    ///
    /// # Errors
    /// [`Refusal::TooLong`], [`Refusal::Urgent`] and [`Refusal::Stripe`] if a reader would refuse it.
    pub fn encode(&self) -> Result<Bytes, Refusal> {
        let mut bytes = BytesMut::with_capacity(self.len_hint());
        match self {
            FeedMessage::Body(body) => put_body(&mut bytes, body)?,
            FeedMessage::Have(ids) => put_ids(&mut bytes, HAVE, *ids),
            FeedMessage::Want(ids) => put_ids(&mut bytes, WANT, *ids),
            FeedMessage::Part(part, which, stripe) => {
                bytes.put_slice(&[PART, part.number()]);
                bytes.put_u16_le(which.number());
                bytes.put_u8(checked_stripe(*stripe)?);
            }
            FeedMessage::Alias(alias, origin) => {
                bytes.put_u8(ALIAS);
                bytes.put_u16_le(alias.0);
                bytes.put_slice(origin);
            }
            FeedMessage::Digest(digest) => {
                bytes.put_u8(DIGEST);
                bytes.put_u32_le(digest.window);
                bytes.put_u32_le(digest.count);
                bytes.put_slice(&digest.xor);
            }
        }
        Ok(bytes.freeze())
    }

    /// Bytes to reserve: no message is longer, and none much shorter.
    fn len_hint(&self) -> usize {
        match self {
            FeedMessage::Body(body) => BODY_HEADER_BYTES + SIGNATURE_BYTES + body.payload.len(),
            FeedMessage::Have(ids) | FeedMessage::Want(ids) => 1 + ids.bytes.len(),
            FeedMessage::Part(..) | FeedMessage::Alias(..) | FeedMessage::Digest(_) => 48,
        }
    }
}

impl<'a> Ids<'a> {
    /// The ids that stand in these bytes, one after the other.
    ///
    /// # Errors
    /// [`Refusal::Ids`] for none, and for bytes that end inside an id; [`Refusal::TooLong`] for more than
    /// [`IDS_MAX`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let got = bytes.len();
        if got > IDS_MAX * 8 {
            let max = IDS_MAX * 8;
            return Err(Refusal::TooLong { got, max });
        }
        if got == 0 || !got.is_multiple_of(8) {
            return Err(Refusal::Ids { got });
        }
        Ok(Ids { bytes })
    }

    /// The ids, in the sender's order. A sender may say one twice.
    pub fn iter(self) -> impl Iterator<Item = ShortId> + 'a {
        let (ids, _) = self.bytes.as_chunks();
        ids.iter().map(|id| ShortId(u64::from_le_bytes(*id)))
    }
}

impl Part {
    fn number(self) -> u8 {
        match self {
            Part::Quiet => 0,
            Part::Backup => 1,
            Part::Feed => 2,
        }
    }

    fn of(number: u8) -> Result<Self, Refusal> {
        match number {
            0 => Ok(Part::Quiet),
            1 => Ok(Part::Backup),
            2 => Ok(Part::Feed),
            got => Err(Refusal::Part { got }),
        }
    }
}

impl Which {
    fn number(self) -> u16 {
        match self {
            Which::One(alias) => alias.0,
            Which::All => ALL,
        }
    }

    fn of(number: u16) -> Result<Self, Refusal> {
        match number {
            ALL => Ok(Which::All),
            number => Alias::new(number).map(Which::One),
        }
    }
}

fn decode_part<'a>(fields: &mut Fields<'a>) -> Result<FeedMessage<'a>, Refusal> {
    let [part] = fields.take("part")?;
    let part = Part::of(part)?;
    let which = Which::of(fields.u16("alias")?)?;
    let [stripe] = fields.take("stripe")?;
    Ok(FeedMessage::Part(part, which, checked_stripe(stripe)?))
}

fn checked_stripe(got: u8) -> Result<u8, Refusal> {
    let count = STRIPES_MAX;
    (got < count)
        .then_some(got)
        .ok_or(Refusal::Stripe { got, count })
}

fn decode_body(mut fields: Fields<'_>) -> Result<Body<'_>, Refusal> {
    let alias = Alias::new(fields.u16("alias")?)?;
    let seq = u64::from_le_bytes(fields.take("seq")?);
    let [flags] = fields.take("flags")?;
    if flags & !(URGENT | SIGNED) != 0 {
        return Err(Refusal::Flags { got: flags });
    }
    let [priority] = fields.take("priority")?;
    let left_ms = fields.u32("ms left")?;
    let signature = match flags & SIGNED {
        0 => None,
        _ => Some(fields.lend("signature")?),
    };
    let body = Body {
        alias,
        seq,
        urgent: flags & URGENT != 0,
        priority,
        left_ms,
        signature,
        payload: fields.bytes,
    };
    check_payload(&body).map(|()| body)
}

fn put_body(bytes: &mut BytesMut, body: &Body<'_>) -> Result<(), Refusal> {
    check_payload(body)?;
    let urgent = if body.urgent { URGENT } else { 0 };
    let signed = if body.signature.is_some() { SIGNED } else { 0 };
    bytes.put_u8(BODY);
    bytes.put_u16_le(body.alias.0);
    bytes.put_u64_le(body.seq);
    bytes.put_slice(&[urgent | signed, body.priority]);
    bytes.put_u32_le(body.left_ms);
    if let Some(signature) = body.signature {
        bytes.put_slice(signature);
    }
    bytes.put_slice(body.payload);
    Ok(())
}

fn check_payload(body: &Body<'_>) -> Result<(), Refusal> {
    let got = body.payload.len();
    if got > MEDIUM_BYTES_MAX {
        let max = MEDIUM_BYTES_MAX;
        return Err(Refusal::TooLong { got, max });
    }
    if body.urgent && got > SMALL_BYTES_MAX {
        let max = SMALL_BYTES_MAX;
        return Err(Refusal::Urgent { got, max });
    }
    Ok(())
}

fn put_ids(bytes: &mut BytesMut, kind: u8, ids: Ids<'_>) {
    bytes.put_u8(kind);
    bytes.put_slice(ids.bytes);
}

/// What is left to read.
struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    fn lend<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], Refusal> {
        let (got, needed) = (self.bytes.len(), N);
        let (taken, rest) =
            self.bytes
                .split_first_chunk()
                .ok_or(Refusal::Truncated { field, got, needed })?;
        self.bytes = rest;
        Ok(taken)
    }

    fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Refusal> {
        self.lend(field).copied()
    }

    fn u16(&mut self, field: &'static str) -> Result<u16, Refusal> {
        self.take(field).map(u16::from_le_bytes)
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, Refusal> {
        self.take(field).map(u32::from_le_bytes)
    }

    fn end(self, message: FeedMessage<'a>) -> Result<FeedMessage<'a>, Refusal> {
        match self.bytes.len() {
            0 => Ok(message),
            got => Err(Refusal::Trailing { got }),
        }
    }
}

/// Whatever the bytes are, a message is refused or is what its own encoding says.
///
/// # Panics
/// If that does not hold.
pub fn fuzz_feed_message(bytes: &[u8]) {
    if let Ok(message) = FeedMessage::decode(bytes) {
        let encoded = message.encode().expect("what was read can be written");
        assert_eq!(encoded, bytes, "one form for each message");
        if let FeedMessage::Have(ids) | FeedMessage::Want(ids) = message {
            assert!((1..=IDS_MAX).contains(&ids.iter().count()));
        }
    }
}
