//! `publish` and `broadcast`: threads of the application that give a node messages which name no peer, each by a
//! `Publisher` or `Broadcaster` of its own, and, as a contender of its own, all by one handle.
//!
//! What is published goes to a reactor that passes it on to the one peer it has, and says that it has no room while
//! the peer has none; so threads wait there. A broadcast waits for nobody: a peer without room misses it. So the
//! application keeps a window, of as many messages as a peer's queue holds, and no message is lost.

use std::collections::VecDeque;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use ringwire::peer::{Framing, PeerInfo, PeerKey};
use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire::{ChannelId, Handle};

use super::drain::{Way, by_bytes};
use super::fan_out::{self, Spread};
use crate::case::{Case, FRAMINGS, Plan, Ran};
use crate::engine::reactors::Sink;
use crate::engine::window::Window;
use crate::engine::{DATA, Setup, Star, channel, wait_for};
use crate::measure::Stopwatch;
use crate::outcome::Outcome;

/// Bytes of a message: what comes from many threads is small.
const MESSAGE_BYTES: usize = 1024;
/// Messages that may wait per peer, and those of the broadcasters' window.
const QUEUE: usize = 1024;
/// Peers that get what is broadcast.
const RECEIVERS: u32 = 7;
/// Places of the window that a thread takes at once, and messages after which a receiver gives some back.
const STEP: usize = 16;

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let mut cases = Vec::new();
    for framing in FRAMINGS {
        for senders in [8, 16] {
            cases.push(publish_case(plan, framing, senders));
            cases.push(broadcast_case(plan, framing, senders));
        }
    }
    cases
}

/// Who sends how much.
#[derive(Clone, Copy)]
struct Work {
    senders: usize,
    /// Messages of each thread: whole steps.
    each: usize,
    receivers: u32,
}

impl Work {
    /// So many bytes, summed over the receivers.
    fn new(total: usize, senders: usize, receivers: u32) -> Self {
        let steps = total / MESSAGE_BYTES / senders / receivers as usize / STEP;
        Work {
            senders,
            each: steps.max(1) * STEP,
            receivers,
        }
    }

    /// Messages of all threads.
    fn count(self) -> usize {
        self.senders * self.each
    }
}

fn publish_case(plan: &Plan, framing: Framing, senders: usize) -> Case {
    let work = Work::new(plan.amount(4 << 20, 256 << 20), senders, 1);
    let name = format!("{} KiB × {senders}", MESSAGE_BYTES >> 10);
    Case::new("publish", framing, name)
        .with_some(
            "limit",
            by_bytes(plan, framing, work.count() * MESSAGE_BYTES),
        )
        .with("ringwire", move || publish(framing, work, Way::OwnSender))
        .with("ringwire (one handle)", move || {
            publish(framing, work, Way::SharedHandle)
        })
}

fn broadcast_case(plan: &Plan, framing: Framing, senders: usize) -> Case {
    let work = Work::new(plan.amount(28 << 20, 512 << 20), senders, RECEIVERS);
    let spread = Spread {
        message_bytes: MESSAGE_BYTES,
        each: work.count(),
        receivers: RECEIVERS,
        slow: None,
    };
    let name = format!("1 → {RECEIVERS} {} KiB × {senders}", MESSAGE_BYTES >> 10);
    Case::new("broadcast", framing, name)
        .with_some("limit", fan_out::limit(plan, framing, spread))
        .with("ringwire", move || broadcast(framing, work, Way::OwnSender))
        .with("ringwire (one handle)", move || {
            broadcast(framing, work, Way::SharedHandle)
        })
}

fn channels() -> Vec<ChannelDescriptor> {
    vec![channel(DATA, 5, QUEUE)]
}

fn publish(framing: Framing, work: Work, way: Way) -> Ran {
    run(
        framing,
        work,
        |_, _| {},
        move |hub, message| {
            let mut publisher = hub.publisher(DATA).map_err(|error| error.to_string())?;
            for _ in 0..work.each {
                match way {
                    Way::OwnSender => told(publisher.publish_blocking(message.clone()))?,
                    Way::SharedHandle => told(hub.publish_blocking(DATA, message.clone()))?,
                }
            }
            Ok(())
        },
    )
}

fn broadcast(framing: Framing, work: Work, way: Way) -> Ran {
    let window = Arc::new(Window::new(QUEUE, work.receivers as usize));
    let progress = window.clone();
    let arrived = move |receiver: usize, left: usize| {
        if left.is_multiple_of(STEP) {
            progress.give_back(receiver, STEP);
        }
    };
    run(framing, work, arrived, move |hub, message| {
        let mut broadcaster = hub.broadcaster(DATA).map_err(|error| error.to_string())?;
        for _ in 0..work.each / STEP {
            window.take(STEP);
            for _ in 0..STEP {
                match way {
                    Way::OwnSender => told(broadcaster.send_blocking(message.clone()))?,
                    Way::SharedHandle => told(hub.broadcast_blocking(DATA, message.clone()))?,
                }
            }
        }
        Ok(())
    })
}

fn told(sent: Result<(), impl ToString>) -> Result<(), String> {
    sent.map_err(|error| error.to_string())
}

/// One node with its peers, and threads that all do `send`; until every peer has everything. `arrived` hears of
/// each message: at which peer, and how many are still to come there.
fn run(
    framing: Framing,
    work: Work,
    arrived: impl Fn(usize, usize) + Clone + Send + Sync + 'static,
    send: impl Fn(&Handle, &Bytes) -> Result<(), String> + Clone + Send + 'static,
) -> Ran {
    let (done, finished) = mpsc::channel();
    let star = Star::connect(
        Setup::polled(framing),
        work.receivers,
        || Relay::new(channels()),
        move |number| Listener {
            arrived: arrived.clone(),
            number: number as usize - 1,
            sink: Sink {
                channels: channels(),
                expected: work.count(),
                message_bytes: MESSAGE_BYTES,
                delay: Duration::ZERO,
                done: done.clone(),
            },
        },
    )?;
    let stopwatch = Stopwatch::start();
    let threads: Vec<_> = (0..work.senders)
        .map(|_| {
            // A message of its own: see the rows `drain`.
            let message = Bytes::from(vec![0x5a; MESSAGE_BYTES]);
            let (hub, send) = (star.hub(), send.clone());
            thread::spawn(move || send(&hub, &message))
        })
        .collect();
    let sent = threads.into_iter().map(|thread| thread.join());
    sent.map(|sent| sent.expect("a sender does not panic"))
        .collect::<Result<Vec<()>, String>>()?;
    wait_for(&finished, work.receivers as usize)?;
    let sample = stopwatch.stop();
    star.stop()?;
    let messages = work.count() as u64 * u64::from(work.receivers);
    Ok(Outcome::moved(&sample, messages, MESSAGE_BYTES as u64))
}

/// Passes on what is published, in order, and has no room while a peer has none.
struct Relay {
    channels: Vec<ChannelDescriptor>,
    peer: Option<PeerKey>,
    /// What was published since a peer was full.
    waiting: VecDeque<Bytes>,
}

impl Relay {
    fn new(channels: Vec<ChannelDescriptor>) -> Self {
        Relay {
            channels,
            peer: None,
            waiting: VecDeque::new(),
        }
    }

    /// Sends to the one peer what it has room for.
    fn pass_on(&mut self, cx: &mut Context<'_, Self>, peer: PeerKey) {
        while let Some(message) = self.waiting.front() {
            if cx.try_send(peer, DATA, message.clone()).is_err() {
                return;
            }
            self.waiting.pop_front();
        }
    }
}

impl Reactor for Relay {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        self.channels.clone()
    }

    fn add_peer(&mut self, _: &mut Context<'_, Self>, peer: &PeerInfo, _: &mut ()) {
        self.peer = Some(peer.key);
    }

    fn has_room(&self, _: ChannelId) -> bool {
        self.waiting.is_empty()
    }

    fn publish(&mut self, cx: &mut Context<'_, Self>, _: ChannelId, message: Bytes) {
        self.waiting.push_back(message);
        if let Some(peer) = self.peer {
            self.pass_on(cx, peer);
        }
    }

    fn handle_room(&mut self, cx: &mut Context<'_, Self>, peer: PeerKey, _: ChannelId, _: &mut ()) {
        self.pass_on(cx, peer);
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        Err(ReactorError::new("nobody answers"))
    }
}

/// A sink whose messages somebody hears of.
struct Listener<F> {
    arrived: F,
    number: usize,
    sink: Sink,
}

impl<F: Fn(usize, usize) + 'static> Reactor for Listener<F> {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        self.sink.channels()
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        self.sink.take(&envelope)?;
        (self.arrived)(self.number, self.sink.expected);
        Ok(())
    }
}
