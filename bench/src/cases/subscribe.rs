//! `subscribe`: `drain` the whole way between the threads of two applications. One thread or eight send, each
//! by a `PeerSender`; on the other side a thread takes what has come from a subscription, in batches or,
//! as a contender of its own, one by one.

use std::thread::{self, JoinHandle};

use bytes::Bytes;
use ringwire::peer::Framing;
use ringwire::{Delivery, Engine, Subscription};

use super::drain::{QUEUE, Way, by_bytes, send_while};
use crate::case::{Case, FRAMINGS, Plan, Ran};
use crate::engine::{DATA, Failure, PATIENCE, Setup, address_of, channel, config, node_key, stop};
use crate::measure::Stopwatch;
use crate::outcome::Outcome;

/// Messages that the receiving thread takes at once.
const BATCH: usize = 64;

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let mut cases = Vec::new();
    for framing in FRAMINGS {
        for kib in [1usize, 64] {
            for senders in [1, 8] {
                cases.push(case(plan, framing, kib << 10, senders));
            }
        }
    }
    cases
}

fn case(plan: &Plan, framing: Framing, message_bytes: usize, senders: usize) -> Case {
    let of = match senders {
        1 => String::new(),
        _ => format!(" × {senders}"),
    };
    let total: usize = plan.amount(4 << 20, 256 << 20);
    let work = Work {
        message_bytes,
        each: (total / message_bytes / senders).max(2),
        senders,
    };
    let name = format!("{} KiB{of}", message_bytes >> 10);
    Case::new("subscribe", framing, name)
        .with_some("limit", by_bytes(plan, framing, total))
        .with("ringwire", move || run(framing, work, BATCH))
        .with("ringwire (one by one)", move || run(framing, work, 1))
}

/// What is moved, and by whom.
#[derive(Clone, Copy)]
struct Work {
    message_bytes: usize,
    /// Messages of each sender.
    each: usize,
    senders: usize,
}

fn run(framing: Framing, work: Work, batch: usize) -> Ran {
    let [sender, receiver] = [node(framing, 0)?, node(framing, 1)?];
    let inbox = receiver.handle().subscribe(DATA)?;
    let address = address_of(receiver.handle());
    sender.handle().dial_blocking(address)?;
    receiver.handle().wait_for_peers_blocking(1, PATIENCE)?;
    let stopwatch = Stopwatch::start();
    let taking = thread::spawn(move || take(inbox, work, batch));
    let sending = send(&sender, &receiver, work);
    for thread in sending {
        let sent = thread.join().expect("a sender does not panic");
        sent.map_err(|error| error.to_string())?;
    }
    taking.join().expect("the receiver does not panic")?;
    let sample = stopwatch.stop();
    stop([sender, receiver])?;
    let count = work.each * work.senders;
    Ok(Outcome::moved(
        &sample,
        count as u64,
        work.message_bytes as u64,
    ))
}

fn node(framing: Framing, number: u32) -> Result<Engine, Failure> {
    let builder = Engine::builder(config(framing))
        .node_key(node_key(number))
        .shards(1)
        .busy_poll(Setup::polled(framing).busy_poll)
        .channel(channel(DATA, 5, QUEUE));
    Ok(builder.start()?)
}

type Sending = JoinHandle<Result<(), ringwire::error::SendError>>;

fn send(from: &Engine, to: &Engine, work: Work) -> Vec<Sending> {
    let message = Bytes::from(vec![0x5a; work.message_bytes]);
    let peer = to.handle().node_id();
    let threads = (0..work.senders).map(|_| {
        let (handle, message) = (from.handle().clone(), message.clone());
        let mut left = 0..work.each;
        thread::spawn(move || {
            send_while(
                Way::OwnSender,
                || left.next().is_some(),
                &handle,
                peer,
                &message,
            )
        })
    });
    threads.collect()
}

/// Takes all messages, so many at once at most.
fn take(mut inbox: Subscription, work: Work, batch: usize) -> Result<(), String> {
    let mut taken: Vec<Delivery> = Vec::with_capacity(batch);
    let expected = work.each * work.senders;
    let mut come = 0;
    while come < expected {
        match batch {
            1 => taken.extend(inbox.recv_timeout(PATIENCE)),
            _ => drop(inbox.recv_many_blocking(&mut taken, batch)),
        }
        if taken.is_empty() {
            return Err(format!("{come} of {expected} messages have come"));
        }
        come += taken.len();
        let is_cut = |delivery: Delivery| delivery.message.len() != work.message_bytes;
        if taken.drain(..).any(is_cut) {
            return Err(String::from("a message was cut or mixed"));
        }
    }
    Ok(())
}
