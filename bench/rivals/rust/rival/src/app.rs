//! What the application does: sends, counts what comes, and sends it back.

use std::time::Instant;

use bytes::Bytes;
use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::{Failure, Link, Outcome, Pair, Stopwatch, Tally, Task, Work};

/// Does the work over connections that stand, one to each receiver.
///
/// # Errors
/// When a connection breaks, or a message is not what was sent; when links cannot do it.
pub async fn do_work(pairs: Vec<Pair>, work: &Work) -> Result<Outcome, Failure> {
    match work.task {
        Task::Spread | Task::Timeframe => spread(pairs, work).await,
        Task::Gossip => Err("links do not gossip".into()),
        Task::PingPong => {
            let pair = pairs.into_iter().next().ok_or("there is no connection")?;
            ping_pong(pair, work).await
        }
    }
}

/// An empty histogram of nanoseconds, with three digits that count.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are valid")
}

async fn spread(pairs: Vec<Pair>, work: &Work) -> Result<Outcome, Failure> {
    let message = Bytes::from(vec![0x5a; work.bytes]);
    let stopwatch = Stopwatch::start();
    let (mut senders, mut receivers) = (JoinSet::new(), JoinSet::new());
    let tally = Tally::default();
    // The other halves of the links stay here, or the connections would end.
    let mut idle = Vec::new();
    for Pair { hub, leaf } in pairs {
        for _ in 0..work.senders {
            let share = work.count / work.senders;
            senders.spawn(send(hub.outbound.clone(), message.clone(), share));
        }
        receivers.spawn(count(leaf.inbound, work.count, work.bytes, tally.clone()));
        idle.push((hub.inbound, hub.outbound, leaf.outbound));
    }
    if work.task == Task::Timeframe {
        return timeframe(receivers, work, &stopwatch, &tally).await;
    }
    for done in senders.join_all().await {
        done?;
    }
    for done in receivers.join_all().await {
        done?;
    }
    let outcome = stopwatch.moved(work);
    drop(idle);
    Ok(outcome)
}

/// What has come when the time is over, unless a receiver ends before it.
async fn timeframe(
    mut receivers: JoinSet<Result<(), Failure>>,
    work: &Work,
    stopwatch: &Stopwatch,
    tally: &Tally,
) -> Result<Outcome, Failure> {
    tokio::select! {
        () = tokio::time::sleep(work.span) => Ok(stopwatch.moved_messages(work, tally.messages())),
        ended = receivers.join_next() => Err(match ended {
            Some(Ok(Err(error))) => error,
            _ => "a receiver has ended early".into(),
        }),
    }
}

async fn send(to: mpsc::Sender<Bytes>, message: Bytes, count: usize) -> Result<(), Failure> {
    for _ in 0..count {
        let sent = to.send(message.clone()).await;
        sent.map_err(|_| "the connection ended while messages were sent")?;
    }
    Ok(())
}

async fn count(
    mut from: mpsc::Receiver<Bytes>,
    expected: usize,
    message_bytes: usize,
    tally: Tally,
) -> Result<(), Failure> {
    for received in 0..expected {
        let message = from.recv().await;
        let message =
            message.ok_or_else(|| format!("{received} of {expected} messages have come"))?;
        check(&message, message_bytes)?;
        tally.add();
    }
    Ok(())
}

async fn ping_pong(pair: Pair, work: &Work) -> Result<Outcome, Failure> {
    let Pair { mut hub, leaf } = pair;
    tokio::spawn(echo(leaf));
    let message = Bytes::from(vec![0x5a; work.bytes]);
    let mut histogram = histogram();
    for _ in 0..work.count {
        let sent_at = Instant::now();
        hub.outbound.send(message.clone()).await?;
        let back = hub.inbound.recv().await.ok_or("a ping did not come back")?;
        histogram.record(sent_at.elapsed().as_nanos() as u64)?;
        check(&back, work.bytes)?;
    }
    Ok(Outcome::timed(&histogram))
}

async fn echo(mut leaf: Link) {
    while let Some(message) = leaf.inbound.recv().await {
        // When the connection ends first, the pinger says so.
        if leaf.outbound.send(message).await.is_err() {
            return;
        }
    }
}

fn check(message: &[u8], bytes: usize) -> Result<(), Failure> {
    match message.len() == bytes {
        true => Ok(()),
        false => Err(format!("a message of {} bytes, not {bytes}", message.len()).into()),
    }
}
