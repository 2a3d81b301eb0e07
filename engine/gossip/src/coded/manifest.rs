//! [`Manifest`]: what an origin says of a payload before the shards come.
//!
//! ```text
//!  0        32      40          44           45      77
//!  ├─ origin ┼─ seq ─┼─ length ──┼─ log2 of ──┼─ root ┤      integers little-endian
//!     32        8       4          shard bytes   32
//! ```
//!
//! How many shards there are follows from the length and the shard's size ([`Layout`]). The origin's
//! signature travels beside them ([`super::Offer`]).

use super::fault::Fault;
use super::layout::Layout;
use super::merkle::Hash;

/// Who made a payload: the origin's public key, or what stands for it.
pub type Origin = [u8; 32];

/// Who is charged for the memory of a payload: the neighbour that brought the manifest. Anybody can name an origin, and who
/// signs can make as many keys as it likes.
pub type Account = [u8; 32];

/// An encoded manifest is exactly so long, in bytes.
pub const MANIFEST_BYTES: usize = 32 + 8 + 4 + 1 + 32;

const ID_KEY: &[u8; 32] = b"ringwire gossip coded manifestid";
const TAG_KEY: &[u8; 32] = b"ringwire gossip coded origin tag";

/// Bytes of an [`OriginTag`].
pub const ORIGIN_TAG_BYTES: usize = 4;

/// Bytes of a [`ManifestId`].
pub const MANIFEST_ID_BYTES: usize = ORIGIN_TAG_BYTES + 16;

/// A short name of an origin: the first four bytes of a keyed BLAKE3 of it, little-endian. Origins may share one: it
/// says which part of a node has the conversation about an origin, and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OriginTag(pub u32);

impl OriginTag {
    /// The tag of an origin. Costs one hash.
    pub fn of(origin: &Origin) -> Self {
        let hash = blake3::keyed_hash(TAG_KEY, origin);
        OriginTag(u32::from_le_bytes(part(hash.as_bytes(), 0)))
    }
}

/// What shards name their manifest by: the [`OriginTag`] of its origin, and the first 16 bytes of a keyed BLAKE3 of it.
/// Shorter ids could be made to collide by an origin; honest nodes would then blame each other for its shards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ManifestId(pub [u8; MANIFEST_ID_BYTES]);

impl ManifestId {
    /// The tag of the payload's origin, as the id says it.
    pub fn tag(&self) -> OriginTag {
        OriginTag(u32::from_le_bytes(part(&self.0, 0)))
    }
}

/// What an origin says of a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manifest {
    origin: Origin,
    seq: u64,
    layout: Layout,
    root: Hash,
}

impl Manifest {
    /// A manifest of these parts.
    pub fn new(origin: Origin, seq: u64, layout: Layout, root: Hash) -> Self {
        Manifest {
            origin,
            seq,
            layout,
            root,
        }
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Fault::Truncated`] or [`Fault::Trailing`] for any other length than [`MANIFEST_BYTES`]; and
    /// the errors of [`Layout::new`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let got = bytes.len();
        let Some((fields, rest)) = bytes.split_first_chunk::<MANIFEST_BYTES>() else {
            let (field, needed) = ("manifest", MANIFEST_BYTES);
            return Err(Fault::Truncated { field, got, needed });
        };
        if !rest.is_empty() {
            return Err(Fault::Trailing { got: rest.len() });
        }
        let length = u32::from_le_bytes(part(fields, 40));
        let [exponent] = part(fields, 44);
        // A shift that no usize has room for is a size that no shard has.
        let shard_bytes = 1_usize.checked_shl(u32::from(exponent)).unwrap_or(0);
        let layout = Layout::new(length as usize, shard_bytes)?;
        Ok(Manifest {
            origin: part(fields, 0),
            seq: u64::from_le_bytes(part(fields, 32)),
            layout,
            root: part(fields, 45),
        })
    }

    /// The bytes that its id and its origin's signature are about.
    pub fn encode(&self) -> [u8; MANIFEST_BYTES] {
        let length = u32::try_from(self.layout.length()).expect("at most PAYLOAD_BYTES_MAX");
        let exponent = self.layout.shard_bytes().trailing_zeros();
        let mut bytes = [0; MANIFEST_BYTES];
        bytes[..32].copy_from_slice(&self.origin);
        bytes[32..40].copy_from_slice(&self.seq.to_le_bytes());
        bytes[40..44].copy_from_slice(&length.to_le_bytes());
        bytes[44] = u8::try_from(exponent).expect("a shard has at most 2^16 bytes");
        bytes[45..].copy_from_slice(&self.root);
        bytes
    }

    /// What shards name it by. Costs two hashes.
    pub fn id(&self) -> ManifestId {
        let hash = blake3::keyed_hash(ID_KEY, &self.encode());
        let mut id = [0; MANIFEST_ID_BYTES];
        let (tag, rest) = id.split_at_mut(ORIGIN_TAG_BYTES);
        tag.copy_from_slice(&OriginTag::of(&self.origin).0.to_le_bytes());
        rest.copy_from_slice(&hash.as_bytes()[..16]);
        ManifestId(id)
    }

    /// Who made the payload.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The origin's number of the payload.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How the payload is cut.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The root over the roots of all segments.
    pub fn root(&self) -> Hash {
        self.root
    }
}

/// `N` bytes from `at` on; the caller's field is that long.
fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let part = &bytes[at..at + N];
    part.try_into().expect("a slice of N bytes")
}

/// Whatever the bytes are, a manifest is refused or is what its own encoding says.
///
/// # Panics
/// If that does not hold.
pub fn fuzz_manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::decode(bytes) {
        assert_eq!(manifest.encode(), bytes, "one form for each manifest");
        assert!(manifest.layout().padded_bytes() >= manifest.layout().length());
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::Blame;
    use super::super::layout::{PAYLOAD_BYTES_MIN, SHARD_BYTES};
    use super::*;

    fn manifest() -> Manifest {
        let layout = Layout::new(PAYLOAD_BYTES_MIN, SHARD_BYTES).unwrap();
        Manifest::new([1; 32], 7, layout, [2; 32])
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let bytes = manifest().encode();
        assert_eq!(Manifest::decode(&bytes), Ok(manifest()));
        fuzz_manifest(&bytes);
    }

    #[test]
    fn a_byte_less_or_more_is_refused_and_the_peer_blamed() {
        let mut bytes = manifest().encode().to_vec();
        bytes.push(0);
        let trailing = Manifest::decode(&bytes).unwrap_err();
        assert_eq!(trailing, Fault::Trailing { got: 1 });
        let truncated = Manifest::decode(&bytes[..MANIFEST_BYTES - 1]).unwrap_err();
        assert!(matches!(
            truncated,
            Fault::Truncated {
                got: 76,
                needed: 77,
                ..
            }
        ));
        assert_eq!(truncated.blame(), Blame::Peer);
    }

    #[test]
    fn a_shard_size_beyond_every_integer_is_refused() {
        let mut bytes = manifest().encode();
        for exponent in [0, 13, 17, 63, 64, 255] {
            bytes[44] = exponent;
            let refused = Manifest::decode(&bytes);
            assert!(
                matches!(refused, Err(Fault::ShardBytes { .. })),
                "{exponent}"
            );
        }
    }

    #[test]
    fn an_id_names_its_origin_and_payloads_of_one_origin_share_the_tag() {
        let other = Manifest {
            seq: 8,
            ..manifest()
        };
        assert_eq!(manifest().id().tag(), OriginTag::of(&[1; 32]));
        assert_eq!(other.id().tag(), manifest().id().tag());
        assert_ne!(OriginTag::of(&[2; 32]), OriginTag::of(&[1; 32]));
    }

    #[test]
    fn each_field_changes_the_id() {
        let layout = Layout::new(PAYLOAD_BYTES_MIN + 1, SHARD_BYTES).unwrap();
        let other_shards = Layout::new(PAYLOAD_BYTES_MIN, SHARD_BYTES / 2).unwrap();
        let others = [
            Manifest {
                origin: [3; 32],
                ..manifest()
            },
            Manifest {
                seq: 8,
                ..manifest()
            },
            Manifest {
                layout,
                ..manifest()
            },
            Manifest {
                layout: other_shards,
                ..manifest()
            },
            Manifest {
                root: [3; 32],
                ..manifest()
            },
        ];
        for other in others {
            assert_ne!(other.id(), manifest().id(), "{other:?}");
        }
    }
}
