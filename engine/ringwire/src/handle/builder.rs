//! Building an engine: what it is made of, checked before anything starts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use ringwire_codec::file::FileKind;
use ringwire_codec::{LocalKey, NodeKey, Signer};
use ringwire_core::config::{Config, ConfigError, SHARDS_MAX, TransportChoice};
use ringwire_core::peer::{PeerInfo, RemoteAddr, ShardId};
use ringwire_core::pex::{AddrBook, BookSecret, Pex};
use ringwire_core::reactor::{ChannelDescriptor, Reactor, erase};
use ringwire_core::switch::{AppChannels, Filters, ReactorFactory};

use crate::gossip::{self, Gossip, KeptNumbers};
use crate::handle::address_book;
use crate::handle::engine::Engine;
use crate::handle::handle::Handle;
use crate::shard::error::StartError;
use crate::shard::launch::{Plan, launch};
use crate::shard::node::Node;
use crate::shard::signing::RemoteKey;
use crate::shard::store::Files;
use crate::transport::listener::Bound;
#[cfg(feature = "testing")]
use crate::transport::memory::Hub;
use crate::transport::{TransportError, Way, check, listener};

/// Who the node is.
#[allow(clippy::large_enum_variant, reason = "a builder has one")]
enum Identity {
    Held(NodeKey),
    Elsewhere(Arc<dyn Signer>),
}

static NEXT_ENGINE: AtomicU64 = AtomicU64::new(0);

/// An engine to be. The page of the crate has an example.
#[must_use = "an engine runs only after `start`"]
pub struct Builder {
    config: Config,
    identity: Option<Identity>,
    reactors: Vec<(String, ReactorFactory)>,
    channels: Vec<ChannelDescriptor>,
    gossips: Vec<(String, Gossip)>,
    filters: Filters,
    addr_book_file: Option<PathBuf>,
    numbers_dir: Option<PathBuf>,
    files: Files,
    /// The network in memory that the engine is part of, in place of sockets.
    #[cfg(feature = "testing")]
    hub: Option<Hub>,
}

impl Builder {
    pub(crate) fn new(config: Config) -> Self {
        Builder {
            config,
            identity: None,
            reactors: Vec::new(),
            channels: Vec::new(),
            gossips: Vec::new(),
            filters: Filters::default(),
            addr_book_file: None,
            numbers_dir: None,
            files: Files::new(),
            #[cfg(feature = "testing")]
            hub: None,
        }
    }

    /// Has the engine listen and dial in a network in memory.
    #[cfg(feature = "testing")]
    pub(crate) fn in_memory(mut self, hub: Hub) -> Self {
        self.hub = Some(hub);
        // The executor of a shard without a ring; and nobody is told why there is none.
        self.config.transport = TransportChoice::Readiness;
        self
    }

    /// The node's identity: a key in memory, such as [`NodeKey::load`] reads from a file. Without this or
    /// [`Builder::signer`] the node takes a new key at each start. Of both, the last one counts.
    pub fn node_key(mut self, node_key: NodeKey) -> Self {
        self.identity = Some(Identity::Held(node_key));
        self
    }

    /// The node's identity: a key that somebody else keeps and signs with. It is asked on threads of its own,
    /// one per shard, and may be slow: each new connection waits for it, for
    /// [`Config::handshake_timeout`] at most, and up to 64 on each shard at once. Where it fails, panics or
    /// gives what does not verify, that connection ends with [`CloseReason::Signing`].
    ///
    /// [`Builder::start`] refuses it beside a [reactor that signs](Reactor::signs), as feeds do unless told not to.
    ///
    /// The places of the [address book](Builder::addr_book_file) follow from a node's private key. Without it they
    /// are drawn anew at each start, and the book is sorted again when it is read.
    ///
    /// [`CloseReason::Signing`]: ringwire_core::error::CloseReason::Signing
    pub fn signer(mut self, signer: impl Signer) -> Self {
        self.identity = Some(Identity::Elsewhere(Arc::new(signer)));
        self
    }

    /// Sets [`Config::shards`]: threads that move data, at most 256; zero means one per CPU this
    /// process may use.
    pub fn shards(mut self, shards: u16) -> Self {
        self.config.shards = usize::from(shards);
        self
    }

    /// Registers a reactor: `make` is called once on each shard, on that shard's thread. Each has a
    /// name of its own, by which logs, metrics and [`Handle::inspect`] know it; `pex` and `app` are
    /// the engine's. [`Builder::start`] refuses what breaks these rules.
    pub fn reactor<R: Reactor + 'static>(
        mut self,
        name: impl Into<String>,
        make: impl Fn(ShardId) -> R + Send + Sync + 'static,
    ) -> Self {
        let factory: ReactorFactory = Box::new(move |shard| erase(make(shard)));
        self.reactors.push((name.into(), factory));
        self
    }

    /// Registers what brings the messages of `gossip` to every node, under `name` and, for long payloads,
    /// `name-large`. [`Handle::gossip`] publishes and subscribes.
    pub fn gossip(mut self, name: impl Into<String>, gossip: &Gossip) -> Self {
        self.gossips.push((name.into(), gossip.clone()));
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
        filter: impl Fn(&RemoteAddr) -> Result<(), String> + Send + Sync + 'static,
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

    /// Sets [`Config::busy_poll`]: the longest time a shard with nothing to do watches its sockets
    /// before it sleeps. The engine takes less when it does not pay, and none while the shards of
    /// the process outnumber its CPUs. Zero switches it off.
    pub fn busy_poll(mut self, busy_poll: Duration) -> Self {
        self.config.busy_poll = busy_poll;
        self
    }

    /// Keeps the address book in this file, which is read at the start and replaced whole every two
    /// minutes and at the end. A damaged file is set aside under another name; one that never was an
    /// address book is an error. Without a file, or with `/dev/null`, the node begins each life
    /// knowing nobody; without [`DiscoveryConfig::pex`](crate::DiscoveryConfig::pex) there is no book.
    pub fn addr_book_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.addr_book_file = Some(file.into());
        self
    }

    /// Keeps in this directory, which exists, how far the numbers of this node's gossips go: a file of a line for each
    /// [`Gossip`] whose [origins sign](crate::gossip::OriginMode::Signed). A node is heard only above the numbers that
    /// it gave before, so without this, one whose clock was ahead, or is set back, is not heard before the time is
    /// past them. The directory is this node's alone. A damaged file counts as none; one that is something else is an
    /// error; where nothing can be written the node says so and goes by the clock.
    pub fn gossip_numbers_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.numbers_dir = Some(directory.into());
        self
    }

    /// Keeps what reactors save under the name `document` ([`Document::name`]) in this file, which is
    /// replaced whole each time. A document of a name without a file is refused to the reactor that
    /// saves it. Reading the file again is up to the application.
    ///
    /// [`Document::name`]: ringwire_core::document::Document::name
    pub fn document_file(
        mut self,
        document: impl Into<Cow<'static, str>>,
        file: impl Into<PathBuf>,
    ) -> Self {
        self.files.insert(document.into(), file.into());
        self
    }

    /// Starts the engine. Returns when every shard turns and accepts connections; on an error
    /// everything that was started is gone again.
    ///
    /// The process stays as it is, unless [`Config::raise_open_files`] or [`Config::pin_shards`] ask
    /// for more.
    pub fn start(mut self) -> Result<Engine, StartError> {
        self.config.check()?;
        check_names(&self.reactors)?;
        let shards = shard_count(&self.config);
        let (node_key, remote_key, secret) = match self.identity.take() {
            Some(Identity::Held(key)) => held(key),
            Some(Identity::Elsewhere(signer)) => {
                let key = RemoteKey::new(signer);
                let secret = BookSecret::from_bytes(entropy()?);
                (LocalKey::Elsewhere(key.public()), Some(key), secret)
            }
            None => held(NodeKey::from_seed(entropy()?)),
        };
        if self.config.raise_open_files {
            // Not fatal: the limit may do, and a ring that lacks descriptors says so.
            let _ = check::raise_open_files();
        }
        let bound = self.bind(usize::from(shards))?;
        // From here on everybody, peers included, is told the ports that the kernel chose.
        self.config.listen_addrs = bound.addresses;
        let listen_text = self.config.listen_text();
        let number = NEXT_ENGINE.fetch_add(1, Ordering::Relaxed);
        let way = way(self.config.transport);
        let addresses = self.config.listen_addrs.clone();
        let node = Arc::new(Node::new(number, node_key.id(), addresses, shards));
        for (name, gossip) in std::mem::take(&mut self.gossips) {
            let numbers = self.begin_numbers(&gossip)?;
            let reactors = gossip.reactors(&name, &Arc::downgrade(&node), numbers);
            self.reactors.extend(reactors);
        }
        check_names(&self.reactors)?;
        if self.config.discovery.pex {
            self.add_pex(&node, &secret)?;
        }
        let files = std::mem::take(&mut self.files);
        check_files(&files)?;
        let plan = Plan {
            way,
            #[cfg(feature = "testing")]
            hub: self.hub,
            busy_poll: self.config.busy_poll,
            config: Arc::new(self.config),
            node_key,
            remote_key,
            unix_time_at_zero: address_book::unix_time_at_zero(node.clock.now()),
            reactors: self.reactors,
            channels: self.channels,
            filters: self.filters,
            files,
            seeds: seeds(shards)?,
        };
        launch(Arc::new(plan), &node, bound.of_shards)?;
        tracing::info!(engine = number, node = %node.id, addr = %listen_text, shards, transport = %way, "started");
        Ok(Engine::new(Handle { node }))
    }

    /// The numbers of a gossip in this life of the node, and the file in which they are kept.
    fn begin_numbers(&mut self, gossip: &Gossip) -> Result<Option<KeptNumbers>, StartError> {
        let Some((directory, name)) = self.numbers_dir.as_ref().zip(gossip.numbers_file()) else {
            return Ok(None);
        };
        let path = directory.join(&name);
        let numbers = gossip::begin_numbers(&path, name.clone(), address_book::unix_time())?;
        self.files.insert(name.into(), path);
        Ok(Some(numbers))
    }

    /// What the shards accept from.
    fn bind(&self, shards: usize) -> Result<Bound, TransportError> {
        let addresses = &self.config.listen_addrs;
        #[cfg(feature = "testing")]
        if let Some(hub) = &self.hub {
            return listener::bind_in_memory(hub, addresses, shards);
        }
        listener::bind(addresses, shards)
    }

    /// Registers the peer exchange, and the file that it has written.
    fn add_pex(&mut self, node: &Node, secret: &BookSecret) -> Result<(), StartError> {
        let config = address_book::pex_config(&self.config, node.id, node.clock.now());
        let (file, seed) = (self.addr_book_file.take(), entropy()?);
        let book = match file.filter(|path| !address_book::is_none(path)) {
            Some(path) => {
                let book = address_book::load(&path, config.book(), secret, seed)?;
                self.files.insert(AddrBook::DOCUMENT_NAME.into(), path);
                book
            }
            None => AddrBook::new(config.book(), secret, seed),
        };
        let factory = address_book::pex_factory(config, seeds(node.shard_count())?, book);
        self.reactors.push((String::from(Pex::NAME), factory));
        Ok(())
    }
}

/// What follows from a key in memory: itself, nobody else who signs, and the secret of its address book.
fn held(key: NodeKey) -> (LocalKey, Option<RemoteKey>, BookSecret) {
    let secret = BookSecret::of_node(&key);
    (key.into(), None, secret)
}

/// How bytes will be moved. Where the machine takes the faster way from us, that is told.
fn way(choice: TransportChoice) -> Way {
    static TOLD: Once = Once::new();
    let (way, refusal) = Way::of(choice);
    if let Some(reason) = refusal {
        // What is refused to one engine is refused to all of the process.
        TOLD.call_once(|| {
            tracing::warn!(%reason, "io_uring cannot be used here: bytes are moved by readiness");
        });
    }
    way
}

/// No reactor of the application may have the name of one of the engine's own, whether that runs or
/// not: its figures and its document would be taken for the other's.
fn check_names(reactors: &[(String, ReactorFactory)]) -> Result<(), ConfigError> {
    const RESERVED: [&str; 2] = [Pex::NAME, AppChannels::NAME];
    let taken = |(name, _): &&(String, ReactorFactory)| RESERVED.contains(&name.as_str());
    reactors.iter().find(taken).map_or(Ok(()), |(name, _)| {
        Err(ConfigError::new(
            "reactors",
            format!(
                "`{name}` is the name of a reactor of the engine itself; give yours another name"
            ),
        ))
    })
}

/// Each document has a file of its own, which can be replaced: to find that out at the first save
/// would be late.
fn check_files(files: &Files) -> Result<(), StartError> {
    let mut seen = BTreeMap::new();
    for (document, path) in files {
        let refused = |source| StartError::Document {
            document: document.clone(),
            path: path.clone(),
            source,
        };
        if let Some(other) = seen.insert(path, document) {
            let rule = format!("the document \"{other}\" has this file already");
            return Err(refused(io::Error::new(io::ErrorKind::AlreadyExists, rule)));
        }
        match FileKind::at(path) {
            Ok(kind) => kind.must_be_regular().map_err(refused)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refused(error)),
        }
    }
    Ok(())
}

/// A seed for each shard.
fn seeds(shards: u16) -> Result<Vec<[u8; 32]>, StartError> {
    (0..shards).map(|_| entropy()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reactor_with_the_name_of_one_of_the_engine_is_refused_before_anything_starts() {
        for (name, pex) in [("pex", true), ("pex", false), ("app", true)] {
            let mut config = Config::default();
            config.discovery.pex = pex;
            let reactor = |_| AppChannels::new(Vec::new());
            let refused = Builder::new(config).reactor(name, reactor).start();
            let Err(StartError::Config(error)) = refused else {
                panic!("{name} is the engine's own name");
            };
            assert_eq!(error.key, "reactors");
            assert!(error.problem.contains(&format!("`{name}`")), "{error}");
        }
    }
}
