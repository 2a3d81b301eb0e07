//! Nodes of commonware's network, connected as a star.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_cryptography::{ChaCha20Poly1305, Signer as _};
use commonware_p2p::authenticated::lookup::{Config, Network, Receiver, Sender};
use commonware_p2p::{Address, AddressableManager as _, Receiver as _, Recipients, Sender as _};
use commonware_runtime::tokio::Context;
use commonware_runtime::{IoBuf, Quota, Supervisor as _};
use commonware_stream::cups::{self, Cups};
use commonware_stream::sake::{self, Sake};
use commonware_utils::ordered::Map;
use rival::{Failure, Work, window};

/// The bench's channel.
const DATA: u64 = 0;
/// The channel of greetings and acknowledgements.
const CONTROL: u64 = 1;
/// Between two greetings to a node that may not be connected yet.
const GREETING_EACH: Duration = Duration::from_millis(20);
/// The limit of messages per second, so high that it limits nothing.
const RATE: NonZeroU32 = NonZeroU32::new(1_000_000_000).expect("it is not zero");

/// A channel's two halves.
pub(crate) type Channel = (Sender<PublicKey, Context>, Receiver<PublicKey>);

/// A node that runs.
pub(crate) struct Node {
    pub(crate) key: PublicKey,
    pub(crate) data: Channel,
    pub(crate) control: Channel,
}

/// A node that does not run yet.
struct Identity {
    private: PrivateKey,
    address: SocketAddr,
}

impl Identity {
    fn new(seed: u64) -> Result<Self, Failure> {
        // Free at the moment: every node is told the others' ports before it listens.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(Identity {
            private: PrivateKey::from_seed(seed),
            address: listener.local_addr()?,
        })
    }

    fn listed(&self) -> (PublicKey, Address) {
        (self.private.public_key(), self.address.into())
    }

    fn start(&self, context: &Context, peers: &[&Identity], work: &Work) -> Result<Node, Failure> {
        let window = window(work.bytes);
        let config = config(self, peers.len() + 1, work)?;
        let context = context
            .child("node")
            .with_attribute("port", self.address.port());
        let (mut network, mut oracle) = Network::new(context, config);
        let listed = peers.iter().map(|peer| peer.listed());
        let listed: Vec<_> = listed.chain([self.listed()]).collect();
        let listed = Map::try_from(listed).map_err(|_| "two nodes have the same key")?;
        let _ = oracle.track(0, listed);
        let burst = NonZeroU32::new(u32::try_from(window)?).ok_or("a window of nothing")?;
        let quota = Quota::per_second(RATE).allow_burst(burst);
        let (data, control) = (
            network.register(DATA, quota),
            network.register(CONTROL, quota),
        );
        network.start();
        Ok(Node {
            key: self.private.public_key(),
            data,
            control,
        })
    }
}

type Handshake = Cups<Sake<PrivateKey>, ChaCha20Poly1305>;

/// What it recommends for one machine, with queues that hold a window.
fn config(node: &Identity, nodes: usize, work: &Work) -> Result<Config<Handshake>, Failure> {
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer: node.private.clone(),
            synchrony_bound: Duration::from_secs(5),
            max_handshake_age: Duration::from_secs(10),
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let not_zero = |amount| NonZeroUsize::new(amount).ok_or("an amount of zero");
    let mut config = Config::local(
        handshake,
        b"ringwire-bench",
        node.address,
        not_zero(nodes)?,
        u32::try_from(work.bytes.max(8))?,
        not_zero(2 * window(work.bytes))?,
    );
    config.tracked_peer_sets = not_zero(1)?;
    Ok(config)
}

/// Starts a hub and its leaves, and waits until every leaf has answered a greeting.
pub(crate) async fn connect(context: &Context, work: &Work) -> Result<(Node, Vec<Node>), Failure> {
    let hub = Identity::new(0)?;
    let leaves: Result<Vec<_>, _> = (1..=work.receivers as u64).map(Identity::new).collect();
    let leaves = leaves?;
    // A leaf knows the hub alone, so leaves do not connect to each other.
    let started: Result<Vec<_>, _> = leaves
        .iter()
        .map(|leaf| leaf.start(context, &[&hub], work))
        .collect();
    let mut started = started?;
    let others: Vec<&Identity> = leaves.iter().collect();
    let mut hub = hub.start(context, &others, work)?;
    for leaf in &mut started {
        greet(&mut hub, leaf).await?;
    }
    Ok((hub, started))
}

async fn greet(hub: &mut Node, leaf: &mut Node) -> Result<(), Failure> {
    loop {
        let to = Recipients::One(leaf.key.clone());
        hub.control.0.send(to, IoBuf::from(b"hello"), true);
        let answer = tokio::time::timeout(GREETING_EACH, leaf.control.1.recv()).await;
        if let Ok(greeted) = answer {
            greeted?;
            return Ok(());
        }
    }
}
