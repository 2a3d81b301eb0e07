//! What a test can ask a world.

use ringwire_codec::{ChannelId, Host, NetAddress, NodeId};
use ringwire_core::peer::{Direction, PeerInfo, ShardId};
use ringwire_core::switch::{Event, Reply, ReplyToken, Switch};
use ringwire_core::time::Instant;

use crate::ledger::{Ledger, Received};
use crate::node::{self, Saved};
use crate::trace::Trace;
use crate::wire::EndState;
use crate::world::World;

impl World {
    /// The time.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The id of a node, of one to come as well.
    pub fn id_of(&self, node: u32) -> NodeId {
        self.nodes
            .get(node as usize)
            .map_or_else(|| node::node_key(self.seed, node).id(), |node| node.id)
    }

    /// The address of a node, of one to come as well.
    pub fn address_of(&self, node: u32) -> NetAddress {
        let at = self.socket_addr_of(node);
        NetAddress {
            id: self.id_of(node),
            host: Host::Ip(at.ip()),
            port: at.port(),
        }
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// Whether a node is up. One that was asked to stop is until it is taken down.
    pub fn is_up(&self, node: u32) -> bool {
        !self.nodes[node as usize].shards.is_empty()
    }

    /// The numbers of a node's peers, ascending.
    pub fn peers_of(&self, node: u32) -> Vec<u32> {
        self.peers_where(node, |_| true)
    }

    /// The numbers of the peers that a node dialed, ascending.
    pub fn outbound_of(&self, node: u32) -> Vec<u32> {
        self.peers_where(node, |direction| direction == Direction::Outbound)
    }

    fn peers_where(&self, node: u32, is_meant: impl Fn(Direction) -> bool) -> Vec<u32> {
        let shards = self.nodes[node as usize].shards.iter();
        let peers = shards.flat_map(|shard| shard.peers.values());
        let meant = peers.filter(|(_, direction)| is_meant(*direction));
        let mut numbers: Vec<u32> = meant.filter_map(|(id, _)| self.number_of(*id)).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The shard on which `node` keeps its peer `peer`.
    pub fn home_of(&self, node: u32, peer: u32) -> Option<ShardId> {
        self.nodes[node as usize].home_of(self.id_of(peer))
    }

    /// What `node` knows of its peer `peer`.
    pub fn peer(&self, node: u32, peer: u32) -> Option<PeerInfo> {
        let id = self.id_of(peer);
        let home = self.home_of(node, peer)?;
        self.switch(node, home).peer(&id).cloned()
    }

    /// Messages that wait in the queue of `node` for its peer `peer`, as its application sees it.
    pub fn queued(&self, node: u32, peer: u32, channel: ChannelId) -> Option<usize> {
        let key = self.peer(node, peer)?.key;
        let home = self.home_of(node, peer)?;
        let shard = &self.nodes[node as usize].shards[usize::from(home.0)];
        shard.queued.get(&(key, channel)).copied()
    }

    /// The switch of a shard, to look at: its metrics, its counters, its room.
    ///
    /// # Panics
    /// When the node is down or has no such shard.
    pub fn switch(&self, node: u32, shard: ShardId) -> &Switch {
        &self.nodes[node as usize].shards[usize::from(shard.0)].switch
    }

    /// The switches of a node, by shard; none while it is down.
    pub fn switches(&self, node: u32) -> impl Iterator<Item = &Switch> {
        self.nodes[node as usize]
            .shards
            .iter()
            .map(|shard| &shard.switch)
    }

    /// Whether each has the other as its peer.
    pub fn are_connected(&self, a: u32, b: u32) -> bool {
        let has = |x: u32, y: u32| self.nodes[x as usize].home_of(self.id_of(y)).is_some();
        has(a, b) && has(b, a)
    }

    /// What the application of a node got, in order.
    pub fn received(&self, node: u32) -> &[Received] {
        self.record.received(node)
    }

    /// What happened to a node, in order.
    pub fn events(&self, node: u32) -> impl Iterator<Item = &Event> {
        self.record.events(node).iter().map(|(_, event)| event)
    }

    /// Takes what happened to a node since the last call, in order, with its time. Long runs do so
    /// to keep no more than they need.
    pub fn take_events(&mut self, node: u32) -> Vec<(Instant, Event)> {
        self.record.take_events(node)
    }

    /// A document that a node had kept, as its disk holds it now.
    pub fn document(&mut self, node: u32, name: &str) -> Option<&[u8]> {
        let saved = &mut self.nodes[node as usize].saved;
        saved.get_mut(name).map(Saved::bytes)
    }

    /// The outcome of a command.
    pub fn reply(&self, token: ReplyToken) -> Option<&Reply> {
        self.record.reply(token)
    }

    /// The outcomes of all commands of all nodes, in order.
    pub fn replies(&self) -> &[(ReplyToken, Reply)] {
        self.record.replies()
    }

    /// Whether every shard of a node has reported that it stopped.
    pub fn has_stopped(&self, node: u32) -> bool {
        let shards = &self.nodes[node as usize].shards;
        !shards.is_empty() && shards.iter().all(|shard| shard.stopped)
    }

    /// Sockets a node holds.
    pub fn open_links(&self, node: u32) -> usize {
        let ends = self.wires.iter().flat_map(|(_, wire)| &wire.ends);
        ends.filter(|end| end.place.node == node && end.state != EndState::Closed)
            .count()
    }

    /// Connections that were made between any nodes so far.
    pub fn connections_made(&self) -> u64 {
        self.wires.made()
    }

    /// How many of the messages given to [`World::send`] were refused or lost with their peer
    /// before they were queued.
    pub fn sends_failed(&self) -> u64 {
        let failed = |reply: &Reply| matches!(reply, Reply::Send(Err(_)));
        let replies = self.record.replies().iter();
        replies.filter(|(_, reply)| failed(reply)).count() as u64
    }

    /// What was sent and what came.
    pub fn ledger(&self) -> &Ledger {
        self.record.ledger()
    }

    /// What happened so far.
    pub fn trace(&self) -> &Trace {
        self.record.trace()
    }
}
