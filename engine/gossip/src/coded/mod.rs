//! Large payloads as coded shards.
//!
//! A payload of more than [`PAYLOAD_BYTES_MIN`] is cut into *segments* of up to [`ORIGINALS_MAX`]
//! shards. Reed–Solomon coding adds as many repair shards to each segment, and any half of a
//! segment's shards gives the segment. One Merkle root, in the [`Manifest`], commits to all shards:
//!
//! ```text
//!  payload   │ segment 0          │ segment 1          │ … │ last, padded with zeros │
//!  originals │ 0 1 2 … k−1        │                    │   │
//!  repairs   │ k … 2k−1           │                    │   │
//!            └── tree of 2k leaves ┴── tree of 2k leaves ─────┘
//!                      └────────── root of the segments' roots ─▶ manifest.root
//! ```
//!
//! # What is promised
//!
//! 1. A shard is checked alone, against the manifest: a node passes it on while the rest is under
//!    way, and who sends a bad one is known at once ([`Blame::Peer`]).
//! 2. All honest nodes take the same bytes for a manifest, or all refuse it. A node that has enough
//!    shards of a segment encodes them again; unless that gives the segment's own root, the origin has
//!    committed to shards of different payloads ([`Blame::Origin`]), whichever half was received.
//! 3. Memory is bounded when a [`Decoder`] is made: by payload, by account and in all. One that
//!    sends much cannot keep out one that sends little (see [`Limits`]).
//!
//! What is not promised: that the manifest is the origin's. Whoever hands it in has checked its signature
//! ([`ManifestScope`]), and says whom to charge for it ([`Account`]).
//!
//! # In which order
//!
//! An origin makes an [`Encoder`], spreads its manifest, then the shards of each [`CodedSegment`].
//! Any other node hands manifests to [`Decoder::open`] and shards to [`Decoder::insert`], passes on
//! what is [`Inserted::New`], and calls [`Decoder::sweep`] now and then. With a whole segment it can
//! send any shard of it itself.

mod assembly;
mod code;
mod decoder;
mod early;
mod encoder;
mod fault;
mod layout;
mod manifest;
mod merkle;
mod offer;
mod quota;
mod segment;
mod shard;
#[cfg(test)]
mod tests;

pub use decoder::{Decoder, Inserted, Opened, Progress, SETTLED_MAX};
pub use early::{EARLY_MAX, EARLY_PER_LINK_MAX};
pub use encoder::{Encoder, Encoding};
pub use fault::{Blame, Fault};
pub use layout::{
    Layout, ORIGINALS_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN, SHARD_BYTES, SHARD_BYTES_MAX,
    SHARD_BYTES_MIN, SegmentLayout, shard_bytes_of,
};
pub use manifest::{
    Account, MANIFEST_BYTES, MANIFEST_ID_BYTES, Manifest, ManifestId, ORIGIN_TAG_BYTES, Origin,
    OriginTag, fuzz_manifest,
};
pub use merkle::Hash;
pub use offer::{ManifestScope, Offer, SIGNATURE_BYTES, SIGNED_MANIFEST_BYTES, Signature};
pub use quota::Limits;
pub use segment::CodedSegment;
pub use shard::{PROOF_MAX, SHARD_HEADER_BYTES, Shard, Verified, fuzz_shard};
