//! What was sent, what came, and whether that is what was promised.
//!
//! Test messages carry a stamp: who sent it, to whom (or to all), the number in its stream, when,
//! and a checksum over all of it. So a delivery judges itself:
//!
//! * whole: the checksum holds;
//! * to the right node, from the peer it names, on the channel it was sent on;
//! * once and in order: numbers of a stream only grow; a gossiped message comes once per life.
//!
//! Messages without a stamp are let through unjudged.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::time::Instant;

use crate::rng::Rng;

/// Marks a stamped message.
const MAGIC: [u8; 8] = *b"rw-stamp";
/// In place of the receiver: everybody.
const EVERYBODY: u32 = u32::MAX;
/// Bytes of a stamp: magic, from, to, channel, sequence, time, checksum.
pub const STAMP_BYTES: usize = 8 + 4 + 4 + 1 + 8 + 8 + 16;
const CHECKED_BYTES: usize = STAMP_BYTES - 16;

/// What a stamp says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Number of the node that made the message.
    pub from: u32,
    /// Number of the node it is for; `None` for everybody.
    pub to: Option<u32>,
    /// Channel it was sent on.
    pub channel: ChannelId,
    /// Place in its stream, from 1.
    pub sequence: u64,
    /// When it was made.
    pub sent_at: Instant,
}

/// A message that a node's application got.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// When.
    pub at: Instant,
    /// Who sent it, or brought it.
    pub peer: NodeId,
    /// Channel.
    pub channel: ChannelId,
    /// Length.
    pub bytes: usize,
    /// BLAKE3 of the content.
    pub digest: [u8; 32],
    /// When it was made, if it carries a stamp.
    pub sent_at: Option<Instant>,
}

/// Counts what was sent and judges what comes.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Last number given out, by (from, to or everybody, channel).
    sent: BTreeMap<(u32, u32, ChannelId), u64>,
    /// Last number seen, by the same key.
    received: BTreeMap<(u32, u32, ChannelId), u64>,
    /// How many came, by the same key.
    arrivals: BTreeMap<(u32, u32, ChannelId), u64>,
    /// Gossiped messages a node has got in its life: (receiver, origin, channel, number).
    gossip: BTreeSet<(u32, u32, ChannelId, u64)>,
    /// How many nodes got a gossiped message: by (origin, channel, number).
    spread: BTreeMap<(u32, ChannelId, u64), u32>,
}

impl Ledger {
    /// A message of `bytes` bytes (at least a stamp) from `from` to `to`, or to everybody.
    pub fn stamp(
        &mut self,
        now: Instant,
        (from, to): (u32, Option<u32>),
        channel: ChannelId,
        bytes: usize,
    ) -> Bytes {
        let to = to.unwrap_or(EVERYBODY);
        let sequence = self.sent.entry((from, to, channel)).or_default();
        *sequence += 1;
        let mut message = Vec::with_capacity(bytes.max(STAMP_BYTES));
        message.extend_from_slice(&MAGIC);
        message.extend_from_slice(&from.to_le_bytes());
        message.extend_from_slice(&to.to_le_bytes());
        message.push(channel.0);
        message.extend_from_slice(&sequence.to_le_bytes());
        message.extend_from_slice(&now.as_nanos().to_le_bytes());
        message.resize(bytes.max(STAMP_BYTES), 0);
        Rng::new(*sequence ^ u64::from(from) << 40).fill(&mut message[STAMP_BYTES..]);
        let checksum = checksum(&message);
        message[CHECKED_BYTES..STAMP_BYTES].copy_from_slice(&checksum);
        Bytes::from(message)
    }

    /// Judges a delivery at `receiver` that came from `peer`. `Ok(None)` for unstamped messages;
    /// an error says which promise was broken.
    pub fn judge(
        &mut self,
        receiver: u32,
        peer: u32,
        channel: ChannelId,
        message: &[u8],
    ) -> Result<Option<Stamp>, String> {
        if !message.starts_with(&MAGIC) {
            return Ok(None);
        }
        let stamp = read_stamp(message)?;
        if stamp.channel != channel {
            return Err(format!("{stamp:?} came on channel {channel}"));
        }
        match stamp.to {
            Some(to) => self.judge_direct(receiver, peer, to, &stamp)?,
            None => self.judge_gossip(receiver, &stamp)?,
        }
        Ok(Some(stamp))
    }

    fn judge_direct(
        &mut self,
        receiver: u32,
        peer: u32,
        to: u32,
        stamp: &Stamp,
    ) -> Result<(), String> {
        if (stamp.from, to) != (peer, receiver) {
            return Err(format!(
                "{stamp:?} came to node {receiver} from node {peer}"
            ));
        }
        let key = (peer, receiver, stamp.channel);
        let last = self.received.entry(key).or_default();
        if stamp.sequence <= *last {
            return Err(format!(
                "{stamp:?} came after number {last}: twice, or out of order"
            ));
        }
        *last = stamp.sequence;
        *self.arrivals.entry(key).or_default() += 1;
        Ok(())
    }

    fn judge_gossip(&mut self, receiver: u32, stamp: &Stamp) -> Result<(), String> {
        if stamp.from == receiver {
            return Err(format!("{stamp:?} was delivered to the node that made it"));
        }
        if !self
            .gossip
            .insert((receiver, stamp.from, stamp.channel, stamp.sequence))
        {
            return Err(format!("{stamp:?} was delivered twice to node {receiver}"));
        }
        *self
            .spread
            .entry((stamp.from, stamp.channel, stamp.sequence))
            .or_default() += 1;
        Ok(())
    }

    /// A node begins a new life: it may get again what its former life got.
    pub fn forget_life(&mut self, node: u32) {
        self.gossip.retain(|(receiver, ..)| *receiver != node);
    }

    /// How many messages `from` has sent to `to` on `channel`, and how many came.
    pub fn direct(&self, from: u32, to: u32, channel: ChannelId) -> (u64, u64) {
        let key = (from, to, channel);
        let count = |map: &BTreeMap<_, u64>| map.get(&key).copied().unwrap_or(0);
        (count(&self.sent), count(&self.arrivals))
    }

    /// For each message `origin` gossiped on `channel`, in order: deliveries of it so far.
    pub fn spread(&self, origin: u32, channel: ChannelId) -> Vec<u32> {
        let sent = self
            .sent
            .get(&(origin, EVERYBODY, channel))
            .copied()
            .unwrap_or(0);
        let of = |sequence| {
            self.spread
                .get(&(origin, channel, sequence))
                .copied()
                .unwrap_or(0)
        };
        (1..=sent).map(of).collect()
    }

    /// Whether `node` has got the message `sequence` that `origin` gossiped.
    pub fn has_got(&self, node: u32, origin: u32, channel: ChannelId, sequence: u64) -> bool {
        self.gossip.contains(&(node, origin, channel, sequence))
    }
}

fn checksum(message: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&message[..CHECKED_BYTES]);
    hasher.update(&message[STAMP_BYTES..]);
    let mut checksum = [0; 16];
    checksum.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    checksum
}

fn read_stamp(message: &[u8]) -> Result<Stamp, String> {
    if message.len() < STAMP_BYTES || checksum(message) != message[CHECKED_BYTES..STAMP_BYTES] {
        return Err(format!("a message of {} bytes came damaged", message.len()));
    }
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| message[at + i]));
    let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| message[at + i]));
    Ok(Stamp {
        from: half(8),
        to: Some(half(12)).filter(|&to| to != EVERYBODY),
        channel: ChannelId(message[16]),
        sequence: word(17),
        sent_at: Instant::from_nanos(word(25)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: ChannelId = ChannelId(0x70);

    fn direct(ledger: &mut Ledger) -> Bytes {
        ledger.stamp(Instant::from_nanos(5), (1, Some(2)), CHANNEL, 100)
    }

    #[test]
    fn messages_of_a_stream_pass_once_and_in_order() {
        let mut ledger = Ledger::default();
        let (first, second) = (direct(&mut ledger), direct(&mut ledger));
        let stamp = ledger.judge(2, 1, CHANNEL, &first).unwrap().unwrap();
        assert_eq!((stamp.sequence, stamp.sent_at), (1, Instant::from_nanos(5)));
        assert!(ledger.judge(2, 1, CHANNEL, &second).is_ok());
        assert!(ledger.judge(2, 1, CHANNEL, &second).is_err(), "twice");
        assert!(ledger.judge(2, 1, CHANNEL, &first).is_err(), "out of order");
        assert_eq!(ledger.direct(1, 2, CHANNEL), (2, 2));
    }

    #[test]
    fn a_message_at_the_wrong_place_is_found_out() {
        let mut ledger = Ledger::default();
        let message = direct(&mut ledger);
        assert!(
            ledger.judge(3, 1, CHANNEL, &message).is_err(),
            "wrong receiver"
        );
        assert!(ledger.judge(2, 3, CHANNEL, &message).is_err(), "wrong peer");
        assert!(
            ledger.judge(2, 1, ChannelId(1), &message).is_err(),
            "wrong channel"
        );
    }

    #[test]
    fn a_changed_or_shortened_message_is_found_out() {
        let mut ledger = Ledger::default();
        let message = direct(&mut ledger);
        for at in MAGIC.len()..message.len() {
            let mut changed = message.to_vec();
            changed[at] ^= 1;
            assert!(ledger.judge(2, 1, CHANNEL, &changed).is_err(), "byte {at}");
        }
        assert!(ledger.judge(2, 1, CHANNEL, &message[..99]).is_err());
        assert_eq!(ledger.judge(2, 1, CHANNEL, b"no stamp"), Ok(None));
    }

    #[test]
    fn gossip_comes_once_per_life_to_everybody_but_its_origin() {
        let mut ledger = Ledger::default();
        let message = ledger.stamp(Instant::ZERO, (0, None), CHANNEL, 64);
        assert!(ledger.judge(0, 1, CHANNEL, &message).is_err(), "its origin");
        assert!(ledger.judge(1, 0, CHANNEL, &message).is_ok());
        assert!(ledger.judge(1, 2, CHANNEL, &message).is_err(), "twice");
        assert!(ledger.judge(2, 1, CHANNEL, &message).is_ok());
        assert_eq!(ledger.spread(0, CHANNEL), [2]);
        ledger.forget_life(1);
        assert!(ledger.judge(1, 2, CHANNEL, &message).is_ok());
    }
}
