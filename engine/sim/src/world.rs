//! The world: nodes, wires, time and a seed. A test sets it up, lets it run, and asks.
//!
//! ```text
//!   Clock ──step──▶ tell a switch ──▶ plan its turn ──turn──▶ run, drain ──▶ carry out ──▶ Clock
//! ```
//!
//! Everything happens on one thread and in one order, which follows from the seed: two worlds of
//! the same seed and the same calls have the same [`World::trace`] hash. What is promised of any
//! node is checked at every step; a broken promise panics at once with the steps that led to it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::config::{Change, ConfigError};
use ringwire_core::document::Document;
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{Answers, Ask, AskError, PublishOptions};
use ringwire_core::switch::{Changed, Command, LinkId, Reply, ReplyToken, Switch};
use ringwire_core::time::Instant;

use crate::clock::Clock;
use crate::fault_table::FaultTable;
use crate::geography::Geography;
use crate::node::{AddressPlan, Node, NodeSpec};
use crate::plan::{Place, Step};
use crate::profile::LinkProfile;
use crate::record::Record;
use crate::rng::Rng;
use crate::trace::Entry;
use crate::wire::Wires;

/// Time between shards of a node.
pub(super) const MESH_DELAY: Duration = Duration::from_micros(2);
/// A shard's turn comes within this after it was told something.
pub(super) const TURN_DELAY_MAX: Duration = Duration::from_micros(5);

/// Time in which all shards of a node have taken a change over: there and back between shards, and a
/// turn at both ends; many times that, for nodes with much to do.
const CONFIRMED_WITHIN: Duration = Duration::from_millis(10);

/// A simulated network.
pub struct World {
    pub(super) seed: u64,
    pub(super) clock: Clock<Step>,
    pub(super) rng: Rng,
    pub(super) nodes: Vec<Node>,
    pub(super) wires: Wires,
    pub(super) links_made: u64,
    pub(super) geography: Geography,
    pub(super) faults: FaultTable,
    /// When nodes that are frozen go on.
    pub(super) frozen: BTreeMap<u32, Instant>,
    pub(super) record: Record,
}

impl World {
    /// An empty world on LAN links without faults.
    pub fn new(seed: u64) -> Self {
        World {
            seed,
            clock: Clock::new(),
            rng: Rng::new(seed),
            nodes: Vec::new(),
            wires: Wires::default(),
            links_made: 0,
            geography: Geography::new(),
            faults: FaultTable::new(),
            frozen: BTreeMap::new(),
            record: Record::default(),
        }
    }

    // ---- set up -----------------------------------------------------------------------------

    /// Gives links made from now on this profile.
    pub fn set_profile(&mut self, profile: LinkProfile) {
        self.geography.set_profile(profile);
    }

    /// Gives links between two nodes a profile of their own.
    pub fn set_profile_between(&mut self, a: u32, b: u32, profile: LinkProfile) {
        self.geography.set_profile_between(a, b, profile);
    }

    /// Lays the table of faults; its times count from the start of the world.
    pub fn set_faults(&mut self, faults: FaultTable) {
        for (at, rule) in faults.timed() {
            self.clock
                .plan(Instant::ZERO + at, Step::Fault(rule.clone()));
        }
        self.faults = faults;
    }

    /// Lets a host name resolve to a node.
    pub fn set_name(&mut self, name: &str, node: u32) {
        self.geography.set_name(name, node);
    }

    /// Lets node `number` listen at the address this gives; never the same for two numbers. To be
    /// set before the first node is added. Without it nodes live at 10.0.0.1 and up.
    pub fn set_addresses(&mut self, addresses: AddressPlan) {
        self.geography.set_addresses(addresses);
    }

    /// Puts a node behind an address that it shares with others: whom it dials sees it there.
    pub fn put_behind(&mut self, node: u32, ip: IpAddr) {
        self.geography.put_behind(node, ip);
    }

    /// Adds a node and starts it; gives its number. Numbers count from zero, so
    /// [`World::address_of`] may name a node before it is added.
    ///
    /// # Errors
    /// The configuration does not hold.
    ///
    /// # Panics
    /// When another node has its address, or a reactor panics as it starts.
    pub fn add_node(&mut self, mut spec: NodeSpec) -> Result<u32, ConfigError> {
        let number = self.nodes.len() as u32;
        spec.config.listen_addrs = vec![self.socket_addr_of(number).into()];
        let node = Node::new(self.seed, number, spec);
        self.geography.add(number, node.id);
        self.nodes.push(node);
        self.record.add_node();
        self.start(number)?;
        Ok(number)
    }

    /// Starts a node that is down.
    pub(super) fn start(&mut self, number: u32) -> Result<(), ConfigError> {
        let now = self.clock.now();
        let node = &mut self.nodes[number as usize];
        node.start(self.seed, number, &mut self.rng, now)?;
        self.record.ledger_mut().forget_life(number);
        for place in self.places_of(number) {
            self.tell(place, |switch, now| {
                let started = switch.handle_start(now);
                started.unwrap_or_else(|panic| panic!("node {number} does not start: {panic}"));
            });
        }
        self.note(self.place(number, ShardId::COORDINATOR), "start", 0, 0);
        Ok(())
    }

    // ---- act --------------------------------------------------------------------------------

    /// Tells a shard of a node what its application wants.
    pub fn command(&mut self, node: u32, shard: ShardId, command: Command) {
        let place = self.place(node, shard);
        self.tell(place, |switch, now| switch.handle_command(now, command));
    }

    /// Says or does to the switch of a shard what its shell would, then gives it a turn.
    ///
    /// # Panics
    /// When the node is down or has no such shard.
    pub fn with_switch<R>(
        &mut self,
        node: u32,
        shard: ShardId,
        what: impl FnOnce(&mut Switch) -> R,
    ) -> R {
        let place = self.place(node, shard);
        let index = usize::from(shard.0);
        let result = what(&mut self.nodes[node as usize].shards[index].switch);
        self.touch(place);
        result
    }

    /// Lets `from` dial `to`.
    pub fn dial(&mut self, from: u32, to: u32, persistent: bool) -> ReplyToken {
        let token = self.next_token();
        let address = self.address_of(to);
        let dial = Command::Dial {
            address,
            persistent,
            token: Some(token),
        };
        self.command(from, ShardId::COORDINATOR, dial);
        token
    }

    /// Sends a stamped message of `bytes` bytes to a connected peer; false if `to` is no peer.
    /// It waits for room in its queue.
    pub fn send(&mut self, from: u32, to: u32, channel: ChannelId, bytes: usize) -> bool {
        let Some(shard) = self.nodes[from as usize].home_of(self.id_of(to)) else {
            return false;
        };
        let now = self.now();
        let ledger = self.record.ledger_mut();
        let message = ledger.stamp(now, (from, Some(to)), channel, bytes);
        let token = Some(self.next_token());
        let send = Command::Send {
            peer: self.id_of(to),
            channel,
            message,
            timeout: None,
            token,
        };
        self.command(from, shard, send);
        true
    }

    /// Publishes a stamped message for everybody on a gossip channel, from a random shard.
    pub fn publish(&mut self, from: u32, channel: ChannelId, bytes: usize) {
        let now = self.now();
        let ledger = self.record.ledger_mut();
        let message = ledger.stamp(now, (from, None), channel, bytes);
        let shards = u64::from(self.nodes[from as usize].spec.shards);
        let shard = ShardId(self.rng.below(shards) as u16);
        let options = PublishOptions::default();
        let publish = Command::Publish {
            channel,
            message,
            options,
        };
        self.command(from, shard, publish);
    }

    /// Publishes bytes of the test's own, from the coordinator shard.
    pub fn publish_bytes(&mut self, from: u32, channel: ChannelId, message: Bytes) {
        self.publish_with(from, channel, message, PublishOptions::default());
    }

    /// As [`World::publish_bytes`], with what the application asks for of the message.
    pub fn publish_with(
        &mut self,
        from: u32,
        channel: ChannelId,
        message: Bytes,
        options: PublishOptions,
    ) {
        let publish = Command::Publish {
            channel,
            message,
            options,
        };
        self.command(from, ShardId::COORDINATOR, publish);
    }

    /// What a reactor of a node shows of its state on the coordinator's shard. Takes a moment.
    pub fn inspect(&mut self, node: u32, reactor: &str) -> Option<Vec<u8>> {
        let token = self.next_token();
        let inspect = Command::Inspect {
            reactor: String::from(reactor),
            token: Some(token),
        };
        self.command(node, ShardId::COORDINATOR, inspect);
        self.run_until(TURN_DELAY_MAX * 2, |world| world.reply(token).is_some());
        match self.record.take_reply(token)? {
            Reply::Inspect(document) => document.map(Document::render),
            _ => None,
        }
    }

    /// Changes what a node goes by, as its operator does. Takes a moment: until all its shards have
    /// taken it over.
    ///
    /// # Errors
    /// A rule that would be broken.
    ///
    /// # Panics
    /// When the node is down.
    pub fn change(&mut self, node: u32, change: Change) -> Result<Changed, ConfigError> {
        let token = self.next_token();
        let command = Command::Change {
            changes: vec![change],
            token: Some(token),
        };
        self.command(node, ShardId::COORDINATOR, command);
        self.run_until(CONFIRMED_WITHIN, |world| world.reply(token).is_some());
        match self.record.take_reply(token) {
            Some(Reply::Changed(changed)) => changed,
            reply => panic!("node {node} did not confirm a change: {reply:?}"),
        }
    }

    /// Asks a reactor's instance on a shard of a node. Takes a moment.
    ///
    /// # Errors
    /// As of a running engine; [`AskError::Stopped`] if the node is down.
    pub fn ask<R, Q>(
        &mut self,
        node: u32,
        shard: ShardId,
        question: Q,
    ) -> Result<R::Answer, AskError>
    where
        R: Answers<Q>,
        Q: Send + 'static,
    {
        let token = self.next_token();
        let ask = Command::Ask {
            ask: Ask::new::<R, Q>(question),
            token: Some(token),
        };
        self.command(node, shard, ask);
        self.run_until(TURN_DELAY_MAX * 2, |world| world.reply(token).is_some());
        let reply = self.record.take_reply(token).ok_or(AskError::Stopped)?;
        let Reply::Answer(answer) = reply else {
            return Err(AskError::Stopped);
        };
        answer?.into_value()
    }

    /// Whether the application of `node` takes what is delivered to it.
    pub fn set_consuming(&mut self, node: u32, consumes: bool) {
        self.nodes[node as usize].consumes = consumes;
        for place in self.places_of(node) {
            self.touch(place);
        }
    }

    /// Asks every shard of a node to stop within a time.
    pub fn shutdown(&mut self, node: u32, within: Duration) {
        for place in self.places_of(node) {
            self.command(node, place.shard, Command::Shutdown { within });
        }
    }

    // ---- let run ----------------------------------------------------------------------------

    /// Runs for this long.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Runs until `done` holds, at most for `span`; says whether it held. The question is asked
    /// after every step.
    pub fn run_until(&mut self, span: Duration, mut done: impl FnMut(&World) -> bool) -> bool {
        let end = self.now() + span;
        loop {
            if done(self) {
                return true;
            }
            let Some(step) = self.clock.take(end) else {
                break;
            };
            self.take_step(step);
        }
        self.clock.advance_to(end);
        false
    }

    // ---- inside -----------------------------------------------------------------------------

    /// Stops the run: a promise was broken. Prints the last steps.
    pub(super) fn fail(&self, broken: impl Display) -> ! {
        let tail: String = self
            .record
            .trace()
            .tail()
            .map(|entry| format!("  {entry}\n"))
            .collect();
        panic!(
            "world of seed {}, at {:?}: {broken}\n{tail}",
            self.seed,
            self.now()
        );
    }

    /// Enters a step into the trace.
    pub(super) fn note(&mut self, place: Place, what: &'static str, subject: u64, amount: u64) {
        let (node, shard) = (place.node, place.shard.0);
        self.record.trace_mut().record(Entry {
            at: self.clock.now(),
            node,
            shard,
            what,
            subject,
            amount,
        });
    }

    pub(super) fn place(&self, node: u32, shard: ShardId) -> Place {
        Place {
            node,
            life: self.nodes[node as usize].life,
            shard,
        }
    }

    pub(super) fn places_of(&self, node: u32) -> Vec<Place> {
        let count = self.nodes[node as usize].shards.len() as u16;
        (0..count)
            .map(|shard| self.place(node, ShardId(shard)))
            .collect()
    }

    pub(super) fn number_of(&self, id: NodeId) -> Option<u32> {
        self.geography.number_of(id)
    }

    pub(super) fn socket_addr_of(&self, number: u32) -> SocketAddr {
        self.geography.socket_addr_of(number)
    }

    pub(super) fn next_link(&mut self) -> LinkId {
        self.links_made += 1;
        LinkId(self.links_made)
    }

    pub(super) fn profile_between(&self, a: u32, b: u32) -> LinkProfile {
        self.geography.profile_between(a, b)
    }

    fn next_token(&mut self) -> ReplyToken {
        self.record.next_token()
    }
}
