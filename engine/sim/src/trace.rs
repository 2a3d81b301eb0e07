//! What happened in a world, as one hash and the last lines.
//!
//! Every step of a world is entered here. The running BLAKE3 hash says whether two runs were the
//! same run; the last lines say what led to a failure. Entries are numbers, not text: a run of
//! millions of steps formats only what it prints.

use std::collections::VecDeque;
use std::fmt;

use ringwire_core::time::Instant;

/// Lines kept for a failure report: enough to see the last turns of a few nodes.
const TAIL_LINES: usize = 200;

/// Bytes gathered before they are hashed: the hash takes many at once far faster than one by one.
const BATCH_BYTES: usize = 16 * 1024;

/// One step of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Instant,
    /// Number of the node it happened to.
    pub node: u32,
    /// Shard of that node.
    pub shard: u16,
    /// What happened: one word.
    pub what: &'static str,
    /// First figure of it: usually the link, dial or channel.
    pub subject: u64,
    /// Second figure of it: usually bytes.
    pub amount: u64,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry {
            at,
            node,
            shard,
            what,
            subject,
            amount,
        } = self;
        write!(
            f,
            "{at:>14?}  node {node:<3} shard {shard}  {what:<12} {subject:<8} {amount}"
        )
    }
}

/// The record of a run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    hasher: blake3::Hasher,
    /// What was entered and is not hashed yet.
    batch: Vec<u8>,
    tail: VecDeque<Entry>,
    entries: u64,
}

impl Trace {
    /// An empty record.
    pub fn new() -> Self {
        Trace::default()
    }

    /// Enters a step.
    pub fn record(&mut self, entry: Entry) {
        let batch = &mut self.batch;
        batch.extend_from_slice(&entry.at.as_nanos().to_le_bytes());
        batch.extend_from_slice(&entry.node.to_le_bytes());
        batch.extend_from_slice(&entry.shard.to_le_bytes());
        batch.extend_from_slice(entry.what.as_bytes());
        batch.extend_from_slice(&entry.subject.to_le_bytes());
        batch.extend_from_slice(&entry.amount.to_le_bytes());
        self.hash_batch();
        self.entries += 1;
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(entry);
    }

    /// Enters bytes that crossed a link, so that two runs differ as soon as one sealed bit does.
    pub fn record_bytes(&mut self, bytes: &[u8]) {
        self.batch.extend_from_slice(bytes);
        self.hash_batch();
    }

    fn hash_batch(&mut self) {
        if self.batch.len() >= BATCH_BYTES {
            self.hasher.update(&self.batch);
            self.batch.clear();
        }
    }

    /// The hash of everything entered so far.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = self.hasher.clone();
        *hasher.update(&self.batch).finalize().as_bytes()
    }

    /// How many steps were entered.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The last steps, oldest first.
    pub fn tail(&self) -> impl Iterator<Item = &Entry> {
        self.tail.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(subject: u64) -> Entry {
        Entry {
            at: Instant::ZERO,
            node: 1,
            shard: 0,
            what: "received",
            subject,
            amount: 9,
        }
    }

    #[test]
    fn equal_runs_have_equal_hashes_and_one_figure_changes_it() {
        let hash = |subjects: &[u64]| {
            let mut trace = Trace::new();
            subjects
                .iter()
                .for_each(|&subject| trace.record(entry(subject)));
            trace.hash()
        };
        assert_eq!(hash(&[1, 2]), hash(&[1, 2]));
        assert_ne!(hash(&[1, 2]), hash(&[2, 1]));
        assert_ne!(hash(&[1, 2]), hash(&[1]));
    }

    #[test]
    fn only_the_last_lines_are_kept_but_all_are_counted() {
        let mut trace = Trace::new();
        (0..TAIL_LINES as u64 + 5).for_each(|subject| trace.record(entry(subject)));
        assert_eq!(trace.tail().count(), TAIL_LINES);
        assert_eq!(trace.tail().next().map(|first| first.subject), Some(5));
        assert_eq!(trace.entries(), TAIL_LINES as u64 + 5);
    }
}
