//! The engine that CometBFT meets: the channels of its program, handed to the application.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ringwire::Event;
use ringwire::error::CloseReason;
use ringwire::peer::PeerInfo;
use ringwire::reactor::ChannelDescriptor;
use ringwire::{Config, DiscoveryConfig, Engine, EventSubscription, Subscription};
use ringwire_codec::pex::PEX_CHANNEL;
use ringwire_codec::{ChannelId, NetAddress, NodeId, NodeKey};

use super::line::LINES;
use super::process::{Arrived, Comet, WITHIN, addresses_in_book};
use crate::support::node::address_at;
use crate::support::way;

/// The chain of all nodes here.
pub(crate) const NETWORK: &str = "interop";

/// The channels of the program with the priorities that CometBFT gives them.
pub(crate) const CHANNELS: [(ChannelId, u16); 4] = [
    (ChannelId(0x20), 6),
    (ChannelId(0x21), 10),
    (ChannelId(0x22), 7),
    (ChannelId(0x30), 5),
];

/// The longest message the program takes, and so do we.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// A running engine with a subscription to each channel. Unless it exchanges addresses by itself
/// (`config.discovery.pex`), the channel of the peer exchange is one of them.
pub(crate) struct Ours {
    /// The engine.
    pub(crate) engine: Engine,
    events: EventSubscription,
    messages: BTreeMap<ChannelId, Subscription>,
}

impl Ours {
    /// Starts an engine on loopback; `None`, with a loud word, where io_uring is refused.
    pub(crate) fn start(adjust: impl FnOnce(&mut Config)) -> Option<Ours> {
        Ours::start_as(0, adjust)
    }

    /// The same, with an identity of its own for each number.
    pub(crate) fn start_as(number: u8, adjust: impl FnOnce(&mut Config)) -> Option<Ours> {
        if way::skip_without_ring() {
            return None;
        }
        let mut config = config();
        adjust(&mut config);
        let pex = (!config.discovery.pex).then_some((PEX_CHANNEL, 1));
        let channels = CHANNELS.into_iter().chain(pex);
        let builder = Engine::builder(config)
            .node_key(NodeKey::from_seed([0x80 | number; 32]))
            .shards(1);
        let builder = channels.clone().fold(builder, |builder, (id, priority)| {
            builder.channel(ChannelDescriptor {
                send_queue_capacity: 64,
                recv_message_capacity: MESSAGE_BYTES_MAX,
                ..ChannelDescriptor::new(id, priority)
            })
        });
        let engine = builder
            .start()
            .expect("a supported machine starts an engine");
        let events = engine.handle().events();
        let messages = channels
            .map(|(id, _)| {
                (
                    id,
                    engine
                        .handle()
                        .subscribe(id)
                        .expect("the channel is declared"),
                )
            })
            .collect();
        Some(Ours {
            engine,
            events,
            messages,
        })
    }

    /// How others dial this node.
    pub(crate) fn address(&self) -> NetAddress {
        address_at(
            self.engine.handle().node_id(),
            self.engine.handle().listen_addr(),
        )
    }

    /// The addresses in its book, in the order of the text.
    pub(crate) fn book(&self) -> BTreeSet<String> {
        let book = self
            .engine
            .handle()
            .inspect_blocking("pex")
            .expect("it keeps one");
        addresses_in_book(&serde_json::from_slice(&book).expect("JSON"))
    }

    /// Sends a message as soon as there is room for it.
    pub(crate) fn send(&self, to: &Comet, channel: ChannelId, message: Bytes) {
        self.engine
            .handle()
            .send_blocking(to.id, channel, message, WITHIN)
            .unwrap_or_else(|error| panic!("{}: {error}", to.line.name));
    }

    /// The next message on a channel.
    #[track_caller]
    pub(crate) fn receive(&mut self, channel: ChannelId) -> Bytes {
        let messages = self.messages.get_mut(&channel).expect("a channel of ours");
        let delivery = messages.recv_timeout(WITHIN);
        delivery.expect("a message comes in time").message
    }

    /// Waits until `from` is a peer.
    pub(crate) fn added(&mut self, from: &Comet) -> PeerInfo {
        self.wait(|event| match event {
            Event::PeerAdded(peer) if peer.id == from.id => Some(peer),
            _ => None,
        })
    }

    /// Waits until `from` is a peer no more, and why.
    pub(crate) fn removed(&mut self, from: &Comet) -> CloseReason {
        self.wait(|event| match event {
            Event::PeerRemoved { peer, reason } if peer.id == from.id => Some(reason),
            _ => None,
        })
    }

    /// Waits until a connection has ended before it became a peer: from where, and why.
    pub(crate) fn refused(&mut self) -> (SocketAddr, CloseReason) {
        self.wait(|event| match event {
            Event::ConnectionRefused {
                remote_addr,
                reason,
                ..
            } => Some((remote_addr.socket_addr()?, reason)),
            _ => None,
        })
    }

    /// Peers that a reactor has parted from so far, and why, of those not yet told.
    pub(crate) fn quarrels(&mut self) -> Vec<(NodeId, CloseReason)> {
        std::iter::from_fn(|| self.events.try_recv())
            .filter_map(|event| match event {
                Event::PeerRemoved { peer, reason } => Some((peer.id, reason)),
                _ => None,
            })
            .filter(|(_, reason)| matches!(reason, CloseReason::Reactor { .. }))
            .collect()
    }

    fn wait<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            let event = self.events.recv_timeout(WITHIN);
            if let Some(found) = pick(event.expect("an event comes in time")) {
                return found;
            }
        }
    }
}

/// Puts an engine of its own before a peer of each line of CometBFT, started with `flags`.
pub(crate) fn each_line(
    flags: &[&str],
    adjust: impl Fn(&mut Config),
    check: impl Fn(&mut Comet, &mut Ours),
) {
    for line in LINES {
        let Some(mut comet) = Comet::start(line, flags) else {
            continue;
        };
        let Some(mut ours) = Ours::start(&adjust) else {
            return;
        };
        check(&mut comet, &mut ours);
    }
}

/// Leaves the configuration of [`Ours::start`] as it is.
pub(crate) fn unlimited(_: &mut Config) {}

/// What arrives when `message` was sent on `channel`.
pub(crate) fn arrives(channel: ChannelId, message: &[u8]) -> Arrived {
    Arrived {
        channel: channel.0,
        size: message.len(),
        sha256: super::content::digest(message),
    }
}

/// The engine has become a peer of `comet`, which dialed it.
pub(crate) fn dialed_by(comet: &mut Comet, ours: &mut Ours) -> PeerInfo {
    comet
        .dial(&ours.address())
        .unwrap_or_else(|error| panic!("{}: {error}", comet.line.name));
    ours.added(comet)
}

/// Loopback, no limit of speed, no pause before dials, many peers from one address.
fn config() -> Config {
    Config {
        network: String::from(NETWORK),
        moniker: String::from("ours"),
        listen_addrs: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
        allow_duplicate_ip: true,
        discovery: DiscoveryConfig {
            addr_book_strict: false,
            ..DiscoveryConfig::off()
        },
        dial_jitter: Duration::ZERO,
        transport: way::transport(),
        send_rate: 0,
        recv_rate: 0,
        ..Config::default()
    }
}
