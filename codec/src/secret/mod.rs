//! The secret connection: how two nodes prove who they are and hide what they say.
//!
//! ```text
//!        plain            ChaCha20-Poly1305 frames           AES-256-GCM records
//!  ├ ephemeral keys ┤├ authentication ┤├ NodeInfo, packets ┤ ├ packets, Ringwire peers ┤
//!   └────────── handshake ───────────┘  └──── frame ──────┘  └──────── record ─────────┘
//!                     schedule: keys ──────┴─────────────────────────┘
//! ```
//!
//! | file | what it knows |
//! |---|---|
//! | [`handshake`] | the order of the messages; gives a [`Session`] or says whose fault it is |
//! | [`auth`] | the message that proves a node's identity |
//! | [`transcript`] | the challenge both sides sign, a Merlin hash of what was agreed |
//! | [`schedule`] | keys of frames (HKDF) and of wide records (BLAKE3) from the shared secret |
//! | [`frame`] | 1 044-byte frames, what CometBFT speaks |
//! | [`record`] | wide records, what two Ringwire nodes speak once both have offered it |
//! | [`aead`], `agreement` | the seams to the two libraries that do the cryptography |
//!
//! What is promised: a peer that completes the handshake holds the private key of the id it is known
//! by; every byte after the ephemeral keys is secret and cannot be changed, repeated, reordered or
//! left out without an error; old traffic stays secret when a node key is lost later, because the
//! ephemeral secrets are gone by then. What is not: the number, times and (for records) lengths of
//! envelopes are visible, a node proves its identity to whoever connects, before it knows who that
//! is, and a stream that simply ends is not told apart from one that was cut.
//!
//! The secrets this room holds itself are wiped when they are dropped; what the libraries keep inside
//! an expanded key is theirs to wipe.

pub mod aead;
mod agreement;
pub mod auth;
pub mod duplex;
pub mod frame;
pub mod handshake;
mod nonce;
pub mod record;
pub mod schedule;
pub mod shared_secret;
pub mod transcript;

pub use frame::{FRAME_DATA_MAX, FRAME_SEALED, FrameError, FrameOpener, FrameSealer};
pub use handshake::{Handshake, HandshakeError, HandshakeStage, Progress, Session};
pub use record::{RECORD_PLAIN_MAX, RecordError, RecordOpener, RecordSealer};
pub use schedule::{FrameKeys, WideKeys};
pub use shared_secret::SharedSecret;
pub use transcript::CHALLENGE_BYTES;
