//! What it costs to bring a message to a reactor whose types are erased, beside the call itself.
//!
//! Three reactors do the same with a message: add its length up. `direct` is called by its own name,
//! `erased` as the switch calls it, with its state of the peer looked up, lent and given back;
//! `dyn` is the call through a vtable alone, which any set of reactors pays.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ringwire::bytes::Bytes;
use ringwire::codec::{NodeInfoOther, ProtocolVersion};
use ringwire::error::TrySendError;
use ringwire::peer::{BanTarget, Census, Direction, Framing, PeerInfo, PeerKey, ShardId};
use ringwire::reactor::{
    ChannelDescriptor, Context, Document, Envelope, Instant, Reactor, ReactorError,
};
use ringwire::{ChannelId, NetAddress, NodeId, NodeInfo};
use ringwire_codec::PublicKey;
use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_core::document::SaveError;
use ringwire_core::reactor::{Answer, Ask, AskError, Host, Instance, Note, TimerId, erase};

const CHANNEL: ChannelId = ChannelId(0x50);

/// Adds up what each peer sends.
struct Adder;

impl Reactor for Adder {
    type Peer = u64;
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![ChannelDescriptor::new(CHANNEL, 1)]
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        bytes: &mut u64,
    ) -> Result<(), ReactorError> {
        add(bytes, &envelope)
    }
}

fn add(bytes: &mut u64, envelope: &Envelope<'_>) -> Result<(), ReactorError> {
    if envelope.message.is_empty() {
        return Err(ReactorError::new("it is empty"));
    }
    *bytes += envelope.message.len() as u64;
    Ok(())
}

/// The same behind a vtable and nothing else.
trait Plain {
    fn receive(&mut self, envelope: Envelope<'_>) -> Result<(), ReactorError>;
}

impl Plain for u64 {
    fn receive(&mut self, envelope: Envelope<'_>) -> Result<(), ReactorError> {
        add(self, &envelope)
    }
}

/// A switch without peers, which is never asked for anything here.
struct Nobody;

impl Host for Nobody {
    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn shard(&self) -> ShardId {
        ShardId::COORDINATOR
    }

    fn shard_count(&self) -> u16 {
        1
    }

    fn node_id(&self) -> NodeId {
        NodeId::from_bytes([0; 20])
    }

    fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes([0; 32])
    }

    fn sign(&self, _: &[u8]) -> [u8; SIGNATURE_BYTES] {
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

    fn peer(&self, _: PeerKey) -> Option<&PeerInfo> {
        None
    }

    fn find_peer(&self, _: &NodeId) -> Option<PeerKey> {
        None
    }

    fn try_send(&mut self, _: PeerKey, _: ChannelId, message: Bytes) -> Result<(), TrySendError> {
        Err(TrySendError::NotConnected(message))
    }

    fn try_broadcast(&mut self, _: ChannelId, _: Bytes) -> usize {
        0
    }

    fn deliver(&mut self, _: NodeId, _: ChannelId, _: Bytes) {}

    fn send_note(&mut self, _: ShardId, _: Note) {}

    fn hold_back(&mut self, _: PeerKey, _: ChannelId) {}

    fn release(&mut self, _: PeerKey, _: ChannelId) {}

    fn set_timer(&mut self, _: Duration, _: u64) -> TimerId {
        TimerId::default()
    }

    fn cancel_timer(&mut self, _: TimerId) {}

    fn stop_peer(&mut self, _: PeerKey, _: ReactorError) {}

    fn stop_peer_gracefully(&mut self, _: PeerKey) {}

    fn save(&mut self, _: Document) -> Result<(), SaveError> {
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
        None
    }

    fn is_known(&self, _: &NodeId) -> bool {
        false
    }

    fn dial(&mut self, _: NetAddress) {}

    fn ban(&mut self, _: BanTarget, _: Duration) {}
}

fn peer() -> PeerInfo {
    PeerInfo {
        key: PeerKey {
            index: 7,
            generation: 3,
        },
        id: NodeId::from_bytes([1; 20]),
        node_info: Arc::new(NodeInfo {
            protocol_version: ProtocolVersion::default(),
            node_id: NodeId::from_bytes([1; 20]),
            listen_addr: String::new(),
            network: String::from("bench"),
            version: String::new(),
            channels: [CHANNEL].into_iter().collect(),
            moniker: String::from("peer"),
            other: NodeInfoOther::default(),
            extension: None,
        }),
        remote_addr: SocketAddr::from(([127, 0, 0, 1], 26656)).into(),
        direction: Direction::Inbound,
        persistent: false,
        framing: Framing::Wide,
        since: Instant::ZERO,
    }
}

fn dispatch(criterion: &mut Criterion) {
    let peer = peer();
    let envelope = || Envelope {
        from: &peer,
        channel: CHANNEL,
        message: Bytes::from_static(b"a vote"),
    };
    let mut group = criterion.benchmark_group("reactor");
    let mut bytes = 0;
    group.bench_function("receive/direct", |bencher| {
        bencher.iter(|| add(black_box(&mut bytes), black_box(&envelope())));
    });
    let mut plain: Box<dyn Plain> = Box::new(0_u64);
    group.bench_function("receive/dyn", |bencher| {
        bencher.iter(|| black_box(&mut plain).receive(black_box(envelope())));
    });
    let mut instance = erase(Adder);
    instance.init_peer(&peer);
    group.bench_function("receive/erased", |bencher| {
        bencher.iter(|| black_box(&mut instance).receive(&mut Nobody, black_box(envelope())));
    });
    group.finish();
}

criterion_group!(benches, dispatch);
criterion_main!(benches);
