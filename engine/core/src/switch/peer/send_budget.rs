//! The memory of the messages that wait to be sent to all peers of a shard together.
//!
//! A channel's queue is bounded by its number of messages, as in the reference: sixteen channels of a
//! thousand messages of 21 MiB are no bound for a machine, and whoever reads slowly and asks much
//! fills them. So what waits has a budget, of which each shard has an equal part, by the rule that
//! holds for received bytes as well:
//!
//! ```text
//!   queued for all:  0 ──────────────── half ──────────────── budget
//!                    whose queue has room    │  who has less than its share queued
//!   share of one peer = half ÷ peers, so all shares together fill the other half
//! ```
//!
//! "No room" is the answer of a full queue: it is told to the sender, who hears of room when the
//! peer has taken something. That comes without fail, because only a peer with something queued is
//! ever refused; an empty queue takes any message. So the budget is overrun by one message per peer
//! at most. A message for many peers is counted at each, though its payload is there once.

/// The budget of one shard.
#[derive(Debug)]
pub(crate) struct SendBudget {
    /// Bytes queued from which only shares are given.
    half: usize,
    /// Bytes queued now, for all peers.
    queued: usize,
}

impl SendBudget {
    /// A budget of so many bytes, nothing of it used.
    pub(crate) fn new(budget: usize) -> Self {
        SendBudget {
            half: budget / 2,
            queued: 0,
        }
    }

    /// Bytes queued now.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    /// Whether a peer with `own` bytes queued, one of `peers`, may have more.
    #[inline]
    pub(crate) fn has_room(&self, own: usize, peers: usize) -> bool {
        self.queued < self.half || own < (self.half / peers.max(1)).max(1)
    }

    /// A peer has `now` bytes queued; it had `former` when it was last looked at.
    #[inline]
    pub(crate) fn update(&mut self, former: &mut usize, now: usize) {
        self.queued = self.queued - *former + now;
        *former = now;
    }

    /// A peer is gone.
    pub(crate) fn forget(&mut self, queued: usize) {
        self.queued -= queued;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_half_everybody_has_room_and_above_it_who_has_less_than_its_share() {
        let mut budget = SendBudget::new(200);
        let (mut greedy, mut modest) = (0, 0);
        budget.update(&mut greedy, 99);
        assert!(budget.has_room(greedy, 4));
        budget.update(&mut greedy, 100);
        assert!(!budget.has_room(greedy, 4));
        budget.update(&mut modest, 24);
        assert!(budget.has_room(modest, 4), "a share is 25 bytes");
        budget.update(&mut modest, 25);
        assert!(!budget.has_room(modest, 4));
        budget.forget(greedy);
        assert_eq!(budget.queued(), 25);
        assert!(budget.has_room(modest, 4));
    }

    #[test]
    fn an_empty_queue_takes_a_message_however_much_waits_and_however_many_peers_there_are() {
        let mut budget = SendBudget::new(10);
        budget.update(&mut 0, 1000);
        assert!(budget.has_room(0, 1_000_000));
    }
}
