//! The identity of a node: an Ed25519 key pair and the file that keeps it.
//!
//! | file | what it holds |
//! |---|---|
//! | [`pair`] | [`NodeKey`] (private) and [`PublicKey`]: sign, verify, id |
//! | [`batch`] | [`BatchVerifier`]: signatures of many keys, checked together |
//! | [`json`] | the text of `node_key.json`, as CometBFT writes and reads it |
//! | [`signer`] | [`Signer`]: whoever signs for a node, and [`LocalKey`], what a handshake has of its key |
//! | [`mod@file`] | loading and saving that text so that a crash or a race never costs the key |
//!
//! The seed of a new key comes in as an argument, but for [`NodeKey::generate`], which asks the
//! operating system; nothing else in this crate has a source of chance. A CometBFT home directory can
//! be taken over as it is. The reference's proof-of-work target for ids
//! is not built: nothing on the wire asks for it and no release ever demanded it.

pub mod batch;
pub mod file;
pub mod json;
pub mod pair;
pub mod signer;

pub use batch::{BatchVerifier, Signed};
pub use file::KeyFileError;
pub use json::{KeyFormatError, fuzz_node_key_json};
pub use pair::{
    EntropyError, NodeKey, PUBLIC_KEY_BYTES, PublicKey, SIGNATURE_BYTES, SignatureError,
};
pub use signer::{LocalKey, Signer, SignerError};
