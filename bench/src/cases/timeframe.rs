//! `send-timeframe`: as much as goes one way over one link in a fixed time; what has reached the
//! receiving reactor by its end counts.
//!
//! Sizes and senders are those of `drain`. Most of them only with `--full`: the two say the same
//! unless a contender's queues swallow what it has not sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use ringwire::error::SendError;
use ringwire::peer::Framing;
use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};

use super::drain::{QUEUE, Way, send_while};
use super::rivals;
use crate::case::{Case, FRAMINGS, Plan, Ran};
use crate::engine::reactors::Source;
use crate::engine::{DATA, Setup, Star, channel};
use crate::limit;
use crate::measure::Stopwatch;
use crate::outcome::Outcome;

/// Sizes in KiB and senders that run without `--full`.
const ORDINARY: [(usize, usize); 3] = [(1, 1), (64, 1), (64, 8)];

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let mut cases = Vec::new();
    for framing in FRAMINGS {
        for kib in [1usize, 8, 64, 512] {
            for senders in [1, 8, 16] {
                if plan.full || ORDINARY.contains(&(kib, senders)) {
                    cases.push(case(plan, framing, kib, senders));
                }
            }
        }
    }
    cases
}

fn case(plan: &Plan, framing: Framing, kib: usize, senders: usize) -> Case {
    let of = match senders {
        1 => String::new(),
        _ => format!(" × {senders}"),
    };
    let work = Work {
        message_bytes: kib << 10,
        senders,
        span: plan.amount(Duration::from_millis(200), Duration::from_secs(2)),
    };
    let (span, cpus) = (work.span, plan.cpus);
    let limit = plan.limit.then_some(move || -> Ran {
        let (sample, bytes) = limit::timeframe(framing, span, cpus)?;
        // The limit has no messages, so it has no figures of them.
        Ok(Outcome {
            messages: 0,
            ..Outcome::moved(&sample, 1, bytes as u64)
        })
    });
    let case = Case::new("send-timeframe", framing, format!("{kib} KiB{of}"))
        .with_some("limit", limit)
        .with("ringwire", move || ringwire(framing, work));
    rivals::timeframe(plan, case, framing, work.message_bytes, span, senders)
}

#[derive(Clone, Copy)]
struct Work {
    message_bytes: usize,
    senders: usize,
    span: Duration,
}

fn channels() -> Vec<ChannelDescriptor> {
    vec![channel(DATA, 5, QUEUE)]
}

fn ringwire(framing: Framing, work: Work) -> Ran {
    let received = Arc::new(AtomicU64::new(0));
    let (counted, message) = (
        received.clone(),
        Bytes::from(vec![0x5a; work.message_bytes]),
    );
    let sent = message.clone();
    let star = Star::connect(
        Setup::polled(framing),
        1,
        move || Source::new(channels(), sent.clone(), usize::MAX),
        move |_| Counter {
            message_bytes: work.message_bytes,
            received: counted.clone(),
        },
    )?;
    let is_over = Arc::new(AtomicBool::new(false));
    let stopwatch = Stopwatch::start();
    let senders = match work.senders {
        1 => {
            star.fire(DATA)?;
            Vec::new()
        }
        _ => send_from_threads(&star, work, &message, &is_over),
    };
    thread::sleep(work.span);
    let messages = received.load(Ordering::Relaxed);
    let sample = stopwatch.stop();
    is_over.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.join().expect("a sender does not panic")?;
    }
    star.stop()?;
    Ok(Outcome::moved(&sample, messages, work.message_bytes as u64))
}

fn send_from_threads(
    star: &Star,
    work: Work,
    message: &Bytes,
    is_over: &Arc<AtomicBool>,
) -> Vec<JoinHandle<Result<(), SendError>>> {
    let spawn = |_| {
        let (hub, peer, message) = (star.hub(), star.leaf_id(), message.clone());
        let is_over = is_over.clone();
        let goes_on = move || !is_over.load(Ordering::Relaxed);
        thread::spawn(move || send_while(Way::OwnSender, goes_on, &hub, peer, &message))
    };
    (0..work.senders).map(spawn).collect()
}

/// Counts what comes.
struct Counter {
    message_bytes: usize,
    received: Arc<AtomicU64>,
}

impl Reactor for Counter {
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
        if envelope.message.len() != self.message_bytes {
            return Err(ReactorError::new("a message was cut or mixed"));
        }
        self.received.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
