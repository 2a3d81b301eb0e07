//! A world for the tests of this room: one shard whose turns are in the test's hands, and remotes
//! that speak to it without sockets.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::packet::PACKET_HEADER_MAX;
use ringwire_codec::{ChannelId, LocalKey, NodeInfo, NodeKey, PacketHeader, PublicKey};

use crate::buffer::pool::{RECV_BYTES, RECV_HEADROOM};
use crate::buffer::{BufferPool, Chunk, PoolLimits, SendBuf};
use crate::config::{Config, DiscoveryConfig};
use crate::conn::{
    ChannelDescriptor, MConnection, MConnectionConfig, RecordLayer, Upgrade, UpgradeConfig,
};
use crate::document::Kept;
use crate::error::ReactorError;
use crate::peer::ShardId;
use crate::reactor::{Context, Envelope, Reactor, erase};
use crate::switch::identity::SwitchConfig;
use crate::switch::io::{LinkId, Output, ReadMode, Transmit};
use crate::switch::links::filter::Filters;
use crate::switch::switch::Switch;
use crate::time::Instant;

pub(crate) const DATA: ChannelId = ChannelId(0x21);
/// A channel of small messages that go before the data.
pub(crate) const VOTES: ChannelId = ChannelId(0x22);
/// Bytes of the longest message.
pub(crate) const MESSAGE_MAX: usize = 1 << 20;

/// A shard with one reactor that keeps what it receives.
pub(crate) struct House {
    pub(crate) switch: Switch,
    pub(crate) now: Instant,
    pub(crate) received: Rc<RefCell<Vec<Bytes>>>,
    /// Transmits in flight.
    writes: Vec<(LinkId, Transmit)>,
}

struct Keeper(Rc<RefCell<Vec<Bytes>>>);

impl Reactor for Keeper {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        descriptors()
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        self.0.borrow_mut().push(envelope.message);
        Ok(())
    }
}

fn descriptors() -> Vec<ChannelDescriptor> {
    let descriptor = |id, priority| ChannelDescriptor {
        send_queue_capacity: 1000,
        recv_message_capacity: MESSAGE_MAX,
        ..ChannelDescriptor::new(id, priority)
    };
    vec![descriptor(DATA, 5), descriptor(VOTES, 10)]
}

impl House {
    pub(crate) fn new() -> Self {
        House::with(|_| {})
    }

    pub(crate) fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        House::of_shard(ShardId::COORDINATOR, 1, adjust)
    }

    /// A node whose key is elsewhere.
    pub(crate) fn with_key(key: PublicKey, adjust: impl FnOnce(&mut Config)) -> Self {
        let key = Some(LocalKey::Elsewhere(key));
        House::build(ShardId::COORDINATOR, 1, key, adjust)
    }

    /// A shard of a node of several.
    pub(crate) fn of_shard(
        shard: ShardId,
        shard_count: u16,
        adjust: impl FnOnce(&mut Config),
    ) -> Self {
        House::build(shard, shard_count, None, adjust)
    }

    fn build(
        shard: ShardId,
        shard_count: u16,
        node_key: Option<LocalKey>,
        adjust: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = Config {
            network: String::from("test"),
            allow_duplicate_ip: true,
            max_num_inbound_peers: 1000,
            max_num_handshakes: 1000,
            max_num_handshakes_per_ip: 0,
            discovery: DiscoveryConfig::off(),
            send_rate: 0,
            recv_rate: 0,
            ..Config::default()
        };
        adjust(&mut config);
        let received = Rc::default();
        let parts = SwitchConfig {
            config: Arc::new(config),
            node_key: node_key.unwrap_or(NodeKey::from_seed([0; 32]).into()),
            shard,
            shard_count,
            unix_time_at_zero: Duration::ZERO,
            seed: [7; 32],
            filters: Filters::default(),
            kept: Kept::All,
        };
        let keeper = erase(Keeper(Rc::clone(&received)));
        let reactors = vec![(String::from("keeper"), keeper)];
        let switch = Switch::new(parts, reactors, Instant::ZERO).expect("a sound configuration");
        let mut house = House {
            switch,
            now: Instant::ZERO,
            received,
            writes: Vec::new(),
        };
        let started = house.switch.handle_start(Instant::ZERO);
        started.expect("no reactor panics here");
        house
    }

    /// A connection comes in; the number is the link's name.
    pub(crate) fn accept(&mut self, number: u64) -> LinkId {
        let remote = SocketAddr::from(([10, 0, 0, 1], 1000)).into();
        self.switch
            .handle_accepted(self.now, LinkId(number), remote);
        LinkId(number)
    }

    /// One turn and what it put out. Transmits stay in flight.
    pub(crate) fn turn(&mut self) -> Vec<Output> {
        self.switch.run(self.now);
        let outputs: Vec<_> = std::iter::from_fn(|| self.switch.poll_output()).collect();
        for output in &outputs {
            if let Output::Transmit { link, buffers } = output {
                self.writes.push((*link, buffers.iter().cloned().collect()));
            }
        }
        while self.switch.poll_gauge().is_some() {}
        outputs
    }

    /// Ends the transmits in flight.
    pub(crate) fn finish_writes(&mut self) {
        for (link, buffers) in std::mem::take(&mut self.writes) {
            self.switch.handle_sent(self.now, link, buffers);
        }
    }

    /// Brings a remote from its connection to being a peer.
    pub(crate) fn join(&mut self, remote: &mut Remote) {
        self.accept(remote.link.0);
        for _ in 0..20 {
            let outputs = self.turn();
            remote.exchange(self, &outputs);
        }
        assert!(remote.is_peer());
    }
}

/// The other end of a link.
pub(crate) struct Remote {
    pub(crate) link: LinkId,
    state: State,
    is_liar: bool,
    /// What it has written and the shard has not read.
    written: Vec<u8>,
    /// What it will write later.
    rest: Vec<u8>,
    /// How it is read.
    mode: ReadMode,
    pool: BufferPool,
}

enum State {
    Upgrading(Box<Upgrade>),
    Peer(Box<MConnection>),
    /// One that puts its packets together by hand.
    Liar(Box<RecordLayer>),
}

impl Remote {
    pub(crate) fn new(number: u16) -> Self {
        let seed = |purpose: u8| {
            let mut seed = [purpose; 32];
            seed[..2].copy_from_slice(&number.to_le_bytes());
            seed
        };
        let node_key = NodeKey::from_seed(seed(1));
        let node_info = NodeInfo {
            protocol_version: Default::default(),
            node_id: node_key.id(),
            listen_addr: String::from("10.0.0.1:26656"),
            network: String::from("test"),
            version: String::from("0.1.0"),
            channels: [DATA, VOTES].into_iter().collect(),
            moniker: String::from("remote"),
            other: Default::default(),
            extension: None,
        };
        let upgrade = Upgrade::new(UpgradeConfig {
            node_key: node_key.into(),
            ephemeral_secret: seed(0x5a),
            node_info: &node_info,
            expected_id: None,
            packet_payload_max: 1024,
        });
        Remote {
            link: LinkId(u64::from(number)),
            state: State::Upgrading(Box::new(upgrade)),
            is_liar: false,
            written: Vec::new(),
            rest: Vec::new(),
            mode: ReadMode::Pause,
            pool: BufferPool::new(PoolLimits::default()),
        }
    }

    /// One that keeps to the handshake and to no rule behind it.
    pub(crate) fn liar(number: u16) -> Self {
        Remote {
            is_liar: true,
            ..Remote::new(number)
        }
    }

    pub(crate) fn is_peer(&self) -> bool {
        !matches!(self.state, State::Upgrading(_))
    }

    /// Whether all that it has written was read.
    pub(crate) fn is_idle(&self) -> bool {
        self.written.is_empty()
    }

    /// Whether the shard reads what it sends.
    pub(crate) fn is_read(&self) -> bool {
        self.mode != ReadMode::Pause
    }

    /// Takes what a turn put out for it, and answers.
    pub(crate) fn exchange(&mut self, house: &mut House, outputs: &[Output]) {
        self.take(outputs);
        self.deliver(house, Chunk::copied_from);
    }

    /// The same, its bytes received into chunks of the shard's pool.
    pub(crate) fn exchange_through_pool(&mut self, house: &mut House, outputs: &[Output]) {
        self.take(outputs);
        let mut bytes = house.switch.pool().take_chunk().expect("the pool has one");
        if !self.is_read() || self.written.is_empty() {
            return house.switch.pool().give_back_chunk(bytes);
        }
        self.deliver(house, |written| {
            bytes[RECV_HEADROOM..RECV_HEADROOM + written.len()].copy_from_slice(written);
            Chunk {
                bytes,
                start: RECV_HEADROOM,
                end: RECV_HEADROOM + written.len(),
            }
        });
    }

    /// What it has written, taken out of its hands.
    pub(crate) fn take_written(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.written)
    }

    /// Looks at what a turn put out for it.
    pub(crate) fn take(&mut self, outputs: &[Output]) {
        for output in outputs {
            match output {
                Output::Read { link, mode } if *link == self.link => self.mode = *mode,
                Output::Transmit { link, buffers } if *link == self.link => {
                    let bytes: Vec<u8> =
                        buffers.iter().flat_map(|buffer| buffer.to_vec()).collect();
                    self.receive(&bytes);
                }
                _ => {}
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Upgrading(upgrade) => {
                let upgraded = upgrade.handle_received(bytes).expect("an honest shard");
                let said = std::iter::from_fn(|| upgrade.poll_transmit());
                self.written.extend(said.flatten());
                if let Some(upgraded) = upgraded {
                    let config = MConnectionConfig {
                        ping_interval: Duration::from_secs(3600),
                        pong_timeout: Duration::from_secs(45),
                        send_rate: 0,
                        recv_rate: 0,
                    };
                    self.state = match self.is_liar {
                        true => State::Liar(Box::new(upgraded.layer)),
                        false => State::Peer(Box::new(MConnection::new(
                            config,
                            &descriptors(),
                            upgraded.layer,
                            Instant::ZERO,
                        ))),
                    };
                }
            }
            State::Liar(_) => {}
            State::Peer(conn) => {
                let chunk = Chunk::copied_from(bytes);
                conn.handle_received(chunk, Instant::ZERO, &mut self.pool);
            }
        }
    }

    /// Hands what it has written to the shard, if that reads it.
    pub(crate) fn deliver(&mut self, house: &mut House, chunk: impl FnOnce(&[u8]) -> Chunk) {
        house.finish_writes();
        if !self.is_read() || self.written.is_empty() {
            return;
        }
        if self.mode == ReadMode::Once {
            self.mode = ReadMode::Pause;
        }
        let chunk = chunk(&std::mem::take(&mut self.written));
        house.switch.handle_received(house.now, self.link, chunk);
    }

    /// Reads what has come, as far as pings, and answers those.
    pub(crate) fn answer_pings(&mut self, house: &mut House) {
        let State::Peer(conn) = &mut self.state else {
            panic!("only a peer answers");
        };
        let message = conn.next_message(Instant::ZERO, &mut self.pool, |_| true);
        assert_eq!(message, Ok(None), "an honest shard that says nothing else");
        while let Some(buffers) = conn
            .poll_transmit(Instant::ZERO, &mut self.pool)
            .expect("nonces are left")
        {
            for buffer in &buffers {
                self.written.extend_from_slice(buffer);
            }
        }
        self.deliver(house, Chunk::copied_from);
    }

    /// Sends a message, read at once.
    pub(crate) fn send(&mut self, house: &mut House, message: Bytes) {
        self.write(message, usize::MAX);
        self.deliver(house, Chunk::copied_from);
    }

    /// Writes a message, or only so many bytes of what that takes on the wire.
    pub(crate) fn write(&mut self, message: Bytes, bytes_max: usize) {
        self.write_in_two(message, bytes_max);
        self.rest.clear();
    }

    /// Writes one packet, whatever came before it on its channel. Only a liar does.
    pub(crate) fn write_packet(&mut self, channel: ChannelId, eof: bool, data: &[u8]) {
        let State::Liar(layer) = &mut self.state else {
            panic!("an honest peer leaves its packets to its connection");
        };
        let mut header = [0; PACKET_HEADER_MAX];
        let header_len = PacketHeader::encode(channel, eof, data.len(), &mut header);
        let mut buf = SendBuf::new(self.pool.take_send(), &layer.sealer);
        buf.put(&header[..header_len]);
        buf.put(data);
        let sealed = buf.seal(&mut layer.sealer).expect("nonces are left");
        self.written.extend_from_slice(&sealed);
        self.pool.give_back_send(sealed);
    }

    /// Writes a message on a channel, behind what waits.
    pub(crate) fn write_on(&mut self, channel: ChannelId, message: Bytes) {
        self.seal_in_two(channel, message, usize::MAX);
    }

    /// Writes the first bytes of what a message takes on the wire, and keeps the rest for
    /// [`Remote::write_rest`].
    pub(crate) fn write_in_two(&mut self, message: Bytes, bytes: usize) {
        self.seal_in_two(DATA, message, bytes);
    }

    fn seal_in_two(&mut self, channel: ChannelId, message: Bytes, bytes: usize) {
        let State::Peer(conn) = &mut self.state else {
            panic!("only a peer sends");
        };
        conn.try_send(Instant::ZERO, channel, message)
            .expect("its queue is long");
        let mut sealed = Vec::new();
        while let Some(buffers) = conn
            .poll_transmit(Instant::ZERO, &mut self.pool)
            .expect("nonces are left")
        {
            buffers
                .iter()
                .for_each(|buffer| sealed.extend_from_slice(buffer));
        }
        self.rest = sealed.split_off(bytes.min(sealed.len()));
        self.written.extend(sealed);
    }

    pub(crate) fn write_rest(&mut self) {
        self.written.append(&mut self.rest);
    }

    /// Writes so many bytes of the rest.
    pub(crate) fn write_some_of_rest(&mut self, bytes: usize) {
        let later = self.rest.split_off(self.rest.len().min(bytes));
        self.write_rest();
        self.rest = later;
    }

    /// As [`Remote::exchange`], but no more than one receive of a socket comes over.
    pub(crate) fn exchange_piece(&mut self, house: &mut House, outputs: &[Output]) {
        self.take(outputs);
        let later = self.written.split_off(self.written.len().min(RECV_BYTES));
        self.deliver(house, Chunk::copied_from);
        self.written.extend(later);
    }
}
