//! [`Control`]: what neighbours tell each other of shards.
//!
//! ```text
//!  offer  1 │ manifest id 20 │ manifest 77                      without its origin's signature
//!  offer  9 │ manifest id 20 │ manifest 77 │ signature 64       with it
//!  have   2 │ manifest id 20 │ segment 2 │ set 32         integers little-endian
//!  want   3 │ manifest id 20 │ segment 2 │ set 32         a set has a bit for each shard or stripe,
//!  times  4 │ manifest id 20 │ children 1 │ age 2 × 16    the first lowest
//!  feed   5 │ tag 4 │ origin 32 │ begin 2 │ end 2         an age is in quarters of a millisecond
//!  grant  6 │ tag 4 │ origin 32 │ yes 2   │ no 2
//!  probe  7 │ tag 4 │ nonce 4
//!  echo   8 │ tag 4 │ nonce 4
//! ```
//! A manifest id begins with the tag of its origin. So the tag stands in the same place in each, and a message finds
//! who has the conversation about the origin unread.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::shard_set::ShardSet;
use super::stripes::{STRIPES, Stripes};
use crate::coded::{
    Fault, MANIFEST_BYTES, MANIFEST_ID_BYTES, Manifest, ManifestId, ORIGIN_TAG_BYTES, Offer,
    Origin, OriginTag, SIGNATURE_BYTES, Signature,
};

/// The longest message, in bytes: a signed offer.
pub const CONTROL_BYTES_MAX: usize = ID_END + MANIFEST_BYTES + SIGNATURE_BYTES;

const OFFER: u8 = 1;
const HAVE: u8 = 2;
const WANT: u8 = 3;
const TIMES: u8 = 4;
const FEED: u8 = 5;
const GRANT: u8 = 6;
const PROBE: u8 = 7;
const ECHO: u8 = 8;
const SIGNED_OFFER: u8 = 9;

const ID_END: usize = 1 + MANIFEST_ID_BYTES;
const TAG_END: usize = 1 + ORIGIN_TAG_BYTES;
const SET_BYTES: usize = ID_END + 2 + ShardSet::BYTES;
const TIMES_BYTES: usize = ID_END + 1 + 2 * STRIPES;
const PART_BYTES: usize = TAG_END + 32 + 2 + 2;
const PROBE_BYTES: usize = TAG_END + 4;

/// What an age is counted in.
const AGE_UNIT_MICROS: u128 = 250;

/// When a node had each stripe of a payload, and how much it passes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// Stripes that it sends to its neighbours for this origin, each counted as often as it is sent.
    pub children: u8,
    /// How long before the message was written the last of a stripe's originals was there.
    ages: [u16; STRIPES],
}

impl Times {
    /// From ages; those of more than 16 s are said to be 16 s.
    pub fn new(children: usize, ages: [Duration; STRIPES]) -> Self {
        let units = |age: Duration| age.as_micros() / AGE_UNIT_MICROS;
        Times {
            children: u8::try_from(children).unwrap_or(u8::MAX),
            ages: ages.map(|age| u16::try_from(units(age)).unwrap_or(u16::MAX)),
        }
    }

    /// The ages, by stripe.
    pub fn ages(&self) -> [Duration; STRIPES] {
        let micros = |age: u16| u64::from(age) * AGE_UNIT_MICROS as u64;
        self.ages.map(|age| Duration::from_micros(micros(age)))
    }
}

/// A message about shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// There is a payload.
    Offer(Offer),
    /// The sender can send these shards, beside those that it has announced before.
    Have(ManifestId, u16, ShardSet),
    /// The sender wants these shards. None: see [`Control::begin_anew`].
    Want(ManifestId, u16, ShardSet),
    /// The payload is whole here, and this is when its stripes came.
    Times(ManifestId, Times),
    /// Begin to send each shard of some stripes of an origin as soon as it is there, and end it for others.
    Feed {
        /// Whose payloads.
        origin: Origin,
        /// Stripes to send from now on.
        begin: Stripes,
        /// Stripes not to send any more.
        end: Stripes,
    },
    /// The answer to a feed, or its end: what is sent from now on, and what is not.
    Grant {
        /// Whose payloads.
        origin: Origin,
        /// Stripes that will be sent.
        yes: Stripes,
        /// Stripes that will not.
        no: Stripes,
    },
    /// To be answered at once by an echo with the same two numbers.
    Probe(OriginTag, u32),
    /// The answer to a probe.
    Echo(OriginTag, u32),
}

impl Control {
    /// Who has the conversation that the message belongs to. Of an offer and of what names an origin this costs a hash.
    pub fn tag(&self) -> OriginTag {
        match self {
            Control::Offer(offer) => OriginTag::of(&offer.manifest.origin()),
            Control::Have(id, ..) | Control::Want(id, ..) | Control::Times(id, _) => id.tag(),
            Control::Feed { origin, .. } | Control::Grant { origin, .. } => OriginTag::of(origin),
            Control::Probe(tag, _) | Control::Echo(tag, _) => *tag,
        }
    }

    /// A want of no shard: the sender begins with a segment anew and has nothing of it, so it asks what can be sent.
    pub fn begin_anew(id: ManifestId, segment: u16) -> Self {
        Control::Want(id, segment, ShardSet::default())
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Fault::Kind`], [`Fault::Truncated`], [`Fault::Trailing`], the errors of [`Manifest::decode`],
    /// and [`Fault::Id`] for an offer under another id than the manifest's or an origin under another tag than its own:
    /// all the peer's fault.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let Some(kind) = bytes.first() else {
            return Err(truncated("kind", 0, 1));
        };
        match *kind {
            OFFER => decode_offer(bytes, None),
            SIGNED_OFFER => decode_signed_offer(bytes),
            HAVE => decode_set(bytes).map(|(id, segment, set)| Control::Have(id, segment, set)),
            WANT => decode_set(bytes).map(|(id, segment, set)| Control::Want(id, segment, set)),
            TIMES => decode_times(bytes),
            FEED => {
                decode_part(bytes).map(|(origin, begin, end)| Control::Feed { origin, begin, end })
            }
            GRANT => decode_part(bytes).map(|(origin, yes, no)| Control::Grant { origin, yes, no }),
            PROBE => decode_probe(bytes).map(|(tag, nonce)| Control::Probe(tag, nonce)),
            ECHO => decode_probe(bytes).map(|(tag, nonce)| Control::Echo(tag, nonce)),
            got => Err(Fault::Kind { got }),
        }
    }

    /// Writes a message.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(CONTROL_BYTES_MAX);
        match self {
            Control::Offer(offer) => put_offer(&mut bytes, offer),
            Control::Have(id, segment, set) => put_set(&mut bytes, HAVE, *id, *segment, *set),
            Control::Want(id, segment, set) => put_set(&mut bytes, WANT, *id, *segment, *set),
            Control::Times(id, times) => {
                bytes.put_u8(TIMES);
                bytes.put_slice(&id.0);
                bytes.put_u8(times.children);
                times.ages.iter().for_each(|age| bytes.put_u16_le(*age));
            }
            Control::Feed { origin, begin, end } => {
                put_part(&mut bytes, FEED, origin, *begin, *end);
            }
            Control::Grant { origin, yes, no } => put_part(&mut bytes, GRANT, origin, *yes, *no),
            Control::Probe(tag, nonce) => put_probe(&mut bytes, PROBE, *tag, *nonce),
            Control::Echo(tag, nonce) => put_probe(&mut bytes, ECHO, *tag, *nonce),
        }
        bytes.freeze()
    }
}

fn put_offer(bytes: &mut BytesMut, offer: &Offer) {
    bytes.put_u8(match offer.signature {
        Some(_) => SIGNED_OFFER,
        None => OFFER,
    });
    bytes.put_slice(&offer.manifest.id().0);
    bytes.put_slice(&offer.manifest.encode());
    offer.signature.iter().for_each(|one| bytes.put_slice(one));
}

fn put_set(bytes: &mut BytesMut, kind: u8, id: ManifestId, segment: u16, set: ShardSet) {
    bytes.put_u8(kind);
    bytes.put_slice(&id.0);
    bytes.put_u16_le(segment);
    bytes.put_slice(&set.to_bytes());
}

fn put_part(bytes: &mut BytesMut, kind: u8, origin: &Origin, first: Stripes, second: Stripes) {
    bytes.put_u8(kind);
    bytes.put_u32_le(OriginTag::of(origin).0);
    bytes.put_slice(origin);
    bytes.put_u16_le(first.0);
    bytes.put_u16_le(second.0);
}

fn put_probe(bytes: &mut BytesMut, kind: u8, tag: OriginTag, nonce: u32) {
    bytes.put_u8(kind);
    bytes.put_u32_le(tag.0);
    bytes.put_u32_le(nonce);
}

/// The bytes of a message of fixed length.
fn whole<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[u8; N], Fault> {
    let Some((fields, rest)) = bytes.split_first_chunk::<N>() else {
        return Err(truncated(what, bytes.len(), N));
    };
    if rest.is_empty() {
        Ok(*fields)
    } else {
        Err(Fault::Trailing { got: rest.len() })
    }
}

fn decode_signed_offer(bytes: &[u8]) -> Result<Control, Fault> {
    let Some((rest, signature)) = bytes.split_last_chunk::<SIGNATURE_BYTES>() else {
        return Err(truncated("signature", bytes.len(), CONTROL_BYTES_MAX));
    };
    decode_offer(rest, Some(*signature))
}

fn decode_offer(bytes: &[u8], signature: Option<Signature>) -> Result<Control, Fault> {
    let Some((head, manifest)) = bytes.split_first_chunk::<ID_END>() else {
        return Err(truncated("manifest id", bytes.len(), ID_END));
    };
    let manifest = Manifest::decode(manifest)?;
    if manifest.id().0 == head[1..] {
        Ok(Control::Offer(Offer {
            manifest,
            signature,
        }))
    } else {
        Err(Fault::Id)
    }
}

fn decode_set(bytes: &[u8]) -> Result<(ManifestId, u16, ShardSet), Fault> {
    let fields: [u8; SET_BYTES] = whole(bytes, "set")?;
    let segment = u16::from_le_bytes(part(&fields, ID_END));
    let set = ShardSet::from_bytes(&part(&fields, ID_END + 2));
    Ok((ManifestId(part(&fields, 1)), segment, set))
}

fn decode_times(bytes: &[u8]) -> Result<Control, Fault> {
    let fields: [u8; TIMES_BYTES] = whole(bytes, "times")?;
    let age = |stripe: usize| u16::from_le_bytes(part(&fields, ID_END + 1 + 2 * stripe));
    let times = Times {
        children: fields[ID_END],
        ages: std::array::from_fn(age),
    };
    Ok(Control::Times(ManifestId(part(&fields, 1)), times))
}

fn decode_part(bytes: &[u8]) -> Result<(Origin, Stripes, Stripes), Fault> {
    let fields: [u8; PART_BYTES] = whole(bytes, "stripes")?;
    let origin = part(&fields, TAG_END);
    if OriginTag::of(&origin).0 != u32::from_le_bytes(part(&fields, 1)) {
        return Err(Fault::Id);
    }
    let stripes = |at| Stripes(u16::from_le_bytes(part(&fields, at)));
    Ok((origin, stripes(TAG_END + 32), stripes(TAG_END + 34)))
}

fn decode_probe(bytes: &[u8]) -> Result<(OriginTag, u32), Fault> {
    let fields: [u8; PROBE_BYTES] = whole(bytes, "nonce")?;
    let number = |at| u32::from_le_bytes(part(&fields, at));
    Ok((OriginTag(number(1)), number(TAG_END)))
}

/// `N` bytes from `at` on; the caller's fields are that long.
fn part<const N: usize>(fields: &[u8], at: usize) -> [u8; N] {
    let part = &fields[at..at + N];
    part.try_into().expect("a slice of N bytes")
}

fn truncated(field: &'static str, got: usize, needed: usize) -> Fault {
    Fault::Truncated { field, got, needed }
}

/// Whatever the bytes are, a message is refused or is what its own encoding says.
///
/// # Panics
/// If that does not hold.
pub fn fuzz_control(bytes: &[u8]) {
    if let Ok(message) = Control::decode(bytes) {
        assert_eq!(message.encode(), bytes, "one form for each message");
        let tag = message.tag().0.to_le_bytes();
        assert_eq!(tag, bytes[1..TAG_END], "the tag stands in its place");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coded::{Layout, PAYLOAD_BYTES_MIN, SHARD_BYTES};

    fn messages() -> [Control; 9] {
        let layout = Layout::new(PAYLOAD_BYTES_MIN, SHARD_BYTES).unwrap();
        let manifest = Manifest::new([1; 32], 7, layout, [2; 32]);
        let set = ShardSet::first(9);
        let ages = std::array::from_fn(|stripe| Duration::from_millis(stripe as u64));
        [
            Control::Offer(manifest.into()),
            Control::Have(manifest.id(), 3, set),
            Control::Want(manifest.id(), 3, set),
            Control::Times(manifest.id(), Times::new(7, ages)),
            Control::Feed {
                origin: [1; 32],
                begin: Stripes(5),
                end: Stripes(0x8000),
            },
            Control::Grant {
                origin: [1; 32],
                yes: Stripes(1),
                no: Stripes(4),
            },
            Control::Probe(OriginTag(3), 77),
            Control::Echo(OriginTag(3), 77),
            Control::Offer(Offer {
                manifest,
                signature: Some([9; SIGNATURE_BYTES]),
            }),
        ]
    }

    #[test]
    fn messages_are_read_as_they_were_written() {
        for message in messages() {
            let bytes = message.encode();
            assert_eq!(Control::decode(&bytes), Ok(message));
            fuzz_control(&bytes);
        }
    }

    #[test]
    fn a_byte_less_or_more_is_refused() {
        for message in messages() {
            let mut bytes = message.encode().to_vec();
            for len in 0..bytes.len() {
                let refused = Control::decode(&bytes[..len]);
                assert!(matches!(refused, Err(Fault::Truncated { .. })), "{len}");
            }
            bytes.push(0);
            assert_eq!(Control::decode(&bytes), Err(Fault::Trailing { got: 1 }));
        }
    }

    #[test]
    fn ages_are_kept_to_a_quarter_of_a_millisecond_and_up_to_16_s() {
        let mut ages = [Duration::from_micros(499); STRIPES];
        ages[1] = Duration::from_secs(60);
        let times = Times::new(300, ages);
        assert_eq!(times.children, 255);
        assert_eq!(times.ages()[0], Duration::from_micros(250));
        assert_eq!(times.ages()[1], Duration::from_micros(65_535 * 250));
    }

    #[test]
    fn an_origin_under_another_tag_is_refused() {
        for message in &messages()[4..6] {
            let mut bytes = message.encode().to_vec();
            bytes[2] ^= 1;
            assert_eq!(Control::decode(&bytes), Err(Fault::Id));
        }
    }

    #[test]
    fn an_unknown_kind_and_an_offer_under_another_id_are_refused() {
        let [offer, have, ..] = messages();
        let mut bytes = have.encode().to_vec();
        bytes[0] = 10;
        assert_eq!(Control::decode(&bytes), Err(Fault::Kind { got: 10 }));
        let mut bytes = offer.encode().to_vec();
        bytes[1] ^= 1;
        assert_eq!(Control::decode(&bytes), Err(Fault::Id));
    }
}
