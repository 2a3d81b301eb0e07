//! What a local network can be told.

use std::io::{self, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use ringwire::TransportChoice;
use ringwire_codec::file::{self, FileKind};
use ringwire_core::config::SHARDS_MAX;

use super::graph::Graph;
use super::source::{CONTENT_BYTES_MAX, Source, Stream};
use super::stamp::STAMP_BYTES;
use crate::failure::Failure;
use crate::flag_values::{time_over_zero, within};
use crate::gossip::Gossip;

/// Nodes of a local network at most; each needs a thread per shard and a socket per peer.
const NODES_MAX: u64 = 64;

/// Peers that each node dials if nothing else is asked for: enough for a network of 64 to hang
/// together whoever finds whom, and few enough that messages need several hops.
const OUTBOUND_PEERS: usize = 3;

/// Chords from each node if nothing else is asked for.
const CHORDS: usize = 1;

/// Run a network of nodes in this process and check that nothing is lost.
///
/// Starts several whole nodes in this process, on ports of 127.0.0.1 and with keys of their own.
/// Each is told of one more node only, a seed, and they find each other through it. Then each
/// message spreads from one of them to all others, over several hops.
///
/// Last it checks: every node holds every message exactly once, and with --input every node can
/// rebuild the input byte for byte. Anything else ends with exit code 1 and the reason.
///
/// Without --input it makes up its messages. Rates are not limited. Delays run from the publishing
/// of a message to its delivery on another node, so they grow with --window.
#[derive(Args)]
pub(crate) struct LocalnetArgs {
    /// Nodes to start.
    #[arg(long, value_name = "N", default_value_t = 8,
        value_parser = within::<usize, 2, NODES_MAX>)]
    pub(super) nodes: usize,
    /// Threads that carry the traffic of each node.
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = within::<usize, 1, { SHARDS_MAX as u64 }>)]
    pub(super) shards: usize,
    /// How bytes are moved: auto, io_uring or readiness.
    #[arg(long, value_name = "WAY", default_value_t)]
    pub(super) transport: TransportChoice,
    /// How messages spread.
    #[arg(long, value_enum, default_value_t = Gossip::Feeds)]
    pub(super) gossip: Gossip,
    /// How the nodes come to know each other.
    #[arg(long, value_enum, default_value_t = TopologyArg::Seed)]
    pub(super) topology: TopologyArg,
    /// Peers that each node dials of its own accord; for the topology seed. [default: 3]
    #[arg(long, value_name = "N",
        value_parser = within::<usize, 1, { NODES_MAX - 1 }>)]
    outbound_peers: Option<usize>,
    /// Chords from each node across the ring, 0 for the bare ring; for the topology ring.
    /// [default: 1]
    #[arg(long, value_name = "N",
        value_parser = within::<usize, 0, { NODES_MAX / 2 }>)]
    chords: Option<usize>,
    /// Spread this file, cut in chunks; - reads standard input.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Bytes of a chunk of the input.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024, requires = "input",
        value_parser = within::<usize, 1, { CONTENT_BYTES_MAX as u64 }>)]
    chunk: usize,
    /// Cut the input at newlines instead: one message per line.
    #[arg(long, requires = "input", conflicts_with = "chunk")]
    lines: bool,
    /// Messages to make up.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20_000,
        conflicts_with = "input",
        value_parser = within::<u64, 1, { u64::MAX }>
    )]
    messages: u64,
    /// Bytes of each message made up.
    #[arg(long, value_name = "BYTES", default_value_t = 1024, conflicts_with = "input",
        value_parser = within::<usize, 0, { CONTENT_BYTES_MAX as u64 }>)]
    size: usize,
    /// Record layer between the nodes.
    #[arg(long, value_enum, default_value_t = FramingArg::Wide)]
    pub(super) framing: FramingArg,
    /// Messages under way at once: a new one is published when the slowest node is no further
    /// behind.
    #[arg(long, value_name = "N", default_value_t = 256,
        value_parser = within::<u64, 1, { 1 << 15 }>)]
    pub(super) window: u64,
    /// Give up when nothing moves for so long.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time_over_zero)]
    pub(super) timeout: Duration,
    /// Serve metrics for Prometheus while it runs: those of node N at http://HOST:(PORT + N)/metrics.
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<SocketAddr>,
    /// Show no progress.
    #[arg(long)]
    pub(super) quiet: bool,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

/// How the nodes come to know each other.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TopologyArg {
    /// Each knows one seed only, and they find each other through it.
    Seed,
    /// Each is told whom to dial: the next one on a ring, and some across it.
    Ring,
    /// Each is told of all others.
    Full,
}

/// What the nodes are told at their start.
pub(super) enum Plan {
    /// A seed, and how many peers to dial.
    Seed {
        /// Peers that each node dials of its own accord.
        outbound_peers: usize,
    },
    /// Whom to dial.
    Wired(Graph),
}

/// Record layer between the nodes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FramingArg {
    /// Ringwire's wide records, AES-256-GCM.
    Wide,
    /// CometBFT's frames, ChaCha20-Poly1305.
    Comet,
}

impl LocalnetArgs {
    /// What the nodes are to be told.
    ///
    /// # Errors
    /// A flag is meant for another topology, or messages are longer than can be spread so.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let (flag, bytes) = match self.input {
            Some(_) => ("--chunk", self.chunk),
            None => ("--size", self.size),
        };
        let max = self.gossip.bytes_max() - STAMP_BYTES;
        if bytes > max {
            return Err(Failure::misused(format!(
                "{flag} {bytes}: {max} bytes at most are flooded; take --gossip feeds, or less"
            )));
        }
        let foreign = match self.topology {
            TopologyArg::Seed => self.chords.map(|_| ("--chords", "ring")),
            TopologyArg::Ring => self.outbound_peers.map(|_| ("--outbound-peers", "seed")),
            TopologyArg::Full => None
                .or(self.chords.map(|_| ("--chords", "ring")))
                .or(self.outbound_peers.map(|_| ("--outbound-peers", "seed"))),
        };
        if let Some((flag, topology)) = foreign {
            return Err(Failure::misused(format!(
                "{flag} is for --topology {topology}: give that, or take the flag out"
            )));
        }
        Ok(match self.topology {
            TopologyArg::Seed => Plan::Seed {
                outbound_peers: self.outbound_peers.unwrap_or(OUTBOUND_PEERS),
            },
            TopologyArg::Ring => {
                Plan::Wired(Graph::ring(self.nodes, self.chords.unwrap_or(CHORDS)))
            }
            TopologyArg::Full => Plan::Wired(Graph::full(self.nodes)),
        })
    }

    /// Where the metrics of a node are served, if anywhere.
    ///
    /// # Errors
    /// There is no such port.
    pub(super) fn metrics_at(&self, number: usize) -> Result<Option<SocketAddr>, Failure> {
        let Some(first) = self.metrics else {
            return Ok(None);
        };
        let number = u16::try_from(number).ok();
        match number.and_then(|number| first.port().checked_add(number)) {
            Some(port) if first.port() > 0 => Ok(Some(SocketAddr::new(first.ip(), port))),
            _ => Err(Failure::misused(format!(
                "--metrics {first}: each of {} nodes needs a port of its own, from this one on: take \
                 one from 1 to {}",
                self.nodes,
                usize::from(u16::MAX) + 1 - self.nodes,
            ))),
        }
    }

    /// Opens what is to be spread; with it the number of messages, if that is known.
    pub(super) fn source(&self) -> Result<(Source, Option<u64>), Failure> {
        let Some(path) = &self.input else {
            let source = Source::Made {
                next: 0,
                messages: self.messages,
                size: self.size,
            };
            return Ok((source, Some(self.messages)));
        };
        if path == Path::new("-") {
            return Ok((self.cut(Box::new(BufReader::new(io::stdin()))), None));
        }
        let cannot_read = |error| Failure::new(format!("{}: {error}", path.display()));
        let kind = FileKind::at(path).map_err(cannot_read)?;
        if matches!(kind, FileKind::Pipe | FileKind::CharacterDevice) {
            let stream = Stream::new(path.clone());
            return Ok((self.cut(Box::new(BufReader::new(stream))), None));
        }
        let file = file::open(path).map_err(cannot_read)?;
        let bytes = file.metadata().map_err(cannot_read)?.len();
        let messages = (!self.lines).then(|| bytes.div_ceil(self.chunk as u64));
        Ok((self.cut(Box::new(BufReader::new(file))), messages))
    }

    /// Whether the messages together are an input that can be rebuilt.
    pub(super) fn has_input(&self) -> bool {
        self.input.is_some()
    }

    fn cut(&self, input: Box<dyn io::BufRead + Send>) -> Source {
        if self.lines {
            Source::Lines { input }
        } else {
            Source::Chunks {
                input,
                chunk_bytes: self.chunk,
            }
        }
    }
}
