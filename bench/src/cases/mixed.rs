//! `mixed`: votes at a fixed rate while block parts and transactions saturate the link.
//!
//! Channels, sizes, queues and priorities are CometBFT's. The first contender sends no votes: what
//! its throughput is to the second's, the votes cost. Latency counts from the moment a vote was
//! meant to be sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use ringwire::peer::{Framing, PeerKey};
use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire_codec::ChannelId;

use crate::case::{Case, FRAMINGS, Plan, Ran};
use crate::engine::beat::{Beat, stamp};
use crate::engine::reactors::{Source, histogram, record};
use crate::engine::{DATA, Setup, Star, TX, VOTE, channel, wait_for};
use crate::measure::Stopwatch;
use crate::outcome::{Outcome, Percentiles};

/// Pause between two votes.
const VOTE_PERIOD: Duration = Duration::from_millis(1);
const VOTE_BYTES: usize = 200;
const PART_BYTES: usize = 65_536;
const TX_BYTES: usize = 1024;
/// Time before the measured window, in which queues and buffers fill.
const WARM_UP: Duration = Duration::from_millis(300);

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let span = plan.amount(Duration::from_millis(500), Duration::from_secs(5));
    let case = |framing| {
        Case::new("mixed", framing, "votes beside bulk")
            .with("without votes", move || run(framing, false, span))
            .with("ringwire", move || run(framing, true, span))
    };
    FRAMINGS.map(case).into_iter().collect()
}

fn channels() -> Vec<ChannelDescriptor> {
    vec![
        channel(DATA, 10, 100),
        channel(VOTE, 7, 100),
        channel(TX, 5, 1),
    ]
}

fn run(framing: Framing, votes: bool, span: Duration) -> Ran {
    let epoch = Instant::now();
    let (done, finished) = mpsc::channel();
    let tally = Arc::new(Tally::default());
    let (counted, from) = (tally.clone(), epoch + WARM_UP);
    let star = Star::connect(
        Setup::polled(framing),
        1,
        move || Mixer::new(epoch, votes),
        move |_| Taker {
            epoch,
            tally: counted.clone(),
            votes: histogram(),
            done: done.clone(),
        },
    )?;
    star.fire(DATA)?;
    // Votes before the window are not measured; starting the nodes took some of the warm-up.
    thread::sleep(WARM_UP.max(from.saturating_duration_since(Instant::now())));
    tally.open(epoch.elapsed());
    let (stopwatch, before) = (Stopwatch::start(), tally.read());
    thread::sleep(span);
    let (sample, after) = (stopwatch.stop(), tally.read());
    star.stop()?;
    let votes = wait_for(&finished, 1)?.remove(0);
    Ok(Outcome {
        bytes: after.0 - before.0,
        latency: (!votes.is_empty()).then(|| Percentiles::of(&votes)),
        ..Outcome::moved(&sample, after.1 - before.1, 0)
    })
}

/// What has been received, and since when votes are measured.
#[derive(Default)]
struct Tally {
    bytes: AtomicU64,
    messages: AtomicU64,
    open_nanos: AtomicU64,
}

impl Tally {
    fn read(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.bytes), read(&self.messages))
    }

    fn open(&self, since: Duration) {
        let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.open_nanos.store(nanos, Ordering::Relaxed);
    }

    /// Whether a vote meant for `at` is inside the window.
    fn is_open(&self, at: Duration) -> bool {
        match self.open_nanos.load(Ordering::Relaxed) {
            0 => false,
            nanos => at >= Duration::from_nanos(nanos),
        }
    }
}

/// Sends all three kinds.
struct Mixer {
    parts: Source,
    txs: Source,
    votes: Option<Beat>,
}

impl Mixer {
    fn new(epoch: Instant, votes: bool) -> Self {
        let bulk = |channel, bytes| Source {
            channels: channels(),
            channel,
            message: Bytes::from(vec![0x5a; bytes]),
            each: usize::MAX,
            left: BTreeMap::new(),
        };
        Mixer {
            parts: bulk(DATA, PART_BYTES),
            txs: bulk(TX, TX_BYTES),
            votes: votes.then(|| Beat::new(epoch, VOTE_PERIOD, VOTE_BYTES)),
        }
    }

    fn vote(&mut self, cx: &mut Context<'_, Self>) {
        let Some(votes) = &mut self.votes else {
            return;
        };
        for peer in cx.peers() {
            let wait = votes.send_due(cx, peer, VOTE);
            cx.set_timer(wait, 0);
        }
    }
}

impl Reactor for Mixer {
    type Peer = ();
    type Note = ();
    type Timer = u64;

    fn channels(&self) -> Vec<ChannelDescriptor> {
        channels()
    }

    fn publish(&mut self, cx: &mut Context<'_, Self>, _: ChannelId, _: Bytes) {
        self.parts.begin(cx);
        self.txs.begin(cx);
        if let Some(votes) = &mut self.votes {
            votes.begin();
        }
        self.vote(cx);
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, _: u64) {
        self.vote(cx);
    }

    fn handle_room(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: PeerKey,
        channel: ChannelId,
        _: &mut (),
    ) {
        match channel {
            DATA => self.parts.fill(cx, peer),
            TX => self.txs.fill(cx, peer),
            _ => {}
        }
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        Err(ReactorError::new("the taker does not answer"))
    }
}

/// Takes all three kinds, and notes how late votes are.
struct Taker {
    epoch: Instant,
    tally: Arc<Tally>,
    votes: Histogram<u64>,
    done: Sender<Histogram<u64>>,
}

impl Reactor for Taker {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        channels()
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        if envelope.channel == VOTE {
            let meant =
                stamp(&envelope.message).ok_or_else(|| ReactorError::new("a vote has no stamp"))?;
            if self.tally.is_open(meant) {
                record(&mut self.votes, self.epoch.elapsed().saturating_sub(meant));
            }
            return Ok(());
        }
        let bytes = envelope.message.len() as u64;
        self.tally.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.tally.messages.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn stop(&mut self, _: &mut Context<'_, Self>) {
        let _ = self.done.send(self.votes.clone());
    }
}
