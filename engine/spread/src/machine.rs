//! [`Machine`]: what a gossip protocol has to be to run here.

use std::time::Duration;

use crate::network::Network;

/// A node, by its number: 0 and up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeIndex(pub u32);

/// A node's end of a link. No two links have the same id, and none is used again. The two ends of a
/// link have different ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u32);

/// What a node publishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payload {
    /// Its number in this run: 0 and up, in the order of publishing.
    pub id: u32,
    /// Who publishes it.
    pub origin: NodeIndex,
    /// The origin's number of it: 0 and up.
    pub seq: u32,
    /// Its length.
    pub bytes: u32,
}

/// Which of a link's messages goes first. A message that overtakes does so between two chunks of a longer
/// one ([`network::CHUNK_BYTES`](crate::network::CHUNK_BYTES)).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Priority {
    /// Votes, and what is said about messages.
    High,
    /// Transactions.
    Normal,
    /// Blocks, and the shards of them.
    Low,
}

impl Priority {
    /// Of a payload of so many bytes: up to 1 KiB it is a vote, up to 128 KiB a transaction, else a block.
    pub fn of_payload(bytes: u32) -> Self {
        if bytes <= 1024 {
            Priority::High
        } else if bytes <= 128 * 1024 {
            Priority::Normal
        } else {
            Priority::Low
        }
    }
}

/// How long a message is, without packet headers, which the network adds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Size {
    /// Bytes of a payload, or of a shard of one, and the [`Payload::id`].
    pub payload: Option<(u32, u32)>,
    /// All other bytes: kind, ids, signatures, proofs.
    pub control_bytes: u32,
}

impl Size {
    /// A message that carries no payload.
    pub fn control(control_bytes: u32) -> Self {
        Size {
            payload: None,
            control_bytes,
        }
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u32 {
        self.control_bytes + self.payload.map_or(0, |(_, bytes)| bytes)
    }
}

/// What neighbours say to each other. A clone is cheap: payloads are counted, not carried.
pub trait Message: Clone {
    /// How long it is on the wire.
    fn size(&self) -> Size;

    /// Which goes first on a link.
    fn priority(&self) -> Priority;
}

/// A node's gossip. All that it does to the world, it does through the [`Context`].
pub trait Machine {
    /// What it says to its neighbours.
    type Message: Message;

    /// A link is up. `peer` is who is at its other end and `outbound` whether this node made it; `rtt` is
    /// how long a ping takes while nothing else is sent.
    fn handle_link_up(
        &mut self,
        context: &mut Context<'_, Self::Message>,
        link: LinkId,
        peer: NodeIndex,
        outbound: bool,
        rtt: Duration,
    );

    /// A link is gone, with all that was under way on it.
    fn handle_link_down(&mut self, context: &mut Context<'_, Self::Message>, link: LinkId);

    /// A neighbour's message is there as a whole.
    fn handle_message(
        &mut self,
        context: &mut Context<'_, Self::Message>,
        link: LinkId,
        message: Self::Message,
    );

    /// The node publishes. The machine does not deliver it to the node itself.
    fn publish(&mut self, context: &mut Context<'_, Self::Message>, payload: Payload);

    /// The moment for which [`Context::wake_at`] asked has come.
    fn handle_timer(&mut self, context: &mut Context<'_, Self::Message>);

    /// Whether payloads are due to this node.
    fn is_counted(&self) -> bool {
        true
    }

    /// Bytes that the machine keeps: what grows with links, origins and messages. Payloads do not count.
    fn state_bytes(&self) -> usize;
}

/// What a machine can see of the world, and do to it.
pub struct Context<'a, M> {
    network: &'a mut Network<M>,
    deliveries: &'a mut Vec<u32>,
    closing: &'a mut Vec<LinkId>,
    node: NodeIndex,
}

impl<'a, M: Message> Context<'a, M> {
    pub(crate) fn new(
        network: &'a mut Network<M>,
        deliveries: &'a mut Vec<u32>,
        closing: &'a mut Vec<LinkId>,
        node: NodeIndex,
    ) -> Self {
        Context {
            network,
            deliveries,
            closing,
            node,
        }
    }

    /// The node whose machine this is.
    pub fn node(&self) -> NodeIndex {
        self.node
    }

    /// Time since the run began.
    pub fn now(&self) -> Duration {
        self.network.now()
    }

    /// Chance, from the run's seed.
    pub fn rng(&mut self) -> &mut fastrand::Rng {
        self.network.rng()
    }

    /// Puts a message into the link's queue. Does nothing where the link is gone.
    pub fn send(&mut self, link: LinkId, message: M) {
        self.network.send(link, message);
    }

    /// Takes back the messages in the link's queue for which `unwanted` is true. What has begun to leave
    /// cannot be taken back. Returns how many were.
    pub fn cancel(&mut self, link: LinkId, unwanted: impl Fn(&M) -> bool) -> usize {
        self.network.cancel(link, unwanted)
    }

    /// Messages in the link's queue whose last byte has not left.
    pub fn queue_len(&self, link: LinkId) -> usize {
        self.network.queue_len(link)
    }

    /// How long the bytes that wait in the queues of these links of the node take to leave.
    pub fn backlog(&self, links: &[LinkId]) -> Duration {
        self.network.backlog(links)
    }

    /// Bytes that have come over this link so far, of whole and of unfinished messages.
    pub fn received_bytes(&self, link: LinkId) -> u64 {
        self.network.received_bytes(link)
    }

    /// Gives a payload to the application.
    pub fn deliver(&mut self, payload_id: u32) {
        self.deliveries.push(payload_id);
    }

    /// Hangs up. Both ends are told of it with [`Machine::handle_link_down`].
    pub fn close(&mut self, link: LinkId) {
        self.closing.push(link);
    }

    /// Asks for [`Machine::handle_timer`] at `at`, or as soon as it can be where that is past. The
    /// earliest moment asked for counts; it is forgotten when it has come.
    pub fn wake_at(&mut self, at: Duration) {
        self.network.wake_at(self.node, at);
    }
}
