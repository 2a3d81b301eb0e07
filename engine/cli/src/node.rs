//! A node as the commands use it: an engine that gossips, or a seed, which does not.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use ringwire::error::StartError;
use ringwire::error::TransportError;
use ringwire::gossip::{Feeder, GossipHandle, GossipSubscription, MessageReach};
use ringwire::metrics::ShardStatus;
use ringwire::{Engine, Handle, ListenAddr};
use ringwire_codec::net_address::Host;
use ringwire_codec::{NetAddress, NodeId, NodeKey};

use crate::config::NodeConfig;
use crate::failure::Failure;
use crate::gossip::{Chosen, Gossip};

/// How long a shard of the engine takes to answer at most.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A running node. Dropped without [`Node::shutdown`] it stops all the same, with a short goodbye.
pub(crate) struct Node {
    engine: Engine,
    config: NodeConfig,
    gossip: Chosen,
}

/// Where a node keeps what it knows from one life to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept<'a> {
    /// The file of the address book.
    pub(crate) addr_book: &'a Path,
    /// The directory of how far its messages are numbered.
    pub(crate) numbers_dir: &'a Path,
}

/// What a node still has to send, as of one look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// Peers that take part in gossip.
    pub(crate) peers: usize,
    /// Messages that wait for them, or fewer; zero only if none does.
    pub(crate) waiting: u64,
}

/// What a node knows of the way of messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spread {
    /// How far its own last messages have come among its neighbours.
    pub(crate) reaches: Vec<MessageReach>,
    /// Which neighbour sends the messages of which origin.
    pub(crate) feeders: Vec<Feeder>,
}

/// Publishes at a node, from a thread of its own.
pub(crate) struct Publisher {
    handle: Handle,
    gossip: GossipHandle,
}

/// The messages that come to a node, each once; it ends with the node.
pub(crate) struct Subscription(GossipSubscription);

impl Node {
    /// Starts a node; it listens when this returns. Without `kept` it begins each life anew.
    ///
    /// A seed hangs up on whoever has asked, so it has nobody to gossip with.
    pub(crate) fn start(
        config: NodeConfig,
        key: NodeKey,
        kept: Option<Kept<'_>>,
        gossip: Gossip,
    ) -> Result<Node, Failure> {
        let mut builder = Engine::builder(config.engine.clone()).node_key(key);
        if let Some(Kept {
            addr_book,
            numbers_dir,
        }) = kept
        {
            builder = builder
                .addr_book_file(addr_book)
                .gossip_numbers_dir(numbers_dir);
        }
        let gossip = Chosen::new(gossip, &config)?;
        if !config.engine.discovery.seed_mode {
            builder = gossip.add_to(builder);
        }
        Ok(Node {
            engine: builder.start().map_err(cannot_start)?,
            config,
            gossip,
        })
    }

    /// The node's handle, for threads that outlive this value.
    pub(crate) fn handle(&self) -> Handle {
        self.engine.handle().clone()
    }

    /// What the node was told at its start.
    pub(crate) fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// Where this machine reaches the node.
    pub(crate) fn address(&self) -> NetAddress {
        let (handle, id) = (self.engine.handle(), self.engine.handle().node_id());
        let mut listen = handle.listen_addr();
        if let (0, [ListenAddr::Unix(path), ..]) = (listen.port(), handle.listen_addrs()) {
            return NetAddress::from_unix(id, path);
        }
        if listen.ip().is_unspecified() {
            listen.set_ip(match listen.ip() {
                std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        NetAddress {
            id,
            host: Host::Ip(listen.ip()),
            port: listen.port(),
        }
    }

    /// Where others reach the node, as far as it knows: ready to stand in `persistent_peers`.
    pub(crate) fn public_address(&self) -> String {
        match &self.config.engine.external_address {
            Some(address) => {
                let host = address
                    .split_once("://")
                    .map_or(address.as_str(), |(_, host)| host);
                format!("{}@{host}", self.engine.handle().node_id())
            }
            None => self.address().to_string(),
        }
    }

    /// Who is connected.
    pub(crate) fn peer_ids(&self) -> BTreeSet<NodeId> {
        self.engine
            .handle()
            .peers()
            .iter()
            .map(|peer| peer.id)
            .collect()
    }

    /// Further copies of messages that came and were refused.
    pub(crate) fn duplicates(&self) -> u64 {
        figure(self.engine.handle(), self.gossip.duplicates())
    }

    /// Bytes that came for the sake of messages and are none, if they are counted.
    pub(crate) fn control_bytes(&self) -> Option<u64> {
        let name = self.gossip.control_bytes()?;
        Some(figure(self.engine.handle(), name))
    }

    /// How far its last messages have come among its neighbours, and which of them sends the messages of whom; nothing
    /// where messages are flooded.
    pub(crate) fn spread(&self) -> Result<Spread, Failure> {
        let gossip = self.gossip.handle(self.engine.handle())?;
        if self.gossip.is_flood() {
            return Ok(Spread::default());
        }
        Ok(Spread {
            reaches: gossip.reaches_blocking(ANSWER_WITHIN)?,
            feeders: gossip.feeders_blocking(ANSWER_WITHIN)?,
        })
    }

    /// What waits to be sent; none while the node ends.
    pub(crate) fn backlog(&self) -> Option<Backlog> {
        let shards = self.engine.handle().status_blocking();
        if shards.len() < usize::from(self.engine.handle().shard_count()) {
            return None;
        }
        let peers = shards.iter().flat_map(|shard| &shard.peers);
        let queues: Vec<_> = peers
            .filter(|(info, _)| self.gossip.is_spoken_by(info))
            .map(|(_, link)| self.gossip.queued(link))
            .collect();
        let names = self.gossip.peers_behind().iter();
        let behind = names.map(|name| figure_of(&shards, name));
        Some(Backlog {
            peers: queues.len(),
            waiting: queues.iter().sum::<u64>() + behind.sum::<u64>(),
        })
    }

    /// Whether the engine goes on. It stops by itself only when a shard fails.
    pub(crate) fn is_running(&self) -> bool {
        !self.engine.handle().is_stopping()
    }

    /// The messages that come from now on.
    pub(crate) fn subscribe(&self) -> Result<Subscription, Failure> {
        let gossip = self.gossip.handle(self.engine.handle())?;
        Ok(Subscription(gossip.subscribe()?))
    }

    /// The node's publisher.
    pub(crate) fn publisher(&self) -> Result<Publisher, Failure> {
        Ok(Publisher {
            handle: self.handle(),
            gossip: self.gossip.handle(self.engine.handle())?,
        })
    }

    /// Stops the node: what was published is sent, at most for `within`.
    pub(crate) fn shutdown(self, within: Duration) -> Result<(), Failure> {
        Ok(self.engine.handle().shutdown_blocking(within)?)
    }
}

impl Publisher {
    /// Spreads a message; waits while the node is busy.
    pub(crate) fn publish(&self, message: Bytes) -> Result<(), Failure> {
        Ok(self.gossip.publish_blocking(message)?)
    }

    /// Whether anybody is connected. An error when the node is at its end.
    pub(crate) fn has_peer(&self) -> Result<bool, Failure> {
        if self.handle.is_stopping() {
            return Err(Failure::new("the node is stopping"));
        }
        Ok(self.handle.peer_count() > 0)
    }
}

impl Subscription {
    /// The next message if it is there already.
    pub(crate) fn try_next(&mut self) -> Option<Bytes> {
        self.0.try_recv().map(|delivery| delivery.message)
    }
}

impl Iterator for Subscription {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.0.recv_blocking().map(|delivery| delivery.message)
    }
}

/// Says why an engine did not start, and who looks at the machine if it may be the cause.
fn cannot_start(error: StartError) -> Failure {
    let is_of_machine = matches!(
        error,
        StartError::Transport(TransportError::Setup { .. })
            | StartError::LockedMemory { .. }
            | StartError::Executor { .. }
            | StartError::Thread { .. }
    );
    Failure::new(match is_of_machine {
        true => {
            format!("{error}; `ringwire doctor` looks at all that a node needs of this machine")
        }
        false => error.to_string(),
    })
}

/// A figure that reactors show, all shards and reactors together.
pub(crate) fn figure(handle: &Handle, name: &str) -> u64 {
    figure_of(&handle.counters_blocking(), name)
}

/// The same of shards that were asked before.
pub(crate) fn figure_of(shards: &[ShardStatus], name: &str) -> u64 {
    let figures = shards
        .iter()
        .flat_map(|shard| &shard.reactors)
        .flat_map(|(_, figures)| figures);
    figures
        .filter(|(figure, _)| *figure == name)
        .map(|(_, value)| value)
        .sum()
}
