//! [`FeedMessage`]: what neighbours tell each other of small and medium messages.
//!
//! ```text
//!  body    1 │ alias 2 │ seq 8 │ flags 1 │ priority 1 │ ms left 4 │ signature 64, if flagged │ members 8, if flagged │ payload
//!  have    2 │ alias 2 │ seq 8 │ …
//!  want    3 │ alias 2 │ seq 8 │ …                              integers little-endian
//!  part    4 │ part 1 │ alias 2, or ffff for all │ stripe 1
//!  alias   5 │ alias 2 │ origin 32
//!  digest  6 │ alias 2 │ last seq 8 │ bits 8 │ …
//!  over    7 │ alias 2 │ seq 8 │ …
//! ```
//! An alias is a name that the sender of a message gives an origin; in `want` and `part`, which are about what
//! the reader sends, it is the reader's. Reading allocates nothing: payloads and lists stay where they lie, and
//! their bounds are checked before they are looked at. Whether a body is small or medium follows from its
//! length, so there is one form for each. A flag says that it is a [bundle](super::BundleWriter) of several messages.

use std::marker::PhantomData;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::bundle::{self, BUNDLE_LENGTH_BYTES, BUNDLE_MESSAGES_MAX, check_payload};
use super::members::{MEMBERS_TAG_BYTES, MembersTag};
use super::order::Order;
use super::refusal::Refusal;
use crate::coded::{Origin, PAYLOAD_BYTES_MIN};

/// The longest payload of a small message, in bytes: a vote fits, and only such a message can be urgent.
pub const SMALL_BYTES_MAX: usize = 1024;

/// The longest payload of a medium message, in bytes; longer ones travel coded.
pub const MEDIUM_BYTES_MAX: usize = 128 * 1024;

/// Bytes of a body before its signature and its tag of members, or before its payload where it has neither.
pub const BODY_HEADER_BYTES: usize = 1 + 2 + 8 + 1 + 1 + 4;

/// Bytes of an origin's signature (Ed25519).
pub const SIGNATURE_BYTES: usize = 64;

/// The longest message, in bytes: a signed bundle for members, of as many messages and bytes as there may be.
pub const FEED_MESSAGE_BYTES_MAX: usize = BODY_HEADER_BYTES
    + SIGNATURE_BYTES
    + MEMBERS_TAG_BYTES
    + MEDIUM_BYTES_MAX
    + BUNDLE_MESSAGES_MAX * BUNDLE_LENGTH_BYTES;

/// Names in one `have` or `want` at most, 4 KiB of them. More go into the next.
pub const NAMES_MAX: usize = 409;

/// Entries of one `digest` at most.
pub const DIGEST_ENTRIES_MAX: usize = 256;

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
const OVER: u8 = 7;

// The last fields of a body's header.
const PRIORITY_AT: usize = LEFT_MS_AT - 1;
const LEFT_MS_AT: usize = BODY_HEADER_BYTES - size_of::<u32>();

const URGENT: u8 = 1;
const SIGNED: u8 = 2;
const BUNDLE: u8 = 4;
const DIRECT: u8 = 8;

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

/// A message of an origin, or a bundle of them, and what is said of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Body<'a> {
    /// Who made it, by the sender's name for them.
    pub alias: Alias,
    /// The origin's number of it.
    pub seq: u64,
    /// Whether it goes before all that is not urgent; messages of at most [`SMALL_BYTES_MAX`] are.
    pub urgent: bool,
    /// Whether the payload is several messages, each behind its length.
    pub is_bundle: bool,
    /// Which goes first among those that are equally urgent: the higher.
    pub priority: u8,
    /// Milliseconds after which nobody needs it; 0 for never. Each hop subtracts the time that it took.
    pub left_ms: u32,
    /// The origin's signature of the message's id.
    pub signature: Option<&'a [u8; SIGNATURE_BYTES]>,
    /// The set of members that its origin sends it to directly, if it does.
    pub members: Option<MembersTag>,
    /// The payload: messages of at most [`MEDIUM_BYTES_MAX`] bytes together.
    pub payload: &'a [u8],
}

#[cfg(test)]
impl<'a> Body<'a> {
    /// One message, of which nothing is asked.
    pub(super) fn plain(alias: Alias, seq: u64, payload: &'a [u8]) -> Self {
        Body {
            alias,
            seq,
            urgent: false,
            is_bundle: false,
            priority: 0,
            left_ms: 0,
            signature: None,
            members: None,
            payload,
        }
    }
}

/// What neighbours call a message: its origin and the origin's number of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name {
    /// Whose message.
    pub alias: Alias,
    /// Which.
    pub seq: u64,
}

/// Which of an origin's messages the sender still has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DigestEntry {
    /// Whose messages.
    pub alias: Alias,
    /// The number that bit 0 stands for; bit i stands for `last - i`.
    pub last: u64,
    /// A bit for each message that the sender has.
    pub bits: u64,
}

/// An entry of a list in a message.
pub trait Entry: Sized {
    /// Bytes of an entry.
    const BYTES: usize;
    /// Entries of a list at most.
    const MAX: usize;

    /// Reads an entry from [`Entry::BYTES`] bytes.
    ///
    /// # Errors
    /// [`Refusal`] says which rule they break.
    fn decode(bytes: &[u8]) -> Result<Self, Refusal>;

    /// Writes an entry.
    fn put(&self, bytes: &mut BytesMut);
}

/// Entries of a message: from one to [`Entry::MAX`].
#[derive(PartialEq, Eq, Debug)]
pub struct List<'a, T> {
    bytes: &'a [u8],
    entries: PhantomData<T>,
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

/// A message between neighbours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeedMessage<'a> {
    /// A message itself.
    Body(Body<'a>),
    /// The sender holds these messages.
    Have(List<'a, Name>),
    /// The sender wants these messages, which the reader has announced.
    Want(List<'a, Name>),
    /// What the reader shall do with the messages of an origin, or of a stripe of it.
    Part(Part, Which, u8),
    /// The sender calls the origin so from now on.
    Alias(Alias, Origin),
    /// What the sender still has of some origins' messages.
    Digest(List<'a, DigestEntry>),
    /// The sender has announced these messages, and was asked for them: their time is over, so it sends them not.
    Over(List<'a, Name>),
}

impl<'a> Body<'a> {
    /// Its messages, in the origin's order: one, unless it is a bundle.
    ///
    /// # Panics
    /// For a bundle that was not read from bytes and cannot be.
    pub fn messages(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        bundle::messages(self.payload, self.is_bundle)
    }
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
            HAVE => return List::decode(fields.bytes).map(FeedMessage::Have),
            WANT => return List::decode(fields.bytes).map(FeedMessage::Want),
            PART => decode_part(&mut fields)?,
            ALIAS => {
                let alias = Alias::new(fields.u16("alias")?)?;
                FeedMessage::Alias(alias, fields.take("origin")?)
            }
            DIGEST => return List::decode(fields.bytes).map(FeedMessage::Digest),
            OVER => return List::decode(fields.bytes).map(FeedMessage::Over),
            got => return Err(Refusal::Kind { got }),
        };
        fields.end(message)
    }

    /// Writes a message.
    ///
    /// # Errors
    /// [`Refusal::TooLong`], [`Refusal::Urgent`], [`Refusal::Bundle`], [`Refusal::Truncated`] and [`Refusal::Stripe`] if
    /// a reader would refuse it.
    pub fn encode(&self) -> Result<Bytes, Refusal> {
        let mut bytes = BytesMut::with_capacity(self.len_hint());
        match self {
            FeedMessage::Body(body) => put_body(&mut bytes, body)?,
            FeedMessage::Have(names) => put_list(&mut bytes, HAVE, *names),
            FeedMessage::Want(names) => put_list(&mut bytes, WANT, *names),
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
            FeedMessage::Digest(entries) => put_list(&mut bytes, DIGEST, *entries),
            FeedMessage::Over(names) => put_list(&mut bytes, OVER, *names),
        }
        Ok(bytes.freeze())
    }

    /// Bytes to reserve: no message is longer, and none much shorter.
    fn len_hint(&self) -> usize {
        match self {
            FeedMessage::Body(body) => {
                BODY_HEADER_BYTES + SIGNATURE_BYTES + MEMBERS_TAG_BYTES + body.payload.len()
            }
            FeedMessage::Have(names) | FeedMessage::Want(names) | FeedMessage::Over(names) => {
                1 + names.bytes.len()
            }
            FeedMessage::Digest(entries) => 1 + entries.bytes.len(),
            FeedMessage::Part(..) | FeedMessage::Alias(..) => 48,
        }
    }
}

impl<'a, T: Entry> List<'a, T> {
    /// The entries that stand in these bytes, one after the other.
    ///
    /// # Errors
    /// [`Refusal::List`] for none, and for bytes that end inside an entry; [`Refusal::TooLong`] for more than
    /// [`Entry::MAX`]; and what an entry is refused for.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let got = bytes.len();
        if got > T::MAX * T::BYTES {
            let max = T::MAX * T::BYTES;
            return Err(Refusal::TooLong { got, max });
        }
        if got == 0 || !got.is_multiple_of(T::BYTES) {
            return Err(Refusal::List { got });
        }
        for entry in bytes.chunks_exact(T::BYTES) {
            T::decode(entry)?;
        }
        let entries = PhantomData;
        Ok(List { bytes, entries })
    }

    /// The entries, in the sender's order. A sender may say one twice.
    pub fn iter(self) -> impl Iterator<Item = T> + 'a {
        let entries = self.bytes.chunks_exact(T::BYTES);
        entries.map(|entry| T::decode(entry).expect("a list is read before it is made"))
    }
}

impl Entry for Name {
    const BYTES: usize = 2 + 8;
    const MAX: usize = NAMES_MAX;

    fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Fields { bytes };
        Ok(Name {
            alias: Alias::new(fields.u16("alias")?)?,
            seq: fields.u64("seq")?,
        })
    }

    fn put(&self, bytes: &mut BytesMut) {
        bytes.put_u16_le(self.alias.0);
        bytes.put_u64_le(self.seq);
    }
}

impl Entry for DigestEntry {
    const BYTES: usize = 2 + 8 + 8;
    const MAX: usize = DIGEST_ENTRIES_MAX;

    fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Fields { bytes };
        Ok(DigestEntry {
            alias: Alias::new(fields.u16("alias")?)?,
            last: fields.u64("last seq")?,
            bits: fields.u64("bits")?,
        })
    }

    fn put(&self, bytes: &mut BytesMut) {
        bytes.put_u16_le(self.alias.0);
        bytes.put_u64_le(self.last);
        bytes.put_u64_le(self.bits);
    }
}

impl DigestEntry {
    /// The numbers of the messages that the sender has, from the last on.
    pub fn seqs(self) -> impl Iterator<Item = u64> {
        let had = (0..u64::from(u64::BITS)).filter(move |behind| self.bits & (1 << behind) != 0);
        had.filter_map(move |behind| self.last.checked_sub(behind))
    }
}

/// The bytes of a [`FeedMessage::Have`].
///
/// # Panics
/// For none, and for more than [`NAMES_MAX`].
pub fn encode_have(names: &[Name]) -> Bytes {
    encode_list(HAVE, names)
}

/// The bytes of a [`FeedMessage::Want`].
///
/// # Panics
/// For none, and for more than [`NAMES_MAX`].
pub fn encode_want(names: &[Name]) -> Bytes {
    encode_list(WANT, names)
}

/// The bytes of a [`FeedMessage::Over`].
///
/// # Panics
/// For none, and for more than [`NAMES_MAX`].
pub fn encode_over(names: &[Name]) -> Bytes {
    encode_list(OVER, names)
}

/// The bytes of a [`FeedMessage::Digest`].
///
/// # Panics
/// For none, and for more than [`DIGEST_ENTRIES_MAX`].
pub fn encode_digest(entries: &[DigestEntry]) -> Bytes {
    encode_list(DIGEST, entries)
}

fn encode_list<T: Entry>(kind: u8, entries: &[T]) -> Bytes {
    assert!(
        (1..=T::MAX).contains(&entries.len()),
        "a list has its bounds"
    );
    let mut bytes = BytesMut::with_capacity(1 + entries.len() * T::BYTES);
    bytes.put_u8(kind);
    for entry in entries {
        entry.put(&mut bytes);
    }
    bytes.freeze()
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
    let seq = fields.u64("seq")?;
    let [flags] = fields.take("flags")?;
    if flags & !(URGENT | SIGNED | BUNDLE | DIRECT) != 0 {
        return Err(Refusal::Flags { got: flags });
    }
    let [priority] = fields.take("priority")?;
    let left_ms = fields.u32("ms left")?;
    let signature = match flags & SIGNED {
        0 => None,
        _ => Some(fields.lend("signature")?),
    };
    let members = match flags & DIRECT {
        0 => None,
        _ => Some(fields.take("members")?),
    };
    let body = Body {
        alias,
        seq,
        urgent: flags & URGENT != 0,
        is_bundle: flags & BUNDLE != 0,
        priority,
        left_ms,
        signature,
        members,
        payload: fields.bytes,
    };
    check_payload(body.payload, body.is_bundle, body.urgent).map(|()| body)
}

fn put_body(bytes: &mut BytesMut, body: &Body<'_>) -> Result<(), Refusal> {
    check_payload(body.payload, body.is_bundle, body.urgent)?;
    let urgent = if body.urgent { URGENT } else { 0 };
    let signed = if body.signature.is_some() { SIGNED } else { 0 };
    let bundle = if body.is_bundle { BUNDLE } else { 0 };
    let direct = if body.members.is_some() { DIRECT } else { 0 };
    bytes.put_u8(BODY);
    bytes.put_u16_le(body.alias.0);
    bytes.put_u64_le(body.seq);
    bytes.put_slice(&[urgent | signed | bundle | direct, body.priority]);
    bytes.put_u32_le(body.left_ms);
    if let Some(signature) = body.signature {
        bytes.put_slice(signature);
    }
    if let Some(members) = &body.members {
        bytes.put_slice(members);
    }
    bytes.put_slice(body.payload);
    Ok(())
}

/// A body as it goes when this is left of its time: what waits, loses time. As it is, if the time stays the same.
///
/// # Panics
/// For bytes that are no body.
pub fn with_left(body: &Bytes, left: Duration) -> Bytes {
    assert_eq!(body.first(), Some(&BODY), "only a body has time left");
    let left_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1);
    if left_ms_of(body) == left_ms {
        return body.clone();
    }
    let mut bytes = BytesMut::from(&body[..]);
    bytes[LEFT_MS_AT..BODY_HEADER_BYTES].copy_from_slice(&left_ms.to_le_bytes());
    bytes.freeze()
}

fn left_ms_of(body: &[u8]) -> u32 {
    let left_ms = &body[LEFT_MS_AT..BODY_HEADER_BYTES];
    u32::from_le_bytes(left_ms.try_into().expect("a field of four bytes"))
}

/// Where what these bytes say stands among what waits for the same link.
pub(super) fn order_of(bytes: &[u8]) -> Order {
    if bytes.first() != Some(&BODY) {
        return Order::First;
    }
    let left_ms = left_ms_of(bytes);
    Order::Body {
        priority: bytes[PRIORITY_AT],
        left: (left_ms > 0).then(|| Duration::from_millis(left_ms.into())),
    }
}

fn put_list<T>(bytes: &mut BytesMut, kind: u8, list: List<'_, T>) {
    bytes.put_u8(kind);
    bytes.put_slice(list.bytes);
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

    fn u64(&mut self, field: &'static str) -> Result<u64, Refusal> {
        self.take(field).map(u64::from_le_bytes)
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
        match message {
            FeedMessage::Have(names) | FeedMessage::Want(names) | FeedMessage::Over(names) => {
                assert!((1..=NAMES_MAX).contains(&names.iter().count()));
            }
            FeedMessage::Digest(entries) => {
                assert!((1..=DIGEST_ENTRIES_MAX).contains(&entries.iter().count()));
            }
            FeedMessage::Body(body) => {
                let bound = if body.is_bundle {
                    2..=BUNDLE_MESSAGES_MAX
                } else {
                    1..=1
                };
                assert!(bound.contains(&body.messages().count()));
            }
            _ => (),
        }
    }
}
