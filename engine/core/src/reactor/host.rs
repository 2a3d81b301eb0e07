//! [`Host`]: what the switch does for a reactor that is called.
//!
//! Reactors see it through a [`super::Context`], which knows their types. Whoever tests a reactor
//! without a switch implements it.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_codec::{ChannelId, NetAddress, NodeId, PublicKey};

use super::ask::{Answer, Ask, AskError};
use super::instance::Instance;
use crate::document::{Document, SaveError};
use crate::error::{ReactorError, TrySendError};
use crate::peer::{BanTarget, Census, PeerInfo, PeerKey, ShardId};
use crate::time::Instant;

/// The switch's name of a timer: when it is due, and which of those due then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct TimerId {
    /// When it is due.
    pub at: Instant,
    /// Counts the timers of the shard, so that equal deadlines keep their order.
    pub number: u64,
}

/// What one instance of a reactor tells another, on its way.
pub struct Note {
    value: Box<dyn Any + Send>,
    bytes: usize,
}

impl Note {
    /// A note that keeps `bytes` of payload in memory.
    pub fn new<T: Send + 'static>(value: T, bytes: usize) -> Self {
        let value: Box<dyn Any + Send> = Box::new(value);
        Note { value, bytes }
    }

    /// Bytes of payload that it keeps in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What was written; `None` if it is of another type.
    pub fn into_value<T: 'static>(self) -> Option<T> {
        self.value.downcast().ok().map(|value| *value)
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Note")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// The switch's side of a call. See [`super::Context`] for what each does.
#[allow(missing_docs, reason = "each is documented where reactors call it")]
pub trait Host {
    fn now(&self) -> Instant;
    fn shard(&self) -> ShardId;
    fn shard_count(&self) -> u16;
    fn node_id(&self) -> NodeId;
    fn public_key(&self) -> PublicKey;
    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES];
    fn network(&self) -> &str;
    fn unix_time(&self) -> Duration;
    fn peers(&self) -> Vec<PeerKey>;
    fn peer(&self, key: PeerKey) -> Option<&PeerInfo>;
    fn find_peer(&self, id: &NodeId) -> Option<PeerKey>;
    fn try_send(
        &mut self,
        peer: PeerKey,
        channel: ChannelId,
        message: Bytes,
    ) -> Result<(), TrySendError>;
    fn try_broadcast(&mut self, channel: ChannelId, message: Bytes) -> usize;
    fn deliver(&mut self, from: NodeId, channel: ChannelId, message: Bytes);
    fn send_note(&mut self, to: ShardId, note: Note);
    fn hold_back(&mut self, peer: PeerKey, channel: ChannelId);
    fn release(&mut self, peer: PeerKey, channel: ChannelId);
    /// Asks for [`Instance::handle_timeout`] with `token` once `after` has passed.
    fn set_timer(&mut self, after: Duration, token: u64) -> TimerId;
    /// Takes a timer back that is not due yet.
    fn cancel_timer(&mut self, timer: TimerId);
    fn stop_peer(&mut self, peer: PeerKey, error: ReactorError);
    fn stop_peer_gracefully(&mut self, peer: PeerKey);
    fn save(&mut self, document: Document) -> Result<(), SaveError>;
    fn random(&mut self) -> [u8; 32];

    // ---- other reactors of the shard ----------------------------------------------------------

    /// The first other reactor of the shard that `is_it` says yes to, and that is not being called.
    fn find_instance(&self, is_it: &dyn Fn(&dyn Instance) -> bool) -> Option<&dyn Instance>;
    /// Asks another reactor of the shard.
    fn ask(&mut self, ask: Ask) -> Result<Answer, AskError>;

    // ---- the whole node: on the coordinator's shard only --------------------------------------

    /// How many peers the whole node has; `None` on any other shard than the coordinator's, where
    /// the calls below do nothing.
    fn census(&self) -> Option<Census>;
    fn is_known(&self, id: &NodeId) -> bool;
    fn dial(&mut self, address: NetAddress);
    fn ban(&mut self, target: BanTarget, span: Duration);
}
