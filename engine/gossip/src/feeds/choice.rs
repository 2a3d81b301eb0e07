//! [`FeedChoice`]: which link sends us the messages of one origin, and which announce them.
//!
//! The link that speaks first of an origin's messages becomes its feed, so the feeds of all nodes come to be
//! a tree of shortest ways from the origin.
//!
//! ```text
//!  learning: 8 messages          ── then ──▶  settled
//!  feed: who was first with the last one      feed: stays, until a link was first with 3 of the last 4
//!  all others announce                        three backups announce, all others are quiet
//! ```
//! While all links announce, each message shows the way that is shortest now, and shortens others' ways: so a
//! few rounds are needed, as many as a message has hops.
//!
//! Backups stand in for a feed that falls silent, so they are rather not of one network with it or with each other, and one
//! of all is rather a link that this node made: whoever owns many links of one network does not get all of an origin's.
//!
//! Parts are told by what a link does: who sends and should not is told so, and so on. So a lost or late word
//! is said again with the next message, and nothing has to be remembered of what was said.

use std::time::Duration;

use super::message::Part;
use super::neighbour::Provenance;
use super::slot::{Slot, Slots};

/// Links that announce an origin's messages beside its feed.
pub const BACKUPS_MAX: usize = 3;

/// Messages until the choice is settled. Among 10,000 nodes a message has more hops than four; where there are fewer, more
/// rounds do no harm.
pub const LEARNING: u8 = 8;

/// A link that speaks of a message by less than this before the feed is not earlier: networks jitter.
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
const _: () = assert!(size_of::<FeedChoice>() <= 40);

/// When a link first spoke of a message, be it by the message or by its announcement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Which link.
    pub slot: Slot,
    /// How long after the first link that spoke of the message.
    pub after: Duration,
    /// Whether it sent the message unasked.
    pub sent: bool,
}

/// What to tell a link of the origin.
pub type Change = (Slot, Part);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Backup {
    slot: Slot,
    /// A bit for each of the last four messages, the newest lowest: whether it was earlier than the feed.
    earlier: u8,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    slot: Slot,
    misses: u8,
    until_s: u32,
}

/// The feed and the backups of one origin.
#[derive(Clone, Default, Debug)]
pub struct FeedChoice {
    feed: Option<Slot>,
    backups: [Option<Backup>; BACKUPS_MAX],
    resting: [Option<Rest>; RESTING_MAX],
    learned: u8,
}

impl FeedChoice {
    /// The link that sends.
    pub fn feed(&self) -> Option<Slot> {
        self.feed
    }

    /// The links that announce, once the choice is settled.
    pub fn backups(&self) -> impl Iterator<Item = Slot> + '_ {
        self.backups.iter().flatten().map(|backup| backup.slot)
    }

    /// Whether all links announce still.
    pub fn is_learning(&self) -> bool {
        self.learned < LEARNING
    }

    /// Takes in who spoke of a message, in the order of time. The message is one whose origin was checked,
    /// else anybody could move our feeds. Returns what to tell which link. `now` counts from any fixed
    /// moment. `barred` are links that do not become the feed, as long as others spoke; `provenance` says where a link
    /// comes from.
    pub fn handle_heard(
        &mut self,
        now: Duration,
        heard: &[Heard],
        barred: Slots,
        provenance: impl Fn(Slot) -> Provenance,
    ) -> Vec<Change> {
        let before = self.clone();
        let mut awake: Vec<Heard> = heard
            .iter()
            .filter(|heard| !self.rests(now, heard.slot))
            .copied()
            .collect();
        // Whoever rests brings more than nobody does: without a feed each message would wait for a digest.
        if awake.is_empty() && self.feed.is_none() {
            awake = heard.to_vec();
        }
        let may_play =
            |heard: &Heard| !barred.contains(heard.slot) || self.feed == Some(heard.slot);
        if awake.iter().any(may_play) {
            awake.retain(may_play);
        }
        if self.is_learning() {
            self.learn(&awake, &provenance);
        } else {
            self.compare(&awake);
            self.fill(&awake, &provenance);
            self.try_replace(&awake, &provenance);
        }
        let mut changes = self.changes_since(&before);
        for Heard { slot, sent, .. } in heard {
            let part = self.part(*slot);
            let told = changes.iter().any(|(told, _)| told == slot);
            if !told && does(*sent) != part {
                changes.push((*slot, part));
            }
        }
        changes
    }

    /// The feed did not send in time a message that another link has sent: it rests, and a backup takes its
    /// place. Without a backup it stays until somebody else is heard. Returns what to tell which link.
    pub fn handle_missed(&mut self, now: Duration) -> Vec<Change> {
        let before = self.clone();
        let missed = self.feed.take();
        if let Some(feed) = missed {
            self.rest(now, feed);
        }
        self.promote();
        // As long as all announce, the next message finds another.
        if !self.is_learning() {
            self.feed = self.feed.or(missed);
        }
        self.changes_since(&before)
    }

    /// The link is gone. Returns what to tell the others.
    pub fn handle_link_down(&mut self, slot: Slot) -> Vec<Change> {
        let before = self.clone();
        if self.feed == Some(slot) {
            self.feed = None;
        }
        vacate(&mut self.backups, |backup| backup.slot == slot);
        vacate(&mut self.resting, |rest| rest.slot == slot);
        self.promote();
        let mut changes = self.changes_since(&before);
        changes.retain(|(told, _)| *told != slot);
        changes
    }

    /// Makes the first link the feed, if it was earlier than the present one by enough. The last round
    /// names the backups.
    fn learn(&mut self, heard: &[Heard], provenance: &impl Fn(Slot) -> Provenance) {
        let Some(first) = heard.first() else { return };
        let present = heard.iter().find(|heard| self.feed == Some(heard.slot));
        if present.is_none_or(|present| present.after > first.after) {
            self.feed = Some(first.slot);
        }
        self.learned += 1;
        if !self.is_learning() {
            self.fill(heard, provenance);
        }
    }

    /// Notes which backups were earlier than the feed, and makes one the feed that was so mostly.
    fn compare(&mut self, heard: &[Heard]) {
        let Some(feed) = self.feed else { return };
        let after = |slot| heard.iter().find(|heard| heard.slot == slot);
        for backup in self.backups.iter_mut().flatten() {
            let earlier = match (after(backup.slot), after(feed)) {
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
            self.feed = Some(std::mem::replace(&mut backup.slot, feed));
            self.forget_history();
        }
    }

    /// Fills free places: that of the feed with the link that spoke earliest, those of backups with links that add most to
    /// what is there, of equals with the earliest.
    fn fill(&mut self, heard: &[Heard], provenance: &impl Fn(Slot) -> Provenance) {
        if self.feed.is_none() {
            let first = self.without_part(heard).next();
            self.feed = first;
        }
        while let Some(free) = self.backups.iter().position(Option::is_none) {
            let variety = |slot: &Slot| {
                let slots = self.links().chain([*slot]);
                Variety::of(slots.map(provenance))
            };
            // The first of equals: the highest of those in reverse.
            let others: Vec<Slot> = self.without_part(heard).collect();
            let Some(slot) = others.into_iter().rev().max_by_key(variety) else {
                return;
            };
            self.backups[free] = Some(Backup { slot, earlier: 0 });
        }
    }

    /// A link without a part that spoke before the feed takes the place of a backup: of that which was least early, among
    /// those without which no less is there.
    fn try_replace(&mut self, heard: &[Heard], provenance: &impl Fn(Slot) -> Provenance) {
        let before_feed = heard
            .iter()
            .take_while(|heard| self.feed != Some(heard.slot));
        let before_feed: Vec<Heard> = before_feed.copied().collect();
        let newcomers: Vec<Slot> = self.without_part(&before_feed).collect();
        for newcomer in newcomers {
            let now = Variety::of(self.links().map(provenance));
            let keeps = |at: &usize| {
                let gone = self.backups[*at].map(|backup| backup.slot);
                let stay = self.links().filter(|slot| Some(*slot) != gone);
                Variety::of(stay.chain([newcomer]).map(provenance)) >= now
            };
            let times =
                |at: &usize| self.backups[*at].map_or(0, |backup| backup.earlier.count_ones());
            let places = (0..BACKUPS_MAX).rev().filter(keeps);
            if let Some(least) = places.min_by_key(times) {
                self.backups[least] = Some(Backup {
                    slot: newcomer,
                    earlier: 1,
                });
            }
        }
    }

    fn without_part(&self, heard: &[Heard]) -> impl Iterator<Item = Slot> {
        let slots = heard.iter().map(|heard| heard.slot);
        slots.filter(|slot| self.part(*slot) == Part::Quiet)
    }

    /// Fills the place of the feed by the backup that was mostly the earliest.
    fn promote(&mut self) {
        if self.feed.is_none()
            && let Some(at) = self.earliest()
        {
            self.feed = self.backups[at].take().map(|backup| backup.slot);
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

    fn rests(&self, now: Duration, slot: Slot) -> bool {
        let mut resting = self.resting.iter().flatten();
        resting.any(|rest| rest.slot == slot && now.as_secs() < u64::from(rest.until_s))
    }

    fn rest(&mut self, now: Duration, slot: Slot) {
        let known = self.resting.iter().flatten().find(|rest| rest.slot == slot);
        let misses = known.map_or(1, |rest| MISSES_MAX.min(rest.misses + 1));
        let until = now.saturating_add(REST * (1 << misses)).as_secs();
        vacate(&mut self.resting, |rest| rest.slot == slot);
        // A free place sorts before all others.
        let place = self
            .resting
            .iter_mut()
            .min_by_key(|rest| rest.map(|rest| rest.until_s));
        *place.expect("there are places") = Some(Rest {
            slot,
            misses,
            until_s: u32::try_from(until).unwrap_or(u32::MAX),
        });
    }

    /// What a link shall do.
    pub fn part(&self, slot: Slot) -> Part {
        if self.feed == Some(slot) {
            Part::Feed
        } else if self.is_learning() || self.backups().any(|backup| backup == slot) {
            Part::Backup
        } else {
            Part::Quiet
        }
    }

    fn links(&self) -> impl Iterator<Item = Slot> + '_ {
        self.feed.into_iter().chain(self.backups())
    }

    fn changes_since(&self, before: &FeedChoice) -> Vec<Change> {
        let new = self
            .links()
            .filter(|slot| self.part(*slot) != before.part(*slot));
        let gone = before
            .links()
            .filter(|slot| !self.links().any(|link| link == *slot));
        new.chain(gone)
            .map(|slot| (slot, self.part(slot)))
            .collect()
    }
}

/// How little the links of an origin have in common: the more, the better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Variety {
    groups: usize,
    has_outbound: bool,
}

impl Variety {
    fn of(links: impl Iterator<Item = Provenance>) -> Self {
        let links: Vec<Provenance> = links.collect();
        let is_first = |(at, link): &(usize, &Provenance)| {
            links[..*at].iter().all(|other| other.group != link.group)
        };
        Variety {
            groups: links.iter().enumerate().filter(is_first).count(),
            has_outbound: links.iter().any(|link| link.outbound),
        }
    }
}

/// The part that a link plays that spoke of a message.
fn does(sent: bool) -> Part {
    if sent { Part::Feed } else { Part::Backup }
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
    const NOBODY: Slots = Slots::NONE;

    /// Each link is of a network of its own, and made by this node.
    fn apart(slot: Slot) -> Provenance {
        Provenance {
            group: slot.index() as u64,
            outbound: true,
        }
    }

    fn slot(number: usize) -> Slot {
        Slot::new(number).unwrap()
    }

    /// Links that spoke after so many milliseconds. The first sent the message, the others announced it.
    fn heard(links: &[(usize, u64)]) -> Vec<Heard> {
        let heard = |(at, (link, millis)): (usize, &(usize, u64))| Heard {
            slot: slot(*link),
            after: Duration::from_millis(*millis),
            sent: at == 0,
        };
        links.iter().enumerate().map(heard).collect()
    }

    fn hear(choice: &mut FeedChoice, links: &[(usize, u64)]) -> Vec<(usize, Part)> {
        let changes = choice.handle_heard(NOW, &heard(links), NOBODY, apart);
        numbers(&changes)
    }

    fn numbers(changes: &[Change]) -> Vec<(usize, Part)> {
        let number = |(slot, part): &Change| (slot.index(), *part);
        changes.iter().map(number).collect()
    }

    /// Link 1 is the feed; 2, 3 and 4 are the backups.
    fn settled() -> FeedChoice {
        let mut choice = FeedChoice::default();
        for _ in 0..LEARNING {
            hear(&mut choice, &[(1, 0), (2, 5), (3, 6), (4, 7), (5, 8)]);
        }
        choice
    }

    fn links(choice: &FeedChoice) -> Vec<usize> {
        choice.links().map(Slot::index).collect()
    }

    #[test]
    fn while_it_learns_who_was_first_with_the_last_message_feeds_and_all_others_announce() {
        let mut choice = FeedChoice::default();
        assert_eq!(hear(&mut choice, &[(4, 0), (9, 1)]), [(4, Part::Feed)]);
        assert_eq!(choice.part(slot(60)), Part::Backup);
        let changes = hear(&mut choice, &[(9, 0), (4, 1)]);
        assert_eq!(changes, [(9, Part::Feed), (4, Part::Backup)]);
        for _ in 3..LEARNING {
            hear(&mut choice, &[(9, 0), (4, 1)]);
            assert!(choice.is_learning());
        }
        hear(&mut choice, &[(9, 0), (4, 1), (2, 2), (3, 3), (7, 4)]);
        assert!(!choice.is_learning());
        assert_eq!(links(&choice), [9, 4, 2, 3]);
        assert_eq!(choice.part(slot(60)), Part::Quiet);
    }

    #[test]
    fn who_speaks_and_should_not_is_told_so_with_each_message() {
        let mut choice = settled();
        for _ in 0..3 {
            let changes = hear(&mut choice, &[(1, 0), (2, 5), (3, 6), (7, 7)]);
            assert_eq!(changes, [(7, Part::Quiet)]);
        }
        let backup_sends = Heard {
            sent: true,
            ..heard(&[(1, 0), (2, 5)])[1]
        };
        let changes = choice.handle_heard(NOW, &[heard(&[(1, 0)])[0], backup_sends], NOBODY, apart);
        assert_eq!(numbers(&changes), [(2, Part::Backup)]);
    }

    #[test]
    fn a_backup_that_is_earlier_with_three_of_four_messages_becomes_the_feed() {
        let mut choice = settled();
        let earlier = [(3, 0), (1, 3), (2, 9)];
        let same = [(1, 0), (2, 5), (3, 6)];
        for message in [&earlier, &earlier, &same] {
            hear(&mut choice, message);
            assert_eq!(choice.feed(), Some(slot(1)));
        }
        hear(&mut choice, &earlier);
        assert_eq!(links(&choice), [3, 2, 1, 4]);
    }

    #[test]
    fn a_backup_that_is_earlier_by_the_margin_and_no_more_stays_a_backup() {
        let mut choice = settled();
        for _ in 0..9 {
            hear(&mut choice, &[(2, 0), (1, 2), (3, 2)]);
        }
        assert_eq!(links(&choice), [1, 2, 3, 4]);
        for _ in 0..3 {
            hear(&mut choice, &[(2, 0), (1, 3), (3, 3)]);
        }
        assert_eq!(links(&choice)[0], 2);
    }

    #[test]
    fn a_feed_that_misses_rests_twice_as_long_each_time() {
        let mut choice = settled();
        let changes = choice.handle_missed(NOW);
        assert_eq!(numbers(&changes), [(2, Part::Feed), (1, Part::Quiet)]);
        let first = heard(&[(1, 0)]);
        let nanosecond = Duration::from_nanos(1);
        choice.handle_heard(NOW + REST * 2 - nanosecond, &first, NOBODY, apart);
        assert_eq!(links(&choice), [2, 3, 4]);
        choice.handle_heard(NOW + REST * 2, &first, NOBODY, apart);
        assert_eq!(links(&choice), [2, 1, 3, 4], "the place that link 2 left");
        for link in [2, 3, 4] {
            choice.handle_link_down(slot(link));
        }
        assert_eq!(links(&choice), [1]);
        hear(&mut choice, &[(1, 0), (6, 5)]);
        choice.handle_missed(NOW);
        choice.handle_heard(NOW + REST * 4 - nanosecond, &first, NOBODY, apart);
        assert_eq!(links(&choice), [6]);
        choice.handle_heard(NOW + REST * 4, &first, NOBODY, apart);
        assert_eq!(links(&choice), [6, 1]);
    }

    /// Of three links 1 is the feed, the others are backups.
    fn of_three() -> FeedChoice {
        let mut choice = FeedChoice::default();
        for _ in 0..LEARNING {
            hear(&mut choice, &[(1, 0), (2, 5), (3, 6)]);
        }
        choice
    }

    #[test]
    fn a_feed_that_misses_stays_where_nobody_takes_its_place() {
        let mut choice = of_three();
        for feed in [2, 3, 3, 3] {
            choice.handle_missed(NOW);
            assert_eq!(choice.feed(), Some(slot(feed)));
        }
        // A digest has told of a message, and link 1 has sent it.
        hear(&mut choice, &[(1, 0)]);
        assert_eq!(links(&choice), [3, 1]);
        choice.handle_missed(NOW);
        assert_eq!(choice.feed(), Some(slot(1)));
    }

    #[test]
    fn without_a_feed_whoever_speaks_becomes_it_although_it_rests() {
        let mut choice = of_three();
        choice.handle_missed(NOW);
        for gone in [2, 3] {
            choice.handle_link_down(slot(gone));
        }
        assert_eq!(choice.feed(), None);
        assert_eq!(hear(&mut choice, &[(1, 0)]), [(1, Part::Feed)]);
    }

    #[test]
    fn a_barred_link_becomes_the_feed_only_where_no_other_speaks() {
        let mut barred = NOBODY;
        barred.insert(slot(1));
        let mut choice = FeedChoice::default();
        choice.handle_heard(NOW, &heard(&[(1, 0), (2, 5)]), barred, apart);
        assert_eq!(choice.feed(), Some(slot(2)));
        let mut choice = FeedChoice::default();
        choice.handle_heard(NOW, &heard(&[(1, 0)]), barred, apart);
        assert_eq!(choice.feed(), Some(slot(1)));
        // Who is the feed already stays it.
        choice.handle_heard(NOW, &heard(&[(1, 0), (2, 5)]), barred, apart);
        assert_eq!(choice.feed(), Some(slot(1)));
    }

    /// Links 1 to 5 are of network 1, others of one of their own; 20 and above were made by this node.
    fn owned(slot: Slot) -> Provenance {
        let number = slot.index() as u64;
        Provenance {
            group: if number <= 5 { 1 } else { number },
            outbound: number >= 20,
        }
    }

    fn learn_owned(links: &[(usize, u64)]) -> FeedChoice {
        let mut choice = FeedChoice::default();
        for _ in 0..LEARNING {
            choice.handle_heard(NOW, &heard(links), NOBODY, owned);
        }
        choice
    }

    #[test]
    fn backups_are_of_other_networks_and_one_link_is_of_our_own_making() {
        let spoke = [
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 3),
            (8, 70),
            (9, 80),
            (7, 90),
            (20, 99),
        ];
        assert_eq!(links(&learn_owned(&spoke)), [1, 20, 8, 9]);
        assert_eq!(links(&learn_owned(&spoke[..7])), [1, 8, 9, 7]);
        // Better one of the same network than none.
        assert_eq!(links(&learn_owned(&spoke[..5])), [1, 8, 2, 3]);
    }

    #[test]
    fn who_is_early_takes_the_place_of_no_link_that_alone_is_of_another_network_or_our_making() {
        let mut choice = learn_owned(&[(1, 0), (8, 70), (20, 80), (21, 90)]);
        assert_eq!(links(&choice), [1, 20, 8, 21]);
        let early = |link| heard(&[(link, 0), (1, 5), (8, 70), (20, 80), (21, 90)]);
        choice.handle_heard(NOW, &early(2), NOBODY, owned);
        assert_eq!(
            links(&choice),
            [1, 20, 8, 21],
            "of one network with the feed"
        );
        choice.handle_heard(NOW, &early(9), NOBODY, owned);
        choice.handle_heard(NOW, &early(10), NOBODY, owned);
        assert_eq!(links(&choice), [1, 20, 10, 9], "one that we made is left");
        choice.handle_heard(NOW, &early(11), NOBODY, owned);
        assert!(links(&choice).contains(&20));
        choice.handle_heard(NOW, &early(30), NOBODY, owned);
        assert!(links(&choice).contains(&30));
    }

    #[test]
    fn a_link_that_goes_is_replaced_and_told_nothing() {
        let mut choice = settled();
        let changes = choice.handle_link_down(slot(1));
        assert_eq!(numbers(&changes), [(2, Part::Feed)]);
        assert_eq!(choice.handle_link_down(slot(3)), []);
        assert_eq!(choice.handle_link_down(slot(4)), []);
        assert_eq!(choice.handle_link_down(slot(2)), []);
        assert_eq!(choice.feed(), None);
    }

    proptest! {
        /// Links do what they were told last. Each step is (what happens, which link, a seed of who speaks
        /// when they all hear of a message).
        #[test]
        fn links_come_to_do_what_is_chosen(
            steps in proptest::collection::vec((0_u8..8, 0_usize..8, any::<u8>()), 0..100),
        ) {
            let mut choice = FeedChoice::default();
            let mut does: BTreeMap<usize, Part> = (0..8).map(|link| (link, Part::Backup)).collect();
            let mut now = NOW;
            // The rounds after the last step change nothing but what links do.
            let rounds = std::iter::repeat_n((7, 0, u8::MAX), 8);
            for (what, link, seed) in steps.into_iter().chain(rounds) {
                now += Duration::from_secs(u64::from(seed));
                let changes = match what {
                    0 => choice.handle_missed(now),
                    1 => {
                        does.insert(link, Part::Backup);
                        choice.handle_link_down(slot(link))
                    }
                    _ => {
                        let order = (0..8).map(|at| (at + link) % 8);
                        let speak = order.filter(|at| seed & (1 << at) != 0 && does[at] != Part::Quiet);
                        let heard: Vec<Heard> = speak.zip(0..).map(|(at, millis)| Heard {
                            slot: slot(at),
                            after: Duration::from_millis(millis),
                            sent: does[&at] == Part::Feed,
                        }).collect();
                        choice.handle_heard(now, &heard, NOBODY, apart)
                    }
                };
                does.extend(numbers(&changes));
                let chosen = links(&choice);
                let distinct: std::collections::BTreeSet<_> = chosen.iter().collect();
                prop_assert_eq!(chosen.len(), distinct.len(), "one part for each link");
                prop_assert!(choice.feed().is_some() || chosen.is_empty());
            }
            for (link, part) in does {
                if part != Part::Quiet {
                    prop_assert_eq!(part, choice.part(slot(link)), "link {}", link);
                }
            }
        }
    }
}
