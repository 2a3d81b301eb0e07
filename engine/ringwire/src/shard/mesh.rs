//! The mesh: how the shards of one node talk.
//!
//! One lock-free single-producer ring per ordered pair of shards:
//!
//! ```text
//!            to 0    to 1    to 2
//!   from 0    own    lane    lane        A lane is a ring of LANE_LETTERS letters. What does not
//!   from 1   lane     own    lane        fit waits in the sender's own queue, in order, and is
//!   from 2   lane    lane     own        tried again each turn.
//! ```
//!
//! So nothing is lost and no shard ever waits for another: two shards with full lanes to each
//! other still take their turns. The sender's queue is bounded by what one turn can add: as long as
//! letters wait there, or the messages in a lane are more than LANE_BYTES, the switch is told of the congestion, takes no message from its peers and
//! lets publishers wait. Letters that come are still taken, and cause few others, so full lanes
//! always drain.
//!
//! Letters to oneself go into a local queue. A receiver that sleeps is woken, once per turn.

use std::collections::VecDeque;

use ringwire_core::peer::{RemoteAddr, ShardId};
use ringwire_core::switch::{Parcel, ShardMessage};
use ringwire_sync::{RingReceiver, RingSender, weighed_ring};

use crate::shard::payload::Payload;
use crate::transport::Carried;

/// Letters a lane holds before its sender queues them itself.
pub(crate) const LANE_LETTERS: usize = 1024;

/// Bytes of messages in a lane from which its sender counts as congested: large ones must not fill a
/// lane by the thousand while the other shard is busy.
pub(crate) const LANE_BYTES: usize = 16 * 1024 * 1024;

/// What travels between two shards.
#[derive(Debug)]
pub(crate) enum Letter {
    /// From switch to switch.
    Message(ShardMessage),
    /// A connection that moves to its home shard: what carries it, and what the switch knows of it.
    Moved {
        /// The connection, with nothing in flight on it.
        carried: Carried,
        /// Its remote address.
        remote: RemoteAddr,
        /// Session keys, bytes read so far, NodeInfo.
        parcel: Box<Parcel>,
    },
}

impl Payload for Letter {
    fn payload_bytes(&self) -> usize {
        match self {
            Letter::Message(message) => message.payload_bytes(),
            Letter::Moved { .. } => 0,
        }
    }
}

/// One shard's ends of all its lanes.
#[derive(Debug)]
pub(crate) struct Mesh<T = Letter> {
    own: ShardId,
    outbound: Vec<Outbound<T>>,
    /// `None` stands where the shard itself would be.
    inbound: Vec<Option<RingReceiver<T>>>,
    /// The lane that is looked at first for the next letter.
    next: usize,
}

#[derive(Debug)]
struct Outbound<T> {
    /// Counts the bytes of the messages in it and of those that wait before it.
    lane: Option<RingSender<T>>,
    waiting: VecDeque<T>,
    /// Whether something went into the lane since the receiver was last woken.
    dirty: bool,
}

impl<T: Payload> Mesh<T> {
    /// The ends of `shards` shards, all connected.
    pub(crate) fn connect(shards: u16) -> Vec<Mesh<T>> {
        let mut meshes: Vec<Mesh<T>> = (0..shards)
            .map(|own| Mesh {
                own: ShardId(own),
                outbound: Vec::new(),
                inbound: Vec::new(),
                next: 0,
            })
            .collect();
        for from in 0..usize::from(shards) {
            for to in 0..usize::from(shards) {
                let ends = (from != to).then(|| weighed_ring(LANE_LETTERS, Payload::payload_bytes));
                let (lane, inbound) = ends.unzip();
                meshes[from].outbound.push(Outbound::new(lane));
                meshes[to].inbound.push(inbound);
            }
        }
        meshes
    }

    /// Sends a letter; never waits, never loses it.
    pub(crate) fn send(&mut self, to: ShardId, letter: T) {
        let outbound = &mut self.outbound[usize::from(to.0)];
        outbound.charge(&letter);
        outbound.waiting.push_back(letter);
        outbound.fill_lane();
    }

    /// Tries again what did not fit, then names each shard that has new letters.
    pub(crate) fn flush(&mut self, mut wake: impl FnMut(ShardId)) {
        for (to, outbound) in (0..).map(ShardId).zip(&mut self.outbound) {
            outbound.fill_lane();
            if std::mem::take(&mut outbound.dirty) {
                wake(to);
            }
        }
    }

    /// Whether a lane is full, of letters or of bytes: come back soon, nobody will tell.
    pub(crate) fn is_congested(&self) -> bool {
        let mut lanes = self.outbound.iter().filter(|out| out.lane.is_some());
        lanes.any(|outbound| !outbound.waiting.is_empty() || outbound.is_heavy())
    }

    /// The next letter from any shard. Lanes take turns: a turn of the driver ends after so many
    /// letters, and lanes that are always full must not keep it from the others.
    pub(crate) fn receive(&mut self) -> Option<(ShardId, T)> {
        let own = self.own;
        if let Some(letter) = self.outbound[usize::from(own.0)].waiting.pop_front() {
            return Some((own, letter));
        }
        let lanes = self.inbound.len();
        let turns = (0..).map(ShardId).zip(0..lanes).cycle();
        for (from, at) in turns.skip(self.next).take(lanes) {
            let inbound = self.inbound[at].as_mut();
            if let Some(letter) = inbound.and_then(RingReceiver::pop) {
                self.next = (at + 1) % lanes;
                return Some((from, letter));
            }
        }
        None
    }
}

impl<T: Payload> Outbound<T> {
    fn new(lane: Option<RingSender<T>>) -> Self {
        Outbound {
            lane,
            waiting: VecDeque::new(),
            dirty: false,
        }
    }

    /// Counts a letter before the receiver can take it. One to ourselves is not on a lane.
    fn charge(&mut self, letter: &T) {
        if let Some(lane) = &mut self.lane {
            lane.charge(letter);
        }
    }

    fn is_heavy(&self) -> bool {
        self.lane
            .as_ref()
            .is_some_and(|lane| lane.bytes() > LANE_BYTES)
    }

    fn fill_lane(&mut self) {
        let Some(lane) = &mut self.lane else { return };
        while let Some(letter) = self.waiting.pop_front() {
            if let Err(letter) = lane.push_charged(letter) {
                self.waiting.push_front(letter);
                return;
            }
            self.dirty = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_keep_their_order_even_when_the_lane_is_full() {
        let mut meshes = Mesh::<usize>::connect(2);
        let [first, second] = &mut meshes[..] else {
            unreachable!("two shards")
        };
        let letters = LANE_LETTERS * 3;
        (0..letters).for_each(|letter| first.send(ShardId(1), letter));
        assert!(first.is_congested());
        let mut received = Vec::new();
        while received.len() < letters {
            while let Some((from, letter)) = second.receive() {
                assert_eq!(from, ShardId(0));
                received.push(letter);
            }
            first.flush(|to| assert_eq!(to, ShardId(1)));
        }
        assert_eq!(received, (0..letters).collect::<Vec<_>>());
        assert!(!first.is_congested() && second.receive().is_none());
    }

    #[test]
    fn a_lane_with_few_large_letters_is_congested_until_they_are_taken() {
        let mut meshes = Mesh::<usize>::connect(2);
        // The letter of a test weighs what it says.
        meshes[0].send(ShardId(1), LANE_BYTES);
        assert!(!meshes[0].is_congested(), "exactly full");
        meshes[0].send(ShardId(1), 1);
        assert!(meshes[0].is_congested());
        assert_eq!(meshes[1].receive(), Some((ShardId(0), LANE_BYTES)));
        assert!(!meshes[0].is_congested());
    }

    #[test]
    fn lanes_take_turns() {
        let mut meshes = Mesh::<u8>::connect(4);
        for letter in 0..2 {
            for from in [3, 1, 0] {
                meshes[from].send(ShardId(2), letter);
            }
        }
        let order: Vec<_> = std::iter::from_fn(|| meshes[2].receive())
            .map(|(from, letter)| (from.0, letter))
            .collect();
        assert_eq!(order, [(0, 0), (1, 0), (3, 0), (0, 1), (1, 1), (3, 1)]);
    }

    #[test]
    fn a_receiver_is_woken_once_per_turn_and_only_for_news() {
        let mut meshes = Mesh::<u8>::connect(3);
        meshes[0].send(ShardId(2), 1);
        meshes[0].send(ShardId(2), 2);
        let mut woken = Vec::new();
        meshes[0].flush(|to| woken.push(to));
        meshes[0].flush(|to| woken.push(to));
        assert_eq!(woken, [ShardId(2)]);
    }

    #[test]
    fn a_letter_to_oneself_comes_back_without_a_wake_up() {
        let mut mesh = Mesh::<u8>::connect(1).remove(0);
        mesh.send(ShardId(0), 9);
        assert!(!mesh.is_congested());
        mesh.flush(|_| panic!("nobody else to wake"));
        assert_eq!(mesh.receive(), Some((ShardId(0), 9)));
        assert_eq!(mesh.receive(), None);
    }
}
