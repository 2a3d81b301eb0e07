//! What is said on a visit, as a value: bytes in, bytes out.
//!
//! ```text
//!   Upgrade::visiting ─▶ MConnection ── "whom do you know?" ─▶ the answer
//!                             └── the node has no such channel: nothing is asked
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use ringwire_codec::pex::{PEX_BYTES_MAX, PEX_CHANNEL, PexMessage};
use ringwire_codec::{NetAddress, NodeInfo, NodeKey};
use ringwire_core::buffer::{BufferPool, Chunk, PoolLimits};
use ringwire_core::conn::{
    ChannelDescriptor, ConnError, MConnection, MConnectionConfig, Upgrade, UpgradeConfig,
    UpgradeStage, Upgraded,
};
use ringwire_core::error::CloseReason;
use ringwire_core::time::Instant;

use super::Step;

/// Payload bytes of the largest packet, the reference's default.
const PACKET_PAYLOAD_BYTES: usize = 1024;

/// A visit is over long before a ping of ours would be due.
const PING_INTERVAL: Duration = Duration::from_secs(600);
const PONG_TIMEOUT: Duration = Duration::from_secs(300);

/// Buffers of one visit: a record that is received, and a request that is sent.
const POOL: PoolLimits = PoolLimits {
    chunks_max: 2,
    send_idle_max: 1,
};

/// One visit, from the first byte to the last.
pub(super) struct Conversation {
    stage: Stage,
    /// What the upgrade has to say; it goes out before anything of the connection.
    flights: VecDeque<BytesMut>,
    heard: Option<NodeInfo>,
    asks: bool,
    answer: Option<Vec<NetAddress>>,
    pool: BufferPool,
}

enum Stage {
    Upgrade(Box<Upgrade>),
    Connected(Box<MConnection>),
    /// A rule was broken.
    Over,
}

impl Conversation {
    /// A conversation as the one that dialed; `ephemeral_secret` is fresh from a good source.
    pub(super) fn new(key: &NodeKey, info: &NodeInfo, ephemeral_secret: [u8; 32]) -> Self {
        let mut upgrade = Upgrade::visiting(UpgradeConfig {
            node_key: key.into(),
            ephemeral_secret,
            node_info: info,
            // Whoever is there is heard; whether it is the right one is asked afterwards.
            expected_id: None,
            packet_payload_max: PACKET_PAYLOAD_BYTES,
        });
        Conversation {
            flights: std::iter::from_fn(|| upgrade.poll_transmit()).collect(),
            stage: Stage::Upgrade(Box::new(upgrade)),
            heard: None,
            asks: false,
            answer: None,
            pool: BufferPool::new(POOL),
        }
    }

    /// How far it has come.
    pub(super) fn step(&self) -> Step {
        match &self.stage {
            Stage::Upgrade(upgrade) if upgrade.stage() == UpgradeStage::SecretConnection => {
                Step::Handshake
            }
            Stage::Upgrade(_) => Step::NodeInfo,
            Stage::Connected(_) | Stage::Over => Step::Asking,
        }
    }

    /// What the node said of itself.
    pub(super) fn heard(&self) -> Option<&NodeInfo> {
        self.heard.as_ref()
    }

    /// Whether the node was asked whom it knows.
    pub(super) fn asks(&self) -> bool {
        self.asks
    }

    /// Whom the node knows, once it has answered.
    pub(super) fn take_answer(&mut self) -> Option<Vec<NetAddress>> {
        self.answer.take()
    }

    /// The next bytes to send; to be asked after each [`Conversation::handle_received`].
    ///
    /// # Errors
    /// The connection has sealed all that it can.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Result<Option<BytesMut>, CloseReason> {
        if let Some(flight) = self.flights.pop_front() {
            return Ok(Some(flight));
        }
        let Stage::Connected(connection) = &mut self.stage else {
            return Ok(None);
        };
        let Some(transmit) = connection.poll_transmit(now, &mut self.pool)? else {
            return Ok(None);
        };
        let mut bytes = BytesMut::new();
        for buffer in transmit {
            bytes.extend_from_slice(&buffer);
            self.pool.give_back_send(buffer);
        }
        Ok(Some(bytes))
    }

    /// Bytes came.
    ///
    /// # Errors
    /// Which rule they break.
    pub(super) fn handle_received(
        &mut self,
        received: &[u8],
        now: Instant,
    ) -> Result<(), CloseReason> {
        match &mut self.stage {
            Stage::Upgrade(upgrade) => {
                let upgraded = upgrade.handle_received(received);
                self.flights
                    .extend(std::iter::from_fn(|| upgrade.poll_transmit()));
                self.heard = upgrade.heard().cloned();
                match upgraded {
                    Ok(None) => Ok(()),
                    Ok(Some(upgraded)) => self.connect(*upgraded, now),
                    Err(reason) => {
                        self.stage = Stage::Over;
                        Err(reason)
                    }
                }
            }
            Stage::Connected(connection) => {
                connection.handle_received(Chunk::copied_from(received), now, &mut self.pool);
                self.listen(now)
            }
            Stage::Over => Ok(()),
        }
    }

    fn connect(&mut self, upgraded: Upgraded, now: Instant) -> Result<(), CloseReason> {
        self.asks = upgraded.node_info.channels.contains(&PEX_CHANNEL);
        // Whatever else comes ends the visit: the node was told that we read this channel alone.
        let descriptors = self.asks.then(|| ChannelDescriptor {
            recv_message_capacity: PEX_BYTES_MAX,
            ..ChannelDescriptor::new(PEX_CHANNEL, 1)
        });
        let config = MConnectionConfig {
            ping_interval: PING_INTERVAL,
            pong_timeout: PONG_TIMEOUT,
            send_rate: 0,
            recv_rate: 0,
        };
        let mut connection = MConnection::new(config, descriptors.as_slice(), upgraded.layer, now);
        if self.asks {
            let mut request = BytesMut::new();
            PexMessage::Request.encode(&mut request);
            connection
                .try_send(now, PEX_CHANNEL, request.freeze())
                .expect("the queue of a new connection is empty");
        }
        self.stage = Stage::Connected(Box::new(connection));
        self.listen(now)
    }

    fn listen(&mut self, now: Instant) -> Result<(), CloseReason> {
        let Stage::Connected(connection) = &mut self.stage else {
            return Ok(());
        };
        loop {
            match connection.next_message(now, &mut self.pool, |_| true) {
                Ok(None) => return Ok(()),
                Ok(Some(received)) => match PexMessage::decode(&received.message) {
                    Ok(PexMessage::Addrs(addresses)) => self.answer = Some(addresses),
                    // It asks us, too. We know nobody.
                    Ok(PexMessage::Request) => {}
                    Err(error) => return Err(ConnError::BadEncoding(error).into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }
}
