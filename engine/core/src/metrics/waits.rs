//! Messages that wait, counted together where they began in one turn.
//!
//! The clock is read once a turn, so all messages of a channel that begin to wait in one turn have
//! waited for the same time when their wait ends in another. One run stands for all of them: a message
//! costs a comparison and an addition, and the histogram is touched once a run.

use std::time::Duration;

use smallvec::SmallVec;

use crate::time::Instant;

/// Runs that are kept apart. Beyond, messages join their channel's newest run, and so count as having
/// waited for as long as that: no wait is told too short, and a peer that takes nothing for hours
/// costs no more memory than this, with a run more for each channel that had none.
const RUNS_MAX: usize = 16;

/// Messages of several channels that wait.
#[derive(Debug, Default)]
pub(crate) struct Waits(SmallVec<[Run; 1]>);

/// Messages of one channel that began to wait in one turn.
#[derive(Clone, Copy, Debug)]
struct Run {
    since: Instant,
    count: u32,
    channel: u8,
}

impl Waits {
    /// Another message of the channel with number `channel`, below 256, has waited since `since`.
    #[inline]
    pub(crate) fn add(&mut self, channel: usize, since: Instant) {
        let number = channel as u8;
        debug_assert_eq!(
            usize::from(number),
            channel,
            "there are at most 255 channels"
        );
        let is_full = self.0.len() >= RUNS_MAX;
        let mut newest_first = self.0.iter_mut().rev();
        let found = newest_first
            .find(|run| run.channel == number && (run.since == since || is_full))
            .and_then(|run| Some((run.count.checked_add(1)?, run)));
        match found {
            Some((count, run)) => {
                run.count = count;
                run.since = run.since.min(since);
            }
            None => self.0.push(Run {
                since,
                count: 1,
                channel: number,
            }),
        }
    }

    /// All waits have ended: tells channel, time and number of each run, and forgets them.
    #[inline]
    pub(crate) fn end(&mut self, now: Instant, mut tell: impl FnMut(usize, Duration, u64)) {
        for run in self.0.drain(..) {
            tell(
                usize::from(run.channel),
                now - run.since,
                u64::from(run.count),
            );
        }
    }

    /// All waits have ended in nothing.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn ended(waits: &mut Waits, now: u64) -> Vec<(usize, u64, u64)> {
        let mut told = Vec::new();
        waits.end(at(now), |channel, waited, count| {
            told.push((channel, waited.as_secs(), count));
        });
        told
    }

    #[test]
    fn messages_of_a_channel_and_a_turn_are_told_together() {
        let mut waits = Waits::default();
        for (channel, since) in [(1, 5), (2, 5), (1, 5), (1, 6)] {
            waits.add(channel, at(since));
        }
        assert_eq!(ended(&mut waits, 9), [(1, 4, 2), (2, 4, 1), (1, 3, 1)]);
        assert_eq!(ended(&mut waits, 10), [], "they are told once");
    }

    #[test]
    fn beyond_the_maximum_messages_join_their_channels_newest_run_and_none_waits_too_short() {
        let mut waits = Waits::default();
        for since in 0..1000 {
            waits.add(0, at(since));
        }
        waits.add(7, at(1000));
        assert_eq!(waits.0.len(), RUNS_MAX + 1, "the other channel has its own");
        let told = ended(&mut waits, 1000);
        assert_eq!(told.iter().map(|(.., count)| count).sum::<u64>(), 1001);
        assert_eq!(told[RUNS_MAX - 1], (0, 985, 985));
    }

    #[test]
    fn a_run_that_cannot_count_further_is_followed_by_another() {
        let mut waits = Waits::default();
        waits.add(0, at(0));
        waits.0[0].count = u32::MAX;
        waits.add(0, at(0));
        assert_eq!(
            ended(&mut waits, 1),
            [(0, 1, u64::from(u32::MAX)), (0, 1, 1)]
        );
    }

    #[test]
    fn an_idle_peer_pays_no_more_than_for_an_empty_list() {
        assert_eq!(size_of::<Waits>(), size_of::<Vec<u8>>());
    }
}
