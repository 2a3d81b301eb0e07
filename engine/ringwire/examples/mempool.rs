//! A mempool that speaks CometBFT's channel 0x30: transactions come from the application or from
//! peers, are checked once, passed on to whoever lacks them, and checked again now and then.
//!
//! ```toml
//! [dependencies]
//! ringwire = { path = "../ringwire/engine/ringwire", features = ["prost"] }
//! prost = "0.14"
//! ```
//!
//! Tests run it in simulated networks (engine/ringwire/tests/examples).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use ringwire::bytes::Bytes;
use ringwire::comet::channels;
use ringwire::comet::mempool::{Message, Txs};
use ringwire::error::CloseReason;
use ringwire::peer::{PeerInfo, PeerKey, ShardId};
use ringwire::reactor::{
    Answers, ChannelDescriptor, Context, Envelope, Proto, Reactor, ReactorError, TypedChannel,
};
use ringwire::{ChannelId, Config, Engine};

/// Transactions that wait at most; more are refused.
const POOL_MAX: usize = 5000;
/// Of these, from one peer: a quarter, so that one that floods leaves room to others.
const PER_PEER_MAX: usize = POOL_MAX / 4;
/// Transactions that are remembered after they left the pool, so that they do not come back.
const CACHE_MAX: usize = 10_000;
/// Bytes of one transaction, as CometBFT has it by default.
const TX_BYTES_MAX: usize = 1024 * 1024;
/// Wrong transactions that a peer may send before it is closed: it may be behind by a block or two.
const WRONG_MAX: u32 = 100;
/// Pause between two looks at what waits.
const RECHECK: Duration = Duration::from_secs(5);

const TXS: TypedChannel<Proto<Message>> = TypedChannel::new(ChannelId(0x30));

/// Says whether a transaction is valid now.
pub(crate) type Check = fn(&[u8]) -> bool;

/// A transaction that waits.
struct Waiting {
    tx: Bytes,
    /// Who brought it: is not sent it, and has it on its account.
    from: Option<PeerKey>,
}

/// What the pool knows of a peer.
#[derive(Default)]
pub(crate) struct Known {
    /// The number of the next transaction to tell it of.
    next: u64,
    /// Transactions of its own that wait.
    brought: usize,
    wrong: u32,
}

/// One shard's pool. All shards have the same transactions.
pub(crate) struct Mempool {
    check: Check,
    /// By the order in which they came.
    waiting: BTreeMap<u64, Waiting>,
    made: u64,
    /// What waits and what did, so that each is checked once.
    cache: BTreeSet<Bytes>,
    forgotten: VecDeque<Bytes>,
}

/// Why a transaction was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// It waits, or was here a while ago.
    Known,
    /// It is too long, or not valid.
    Wrong,
    /// The pool is full, or who brings it has its share.
    Full,
}

impl Mempool {
    /// An empty pool.
    pub(crate) fn new(check: Check) -> Self {
        Mempool {
            check,
            waiting: BTreeMap::new(),
            made: 0,
            cache: BTreeSet::new(),
            forgotten: VecDeque::new(),
        }
    }

    /// Takes a transaction, if it is new and right and there is room.
    fn add(&mut self, tx: &Bytes, from: Option<PeerKey>) -> Result<(), Refused> {
        if self.cache.contains(tx) {
            return Err(Refused::Known);
        }
        if tx.len() > TX_BYTES_MAX || !(self.check)(tx) {
            return Err(Refused::Wrong);
        }
        if self.waiting.len() >= POOL_MAX {
            return Err(Refused::Full);
        }
        self.cache.insert(tx.clone());
        let tx = tx.clone();
        self.waiting.insert(self.made, Waiting { tx, from });
        self.made += 1;
        Ok(())
    }

    /// Takes what is valid no more out of the pool; for a while it does not come back.
    fn recheck(&mut self, cx: &mut Context<'_, Self>) {
        let is_gone = |_: &u64, waiting: &mut Waiting| !(self.check)(&waiting.tx);
        let taken: Vec<_> = self.waiting.extract_if(.., is_gone).collect();
        for (_, Waiting { tx, from }) in taken {
            if let Some(known) = from.and_then(|from| cx.state_mut(from)) {
                known.brought -= 1;
            }
            self.forgotten.push_back(tx);
        }
        let surplus = self.forgotten.len().saturating_sub(CACHE_MAX);
        for oldest in self.forgotten.drain(..surplus) {
            self.cache.remove(&oldest);
        }
    }

    /// Tells a peer what it lacks, until its channel is full; `handle_room` goes on. Returns the
    /// number of the next one.
    fn walk(&self, cx: &mut Context<'_, Self>, peer: PeerKey, next: u64) -> u64 {
        for (number, waiting) in self.waiting.range(next..) {
            let txs = vec![waiting.tx.clone()];
            let message = Proto(Message {
                txs: Some(Txs { txs }),
            });
            if waiting.from != Some(peer) && TXS.try_send(cx, peer, &message).is_err() {
                return *number;
            }
        }
        self.made
    }

    /// Tells all peers of this shard, but the one at hand, what is new.
    fn tell(&self, cx: &mut Context<'_, Self>) {
        for peer in cx.peers() {
            if let Some(next) = cx.state(peer).map(|known| known.next) {
                let next = self.walk(cx, peer, next);
                if let Some(known) = cx.state_mut(peer) {
                    known.next = next;
                }
            }
        }
    }

    /// Tells peers and the other shards of a new transaction.
    fn spread(&self, cx: &mut Context<'_, Self>, tx: &Bytes) {
        self.tell(cx);
        cx.send_note_to_others(tx);
    }
}

impl Reactor for Mempool {
    type Peer = Known;
    /// A transaction that another shard took.
    type Note = Bytes;
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        Vec::from_iter(channels::find(TXS.id()).map(|comet| comet.descriptor()))
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        cx.set_timer(RECHECK, ());
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, known: &mut Known) {
        known.next = self.walk(cx, peer.key, 0);
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        known: &mut Known,
    ) -> Result<(), ReactorError> {
        let from = envelope.from.key;
        for tx in TXS.decode(&envelope)?.0.txs.unwrap_or_default().txs {
            if known.brought >= PER_PEER_MAX {
                // It is not to blame, and others will bring what it has.
                break;
            }
            match self.add(&tx, Some(from)) {
                Ok(()) => {
                    known.brought += 1;
                    self.spread(cx, &tx);
                }
                Err(Refused::Wrong) => known.wrong += 1,
                Err(Refused::Known | Refused::Full) => {}
            }
        }
        // Of what others brought meanwhile it has heard by `spread`; its own it has.
        known.next = self.walk(cx, from, known.next);
        match known.wrong {
            ..=WRONG_MAX => Ok(()),
            _ => Err(ReactorError::new("too many wrong transactions")),
        }
    }

    fn handle_room(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: PeerKey,
        _: ChannelId,
        known: &mut Known,
    ) {
        known.next = self.walk(cx, peer, known.next);
    }

    fn handle_note(&mut self, cx: &mut Context<'_, Self>, _: ShardId, tx: Bytes) {
        if self.add(&tx, None).is_ok() {
            self.tell(cx);
        }
    }

    fn note_bytes(tx: &Bytes) -> usize {
        tx.len()
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, (): ()) {
        self.recheck(cx);
        cx.set_timer(RECHECK, ());
    }

    fn remove_peer(
        &mut self,
        _: &mut Context<'_, Self>,
        peer: &PeerInfo,
        _: Known,
        _: &CloseReason,
    ) {
        let brought = self
            .waiting
            .values_mut()
            .filter(|waiting| waiting.from == Some(peer.key));
        brought.for_each(|waiting| waiting.from = None);
    }
}

/// Take this transaction.
pub(crate) struct Submit(pub(crate) Bytes);

impl Answers<Submit> for Mempool {
    type Answer = Result<(), Refused>;

    fn answer(&mut self, cx: &mut Context<'_, Self>, Submit(tx): Submit) -> Self::Answer {
        self.add(&tx, None)?;
        self.spread(cx, &tx);
        Ok(())
    }
}

/// How many transactions wait?
#[derive(Clone)]
pub(crate) struct Len;

impl Answers<Len> for Mempool {
    type Answer = usize;

    fn answer(&mut self, _: &mut Context<'_, Self>, _: Len) -> usize {
        self.waiting.len()
    }
}

/// Two nodes in one process.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = || -> Result<Engine, Box<dyn std::error::Error>> {
        let config = Config {
            network: "mempool".into(),
            listen_addrs: vec!["127.0.0.1:0".parse()?],
            ..Config::default()
        };
        let builder = Engine::builder(config).shards(2);
        let pool = |_| Mempool::new(|tx| tx.starts_with(b"pay"));
        Ok(builder.reactor("mempool", pool).start()?)
    };
    let engines = [node()?, node()?];
    let [here, there] = engines.each_ref().map(Engine::handle);
    let address = format!("{}@{}", there.node_id(), there.listen_addr());
    here.dial_blocking(address.parse()?)?;
    let (pool, within) = (here.reactor::<Mempool>(), Duration::from_secs(5));
    for number in 0..100 {
        let tx = Submit(Bytes::from(format!("pay {number}")));
        let _ = pool.ask_blocking(ShardId(0), tx, within)?;
    }
    std::thread::sleep(Duration::from_millis(200));
    let lens = there.reactor::<Mempool>().ask_all_blocking(Len, within)?;
    println!("transactions that wait on each shard of the other node: {lens:?}");
    Ok(())
}
