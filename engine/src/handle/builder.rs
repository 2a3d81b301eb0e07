//! Building an engine: what it is made of, checked before anything starts.

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringwire_codec::NodeKey;

use crate::config::{Config, SHARDS_MAX};
use crate::handle::engine::Engine;
use crate::handle::handle::Handle;
use crate::peer::{PeerInfo, ShardId};
use crate::reactor::{ChannelDescriptor, Reactor};
use crate::shard::error::StartError;
use crate::shard::executor::{Plan, launch};
use crate::shard::node::Node;
use crate::shard::store::Files;
use crate::switch::{Filters, ReactorFactory};
use crate::transport::{check, listener};

static NEXT_ENGINE: AtomicU64 = AtomicU64::new(0);

/// An engine to be. See [`crate::handle`] for an example.
#[must_use = "an engine runs only after `start`"]
pub struct Builder {
    config: Config,
    node_key: Option<NodeKey>,
    reactors: Vec<(String, ReactorFactory)>,
    channels: Vec<ChannelDescriptor>,
    filters: Filters,
    files: Files,
}

impl Builder {
    pub(super) fn new(config: Config) -> Self {
        Builder {
            config,
            node_key: None,
            reactors: Vec::new(),
            channels: Vec::new(),
            filters: Filters::default(),
            files: Files::new(),
        }
    }

    /// The node's identity. Without it the node takes a new one at each start.
    pub fn node_key(mut self, node_key: NodeKey) -> Self {
        self.node_key = Some(node_key);
        self
    }

    /// Sets [`Config::shards`]: threads that move data, at most 256; zero means one per CPU this
    /// process may use.
    pub fn shards(mut self, shards: u16) -> Self {
        self.config.shards = usize::from(shards);
        self
    }

    /// Registers a reactor: `make` is called once on each shard, on that shard's thread.
    pub fn reactor<R: Reactor + 'static>(
        mut self,
        name: impl Into<String>,
        make: impl Fn(ShardId) -> R + Send + Sync + 'static,
    ) -> Self {
        let factory: ReactorFactory = Box::new(move |shard| Box::new(make(shard)));
        self.reactors.push((name.into(), factory));
        self
    }

    /// Declares a channel of the application: its messages go to subscriptions, and it is sent to
    /// through the handle.
    pub fn channel(mut self, channel: ChannelDescriptor) -> Self {
        self.channels.push(channel);
        self
    }

    /// Asks `filter` about the remote address of each socket, before its handshake; `Err` says why
    /// it is refused. Called on the shards: it must answer at once.
    pub fn connection_filter(
        mut self,
        filter: impl Fn(&SocketAddr) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.filters.connection.push(Arc::new(filter));
        self
    }

    /// Asks `filter` about each connection that has shown who it is, before it is admitted; `Err`
    /// says why it is refused. Called on the shards: it must answer at once.
    pub fn peer_filter(
        mut self,
        filter: impl Fn(&PeerInfo) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.filters.peer.push(Arc::new(filter));
        self
    }

    /// Sets [`Config::busy_poll`]: the longest time a shard with nothing to do watches its ring
    /// before it sleeps. The engine takes less when it does not pay, and none while the shards of
    /// the process outnumber its CPUs. Zero switches it off.
    pub fn busy_poll(mut self, busy_poll: Duration) -> Self {
        self.config.busy_poll = busy_poll;
        self
    }

    /// Starts the engine. Returns when every shard turns and accepts connections; on an error
    /// everything that was started is gone again.
    ///
    /// Raises the process's limit of open files to its hard limit.
    pub fn start(mut self) -> Result<Engine, StartError> {
        self.config.check()?;
        let shards = shard_count(&self.config);
        let node_key = match self.node_key {
            Some(key) => key,
            None => NodeKey::from_seed(entropy()?),
        };
        // Not fatal: the limit may do, and a ring that lacks descriptors says so.
        let _ = check::raise_open_files();
        let listeners = listener::bind(self.config.listen_addr, usize::from(shards))?;
        let listen_addr = listeners
            .first()
            .and_then(|listener| listener.local_addr().ok())
            .unwrap_or(self.config.listen_addr);
        // From here on everybody, peers included, is told the port that the kernel chose.
        self.config.listen_addr = listen_addr;
        let number = NEXT_ENGINE.fetch_add(1, Ordering::Relaxed);
        let node = Arc::new(Node::new(number, node_key.id(), listen_addr, shards));
        let plan = Plan {
            busy_poll: self.config.busy_poll,
            config: Arc::new(self.config),
            node_key,
            reactors: self.reactors,
            channels: self.channels,
            filters: self.filters,
            files: self.files,
            seeds: (0..shards).map(|_| entropy()).collect::<Result<_, _>>()?,
        };
        launch(Arc::new(plan), &node, listeners)?;
        tracing::info!(engine = number, node = %node.id, addr = %listen_addr, shards, "started");
        Ok(Engine::new(Handle { node }))
    }
}

/// The shards of a checked configuration.
fn shard_count(config: &Config) -> u16 {
    let shards = match config.shards {
        0 => std::thread::available_parallelism()
            .map_or(1, NonZero::get)
            .min(SHARDS_MAX),
        shards => shards,
    };
    u16::try_from(shards).expect("at most SHARDS_MAX, by the line above or by the check")
}

fn entropy() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| StartError::Entropy(error.to_string()))?;
    Ok(seed)
}
