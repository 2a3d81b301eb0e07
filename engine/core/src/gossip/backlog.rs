//! What a flood keeps of one peer: the messages that wait for room in its channel, and what it is
//! known to have.
//!
//! ```text
//!   source A  a a a a a a a a a a a ┐
//!   source B  b                     ├─ each in turn, QUANTUM_BYTES at a time ─▶ the peer's channel
//!   ourselves o o                   ┘
//! ```
//!
//! Messages of one source keep their order. Sources take turns by bytes (deficit round robin), so
//! one message of an honest source waits for one turn of each other source, however much they have
//! piled up.
//!
//! Invariant: `bytes` is the sum of what the waiting messages cost; a source without a waiting
//! message has no queue, and each queue stands in `turn` once.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};

use super::known::Known;
use super::reactor::Flood;
use super::retained::{Kept, Retained};
use super::seen::{Digest, Source};
use crate::error::TrySendError;
use crate::peer::PeerKey;
use crate::reactor::Context;

/// What one source may send in its turn: a hundred small messages, or a part of a large one, which
/// then saves up.
const QUANTUM_BYTES: usize = 32 * 1024;

/// What became of messages offered to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offered {
    /// Queued on the channel.
    pub(super) sent: u64,
    /// Not sent, because the peer has them.
    pub(super) spared: u64,
}

/// A new message on its way to all peers of a shard. It is kept when the first of them has no room.
pub(super) struct Fresh {
    source: Source,
    digest: Digest,
    body: Bytes,
    kept: Option<Rc<Kept>>,
}

impl Fresh {
    pub(super) fn new(source: Source, digest: Digest, body: Bytes) -> Self {
        Fresh {
            source,
            digest,
            body,
            kept: None,
        }
    }

    fn keep(&mut self, retained: &mut Retained) -> Rc<Kept> {
        let kept = self
            .kept
            .get_or_insert_with(|| retained.keep(self.source, self.digest, &self.body));
        retained.wait_for(kept)
    }
}

/// The messages of one source that wait for one peer.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Rc<Kept>>,
    /// What it may still send in this turn.
    deficit: usize,
}

/// A peer that speaks the flood's channel.
pub(super) struct Backlog {
    peer: PeerKey,
    id: NodeId,
    channel: ChannelId,
    queues: BTreeMap<Source, Queue>,
    turn: VecDeque<Source>,
    bytes: usize,
    /// What it took since the last look, in the same measure.
    taken: usize,
    /// Looks in a row at which it was found to have taken nothing.
    stalled_looks: u32,
    /// Looks at which it was found to hold others up, less those at which it was not.
    slow_looks: u32,
    /// What the peer itself has sent us lately, so that it is not sent back.
    known: Known,
}

impl Backlog {
    pub(super) fn new(peer: PeerKey, id: NodeId, channel: ChannelId) -> Self {
        Backlog {
            peer,
            id,
            channel,
            queues: BTreeMap::new(),
            turn: VecDeque::new(),
            bytes: 0,
            taken: 0,
            stalled_looks: 0,
            slow_looks: 0,
            known: Known::default(),
        }
    }

    pub(super) fn key(&self) -> PeerKey {
        self.peer
    }

    pub(super) fn id(&self) -> NodeId {
        self.id
    }

    /// What the waiting messages cost.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turn.is_empty()
    }

    /// Ids remembered of what it has sent us.
    pub(super) fn known_len(&self) -> usize {
        self.known.len()
    }

    /// The peer has sent us the message itself.
    pub(super) fn mark_known(&mut self, cx: &Context<'_, Flood>, digest: Digest) {
        self.known.insert(cx.now(), digest);
    }

    /// Sends a new message, or lets it wait behind those that wait already.
    pub(super) fn offer(
        &mut self,
        cx: &mut Context<'_, Flood>,
        retained: &mut Retained,
        fresh: &mut Fresh,
    ) -> Offered {
        if Some(self.id) == fresh.source || self.known.contains(&fresh.digest) {
            return Offered { sent: 0, spared: 1 };
        }
        if self.is_empty() {
            match cx.try_send(self.peer, self.channel, fresh.body.clone()) {
                Ok(()) => return Offered { sent: 1, spared: 0 },
                Err(TrySendError::Full(_)) => {}
                // The peer is on its way out; `remove_peer` follows.
                Err(_) => return Offered::default(),
            }
        }
        self.push(fresh.keep(retained));
        Offered::default()
    }

    fn push(&mut self, kept: Rc<Kept>) {
        self.bytes += kept.cost();
        let source = kept.source();
        let queue = self.queues.entry(source).or_default();
        if queue.waiting.is_empty() {
            self.turn.push_back(source);
        }
        queue.waiting.push_back(kept);
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn drain(
        &mut self,
        cx: &mut Context<'_, Flood>,
        retained: &mut Retained,
    ) -> Offered {
        let mut offered = Offered::default();
        while let Some(kept) = self.next() {
            let is_known = self.known.contains(&kept.digest);
            if !is_known {
                match cx.try_send(self.peer, self.channel, kept.body.clone()) {
                    Ok(()) => {}
                    Err(TrySendError::Full(_)) => break,
                    // The peer is on its way out; `remove_peer` follows.
                    Err(_) => break,
                }
            }
            self.pop(retained);
            offered.spared += u64::from(is_known);
            offered.sent += u64::from(!is_known);
        }
        if self.is_empty() && cx.shard_count() == 1 {
            // Nothing is under way that the peer could have.
            self.known.clear();
        }
        offered
    }

    /// The message whose turn it is; it stays where it is.
    fn next(&mut self) -> Option<Rc<Kept>> {
        loop {
            let queue = self.queues.get(self.turn.front()?)?;
            let kept = queue.waiting.front()?;
            // Alone, a source need not save up.
            if kept.cost() <= queue.deficit || self.turn.len() == 1 {
                return Some(Rc::clone(kept));
            }
            self.turn.rotate_left(1);
            self.begin_turn();
        }
    }

    /// The source in front may send so much more.
    fn begin_turn(&mut self) {
        let source = self.turn.front();
        if let Some(queue) = source.and_then(|source| self.queues.get_mut(source)) {
            queue.deficit += QUANTUM_BYTES;
        }
    }

    /// Takes away the message that [`Backlog::next`] gave.
    fn pop(&mut self, retained: &mut Retained) {
        let Some(source) = self.turn.front().copied() else {
            return;
        };
        let queue = self.queues.get_mut(&source);
        let queue = queue.expect("a source in turn has a queue");
        let kept = queue.waiting.pop_front();
        let kept = kept.expect("a queue holds at least one message");
        queue.deficit = queue.deficit.saturating_sub(kept.cost());
        self.bytes -= kept.cost();
        self.taken += kept.cost();
        retained.leave(&kept);
        if queue.waiting.is_empty() {
            self.queues.remove(&source);
            self.turn.pop_front();
            self.begin_turn();
        }
    }

    /// Gives up everything that waits: the peer is gone, or is about to be.
    pub(super) fn give_up(self, retained: &mut Retained) {
        let waiting = self.queues.into_values().flat_map(|queue| queue.waiting);
        waiting.for_each(|kept| retained.leave(&kept));
    }

    /// Counts a look at the peer, which took so much since the last one: whether it is stalled, and
    /// whether it holds others up.
    pub(super) fn look(
        &mut self,
        is_stalled: impl FnOnce(usize) -> bool,
        holds_up: impl FnOnce(usize) -> bool,
    ) {
        let taken = std::mem::take(&mut self.taken);
        self.stalled_looks = match is_stalled(taken) {
            true => self.stalled_looks + 1,
            false => 0,
        };
        self.slow_looks = match holds_up(taken) {
            true => self.slow_looks + 1,
            false => self.slow_looks.saturating_sub(1),
        };
    }

    pub(super) fn stalled_looks(&self) -> u32 {
        self.stalled_looks
    }

    pub(super) fn slow_looks(&self) -> u32 {
        self.slow_looks
    }
}
