//! A small world for the switch: nodes of several shards, sockets that are byte queues, a clock
//! that jumps from deadline to deadline. It is the shell's part of the conversation and decides
//! nothing.
//!
//! ```text
//!   settle:  run every switch ─▶ carry out its outputs ─▶ hand over bytes as they are read ─┐
//!               ▲                                                                          │
//!               └──────────────────── until nothing happens any more ─────────────────────┘
//! ```

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, Host, NetAddress, NodeId, NodeKey};

use crate::buffer::Chunk;
use crate::config::Config;
use crate::error::{CloseReason, NetworkError};
use crate::peer::{PeerInfo, PeerKey, ShardId};
use crate::reactor::{ChannelDescriptor, Context, Envelope, Note, Reactor, ReactorError};
use crate::switch::*;
use crate::time::Instant;

/// The channel of the recording reactor, owned by every node.
pub(super) const CHANNEL: ChannelId = ChannelId(0x20);
/// Port every node listens on.
const PORT: u16 = 26_656;
/// Bytes handed over at once.
const RECV_MAX: usize = 64 * 1024;
/// Bytes a socket holds before a write into it blocks.
const SOCKET_BYTES: usize = 128 * 1024;

/// What a recording reactor was called with, oldest first.
pub(super) type Log = Rc<RefCell<Vec<String>>>;

/// One end of a socket.
struct End {
    node: usize,
    shard: usize,
    remote: SocketAddr,
    twin: u64,
    inbox: VecDeque<u8>,
    /// A write the twin had no room for yet.
    blocked: Option<Transmit>,
    mode: ReadMode,
    /// Closed by its own switch.
    closed: bool,
    /// The end of the stream was reported.
    ended: bool,
}

/// One node.
pub(super) struct Node {
    pub(super) shards: Vec<Switch>,
    pub(super) key: NodeKey,
    pub(super) log: Log,
    pub(super) events: Vec<Event>,
    pub(super) replies: Vec<(ReplyToken, Reply)>,
    pub(super) deliveries: Vec<Delivery>,
    /// Whether deliveries are taken from the switch.
    pub(super) takes_deliveries: bool,
    /// Whether the listener accepts.
    pub(super) listens: bool,
    accepted: usize,
}

/// Makes a reactor for one shard of a node.
pub(super) type MakeReactor = fn() -> Box<dyn Reactor>;

/// How a node is made.
pub(super) struct Plan {
    pub(super) shards: u16,
    pub(super) config: Config,
    pub(super) filters: Filters,
    /// More reactors beside the recording one.
    pub(super) reactors: Vec<(String, MakeReactor)>,
}

impl Default for Plan {
    fn default() -> Self {
        let config = Config {
            dial_jitter: Duration::ZERO,
            ..Config::default()
        };
        Plan {
            shards: 1,
            config,
            filters: Filters::default(),
            reactors: Vec::new(),
        }
    }
}

/// The world.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) nodes: Vec<Node>,
    ends: Vec<End>,
    /// Bytes handed over at once at most; small values cut messages everywhere.
    pub(super) recv_max: usize,
    /// Whether sockets carry nothing.
    pub(super) frozen: bool,
    /// A node that reads nothing.
    pub(super) deaf: Option<usize>,
}

impl World {
    pub(super) fn new() -> Self {
        World {
            now: Instant::from_nanos(1),
            nodes: Vec::new(),
            ends: Vec::new(),
            recv_max: RECV_MAX,
            frozen: false,
            deaf: None,
        }
    }

    /// Nodes made alike, not connected.
    pub(super) fn of(count: usize, plan: impl Fn() -> Plan) -> Self {
        let mut world = World::new();
        for _ in 0..count {
            world.add(plan());
        }
        world
    }

    /// Adds a node and starts it. Its key is made from its number.
    pub(super) fn add(&mut self, plan: Plan) -> usize {
        let seed = u8::try_from(self.nodes.len()).expect("a small world") + 1;
        self.add_with_key(plan, NodeKey::from_seed([seed; 32]))
    }

    pub(super) fn add_with_key(&mut self, plan: Plan, key: NodeKey) -> usize {
        let number = self.nodes.len();
        let log = Log::default();
        let mut config = plan.config;
        config.listen_addr = self.addr(number);
        let config = Arc::new(config);
        let make = |shard: u16| {
            let recorder = Box::new(Recorder {
                log: Rc::clone(&log),
            });
            let mut reactors: Vec<(String, Box<dyn Reactor>)> =
                vec![(String::from("recorder"), recorder)];
            reactors.extend(
                plan.reactors
                    .iter()
                    .map(|(name, make)| (name.clone(), make())),
            );
            let mut seed = [u8::try_from(number).expect("a small world"); 32];
            seed[0] = u8::try_from(shard).expect("few shards");
            seed[1] = 0xA5;
            let config = SwitchConfig {
                config: Arc::clone(&config),
                node_key: key.clone(),
                shard: ShardId(shard),
                shard_count: plan.shards,
                seed,
                filters: plan.filters.clone(),
            };
            Switch::new(config, reactors, self.now).expect("a sound configuration")
        };
        let shards = (0..plan.shards).map(make).collect();
        self.nodes.push(Node {
            shards,
            key,
            log,
            events: Vec::new(),
            replies: Vec::new(),
            deliveries: Vec::new(),
            takes_deliveries: true,
            listens: true,
            accepted: 0,
        });
        for shard in &mut self.nodes[number].shards {
            shard.handle_start(self.now);
        }
        number
    }

    fn addr(&self, node: usize) -> SocketAddr {
        let host = u8::try_from(node + 1).expect("a small world");
        SocketAddr::from(([10, 0, 0, host], PORT))
    }

    pub(super) fn id(&self, node: usize) -> NodeId {
        self.nodes[node].key.id()
    }

    pub(super) fn address(&self, node: usize) -> NetAddress {
        NetAddress::from_ip(self.id(node), self.addr(node).ip(), PORT)
    }

    pub(super) fn command(&mut self, node: usize, shard: usize, command: Command) {
        self.nodes[node].shards[shard].handle_command(self.now, command);
    }

    /// Dials from one node to another and lets everything settle.
    pub(super) fn connect(&mut self, from: usize, to: usize) {
        self.dial(from, to, false, None);
        self.settle();
    }

    pub(super) fn dial(&mut self, from: usize, to: usize, persistent: bool, token: Option<u64>) {
        let address = self.address(to);
        let token = token.map(ReplyToken);
        self.command(
            from,
            0,
            Command::Dial {
                address,
                persistent,
                token,
            },
        );
    }

    /// The shard on which `node` has `peer`, and its key there.
    pub(super) fn find(&self, node: usize, peer: usize) -> Option<(usize, PeerInfo)> {
        let id = self.id(peer);
        let on_shard = |(shard, switch): (usize, &Switch)| {
            let found = switch
                .peers(self.now)
                .into_iter()
                .find(|(info, _)| info.id == id);
            found.map(|(info, _)| (shard, info))
        };
        self.nodes[node]
            .shards
            .iter()
            .enumerate()
            .find_map(on_shard)
    }

    pub(super) fn peer_count(&self, node: usize) -> usize {
        self.nodes[node]
            .shards
            .iter()
            .map(|shard| shard.peers(self.now).len())
            .sum()
    }

    /// Sends a message to a peer wherever it lives.
    pub(super) fn send(&mut self, from: usize, to: usize, message: &[u8], token: Option<u64>) {
        let (shard, _) = self.find(from, to).expect("they are connected");
        let command = Command::Send {
            peer: self.id(to),
            channel: CHANNEL,
            message: Bytes::copy_from_slice(message),
            timeout: Some(Duration::from_secs(5)),
            token: token.map(ReplyToken),
        };
        self.command(from, shard, command);
    }

    pub(super) fn log(&self, node: usize) -> Vec<String> {
        self.nodes[node].log.borrow().clone()
    }

    /// The replies to a token, and forgets all of them.
    pub(super) fn take_replies(&mut self, node: usize) -> Vec<(ReplyToken, Reply)> {
        std::mem::take(&mut self.nodes[node].replies)
    }

    /// Cuts every socket between two nodes.
    pub(super) fn cut(&mut self, left: usize, right: usize) {
        for index in 0..self.ends.len() {
            let twin = self.ends[index].twin as usize;
            let nodes = (self.ends[index].node, self.ends[twin].node);
            if nodes != (left, right) && nodes != (right, left) {
                continue;
            }
            self.report_end(index, NetworkError::Eof);
        }
    }

    fn report_end(&mut self, index: usize, error: NetworkError) {
        let end = &mut self.ends[index];
        if end.closed || std::mem::replace(&mut end.ended, true) {
            return;
        }
        let switch = &mut self.nodes[end.node].shards[end.shard];
        switch.handle_closed(self.now, LinkId(index as u64), error);
    }

    /// Lets everything happen that needs no time.
    pub(super) fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut busy = false;
            for node in 0..self.nodes.len() {
                for shard in 0..self.nodes[node].shards.len() {
                    busy |= self.turn(node, shard);
                }
            }
            busy |= self.carry();
            if !busy {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// Lets time pass, from deadline to deadline.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        loop {
            let shards = self.nodes.iter().flat_map(|node| &node.shards);
            let next = shards.filter_map(Switch::poll_timeout).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            for node in &mut self.nodes {
                node.shards
                    .iter_mut()
                    .for_each(|shard| shard.handle_timeout(self.now));
            }
            self.settle();
        }
        self.now = end;
    }

    /// One turn of one shard; whether anything came of it.
    fn turn(&mut self, node: usize, shard: usize) -> bool {
        let now = self.now;
        let place = &mut self.nodes[node];
        let switch = &mut place.shards[shard];
        switch.run(now);
        let mut busy = switch.has_work();
        while let Some(delivery) = place
            .takes_deliveries
            .then(|| switch.poll_delivery())
            .flatten()
        {
            place.deliveries.push(delivery);
            busy = true;
        }
        while switch.poll_gauge().is_some() {}
        let outputs: Vec<_> = std::iter::from_fn(|| switch.poll_output()).collect();
        busy |= !outputs.is_empty();
        for output in outputs {
            self.carry_out(node, shard, output);
        }
        busy
    }

    fn carry_out(&mut self, node: usize, shard: usize, output: Output) {
        let now = self.now;
        match output {
            Output::Dial {
                dial, host, port, ..
            } => self.carry_dial(node, shard, dial, host, port),
            Output::CancelDial(_) => {}
            Output::Transmit { link, buffers } => {
                let end = &self.ends[link.0 as usize];
                assert!(!end.closed, "a closed link writes nothing");
                assert_eq!(
                    (end.node, end.shard),
                    (node, shard),
                    "a link is used by its shard"
                );
                let twin = end.twin as usize;
                for buffer in &buffers {
                    self.ends[twin].inbox.extend(buffer.iter());
                }
                if self.ends[twin].inbox.len() > SOCKET_BYTES {
                    self.ends[link.0 as usize].blocked = Some(buffers);
                } else {
                    self.nodes[node].shards[shard].handle_sent(now, link, buffers);
                }
            }
            Output::Read { link, mode } => self.ends[link.0 as usize].mode = mode,
            Output::Close { link } => self.ends[link.0 as usize].closed = true,
            Output::Move { link, to, parcel } => {
                let end = &mut self.ends[link.0 as usize];
                end.shard = usize::from(to.0);
                end.mode = ReadMode::Pause;
                let remote = end.remote;
                let home = &mut self.nodes[node].shards[usize::from(to.0)];
                home.handle_adopted(now, link, remote, parcel);
            }
            Output::Mesh { to, message } => {
                let from = ShardId(shard as u16);
                self.nodes[node].shards[usize::from(to.0)].handle_mesh(now, from, message);
            }
            Output::Reply { token, reply } => self.nodes[node].replies.push((token, reply)),
            Output::Event(event) => self.nodes[node].events.push(event),
        }
    }

    fn carry_dial(&mut self, node: usize, shard: usize, dial: DialId, host: Host, port: u16) {
        let target = (0..self.nodes.len()).find(|target| {
            let addr = self.addr(*target);
            host == Host::Ip(addr.ip()) && port == addr.port() && self.nodes[*target].listens
        });
        let Some(target) = target else {
            let message = String::from("connection refused");
            let error = NetworkError::Io {
                operation: "connect",
                message,
            };
            return self.nodes[node].shards[shard].handle_dial_failed(self.now, dial, error);
        };
        let (dialed, from) = (self.addr(target), self.addr(node).ip());
        let accepting = self.nodes[target].accepted % self.nodes[target].shards.len();
        self.nodes[target].accepted += 1;
        let first = self.ends.len() as u64;
        self.ends.push(end(node, shard, dialed, first + 1));
        self.ends
            .push(end(target, accepting, ephemeral(from, first), first));
        let remote = self.ends[first as usize + 1].remote;
        self.nodes[node].shards[shard].handle_connected(self.now, dial, LinkId(first), dialed);
        let switch = &mut self.nodes[target].shards[accepting];
        switch.handle_accepted(self.now, LinkId(first + 1), remote);
    }

    /// Ends a write that had no room; whether it did.
    fn unblock(&mut self, index: usize) -> bool {
        let twin = self.ends[index].twin as usize;
        let has_room = self.ends[twin].inbox.len() <= SOCKET_BYTES;
        let end = &mut self.ends[index];
        let Some(buffers) = end.blocked.take_if(|_| has_room) else {
            return false;
        };
        if !end.closed {
            let switch = &mut self.nodes[end.node].shards[end.shard];
            switch.handle_sent(self.now, LinkId(index as u64), buffers);
        }
        true
    }

    /// Hands over what sockets hold, as far as it is read; whether anything moved.
    fn carry(&mut self) -> bool {
        if self.frozen {
            return false;
        }
        let mut busy = false;
        for index in 0..self.ends.len() {
            busy |= self.unblock(index);
            let twin_closed = self.ends[self.ends[index].twin as usize].closed;
            let end = &mut self.ends[index];
            if end.closed || end.ended || end.mode == ReadMode::Pause || self.deaf == Some(end.node)
            {
                continue;
            }
            if !end.inbox.is_empty() {
                let len = end.inbox.len().min(self.recv_max);
                let bytes: Vec<u8> = end.inbox.drain(..len).collect();
                if end.mode == ReadMode::Once {
                    end.mode = ReadMode::Pause;
                }
                let switch = &mut self.nodes[end.node].shards[end.shard];
                let chunk = Chunk::copied_from(&bytes);
                switch.handle_received(self.now, LinkId(index as u64), chunk);
                busy = true;
            } else if twin_closed {
                self.report_end(index, NetworkError::Eof);
                busy = true;
            }
        }
        busy
    }
}

fn end(node: usize, shard: usize, remote: SocketAddr, twin: u64) -> End {
    let (inbox, mode) = (VecDeque::new(), ReadMode::Pause);
    End {
        node,
        shard,
        remote,
        twin,
        inbox,
        blocked: None,
        mode,
        closed: false,
        ended: false,
    }
}

fn ephemeral(ip: IpAddr, socket: u64) -> SocketAddr {
    SocketAddr::new(
        ip,
        40_000 + u16::try_from(socket % 20_000).expect("below 20 000"),
    )
}

/// A reactor that writes down how it is called, and misbehaves on request.
struct Recorder {
    log: Log,
}

impl Recorder {
    fn write(&self, verb: &str, what: impl std::fmt::Display) {
        self.log.borrow_mut().push(format!("{verb} {what}"));
    }
}

impl Reactor for Recorder {
    fn channels(&self) -> Vec<ChannelDescriptor> {
        let mut channel = ChannelDescriptor::new(CHANNEL, 5);
        channel.send_queue_capacity = 4;
        vec![channel]
    }

    fn init_peer(&mut self, peer: &PeerInfo) {
        self.write("init", peer.id);
    }

    fn add_peer(&mut self, cx: &mut dyn Context, peer: &PeerInfo) {
        assert!(cx.peer(peer.key).is_some(), "an added peer is found");
        self.write("add", peer.id);
    }

    fn filter_message(
        &mut self,
        _from: &PeerInfo,
        _channel: ChannelId,
        message: &[u8],
    ) -> Result<(), ReactorError> {
        match message {
            b"unspeakable" => Err(ReactorError::new("filtered")),
            _ => Ok(()),
        }
    }

    fn receive(
        &mut self,
        cx: &mut dyn Context,
        envelope: Envelope<'_>,
    ) -> Result<(), ReactorError> {
        let text = String::from_utf8_lossy(&envelope.message).into_owned();
        self.write("receive", &text);
        match text.as_str() {
            "panic" => panic!("asked to"),
            "error" => Err(ReactorError::new("asked to")),
            "transient" => Err(ReactorError::transient("asked to")),
            "stop me" => {
                cx.stop_peer(envelope.from.key, ReactorError::new("asked to"));
                Ok(())
            }
            "note" => {
                for shard in 0..cx.shard_count() {
                    let note = Note {
                        kind: 7,
                        digest: [0; 32],
                        peer: None,
                        body: Bytes::new(),
                    };
                    cx.send_note(ShardId(shard), note);
                }
                Ok(())
            }
            "timer" => {
                cx.set_timer(Duration::from_secs(1), 42);
                Ok(())
            }
            _ => {
                cx.deliver(envelope.from.id, envelope.channel, envelope.message);
                Ok(())
            }
        }
    }

    fn handle_note(&mut self, cx: &mut dyn Context, from: ShardId, note: Note) {
        self.write(
            "note",
            format!("{} {} to {}", note.kind, from.0, cx.shard().0),
        );
    }

    fn handle_timeout(&mut self, _cx: &mut dyn Context, token: u64) {
        self.write("timeout", token);
    }

    fn handle_room(&mut self, _cx: &mut dyn Context, _peer: PeerKey, channel: ChannelId) {
        self.write("room", channel);
    }

    fn remove_peer(&mut self, cx: &mut dyn Context, peer: &PeerInfo, _reason: &CloseReason) {
        assert!(cx.peer(peer.key).is_none(), "a removed peer is not found");
        self.write("remove", peer.id);
    }

    fn stop(&mut self) {
        self.write("stop", "");
    }
}
