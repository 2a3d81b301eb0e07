//! A node: a swarm that knows raw streams and nothing else.

use std::time::Duration;

use futures::StreamExt;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use libp2p_stream::{Behaviour, Control, IncomingStreams};
use rival::Failure;
use tokio::sync::mpsc;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/ringwire-bench/1");
/// Longer than any run: a link that waits is not to be closed.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// A node whose swarm runs in a task of its own.
pub(crate) struct Node {
    id: PeerId,
    address: Multiaddr,
    control: Control,
    incoming: IncomingStreams,
    dial: mpsc::UnboundedSender<Multiaddr>,
    connections: mpsc::UnboundedReceiver<Result<PeerId, String>>,
    /// Those of [`Node::connections`] that were read.
    connected: Vec<PeerId>,
}

impl Node {
    /// Starts a node that listens on a free port of loopback.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let (swarm, address) = listening(Behaviour::new()).await?;
        let mut control = swarm.behaviour().new_control();
        let incoming = control.accept(PROTOCOL)?;
        let id = *swarm.local_peer_id();
        let (dial, dials) = mpsc::unbounded_channel();
        let (report, connections) = mpsc::unbounded_channel();
        tokio::spawn(run(swarm, dials, report));
        Ok(Node {
            id,
            address,
            control,
            incoming,
            dial,
            connections,
            connected: Vec::new(),
        })
    }

    /// Opens a stream to another node; gives both its ends.
    pub(crate) async fn open(&mut self, other: &mut Node) -> Result<(Stream, Stream), Failure> {
        if !self.connected.contains(&other.id) {
            let address = other.address.clone().with_p2p(other.id);
            let address = address.map_err(|_| "an address of another peer")?;
            self.dial.send(address)?;
            self.await_connection().await?;
            other.await_connection().await?;
        }
        let near = self.control.open_stream(other.id, PROTOCOL).await?;
        let (_, far) = other.incoming.next().await.ok_or("the node has stopped")?;
        Ok((near, far))
    }

    async fn await_connection(&mut self) -> Result<(), Failure> {
        let connection = self.connections.recv().await;
        self.connected
            .push(connection.ok_or("the node has stopped")??);
        Ok(())
    }
}

/// A swarm of that behaviour that listens on a free port of loopback, and where.
pub(crate) async fn listening<B: NetworkBehaviour>(
    behaviour: B,
) -> Result<(Swarm<B>, Multiaddr), Failure> {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|_| behaviour)?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_MAX))
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return Ok((swarm, address));
        }
    }
}

/// Runs a swarm for as long as the process lives; reports connections as they stand or fail.
async fn run(
    mut swarm: Swarm<Behaviour>,
    mut dials: mpsc::UnboundedReceiver<Multiaddr>,
    report: mpsc::UnboundedSender<Result<PeerId, String>>,
) {
    loop {
        let came = tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => Some(Ok(peer_id)),
                SwarmEvent::OutgoingConnectionError { error, .. } => Some(Err(error.to_string())),
                SwarmEvent::IncomingConnectionError { error, .. } => Some(Err(error.to_string())),
                _ => None,
            },
            Some(address) = dials.recv() => {
                swarm.dial(address).err().map(|error| Err(error.to_string()))
            }
        };
        // Nobody reads once the node is gone, whose streams live on.
        if let Some(came) = came {
            let _ = report.send(came);
        }
    }
}
