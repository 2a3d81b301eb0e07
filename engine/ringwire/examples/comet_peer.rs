//! Follows a chain: a peer of a CometBFT node that sees its rounds, votes and transactions, fetches
//! each block, and hands transactions in. It validates nothing and has no key to vote with.
//!
//! ```text
//! cargo run --release -p ringwire --example comet_peer -- NETWORK ID@HOST:PORT [TRANSACTION]
//! ```
//!
//! A CometBFT node gossips to who seems to need it. What a peer needs is read from the height, round
//! and step it tells: one that tells none gets no proposal, no vote and no transaction. So the
//! follower says back what the node says of itself:
//!
//! ```text
//!   node                                   follower
//!    │ ── state      NewRoundStep(7, 0, 1) ──▶ │
//!    │ ◀─ state      NewRoundStep(7, 0, 1) ─── │     "I am where you are"
//!    │ ── vote, data, mempool …            ──▶ │     so gossip comes
//!    │ ◀─ blocksync  BlockRequest(6)       ─── │     what has been decided
//!    │ ── blocksync  BlockResponse         ──▶ │
//! ```
//!
//! In a crate of its own it needs
//!
//! ```toml
//! [dependencies]
//! prost = "0.14"
//! ringwire = "0.1"
//! ```

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use prost::Message as _;
use ringwire::bytes::Bytes;
use ringwire::comet::channels::{self, BLOCKSYNC, DATA, MEMPOOL, STATE, VOTE};
use ringwire::peer::PeerInfo;
use ringwire::reactor::ChannelDescriptor;
use ringwire::reactor::{Context, Envelope, Reactor, ReactorError};
use ringwire::{ChannelId, Config, DiscoveryConfig, Engine, NetAddress, NodeKey};

/// What is seen of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// The node has entered a step of a round: 1 waits for the next height, 8 commits.
    Step { height: i64, round: i32, step: u32 },
    /// A vote: of kind 1 a prevote, of kind 2 a precommit.
    Vote {
        height: i64,
        kind: i32,
        validator: i32,
    },
    /// A part of a proposed block.
    Part {
        height: i64,
        index: u32,
        bytes: usize,
    },
    /// A transaction on its way to a block.
    Transaction(Vec<u8>),
    /// A block of the chain, with its transactions.
    Block {
        chain: String,
        height: i64,
        transactions: Vec<Vec<u8>>,
    },
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sight::Step {
                height,
                round,
                step,
            } => {
                write!(f, "step {step} of round {round} at height {height}")
            }
            Sight::Vote {
                height,
                kind,
                validator,
            } => {
                let kind = if *kind == 1 { "prevote" } else { "precommit" };
                write!(f, "{kind} of validator {validator} at height {height}")
            }
            Sight::Part {
                height,
                index,
                bytes,
            } => {
                write!(
                    f,
                    "part {index} of the block at height {height}, {bytes} bytes"
                )
            }
            Sight::Transaction(bytes) => write!(f, "transaction {}", bytes.escape_ascii()),
            Sight::Block {
                chain,
                height,
                transactions,
            } => {
                let count = transactions.len();
                write!(f, "block {height} of {chain} with {count} transactions")?;
                let mut texts = transactions.iter().map(|bytes| bytes.escape_ascii());
                texts.try_for_each(|text| write!(f, " {text}"))
            }
        }
    }
}

/// A node's follower, on the shard beside the socket.
pub(crate) struct Follower {
    sights: Sender<Sight>,
    /// The block to ask for next: the first that is decided after we came.
    next_block: Option<i64>,
    /// Transactions that the application has handed in and a full queue has not taken yet.
    waiting: VecDeque<Bytes>,
}

/// Transactions that wait for room at most; more are forgotten, as a full mempool would.
const WAITING_MAX: usize = 1000;

impl Follower {
    fn new(sights: Sender<Sight>) -> Self {
        Follower {
            sights,
            next_block: None,
            waiting: VecDeque::new(),
        }
    }

    /// Tells the application; when nobody listens any more, nobody misses it.
    fn see(&self, sight: Sight) {
        let _ = self.sights.send(sight);
    }

    /// A message of the consensus channels.
    fn consensus(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: &Envelope<'_>,
    ) -> Result<(), ReactorError> {
        match decode::<wire::Consensus>(&envelope.message)?.sum {
            Some(wire::ConsensusSum::NewRoundStep(step)) => {
                let (height, round) = (step.height, step.round);
                self.see(Sight::Step {
                    height,
                    round,
                    step: step.step,
                });
                // The very words of the node: they are valid, and put us where it is.
                cx.try_send(envelope.from.key, STATE, envelope.message.clone())
                    .map_err(congested)?;
                self.ask_for_blocks(cx, envelope.from, height - 1)
            }
            Some(wire::ConsensusSum::BlockPart(wire::BlockPart { height, part, .. })) => {
                let part = part.ok_or_else(|| ReactorError::new("a part without content"))?;
                self.see(Sight::Part {
                    height,
                    index: part.index,
                    bytes: part.bytes.len(),
                });
                Ok(())
            }
            Some(wire::ConsensusSum::Vote(wire::VoteMessage { vote: Some(vote) })) => {
                let wire::Vote {
                    kind,
                    height,
                    validator,
                    ..
                } = vote;
                self.see(Sight::Vote {
                    height,
                    kind,
                    validator,
                });
                Ok(())
            }
            // Proposals, who has which vote: of no use to who only looks on.
            _ => Ok(()),
        }
    }

    /// Asks for the blocks that were decided since the last time, up to `height`.
    fn ask_for_blocks(
        &mut self,
        cx: &mut Context<'_, Self>,
        from: &PeerInfo,
        height: i64,
    ) -> Result<(), ReactorError> {
        for height in self.next_block.unwrap_or(height.max(1))..=height {
            let request = wire::BlocksyncSum::BlockRequest(wire::Height { height });
            cx.try_send(from.key, BLOCKSYNC, encode_blocksync(request))
                .map_err(congested)?;
            self.next_block = Some(height + 1);
        }
        Ok(())
    }

    /// A message of blocksync: what we asked for, or a question that we have no answer to.
    fn blocksync(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: &Envelope<'_>,
    ) -> Result<(), ReactorError> {
        let answer = match decode::<wire::Blocksync>(&envelope.message)?.sum {
            Some(wire::BlocksyncSum::BlockResponse(wire::BlockResponse { block: Some(block) })) => {
                let header = block.header.unwrap_or_default();
                self.see(Sight::Block {
                    chain: header.chain,
                    height: header.height,
                    transactions: block.data.unwrap_or_default().transactions,
                });
                return Ok(());
            }
            Some(wire::BlocksyncSum::StatusRequest(_)) => {
                wire::BlocksyncSum::StatusResponse(wire::Status { height: 0, base: 0 })
            }
            Some(wire::BlocksyncSum::BlockRequest(height)) => {
                wire::BlocksyncSum::NoBlockResponse(height)
            }
            _ => return Ok(()),
        };
        cx.try_send(envelope.from.key, BLOCKSYNC, encode_blocksync(answer))
            .map_err(congested)
    }

    /// Sends what the application has handed in, as far as there is room.
    fn send_waiting(&mut self, cx: &mut Context<'_, Self>) {
        while let Some(message) = self.waiting.front() {
            if cx.try_broadcast(MEMPOOL, message.clone()) == 0 {
                return;
            }
            self.waiting.pop_front();
        }
    }
}

impl Reactor for Follower {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        [STATE, DATA, VOTE, MEMPOOL, BLOCKSYNC]
            .into_iter()
            .filter_map(channels::find)
            .map(|channel| channel.descriptor())
            .collect()
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, _peer: &PeerInfo, _: &mut ()) {
        self.send_waiting(cx);
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        match envelope.channel {
            BLOCKSYNC => self.blocksync(cx, &envelope),
            MEMPOOL => {
                let message = decode::<wire::Mempool>(&envelope.message)?;
                let transactions = message.transactions.unwrap_or_default().transactions;
                transactions
                    .into_iter()
                    .for_each(|bytes| self.see(Sight::Transaction(bytes)));
                Ok(())
            }
            _ => self.consensus(cx, &envelope),
        }
    }

    /// A transaction of the application's: one `Handle::publish`.
    fn publish(&mut self, cx: &mut Context<'_, Self>, _channel: ChannelId, message: Bytes) {
        let transactions = Some(wire::Transactions {
            transactions: vec![message.to_vec()],
        });
        let message = wire::Mempool { transactions }.encode_to_vec();
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(message.into());
        }
        self.send_waiting(cx);
    }

    fn handle_room(
        &mut self,
        cx: &mut Context<'_, Self>,
        _peer: ringwire::peer::PeerKey,
        _: ChannelId,
        _: &mut (),
    ) {
        self.send_waiting(cx);
    }
}

/// Starts a follower of `node`, and keeps it connected. What it sees comes out of the receiver;
/// transactions go in with `engine.publish_blocking(MEMPOOL, transaction)`.
pub(crate) fn follow(
    network: &str,
    node: NetAddress,
) -> Result<(Engine, Receiver<Sight>), Box<dyn Error>> {
    let config = Config {
        network: network.to_owned(),
        moniker: "follower".into(),
        listen_addrs: vec!["127.0.0.1:0".parse()?],
        persistent_peers: vec![node],
        // It meets nobody but the node.
        discovery: DiscoveryConfig::off(),
        dial_jitter: Duration::ZERO,
        ..Config::default()
    };
    let (sights, seen) = channel();
    let engine = Engine::builder(config)
        .node_key(NodeKey::generate()?)
        .shards(1)
        .reactor("follower", move |_shard| Follower::new(sights.clone()))
        .start()?;
    Ok((engine, seen))
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, node, transactions @ ..] = arguments.as_slice() else {
        return Err("usage: comet_peer NETWORK ID@HOST:PORT [TRANSACTION ...]".into());
    };
    let (engine, seen) = follow(network, node.parse()?)?;
    // What becomes of the connection, on a thread of its own.
    let mut events = engine.handle().events();
    std::thread::spawn(move || {
        events
            .blocking_iter()
            .for_each(|event| eprintln!("{event}"))
    });
    for transaction in transactions {
        engine
            .handle()
            .publish_blocking(MEMPOOL, Bytes::from(transaction.clone()))?;
    }
    for sight in seen {
        println!("{sight}");
    }
    Ok(())
}

fn decode<M: prost::Message + Default>(message: &[u8]) -> Result<M, ReactorError> {
    M::decode(message).map_err(|error| ReactorError::new(format!("not its message: {error}")))
}

fn encode_blocksync(sum: wire::BlocksyncSum) -> Bytes {
    wire::Blocksync { sum: Some(sum) }.encode_to_vec().into()
}

/// A queue of a hundred that is full: the node does not read us, and may be better the next time.
fn congested(error: ringwire::error::TrySendError) -> ReactorError {
    ReactorError::transient(format!("the node does not keep up: {error}"))
}

/// The few messages that are read or written, of `tendermint.{consensus,mempool,blocksync,types}` in
/// 0.34 to 0.38 and `cometbft.….v1` in 1.0: the same bytes. Fields that are left out are skipped.
mod wire {
    use prost::{Message, Oneof};

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Consensus {
        #[prost(oneof = "ConsensusSum", tags = "1, 5, 6")]
        pub(super) sum: Option<ConsensusSum>,
    }

    #[derive(Clone, PartialEq, Oneof)]
    pub(super) enum ConsensusSum {
        #[prost(message, tag = "1")]
        NewRoundStep(NewRoundStep),
        #[prost(message, tag = "5")]
        BlockPart(BlockPart),
        #[prost(message, tag = "6")]
        Vote(VoteMessage),
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct NewRoundStep {
        #[prost(int64, tag = "1")]
        pub(super) height: i64,
        #[prost(int32, tag = "2")]
        pub(super) round: i32,
        #[prost(uint32, tag = "3")]
        pub(super) step: u32,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct BlockPart {
        #[prost(int64, tag = "1")]
        pub(super) height: i64,
        #[prost(message, optional, tag = "3")]
        pub(super) part: Option<Part>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Part {
        #[prost(uint32, tag = "1")]
        pub(super) index: u32,
        #[prost(bytes = "vec", tag = "2")]
        pub(super) bytes: Vec<u8>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct VoteMessage {
        #[prost(message, optional, tag = "1")]
        pub(super) vote: Option<Vote>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Vote {
        #[prost(int32, tag = "1")]
        pub(super) kind: i32,
        #[prost(int64, tag = "2")]
        pub(super) height: i64,
        #[prost(int32, tag = "7")]
        pub(super) validator: i32,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Mempool {
        #[prost(message, optional, tag = "1")]
        pub(super) transactions: Option<Transactions>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Transactions {
        #[prost(bytes = "vec", repeated, tag = "1")]
        pub(super) transactions: Vec<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Blocksync {
        #[prost(oneof = "BlocksyncSum", tags = "1, 2, 3, 4, 5")]
        pub(super) sum: Option<BlocksyncSum>,
    }

    #[derive(Clone, PartialEq, Oneof)]
    pub(super) enum BlocksyncSum {
        #[prost(message, tag = "1")]
        BlockRequest(Height),
        #[prost(message, tag = "2")]
        NoBlockResponse(Height),
        #[prost(message, tag = "3")]
        BlockResponse(BlockResponse),
        #[prost(message, tag = "4")]
        StatusRequest(Nothing),
        #[prost(message, tag = "5")]
        StatusResponse(Status),
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Nothing {}

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Height {
        #[prost(int64, tag = "1")]
        pub(super) height: i64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Status {
        #[prost(int64, tag = "1")]
        pub(super) height: i64,
        #[prost(int64, tag = "2")]
        pub(super) base: i64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct BlockResponse {
        #[prost(message, optional, tag = "1")]
        pub(super) block: Option<Block>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Block {
        #[prost(message, optional, tag = "1")]
        pub(super) header: Option<Header>,
        #[prost(message, optional, tag = "2")]
        pub(super) data: Option<Transactions>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Header {
        #[prost(string, tag = "2")]
        pub(super) chain: String,
        #[prost(int64, tag = "3")]
        pub(super) height: i64,
    }
}
