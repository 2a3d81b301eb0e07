//! [`OriginTable`]: the origins that a node knows, and what it keeps of each.

use std::time::Duration;

use hashbrown::HashTable;

use super::allowance::{Allowance, Rate};
use super::choice::{Change, FeedChoice, Heard};
use super::message::{ALIASES_MAX, Alias, Part};
use super::neighbour::Provenance;
use super::slot::{Slot, Slots};
use super::smoothed::Smoothed;
use super::window::SeqWindow;
use crate::coded::Origin;

/// Origins that a node knows at most. Each has an alias, so there cannot be more.
pub const ORIGINS_MAX: usize = ALIASES_MAX as usize;

/// Origins of which messages were accepted, at most. There is always a place for one that is only named, and such a
/// one never takes the place of one that was heard: anybody can name origins without end.
pub const HEARD_MAX: usize = ORIGINS_MAX - 1024;

/// An origin that was silent for so long may make room for another. Longer than anything that names it is
/// under way or kept.
pub const IDLE_MIN: Duration = Duration::from_secs(60);

/// After a link was told its part, messages that began before this has passed say nothing of whether it
/// does so: longer than a round trip round the world.
const HEED: Duration = Duration::from_millis(400);

/// An origin that was silent for so long is named again to each neighbour, who may have given its place to
/// another: half of [`IDLE_MIN`], since neighbours hear it at different times.
const NAME_AGAIN: Duration = Duration::from_secs(IDLE_MIN.as_secs() / 2);

/// Moments are kept in these, so that a word lasts for two years.
const TICK: Duration = Duration::from_millis(16);

/// Between two messages from which the choice learns lies this at least: a burst is one sample, however many
/// messages it has.
const SAMPLE: Duration = Duration::from_millis(100);

/// How many more a full table of so many makes room for: as many again would be megabytes for nothing.
pub(super) fn room_for_more(len: usize) -> usize {
    (len / 32).max(16)
}

/// An origin's place in the table; it is also the alias by which this node calls it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct OriginIndex(u16);

impl OriginIndex {
    /// This node, as an origin.
    pub(super) const OWN: OriginIndex = OriginIndex(0);

    /// What this node calls it.
    pub(super) fn alias(self) -> Alias {
        Alias::new(self.0).expect("the table has as many places as there are aliases")
    }

    fn at(self) -> usize {
        usize::from(self.0)
    }
}

impl From<Alias> for OriginIndex {
    fn from(alias: Alias) -> Self {
        OriginIndex(alias.number())
    }
}

/// What neighbours want of us of an origin: two bits for each.
#[derive(Clone, Copy, Default, Debug)]
struct WantedParts {
    /// Alone: be quiet. With the other: send.
    low: Slots,
    /// Alone: announce.
    high: Slots,
}

impl WantedParts {
    fn of(self, slot: Slot) -> Option<Part> {
        match (self.high.contains(slot), self.low.contains(slot)) {
            (false, false) => None,
            (false, true) => Some(Part::Quiet),
            (true, false) => Some(Part::Backup),
            (true, true) => Some(Part::Feed),
        }
    }

    fn set(&mut self, slot: Slot, part: Option<Part>) {
        let is_low = matches!(part, Some(Part::Quiet | Part::Feed));
        let is_high = matches!(part, Some(Part::Backup | Part::Feed));
        for (slots, is_in) in [(&mut self.low, is_low), (&mut self.high, is_high)] {
            slots.remove(slot);
            if is_in {
                slots.insert(slot);
            }
        }
    }
}

/// What a node keeps of an origin.
#[derive(Clone, Debug)]
pub(super) struct OriginState {
    key: Origin,
    window: SeqWindow,
    choice: FeedChoice,
    /// By how much the feed's messages come after the first word of them.
    lateness: Smoothed,
    /// What neighbours want of us: who told us something of this origin, and what.
    wanted: WantedParts,
    /// Messages that began before this teach nothing.
    sample_from_ticks: u32,
    /// The feed may not have heard that it is one when messages came that began before this.
    heeded_from_ticks: u32,
    heard_s: u32,
    allowance: Allowance,
}

// 10,000 origins, with 32 bytes for their aliases on 16 links, stay below 2 MiB.
const _: () = assert!(size_of::<OriginState>() <= 160);

impl OriginState {
    fn new(key: Origin, now: Duration) -> Self {
        OriginState {
            key,
            window: SeqWindow::default(),
            choice: FeedChoice::default(),
            lateness: Smoothed::default(),
            wanted: WantedParts::default(),
            sample_from_ticks: 0,
            heeded_from_ticks: 0,
            heard_s: seconds(now),
            allowance: Allowance::default(),
        }
    }

    /// Its public key.
    pub(super) fn key(&self) -> &Origin {
        &self.key
    }

    /// Which of its messages were had.
    pub(super) fn window(&self) -> &SeqWindow {
        &self.window
    }

    /// A message of it was accepted. Returns whether it was silent for so long that it is to be named again to all.
    pub(super) fn handle_accepted(&mut self, now: Duration, seq: u64) -> bool {
        let silent_s = seconds(now).saturating_sub(self.heard_s);
        self.window.insert(seq);
        self.heard_s = seconds(now);
        u64::from(silent_s) >= NAME_AGAIN.as_secs()
    }

    /// Whether a message of it was ever had.
    fn was_heard(&self) -> bool {
        self.window.last().is_some()
    }

    /// So many messages of it, of so many bytes together, are to be passed on. Returns false when it publishes too
    /// much.
    pub(super) fn try_pass_on(
        &mut self,
        now: Duration,
        rate: Rate,
        burst: Duration,
        amount: (usize, usize),
    ) -> bool {
        self.allowance.try_spend(now, rate, burst, amount)
    }

    /// Who sends and who announces.
    pub(super) fn choice(&self) -> &FeedChoice {
        &self.choice
    }

    /// By how much the feed's messages come after the first word of them.
    pub(super) fn lateness(&self) -> Smoothed {
        self.lateness
    }

    /// Takes in who spoke of a message since `first_at`. Returns what to tell whom.
    pub(super) fn handle_heard(
        &mut self,
        now: Duration,
        first_at: Duration,
        heard: &[Heard],
        barred: Slots,
        provenance: impl Fn(Slot) -> Provenance,
    ) -> Vec<Change> {
        let feed = heard
            .iter()
            .find(|heard| Some(heard.slot) == self.choice.feed());
        if let Some(feed) = feed
            && feed.sent
        {
            self.lateness.add(feed.after);
        }
        if ticks(first_at) < self.sample_from_ticks {
            return Vec::new();
        }
        self.sample_from_ticks = ticks(first_at + SAMPLE);
        // Who has us as a feed gets the messages from us: it cannot be the feed of its feed.
        let others: Vec<Heard> = heard
            .iter()
            .filter(|heard| self.wanted.of(heard.slot) != Some(Part::Feed))
            .copied()
            .collect();
        self.choose(now, |choice| {
            choice.handle_heard(now, &others, barred, provenance)
        })
    }

    /// Whether the feed was to send a message of which something was heard first at this moment: whoever became it
    /// since, or just before, had passed the message on already, and misses what its forerunner has missed.
    pub(super) fn is_feeds_affair(&self, first_at: Duration) -> bool {
        ticks(first_at) >= self.heeded_from_ticks
    }

    /// The feed did not send a message. Returns what to tell whom.
    pub(super) fn handle_missed(&mut self, now: Duration) -> Vec<Change> {
        self.choose(now, |choice| choice.handle_missed(now))
    }

    /// A link is gone. Returns what to tell whom.
    pub(super) fn handle_link_down(&mut self, now: Duration, slot: Slot) -> Vec<Change> {
        self.wanted.set(slot, None);
        self.choose(now, |choice| choice.handle_link_down(slot))
    }

    /// What the neighbour wants of us; `None` while it has said nothing of this origin.
    pub(super) fn wanted(&self, slot: Slot) -> Option<Part> {
        self.wanted.of(slot)
    }

    /// The neighbour wants this of us.
    pub(super) fn set_wanted(&mut self, slot: Slot, part: Part) {
        self.wanted.set(slot, Some(part));
    }

    /// Lets the choice change, and notes from when on messages say something of who does its part.
    fn choose(
        &mut self,
        now: Duration,
        choose: impl FnOnce(&mut FeedChoice) -> Vec<Change>,
    ) -> Vec<Change> {
        let former = self.choice.feed();
        let changes = choose(&mut self.choice);
        let heeded_from = ticks(now + HEED);
        if !changes.is_empty() {
            self.sample_from_ticks = heeded_from;
        }
        // Others may be told their parts as often as they like: that excuses no feed.
        if self.choice.feed() != former {
            self.heeded_from_ticks = heeded_from;
        }
        changes
    }
}

/// So many origins were heard of late that there is no room for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoRoom;

/// All origins that a node knows. The first is the node itself.
#[derive(Debug)]
pub(super) struct OriginTable {
    states: Vec<OriginState>,
    /// Other origins than this node of which a message was accepted.
    heard: usize,
    /// By key. Whoever does not know the seed cannot choose keys that collide.
    places: HashTable<u16>,
    seed: u64,
}

impl OriginTable {
    pub(super) fn new(own: Origin, seed: u64) -> Self {
        let mut table = OriginTable {
            states: Vec::new(),
            heard: 0,
            places: HashTable::new(),
            seed,
        };
        table.find_or_add(Duration::ZERO, &own);
        table
    }

    /// The origin of this key, if it has a place.
    pub(super) fn find(&self, key: &Origin) -> Option<OriginIndex> {
        let is_it = |at: &u16| self.states[usize::from(*at)].key == *key;
        let at = self.places.find(self.hash(key), is_it)?;
        Some(OriginIndex(*at))
    }

    /// The origin of this key. One that is not known takes a free place, or that of the origin that was named first
    /// of those of which nothing was accepted; also returns that one, which nothing may name any more. `None` when
    /// there is none of either: no more than [`HEARD_MAX`] places are others'.
    pub(super) fn find_or_add(
        &mut self,
        now: Duration,
        key: &Origin,
    ) -> Option<(OriginIndex, Option<Box<OriginState>>)> {
        if let Some(index) = self.find(key) {
            return Some((index, None));
        }
        let hash = self.hash(key);
        let state = OriginState::new(*key, now);
        let (index, displaced) = if self.states.len() < ORIGINS_MAX {
            if self.states.len() == self.states.capacity() {
                self.states.reserve_exact(room_for_more(self.states.len()));
            }
            self.states.push(state);
            (OriginIndex((self.states.len() - 1) as u16), None)
        } else {
            let index = self.longest_silent(false)?;
            let old = std::mem::replace(&mut self.states[index.at()], state);
            let old_hash = self.hash(&old.key);
            if let Ok(place) = self.places.find_entry(old_hash, |at| *at == index.0) {
                place.remove();
            }
            (index, Some(Box::new(old)))
        };
        let (states, seed) = (&self.states, self.seed);
        self.places.insert_unique(hash, index.0, |at| {
            hash_of(&states[usize::from(*at)].key, seed)
        });
        Some((index, displaced))
    }

    /// The origin at this place, if there is one.
    pub(super) fn get(&self, index: OriginIndex) -> Option<&OriginState> {
        self.states.get(index.at())
    }

    /// The origin at this place.
    ///
    /// # Panics
    /// When the table never gave this place out.
    pub(super) fn state(&self, index: OriginIndex) -> &OriginState {
        &self.states[index.at()]
    }

    /// The origin at this place, to change.
    ///
    /// # Panics
    /// When the table never gave this place out.
    pub(super) fn state_mut(&mut self, index: OriginIndex) -> &mut OriginState {
        &mut self.states[index.at()]
    }

    /// All places that are taken.
    pub(super) fn indices(&self) -> impl Iterator<Item = OriginIndex> + use<> {
        (0..self.states.len() as u16).map(OriginIndex)
    }

    /// Bytes that the table takes.
    pub(super) fn bytes(&self) -> usize {
        let windows = self.states.iter().map(|state| state.window.heap_bytes());
        self.states.capacity() * size_of::<OriginState>()
            + self.places.capacity() * (size_of::<u16>() + 1)
            + windows.sum::<usize>()
    }

    /// A message of the origin is accepted. Where [`HEARD_MAX`] others were heard, the one that was silent for longest
    /// is forgotten, and returned as it was: it keeps its place as one that is only named.
    ///
    /// # Errors
    /// [`NoRoom`] when none of them was silent for [`IDLE_MIN`].
    pub(super) fn hear(
        &mut self,
        now: Duration,
        index: OriginIndex,
    ) -> Result<Option<(OriginIndex, Box<OriginState>)>, NoRoom> {
        if index == OriginIndex::OWN || self.state(index).was_heard() {
            return Ok(None);
        }
        if self.heard < HEARD_MAX {
            self.heard += 1;
            return Ok(None);
        }
        let silent = self.longest_silent(true).ok_or(NoRoom)?;
        let heard_at = Duration::from_secs(u64::from(self.state(silent).heard_s));
        if heard_at + IDLE_MIN > now {
            return Err(NoRoom);
        }
        let forgotten = OriginState::new(self.state(silent).key, now);
        let old = std::mem::replace(self.state_mut(silent), forgotten);
        Ok(Some((silent, Box::new(old))))
    }

    /// The origin that was silent for longest, of those that were heard or of those that were only named.
    fn longest_silent(&self, was_heard: bool) -> Option<OriginIndex> {
        let others = self.states.iter().enumerate().skip(1);
        let others = others.filter(|(_, state)| state.was_heard() == was_heard);
        let (at, _) = others.min_by_key(|(_, state)| state.heard_s)?;
        Some(OriginIndex(at as u16))
    }

    fn hash(&self, key: &Origin) -> u64 {
        hash_of(key, self.seed)
    }
}

/// Keys are hashes or points of a curve, so any eight bytes of them are as good as all.
fn hash_of(key: &Origin, seed: u64) -> u64 {
    let first = key.first_chunk().expect("a key has 32 bytes");
    let mixed = (u64::from_le_bytes(*first) ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 32)
}

fn ticks(at: Duration) -> u32 {
    u32::try_from(at.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}

pub(super) fn seconds(now: Duration) -> u32 {
    u32::try_from(now.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Origin {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_le_bytes());
        key
    }

    #[test]
    fn an_origin_keeps_its_place_and_the_first_is_this_node() {
        let mut table = OriginTable::new(key(0), 7);
        let first = table.find_or_add(Duration::ZERO, &key(9));
        assert_eq!(first.map(|(index, _)| index), Some(OriginIndex(1)));
        assert_eq!(table.find(&key(9)), Some(OriginIndex(1)));
        let again = table.find_or_add(Duration::ZERO, &key(9));
        assert!(matches!(again, Some((OriginIndex(1), None))));
        assert_eq!(table.find(&key(0)), Some(OriginIndex::OWN));
    }

    fn hear(table: &mut OriginTable, now: Duration, number: u32) -> Result<Option<Origin>, NoRoom> {
        let (index, _) = table.find_or_add(now, &key(number)).expect("a place");
        let old = table.hear(now, index)?;
        table.state_mut(index).handle_accepted(now, 0);
        Ok(old.map(|(_, old)| old.key))
    }

    #[test]
    fn origins_that_are_only_named_never_take_the_place_of_one_that_was_heard() {
        let mut table = OriginTable::new(key(0), 7);
        let now = Duration::from_secs(1);
        for number in 1..=HEARD_MAX as u32 {
            assert_eq!(hear(&mut table, now, number), Ok(None));
        }
        let named = 1_000_000..1_000_000 + 2 * ORIGINS_MAX as u32;
        let much_later = now + 10 * IDLE_MIN;
        for number in named.clone() {
            let displaced = table
                .find_or_add(much_later, &key(number))
                .expect("a place")
                .1;
            let displaced =
                displaced.map(|old| u32::from_le_bytes(*old.key.first_chunk().unwrap()));
            assert!(
                displaced.is_none_or(|number| named.contains(&number)),
                "{displaced:?}"
            );
        }
        for number in 1..=HEARD_MAX as u32 {
            assert!(table.find(&key(number)).is_some(), "{number}");
        }
        assert_eq!(table.indices().count(), ORIGINS_MAX);
    }

    #[test]
    fn a_message_of_another_origin_is_taken_when_one_that_was_heard_is_silent_for_a_minute() {
        let mut table = OriginTable::new(key(0), 7);
        let now = Duration::from_secs(1);
        for number in 1..=HEARD_MAX as u32 {
            assert_eq!(hear(&mut table, now, number), Ok(None));
        }
        let idle = now + IDLE_MIN;
        assert_eq!(hear(&mut table, idle, 1), Ok(None), "it is known");
        let early = idle - Duration::from_nanos(1);
        assert_eq!(hear(&mut table, early, u32::MAX), Err(NoRoom));
        assert_eq!(
            hear(&mut table, idle, u32::MAX),
            Ok(Some(key(2))),
            "the first spoke"
        );
        assert!(table.find(&key(2)).is_some(), "its name is still known");
        assert_eq!(
            hear(&mut table, idle, 2),
            Ok(Some(key(3))),
            "but it comes as a new one"
        );
        assert_eq!(
            hear(&mut table, early, 0),
            Ok(None),
            "this node has its place"
        );
    }

    #[test]
    fn what_a_neighbour_wants_is_what_it_said_last() {
        let mut state = OriginState::new(key(1), Duration::ZERO);
        let slot = Slot::new(5).unwrap();
        assert_eq!(state.wanted(slot), None);
        for part in [Part::Feed, Part::Quiet, Part::Backup] {
            state.set_wanted(slot, part);
            assert_eq!(state.wanted(slot), Some(part));
        }
        state.handle_link_down(Duration::ZERO, slot);
        assert_eq!(
            state.wanted(slot),
            None,
            "the next link in this place said nothing"
        );
    }

    #[test]
    fn an_origin_that_was_silent_for_half_a_minute_is_to_be_named_again() {
        let mut state = OriginState::new(key(1), Duration::ZERO);
        assert!(!state.handle_accepted(NAME_AGAIN - Duration::from_nanos(1), 0));
        assert!(state.handle_accepted(NAME_AGAIN * 2, 1));
    }
}
