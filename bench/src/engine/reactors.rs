//! Reactors that make and take the load. They report through a channel to the bench's thread,
//! once, at the end; nothing of theirs is on the measured path but a counter.

use std::sync::mpsc::Sender;

use bytes::Bytes;
use hdrhistogram::Histogram;
use ringwire::peer::{PeerInfo, PeerKey};
use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire_codec::ChannelId;

use super::{CHANNEL, descriptor};

/// Sends `count` references to one message as fast as the channel takes them, once told to.
pub(super) struct Source {
    pub(super) message: Bytes,
    pub(super) left: usize,
}

impl Source {
    fn fill(&mut self, cx: &mut dyn Context, peer: PeerKey) {
        while self.left > 0 && cx.try_send(peer, CHANNEL, self.message.clone()).is_ok() {
            self.left -= 1;
        }
    }
}

impl Reactor for Source {
    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![descriptor()]
    }

    /// The bench publishes an empty message as the starting gun.
    fn publish(&mut self, cx: &mut dyn Context, _: ChannelId, _: Bytes) {
        for peer in cx.peers() {
            self.fill(cx, peer);
        }
    }

    fn handle_room(&mut self, cx: &mut dyn Context, peer: PeerKey, _: ChannelId) {
        self.fill(cx, peer);
    }

    fn receive(&mut self, _: &mut dyn Context, _: Envelope<'_>) -> Result<(), ReactorError> {
        Err(ReactorError::new("the sink does not answer"))
    }
}

/// Counts messages, and says so when all have come.
pub(super) struct Sink {
    pub(super) expected: usize,
    pub(super) message_bytes: usize,
    pub(super) done: Sender<()>,
}

impl Reactor for Sink {
    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![descriptor()]
    }

    fn receive(&mut self, _: &mut dyn Context, envelope: Envelope<'_>) -> Result<(), ReactorError> {
        if envelope.message.len() != self.message_bytes {
            return Err(ReactorError::new("a message was cut or mixed"));
        }
        self.expected -= 1;
        if self.expected == 0 {
            // The bench may have given up waiting; then nobody listens and nothing is lost.
            let _ = self.done.send(());
        }
        Ok(())
    }
}

/// Sends a ping, waits for it to come back, notes the time, and again.
pub(super) struct Pinger {
    pub(super) message: Bytes,
    pub(super) left: u64,
    pub(super) sent_at: std::time::Instant,
    pub(super) histogram: Histogram<u64>,
    pub(super) done: Sender<Histogram<u64>>,
}

impl Pinger {
    fn ping(&mut self, cx: &mut dyn Context, peer: PeerKey) -> Result<(), ReactorError> {
        self.sent_at = std::time::Instant::now();
        cx.try_send(peer, CHANNEL, self.message.clone())
            .map_err(|error| ReactorError::new(format!("cannot ping: {error}")))
    }
}

impl Reactor for Pinger {
    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![descriptor()]
    }

    fn publish(&mut self, cx: &mut dyn Context, _: ChannelId, _: Bytes) {
        for peer in cx.peers() {
            if let Err(error) = self.ping(cx, peer) {
                cx.stop_peer(peer, error);
            }
        }
    }

    fn receive(
        &mut self,
        cx: &mut dyn Context,
        envelope: Envelope<'_>,
    ) -> Result<(), ReactorError> {
        let nanos = u64::try_from(self.sent_at.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.histogram
            .record(nanos)
            .expect("the histogram grows by itself");
        self.left -= 1;
        if self.left == 0 {
            let _ = self.done.send(self.histogram.clone());
            return Ok(());
        }
        self.ping(cx, envelope.from.key)
    }
}

/// Sends every message back to where it came from.
pub(super) struct Bouncer;

impl Reactor for Bouncer {
    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![descriptor()]
    }

    fn add_peer(&mut self, _: &mut dyn Context, _: &PeerInfo) {}

    fn receive(
        &mut self,
        cx: &mut dyn Context,
        envelope: Envelope<'_>,
    ) -> Result<(), ReactorError> {
        cx.try_send(envelope.from.key, CHANNEL, envelope.message)
            .map_err(|error| ReactorError::new(format!("cannot bounce: {error}")))
    }
}
