//! [`HeldMessages`]: the messages that a node remembers, to send them to who asks.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::message::DigestEntry;
use super::origins::OriginIndex;
use super::slot::{Slot, Slots};

/// A message: its origin's place, and the origin's number of it.
pub(super) type Key = (OriginIndex, u64);

#[derive(Debug)]
struct Held {
    /// The body as this node sends it.
    bytes: Bytes,
    /// Who asked for it and got it: nobody gets it twice.
    answered: Slots,
}

/// The messages of the last while, within a number of bytes.
#[derive(Debug)]
pub(super) struct HeldMessages {
    held: BTreeMap<Key, Held>,
    /// When each came, in that order.
    order: VecDeque<(Duration, Key)>,
    bytes: usize,
    keep: Duration,
    bytes_max: usize,
}

impl HeldMessages {
    pub(super) fn new(keep: Duration, bytes_max: usize) -> Self {
        HeldMessages {
            held: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            keep,
            bytes_max,
        }
    }

    /// Remembers a message.
    pub(super) fn insert(&mut self, now: Duration, key: Key, bytes: Bytes) {
        self.bytes += bytes.len();
        let answered = Slots::default();
        self.held.insert(key, Held { bytes, answered });
        self.order.push_back((now, key));
        self.expire(now);
    }

    /// The message for a neighbour that asks for it. `None` if it is not there any more, or was given to that
    /// neighbour before.
    pub(super) fn answer(&mut self, key: Key, slot: Slot) -> Option<Bytes> {
        let held = self.held.get_mut(&key)?;
        held.answered.insert(slot).then(|| held.bytes.clone())
    }

    /// Another link may get this place.
    pub(super) fn handle_link_down(&mut self, slot: Slot) {
        for held in self.held.values_mut() {
            held.answered.remove(slot);
        }
    }

    /// Forgets what is too old or too much.
    pub(super) fn expire(&mut self, now: Duration) {
        while let Some((came_at, key)) = self.order.front().copied()
            && (self.bytes > self.bytes_max || came_at + self.keep <= now)
        {
            self.order.pop_front();
            if let Some(held) = self.held.remove(&key) {
                self.bytes -= held.bytes.len();
            }
        }
    }

    /// Origins of the messages that came since, each once, the newest first.
    pub(super) fn origins_since(&self, since: Duration) -> Vec<OriginIndex> {
        let recent = self.order.iter().rev().take_while(|(at, _)| *at >= since);
        let mut origins = Vec::new();
        for (_, (origin, _)) in recent {
            if !origins.contains(origin) {
                origins.push(*origin);
            }
        }
        origins
    }

    /// Which of an origin's messages are remembered, from the newest on, as entries of a digest.
    pub(super) fn digest(&self, origin: OriginIndex) -> Vec<DigestEntry> {
        let mut entries: Vec<DigestEntry> = Vec::new();
        let of_origin = self.held.range((origin, 0)..=(origin, u64::MAX));
        for ((_, seq), _) in of_origin.rev() {
            match entries.last_mut() {
                Some(entry) if entry.last - seq < u64::from(u64::BITS) => {
                    entry.bits |= 1 << (entry.last - seq);
                }
                _ => entries.push(DigestEntry {
                    alias: origin.alias(),
                    last: *seq,
                    bits: 1,
                }),
            }
        }
        entries
    }

    /// Messages that are remembered.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Bytes of bodies that are remembered.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that remembering takes, without the bodies.
    pub(super) fn index_bytes(&self) -> usize {
        let entry = size_of::<Key>() + size_of::<Held>();
        self.held.len() * entry + self.order.capacity() * size_of::<(Duration, Key)>()
    }
}
