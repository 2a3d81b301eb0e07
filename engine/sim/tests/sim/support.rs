//! What the simulated tests share: seeds, channels, and a reactor that writes down what it sees.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::error::CloseReason;
use ringwire_core::metrics::Metrics;
use ringwire_core::peer::{PeerInfo, ShardId};
use ringwire_core::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire_core::switch::{Command, Event, ReplyToken};
use ringwire_sim::scenario::replay_command;
use ringwire_sim::{Scenario, World};

/// A channel of the application.
pub(crate) const CHAT: ChannelId = ChannelId(0x70);
/// A channel of bulk data.
pub(crate) const BULK: ChannelId = ChannelId(0x71);
/// A channel that floods.
pub(crate) const GOSSIP: ChannelId = ChannelId(0x72);

/// No peers.
pub(crate) const NOBODY: [u32; 0] = [];

/// More than any dial, handshake and first retry takes.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Runs a test for many seeds: for `count` of them, for as many as `RINGWIRE_SIM_SEEDS` says, or
/// for the one in `RINGWIRE_SIM_SEED`. Gives how many it ran.
pub(crate) fn for_seeds(test: &'static str, count: u64, run: impl Fn(u64)) -> u64 {
    let seeds = match (number("RINGWIRE_SIM_SEED"), number("RINGWIRE_SIM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(count)) => 0..count,
        (None, None) => 0..count,
    };
    for seed in seeds.clone() {
        let _replay = Replay { test, seed };
        run(seed);
    }
    seeds.end - seeds.start
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number, not {text}")),
    )
}

/// Prints how to replay a seed when its test fails.
struct Replay {
    test: &'static str,
    seed: u64,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("\nreplay: {}\n", replay_command(self.test, self.seed));
        }
    }
}

/// A channel with room for many messages.
pub(crate) fn channel(id: ChannelId, priority: u16) -> ChannelDescriptor {
    ChannelDescriptor {
        send_queue_capacity: 64,
        ..ChannelDescriptor::new(id, priority)
    }
}

/// Two nodes with the chat channel; node 1 keeps node 0.
pub(crate) fn pair(seed: u64) -> Scenario {
    Scenario::new(seed)
        .nodes(2)
        .shards_up_to(3)
        .channel(channel(CHAT, 5))
        .edge(1, 0)
}

/// Runs until all pairs of `edges` are connected; fails when they do not.
pub(crate) fn connect_all(world: &mut World, edges: &[(u32, u32)]) {
    let connected = |world: &World| {
        edges
            .iter()
            .all(|&(from, to)| world.are_connected(from, to))
    };
    assert!(
        world.run_until(SOON * 4, connected),
        "not all of {edges:?} connected"
    );
}

/// Sends bytes of the test's own to a peer on the chat channel; they may wait five seconds for
/// room.
pub(crate) fn post(world: &mut World, from: u32, to: u32, message: Bytes, token: ReplyToken) {
    let shard = world.home_of(from, to).expect("they are connected");
    let send = Command::Send {
        peer: world.id_of(to),
        channel: CHAT,
        message,
        timeout: Some(Duration::from_secs(5)),
        token: Some(token),
    };
    world.command(from, shard, send);
}

/// A figure of all shards of a node together.
pub(crate) fn total(world: &World, node: u32, figure: impl Fn(&Metrics) -> u64) -> u64 {
    world
        .switches(node)
        .map(|switch| figure(&switch.metrics()))
        .sum()
}

/// The edges of a ring with a second one of steps of `step`.
pub(crate) fn ring_and_chords(nodes: u32, step: u32) -> Vec<(u32, u32)> {
    (0..nodes)
        .flat_map(|n| [(n, (n + 1) % nodes), (n, (n + step) % nodes)])
        .collect()
}

/// How often the peer went away from a node.
pub(crate) fn removals(world: &World, node: u32) -> Vec<CloseReason> {
    let removed = world.events(node).filter_map(|event| match event {
        Event::PeerRemoved { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    removed.collect()
}

/// Why connections to a node were refused.
pub(crate) fn refusals(world: &World, node: u32) -> Vec<CloseReason> {
    let refused = world.events(node).filter_map(|event| match event {
        Event::ConnectionRefused { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    refused.collect()
}

/// What a [`Recorder`] saw: node, its own name, and what.
pub(crate) type Log = Rc<RefCell<Vec<(u32, &'static str, String)>>>;
/// What a [`Recorder`] says to the bytes of a message before it is received.
pub(crate) type Filter = fn(&[u8]) -> Result<(), ReactorError>;
/// What a [`Recorder`] does about a message.
pub(crate) type Answer = fn(&mut Context<'_, Recorder>, &Envelope<'_>) -> Result<(), ReactorError>;

/// A reactor that writes down what it is told.
pub(crate) struct Recorder {
    pub(crate) node: u32,
    pub(crate) name: &'static str,
    pub(crate) channels: Vec<ChannelDescriptor>,
    pub(crate) log: Log,
    pub(crate) filter: Filter,
    pub(crate) answer: Answer,
}

impl Recorder {
    /// A recorder that likes everything.
    pub(crate) fn new(node: u32, name: &'static str, channels: &[ChannelId], log: &Log) -> Self {
        let channels = channels.iter().map(|id| channel(*id, 1)).collect();
        Recorder {
            node,
            name,
            channels,
            log: Rc::clone(log),
            filter: |_| Ok(()),
            answer: |_, _| Ok(()),
        }
    }

    fn write(&self, line: String) {
        self.log.borrow_mut().push((self.node, self.name, line));
    }
}

impl Reactor for Recorder {
    type Peer = ();
    type Note = u32;
    type Timer = u64;

    fn channels(&self) -> Vec<ChannelDescriptor> {
        self.channels.clone()
    }

    fn add_peer(&mut self, _cx: &mut Context<'_, Self>, _peer: &PeerInfo, _: &mut ()) {
        self.write(String::from("add"));
    }

    fn filter_message(
        &mut self,
        _from: &PeerInfo,
        _channel: ChannelId,
        message: &[u8],
    ) -> Result<(), ReactorError> {
        (self.filter)(message)
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        let text = String::from_utf8_lossy(&envelope.message).into_owned();
        self.write(format!("{} {text}", envelope.channel));
        (self.answer)(cx, &envelope)
    }

    fn remove_peer(
        &mut self,
        _cx: &mut Context<'_, Self>,
        _peer: &PeerInfo,
        (): (),
        _reason: &CloseReason,
    ) {
        self.write(String::from("remove"));
    }

    fn handle_note(&mut self, cx: &mut Context<'_, Self>, from: ShardId, note: u32) {
        let to = cx.shard();
        self.write(format!("note {note} {} to {}", from.0, to.0));
    }

    fn handle_timeout(&mut self, _cx: &mut Context<'_, Self>, token: u64) {
        self.write(format!("timeout {token}"));
    }

    fn stop(&mut self, _: &mut Context<'_, Self>) {
        self.write(String::from("stop"));
    }
}
