//! [`Told`]: a switch for the tests of a reactor's parts, which writes down what it is told.

use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_codec::{ChannelId, NetAddress, NodeId, PublicKey};

use super::{Answer, Ask, AskError, Host, Instance, Note, ReactorError, TimerId};
use crate::document::{Document, SaveError};
use crate::error::TrySendError;
use crate::peer::{BanTarget, Census, PeerInfo, PeerKey, ShardId};
use crate::time::Instant;

/// A switch of three shards that does nothing but note what it is told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) now: Instant,
    pub(crate) census: Census,
    pub(crate) known: Vec<NodeId>,
    pub(crate) dialed: Vec<NetAddress>,
    pub(crate) banned: Vec<(BanTarget, Duration)>,
    pub(crate) notes: Vec<(ShardId, Note)>,
    pub(crate) timers: Vec<(Duration, u64)>,
    pub(crate) cancelled: Vec<TimerId>,
    pub(crate) saved: usize,
}

impl Host for Told {
    fn now(&self) -> Instant {
        self.now
    }

    fn shard(&self) -> ShardId {
        ShardId::COORDINATOR
    }

    fn shard_count(&self) -> u16 {
        3
    }

    fn node_id(&self) -> NodeId {
        NodeId::from_bytes([0; 20])
    }

    fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes([0; 32])
    }

    fn sign(&self, _message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        [0; SIGNATURE_BYTES]
    }

    fn network(&self) -> &str {
        ""
    }

    fn unix_time(&self) -> Duration {
        Duration::ZERO
    }

    fn peers(&self) -> Vec<PeerKey> {
        Vec::new()
    }

    fn peer(&self, _key: PeerKey) -> Option<&PeerInfo> {
        None
    }

    fn find_peer(&self, _id: &NodeId) -> Option<PeerKey> {
        None
    }

    fn try_send(&mut self, _: PeerKey, _: ChannelId, message: Bytes) -> Result<(), TrySendError> {
        Err(TrySendError::NotConnected(message))
    }

    fn try_broadcast(&mut self, _channel: ChannelId, _message: Bytes) -> usize {
        0
    }

    fn deliver(&mut self, _from: NodeId, _channel: ChannelId, _message: Bytes) {}

    fn send_note(&mut self, to: ShardId, note: Note) {
        self.notes.push((to, note));
    }

    fn hold_back(&mut self, _: PeerKey, _: ChannelId) {}

    fn release(&mut self, _: PeerKey, _: ChannelId) {}

    fn set_timer(&mut self, after: Duration, token: u64) -> TimerId {
        self.timers.push((after, token));
        TimerId {
            at: self.now + after,
            number: self.timers.len() as u64,
        }
    }

    fn cancel_timer(&mut self, timer: TimerId) {
        self.cancelled.push(timer);
    }

    fn stop_peer(&mut self, _peer: PeerKey, _error: ReactorError) {}

    fn stop_peer_gracefully(&mut self, _peer: PeerKey) {}

    fn save(&mut self, _document: Document) -> Result<(), SaveError> {
        self.saved += 1;
        Ok(())
    }

    fn random(&mut self) -> [u8; 32] {
        [0; 32]
    }

    fn find_instance(&self, _: &dyn Fn(&dyn Instance) -> bool) -> Option<&dyn Instance> {
        None
    }

    fn ask(&mut self, _: Ask) -> Result<Answer, AskError> {
        Err(AskError::NoSuchReactor)
    }

    fn census(&self) -> Option<Census> {
        Some(self.census)
    }

    fn is_known(&self, id: &NodeId) -> bool {
        self.known.contains(id)
    }

    fn dial(&mut self, address: NetAddress) {
        self.census.dialing += 1;
        self.known.push(address.id);
        self.dialed.push(address);
    }

    fn ban(&mut self, target: BanTarget, span: Duration) {
        self.banned.push((target, span));
    }
}
