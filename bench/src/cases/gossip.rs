//! `gossip`: eight nodes with four neighbours each; what one of them publishes, all others get.
//! Time until all have all; throughput is summed over the receivers. Before the clock starts, as much is
//! published as a node remembers: by then nodes have learned who sends them what, and memory is there.
//!
//! Ours by flooding: whoever has not got a message yet gets it from every neighbour, less those that
//! were faster. Each message differs, as a message is its content. Ours by feeds: one neighbour sends, two
//! announce; what is longer than they carry goes as coded shards.

use std::ops::Range;
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ringwire::gossip::{Class, Feeds, FeedsConfig, Flood, FloodConfig, Large, LargeConfig};
use ringwire::peer::Framing;
use ringwire::{ChannelId, Engine, Subscription};

use super::rivals;
use crate::case::{Case, FRAMINGS, Plan, Ran};
use crate::engine::{Failure, PATIENCE, Setup, TX, address_of, channel, config, node_key, stop};
use crate::measure::Stopwatch;
use crate::outcome::{Named, Outcome};

/// Nodes; each dials the next [`DIALED`], the first ones after the last.
const NODES: u32 = 8;
const DIALED: u32 = 2;
/// Messages that may wait for a neighbour in its channel.
const QUEUE: usize = 64;
/// The channel of what feeds say about messages.
const CONTROL: ChannelId = ChannelId(TX.0 + 1);
/// Bytes of the number that makes messages differ.
const NUMBER_BYTES: usize = 8;
/// Bytes of a shard.
const SHARD_BYTES: usize = 16 << 10;

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let mut cases = Vec::new();
    for framing in FRAMINGS {
        for kib in [1usize, 64, 1024] {
            cases.push(case(plan, framing, kib << 10));
        }
    }
    cases
}

fn case(plan: &Plan, framing: Framing, message_bytes: usize) -> Case {
    let bytes: usize = plan.amount(2 << 20, 128 << 20);
    let warm_bytes: usize = plan.amount(1 << 20, 64 << 20);
    let work = Work {
        message_bytes,
        warm: warm_bytes / message_bytes,
        count: bytes / message_bytes,
    };
    let (ours, contender) = match message_bytes <= Class::Medium.bytes_max() {
        true => (Spreading::Feeds, "ringwire (feeds)"),
        false => (Spreading::Large, "ringwire (coded)"),
    };
    let name = format!("{NODES} nodes {} KiB", message_bytes >> 10);
    let case = Case::new("gossip", framing, name)
        .with("ringwire", move || run(Spreading::Flood, framing, work))
        .with(contender, move || run(ours, framing, work));
    rivals::gossip(plan, case, framing, message_bytes, work.count, NODES - 1)
}

/// What is published.
#[derive(Clone, Copy)]
struct Work {
    message_bytes: usize,
    /// Messages before the clock starts.
    warm: usize,
    /// Messages that count.
    count: usize,
}

/// How ours gossips.
#[derive(Clone, Copy)]
enum Spreading {
    Flood,
    Feeds,
    Large,
}

impl Spreading {
    /// The figures of what came and was of no use any more, and of what was: messages, or shards of them.
    fn figures(self) -> [&'static str; 2] {
        match self {
            Spreading::Flood => ["gossip_duplicates", "gossip_delivered"],
            Spreading::Feeds => ["feeds_duplicates", "feeds_delivered"],
            Spreading::Large => ["large_shards_surplus", "large_shards_wanted"],
        }
    }

    /// How many of these one message is.
    fn parts(self, message_bytes: usize) -> usize {
        match self {
            Spreading::Flood | Spreading::Feeds => 1,
            Spreading::Large => message_bytes / SHARD_BYTES,
        }
    }
}

fn run(spreading: Spreading, framing: Framing, work: Work) -> Ran {
    let Work { warm, count, .. } = work;
    let nodes = network(spreading, framing)?;
    let inboxes = nodes[1..].iter().map(|node| node.handle().subscribe(TX));
    let inboxes: Vec<Subscription> = inboxes.collect::<Result<_, _>>()?;
    let inboxes = spread(&nodes[0], inboxes, 0..warm, work.message_bytes)?;
    let before = received(&nodes, spreading);
    let stopwatch = Stopwatch::start();
    spread(&nodes[0], inboxes, warm..warm + count, work.message_bytes)?;
    let sample = stopwatch.stop();
    let after = received(&nodes, spreading);
    stop(nodes)?;
    let messages = count as u64 * u64::from(NODES - 1);
    let parts = messages * spreading.parts(work.message_bytes) as u64;
    let copies = (after - before) as f64 / parts as f64;
    Ok(Outcome {
        others: vec![Named::new("copies per message", "", copies)],
        ..Outcome::moved(&sample, messages, work.message_bytes as u64)
    })
}

/// Publishes messages of these numbers, and waits until all have all.
fn spread(
    publisher: &Engine,
    inboxes: Vec<Subscription>,
    numbers: Range<usize>,
    message_bytes: usize,
) -> Result<Vec<Subscription>, Failure> {
    let count = numbers.len();
    let receivers: Vec<_> = inboxes
        .into_iter()
        .map(|inbox| thread::spawn(move || receive(inbox, message_bytes, count)))
        .collect();
    for number in numbers {
        let message = message(number, message_bytes);
        publisher.handle().publish_blocking(TX, message)?;
    }
    let received = receivers.into_iter().map(|receiver| {
        let inbox = receiver.join().expect("a receiver does not panic")?;
        Ok(inbox)
    });
    received.collect()
}

fn network(spreading: Spreading, framing: Framing) -> Result<Vec<Engine>, Failure> {
    let setup = Setup::polled(framing);
    let start = |number| {
        let builder = Engine::builder(config(framing))
            .node_key(node_key(number))
            .shards(1)
            .busy_poll(setup.busy_poll);
        let builder = match spreading {
            Spreading::Flood => {
                let flood = FloodConfig::new(channel(TX, 5, QUEUE));
                builder.reactor("gossip", move |_| Flood::new(flood.clone()))
            }
            Spreading::Feeds => {
                let feeds = FeedsConfig::new(CONTROL, TX);
                builder.reactor("gossip", move |_| Feeds::new(feeds.clone()))
            }
            Spreading::Large => {
                let mut large = LargeConfig::new(CONTROL, TX);
                large.shard_bytes = Some(SHARD_BYTES);
                builder.reactor("gossip", move |_| Large::new(large.clone()))
            }
        };
        builder.start()
    };
    let nodes: Vec<Engine> = (0..NODES).map(start).collect::<Result<_, _>>()?;
    for (number, node) in (0..).zip(&nodes) {
        for ahead in 1..=DIALED {
            let other = &nodes[((number + ahead) % NODES) as usize];
            node.handle().dial_blocking(address_of(other.handle()))?;
        }
    }
    for node in &nodes {
        node.handle()
            .wait_for_peers_blocking(2 * DIALED as usize, PATIENCE)?;
    }
    Ok(nodes)
}

fn message(number: usize, bytes: usize) -> Bytes {
    let mut message = BytesMut::zeroed(bytes);
    message[..NUMBER_BYTES].copy_from_slice(&(number as u64).to_be_bytes());
    message.freeze()
}

fn receive(
    mut inbox: Subscription,
    message_bytes: usize,
    count: usize,
) -> Result<Subscription, String> {
    for received in 0..count {
        let Some(delivery) = inbox.recv_timeout(Duration::from_secs(30)) else {
            return Err(format!("{received} of {count} messages have come"));
        };
        if delivery.message.len() != message_bytes {
            return Err(String::from("a message was cut or mixed"));
        }
    }
    Ok(inbox)
}

/// Messages, or shards of them, that came, all nodes together.
fn received(nodes: &[Engine], spreading: Spreading) -> u64 {
    let figures = spreading.figures();
    figures.iter().map(|name| figure(nodes, name)).sum()
}

/// A figure of the gossip reactors, all nodes together.
fn figure(nodes: &[Engine], name: &str) -> u64 {
    let shards = nodes
        .iter()
        .flat_map(|node| node.handle().counters_blocking());
    let figures = shards
        .flat_map(|shard| shard.reactors)
        .flat_map(|(_, figures)| figures);
    let named = figures.filter(|(figure, _)| *figure == name);
    named.map(|(_, value)| value).sum()
}
