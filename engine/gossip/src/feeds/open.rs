//! [`OpenMessages`]: the messages of which something was heard lately, and what is being done about them.
//!
//! ```text
//!            have                    body
//!   ─────▶ waiting ──────────────▶ held ── a while later: the choice of feeds learns ──▶ gone
//!            │  grace is over  ▲      ▲
//!            ▼                 │ body │
//!          asked ── no answer ─┘──────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::choice::Heard;
use super::held::Key;
use super::message::Alias;
use super::origins::OriginIndex;
use super::slot::{Slot, Slots};

/// How far a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// It was announced; the feed shall send it.
    Waiting,
    /// A link was asked for it.
    Asked {
        /// Which.
        slot: Slot,
        /// When.
        at: Duration,
        /// Bytes that had come over the link until then.
        received_bytes: u64,
    },
    /// It is there; somebody checks it.
    Checking,
    /// It was accepted.
    Held,
}

/// A link spoke of the message.
#[derive(Clone, Copy, Debug)]
struct Word {
    heard: Heard,
    /// What the link calls the origin.
    alias: Alias,
}

/// A message of which something was heard.
#[derive(Debug)]
pub(super) struct Open {
    first_at: Duration,
    due: Duration,
    stage: Stage,
    words: Vec<Word>,
    spoke: Slots,
    /// Who was asked, and did not answer.
    asked: Slots,
    /// Who did not have it when it was asked: its word says nothing of when it had it.
    failed: Slots,
    was_asked: bool,
    /// Whether its origin sends it to all members itself: then who spoke of it says nothing of ways.
    is_direct: bool,
    /// Bytes that had come from the feed when it was announced.
    feed_bytes: u64,
    /// Who promised it first, as long as it has not come.
    promised_by: Option<Slot>,
}

impl Open {
    /// When something was heard of it first.
    pub(super) fn first_at(&self) -> Duration {
        self.first_at
    }

    /// How far it is.
    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether a link had to be asked for it.
    pub(super) fn was_asked(&self) -> bool {
        self.was_asked
    }

    /// Bytes that had come from the feed when it was announced.
    pub(super) fn feed_bytes(&self) -> u64 {
        self.feed_bytes
    }

    /// A link spoke of it. Returns whether that was the first time. A message that it sends counts more than that
    /// it said it would: else a feed that announces early could send as late as it likes.
    pub(super) fn note(&mut self, now: Duration, slot: Slot, alias: Alias, sent: bool) -> bool {
        let is_new = self.spoke.insert(slot);
        if !is_new {
            let said = |word: &Word| word.heard.slot == slot && !word.heard.sent;
            let Some(at) = self.words.iter().position(said).filter(|_| sent) else {
                return false;
            };
            // It goes to the end, since words are in the order of time.
            self.words.remove(at);
        }
        let after = now.saturating_sub(self.first_at);
        let heard = Heard { slot, after, sent };
        self.words.push(Word { heard, alias });
        is_new
    }

    /// When something is done about it.
    pub(super) fn due(&self) -> Duration {
        self.due
    }

    /// Who spoke of it.
    pub(super) fn spoke(&self) -> Slots {
        self.spoke
    }

    /// Who spoke of it when, in order; without those who did not send it when they were asked.
    pub(super) fn heard(&self) -> Vec<Heard> {
        let heard = self.words.iter().map(|word| word.heard);
        heard
            .filter(|heard| !self.failed.contains(heard.slot))
            .collect()
    }

    /// Who shall be asked next, and what they call the origin: in the order in which they spoke, first those
    /// that are trusted and did not fail before. `None` when all were asked.
    pub(super) fn next_to_ask(&self, is_trusted: impl Fn(Slot) -> bool) -> Option<(Slot, Alias)> {
        let left = || {
            let words = self.words.iter().map(|word| (word.heard.slot, word.alias));
            words.filter(|(slot, _)| !self.asked.contains(*slot))
        };
        let failed = |slot: Slot| self.failed.contains(slot);
        left()
            .find(|(slot, _)| is_trusted(*slot) && !failed(*slot))
            .or_else(|| left().find(|(slot, _)| is_trusted(*slot)))
            .or_else(|| left().next())
    }

    /// A link is asked.
    pub(super) fn handle_asked(&mut self, now: Duration, slot: Slot, received_bytes: u64) {
        self.asked.insert(slot);
        self.was_asked = true;
        self.stage = Stage::Asked {
            slot,
            at: now,
            received_bytes,
        };
    }

    /// The link that was asked did not send it in time.
    pub(super) fn handle_unanswered(&mut self, slot: Slot) {
        self.failed.insert(slot);
    }

    /// All were asked in vain: they may be asked again.
    pub(super) fn wait_again(&mut self) {
        self.asked = Slots::default();
        self.stage = Stage::Waiting;
    }

    /// Who promised it first. The promise ends.
    pub(super) fn take_promise(&mut self) -> Option<Slot> {
        self.promised_by.take()
    }

    /// The link promised it first, and is gone: nobody's promise is kept by its coming.
    pub(super) fn take_promise_of(&mut self, slot: Slot) {
        self.promised_by.take_if(|by| *by == slot);
    }

    /// Somebody checks it.
    pub(super) fn handle_checking(&mut self) {
        self.stage = Stage::Checking;
    }

    /// It was accepted; `is_direct` says whether its origin sends it to all members itself.
    pub(super) fn handle_held(&mut self, is_direct: bool) {
        self.stage = Stage::Held;
        self.is_direct = is_direct;
    }

    /// Whether the choice of links learns from it.
    pub(super) fn teaches(&self) -> bool {
        !self.is_direct
    }

    /// What this link said does not count: it is gone, or what it sent was no such message.
    pub(super) fn forget_link(&mut self, slot: Slot) {
        self.words.retain(|word| word.heard.slot != slot);
        self.spoke.remove(slot);
        self.asked.remove(slot);
        self.failed.remove(slot);
    }

    /// Whether this link is asked for it now.
    pub(super) fn is_asked_of(&self, slot: Slot) -> bool {
        matches!(self.stage, Stage::Asked { slot: asked, .. } if asked == slot)
    }

    /// Whether nobody is left who could send it.
    pub(super) fn is_lost(&self) -> bool {
        let is_missing = matches!(self.stage, Stage::Waiting | Stage::Asked { .. });
        is_missing && self.words.is_empty()
    }
}

/// All of them, by when something is due.
#[derive(Debug, Default)]
pub(super) struct OpenMessages {
    open: BTreeMap<Key, Open>,
    due: BTreeSet<(Duration, Key)>,
}

impl OpenMessages {
    /// Something was heard of a message for the first time.
    pub(super) fn insert(
        &mut self,
        now: Duration,
        key: Key,
        due: Duration,
        feed_bytes: u64,
        promised_by: Option<Slot>,
    ) -> &mut Open {
        debug_assert!(!self.open.contains_key(&key), "it is the first time");
        self.due.insert((due, key));
        self.open.entry(key).or_insert(Open {
            first_at: now,
            due,
            stage: Stage::Waiting,
            words: Vec::new(),
            spoke: Slots::default(),
            asked: Slots::default(),
            failed: Slots::default(),
            was_asked: false,
            is_direct: false,
            feed_bytes,
            promised_by,
        })
    }

    /// The message, if something was heard of it lately.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Open> {
        self.open.get_mut(&key)
    }

    /// Lets something be due at another moment.
    pub(super) fn set_due(&mut self, key: Key, due: Duration) {
        if let Some(open) = self.open.get_mut(&key) {
            self.due.remove(&(open.due, key));
            open.due = due;
            self.due.insert((due, key));
        }
    }

    /// The next moment at which something is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// A message of which something is due by now. Whoever asks sets another moment, or removes it.
    pub(super) fn first_due(&mut self, now: Duration) -> Option<Key> {
        let (due, key) = *self.due.first()?;
        (due <= now).then_some(key)
    }

    /// It is over.
    pub(super) fn remove(&mut self, key: Key) -> Option<Open> {
        let open = self.open.remove(&key)?;
        self.due.remove(&(open.due, key));
        Some(open)
    }

    /// All of them.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.open.keys().copied().collect()
    }

    /// Those of an origin.
    pub(super) fn keys_of(&self, origin: OriginIndex) -> Vec<Key> {
        let all = (origin, 0)..=(origin, u64::MAX);
        self.open.range(all).map(|(key, _)| *key).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        let words: usize = self.open.values().map(|open| open.words.capacity()).sum();
        self.open.len() * (size_of::<Key>() * 3 + size_of::<Open>()) + words * size_of::<Word>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = (OriginIndex::OWN, 5);

    fn slot(number: usize) -> Slot {
        Slot::new(number).unwrap()
    }

    fn alias(number: u16) -> Alias {
        Alias::new(number).unwrap()
    }

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// A message of which links 1, 2 and 3 spoke.
    fn spoken_of(messages: &mut OpenMessages) -> &mut Open {
        let open = messages.insert(millis(100), KEY, millis(140), 0, Some(slot(1)));
        for number in 1..4 {
            open.note(millis(100 + number), slot(number as usize), alias(9), false);
        }
        open
    }

    #[test]
    fn links_are_asked_in_the_order_in_which_they_spoke_and_trusted_ones_first() {
        let mut messages = OpenMessages::default();
        let open = spoken_of(&mut messages);
        let mut asked = Vec::new();
        while let Some((next, _)) = open.next_to_ask(|slot| slot.index() != 1) {
            asked.push(next.index());
            open.handle_asked(millis(150), next, 0);
        }
        assert_eq!(asked, [2, 3, 1]);
        assert!(open.was_asked());
        open.wait_again();
        assert_eq!(open.next_to_ask(|_| true), Some((slot(1), alias(9))));
    }

    #[test]
    fn what_a_link_says_twice_counts_once_but_a_message_counts_more_than_its_announcement() {
        let mut messages = OpenMessages::default();
        let open = spoken_of(&mut messages);
        open.note(millis(190), slot(2), alias(9), false);
        open.note(millis(195), slot(1), alias(9), true);
        open.note(millis(199), slot(1), alias(9), true);
        let heard = |(number, after, sent)| Heard {
            slot: slot(number),
            after: millis(after),
            sent,
        };
        let expected = [(2, 2, false), (3, 3, false), (1, 95, true)];
        assert_eq!(open.heard(), expected.map(heard));
    }

    #[test]
    fn the_word_of_a_link_that_did_not_answer_says_nothing_of_time() {
        let mut messages = OpenMessages::default();
        let open = spoken_of(&mut messages);
        open.handle_unanswered(slot(1));
        let slots: Vec<usize> = open
            .heard()
            .iter()
            .map(|heard| heard.slot.index())
            .collect();
        assert_eq!(slots, [2, 3]);
        open.wait_again();
        assert_eq!(open.heard().len(), 2);
        assert_eq!(open.next_to_ask(|_| true), Some((slot(2), alias(9))));
        for number in [2, 3] {
            open.handle_asked(millis(200), slot(number), 0);
        }
        assert_eq!(
            open.next_to_ask(|_| true),
            Some((slot(1), alias(9))),
            "it may have it now"
        );
    }

    #[test]
    fn a_message_is_lost_when_the_last_who_spoke_of_it_is_gone_and_it_is_not_there() {
        let mut messages = OpenMessages::default();
        let open = spoken_of(&mut messages);
        for number in 1..4 {
            assert!(!open.is_lost());
            open.forget_link(slot(number));
        }
        assert!(open.is_lost());
        open.handle_checking();
        assert!(!open.is_lost());
        open.handle_held(false);
        assert!(!open.is_lost());
    }

    #[test]
    fn a_promise_ends_once_and_not_by_the_next_link_in_the_place() {
        let mut messages = OpenMessages::default();
        let open = spoken_of(&mut messages);
        open.take_promise_of(slot(2));
        assert_eq!(open.take_promise(), Some(slot(1)));
        assert_eq!(open.take_promise(), None);
        let mut messages = OpenMessages::default();
        let open = spoken_of(&mut messages);
        open.take_promise_of(slot(1));
        assert_eq!(open.take_promise(), None);
    }

    #[test]
    fn each_message_is_due_at_one_moment() {
        let mut messages = OpenMessages::default();
        spoken_of(&mut messages);
        messages.set_due(KEY, millis(120));
        assert_eq!(messages.first_due(millis(119)), None);
        assert_eq!(messages.first_due(millis(120)), Some(KEY));
        messages.set_due(KEY, millis(500));
        assert_eq!(messages.next_due(), Some(millis(500)));
        assert_eq!(messages.keys_of(OriginIndex::OWN), [KEY]);
        assert_eq!(messages.keys_of(alias(1).into()), []);
        assert!(messages.remove(KEY).is_some() && messages.remove(KEY).is_none());
        assert_eq!(
            (messages.next_due(), messages.len(), messages.bytes()),
            (None, 0, 0)
        );
    }
}
