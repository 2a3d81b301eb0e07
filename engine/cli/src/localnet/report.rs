//! The outcome of a run: a table for eyes, one object for programs.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::args::TopologyArg;
use super::ledger::Holding;
use super::reach::Reach;
use crate::gossip::Gossip;
use crate::table::{Align, Table, number_of};

/// Nodes up to which the table says who feeds whom; the JSON object always does.
const FEEDS_SHOWN_MAX: usize = 16;

/// Hex digits of an id in the table: as many as fit into 80 columns beside the rest.
const ID_DIGITS: usize = 8;

/// The outcome of a run that kept every promise.
pub(super) struct Report {
    /// The nodes, in the order of their start.
    pub(super) nodes: Vec<NodeReport>,
    /// What every node holds.
    pub(super) holding: Holding,
    /// Whether the contents together are an input that every node can rebuild.
    pub(super) has_input: bool,
    /// From the first message published to the last one held by all.
    pub(super) elapsed: Duration,
    /// How messages spread.
    pub(super) gossip: Gossip,
    /// How the nodes came to know each other.
    pub(super) topology: TopologyArg,
    /// From the start of the first node until messages reached everybody.
    pub(super) formed: Duration,
    /// Connections between the nodes when the first message was published.
    pub(super) connections: usize,
    /// Hops between the two nodes furthest from each other, over these.
    pub(super) hops_max: usize,
    /// The node that told them of each other, if there was one.
    pub(super) seed: Option<SeedReport>,
}

/// What the seed did.
pub(super) struct SeedReport {
    /// The seed's id.
    pub(super) id: String,
    /// How often it was asked for addresses.
    pub(super) requests: u64,
    /// How often it answered.
    pub(super) answers: u64,
}

/// The outcome for one node.
pub(super) struct NodeReport {
    /// The node's id.
    pub(super) id: String,
    /// Peers at the end.
    pub(super) peers: usize,
    /// Messages received from peers and delivered, each once.
    pub(super) received: u64,
    /// Bytes of their contents.
    pub(super) received_bytes: u64,
    /// Further copies that were refused.
    pub(super) duplicates: u64,
    /// Bytes that came for the sake of messages and are none, if they are counted.
    pub(super) control_bytes: Option<u64>,
    /// What its neighbours have said of its own messages.
    pub(super) reach: Reach,
    /// Which node sends it the messages of each, by number; none of its own, and of those that it has no feed for.
    pub(super) fed_by: Vec<Option<usize>>,
    /// From publishing to delivery: the median, the slowest of a hundred, the slowest.
    pub(super) delay: Delay,
}

/// Delays of messages.
pub(super) struct Delay {
    /// Half of them are faster.
    pub(super) p50: Duration,
    /// Ninety-nine of a hundred are faster.
    pub(super) p99: Duration,
    /// The slowest.
    pub(super) max: Duration,
}

impl Report {
    /// Everything as one object; times in seconds, sizes in bytes.
    pub(super) fn to_json(&self) -> Value {
        let node = |node: &NodeReport| {
            json!({
                "id": node.id,
                "peers": node.peers,
                "received": node.received,
                "received_bytes": node.received_bytes,
                "duplicates_refused": node.duplicates,
                "control_bytes": node.control_bytes,
                "reach": node.reach.to_json(),
                "fed_by": node.fed_by,
                "bytes_per_second": self.per_second(node.received_bytes),
                "delay_p50_seconds": node.delay.p50.as_secs_f64(),
                "delay_p99_seconds": node.delay.p99.as_secs_f64(),
                "delay_max_seconds": node.delay.max.as_secs_f64(),
            })
        };
        json!({
            "messages": self.holding.messages,
            "content_bytes": self.holding.content_bytes,
            "seconds": self.elapsed.as_secs_f64(),
            "gossip": name_of(self.gossip),
            "copies_per_message": self.copies(),
            "topology": name_of(self.topology),
            "formed_seconds": self.formed.as_secs_f64(),
            "connections": self.connections,
            "hops_max": self.hops_max,
            "seed": self.seed.as_ref().map(|seed| json!({
                "id": seed.id,
                "requests": seed.requests,
                "answers": seed.answers,
            })),
            "digest": self.holding.set.hex(64),
            "content_blake3": self.holding.stream.to_hex().as_str(),
            "nodes": self.nodes.iter().map(node).collect::<Vec<_>>(),
        })
    }

    /// A row for each node.
    fn table(&self) -> Table<9> {
        let right = |head| (head, Align::Right);
        let mut table = Table::new([
            right("node"),
            ("id", Align::Left),
            right("peers"),
            right("received"),
            right("twice"),
            right("MB/s"),
            right("p50"),
            right("p99"),
            right("max"),
        ]);
        for (number, node) in self.nodes.iter().enumerate() {
            table.push([
                number.to_string(),
                format!("{:.ID_DIGITS$}", node.id),
                node.peers.to_string(),
                node.received.to_string(),
                node.duplicates.to_string(),
                format!("{:.2}", self.per_second(node.received_bytes) / 1e6),
                short(node.delay.p50),
                short(node.delay.p99),
                short(node.delay.max),
            ]);
        }
        table
    }

    /// Copies of a message that came to a node, on average.
    fn copies(&self) -> f64 {
        let received: u64 = self.nodes.iter().map(|node| node.received).sum();
        let duplicates: u64 = self.nodes.iter().map(|node| node.duplicates).sum();
        (received + duplicates) as f64 / received.max(1) as f64
    }

    /// Bytes beside each hundred bytes of messages, if they were counted and messages have any.
    fn control_percent(&self) -> Option<f64> {
        let counted: Option<u64> = self.nodes.iter().map(|node| node.control_bytes).sum();
        let received: u64 = self.nodes.iter().map(|node| node.received_bytes).sum();
        let percent = counted? as f64 * 100.0 / received as f64;
        (received > 0).then_some(percent)
    }

    /// Bytes per second over the whole run.
    fn per_second(&self, bytes: u64) -> f64 {
        bytes as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

impl Report {
    /// What feeds are: who sends whose messages to whom, and what neighbours have said.
    fn write_spread(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reach = Reach::sum(self.nodes.iter().map(|node| node.reach));
        if reach.pairs > 0 {
            let percent = reach.told as f64 * 100.0 / reach.pairs as f64;
            write!(
                f,
                "neighbours have announced {percent:.0} % of each node's last messages"
            )?;
            match reach.oldest_missing {
                Some(age) => writeln!(f, "; oldest unannounced: {} ago", short(age))?,
                None => writeln!(f)?,
            }
        }
        let has_feeds = self
            .nodes
            .iter()
            .any(|node| node.fed_by.iter().any(Option::is_some));
        if has_feeds && self.nodes.len() <= FEEDS_SHOWN_MAX {
            writeln!(f, "who sends the messages of each node, by receiver:")?;
            for (number, node) in self.nodes.iter().enumerate() {
                let fed_by = node.fed_by.iter().map(|feeder| match feeder {
                    Some(feeder) => format!("{feeder:>3}"),
                    None => String::from("  -"),
                });
                writeln!(f, "{number:>4} <-{}", fed_by.collect::<String>())?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.table().lines() {
            writeln!(f, "{line}")?;
        }
        let (nodes, holding) = (self.nodes.len(), &self.holding);
        writeln!(
            f,
            "{nodes} nodes {} in {}: {}, at most {}",
            match self.topology {
                TopologyArg::Seed => "found each other",
                TopologyArg::Ring | TopologyArg::Full => "connected",
            },
            short(self.formed),
            number_of(self.connections, "connection"),
            number_of(self.hops_max, "hop")
        )?;
        if let Some(seed) = &self.seed {
            writeln!(
                f,
                "each knew nobody but the seed {:.ID_DIGITS$}, which was asked {} times and answered {}",
                seed.id, seed.requests, seed.answers
            )?;
        }
        writeln!(
            f,
            "{}, {}, in {}",
            messages(holding.messages),
            number_of(holding.content_bytes as usize, "byte"),
            short(self.elapsed)
        )?;
        write!(f, "each message came to a node {:.2} times", self.copies())?;
        match self.control_percent() {
            Some(percent) => writeln!(f, ", with {percent:.1} % of bytes beside")?,
            None => writeln!(f)?,
        }
        self.write_spread(f)?;
        if self.has_input {
            let hash = holding.stream.to_hex();
            writeln!(f, "input rebuilt by all, blake3 {}", hash.as_str())?;
        }
        write!(
            f,
            "all {nodes} nodes hold the same {}, digest {}",
            messages(holding.messages),
            holding.set.hex(16)
        )
    }
}

/// So many messages.
pub(super) fn messages(number: u64) -> String {
    number_of(number as usize, "message")
}

/// A value's name, as it is given.
fn name_of<T: ValueEnum>(value: T) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// A duration in at most nine columns: three digits and a unit.
fn short(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    match micros {
        ..1e3 => format!("{micros:.0} us"),
        ..1e6 => format!("{:.2} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::ledger::Ledger;
    use super::*;

    fn report() -> Report {
        let mut ledger = Ledger::default();
        ledger
            .enter(0, Bytes::from_static(b"content"))
            .expect("the first");
        let delay = || Delay {
            p50: Duration::from_micros(999),
            p99: Duration::from_micros(123_456),
            max: Duration::from_secs(12),
        };
        let node = || NodeReport {
            id: "00112233445566778899aabbccddeeff00112233".into(),
            peers: 4,
            received: 123_456_789,
            received_bytes: 7_000_000,
            duplicates: 123_456_789,
            control_bytes: Some(350_000),
            reach: Reach {
                pairs: 400,
                told: 300,
                oldest_missing: Some(Duration::from_millis(1_500)),
            },
            fed_by: vec![None, Some(1)],
            delay: delay(),
        };
        Report {
            nodes: vec![node(), node()],
            holding: ledger.holding(),
            has_input: true,
            elapsed: Duration::from_secs(2),
            gossip: Gossip::Feeds,
            topology: TopologyArg::Seed,
            formed: Duration::from_millis(1_500),
            connections: 2016,
            hops_max: 10,
            seed: Some(SeedReport {
                id: "00112233445566778899aabbccddeeff00112233".into(),
                requests: 1_000,
                answers: 1_000,
            }),
        }
    }

    #[test]
    fn the_table_fits_eighty_columns() {
        let table = report().to_string();
        // The head and a row for each node; sentences may be longer.
        let widest = table.lines().take(3).map(|line| line.chars().count());
        assert!(widest.max().is_some_and(|widest| widest <= 80), "{table}");
        assert!(table.contains("   0  00112233  "), "{table}");
        let copies = "each message came to a node 2.00 times, with 5.0 % of bytes beside";
        assert!(table.contains(copies), "{table}");
        let mut of_no_bytes = report();
        for node in &mut of_no_bytes.nodes {
            node.received_bytes = 0;
        }
        let table_of_none = of_no_bytes.to_string();
        assert!(
            table_of_none.contains("a node 2.00 times\n"),
            "{table_of_none}"
        );
        let reach = "75 % of each node's last messages; oldest unannounced: 1.50 s ago\n";
        assert!(table.contains(reach), "{table}");
        assert!(
            table.contains("\n   0 <-  -  1\n   1 <-  -  1\n"),
            "{table}"
        );
        assert!(table.ends_with(&format!(
            "all 2 nodes hold the same 1 message, digest {}",
            report().holding.set.hex(16)
        )));
    }

    #[test]
    fn the_object_has_a_node_for_each_row() {
        let object = report().to_json();
        assert_eq!(object["messages"], 1);
        assert_eq!(object["nodes"][1]["bytes_per_second"], 3_500_000.0);
        assert_eq!(object["topology"], "seed");
        assert_eq!(object["gossip"], "feeds");
        assert_eq!(object["copies_per_message"], 2.0);
        assert_eq!(object["nodes"][0]["fed_by"], json!([null, 1]));
        assert_eq!(object["nodes"][0]["reach"]["pairs_told"], 300);
        assert_eq!(object["seed"]["requests"], 1_000);
        assert_eq!(object["nodes"][1]["id"].as_str().map(str::len), Some(40));
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(short(Duration::from_micros(7)), "7 us");
        assert_eq!(short(Duration::from_micros(999)), "999 us");
        assert_eq!(short(Duration::from_micros(1_000)), "1.00 ms");
        assert_eq!(short(Duration::from_millis(1_000)), "1.00 s");
    }
}
