//! Ringwire is the peer-to-peer layer of a blockchain or another replicated system: it finds peers,
//! authenticates them, keeps the links alive, and spreads votes, transactions and blocks.
//!
//! It is Tendermint's and CometBFT's layer (Switch, Peer, MConnection, Reactor, AddrBook, PEX) built
//! again as a thread-per-core engine on io_uring. To a node of CometBFT it speaks CometBFT's wire
//! byte for byte; to its own kind, inside the same authenticated handshake, it agrees on larger
//! records that cost less.
//!
//! ```text
//!                     your threads, tokio, anything
//!          Handle: send, broadcast, publish, subscribe, ask, dial, ban
//!     ───────────────────────┬──────────────────┬───────────────────────
//!            shard 0         │      shard 1     │       shard n          a thread per core
//!      reactors   switch     │  reactors  switch│   reactors  switch     nothing shared
//!            io_uring        │      io_uring    │       io_uring
//!     ───────────────────────┴──────────────────┴───────────────────────
//!                             TCP to the peers
//! ```
//!
//! # What it promises
//!
//! * A message is delivered whole, once, in order within its channel and peer, or the peer is closed
//!   with a reason.
//! * A full queue is an answer: [`error::TrySendError::Full`] gives the message back. A slow peer slows
//!   itself only.
//! * Nothing a peer sends can panic the node, make it allocate beyond its budgets, or stop another
//!   peer's traffic.
//! * [`Handle::shutdown`] sends what was accepted, closes each peer in order and joins every thread.
//!
//! # Start a node, send and receive
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Duration;
//!
//! use ringwire::bytes::Bytes;
//! use ringwire::reactor::ChannelDescriptor;
//! use ringwire::{ChannelId, Config, Engine};
//!
//! const VOTES: ChannelId = ChannelId(0x22);
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = || {
//!     let config = Config {
//!         network: "my-chain".into(),
//!         listen_addrs: vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()],
//!         ..Config::default()
//!     };
//!     Engine::builder(config).shards(1).channel(ChannelDescriptor::new(VOTES, 7)).start()
//! };
//! let engines = [node()?, node()?];
//! let [left, right] = engines.each_ref().map(Engine::handle);
//! let mut votes = right.subscribe(VOTES)?;
//! let address = format!("{}@{}", right.node_id(), right.listen_addr());
//! let peer = left.dial_blocking(address.parse()?)?;
//! left.send_blocking(peer, VOTES, Bytes::from_static(b"yes"), Duration::from_secs(1))?;
//! let vote = votes.recv_timeout(Duration::from_secs(5));
//! assert_eq!(vote.expect("it comes").message, "yes");
//! # Ok(())
//! # }
//! ```
//!
//! Each call that waits is a future for any runtime, and has a twin `…_blocking` for plain threads.
//!
//! # Spread messages over a network
//!
//! A [`gossip::Gossip`] brings each message that is published, empty or of up to 128 MiB, to every node, once:
//!
//! ```
//! use ringwire::gossip::Gossip;
//! use ringwire::{ChannelId, Config, Engine};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let config = Config { listen_addrs: vec!["127.0.0.1:0".parse()?], ..Config::default() };
//! let txs = Gossip::builder().channels(ChannelId(0x60)).build()?;
//! let engine = Engine::builder(config).shards(1).gossip("txs", &txs).start()?;
//! let txs = engine.handle().gossip(&txs)?;
//! let _from_others = txs.subscribe()?;
//! txs.publish_blocking("a transaction".into())?;
//! # Ok(())
//! # }
//! ```
//!
//! # Write a protocol
//!
//! A [`reactor::Reactor`] runs beside the sockets, one instance per shard, without locks; its notes,
//! timers, questions and states of peers are values of its own types. The same code runs in the
//! simulator (`ringwire-sim`): whole networks with faults, from a seed, in a test.
//!
//! ```
//! use ringwire::reactor::{Context, Envelope, Reactor, ReactorError, TypedChannel};
//! use ringwire::reactor::ChannelDescriptor;
//! use ringwire::{ChannelId, bytes::Bytes};
//!
//! const ECHO: TypedChannel<Bytes> = TypedChannel::new(ChannelId(0x56));
//!
//! /// Sends back what it hears, a hundred times to each peer.
//! struct Echo;
//!
//! impl Reactor for Echo {
//!     /// How often the peer was heard.
//!     type Peer = u32;
//!     type Note = ();
//!     type Timer = ();
//!
//!     fn channels(&self) -> Vec<ChannelDescriptor> {
//!         vec![ChannelDescriptor::new(ECHO.id(), 1)]
//!     }
//!
//!     fn receive(
//!         &mut self,
//!         cx: &mut Context<'_, Self>,
//!         envelope: Envelope<'_>,
//!         heard: &mut u32,
//!     ) -> Result<(), ReactorError> {
//!         *heard += 1;
//!         if *heard > 100 {
//!             return Err(ReactorError::new("enough"));
//!         }
//!         let message = ECHO.decode(&envelope)?;
//!         ECHO.try_send(cx, envelope.from.key, &message)
//!             .map_err(|full| ReactorError::transient(full.to_string()))
//!     }
//! }
//! ```
//!
//! # Platforms
//!
//! Linux, best 6.1 or newer with io_uring. Where io_uring is missing or forbidden, an engine
//! moves its bytes by readiness (epoll) and says so once; [`Config::transport`] chooses, and
//! [`machine::check`] says what is missing and how to mend it. `ringwire-core` and `ringwire-sim`, the protocol and its simulator, build
//! anywhere.
//!
//! # Features
//!
//! * `aws-lc` (default): AEAD by aws-lc-rs. Without it the pure-Rust provider is used.
//! * `prost`: channels whose messages are protobuf ([`reactor`], [`comet`]).
//! * `openmetrics`: a node's figures for Prometheus ([`metrics`]).
//! * `testing`: networks of engines within one process, for the tests of an application.
//!
//! # More
//!
//! This crate is the only one an application needs: [`bytes`], in which messages come and go, and
//! the types of the wire ([`codec`]) are part of it. In the repository: `docs/embedding.md` is the guide,
//! `docs/architecture.md` the map of the house, `docs/operating.md` for who runs a node.

#![deny(unsafe_code)]

pub mod gossip;
mod handle;
mod shard;
mod transport;

pub use bytes;
pub use ringwire_codec as codec;
#[doc(inline)]
pub use ringwire_codec::{ChannelId, NetAddress, NodeId, NodeInfo, NodeKey, PublicKey, Signer};
#[doc(inline)]
pub use ringwire_core::comet;
#[doc(inline)]
pub use ringwire_core::config::{
    Change, Config, DiscoveryConfig, ListenAddr, PinShards, TransportChoice,
};
#[doc(inline)]
pub use ringwire_core::switch::{Changed, Delivery, Event};

#[doc(inline)]
pub use crate::handle::{
    Broadcaster, Builder, Engine, EventSubscription, Handle, PeerSender, PeerStatus, Publisher,
    ReactorHandle, Subscription,
};

/// Why something was refused, closed or not done.
pub mod error {
    #[doc(inline)]
    pub use ringwire_codec::SignerError;
    #[doc(inline)]
    pub use ringwire_core::config::ConfigError;
    #[doc(inline)]
    pub use ringwire_core::conn::{ConnError, Goodbye};
    #[doc(inline)]
    pub use ringwire_core::document::SaveError;
    #[doc(inline)]
    pub use ringwire_core::error::{
        CloseReason, NetworkError, PublishError, Reject, SendError, TrySendError,
    };
    #[doc(inline)]
    pub use ringwire_core::reactor::AskError;

    #[doc(inline)]
    pub use crate::handle::{
        ChangeError, DialError, PeersTimeout, ShardFault, ShutdownError, StartError, SubscribeError,
    };
    #[doc(inline)]
    pub use crate::transport::TransportError;
}

/// What is known of peers.
pub mod peer {
    #[doc(inline)]
    pub use ringwire_core::peer::{
        Ban, BanOrigin, BanTarget, Census, Direction, Framing, PeerInfo, PeerKey, RemoteAddr,
        ShardId,
    };
    #[doc(inline)]
    pub use ringwire_core::switch::{NamedAs, NamedPeer};
}

/// An application's own protocol, beside the sockets: see [`reactor::Reactor`].
pub mod reactor {
    #[doc(inline)]
    pub use ringwire_core::document::Document;
    #[cfg(feature = "prost")]
    #[doc(inline)]
    pub use ringwire_core::reactor::Proto;
    #[doc(inline)]
    pub use ringwire_core::reactor::{
        Answers, ChannelDescriptor, Context, Envelope, NodeContext, Reactor, ReactorError,
        RequestRefused, Requests, TimerKey, TypedChannel, Wire, WireError,
    };
    #[doc(inline)]
    pub use ringwire_core::time::Instant;
}

/// What an engine did so far.
pub mod metrics {
    #[doc(inline)]
    pub use ringwire_core::conn::{ChannelStatus, ConnectionCounters, ConnectionStatus, RoundTrip};
    #[doc(inline)]
    pub use ringwire_core::metrics::{ChannelMetrics, Histogram, Metrics, RefusalMetrics};

    #[cfg(feature = "openmetrics")]
    #[doc(inline)]
    pub use crate::handle::OpenMetrics;
    #[doc(inline)]
    pub use crate::handle::{PeersCursor, PeersPage, ShardStatus};
}

/// Whether this machine can run an engine, and how to mend what it lacks.
pub mod machine {
    #[doc(inline)]
    pub use crate::transport::check::{available_cpus, check};
    #[doc(inline)]
    pub use crate::transport::finding::{Finding, Verdict, verdict};
    #[doc(inline)]
    pub use crate::transport::listener::try_listen;
}

#[cfg(feature = "testing")]
pub mod testing;

/// The ways between threads, for the criterion suites; no interface to build on.
#[cfg(feature = "bench")]
#[doc(hidden)]
#[doc(inline)]
pub use crate::shard::bench;

/// The README's examples are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

/// So are those of the page that registries show.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct CrateReadme;

/// And those of the page about embedding.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
pub struct Embedding;
