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
    was_asked: bool,
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

    /// A link spoke of it, for the first time or again.
    pub(super) fn note(&mut self, now: Duration, slot: Slot, alias: Alias, sent: bool) {
        if self.spoke.insert(slot) {
            let after = now.saturating_sub(self.first_at);
            let heard = Heard { slot, after, sent };
            self.words.push(Word { heard, alias });
        }
    }

    /// Who spoke of it.
    pub(super) fn spoke(&self) -> Slots {
        self.spoke
    }

    /// Who spoke of it when, in order.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.words.iter().map(|word| word.heard).collect()
    }

    /// Who shall be asked next, and what they call the origin: in the order in which they spoke, first those
    /// that are trusted. `None` when all were asked.
    pub(super) fn next_to_ask(&self, is_trusted: impl Fn(Slot) -> bool) -> Option<(Slot, Alias)> {
        let left = || {
            let words = self.words.iter().map(|word| (word.heard.slot, word.alias));
            words.filter(|(slot, _)| !self.asked.contains(*slot))
        };
        left()
            .find(|(slot, _)| is_trusted(*slot))
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

    /// All were asked in vain: they may be asked again.
    pub(super) fn wait_again(&mut self) {
        self.asked = Slots::default();
        self.stage = Stage::Waiting;
    }

    /// Who promised it first. The promise ends.
    pub(super) fn take_promise(&mut self) -> Option<Slot> {
        self.promised_by.take()
    }

    /// Somebody checks it.
    pub(super) fn handle_checking(&mut self) {
        self.stage = Stage::Checking;
    }

    /// It was accepted.
    pub(super) fn handle_held(&mut self) {
        self.stage = Stage::Held;
    }

    /// What this link said does not count: it is gone, or what it sent was no such message.
    pub(super) fn forget_link(&mut self, slot: Slot) {
        self.words.retain(|word| word.heard.slot != slot);
        self.spoke.remove(slot);
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
        self.due.insert((due, key));
        self.open.entry(key).or_insert(Open {
            first_at: now,
            due,
            stage: Stage::Waiting,
            words: Vec::new(),
            spoke: Slots::default(),
            asked: Slots::default(),
            was_asked: false,
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

    /// A message of which something is due by now.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<Key> {
        let (due, key) = *self.due.first()?;
        (due <= now).then_some(key)
    }

    /// It is over.
    pub(super) fn remove(&mut self, key: Key) -> Option<Open> {
        let open = self.open.remove(&key)?;
        self.due.remove(&(open.due, key));
        Some(open)
    }

    /// All that have not come.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.open.keys().copied().collect()
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        let words: usize = self.open.values().map(|open| open.words.capacity()).sum();
        self.open.len() * (size_of::<Key>() * 3 + size_of::<Open>()) + words * size_of::<Word>()
    }
}
