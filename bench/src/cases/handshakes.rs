//! `handshakes`: connections accepted per second of the node's CPU; and how late pings of an
//! established peer are while a storm of connections comes in.
//!
//! The node is a process of its own on one CPU; those who connect are another on the second one,
//! so that the node's CPU time is its own side of a handshake and no more. In a storm they run only
//! where nothing else wants to: what is measured is the node's delay, not their hunger.

use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use ringwire::Engine;
use ringwire::peer::Framing;
use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire_codec::{ChannelId, NetAddress};

use super::idle::start_node;
use crate::case::{Case, FRAMINGS, Plan, Ran};
use crate::child::{Child, NodeSample, Orders, Request};
use crate::engine::beat::{Beat, stamp};
use crate::engine::reactors::{histogram, record};
use crate::engine::{DATA, Failure, Setup, TX, VOTE, channel, node_key, start, wait_for};
use crate::outcome::{Named, Outcome, Percentiles};

/// Pause between two pings of the established peer.
const PING_PERIOD: Duration = Duration::from_millis(1);
const PING_BYTES: usize = 64;
/// A number that no member of a crowd has.
const PINGER: u32 = u32::MAX;

pub(super) fn cases(plan: &Plan) -> Vec<Case> {
    let count = plan.amount(50, 1_000);
    let cpus = plan.cpus;
    let mut cases = Vec::new();
    for framing in FRAMINGS {
        let name = format!("{count} accepted");
        let accepted = Case::new("handshakes", framing, name);
        cases.push(accepted.with("ringwire", move || accept(framing, count, cpus)));
        let name = format!("pings in a storm of {count}");
        let storm = Case::new("handshakes", framing, name)
            .with("no storm", move || pings(framing, count, cpus, false))
            .with("ringwire", move || pings(framing, count, cpus, true));
        cases.push(storm);
    }
    cases
}

fn crowd(framing: Framing, address: std::net::SocketAddr, cpu: usize, humble: bool) -> Orders {
    Orders::Crowd {
        wide: framing == Framing::Wide,
        address,
        cpus: vec![cpu],
        humble,
    }
}

fn accept(framing: Framing, count: usize, cpus: [usize; 2]) -> Ran {
    let (mut node, address) = start_node(framing == Framing::Wide, 1, &[cpus[0]], false)?;
    let mut crowd = Child::start(&crowd(framing, address, cpus[1], false))?;
    let before: NodeSample = node.ask(Request::Sample)?;
    let secs: f64 = crowd.ask(Request::Connect(count))?;
    let after: NodeSample = node.ask(Request::Sample)?;
    let cpu = (after.cpu_secs - before.cpu_secs) / count as f64;
    Ok(Outcome {
        others: vec![
            Named::new("connections per second of CPU", "/s", 1.0 / cpu),
            Named::new("CPU per connection", "µs", cpu * 1e6),
            Named::new("connections per second", "/s", count as f64 / secs),
        ],
        ..Outcome::default()
    })
}

/// Pings a node at a fixed rate while it accepts a storm, or as long without one.
fn pings(framing: Framing, count: usize, cpus: [usize; 2], storm: bool) -> Ran {
    let (mut node, address) = start_node(framing == Framing::Wide, 1, &[cpus[0]], false)?;
    let (done, finished) = mpsc::channel();
    let pinger = start_on(cpus[1], framing, done)?;
    let id = node_key(0).id();
    pinger
        .handle()
        .dial_blocking(NetAddress::from_ip(id, address.ip(), address.port()))?;
    let mut crowd = Child::start(&crowd(framing, address, cpus[1], true))?;
    pinger.handle().publish_blocking(VOTE, Bytes::new())?;
    let secs: f64 = if storm {
        crowd.ask(Request::Connect(count))?
    } else {
        // As long as a storm of this size takes on an ordinary core.
        let span = Duration::from_millis(count as u64);
        thread::sleep(span);
        span.as_secs_f64()
    };
    pinger.handle().shutdown_blocking(Duration::from_secs(5))?;
    let times = wait_for(&finished, 1)?.remove(0);
    if times.is_empty() {
        return Err("no ping came back".into());
    }
    let after: NodeSample = node.ask(Request::Sample)?;
    let others = vec![
        Named::new("span", "s", secs),
        Named::new("peers added", "", after.peers_added as f64),
    ];
    Ok(Outcome {
        latency: Some(Percentiles::of(&times)),
        others,
        ..Outcome::default()
    })
}

/// Starts the pinger with its shard on one CPU.
fn start_on(cpu: usize, framing: Framing, done: Sender<Histogram<u64>>) -> Result<Engine, Failure> {
    // A shard sits where the thread that starts it may run; the bench's own thread stays free.
    let starter = thread::spawn(move || {
        crate::measure::pin_to(cpu);
        let make = move || Pinger {
            epoch: Instant::now(),
            beat: None,
            times: histogram(),
            done: done.clone(),
        };
        start(Setup::asleep(framing), PINGER, 1, make).map_err(|error| error.to_string())
    });
    Ok(starter.join().expect("starting does not panic")?)
}

/// Pings every peer at a fixed rate and notes how long after they were due the answers came.
struct Pinger {
    epoch: Instant,
    beat: Option<Beat>,
    times: Histogram<u64>,
    done: Sender<Histogram<u64>>,
}

impl Reactor for Pinger {
    type Peer = ();
    type Note = ();
    type Timer = u64;

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![
            channel(VOTE, 7, 100),
            channel(DATA, 10, 100),
            channel(TX, 5, 1),
        ]
    }

    fn publish(&mut self, cx: &mut Context<'_, Self>, _: ChannelId, _: Bytes) {
        let mut beat = Beat::new(self.epoch, PING_PERIOD, PING_BYTES);
        beat.begin();
        self.beat = Some(beat);
        self.handle_timeout(cx, 0);
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, _: u64) {
        let Some(beat) = &mut self.beat else {
            return;
        };
        for peer in cx.peers() {
            let wait = beat.send_due(cx, peer, VOTE);
            cx.set_timer(wait, 0);
        }
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        let due = stamp(&envelope.message).ok_or_else(|| ReactorError::new("no stamp"))?;
        record(&mut self.times, self.epoch.elapsed().saturating_sub(due));
        Ok(())
    }

    fn stop(&mut self, _: &mut Context<'_, Self>) {
        let _ = self.done.send(self.times.clone());
    }
}
