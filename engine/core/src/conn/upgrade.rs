//! From a fresh TCP connection to an established one: secret handshake, NodeInfo exchange, checks,
//! agreement on the record layer. One value, so it can run on any shard and its outcome can move.
//!
//! ```text
//!  stage SecretConnection              stage NodeInfo
//!  ─ ephemeral keys ─ authentication ─▶─ NodeInfo, both at once ─▶ checks ─▶ Upgraded
//!                                         sealed frames                       │
//!                       both carry the extension:  wide records from here on ◀┤
//!                       one of them does not:      CometBFT frames go on     ◀┘
//! ```
//!
//! The checks come in the reference's order: the id that was dialed, the NodeInfo's own
//! rules, its id against the proven key, not ourselves, compatible. What the peer sent behind its
//! NodeInfo is kept and read first by the connection. A peer that agreed on wide records knows so
//! only from our NodeInfo, and everything behind its own is then a record.
//!
//! Limits: a NodeInfo has at most 10 240 bytes and is spread over at most [`NODE_INFO_FRAMES_MAX`]
//! frames; of what comes behind it, one receive is kept, because the owner reads once and waits.

use std::collections::VecDeque;
use std::fmt;

use bytes::{Bytes, BytesMut};
use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_codec::node_info::NODE_INFO_BYTES_MAX;
use ringwire_codec::packet::{GOODBYE_BODY_MAX, accepted_body_max};
use ringwire_codec::secret::CHALLENGE_BYTES;
use ringwire_codec::secret::frame::FRAME_HEADER;
use ringwire_codec::secret::{
    FRAME_DATA_MAX, FRAME_SEALED, FrameError, FrameSealer, Handshake, Progress, RECORD_PLAIN_MAX,
    Session,
};
use ringwire_codec::{Agreed, Extension, LocalKey, NodeId, NodeInfo, PublicKey, delimited};

use super::ConnError;
use crate::buffer::{Framing, Opener, RecvBuf, Sealer};
use crate::config::PACKET_PAYLOAD_SENT_MAX;
use crate::error::{CloseReason, Reject};

/// Frames a NodeInfo may be spread over. Ten hold the longest one; a peer that fills its frames
/// badly still passes, one that sends empty frames for ever does not.
pub const NODE_INFO_FRAMES_MAX: usize = 128;

/// What an upgrade has to be told.
#[derive(Debug)]
pub struct UpgradeConfig<'a> {
    /// The node's identity.
    pub node_key: LocalKey,
    /// Fresh from a good source of chance, never used twice.
    pub ephemeral_secret: [u8; 32],
    /// What we say of ourselves; with an extension if wide records are offered.
    pub node_info: &'a NodeInfo,
    /// The id we dialed; `None` for an accepted connection.
    pub expected_id: Option<NodeId>,
    /// Payload bytes of the largest packet accepted and sent on CometBFT framing.
    pub packet_payload_max: usize,
}

/// What an upgrade is waiting for; each stage has a deadline of its own, kept by the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeStage {
    /// The peer's ephemeral key or proof of identity.
    SecretConnection,
    /// The peer's NodeInfo.
    NodeInfo,
    /// Nothing: it succeeded or failed.
    Over,
}

/// The limits both sides keep to on an established connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgreedLimits {
    /// Payload bytes of the largest packet we send.
    pub payload_send_max: usize,
    /// Bytes of the longest packet body we accept.
    pub packet_body_max: usize,
    /// Gossip features that both sides speak; zero with a CometBFT peer.
    pub gossip_features: u64,
    /// Whether both sides read goodbyes; never with a CometBFT peer.
    pub goodbye: bool,
}

impl AgreedLimits {
    /// Limits of CometBFT framing, where each side's own configuration rules.
    pub fn comet(packet_payload_max: usize) -> Self {
        AgreedLimits {
            payload_send_max: packet_payload_max.min(PACKET_PAYLOAD_SENT_MAX),
            packet_body_max: accepted_body_max(packet_payload_max),
            gossip_features: 0,
            goodbye: false,
        }
    }

    /// Limits of wide records; what was agreed makes the largest packet fit the largest record.
    /// A goodbye may be longer than the smallest packets that can be agreed on.
    pub fn wide(agreed: &Agreed) -> Self {
        let payload_max = agreed.packet_payload_max as usize;
        let goodbye_max = if agreed.goodbye { GOODBYE_BODY_MAX } else { 0 };
        AgreedLimits {
            payload_send_max: payload_max,
            packet_body_max: accepted_body_max(payload_max).max(goodbye_max),
            gossip_features: agreed.gossip_features,
            goodbye: agreed.goodbye,
        }
    }

    /// Received bytes within which the longest packet has come whole, whatever envelopes it.
    pub fn packet_bytes_max(&self) -> usize {
        self.packet_body_max + self.packet_body_max / 32 + 2 * FRAME_SEALED
    }
}

/// Keys, limits and bytes read too early of an established connection: all that it takes to go on,
/// on any thread.
#[derive(Debug)]
pub struct RecordLayer {
    /// Which envelope both sides speak from here on.
    pub framing: Framing,
    /// What both sides keep to.
    pub limits: AgreedLimits,
    /// Seals what we send.
    pub sealer: Sealer,
    /// Opens what we receive; holds what came behind NodeInfo.
    pub recv: RecvBuf,
}

/// A connection whose other end is known, checked, and agreed with. `Send`, so it can move to the
/// peer's home shard.
#[derive(Debug)]
pub struct Upgraded {
    /// The peer's proven identity.
    pub remote_id: NodeId,
    /// The key behind it.
    pub remote_key: PublicKey,
    /// What the peer says of itself, validated.
    pub node_info: NodeInfo,
    /// How the connection goes on.
    pub layer: RecordLayer,
}

/// The upgrade of one connection. Told with [`Upgrade::handle_received`], drained with
/// [`Upgrade::poll_transmit`], until it gives an [`Upgraded`] or a reason to close.
pub struct Upgrade {
    local: Local,
    /// Bytes received and not yet used; whole frames are opened here in place.
    received: BytesMut,
    output: VecDeque<BytesMut>,
    state: State,
    /// Of a visitor: what the peer said of itself.
    heard: Option<NodeInfo>,
}

/// Our own side of the exchange.
struct Local {
    node_id: NodeId,
    node_info: NodeInfo,
    /// Its delimited bytes, exactly as they are sent.
    encoded: Bytes,
    packet_payload_max: usize,
    /// Whether our NodeInfo waits for the peer's and follows it.
    is_visitor: bool,
}

enum State {
    Handshake(Box<Handshake>),
    NodeInfo(Box<Exchange>),
    Over,
}

/// The NodeInfo exchange as far as it has come.
struct Exchange {
    session: Session,
    /// Opened plaintext: NodeInfo and what followed it in the same frame.
    plain: Vec<u8>,
    frames: usize,
}

impl Upgrade {
    /// Starts an upgrade; our ephemeral key is there to be sent at once.
    pub fn new(config: UpgradeConfig<'_>) -> Self {
        Self::begin(config, false)
    }

    /// Starts the upgrade of a visitor, who does not know yet to which network the peer belongs.
    ///
    /// Nodes send their NodeInfo without waiting for ours. So ours waits for theirs, and takes over
    /// the network, the block protocol, and those of the `config`'s channels that the peer has; its
    /// first channel if it has none of them. Two visitors would wait for each other in vain.
    pub fn visiting(config: UpgradeConfig<'_>) -> Self {
        Self::begin(config, true)
    }

    fn begin(config: UpgradeConfig<'_>, is_visitor: bool) -> Self {
        let node_id = config.node_key.id();
        let handshake =
            Handshake::new(config.node_key, config.ephemeral_secret, config.expected_id);
        let mut upgrade = Upgrade {
            local: Local {
                node_id,
                node_info: config.node_info.clone(),
                encoded: encoded(config.node_info),
                packet_payload_max: config.packet_payload_max,
                is_visitor,
            },
            received: BytesMut::new(),
            output: VecDeque::new(),
            state: State::Handshake(Box::new(handshake)),
            heard: None,
        };
        upgrade.drain_handshake();
        upgrade
    }

    /// What the upgrade waits for, to choose a deadline and to name it when it passes.
    pub fn stage(&self) -> UpgradeStage {
        match self.state {
            State::Handshake(_) => UpgradeStage::SecretConnection,
            State::NodeInfo(_) => UpgradeStage::NodeInfo,
            State::Over => UpgradeStage::Over,
        }
    }

    /// What the peer of a visitor said of itself, in order or not; kept when the upgrade then failed.
    pub fn heard(&self) -> Option<&NodeInfo> {
        self.heard.as_ref()
    }

    /// What the node's key is to sign, if it is not at hand: asked once, and answered with
    /// [`Upgrade::handle_signature`]. Until then the upgrade stands still.
    pub fn poll_challenge(&mut self) -> Option<[u8; CHALLENGE_BYTES]> {
        match &mut self.state {
            State::Handshake(handshake) => handshake.poll_challenge(),
            State::NodeInfo(_) | State::Over => None,
        }
    }

    /// Whether it waits for the node's key to sign.
    pub fn is_signing(&self) -> bool {
        matches!(&self.state, State::Handshake(handshake) if handshake.is_signing())
    }

    /// The node's key has signed: what that makes is there to be sent. Go on with
    /// [`Upgrade::advance`], as bytes may have come meanwhile.
    pub fn handle_signature(&mut self, signature: [u8; SIGNATURE_BYTES]) {
        if let State::Handshake(handshake) = &mut self.state {
            handshake.handle_signature(signature);
        }
        self.drain_handshake();
    }

    /// The next bytes to send. Drain it after each `handle_received`, also after the last one: the
    /// peer needs our NodeInfo as much as we need its.
    pub fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.output.pop_front()
    }

    /// Bytes came, to be looked at now: [`Upgrade::store`] and [`Upgrade::advance`] in one.
    ///
    /// # Errors
    /// As [`Upgrade::advance`].
    pub fn handle_received(
        &mut self,
        received: &[u8],
    ) -> Result<Option<Box<Upgraded>>, CloseReason> {
        self.store(received);
        self.advance()
    }

    /// Bytes came. They are copied, so the chunk they lie in can go back to its pool at once;
    /// nothing is computed until [`Upgrade::advance`].
    pub fn store(&mut self, received: &[u8]) {
        self.received.extend_from_slice(received);
    }

    /// Goes as far as what was stored allows. This is where a handshake costs time: up to two
    /// operations on the curve.
    ///
    /// # Errors
    /// Why the connection must be closed: `Handshake`, `Connection` or `Rejected`.
    pub fn advance(&mut self) -> Result<Option<Box<Upgraded>>, CloseReason> {
        // An error on the way leaves the upgrade over.
        match std::mem::replace(&mut self.state, State::Over) {
            State::Handshake(handshake) => self.continue_handshake(handshake),
            State::NodeInfo(exchange) => self.continue_exchange(exchange),
            State::Over => Ok(None),
        }
    }

    fn continue_handshake(
        &mut self,
        mut handshake: Box<Handshake>,
    ) -> Result<Option<Box<Upgraded>>, CloseReason> {
        let progress = handshake.handle_bytes(&mut self.received);
        self.state = State::Handshake(handshake);
        // What the handshake has to say goes out even if the peer's part of it was wrong.
        self.drain_handshake();
        let Progress::Done(mut session) = progress.inspect_err(|_| self.state = State::Over)?
        else {
            return Ok(None);
        };
        if !self.local.is_visitor {
            self.seal_node_info(&mut session.sealer)
                .map_err(ConnError::Frame)?;
        }
        let plain = session.early_data.to_vec();
        self.state = State::Over;
        self.continue_exchange(Box::new(Exchange {
            session: *session,
            plain,
            frames: 0,
        }))
    }

    fn drain_handshake(&mut self) {
        if let State::Handshake(handshake) = &mut self.state {
            while let Some(bytes) = handshake.poll_transmit() {
                self.output.push_back(BytesMut::from(bytes));
            }
        }
    }

    /// Puts our NodeInfo into as many frames as it takes.
    fn seal_node_info(&mut self, sealer: &mut FrameSealer) -> Result<(), FrameError> {
        let frames = self.local.encoded.len().div_ceil(FRAME_DATA_MAX);
        let mut sealed = BytesMut::zeroed(frames * FRAME_SEALED);
        let data = self.local.encoded.chunks(FRAME_DATA_MAX);
        for (frame, data) in sealed.chunks_exact_mut(FRAME_SEALED).zip(data) {
            frame[FRAME_HEADER..FRAME_HEADER + data.len()].copy_from_slice(data);
            sealer.seal(frame, data.len())?;
        }
        self.output.push_back(sealed);
        Ok(())
    }

    fn continue_exchange(
        &mut self,
        mut exchange: Box<Exchange>,
    ) -> Result<Option<Box<Upgraded>>, CloseReason> {
        loop {
            let decoded = NodeInfo::decode(&exchange.plain).map_err(ConnError::NodeInfoEncoding)?;
            if let Some((node_info, used)) = decoded {
                if self.local.is_visitor {
                    self.introduce(&node_info, &mut exchange.session.sealer)?;
                }
                self.check(&node_info, exchange.session.remote_id)?;
                let upgraded = self.finish(*exchange, node_info, used)?;
                return Ok(Some(Box::new(upgraded)));
            }
            if self.received.len() < FRAME_SEALED {
                self.state = State::NodeInfo(exchange);
                return Ok(None);
            }
            exchange.open_frame(&mut self.received)?;
        }
    }

    /// A visitor's NodeInfo, which follows the peer's.
    fn introduce(&mut self, peer: &NodeInfo, sealer: &mut FrameSealer) -> Result<(), ConnError> {
        self.heard = Some(peer.clone());
        self.local.follow(peer);
        self.seal_node_info(sealer).map_err(ConnError::Frame)
    }

    /// The checks on a peer's NodeInfo, in the reference's order.
    fn check(&self, node_info: &NodeInfo, remote_id: NodeId) -> Result<(), Reject> {
        node_info.validate()?;
        if node_info.node_id != remote_id {
            let claimed = node_info.node_id.to_string();
            return Err(Reject::IdMismatch {
                claimed,
                actual: remote_id,
            });
        }
        if remote_id == self.local.node_id {
            return Err(Reject::IsSelf);
        }
        self.local.node_info.compatible_with(node_info)?;
        Ok(())
    }

    /// Chooses the record layer and hands everything over.
    fn finish(
        &mut self,
        exchange: Exchange,
        node_info: NodeInfo,
        used: usize,
    ) -> Result<Upgraded, ConnError> {
        let Exchange { session, plain, .. } = exchange;
        let (remote_id, remote_key) = (session.remote_id, session.remote_key);
        let agreed = match (&self.local.node_info.extension, &node_info.extension) {
            (Some(local), Some(remote)) => Extension::agree(local, remote),
            _ => None,
        };
        let layer = match agreed {
            None => self.comet_layer(session, &plain[used..]),
            Some(_) if used < plain.len() => return Err(ConnError::DataBeforeRecords),
            Some(agreed) => self.wide_layer(&session, &agreed, body_of(&plain[..used])),
        };
        Ok(Upgraded {
            remote_id,
            remote_key,
            node_info,
            layer,
        })
    }

    fn comet_layer(&mut self, session: Session, plain: &[u8]) -> RecordLayer {
        let opener = Opener::Comet(session.opener);
        RecordLayer {
            framing: Framing::Comet,
            limits: AgreedLimits::comet(self.local.packet_payload_max),
            sealer: Sealer::Comet(session.sealer),
            recv: RecvBuf::with_leftover(opener, plain, &self.received.split()),
        }
    }

    fn wide_layer(&mut self, session: &Session, agreed: &Agreed, remote: &[u8]) -> RecordLayer {
        let plain_max = RECORD_PLAIN_MAX.min(agreed.record_bytes_max as usize);
        let local = body_of(&self.local.encoded);
        let (sealer, opener) = session.wide_records(local, remote, plain_max);
        RecordLayer {
            framing: Framing::Wide,
            limits: AgreedLimits::wide(agreed),
            sealer: Sealer::Wide { sealer, plain_max },
            recv: RecvBuf::with_leftover(Opener::Wide(opener), &[], &self.received.split()),
        }
    }
}

impl Local {
    /// Becomes one with whom `peer` can talk.
    fn follow(&mut self, peer: &NodeInfo) {
        let ours = &mut self.node_info;
        ours.network.clone_from(&peer.network);
        ours.protocol_version.block = peer.protocol_version.block;
        ours.channels
            .retain(|channel| peer.channels.contains(channel));
        if ours.channels.is_empty() {
            ours.channels.extend(peer.channels.first().copied());
        }
        self.encoded = encoded(ours);
    }
}

impl Exchange {
    /// Opens the frame at the start of `received`, which is there whole.
    fn open_frame(&mut self, received: &mut BytesMut) -> Result<(), ConnError> {
        if self.frames == NODE_INFO_FRAMES_MAX {
            return Err(ConnError::NodeInfoTooManyFrames(NODE_INFO_FRAMES_MAX));
        }
        self.frames += 1;
        let mut frame = received.split_to(FRAME_SEALED);
        let data = self
            .session
            .opener
            .open(&mut frame)
            .map_err(ConnError::Frame)?;
        self.plain.extend_from_slice(&frame[data]);
        Ok(())
    }
}

impl fmt::Debug for Upgrade {
    /// Names the stage; keys are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade")
            .field("stage", &self.stage())
            .finish_non_exhaustive()
    }
}

/// A NodeInfo exactly as it is sent, behind its length.
fn encoded(node_info: &NodeInfo) -> Bytes {
    let mut encoded = BytesMut::new();
    node_info.encode(&mut encoded);
    encoded.freeze()
}

/// The message behind its length: what both sides put into the keys of their records.
fn body_of(delimited: &[u8]) -> &[u8] {
    let message = delimited::decode(delimited, NODE_INFO_BYTES_MAX)
        .ok()
        .flatten();
    message
        .expect("a NodeInfo that was encoded, or decoded, is delimited")
        .body
}

#[cfg(test)]
#[path = "upgrade_tests.rs"]
mod tests;
