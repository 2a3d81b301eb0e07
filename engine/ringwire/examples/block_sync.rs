//! Block sync that speaks CometBFT's channel 0x40: who has a chain serves it, and who is behind asks
//! all its peers for ranges at once, and puts what comes in order.
//!
//! ```toml
//! [dependencies]
//! ringwire = { path = "../ringwire/engine/ringwire", features = ["prost"] }
//! prost = "0.14"
//! ```
//!
//! Tests run it in simulated networks (engine/ringwire/tests/examples).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringwire::bytes::Bytes;
use ringwire::comet::blocksync::{
    BlockResponse, Height, Message, StatusRequest, StatusResponse, Sum,
};
use ringwire::comet::channels;
use ringwire::error::CloseReason;
use ringwire::peer::{PeerInfo, ShardId};
use ringwire::reactor::{
    Answers, ChannelDescriptor, Context, Envelope, Proto, Reactor, ReactorError, Requests,
    TypedChannel,
};
use ringwire::{ChannelId, Config, Engine, NodeId};

/// Heights that are asked for ahead of the chain: what comes out of order waits in memory.
const WINDOW: i64 = 64;
/// Blocks that one peer owes at most, and the time it has for each (as CometBFT).
const PER_PEER_MAX: usize = 20;
const BLOCK_WITHIN: Duration = Duration::from_secs(15);
/// Pause between two looks for answers that did not come, and at who has grown.
const TICK: Duration = Duration::from_secs(1);

const SYNC: TypedChannel<Proto<Message>> = TypedChannel::new(ChannelId(0x40));

/// What a chain says to a block: its height, if it is one that may follow `tip` sooner or later.
pub(crate) type Verify = fn(block: &[u8]) -> Option<i64>;

/// A peer, and the shard on which it lives.
type Peer = (ShardId, NodeId);

/// What shards tell each other.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// To the coordinator's shard: a peer said something that the plan is about.
    Heard(NodeId, Sum),
    /// To the coordinator's shard: a peer is gone.
    Gone(NodeId),
    /// From it: ask a peer of yours.
    Ask(NodeId, i64),
    /// From it: a peer of yours lied, or is too slow.
    Stop(NodeId, &'static str),
    /// From it to all: the next block of the chain.
    Grown(Bytes),
}

/// What the coordinator's shard plans.
struct Plan {
    requests: Requests<Peer, i64>,
    /// Who has which heights.
    peers: BTreeMap<Peer, StatusResponse>,
    /// Blocks that came before their turn.
    early: BTreeMap<i64, Bytes>,
}

/// One shard's part. All shards have the chain and serve it; the coordinator's plans.
pub(crate) struct BlockSync {
    verify: Verify,
    /// From height 1 on.
    chain: Vec<Bytes>,
    plan: Plan,
}

impl BlockSync {
    /// A node with this chain.
    pub(crate) fn new(chain: Vec<Bytes>, verify: Verify) -> Self {
        BlockSync {
            verify,
            chain,
            plan: Plan {
                requests: Requests::new(PER_PEER_MAX, BLOCK_WITHIN),
                peers: BTreeMap::new(),
                early: BTreeMap::new(),
            },
        }
    }

    fn height(&self) -> i64 {
        i64::try_from(self.chain.len()).expect("a chain in memory is short")
    }

    fn status(&self) -> Sum {
        let (height, base) = (self.height(), i64::from(!self.chain.is_empty()));
        Sum::StatusResponse(StatusResponse { height, base })
    }

    /// Asks for what is missing, of whoever has it and owes least.
    fn ask_on(&mut self, cx: &mut Context<'_, Self>) {
        let next = self.height() + 1;
        let plan = &mut self.plan;
        for height in next..next + WINDOW {
            if plan.early.contains_key(&height) || plan.requests.is_open(&height) {
                continue;
            }
            let have = plan.peers.iter().filter(|(_, status)| status.has(height));
            let Some((&peer, _)) = have.min_by_key(|(peer, _)| plan.requests.open_of(**peer))
            else {
                continue;
            };
            if plan.requests.begin(cx.now(), peer, height).is_err() {
                return;
            }
            cx.send_note(peer.0, Note::Ask(peer.1, height));
        }
    }

    /// Takes what follows on the chain, on all shards.
    fn grow(&mut self, cx: &mut Context<'_, Self>) {
        while let Some(block) = self.plan.early.remove(&(self.height() + 1)) {
            cx.send_note_to_others(&Note::Grown(block.clone()));
            self.chain.push(block);
        }
        self.ask_on(cx);
    }

    /// The plan hears what a peer said.
    fn hear(&mut self, cx: &mut Context<'_, Self>, peer: Peer, sum: Sum) {
        match sum {
            Sum::StatusResponse(status) => {
                self.plan.peers.insert(peer, status);
                self.ask_on(cx);
            }
            Sum::BlockResponse(BlockResponse { block, .. }) => match (self.verify)(&block) {
                Some(height) if self.plan.requests.handle_answer(peer, &height) => {
                    self.plan.early.insert(height, block);
                    self.grow(cx);
                }
                Some(_) => {} // Too late, or unasked; somebody else has been asked.
                None => self.give_up(cx, peer, "sent a block that is none"),
            },
            Sum::NoBlockResponse(_) => self.give_up(cx, peer, "has not what it said it has"),
            Sum::BlockRequest(_) | Sum::StatusRequest(_) => {}
        }
    }

    fn give_up(&mut self, cx: &mut Context<'_, Self>, peer: Peer, why: &'static str) {
        self.forget(cx, peer);
        cx.send_note(peer.0, Note::Stop(peer.1, why));
    }

    /// What a peer owes is asked of others.
    fn forget(&mut self, cx: &mut Context<'_, Self>, peer: Peer) {
        self.plan.peers.remove(&peer);
        self.plan.requests.handle_peer_gone(peer);
        self.ask_on(cx);
    }
}

fn say(cx: &mut Context<'_, BlockSync>, to: &NodeId, sum: Sum) {
    if let Some(key) = cx.find_peer(to) {
        // A full queue loses an answer; who asked asks somebody else when its time is over.
        let _ = SYNC.try_send(cx, key, &Proto(Message { sum: Some(sum) }));
    }
}

impl Reactor for BlockSync {
    type Peer = ();
    type Note = Note;
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        Vec::from_iter(channels::find(SYNC.id()).map(|comet| comet.descriptor()))
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        cx.set_timer(TICK, ());
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, (): &mut ()) {
        say(cx, &peer.id, self.status());
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        (): &mut (),
    ) -> Result<(), ReactorError> {
        let Some(sum) = SYNC.decode(&envelope)?.0.sum else {
            return Err(ReactorError::new("channel 0x40: Message.sum: it is empty"));
        };
        let answer = match sum {
            Sum::BlockRequest(Height { height }) => {
                let place = height
                    .checked_sub(1)
                    .and_then(|place| usize::try_from(place).ok());
                match place.and_then(|place| self.chain.get(place)).cloned() {
                    Some(block) => Sum::BlockResponse(BlockResponse::new(block)),
                    None => Sum::NoBlockResponse(Height { height }),
                }
            }
            Sum::StatusRequest(_) => self.status(),
            sum => {
                cx.send_note(ShardId::COORDINATOR, Note::Heard(envelope.from.id, sum));
                return Ok(());
            }
        };
        say(cx, &envelope.from.id, answer);
        Ok(())
    }

    fn handle_note(&mut self, cx: &mut Context<'_, Self>, from: ShardId, note: Note) {
        match note {
            Note::Heard(id, sum) => self.hear(cx, (from, id), sum),
            Note::Gone(id) => self.forget(cx, (from, id)),
            Note::Grown(block) => self.chain.push(block),
            Note::Ask(id, height) => say(cx, &id, Sum::BlockRequest(Height { height })),
            Note::Stop(id, why) => {
                if let Some(key) = cx.find_peer(&id) {
                    cx.stop_peer(key, ReactorError::new(why));
                }
            }
        }
    }

    fn note_bytes(note: &Note) -> usize {
        match note {
            Note::Grown(block)
            | Note::Heard(_, Sum::BlockResponse(BlockResponse { block, .. })) => block.len(),
            _ => 0,
        }
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, (): ()) {
        let expired = std::iter::from_fn(|| self.plan.requests.poll_expired(cx.now()));
        let slow: BTreeSet<Peer> = expired.map(|(peer, _)| peer).collect();
        for peer in slow {
            self.give_up(cx, peer, "did not send a block in time");
        }
        for key in cx.peers() {
            let request = Sum::StatusRequest(StatusRequest {});
            let _ = SYNC.try_send(cx, key, &Proto(Message { sum: Some(request) }));
        }
        cx.set_timer(TICK, ());
    }

    fn remove_peer(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: &PeerInfo,
        (): (),
        _: &CloseReason,
    ) {
        cx.send_note(ShardId::COORDINATOR, Note::Gone(peer.id));
    }
}

/// How high is the chain here?
#[derive(Clone)]
pub(crate) struct Tip;

impl Answers<Tip> for BlockSync {
    type Answer = i64;

    fn answer(&mut self, _: &mut Context<'_, Self>, _: Tip) -> i64 {
        self.height()
    }
}

/// Two nodes in one process.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = |chain: Vec<Bytes>| -> Result<Engine, Box<dyn std::error::Error>> {
        let config = Config {
            network: "block-sync".into(),
            listen_addrs: vec!["127.0.0.1:0".parse()?],
            ..Config::default()
        };
        let verify = |block: &[u8]| std::str::from_utf8(block).ok()?.trim().parse().ok();
        let builder = Engine::builder(config).shards(2);
        let sync = move |_| BlockSync::new(chain.clone(), verify);
        Ok(builder.reactor("sync", sync).start()?)
    };
    // A block of this chain is its height.
    let chain = (1..=1000).map(|height| Bytes::from(format!("{height:1024}")));
    let engines = [node(chain.collect())?, node(Vec::new())?];
    let [full, empty] = engines.each_ref().map(Engine::handle);
    let address = format!("{}@{}", full.node_id(), full.listen_addr());
    empty.dial_blocking(address.parse()?)?;
    let (sync, within) = (empty.reactor::<BlockSync>(), Duration::from_secs(5));
    let mut tip = 0;
    while tip < 1000 {
        std::thread::sleep(Duration::from_millis(50));
        tip = sync.ask_blocking(ShardId(0), Tip, within)?;
        println!("height {tip}");
    }
    Ok(())
}
