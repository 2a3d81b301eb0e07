//! gossipsub: nodes with four neighbours each, one of which publishes.
//!
//! It never makes a publisher wait: what finds no room in a neighbour's queue is dropped, and asked
//! for again a heartbeat later. So that nothing is lost, the publisher keeps a window of messages
//! that some node has not yet delivered; see [`rival::window`].

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use libp2p::gossipsub::{
    Behaviour, Config, ConfigBuilder, Event, IdentTopic, Message, MessageAuthenticity, MessageId,
    ValidationMode,
};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Swarm};
use rival::{Failure, Outcome, Stopwatch, Work, acknowledged_each, window};
use tokio::sync::{Semaphore, mpsc};

use crate::node::listening;

const TOPIC: &str = "bench";
/// Nodes that each node dials: the next ones, the first after the last.
const DIALED: usize = 2;
/// Bytes of the number that makes messages differ.
const NUMBER_BYTES: usize = 8;
/// Bytes that a message may be longer than it is: what gossipsub puts around it, and what it has
/// read of the next one, as it compares all that it has read with the limit.
const BEHIND_BYTES: usize = 65_536;
/// How long all links may take until they are part of the mesh: several heartbeats of a second.
const MESH_WITHIN: Duration = Duration::from_secs(20);
/// Pause between two looks at the mesh.
const LOOK: Duration = Duration::from_millis(50);

/// What a node's task is told.
enum Order {
    Dial(Multiaddr),
    Publish(Vec<u8>),
}

/// What a node's task says.
enum Report {
    /// So many messages were delivered at the node of that number.
    Delivered(usize, usize),
    /// The run has failed.
    Failed(String),
}

struct Node {
    address: Multiaddr,
    orders: mpsc::UnboundedSender<Order>,
    /// Neighbours that it sends messages to without being asked.
    mesh: Arc<AtomicUsize>,
}

/// Publishes, and waits until all nodes have all.
pub(crate) async fn run(work: &Work) -> Result<Outcome, Failure> {
    let nodes = work.receivers + 1;
    if nodes <= 2 * DIALED || work.bytes < NUMBER_BYTES {
        return Err("gossip needs five nodes and eight bytes".into());
    }
    let (report, mut reports) = mpsc::unbounded_channel();
    let mut network = Vec::new();
    for number in 0..nodes {
        network.push(start(number, work, report.clone()).await?);
    }
    for (number, node) in network.iter().enumerate() {
        for ahead in 1..=DIALED {
            let address = network[(number + ahead) % nodes].address.clone();
            node.orders.send(Order::Dial(address))?;
        }
    }
    await_mesh(&network).await?;
    let room = Arc::new(Semaphore::new(window(work.bytes)));
    let publisher = network[0].orders.clone();
    let stopwatch = Stopwatch::start();
    tokio::spawn(publish(publisher, room.clone(), work.clone()));
    // The publisher delivers nothing to itself.
    let mut delivered = vec![0; nodes];
    delivered[0] = work.count;
    let mut everywhere = 0;
    while everywhere < work.count {
        match reports.recv().await.ok_or("the nodes have stopped")? {
            Report::Delivered(node, count) => delivered[node] = count,
            Report::Failed(error) => return Err(error.into()),
        }
        let all = delivered.iter().copied().min().unwrap_or_default();
        room.add_permits(all - everywhere);
        everywhere = all;
    }
    Ok(stopwatch.moved(work))
}

async fn publish(node: mpsc::UnboundedSender<Order>, room: Arc<Semaphore>, work: Work) {
    for number in 0..work.count {
        let Ok(permit) = room.acquire().await else {
            return;
        };
        permit.forget();
        let mut message = vec![0; work.bytes];
        message[..NUMBER_BYTES].copy_from_slice(&(number as u64).to_be_bytes());
        // A node that is gone has said why.
        if node.send(Order::Publish(message)).is_err() {
            return;
        }
    }
}

async fn await_mesh(network: &[Node]) -> Result<(), Failure> {
    let is_whole = || {
        let mut nodes = network.iter();
        nodes.all(|node| node.mesh.load(Ordering::Relaxed) == 2 * DIALED)
    };
    let wait = async {
        while !is_whole() {
            tokio::time::sleep(LOOK).await;
        }
    };
    let waited = tokio::time::timeout(MESH_WITHIN, wait).await;
    waited.map_err(|_| format!("the links are not all in the mesh after {MESH_WITHIN:?}").into())
}

/// As it comes, but for what Ringwire does not do either: nobody signs messages, and a message is
/// its content. The hash is weaker and faster than Ringwire's.
fn config(work: &Work) -> Result<Config, Failure> {
    let content = |message: &Message| {
        let mut hasher = DefaultHasher::new();
        message.data.hash(&mut hasher);
        MessageId::from(hasher.finish().to_be_bytes().to_vec())
    };
    let config = ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(content)
        .max_transmit_size(work.bytes + BEHIND_BYTES)
        .build();
    Ok(config?)
}

async fn start(
    number: usize,
    work: &Work,
    report: mpsc::UnboundedSender<Report>,
) -> Result<Node, Failure> {
    let mut gossip = Behaviour::new(MessageAuthenticity::Anonymous, config(work)?)?;
    gossip.subscribe(&IdentTopic::new(TOPIC))?;
    let (swarm, address) = listening(gossip).await?;
    let (orders, told) = mpsc::unbounded_channel();
    let mesh = Arc::new(AtomicUsize::new(0));
    let (bytes, count, shown) = (work.bytes, work.count, mesh.clone());
    let each = acknowledged_each(bytes);
    tokio::spawn(async move {
        let mut delivered = 0;
        let check = |message: &Message| {
            if message.data.len() != bytes {
                return Err(format!("a message of {} bytes", message.data.len()));
            }
            delivered += 1;
            if delivered % each == 0 || delivered == count {
                let _ = report.send(Report::Delivered(number, delivered));
            }
            Ok(())
        };
        if let Err(error) = live(swarm, told, &shown, check).await {
            let _ = report.send(Report::Failed(error));
        }
    });
    Ok(Node {
        address,
        orders,
        mesh,
    })
}

/// Runs a node until it fails or nobody tells it anything any more.
async fn live(
    mut swarm: Swarm<Behaviour>,
    mut told: mpsc::UnboundedReceiver<Order>,
    mesh: &AtomicUsize,
    mut take: impl FnMut(&Message) -> Result<(), String>,
) -> Result<(), String> {
    let topic = IdentTopic::new(TOPIC).hash();
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(Event::Message { message, .. }) => take(&message)?,
                SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error.to_string()),
                SwarmEvent::ConnectionClosed { cause: Some(error), .. } => {
                    return Err(error.to_string());
                }
                _ => {}
            },
            order = told.recv() => match order {
                Some(Order::Dial(address)) => {
                    swarm.dial(address).map_err(|error| error.to_string())?;
                }
                Some(Order::Publish(message)) => {
                    let published = swarm.behaviour_mut().publish(topic.clone(), message);
                    published.map_err(|error| error.to_string())?;
                }
                None => return Ok(()),
            },
            _ = looks.tick() => {
                mesh.store(swarm.behaviour().mesh_peers(&topic).count(), Ordering::Relaxed);
            }
        }
    }
}
