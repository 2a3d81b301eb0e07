//! `delay`: an application that takes 0, 20 or 100 ms for each 64 KiB message of a peer that sends
//! as fast as it may, the delays of the reference's own bench; and what that does to votes.
//!
//! ```text
//!   slow link:  64 KiB after 64 KiB, votes ─▶┐              ┌─▶ application, takes its time
//!                                            ├─▶ the node ──┤
//!   other link: votes ──────────────────────▶┘              └─▶ reactor of votes
//! ```
//!
//! The application subscribes, as who is slow has to: a reactor that sleeps stops its whole shard.
//! Its peer is then read no faster than it takes, so votes of that same peer wait behind the bulk
//! they were sent after, in any engine with one stream per peer. Votes of others must not wait.
//! Latency is that of the other link; of both links, which part of the votes came in the window.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use ringwire::Subscription;
use ringwire::peer::{Framing, PeerInfo, PeerKey};
use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire::{ChannelId, Engine, NodeId};

use super::drain::QUEUE;
use super::rivals;
use crate::case::{Case, FRAMINGS, Plan, Ran};
use crate::engine::beat::{Beat, stamp};
use crate::engine::reactors::{Source, histogram, record};
use crate::engine::{
    DATA, Setup, VOTE, address_of, channel, config, node_key, start, stop, wait_for,
};
use crate::measure::Stopwatch;
use crate::outcome::{Named, Outcome, Percentiles};

/// How long the application takes for a message.
const DELAYS_MS: [u64; 3] = [0, 20, 100];
const MESSAGE_BYTES: usize = 65_536;
const VOTE_BYTES: usize = 200;
const VOTE_PERIOD: Duration = Duration::from_millis(1);
/// Time before the measured window, in which queues and buffers fill.
const WARM_UP: Duration = Duration::from_millis(500);
/// Numbers of the two senders.
const SLOW_LINK: u32 = 1;
const OTHER_LINK: u32 = 2;

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let span = plan.amount(Duration::from_millis(400), Duration::from_secs(3));
    let mut cases = Vec::new();
    for framing in FRAMINGS {
        for millis in DELAYS_MS {
            let delay = Duration::from_millis(millis);
            let case = Case::new("delay", framing, format!("64 KiB {millis} ms"))
                .with("ringwire", move || run(framing, delay, span));
            let case = rivals::delay(plan, case, framing, MESSAGE_BYTES, span, delay);
            cases.push(case);
        }
    }
    cases
}

fn run(framing: Framing, delay: Duration, span: Duration) -> Ran {
    let epoch = Instant::now();
    let setup = Setup::polled(framing);
    let window = Arc::new(Window::default());
    let (done, finished) = mpsc::channel();
    let links = [SLOW_LINK, OTHER_LINK].map(|number| {
        start(setup, number, 1, move || {
            Feeder::new(epoch, number == SLOW_LINK)
        })
    });
    let [slow, other] = links;
    let (slow, other) = (slow?, other?);
    let votes_window = window.clone();
    let node = Engine::builder(config(framing))
        .node_key(node_key(0))
        .shards(1)
        .busy_poll(setup.busy_poll)
        .channel(channel(DATA, 5, QUEUE))
        .reactor("votes", move |_| Votes {
            epoch,
            window: votes_window.clone(),
            slow: node_key(SLOW_LINK).id(),
            tally: Tally::default(),
            done: done.clone(),
        })
        .start()?;
    let application = Application::start(node.handle().subscribe(DATA)?, delay);
    for link in [&slow, &other] {
        node.handle().dial_blocking(address_of(link.handle()))?;
    }
    thread::sleep(WARM_UP);
    window.open(epoch.elapsed(), span);
    let (stopwatch, before) = (Stopwatch::start(), application.handled());
    thread::sleep(span);
    let (sample, messages) = (stopwatch.stop(), application.handled() - before);
    application.stop();
    stop([node, slow, other])?;
    let tally = wait_for(&finished, 1)?.remove(0);
    if tally.other.is_empty() {
        return Err("no vote came over the other link".into());
    }
    let due = span.as_secs_f64() / VOTE_PERIOD.as_secs_f64();
    let came = |votes: u64| votes as f64 / due * 100.0;
    let cores = sample.cpu.as_secs_f64() / sample.wall.as_secs_f64();
    Ok(Outcome {
        // Most of it is the votes', so it says nothing about a GiB or a message of the bulk.
        cpu_secs: None,
        allocations: None,
        latency: Some(Percentiles::of(&tally.other)),
        others: vec![
            Named::new("CPU, all three nodes", "% of a core", cores * 100.0),
            Named::new("votes in time, other link", "%", came(tally.other.len())),
            Named::new("votes in time, slow link", "%", came(tally.slow)),
        ],
        ..Outcome::moved(&sample, messages, MESSAGE_BYTES as u64)
    })
}

/// The measured time, since the epoch. Closed until it is opened.
#[derive(Default)]
struct Window {
    from_nanos: AtomicU64,
    to_nanos: AtomicU64,
}

impl Window {
    fn open(&self, from: Duration, span: Duration) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).expect("a bench ends in years");
        self.to_nanos.store(nanos(from + span), Ordering::Relaxed);
        self.from_nanos.store(nanos(from), Ordering::Release);
    }

    /// Whether something that was due at one time and done at another falls into it.
    fn holds(&self, due: Duration, done: Duration) -> bool {
        let from = self.from_nanos.load(Ordering::Acquire);
        let to = self.to_nanos.load(Ordering::Relaxed);
        from > 0 && due.as_nanos() >= u128::from(from) && done.as_nanos() <= u128::from(to)
    }
}

/// The slow application: a thread of its own.
struct Application {
    handled: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Application {
    fn start(mut inbox: Subscription, delay: Duration) -> Self {
        let (handled, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (counted, over) = (handled.clone(), is_over.clone());
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) && inbox.recv_blocking().is_some() {
                if !delay.is_zero() {
                    thread::sleep(delay);
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Application {
            handled,
            is_over,
            thread,
        }
    }

    fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    /// Ends it with the message it is at: the link is full, so one more always comes.
    fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the application does not panic");
    }
}

/// Sends votes at a fixed rate, and bulk beside them on the slow link.
struct Feeder {
    bulk: Option<Source>,
    votes: Beat,
}

impl Feeder {
    fn new(epoch: Instant, with_bulk: bool) -> Self {
        let bulk = || Source {
            channels: channels(),
            channel: DATA,
            message: Bytes::from(vec![0x5a; MESSAGE_BYTES]),
            each: usize::MAX,
            left: BTreeMap::new(),
        };
        Feeder {
            bulk: with_bulk.then(bulk),
            votes: Beat::new(epoch, VOTE_PERIOD, VOTE_BYTES),
        }
    }
}

fn channels() -> Vec<ChannelDescriptor> {
    vec![channel(DATA, 5, QUEUE), channel(VOTE, 7, 100)]
}

impl Reactor for Feeder {
    type Peer = ();
    type Note = ();
    type Timer = u64;

    fn channels(&self) -> Vec<ChannelDescriptor> {
        channels()
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, _: &mut ()) {
        self.votes.begin();
        if let Some(bulk) = &mut self.bulk {
            bulk.left.insert(peer.key, bulk.each);
            bulk.fill(cx, peer.key);
        }
        cx.set_timer(VOTE_PERIOD, 0);
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, _: u64) {
        for peer in cx.peers() {
            let wait = self.votes.send_due(cx, peer, VOTE);
            cx.set_timer(wait, 0);
        }
    }

    fn handle_room(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: PeerKey,
        channel: ChannelId,
        _: &mut (),
    ) {
        match &mut self.bulk {
            Some(bulk) if channel == DATA => bulk.fill(cx, peer),
            _ => {}
        }
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        Err(ReactorError::new("the node does not answer"))
    }
}

/// Votes that fell into the window: how late they were, and how many came over the slow link.
#[derive(Clone)]
struct Tally {
    other: Histogram<u64>,
    slow: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            other: histogram(),
            slow: 0,
        }
    }
}

/// Takes the votes of both links.
struct Votes {
    epoch: Instant,
    window: Arc<Window>,
    slow: NodeId,
    tally: Tally,
    done: Sender<Tally>,
}

impl Reactor for Votes {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![channel(VOTE, 7, 100)]
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        let due =
            stamp(&envelope.message).ok_or_else(|| ReactorError::new("a vote has no stamp"))?;
        let now = self.epoch.elapsed();
        if !self.window.holds(due, now) {
            return Ok(());
        }
        if envelope.from.id == self.slow {
            self.tally.slow += 1;
        } else {
            record(&mut self.tally.other, now.saturating_sub(due));
        }
        Ok(())
    }

    fn stop(&mut self, _: &mut Context<'_, Self>) {
        let _ = self.done.send(self.tally.clone());
    }
}
