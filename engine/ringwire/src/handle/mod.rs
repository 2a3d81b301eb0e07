//! The application's side of an engine: build it, send, subscribe, look, stop.
//!
//! The engine runs on threads of its own and needs no runtime of the application. Everything here
//! is usable from tokio, from any other runtime and from plain threads: each call that waits comes
//! as a future and as a `_blocking` twin. `try_` calls never wait.
//!
//! ```
//! use std::time::Duration;
//! use ringwire::bytes::Bytes;
//! use ringwire::Config;
//! use ringwire::Engine;
//! use ringwire::reactor::ChannelDescriptor;
//! use ringwire::{ChannelId, NodeKey};
//!
//! let config = Config { listen_addrs: vec!["127.0.0.1:0".parse()?], ..Config::default() };
//! let engine = Engine::builder(config)
//!     .node_key(NodeKey::generate()?)
//!     .channel(ChannelDescriptor::new(ChannelId(0x50), 1))
//!     .shards(1)
//!     .start()?;
//! let node = engine.handle();
//! let mut messages = node.subscribe(ChannelId(0x50))?;
//! node.try_broadcast(ChannelId(0x50), Bytes::from_static(b"hello"))?;
//! node.shutdown_blocking(Duration::from_secs(1))?;
//! assert_eq!(messages.blocking_iter().count(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address_book;
mod ask;
mod builder;
mod change;
mod engine;
mod error;
#[cfg(feature = "openmetrics")]
mod figures;
#[allow(clippy::module_inception, reason = "the handle is the room's namesake")]
mod handle;
#[cfg(feature = "openmetrics")]
mod open_metrics;
mod send;
mod sender;
mod snapshot;
mod status;
mod subscription;
mod wait;

pub use ask::ReactorHandle;
pub use builder::Builder;
pub use engine::Engine;
pub use error::{ChangeError, DialError, PeersTimeout, ShutdownError, SubscribeError};
pub use handle::Handle;
#[cfg(feature = "openmetrics")]
pub use open_metrics::OpenMetrics;
pub use sender::{Broadcaster, PeerSender, Publisher};
pub use snapshot::{PeersCursor, PeersPage};
pub use status::PeerStatus;
pub use subscription::{EventSubscription, Subscription};

pub use crate::shard::error::{ShardFault, StartError};
pub use crate::shard::request::ShardStatus;
