//! [`Link`]: how much a neighbour may be asked for.

use crate::coded::Account;

/// Shards that one neighbour is asked for at a time: 512 KiB, which is 40 ms at 100 Mbit/s and more than
/// a round trip's worth there.
pub const ASKED_MAX: usize = 16;
/// Ticks without a shard after which a neighbour that was asked has stalled: two seconds. Any shard
/// of it starts them again, so a neighbour that is only busy does not stall.
pub const STALL_TICKS: u32 = 20;

/// What is asked of one neighbour, of all payloads together.
#[derive(Debug)]
pub(super) struct Link {
    account: Account,
    asked: usize,
    ticks: u32,
    is_slow: bool,
}

impl Link {
    pub(super) fn new(account: Account) -> Self {
        Link {
            account,
            asked: 0,
            ticks: 0,
            is_slow: false,
        }
    }

    /// Who is charged for the payloads it brings.
    pub(super) fn account(&self) -> Account {
        self.account
    }

    /// For how many shards more it may be asked.
    pub(super) fn room(&self) -> usize {
        let max = if self.is_slow { 1 } else { ASKED_MAX };
        max.saturating_sub(self.asked)
    }

    /// Whether it has stalled, and sent nothing since.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow
    }

    pub(super) fn handle_asked(&mut self, count: usize) {
        self.asked += count;
    }

    /// It sent a shard that it was asked for.
    pub(super) fn handle_shard(&mut self) {
        self.take_back(1);
        self.ticks = 0;
        self.is_slow = false;
    }

    /// Shards that it was asked for are not wanted any more.
    pub(super) fn take_back(&mut self, count: usize) {
        self.asked = self.asked.saturating_sub(count);
    }

    /// Time goes by; true if it has stalled. What it was asked for is then asked of others.
    pub(super) fn tick(&mut self) -> bool {
        if self.asked == 0 {
            self.ticks = 0;
            return false;
        }
        self.ticks += 1;
        if self.ticks < STALL_TICKS {
            return false;
        }
        self.ticks = 0;
        self.is_slow = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_stalls_at_the_last_tick_and_not_before() {
        let mut link = Link::new([1; 32]);
        link.handle_asked(ASKED_MAX);
        assert_eq!(link.room(), 0);
        assert!((1..STALL_TICKS).all(|_| !link.tick()));
        assert!(link.tick());
        link.take_back(ASKED_MAX);
        assert_eq!(link.room(), 1, "it is asked for one at a time");
        link.handle_asked(1);
        link.handle_shard();
        assert_eq!(link.room(), ASKED_MAX, "until it sends");
    }

    #[test]
    fn a_neighbour_that_was_asked_for_nothing_does_not_stall() {
        let mut link = Link::new([1; 32]);
        assert!((0..2 * STALL_TICKS).all(|_| !link.tick()));
    }
}
