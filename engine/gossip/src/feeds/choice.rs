//! [`FeedChoice`]: which link sends us the messages of one origin, and which announce them.
//!
//! The link that speaks first of an origin's messages becomes its feed, so the feeds of all nodes come to be
//! a tree of shortest ways from the origin. Invariant: a link has one part at most, and as long as there is
//! a backup there is a feed.
//!
//! The margin, the history and the rests are the proposal's; no simulation has tried them yet.

use std::time::Duration;

use super::message::Part;

/// Links that announce an origin's messages beside its feed.
pub const BACKUPS_MAX: usize = 2;

/// A backup that speaks of a message by less than this before the feed is not earlier: networks jitter.
pub const EARLIER_BY: Duration = Duration::from_millis(2);

/// A feed that missed a message is not chosen again for so long, times two to the power of its misses.
pub const REST: Duration = Duration::from_secs(30);

/// Misses that count: a rest is at most [`REST`] · 2⁷, which is 64 minutes.
pub const MISSES_MAX: u8 = 7;

/// Links of an origin whose misses are remembered; one more displaces the rest that ends first.
pub const RESTING_MAX: usize = 2;

/// Of the last four messages a backup has to be earlier with three to become the feed.
const HISTORY: u8 = 0b1111;
const EARLIER_MIN: u32 = 3;

// Ten thousand origins shall fit into 2 MiB, with their keys and what else is kept of them.
const _: () = assert!(size_of::<FeedChoice>() <= 128);

/// A link, by a number that its owner gives and does not use again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u32);

/// When a link first spoke of a message, be it by the message or by its announcement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Which link.
    pub link: LinkId,
    /// How long after the first link that spoke of the message.
    pub after: Duration,
}

/// What to tell a link of the origin.
pub type Change = (LinkId, Part);

#[derive(Clone, Copy, Debug)]
struct Backup {
    link: LinkId,
    /// A bit for each of the last four messages, the newest lowest: whether it was earlier than the feed.
    earlier: u8,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    link: LinkId,
    misses: u8,
    until: Duration,
}

/// The feed and the backups of one origin.
#[derive(Clone, Default, Debug)]
pub struct FeedChoice {
    feed: Option<LinkId>,
    backups: [Option<Backup>; BACKUPS_MAX],
    resting: [Option<Rest>; RESTING_MAX],
}

impl FeedChoice {
    /// The link that sends.
    pub fn feed(&self) -> Option<LinkId> {
        self.feed
    }

    /// The links that announce.
    pub fn backups(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.backups.iter().flatten().map(|backup| backup.link)
    }

    /// Takes in who spoke of a message, in the order of time. The message is one whose origin was checked,
    /// else anybody could move our feeds. Returns what to tell which link; a link that spoke and has no part
    /// is told to be quiet. `now` counts from any fixed moment.
    pub fn handle_heard(&mut self, now: Duration, heard: &[Heard]) -> Vec<Change> {
        let before = self.clone();
        self.compare(heard);
        for heard in heard {
            self.try_add(now, heard.link);
        }
        let mut changes = self.changes_since(&before);
        for Heard { link, .. } in heard {
            if self.part(*link) == Part::Quiet && !changes.iter().any(|(told, _)| told == link) {
                changes.push((*link, Part::Quiet));
            }
        }
        changes
    }

    /// The feed did not send in time a message that a backup has sent: it rests, and a backup takes its
    /// place. Returns what to tell which link.
    pub fn handle_missed(&mut self, now: Duration) -> Vec<Change> {
        let before = self.clone();
        if let Some(feed) = self.feed.take() {
            self.rest(now, feed);
        }
        self.promote();
        self.changes_since(&before)
    }

    /// The link is gone. Returns what to tell the others.
    pub fn handle_link_down(&mut self, link: LinkId) -> Vec<Change> {
        let before = self.clone();
        if self.feed == Some(link) {
            self.feed = None;
        }
        vacate(&mut self.backups, |backup| backup.link == link);
        vacate(&mut self.resting, |rest| rest.link == link);
        self.promote();
        let mut changes = self.changes_since(&before);
        changes.retain(|(told, _)| *told != link);
        changes
    }

    /// Notes which backups were earlier than the feed, and makes one the feed that was so mostly.
    fn compare(&mut self, heard: &[Heard]) {
        let Some(feed) = self.feed else { return };
        let after = |link| heard.iter().find(|heard| heard.link == link);
        for backup in self.backups.iter_mut().flatten() {
            let earlier = match (after(backup.link), after(feed)) {
                (Some(backup), Some(feed)) => feed.after > backup.after.saturating_add(EARLIER_BY),
                (Some(_), None) => true,
                (None, _) => false,
            };
            backup.earlier = ((backup.earlier << 1) | u8::from(earlier)) & HISTORY;
        }
        if let Some(at) = self.earliest()
            && let Some(backup) = self.backups[at].as_mut()
            && backup.earlier.count_ones() >= EARLIER_MIN
        {
            self.feed = Some(std::mem::replace(&mut backup.link, feed));
            self.forget_history();
        }
    }

    /// Gives the link a part if there is one to give and it has none and does not rest.
    fn try_add(&mut self, now: Duration, link: LinkId) {
        let rests = |rest: &Rest| rest.link == link && now < rest.until;
        if self.part(link) != Part::Quiet || self.resting.iter().flatten().any(rests) {
            return;
        }
        if self.feed.is_none() {
            self.feed = Some(link);
        } else if let Some(free) = self.backups.iter_mut().find(|backup| backup.is_none()) {
            *free = Some(Backup { link, earlier: 0 });
        }
    }

    /// Fills the place of the feed by the backup that was mostly the earliest.
    fn promote(&mut self) {
        if self.feed.is_none()
            && let Some(at) = self.earliest()
        {
            self.feed = self.backups[at].take().map(|backup| backup.link);
            self.forget_history();
        }
    }

    fn earliest(&self) -> Option<usize> {
        let times = |at: &usize| self.backups[*at].map(|backup| backup.earlier.count_ones());
        // Of equals the one in the first place, so that the same seed gives the same run.
        let taken = (0..BACKUPS_MAX).rev().filter(|at| times(at).is_some());
        taken.max_by_key(times)
    }

    /// The history compares with the feed: with another it says nothing.
    fn forget_history(&mut self) {
        for backup in self.backups.iter_mut().flatten() {
            backup.earlier = 0;
        }
    }

    fn rest(&mut self, now: Duration, link: LinkId) {
        let known = self.resting.iter().flatten().find(|rest| rest.link == link);
        let misses = known.map_or(1, |rest| MISSES_MAX.min(rest.misses + 1));
        let until = now.saturating_add(REST * (1 << misses));
        vacate(&mut self.resting, |rest| rest.link == link);
        // A free place sorts before all others.
        let place = self
            .resting
            .iter_mut()
            .min_by_key(|rest| rest.map(|rest| rest.until));
        *place.expect("there are places") = Some(Rest {
            link,
            misses,
            until,
        });
    }

    fn part(&self, link: LinkId) -> Part {
        if self.feed == Some(link) {
            Part::Feed
        } else if self.backups().any(|backup| backup == link) {
            Part::Backup
        } else {
            Part::Quiet
        }
    }

    fn links(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.feed.into_iter().chain(self.backups())
    }

    fn changes_since(&self, before: &FeedChoice) -> Vec<Change> {
        let new = self
            .links()
            .filter(|link| self.part(*link) != before.part(*link));
        let gone = before
            .links()
            .filter(|link| self.part(*link) == Part::Quiet);
        new.chain(gone)
            .map(|link| (link, self.part(link)))
            .collect()
    }
}

fn vacate<T>(places: &mut [Option<T>], goes: impl Fn(&T) -> bool) {
    for place in places {
        if place.as_ref().is_some_and(&goes) {
            *place = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn heard(links: &[(u32, u64)]) -> Vec<Heard> {
        let heard = |(link, millis): &(u32, u64)| Heard {
            link: LinkId(*link),
            after: Duration::from_millis(*millis),
        };
        links.iter().map(heard).collect()
    }

    /// Link 1 is the feed; 2 and 3 are the backups.
    fn warm() -> FeedChoice {
        let mut choice = FeedChoice::default();
        choice.handle_heard(NOW, &heard(&[(1, 0), (2, 1), (3, 2), (4, 3)]));
        choice
    }

    fn links(choice: &FeedChoice) -> Vec<u32> {
        choice.links().map(|link| link.0).collect()
    }

    #[test]
    fn the_first_link_feeds_the_next_two_announce_and_the_rest_are_quiet() {
        let mut choice = FeedChoice::default();
        let changes = choice.handle_heard(NOW, &heard(&[(4, 0), (9, 1), (2, 1), (5, 7)]));
        let told = [
            (4, Part::Feed),
            (9, Part::Backup),
            (2, Part::Backup),
            (5, Part::Quiet),
        ];
        assert_eq!(changes, told.map(|(link, part)| (LinkId(link), part)));
        let again = choice.handle_heard(NOW, &heard(&[(4, 0), (9, 1), (2, 1)]));
        assert_eq!(again, [], "one message makes an origin warm");
    }

    #[test]
    fn a_backup_that_is_earlier_with_three_of_four_messages_becomes_the_feed() {
        let mut choice = warm();
        let earlier = heard(&[(3, 0), (1, 3), (2, 3)]);
        let same = heard(&[(1, 0), (2, 1), (3, 1)]);
        for message in [&earlier, &earlier, &same] {
            assert_eq!(choice.handle_heard(NOW, message), []);
        }
        let changes = choice.handle_heard(NOW, &earlier);
        assert_eq!(
            changes,
            [(LinkId(3), Part::Feed), (LinkId(1), Part::Backup)]
        );
    }

    #[test]
    fn a_backup_that_is_earlier_by_the_margin_and_no_more_stays_a_backup() {
        let mut choice = warm();
        for _ in 0..9 {
            choice.handle_heard(NOW, &heard(&[(2, 0), (1, 2), (3, 2)]));
            choice.handle_heard(NOW, &heard(&[(2, 0), (1, 3), (3, 3)]));
        }
        assert_eq!(links(&choice), [1, 2, 3]);
    }

    #[test]
    fn a_feed_that_misses_rests_twice_as_long_each_time() {
        let mut choice = warm();
        let changes = choice.handle_missed(NOW);
        assert_eq!(changes, [(LinkId(2), Part::Feed), (LinkId(1), Part::Quiet)]);
        let first = heard(&[(1, 0)]);
        let nanosecond = Duration::from_nanos(1);
        choice.handle_heard(NOW + REST * 2 - nanosecond, &first);
        assert_eq!(links(&choice), [2, 3]);
        choice.handle_heard(NOW + REST * 2, &first);
        // It takes the place that link 2 left.
        assert_eq!(links(&choice), [2, 1, 3]);
        for link in [2, 3] {
            choice.handle_link_down(LinkId(link));
        }
        assert_eq!(links(&choice), [1]);
        choice.handle_missed(NOW);
        choice.handle_heard(NOW + REST * 4 - nanosecond, &first);
        assert_eq!(links(&choice), []);
        choice.handle_heard(NOW + REST * 4, &first);
        assert_eq!(links(&choice), [1]);
    }

    #[test]
    fn a_link_that_goes_is_replaced_and_told_nothing() {
        let mut choice = warm();
        let changes = choice.handle_link_down(LinkId(1));
        assert_eq!(changes, [(LinkId(2), Part::Feed)]);
        assert_eq!(choice.handle_link_down(LinkId(3)), []);
        assert_eq!(choice.handle_link_down(LinkId(2)), []);
        assert_eq!(choice.feed(), None);
    }

    proptest! {
        /// Each step is (what happens, which link, a seed of who was heard).
        #[test]
        fn links_do_what_is_chosen_and_nothing_else(
            steps in proptest::collection::vec((0_u8..6, 0_u32..8, any::<u8>()), 0..200),
        ) {
            let mut choice = FeedChoice::default();
            let mut told = BTreeMap::new();
            let mut now = NOW;
            for (what, link, seed) in steps {
                now += Duration::from_secs(u64::from(seed));
                let changes = match what {
                    0 => choice.handle_missed(now),
                    1 => {
                        told.remove(&LinkId(link));
                        choice.handle_link_down(LinkId(link))
                    }
                    _ => {
                        let spoke = (0..8).filter(|at| seed & (1 << at) != 0);
                        let times = spoke.zip((0..).step_by(3));
                        let order: Vec<_> = times.map(|(at, ms)| ((at + link) % 8, ms)).collect();
                        choice.handle_heard(now, &heard(&order))
                    }
                };
                told.extend(changes);
                told.retain(|_, part| *part != Part::Quiet);
                let chosen: BTreeMap<_, _> =
                    choice.links().map(|link| (link, choice.part(link))).collect();
                prop_assert_eq!(&told, &chosen);
                prop_assert_eq!(chosen.len(), choice.links().count(), "one part for each link");
                prop_assert!(choice.feed().is_some() || chosen.is_empty());
            }
        }
    }
}
