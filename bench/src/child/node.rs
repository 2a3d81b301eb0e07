//! A node alone in its process: everything resident is its own.

use std::net::SocketAddr;
use std::time::Instant;

use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use serde::{Deserialize, Serialize};

use super::{Request, say, serve as answer_all};
use crate::engine::{DATA, Failure, Setup, TX, VOTE, channel, start};
use crate::measure::{pin_to_all, process_cpu, resident_bytes};

/// How a node is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeSample {
    /// Seconds since it started.
    pub at_secs: f64,
    /// Resident memory of its process.
    pub resident_bytes: u64,
    /// CPU time its process has used.
    pub cpu_secs: f64,
    /// Connected peers.
    pub peers: usize,
    /// Connections that became peers, ever.
    pub peers_added: u64,
    /// Payload bytes received, all channels.
    pub received_bytes: u64,
    /// Messages received, all channels.
    pub received_messages: u64,
}

pub(super) fn serve(
    wide: bool,
    shards: u16,
    cpus: &[usize],
    by_readiness: bool,
) -> Result<(), Failure> {
    pin_to_all(cpus);
    let setup = Setup::asleep(super::framing(wide));
    let setup = match by_readiness {
        true => setup.by_readiness(),
        false => setup,
    };
    let node = start(setup, 0, shards, || House)?;
    let address: SocketAddr = node.handle().listen_addr();
    say(&Ok(address))?;
    let born = Instant::now();
    answer_all(|request| {
        let Request::Sample = request else {
            return Err("a node only tells how it is".into());
        };
        let shards = node.handle().counters_blocking();
        let metrics = || shards.iter().map(|shard| &shard.metrics);
        let channels = || metrics().flat_map(|metrics| &metrics.channels);
        Ok(NodeSample {
            at_secs: born.elapsed().as_secs_f64(),
            resident_bytes: resident_bytes(),
            cpu_secs: process_cpu().as_secs_f64(),
            peers: node.handle().peer_count(),
            peers_added: metrics().map(|metrics| metrics.peers_added).sum(),
            received_bytes: channels().map(|channel| channel.received_bytes).sum(),
            received_messages: channels().map(|channel| channel.received_messages).sum(),
        })
    })
}

/// The channels between such a node and its crowd.
pub(super) fn channels() -> Vec<ChannelDescriptor> {
    vec![
        channel(VOTE, 7, 100),
        channel(DATA, 10, 100),
        channel(TX, 5, 1),
    ]
}

/// Sends votes and block parts back, and takes transactions without a word.
struct House;

impl Reactor for House {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        channels()
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        if envelope.channel == TX {
            return Ok(());
        }
        cx.try_send(envelope.from.key, envelope.channel, envelope.message)
            .map_err(|error| ReactorError::new(format!("cannot send back: {error}")))
    }
}
