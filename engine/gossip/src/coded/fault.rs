//! What can be wrong with a manifest or a shard, and whose fault it is.

use thiserror::Error;

/// Whose fault a [`Fault`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blame {
    /// The neighbour that sent it: no honest node passes it on.
    Peer,
    /// The origin that made the payload: every honest node finds the same.
    Origin,
    /// Nobody: this node has no room for it now.
    Local,
}

/// Why a manifest, a shard or a payload is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes end inside a field.
    #[error("{field}: {got} bytes, {needed} are needed")]
    Truncated {
        /// Which field ends too early.
        field: &'static str,
        /// Bytes that the whole message has.
        got: usize,
        /// Bytes that it has at least up to the end of this field.
        needed: usize,
    },
    /// A message of no known kind.
    #[error("kind: {got} is none")]
    Kind {
        /// The kind's number.
        got: u8,
    },
    /// Bytes follow the last field.
    #[error("{got} bytes follow the last field")]
    Trailing {
        /// How many.
        got: usize,
    },
    /// A payload that is too short to be coded, or too long.
    #[error("length: {got} bytes are not coded, only {min} to {max}")]
    Length {
        /// Bytes of the payload.
        got: u64,
        /// The shortest that is coded.
        min: u64,
        /// The longest.
        max: u64,
    },
    /// A shard's size that is not a power of two within the limits.
    #[error("shard bytes: {got} is no power of two from 16384 to 65536")]
    ShardBytes {
        /// The size in bytes.
        got: usize,
    },
    /// A segment that the payload does not have.
    #[error("segment: {got}, the payload has {count}")]
    Segment {
        /// Which.
        got: u16,
        /// How many there are.
        count: u16,
    },
    /// A shard that the segment does not have.
    #[error("index: {got}, the segment has {count} shards")]
    Index {
        /// Which.
        got: u16,
        /// How many there are.
        count: u16,
    },
    /// A proof of another length than the shard's place in the tree asks for.
    #[error("proof: {got} hashes, the shard's place asks for {needed}")]
    ProofLength {
        /// Hashes in the proof.
        got: usize,
        /// Hashes from a leaf in that place to the root.
        needed: usize,
    },
    /// The proof leads to another root.
    #[error("proof: the shard is not in the manifest's tree")]
    Proof,
    /// A shard of another manifest than it is held against.
    #[error("manifest id: the shard belongs to another manifest")]
    Id,
    /// Enough shards, encoded again, give another root: the origin committed to what is no code word.
    #[error("encoding: the origin's shards are not of one payload")]
    Encoding,
    /// The bytes behind the payload's end are not zero.
    #[error("padding: the origin's last shard does not end in zeros")]
    Padding,
    /// The payload alone is larger than what is kept for one account.
    #[error("payload: {needed} bytes of memory, {max} are kept for one account")]
    TooLarge {
        /// Bytes that it takes.
        needed: usize,
        /// The most that one account may have.
        max: usize,
    },
    /// The account has as many payloads or bytes under way as one may.
    #[error("quota: the account has as much under way as one may")]
    AccountQuota,
    /// All accounts together have as much under way as may be, and this one not less than the others.
    #[error("quota: as much is under way as may be")]
    Quota,
}

impl Fault {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Fault::Truncated { .. }
            | Fault::Kind { .. }
            | Fault::Trailing { .. }
            | Fault::Length { .. }
            | Fault::ShardBytes { .. }
            | Fault::Segment { .. }
            | Fault::Index { .. }
            | Fault::ProofLength { .. }
            | Fault::Proof
            | Fault::Id => Blame::Peer,
            Fault::Encoding | Fault::Padding => Blame::Origin,
            Fault::TooLarge { .. } | Fault::AccountQuota | Fault::Quota => Blame::Local,
        }
    }
}
