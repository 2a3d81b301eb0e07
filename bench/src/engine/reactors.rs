//! Reactors that make and take the load. They report through a channel to the bench's thread,
//! once, at the end; nothing of theirs is on the measured path but a counter.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use ringwire::peer::PeerKey;
use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire_codec::ChannelId;

/// Sends to every peer `each` references to one message, as fast as its channel takes them, once
/// told to. Each peer goes its own pace.
pub struct Source {
    /// All channels of the node.
    pub channels: Vec<ChannelDescriptor>,
    /// The channel to send on.
    pub channel: ChannelId,
    /// What is sent.
    pub message: Bytes,
    /// How often, to each peer; `usize::MAX` never ends.
    pub each: usize,
    /// What each peer has yet to get.
    pub left: BTreeMap<PeerKey, usize>,
}

impl Source {
    /// A source on the first of `channels` that waits for its start.
    pub fn new(channels: Vec<ChannelDescriptor>, message: Bytes, each: usize) -> Self {
        Source {
            channel: channels[0].id,
            channels,
            message,
            each,
            left: BTreeMap::new(),
        }
    }

    /// Begins with all peers.
    pub fn begin<R: Reactor>(&mut self, cx: &mut Context<'_, R>) {
        for peer in cx.peers() {
            self.left.insert(peer, self.each);
            self.fill(cx, peer);
        }
    }

    /// Sends what there is room for.
    pub fn fill<R: Reactor>(&mut self, cx: &mut Context<'_, R>, peer: PeerKey) {
        let left = self.left.entry(peer).or_default();
        while *left > 0
            && cx
                .try_send(peer, self.channel, self.message.clone())
                .is_ok()
        {
            *left -= 1;
        }
    }
}

impl Reactor for Source {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        self.channels.clone()
    }

    /// The bench publishes an empty message as the starting gun.
    fn publish(&mut self, cx: &mut Context<'_, Self>, _: ChannelId, _: Bytes) {
        self.begin(cx);
    }

    fn handle_room(&mut self, cx: &mut Context<'_, Self>, peer: PeerKey, _: ChannelId, _: &mut ()) {
        self.fill(cx, peer);
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        Err(ReactorError::new("the sink does not answer"))
    }
}

/// Counts messages, and says so when all have come.
pub struct Sink {
    /// All channels of the node.
    pub channels: Vec<ChannelDescriptor>,
    /// Messages still to come.
    pub expected: usize,
    /// Bytes of each.
    pub message_bytes: usize,
    /// How long a message takes it; a slow receiver's shard stands still meanwhile.
    pub delay: Duration,
    /// Where to say that all have come.
    pub done: Sender<()>,
}

impl Reactor for Sink {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        self.channels.clone()
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        self.take(&envelope)
    }
}

impl Sink {
    /// Counts a message.
    ///
    /// # Errors
    /// When it has not the bytes that were sent.
    pub fn take(&mut self, envelope: &Envelope<'_>) -> Result<(), ReactorError> {
        if envelope.message.len() != self.message_bytes {
            return Err(ReactorError::new("a message was cut or mixed"));
        }
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
        self.expected -= 1;
        if self.expected == 0 {
            // The bench may have given up waiting; then nobody listens and nothing is lost.
            let _ = self.done.send(());
        }
        Ok(())
    }
}

/// Sends a ping, waits for it to come back, notes the time, and again; bulk to the same peer on
/// another channel if it is given any.
pub struct Pinger {
    /// The channel of pings.
    pub channel: ChannelId,
    /// What goes there and back.
    pub message: Bytes,
    /// Pings still to send.
    pub left: u64,
    /// When the one under way was sent.
    pub sent_at: Instant,
    /// Round trips in nanoseconds.
    pub histogram: Histogram<u64>,
    /// Bulk beside the pings; its channels are the node's.
    pub bulk: Source,
    /// Where the histogram goes at the end.
    pub done: Sender<Histogram<u64>>,
}

impl Pinger {
    fn ping(&mut self, cx: &mut Context<'_, Self>, peer: PeerKey) -> Result<(), ReactorError> {
        self.sent_at = Instant::now();
        cx.try_send(peer, self.channel, self.message.clone())
            .map_err(|error| ReactorError::new(format!("cannot ping: {error}")))
    }
}

impl Reactor for Pinger {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        self.bulk.channels.clone()
    }

    fn publish(&mut self, cx: &mut Context<'_, Self>, _: ChannelId, _: Bytes) {
        self.bulk.begin(cx);
        for peer in cx.peers() {
            if let Err(error) = self.ping(cx, peer) {
                cx.stop_peer(peer, error);
            }
        }
    }

    fn handle_room(&mut self, cx: &mut Context<'_, Self>, peer: PeerKey, _: ChannelId, _: &mut ()) {
        self.bulk.fill(cx, peer);
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        record(&mut self.histogram, self.sent_at.elapsed());
        self.left -= 1;
        if self.left == 0 {
            let _ = self.done.send(self.histogram.clone());
            return Ok(());
        }
        self.ping(cx, envelope.from.key)
    }
}

/// Sends every message of one channel back to where it came from; others it takes and forgets.
pub struct Bouncer {
    /// All channels of the node.
    pub channels: Vec<ChannelDescriptor>,
    /// The channel whose messages go back.
    pub channel: ChannelId,
}

impl Reactor for Bouncer {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        self.channels.clone()
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        if envelope.channel != self.channel {
            return Ok(());
        }
        cx.try_send(envelope.from.key, self.channel, envelope.message)
            .map_err(|error| ReactorError::new(format!("cannot bounce: {error}")))
    }
}

/// A histogram of nanoseconds that grows by itself.
pub fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}

/// Notes one time.
pub fn record(histogram: &mut Histogram<u64>, time: Duration) {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    histogram
        .record(nanos)
        .expect("the histogram grows by itself");
}
