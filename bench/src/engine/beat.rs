//! Messages at a fixed rate, each stamped with the moment it was meant to be sent.
//!
//! Latency counts from that moment and not from when the sender got round to it: a link that
//! stalls for 50 ms makes fifty late messages and not one (coordinated omission).

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ringwire::peer::PeerKey;
use ringwire::reactor::{Context, Reactor};
use ringwire_codec::ChannelId;

/// Bytes of the stamp in front of a message.
const STAMP_BYTES: usize = 8;

/// A schedule of messages to one peer.
pub struct Beat {
    epoch: Instant,
    period: Duration,
    message_bytes: usize,
    next: Duration,
}

impl Beat {
    /// A message every `period`, stamped with its time since `epoch`.
    ///
    /// # Panics
    /// If the message is shorter than its stamp.
    pub fn new(epoch: Instant, period: Duration, message_bytes: usize) -> Self {
        assert!(message_bytes >= STAMP_BYTES, "a message holds its stamp");
        Beat {
            epoch,
            period,
            message_bytes,
            next: Duration::ZERO,
        }
    }

    /// Starts the schedule now.
    pub fn begin(&mut self) {
        self.next = self.epoch.elapsed();
    }

    /// Sends what is due, and returns the time until the next. What finds no room keeps its stamp
    /// and is due again.
    pub fn send_due<R: Reactor>(
        &mut self,
        cx: &mut Context<'_, R>,
        peer: PeerKey,
        channel: ChannelId,
    ) -> Duration {
        loop {
            let wait = self.next.saturating_sub(self.epoch.elapsed());
            if !wait.is_zero() {
                return wait;
            }
            let mut message = BytesMut::zeroed(self.message_bytes);
            let nanos = u64::try_from(self.next.as_nanos()).expect("a bench ends within years");
            message[..STAMP_BYTES].copy_from_slice(&nanos.to_be_bytes());
            if cx.try_send(peer, channel, message.freeze()).is_err() {
                return self.period;
            }
            self.next += self.period;
        }
    }
}

/// When a message was meant to be sent, since the epoch; `None` if it holds no stamp.
pub fn stamp(message: &Bytes) -> Option<Duration> {
    let stamp = message.get(..STAMP_BYTES)?;
    let nanos = u64::from_be_bytes(stamp.try_into().expect("the slice has that length"));
    Some(Duration::from_nanos(nanos))
}
