//! Networks of engines within one process, for the tests of an application.
//!
//! The engines are real: their own threads, mailboxes, handshakes, encrypted records, address books. Only the bytes of
//! connections go through memory in place of sockets. So a test takes no ports, runs beside any other test, and
//! needs nothing of the kernel that a sandbox might refuse. Time is real, too: where a test must decide about time,
//! faults and the order of things, the application's reactors run in the simulator of `ringwire-sim` as they are.
//!
//! With the feature `testing`, under `[dev-dependencies]`. See [`Network`].

use std::net::SocketAddr;
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};
use ringwire_core::config::Config;

use crate::handle::{Builder, DialError, Handle};
use crate::transport::memory::Hub;

/// A network in memory. Clones are the same network; two networks do not see each other.
///
/// Each engine has an address of its own, from 10.0.0.1 on, and the rules about addresses hold for it.
///
/// ```
/// use std::time::Duration;
///
/// use ringwire::reactor::ChannelDescriptor;
/// use ringwire::testing::Network;
/// use ringwire::{ChannelId, Config};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// const VOTES: ChannelId = ChannelId(0x22);
/// let network = Network::new();
/// let start = || {
///     let votes = ChannelDescriptor { send_queue_capacity: 64, ..ChannelDescriptor::new(VOTES, 7) };
///     network.builder(Config::default()).channel(votes).start()
/// };
/// let engines = [start()?, start()?];
/// let [left, right] = engines.each_ref().map(|engine| engine.handle());
/// let mut inbox = right.subscribe(VOTES)?;
/// let peer = network.connect(left, right)?;
/// left.send_blocking(peer, VOTES, "yes".into(), Duration::from_secs(1))?;
/// let vote = inbox.recv_timeout(Duration::from_secs(10)).ok_or("no vote came")?;
/// assert_eq!(vote.message, "yes");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Network {
    hub: Hub,
}

impl Network {
    /// A network without nodes.
    pub fn new() -> Self {
        Network::default()
    }

    /// Begins to build an engine of this network, at an address that no other was given.
    ///
    /// Of `config` the network decides what belongs to sockets or stands in a test's way: where the engine listens,
    /// one shard unless a number is named, no random pause before dials, and an address book that takes
    /// private addresses.
    pub fn builder(&self, config: Config) -> Builder {
        self.builder_at(self.hub.next_address(), config)
    }

    /// The same at an address: for a node that comes back where it was ([`Handle::listen_addr`]).
    /// [`Builder::start`] refuses an address that an engine of this network has.
    pub fn builder_at(&self, address: SocketAddr, mut config: Config) -> Builder {
        config.listen_addrs = vec![address.into()];
        config.shards = config.shards.max(1);
        config.dial_jitter = Duration::ZERO;
        config.discovery.addr_book_strict = false;
        Builder::new(config).in_memory(self.hub.clone())
    }

    /// The address by which others of the network dial a node, for lists of peers and of seeds.
    pub fn address_of(&self, node: &Handle) -> NetAddress {
        let at = node.listen_addr();
        NetAddress::from_ip(node.node_id(), at.ip(), at.port())
    }

    /// Has one node dial another, and waits until that has admitted it. Gives the id of the one dialed.
    ///
    /// # Errors
    /// Those of [`Handle::dial`].
    pub fn connect(&self, from: &Handle, to: &Handle) -> Result<NodeId, DialError> {
        from.dial_blocking(self.address_of(to))
    }
}
