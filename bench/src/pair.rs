//! Two ends of one connection in memory: the pure engine without a kernel, for benches that count
//! nanoseconds of our own code.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ringwire::peer::Framing;
use ringwire::{ChannelId, NodeInfo, NodeKey};
use ringwire_codec::Extension;
use ringwire_codec::secret::RECORD_PLAIN_MAX;
use ringwire_core::buffer::pool::RECV_HEADROOM;
use ringwire_core::buffer::{BufferPool, Chunk, PoolLimits, Transmit};
use ringwire_core::conn::{
    ChannelDescriptor, MConnection, MConnectionConfig, Upgrade, UpgradeConfig, Upgraded,
};
use ringwire_core::time::Instant;

/// The channel of small, urgent messages.
pub const VOTE: ChannelId = ChannelId(0x22);
/// The channel of bulk.
pub const DATA: ChannelId = ChannelId(0x21);

/// Payload carried before anything is counted: then queues and pools have the size they keep.
pub const WARM_UP_BYTES: usize = 8 << 20;

/// Messages that wait on a channel at most.
const QUEUE: usize = 4096;
/// Payload bytes of the largest packet, on CometBFT framing: the reference's default.
const COMET_PAYLOAD: usize = 1024;

/// A key that is the same in every run.
pub fn node_key(seed: u8) -> NodeKey {
    NodeKey::from_seed([seed; 32])
}

/// What the node of that key says of itself; with `Wide` it offers wide records.
pub fn node_info(seed: u8, framing: Framing) -> NodeInfo {
    let extension = Extension::of_records(RECORD_PLAIN_MAX as u32);
    NodeInfo {
        protocol_version: Default::default(),
        node_id: node_key(seed).id(),
        listen_addr: String::from("127.0.0.1:26656"),
        network: String::from("bench"),
        version: String::from("0.1.0"),
        channels: [VOTE, DATA].into_iter().collect(),
        moniker: String::from("bench"),
        other: Default::default(),
        extension: (framing == Framing::Wide).then_some(extension),
    }
}

/// Runs the whole upgrade of a connection on both sides, from ephemeral keys to NodeInfo.
///
/// # Panics
/// If the two honest sides do not come to an end, which would be a bug.
pub fn upgrade(framing: Framing) -> [Box<Upgraded>; 2] {
    let begin = |seed: u8| {
        Upgrade::new(UpgradeConfig {
            node_key: node_key(seed).into(),
            ephemeral_secret: [seed ^ 0x5a; 32],
            node_info: &node_info(seed, framing),
            expected_id: None,
            packet_payload_max: COMET_PAYLOAD,
        })
    };
    let mut sides = [begin(1), begin(2)];
    let mut done = [None, None];
    // Keys, authentication, NodeInfo: three flights, and one turn to take the last.
    for _ in 0..4 {
        let flights: [BytesMut; 2] = std::array::from_fn(|side| drain(&mut sides[side]));
        for (side, flight) in [(1, &flights[0]), (0, &flights[1])] {
            if done[side].is_none() {
                let received = sides[side].handle_received(flight);
                done[side] = received.expect("an honest pair");
            }
        }
    }
    done.map(|side| side.expect("three flights are enough"))
}

fn drain(upgrade: &mut Upgrade) -> BytesMut {
    let mut flight = BytesMut::new();
    while let Some(bytes) = upgrade.poll_transmit() {
        flight.extend_from_slice(&bytes);
    }
    flight
}

/// An established connection, seen from both ends; what one writes is copied to the other once, as
/// the kernel would.
pub struct Pair {
    sender: MConnection,
    receiver: MConnection,
    pools: [BufferPool; 2],
    now: Instant,
}

impl Pair {
    /// A connection in this framing, without rate limits.
    pub fn new(framing: Framing) -> Self {
        let config = MConnectionConfig {
            ping_interval: Duration::from_secs(60),
            pong_timeout: Duration::from_secs(45),
            send_rate: 0,
            recv_rate: 0,
        };
        let channel = |id, priority| ChannelDescriptor {
            send_queue_capacity: QUEUE,
            recv_message_capacity: 1 << 20,
            ..ChannelDescriptor::new(id, priority)
        };
        let channels = [channel(VOTE, 7), channel(DATA, 10)];
        let now = Instant::ZERO;
        let [sender, receiver] = upgrade(framing)
            .map(|upgraded| MConnection::new(config, &channels, upgraded.layer, now));
        let pools = [(); 2].map(|()| BufferPool::new(PoolLimits::default()));
        Pair {
            sender,
            receiver,
            pools,
            now,
        }
    }

    /// Sends `count` copies of a message from end to end; returns the bytes that crossed the wire.
    ///
    /// # Panics
    /// If a message does not arrive, which would be a bug.
    pub fn carry(&mut self, channel: ChannelId, message: &Bytes, count: usize) -> usize {
        let (mut queued, mut arrived, mut wire) = (0, 0, 0);
        while arrived < count {
            while queued < count && self.sender.can_send(channel) {
                let sent = self.sender.try_send(self.now, channel, message.clone());
                sent.expect("there is room");
                queued += 1;
            }
            let written = self.sender.poll_transmit(self.now, &mut self.pools[0]);
            let buffers = written.expect("nonces last").expect("messages wait");
            wire += self.cross(buffers);
            arrived += self.take();
        }
        wire
    }

    fn cross(&mut self, buffers: Transmit) -> usize {
        let mut wire = 0;
        for buffer in buffers {
            wire += buffer.len();
            let mut bytes = self.pools[1].take_chunk().expect("chunks come back");
            let end = RECV_HEADROOM + buffer.len();
            bytes[RECV_HEADROOM..end].copy_from_slice(&buffer);
            let chunk = Chunk {
                bytes,
                start: RECV_HEADROOM,
                end,
            };
            let (now, pool) = (self.now, &mut self.pools[1]);
            self.receiver.handle_received(chunk, now, pool);
            self.pools[0].give_back_send(buffer);
        }
        wire
    }

    fn take(&mut self) -> usize {
        let mut arrived = 0;
        loop {
            let pool = &mut self.pools[1];
            let message = self.receiver.next_message(self.now, pool, |_| true);
            match message.expect("an honest sender") {
                Some(_) => arrived += 1,
                None => return arrived,
            }
        }
    }
}
