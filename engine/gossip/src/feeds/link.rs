//! [`Link`]: what a node keeps of a neighbour.

use std::time::Duration;

use super::allowance::{Allowance, Rate};
use super::held::Key;
use super::members::MemberId;
use super::message::{ALIASES_MAX, Alias, NAMES_MAX, Part};
use super::neighbour::{Neighbour, Provenance};
use super::origins::{OriginIndex, room_for_more, seconds};
use super::output::{LANES, Lane};
use super::owed::Owed;
use super::smoothed::Smoothed;

/// An answer that came within this is never late.
const ANSWER_MIN: Duration = Duration::from_millis(20);

/// Who has not answered after this will not.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Messages that one neighbour has announced and nobody has sent, at most; what it announces beyond is not
/// heard.
pub const PROMISES_MAX: usize = 1024;

/// Messages that the links of a neighbour missed one after the other until it is given up as a feed of all
/// origins.
const MISSES_MAX: u8 = 3;

/// A broken promise weighs as much as two that were kept.
const BROKEN: u8 = 2;

/// A message for which the owner blames the neighbour. No honest node sends one, but owners err.
const BLAMED: u8 = 8;

/// From three broken promises on, a neighbour is asked last.
const DISTRUSTED: u8 = 3 * BROKEN;

/// From twelve of them on, or three messages with blame, it is hung up on.
const CLOSED: u8 = 12 * BROKEN;

/// Who was told of no messages for so long has missed a round of digests.
const UNTOLD: Duration = Duration::from_secs(1);

/// Strikes are forgotten so long after the last one.
const STRIKES_LAST: Duration = Duration::from_secs(600);

/// New origins that a neighbour may name: all that there can be at once, as to one that has just come, and then
/// as many as really appear.
const NEW_ORIGINS: Rate = Rate {
    messages: 64,
    bytes: u32::MAX,
};
const NEW_ORIGINS_BURST: Duration = Duration::from_secs(ALIASES_MAX as u64 / 64);

/// A link that has sent a good message within this time works, if slowly: 128 KiB take a second at 1 Mbit/s.
const AT_WORK: Duration = Duration::from_secs(1);

const NONE: u16 = u16::MAX;

/// An origin that had no place, or has none any more: not the neighbour's fault.
const UNPLACED: u16 = u16::MAX - 1;

/// What a neighbour's alias stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Named {
    /// This origin.
    Origin(OriginIndex),
    /// One that has no place here.
    Unplaced,
}

#[derive(Debug)]
pub(super) struct Link {
    /// Their alias → our place of the origin, or `NONE`.
    aliases: Vec<u16>,
    /// Which origins they were told our alias for, in each lane, a bit for each: what is in one may overtake what is in the
    /// other.
    named_to: [Vec<u64>; LANES],
    /// What they want of us for an origin of which they said nothing.
    wanted: Part,
    /// What we told them to do with origins of which we said nothing.
    told: Part,
    id: MemberId,
    provenance: Provenance,
    received_bytes: u64,
    answers: Smoothed,
    /// Whether the last message that it should have sent had to be asked for elsewhere.
    is_suspect: bool,
    /// Messages that it missed since anything came of it, and bytes that had come until then.
    misses: u8,
    missed_bytes: u64,
    strikes: u8,
    struck_s: u32,
    /// When a broken promise counted last.
    broken_at: Duration,
    owed: Owed,
    is_closing: bool,
    /// When a good message that was new came over it last.
    good_at: Option<Duration>,
    /// Whether bodies wait for it.
    /// Since when bodies wait for it without an end.
    behind_since: Option<Duration>,
    /// When the oldest message came of which the body was left out since then.
    gap_since: Option<Duration>,
    /// Messages of which it was not told, because bodies waited for it.
    untold: Vec<Key>,
    promises: usize,
    /// Origins whose feed it is.
    feeds: u16,
    allowance: Allowance,
    new_origins: Allowance,
}

impl Link {
    pub(super) fn new(neighbour: &Neighbour) -> Self {
        let Neighbour {
            id,
            provenance,
            rtt,
        } = *neighbour;
        let rtt = rtt.unwrap_or(ANSWER_MAX / 4);
        let mut answers = Smoothed::of(rtt);
        // A measured round trip strays less than a first sample.
        answers.add(rtt);
        answers.add(rtt);
        Link {
            aliases: Vec::new(),
            named_to: [const { Vec::new() }; LANES],
            wanted: Part::Backup,
            told: Part::Backup,
            id,
            provenance,
            received_bytes: 0,
            answers,
            is_suspect: false,
            misses: 0,
            broken_at: Duration::ZERO,
            owed: Owed::default(),
            missed_bytes: 0,
            strikes: 0,
            struck_s: 0,
            is_closing: false,
            good_at: None,
            behind_since: None,
            gap_since: None,
            untold: Vec::new(),
            promises: 0,
            feeds: 0,
            allowance: Allowance::default(),
            new_origins: Allowance::default(),
        }
    }

    /// Which node the neighbour is.
    pub(super) fn id(&self) -> MemberId {
        self.id
    }

    /// Whether this node made the link.
    pub(super) fn is_outbound(&self) -> bool {
        self.provenance.outbound
    }

    /// Where it comes from.
    pub(super) fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// What they call so. `None` for an alias that they never gave.
    pub(super) fn named(&self, alias: Alias) -> Option<Named> {
        match *self.aliases.get(usize::from(alias.number()))? {
            NONE => None,
            UNPLACED => Some(Named::Unplaced),
            index => {
                let place = Alias::new(index).expect("places have aliases");
                Some(Named::Origin(place.into()))
            }
        }
    }

    /// What they call the origin, if they have ever named it.
    pub(super) fn alias_of(&self, origin: OriginIndex) -> Option<Alias> {
        let number = origin.alias().number();
        let at = self.aliases.iter().position(|index| *index == number)?;
        Some(Alias::new(at as u16).expect("aliases were read with their bound"))
    }

    /// They call the origin so from now on; `None` for one that finds no place.
    pub(super) fn set_alias(&mut self, alias: Alias, origin: Option<OriginIndex>) {
        let at = usize::from(alias.number());
        if self.aliases.len() <= at {
            let len = at + 1;
            if len > self.aliases.capacity() {
                let more = len - self.aliases.len() + room_for_more(len);
                self.aliases.reserve_exact(more);
            }
            self.aliases.resize(len, NONE);
        }
        self.aliases[at] = origin.map_or(UNPLACED, |origin| origin.alias().number());
    }

    /// The origin is not known any more: another has its place.
    pub(super) fn forget_origin(&mut self, origin: OriginIndex) {
        let number = origin.alias().number();
        for index in &mut self.aliases {
            if *index == number {
                *index = UNPLACED;
            }
        }
        self.name_again(origin);
    }

    /// Notes that they are told our alias for the origin in this lane. Returns whether they were not before.
    pub(super) fn note_named(&mut self, lane: Lane, origin: OriginIndex) -> bool {
        let (word, bit) = named_place(origin);
        let named = &mut self.named_to[lane as usize];
        if named.len() <= word {
            named.resize(word + 1, 0);
        }
        let was_named = named[word] & bit != 0;
        named[word] |= bit;
        !was_named
    }

    /// They are told anew what we call the origin, before they hear of it again.
    pub(super) fn name_again(&mut self, origin: OriginIndex) {
        let (word, bit) = named_place(origin);
        for named in &mut self.named_to {
            if let Some(word) = named.get_mut(word) {
                *word &= !bit;
            }
        }
    }

    /// What they want of us for an origin of which they said nothing.
    pub(super) fn wanted(&self) -> Part {
        self.wanted
    }

    /// They want this of us.
    pub(super) fn set_wanted(&mut self, part: Part) {
        self.wanted = part;
    }

    /// What we told them to do with origins of which we said nothing.
    pub(super) fn told(&self) -> Part {
        self.told
    }

    /// We tell them this.
    pub(super) fn set_told(&mut self, part: Part) {
        self.told = part;
    }

    /// Bytes that came over it, so that a slow link can be told from a silent one.
    pub(super) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// A message came.
    pub(super) fn handle_received(&mut self, bytes: usize) {
        self.received_bytes += bytes as u64;
    }

    /// A body came unasked: it does its work.
    pub(super) fn handle_sent(&mut self) {
        self.is_suspect = false;
    }

    /// A message that it should have sent was asked for elsewhere.
    pub(super) fn suspect(&mut self) {
        self.is_suspect = true;
    }

    /// Whether the last message that it should have sent was asked for elsewhere.
    pub(super) fn is_suspect(&self) -> bool {
        self.is_suspect
    }

    /// It never sent a message that it should have. Returns whether it shall feed nothing any more.
    ///
    /// Only a link that sends nothing at all is given up for all origins. Else an origin that gives its messages
    /// to some of its neighbours only would bring honest links down: theirs is a feed that misses some.
    pub(super) fn handle_missed(&mut self) -> bool {
        if self.received_bytes != self.missed_bytes {
            self.missed_bytes = self.received_bytes;
            self.misses = 0;
        }
        self.misses = self.misses.saturating_add(1);
        self.misses == MISSES_MAX
    }

    /// Origins whose feed it is.
    pub(super) fn feeds(&self) -> u16 {
        self.feeds
    }

    /// It became the feed of one origin more, or less.
    pub(super) fn count_feed(&mut self, is_feed: bool) {
        self.feeds = if is_feed {
            self.feeds + 1
        } else {
            self.feeds - 1
        };
    }

    /// A body came, of so many messages and bytes. Returns false when it is more than the neighbour may send.
    pub(super) fn try_receive(
        &mut self,
        now: Duration,
        rate: Rate,
        burst: Duration,
        amount: (usize, usize),
    ) -> bool {
        self.allowance.try_spend(now, rate, burst, amount)
    }

    /// It answered a request after so long.
    pub(super) fn handle_answered(&mut self, after: Duration) {
        self.answers.add(after);
        self.strikes = self.strikes.saturating_sub(1);
    }

    /// It did not send in time what it was asked for then. Returns whether it is to be hung up on.
    ///
    /// Whatever it was asked for before the last of its broken promises counted does not count again: who is late by a
    /// second is late with all that it was asked for in it.
    pub(super) fn handle_unanswered(
        &mut self,
        now: Duration,
        key: Key,
        asked_at: Duration,
    ) -> bool {
        self.owed.insert(key, asked_at);
        if asked_at < self.broken_at {
            return false;
        }
        self.broken_at = now;
        self.strike(now, BROKEN)
    }

    /// A body came over it which it was not asked for, or not any more. If it owed that, it is late, and no liar.
    pub(super) fn handle_unasked(&mut self, now: Duration, key: Key) {
        if let Some(asked_at) = self.owed.take(key) {
            self.answers.add(now.saturating_sub(asked_at));
            self.strikes = self.strikes.saturating_sub(BROKEN);
            self.handle_excused();
        }
    }

    /// A good message that was new came over it.
    pub(super) fn handle_good(&mut self, now: Duration) {
        self.good_at = Some(now);
    }

    /// Whether good messages that were new came over it about then, or have come since.
    pub(super) fn is_at_work(&self, then: Duration) -> bool {
        self.good_at.is_some_and(|good_at| good_at + AT_WORK > then)
    }

    /// Bodies wait for it, or do not any more.
    ///
    /// Returns since when it was told of no messages, when that is over, if it lasted or bodies were left out: nobody
    /// else may tell it of those.
    pub(super) fn set_behind(&mut self, now: Duration, is_behind: bool) -> Option<Duration> {
        if is_behind {
            self.behind_since.get_or_insert(now);
            return None;
        }
        let since = self.behind_since.take()?;
        let untold = (since + UNTOLD <= now).then_some(since);
        self.gap_since.take().into_iter().chain(untold).min()
    }

    /// The body of a message that came at this time was left out.
    pub(super) fn handle_left_out(&mut self, came_at: Duration) {
        let oldest = self.gap_since.get_or_insert(came_at);
        *oldest = (*oldest).min(came_at);
    }

    /// It was not told of a message. If bodies wait for it, it is to be told when they do not.
    pub(super) fn handle_untold(&mut self, key: Key) {
        let Some(since) = self.behind_since else {
            return;
        };
        if self.untold.len() < NAMES_MAX {
            self.untold.push(key);
        } else {
            self.handle_left_out(since);
        }
    }

    /// Takes out the messages of which it was not told.
    pub(super) fn take_untold(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.untold)
    }

    /// Whether bodies wait for it: what it would ask for waits already, most likely.
    pub(super) fn is_behind(&self) -> bool {
        self.behind_since.is_some()
    }

    /// It announced a message and did not send it for a reason that an honest link may have: the message's time is
    /// over, or others go before it. A link that always has one is asked last, but not hung up on.
    pub(super) fn handle_excused(&mut self) {
        if self.strikes < DISTRUSTED {
            self.strikes += 1;
        }
    }

    /// It sent a message for which the owner blames it. Returns whether it is to be hung up on.
    pub(super) fn handle_blamed(&mut self, now: Duration) -> bool {
        self.strike(now, BLAMED)
    }

    fn strike(&mut self, now: Duration, weight: u8) -> bool {
        let now_s = seconds(now);
        if u64::from(now_s.saturating_sub(self.struck_s)) > STRIKES_LAST.as_secs() {
            self.strikes = 0;
        }
        self.struck_s = now_s;
        self.strikes = self.strikes.saturating_add(weight);
        let closes = self.strikes >= CLOSED && !self.is_closing;
        self.is_closing |= closes;
        closes
    }

    /// Whether it is to be hung up on: nothing of it is heard any more.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Whether it keeps what it announces.
    pub(super) fn is_trusted(&self) -> bool {
        self.strikes < DISTRUSTED && !self.is_suspect && !self.is_closing
    }

    /// How long it may take to answer.
    pub(super) fn answer_time(&self) -> Duration {
        (self.answers.bound() + Duration::from_millis(10)).clamp(ANSWER_MIN, ANSWER_MAX)
    }

    /// Half a round trip.
    pub(super) fn one_way(&self) -> Duration {
        self.answers.mean() / 2
    }

    /// It named an origin that is not known. Returns false when it does so too often.
    pub(super) fn try_name(&mut self, now: Duration) -> bool {
        self.new_origins
            .try_spend(now, NEW_ORIGINS, NEW_ORIGINS_BURST, (1, 0))
    }

    /// It announced something that is not there yet. Returns false when it has announced too much.
    pub(super) fn try_promise(&mut self) -> bool {
        let has_room = self.promises < PROMISES_MAX;
        self.promises += usize::from(has_room);
        has_room
    }

    /// What it announced first is there, or is given up.
    pub(super) fn end_promise(&mut self) {
        self.promises = self.promises.saturating_sub(1);
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        let named: usize = self.named_to.iter().map(Vec::capacity).sum();
        size_of::<Self>() + self.aliases.capacity() * size_of::<u16>() + named * size_of::<u64>()
    }
}

/// Which word says that an origin was named, and its bit there.
fn named_place(origin: OriginIndex) -> (usize, u64) {
    let number = origin.alias().number();
    (usize::from(number / 64), 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn link_of(rtt: Option<Duration>) -> Link {
        Link::new(&Neighbour {
            id: [0; 20],
            provenance: Provenance::default(),
            rtt,
        })
    }

    fn link() -> Link {
        link_of(Some(Duration::from_millis(100)))
    }

    fn alias(number: u16) -> Alias {
        Alias::new(number).unwrap()
    }

    fn origin(number: u16) -> OriginIndex {
        alias(number).into()
    }

    #[test]
    fn an_alias_stands_for_what_it_was_given_to_last() {
        let mut link = link();
        assert_eq!(link.named(alias(7)), None);
        link.set_alias(alias(7), Some(origin(2)));
        assert_eq!(link.named(alias(6)), None, "it was not given");
        assert_eq!(link.named(alias(7)), Some(Named::Origin(origin(2))));
        assert_eq!(link.alias_of(origin(2)), Some(alias(7)));
        link.set_alias(alias(7), None);
        assert_eq!(link.named(alias(7)), Some(Named::Unplaced));
        assert_eq!(link.alias_of(origin(2)), None);
        let last = alias(ALIASES_MAX - 1);
        link.set_alias(last, Some(origin(ALIASES_MAX - 1)));
        link.forget_origin(origin(ALIASES_MAX - 1));
        assert_eq!(link.named(last), Some(Named::Unplaced));
    }

    #[test]
    fn an_origin_is_named_once_in_each_lane_until_it_is_to_be_named_again() {
        let mut link = link();
        for lane in [Lane::Control, Lane::Bodies] {
            for number in [0, 63, 64, ALIASES_MAX - 1] {
                assert!(link.note_named(lane, origin(number)));
                assert!(!link.note_named(lane, origin(number)));
            }
        }
        link.name_again(origin(64));
        assert!(!link.note_named(Lane::Bodies, origin(63)));
        assert!(link.note_named(Lane::Bodies, origin(64)));
        assert!(link.note_named(Lane::Control, origin(64)));
        link.forget_origin(origin(ALIASES_MAX - 1));
        assert!(link.note_named(Lane::Control, origin(ALIASES_MAX - 1)));
    }

    const KEY: Key = (OriginIndex::OWN, 7);

    /// It does not send what it was asked for just before.
    fn breaks(link: &mut Link, now: Duration) -> bool {
        link.handle_unanswered(now, KEY, now)
    }

    #[test]
    fn three_broken_promises_cost_trust_and_kept_ones_win_it_back() {
        let mut link = link();
        for _ in 0..2 {
            assert!(!breaks(&mut link, NOW) && link.is_trusted());
        }
        breaks(&mut link, NOW);
        assert!(!link.is_trusted());
        link.handle_answered(Duration::from_millis(100));
        assert!(link.is_trusted());
        // Who keeps every second promise loses.
        while link.is_trusted() {
            breaks(&mut link, NOW);
            link.handle_answered(Duration::from_millis(100));
        }
    }

    #[test]
    fn who_is_late_with_many_at_once_is_late_once() {
        let mut link = link();
        let later = NOW + Duration::from_millis(100);
        for seq in 0..100 {
            assert!(!link.handle_unanswered(later, (OriginIndex::OWN, seq), NOW));
        }
        assert!(link.is_trusted());
        // What it was asked for since counts.
        let closed = (0..11).map(|_| link.handle_unanswered(later, KEY, later));
        assert_eq!(closed.filter(|closes| *closes).count(), 1);
    }

    #[test]
    fn who_sends_late_is_asked_last_and_given_more_time_and_never_hung_up_on() {
        let mut link = link_of(Some(Duration::from_millis(10)));
        let before = link.answer_time();
        let late = NOW + Duration::from_millis(400);
        for _ in 0..100 {
            assert!(!breaks(&mut link, NOW));
            link.handle_unasked(late, KEY);
        }
        assert!(!link.is_trusted() && !link.is_closing());
        assert!(link.answer_time() > before && link.answer_time() >= Duration::from_millis(400));
        // What it does not owe wins it nothing.
        let mut liar = link_of(None);
        for seq in 0..12 {
            let closes = breaks(&mut liar, NOW + Duration::from_secs(seq));
            assert_eq!(closes, seq == 11);
            liar.handle_unasked(late, (OriginIndex::OWN, 1_000 + seq));
        }
    }

    #[test]
    fn who_always_has_an_excuse_is_asked_last_and_never_hung_up_on() {
        let mut link = link();
        (0..100).for_each(|_| link.handle_excused());
        assert!(!link.is_trusted() && !link.is_closing());
        link.handle_answered(Duration::from_millis(100));
        assert!(link.is_trusted());
    }

    #[test]
    fn strikes_are_forgotten_after_ten_minutes_and_not_before() {
        for (pause, closes) in [(STRIKES_LAST, true), (STRIKES_LAST + NOW, false)] {
            let mut link = link();
            for _ in 0..11 {
                assert!(!breaks(&mut link, NOW));
            }
            assert_eq!(breaks(&mut link, NOW + pause), closes);
            assert_eq!(link.is_closing(), closes);
            assert!(
                !closes || !breaks(&mut link, NOW + pause),
                "it is said once"
            );
        }
    }

    #[test]
    fn a_link_that_sends_nothing_at_all_feeds_nothing_after_three_messages() {
        let mut link = link();
        assert!(!link.handle_missed() && !link.handle_missed());
        link.handle_received(1);
        assert!(!link.handle_missed() && !link.handle_missed());
        assert!(link.handle_missed());
    }

    #[test]
    fn who_is_suspected_is_asked_last_until_it_sends_something() {
        let mut link = link();
        link.suspect();
        assert!(link.is_suspect() && !link.is_trusted());
        link.handle_sent();
        assert!(!link.is_suspect() && link.is_trusted());
    }

    #[test]
    fn so_much_is_promised_and_one_more_is_not() {
        let mut link = link();
        assert!((0..PROMISES_MAX).all(|_| link.try_promise()));
        assert!(!link.try_promise());
        link.end_promise();
        assert!(link.try_promise() && !link.try_promise());
    }

    #[test]
    fn an_answer_may_take_as_long_as_answers_do_within_bounds() {
        let answer_time = |rtt| link_of(rtt).answer_time();
        assert_eq!(answer_time(Some(Duration::ZERO)), ANSWER_MIN);
        assert_eq!(answer_time(Some(Duration::from_secs(9))), ANSWER_MAX);
        let unknown = answer_time(None);
        assert!(unknown > Duration::from_millis(250) && unknown < ANSWER_MAX);
        assert_eq!(link().one_way(), Duration::from_millis(50));
    }
}
