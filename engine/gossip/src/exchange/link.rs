//! [`Link`]: how much a neighbour may be asked for.

use std::time::Duration;

use crate::coded::Account;

/// Shards that one neighbour is asked for at a time: 512 KiB, which is 40 ms at 100 Mbit/s and more than
/// a round trip's worth there.
pub const ASKED_MAX: usize = 16;
/// Ticks without a shard after which a neighbour that was asked has stalled: two seconds. A shard gives it
/// half a second more, so a neighbour that is only busy does not stall.
pub const STALL_TICKS: u32 = 20;
/// What a shard that was asked for is worth: half a second.
const ANSWER_TICKS: u32 = 5;
/// Ticks without a shard after which nothing is expected of a neighbour that feeds: 100 to 200 ms.
pub(super) const QUIET_TICKS: u32 = 2;

/// What is asked of one neighbour, of all payloads together.
#[derive(Debug)]
pub(super) struct Link {
    account: Account,
    asked: usize,
    ticks: u32,
    is_slow: bool,
    /// Ticks since the last shard of it that was of use.
    silence: u32,
    /// A probe under way: its number, and when it was sent.
    probe: Option<(u32, Duration)>,
    rtt: Option<Duration>,
}

impl Link {
    pub(super) fn new(account: Account) -> Self {
        Link {
            probe: None,
            rtt: None,
            account,
            asked: 0,
            ticks: 0,
            is_slow: false,
            silence: 0,
        }
    }

    pub(super) fn handle_probed(&mut self, now: Duration, nonce: u32) {
        self.probe = Some((nonce, now));
    }

    /// A probe's answer has come. The shortest time counts: others have waited somewhere.
    pub(super) fn handle_echo(&mut self, now: Duration, nonce: u32) {
        if let Some((_, sent)) = self.probe.take_if(|(sent, _)| *sent == nonce) {
            let rtt = now.saturating_sub(sent);
            self.rtt = Some(self.rtt.map_or(rtt, |known| known.min(rtt)));
        }
    }

    /// The way there and back, if it was measured.
    pub(super) fn rtt(&self) -> Option<Duration> {
        self.rtt
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

    /// It sent a shard that it was asked for. That gives it some time more, and not all of it again, or one shard now
    /// and then would hold up the others for long.
    pub(super) fn handle_answer(&mut self) {
        self.take_back(1);
        self.ticks = self.ticks.saturating_sub(ANSWER_TICKS);
        self.is_slow = false;
    }

    /// It sent a shard of whatever payload that was of use.
    pub(super) fn handle_progress(&mut self) {
        self.silence = 0;
    }

    /// Whether it has sent nothing of use lately.
    pub(super) fn is_silent(&self) -> bool {
        self.silence >= QUIET_TICKS
    }

    /// Shards that it was asked for are not wanted any more.
    pub(super) fn take_back(&mut self, count: usize) {
        self.asked = self.asked.saturating_sub(count);
    }

    /// Time goes by; true if it has stalled. What it was asked for is then asked of others.
    pub(super) fn tick(&mut self) -> bool {
        self.silence = self.silence.saturating_add(1);
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
        link.handle_answer();
        assert_eq!(link.room(), ASKED_MAX, "until it sends");
    }

    #[test]
    fn a_neighbour_that_sends_now_and_then_stalls_a_little_later() {
        let mut link = Link::new([1; 32]);
        link.handle_asked(ASKED_MAX);
        let mut ticks = 0;
        while !link.tick() {
            ticks += 1;
            if ticks % (STALL_TICKS - 1) == 0 {
                link.handle_answer();
            }
        }
        assert!(ticks < 2 * STALL_TICKS, "{ticks}");
    }

    #[test]
    fn what_is_of_use_breaks_a_silence() {
        let mut link = Link::new([1; 32]);
        assert!(!link.is_silent());
        (0..QUIET_TICKS).for_each(|_| assert!(!link.tick()));
        assert!(link.is_silent());
        link.handle_progress();
        assert!(!link.is_silent());
    }

    #[test]
    fn the_shortest_answer_to_a_probe_is_the_way_there_and_back() {
        let ms = Duration::from_millis;
        let mut link = Link::new([1; 32]);
        for (nonce, sent, answered) in [(1, 0, 30), (2, 100, 120), (3, 200, 290)] {
            link.handle_probed(ms(sent), nonce);
            link.handle_echo(ms(sent + 1), nonce + 1);
            link.handle_echo(ms(answered), nonce);
            link.handle_echo(ms(answered + 1), nonce);
        }
        assert_eq!(link.rtt(), Some(ms(20)));
    }

    #[test]
    fn a_neighbour_that_was_asked_for_nothing_does_not_stall() {
        let mut link = Link::new([1; 32]);
        assert!((0..2 * STALL_TICKS).all(|_| !link.tick()));
    }
}
