//! A world for the tests of this room: two ends of a connection in one thread, with the wire
//! between them in the test's hands.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ringwire_codec::secret::RECORD_PLAIN_MAX;
use ringwire_codec::{ChannelId, Extension, NodeInfo, NodeKey};

use super::{ChannelDescriptor, ConnError, MConnection, MConnectionConfig};
use super::{RecordLayer, Upgrade, UpgradeConfig, Upgraded};
use crate::buffer::{BufferPool, Chunk, PoolLimits};
use crate::error::CloseReason;
use crate::time::Instant;

pub(super) const VOTE: ChannelId = ChannelId(0x22);
pub(super) const DATA: ChannelId = ChannelId(0x21);
pub(super) const HIGH: ChannelId = ChannelId(0xaa);
pub(super) const ZERO: ChannelId = ChannelId(0x00);

/// Whether a node offers wide records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Comet,
    Wide,
}

pub(super) fn extension(record_bytes_max: u32) -> Extension {
    Extension {
        gossip_features: 3,
        ..Extension::of_records(record_bytes_max)
    }
}

pub(super) fn node_key(seed: u8) -> NodeKey {
    NodeKey::from_seed([seed; 32])
}

pub(super) fn node_info(seed: u8, offer: Offer) -> NodeInfo {
    NodeInfo {
        protocol_version: Default::default(),
        node_id: node_key(seed).id(),
        listen_addr: String::from("127.0.0.1:26656"),
        network: String::from("test"),
        version: String::from("0.1.0"),
        channels: [VOTE, DATA, HIGH, ZERO].into_iter().collect(),
        moniker: format!("node {seed}"),
        other: Default::default(),
        extension: (offer == Offer::Wide).then(|| extension(RECORD_PLAIN_MAX as u32)),
    }
}

/// The upgrade of a node whose NodeInfo is `node_info`.
pub(super) fn upgrade(seed: u8, node_info: &NodeInfo) -> Upgrade {
    upgrade_with(seed, node_info, 1024)
}

/// The same of a node that is configured for packets of this payload.
fn upgrade_with(seed: u8, node_info: &NodeInfo, packet_payload_max: usize) -> Upgrade {
    Upgrade::new(UpgradeConfig {
        node_key: node_key(seed).into(),
        ephemeral_secret: [seed ^ 0x5a; 32],
        node_info,
        expected_id: None,
        packet_payload_max,
    })
}

pub(super) fn drain(upgrade: &mut Upgrade) -> Vec<u8> {
    std::iter::from_fn(|| upgrade.poll_transmit())
        .flat_map(|bytes| bytes.to_vec())
        .collect()
}

type Outcome = Result<Box<Upgraded>, CloseReason>;

/// Runs two upgrades against each other, `step` bytes at a time, until both are over or one fails;
/// bytes of one that comes late are kept by the other.
pub(super) fn run_upgrades(mut a: Upgrade, mut b: Upgrade, step: usize) -> (Outcome, Outcome) {
    let (mut done_a, mut done_b) = (None, None);
    let (mut to_a, mut to_b) = (BytesMut::new(), BytesMut::new());
    for _ in 0..100_000 {
        to_b.extend_from_slice(&drain(&mut a));
        to_a.extend_from_slice(&drain(&mut b));
        if let (Some(a), Some(b)) = (done_a.take_if(|_| done_b.is_some()), done_b.take()) {
            return (a, b);
        }
        deliver(&mut a, &mut to_a, step, &mut done_a);
        deliver(&mut b, &mut to_b, step, &mut done_b);
    }
    panic!("the upgrades wait for each other");
}

fn deliver(end: &mut Upgrade, bytes: &mut BytesMut, step: usize, done: &mut Option<Outcome>) {
    if done.is_some() || bytes.is_empty() {
        return;
    }
    let piece = bytes.split_to(step.min(bytes.len()));
    *done = end.handle_received(&piece).transpose();
}

/// Both ends of an upgraded connection.
pub(super) fn layers(offer: Offer) -> (RecordLayer, RecordLayer) {
    layers_with(offer, 1024)
}

/// The same between nodes that are configured for packets of this payload.
pub(super) fn layers_with(offer: Offer, payload_max: usize) -> (RecordLayer, RecordLayer) {
    let (a, b) = (
        upgrade_with(1, &node_info(1, offer), payload_max),
        upgrade_with(2, &node_info(2, offer), payload_max),
    );
    let (a, b) = run_upgrades(a, b, 4096);
    (
        a.expect("an honest pair").layer,
        b.expect("an honest pair").layer,
    )
}

pub(super) fn descriptors() -> Vec<ChannelDescriptor> {
    let channel = |id, priority| ChannelDescriptor {
        send_queue_capacity: 8,
        recv_queue_capacity: 4,
        recv_message_capacity: 2 << 20,
        ..ChannelDescriptor::new(id, priority)
    };
    vec![
        channel(DATA, 5),
        channel(VOTE, 7),
        channel(HIGH, 1),
        channel(ZERO, 3),
    ]
}

pub(super) fn config() -> MConnectionConfig {
    MConnectionConfig {
        ping_interval: Duration::from_secs(60),
        pong_timeout: Duration::from_secs(45),
        send_rate: 0,
        recv_rate: 0,
    }
}

/// One end: a connection and the pool of its shard.
pub(super) struct End {
    pub(super) conn: MConnection,
    pub(super) pool: BufferPool,
}

impl End {
    pub(super) fn new(layer: RecordLayer, config: MConnectionConfig) -> Self {
        let conn = MConnection::new(config, &descriptors(), layer, Instant::ZERO);
        End {
            conn,
            pool: BufferPool::new(PoolLimits::default()),
        }
    }

    /// All bytes of the next write, if there is one.
    pub(super) fn transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let transmit = self
            .conn
            .poll_transmit(now, &mut self.pool)
            .expect("nonces are left")?;
        let bytes = transmit.iter().flat_map(|buffer| buffer.to_vec()).collect();
        for buffer in transmit {
            self.pool.give_back_send(buffer);
        }
        Some(bytes)
    }

    pub(super) fn transmit_all(&mut self, now: Instant) -> Vec<u8> {
        std::iter::from_fn(|| self.transmit(now))
            .flatten()
            .collect()
    }

    /// Receives as the shell would: into a chunk of the pool.
    pub(super) fn receive(&mut self, bytes: &[u8], now: Instant) {
        for piece in bytes.chunks(crate::buffer::pool::RECV_BYTES) {
            let mut buffer = self
                .pool
                .take_chunk()
                .expect("the test stays within the budget");
            let start = crate::buffer::pool::RECV_HEADROOM;
            buffer[start..start + piece.len()].copy_from_slice(piece);
            let chunk = Chunk {
                bytes: buffer,
                start,
                end: start + piece.len(),
            };
            self.conn.handle_received(chunk, now, &mut self.pool);
        }
    }

    pub(super) fn next(&mut self, now: Instant) -> Result<Option<(ChannelId, Bytes)>, ConnError> {
        let received = self.conn.next_message(now, &mut self.pool, |_| true)?;
        Ok(received.map(|it| (it.channel, it.message)))
    }

    pub(super) fn messages(&mut self, now: Instant) -> Vec<(ChannelId, Bytes)> {
        std::iter::from_fn(|| self.next(now).expect("an honest peer")).collect()
    }
}

/// Two ends that nothing has been sent between.
pub(super) fn pair(offer: Offer) -> (End, End) {
    let (a, b) = layers(offer);
    (End::new(a, config()), End::new(b, config()))
}

/// The bytes of message number `n`: its length depends on it, and no two have the same content.
pub(super) fn message(n: usize, len: usize) -> Bytes {
    (0..len)
        .map(|at| (at.wrapping_mul(31) ^ (at >> 8) ^ n.wrapping_mul(97)) as u8)
        .collect()
}
