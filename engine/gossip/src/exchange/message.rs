//! [`Control`]: what neighbours tell each other of shards.
//!
//! ```text
//!  offer  1 │ manifest id 16 │ manifest 77
//!  have   2 │ manifest id 16 │ segment 2 │ set 32       integers little-endian
//!  want   3 │ manifest id 16 │ segment 2 │ set 32
//! ```
//! The id stands in the same place in each, so that a message finds the owner of its payload unread.

use bytes::{BufMut, Bytes, BytesMut};

use super::shard_set::ShardSet;
use crate::coded::{Fault, MANIFEST_BYTES, Manifest, ManifestId};

/// The longest message, in bytes: an offer.
pub const CONTROL_BYTES_MAX: usize = 1 + 16 + MANIFEST_BYTES;

const OFFER: u8 = 1;
const HAVE: u8 = 2;
const WANT: u8 = 3;
const SET_BYTES: usize = 1 + 16 + 2 + ShardSet::BYTES;

/// A message about shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// There is a payload.
    Offer(Manifest),
    /// The sender can send these shards, beside those that it has announced before.
    Have(ManifestId, u16, ShardSet),
    /// The sender wants these shards.
    Want(ManifestId, u16, ShardSet),
}

impl Control {
    /// The payload that a message is about, without reading the rest; `None` for one too short.
    pub fn id_of(bytes: &[u8]) -> Option<ManifestId> {
        bytes.get(1..)?.first_chunk().copied().map(ManifestId)
    }

    /// The payload that the message is about. Of an offer this costs a hash.
    pub fn id(&self) -> ManifestId {
        match self {
            Control::Offer(manifest) => manifest.id(),
            Control::Have(id, ..) | Control::Want(id, ..) => *id,
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Fault::Kind`], [`Fault::Truncated`], [`Fault::Trailing`], the errors of [`Manifest::decode`],
    /// and [`Fault::Id`] for an offer under another id than the manifest's: all the peer's fault.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let (Some(kind), Some(id)) = (bytes.first(), Control::id_of(bytes)) else {
            return Err(truncated("manifest id", bytes.len(), 1 + 16));
        };
        match *kind {
            OFFER => {
                let manifest = Manifest::decode(&bytes[17..])?;
                if manifest.id() == id {
                    Ok(Control::Offer(manifest))
                } else {
                    Err(Fault::Id)
                }
            }
            HAVE => decode_set(bytes).map(|(segment, set)| Control::Have(id, segment, set)),
            WANT => decode_set(bytes).map(|(segment, set)| Control::Want(id, segment, set)),
            got => Err(Fault::Kind { got }),
        }
    }

    /// Writes a message.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(CONTROL_BYTES_MAX);
        match self {
            Control::Offer(manifest) => {
                bytes.put_u8(OFFER);
                bytes.put_slice(&manifest.id().0);
                bytes.put_slice(&manifest.encode());
            }
            Control::Have(id, segment, set) => put_set(&mut bytes, HAVE, *id, *segment, *set),
            Control::Want(id, segment, set) => put_set(&mut bytes, WANT, *id, *segment, *set),
        }
        bytes.freeze()
    }
}

fn put_set(bytes: &mut BytesMut, kind: u8, id: ManifestId, segment: u16, set: ShardSet) {
    bytes.put_u8(kind);
    bytes.put_slice(&id.0);
    bytes.put_u16_le(segment);
    bytes.put_slice(&set.to_bytes());
}

fn decode_set(bytes: &[u8]) -> Result<(u16, ShardSet), Fault> {
    let Some((fields, rest)) = bytes.split_first_chunk::<SET_BYTES>() else {
        return Err(truncated("set", bytes.len(), SET_BYTES));
    };
    if !rest.is_empty() {
        return Err(Fault::Trailing { got: rest.len() });
    }
    let segment = u16::from_le_bytes([fields[17], fields[18]]);
    let set = fields[19..].try_into().expect("32 bytes of the fields");
    Ok((segment, ShardSet::from_bytes(set)))
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
        assert!(Control::id_of(bytes).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coded::{Layout, PAYLOAD_BYTES_MIN, SHARD_BYTES};

    fn messages() -> [Control; 3] {
        let layout = Layout::new(PAYLOAD_BYTES_MIN, SHARD_BYTES).unwrap();
        let manifest = Manifest::new([1; 32], 7, layout, [2; 32]);
        let set = ShardSet::first(9);
        [
            Control::Offer(manifest),
            Control::Have(manifest.id(), 3, set),
            Control::Want(manifest.id(), 3, set),
        ]
    }

    #[test]
    fn messages_are_read_as_they_were_written_and_name_their_payload() {
        let id = Control::id_of(&messages()[0].encode());
        for message in messages() {
            let bytes = message.encode();
            assert_eq!(Control::decode(&bytes), Ok(message));
            assert_eq!(Control::id_of(&bytes), id);
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
    fn an_unknown_kind_and_an_offer_under_another_id_are_refused() {
        let [offer, have, _] = messages();
        let mut bytes = have.encode().to_vec();
        bytes[0] = 9;
        assert_eq!(Control::decode(&bytes), Err(Fault::Kind { got: 9 }));
        let mut bytes = offer.encode().to_vec();
        bytes[1] ^= 1;
        assert_eq!(Control::decode(&bytes), Err(Fault::Id));
    }
}
