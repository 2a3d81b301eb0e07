//! What a flood keeps of one peer: the messages that wait for room in its channel, and what it is
//! known to have.
//!
//! Invariant: `bytes` is the sum of the waiting messages, and nothing is queued past them, so a
//! peer gets its messages in the order in which they were decided.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};

use super::seen::{Digest, Seen};
use crate::error::TrySendError;
use crate::peer::PeerKey;
use crate::reactor::Context;

/// Ids remembered of what one peer has sent us, per generation: enough for what is under way.
const KNOWN_GENERATION_MAX: usize = 4096;

/// What became of messages offered to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offered {
    /// Queued on the channel.
    pub(super) sent: u64,
    /// Not sent, because the peer has them.
    pub(super) spared: u64,
}

/// A peer that speaks the flood's channel.
pub(super) struct Backlog {
    peer: PeerKey,
    id: NodeId,
    channel: ChannelId,
    /// Messages without room in the peer's channel, oldest first; references, not copies.
    waiting: VecDeque<(Digest, Bytes)>,
    bytes: usize,
    /// What the peer itself has sent us lately, so that it is not sent back.
    known: Seen,
}

impl Backlog {
    /// An empty backlog. What the peer sends is remembered for at least `known_span`.
    pub(super) fn new(peer: PeerKey, id: NodeId, channel: ChannelId, known_span: Duration) -> Self {
        let known = Seen::new(KNOWN_GENERATION_MAX, known_span);
        Backlog {
            peer,
            id,
            channel,
            waiting: VecDeque::new(),
            bytes: 0,
            known,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The peer has sent us the message itself.
    pub(super) fn mark_known(&mut self, cx: &dyn Context, digest: Digest) {
        self.known.insert(cx.now(), digest);
    }

    /// Sends a new message from `source`, or lets it wait behind those that wait already.
    pub(super) fn offer(
        &mut self,
        cx: &mut dyn Context,
        source: Option<NodeId>,
        digest: Digest,
        body: Bytes,
    ) -> Offered {
        if Some(self.id) == source {
            return Offered { sent: 0, spared: 1 };
        }
        let was_empty = self.is_empty();
        self.bytes += body.len();
        self.waiting.push_back((digest, body));
        if was_empty {
            self.drain(cx)
        } else {
            Offered::default()
        }
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn drain(&mut self, cx: &mut dyn Context) -> Offered {
        let mut offered = Offered::default();
        while let Some((digest, body)) = self.waiting.pop_front() {
            self.bytes -= body.len();
            if self.known.contains(&digest) {
                offered.spared += 1;
                continue;
            }
            match cx.try_send(self.peer, self.channel, body) {
                Ok(()) => offered.sent += 1,
                Err(TrySendError::Full(body)) => {
                    self.bytes += body.len();
                    self.waiting.push_front((digest, body));
                    break;
                }
                // The peer is on its way out; `remove_peer` follows.
                Err(_) => break,
            }
        }
        offered
    }
}
