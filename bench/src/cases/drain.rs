//! `drain`: an amount one way over one link, in messages of one size. `small`: the same with 200
//! bytes, as many as the link takes.
//!
//! Sizes and senders are those of the reference's own bench. One sender is a reactor on the node's
//! shard; eight and sixteen are threads of the application that share one channel, as the reference's
//! are goroutines: each by a `PeerSender` of its own, and, as a contender of its own, all by one handle.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use ringwire::Handle;
use ringwire::error::{SendError, TrySendError};
use ringwire::peer::Framing;
use ringwire::reactor::ChannelDescriptor;
use ringwire_codec::NodeId;

use super::rivals;
use crate::case::{Case, FRAMINGS, Plan, Ran};
use crate::engine::reactors::{Sink, Source};
use crate::engine::{BY_READINESS, DATA, Failure, PATIENCE, Setup, Star, channel, wait_for};
use crate::limit;
use crate::measure::Stopwatch;
use crate::outcome::Outcome;

/// Messages that may wait per peer: what a bulk sender would configure.
pub(super) const QUEUE: usize = 64;
/// The same where messages are small.
const QUEUE_SMALL: usize = 1000;
/// Bytes of a small message: a vote's.
const SMALL_BYTES: usize = 200;

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let mut cases = Vec::new();
    for framing in FRAMINGS {
        for kib in [1usize, 8, 64, 512] {
            for senders in [1, 8, 16] {
                cases.push(drain(plan, framing, kib << 10, senders));
            }
        }
        let count = plan.amount(200_000, 8_000_000);
        let case = Case::new("small", framing, "200 B");
        cases.push(contenders(plan, case, framing, Work::small(count)));
    }
    cases
}

fn drain(plan: &Plan, framing: Framing, message_bytes: usize, senders: usize) -> Case {
    let of = if senders == 1 {
        String::new()
    } else {
        format!(" × {senders}")
    };
    let case = Case::new("drain", framing, format!("{} KiB{of}", message_bytes >> 10));
    // Threads that meet at one channel are slower than the link; they need not move as much.
    let total = match senders {
        1 => plan.amount(32 << 20, 1 << 30),
        _ => plan.amount(4 << 20, 256 << 20),
    };
    let work = Work {
        message_bytes,
        count: (total / message_bytes).max(2 * senders),
        senders,
        queue: QUEUE,
    };
    contenders(plan, case, framing, work)
}

/// How threads of the application send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Each by a `PeerSender` of its own.
    OwnSender,
    /// All by clones of the handle.
    SharedHandle,
}

/// What is moved, and by whom.
#[derive(Clone, Copy)]
struct Work {
    message_bytes: usize,
    count: usize,
    senders: usize,
    queue: usize,
}

impl Work {
    fn small(count: usize) -> Self {
        Work {
            message_bytes: SMALL_BYTES,
            count,
            senders: 1,
            queue: QUEUE_SMALL,
        }
    }

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![channel(DATA, 5, self.queue)]
    }

    fn message(&self) -> Bytes {
        Bytes::from(vec![0x5a; self.message_bytes])
    }
}

/// The limit, if it is asked for: so many bytes over one link.
pub(super) fn by_bytes(
    plan: &Plan,
    framing: Framing,
    total: usize,
) -> Option<impl FnMut() -> Ran + use<>> {
    let cpus = plan.cpus;
    plan.limit.then_some(move || -> Ran {
        let sample = limit::drain(framing, total, cpus)?;
        // The limit has no messages, so it has no figures of them.
        Ok(Outcome {
            messages: 0,
            ..Outcome::moved(&sample, 1, total as u64)
        })
    })
}

fn contenders(plan: &Plan, case: Case, framing: Framing, work: Work) -> Case {
    let limit = by_bytes(plan, framing, work.message_bytes * work.count);
    let cpus = plan.cpus;
    // The page's ratios are to the first contender, the limit by bytes; this one is what a message costs
    // at the least.
    let is_small = work.senders == 1 && work.message_bytes <= limit::MESSAGE_BYTES_MAX;
    let by_message = (plan.limit && is_small).then_some(move || -> Ran {
        let sample = limit::messages(framing, work.message_bytes, work.count, cpus)?;
        let (count, bytes) = (work.count as u64, work.message_bytes as u64);
        Ok(Outcome::moved(&sample, count, bytes))
    });
    let shared = (work.senders > 1)
        .then_some(move || ringwire(Setup::polled(framing), work, Way::SharedHandle));
    let by_readiness = (work.senders == 1)
        .then_some(move || ringwire(Setup::polled(framing).by_readiness(), work, Way::OwnSender));
    let case = case
        .with_some("limit", limit)
        .with_some("limit per message", by_message)
        .with("ringwire", move || {
            ringwire(Setup::polled(framing), work, Way::OwnSender)
        })
        .with_some(BY_READINESS, by_readiness)
        .with_some("ringwire (one handle)", shared);
    rivals::drain(
        plan,
        case,
        framing,
        work.message_bytes,
        work.count,
        work.senders,
    )
}

fn ringwire(setup: Setup, work: Work, way: Way) -> Ran {
    let (done, finished) = mpsc::channel();
    let star = Star::connect(
        setup,
        1,
        move || Source::new(work.channels(), work.message(), work.count),
        move |_| Sink {
            channels: work.channels(),
            expected: work.count / work.senders * work.senders,
            message_bytes: work.message_bytes,
            delay: Duration::ZERO,
            done: done.clone(),
        },
    )?;
    let stopwatch = Stopwatch::start();
    if work.senders == 1 {
        star.fire(DATA)?;
    } else {
        send_from_threads(&star, work, way)?;
    }
    wait_for(&finished, 1)?;
    let sample = stopwatch.stop();
    star.stop()?;
    let count = work.count / work.senders * work.senders;
    Ok(Outcome::moved(
        &sample,
        count as u64,
        work.message_bytes as u64,
    ))
}

fn send_from_threads(star: &Star, work: Work, way: Way) -> Result<(), Failure> {
    let peer = star.leaf_id();
    let senders: Vec<_> = (0..work.senders)
        .map(|_| {
            // A message of its own: threads that count references to one would wait for each other, as those of no
            // application do.
            let (hub, message) = (star.hub(), work.message());
            let mut share = 0..work.count / work.senders;
            thread::spawn(move || send_while(way, || share.next().is_some(), &hub, peer, &message))
        })
        .collect();
    for sender in senders {
        let sent = sender.join().expect("a sender does not panic");
        sent.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What an application does that must not lose a message: tries, and waits when there is no room.
pub(super) fn send_while(
    way: Way,
    mut goes_on: impl FnMut() -> bool,
    hub: &Handle,
    peer: NodeId,
    message: &Bytes,
) -> Result<(), SendError> {
    if way == Way::OwnSender {
        let mut sender = hub.sender(peer, DATA)?;
        while goes_on() {
            sender.send_blocking(message.clone())?;
        }
        return Ok(());
    }
    while goes_on() {
        match hub.try_send(peer, DATA, message.clone()) {
            Ok(()) => {}
            Err(TrySendError::Full(message)) => hub.send_blocking(peer, DATA, message, PATIENCE)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
