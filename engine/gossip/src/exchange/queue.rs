//! [`Queue`]: shards that wait to be sent, by link.
//!
//! Only references wait here; a shard is looked up when its turn comes, and is dropped when its receiver has it by then.
//! Shards leave in the order in which they were put in, as far as links have room: a link has when fewer than
//! [`AHEAD_MAX`] of its shards are on their way out of the node.

use std::collections::{BTreeMap, VecDeque};

use crate::coded::ManifestId;

/// Shards of a link that have been handed out and have not left the node: enough to keep a link busy while word of
/// them comes back, few enough that a link which stands still holds little.
pub const AHEAD_MAX: usize = 8;

/// Which shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) id: ManifestId,
    pub(super) segment: u16,
    pub(super) index: u16,
}

#[derive(Debug, Default)]
struct Line {
    /// Each with its number in the order of all.
    entries: VecDeque<(u64, Entry)>,
    ahead: usize,
}

/// What waits to be sent.
#[derive(Debug)]
pub(super) struct Queue<L> {
    lines: BTreeMap<L, Line>,
    next: u64,
}

impl<L: Copy + Ord> Queue<L> {
    pub(super) fn new() -> Self {
        Queue {
            lines: BTreeMap::new(),
            next: 0,
        }
    }

    pub(super) fn push(&mut self, to: L, entry: Entry) {
        let line = self.lines.entry(to).or_default();
        line.entries.push_back((self.next, entry));
        self.next += 1;
    }

    /// Takes out the entry that has waited longest among those whose links have room, and counts it as on its way.
    pub(super) fn pop(&mut self) -> Option<(L, Entry)> {
        let ready = self.lines.iter().filter(|(_, line)| line.ahead < AHEAD_MAX);
        let first = ready.filter_map(|(to, line)| Some((line.entries.front()?.0, *to)));
        let (_, to) = first.min_by_key(|(number, _)| *number)?;
        let line = self.lines.get_mut(&to)?;
        let (_, entry) = line.entries.pop_front()?;
        line.ahead += 1;
        Some((to, entry))
    }

    /// Whether shards of a segment wait, for whichever link.
    pub(super) fn has_segment(&self, id: ManifestId, segment: u16) -> bool {
        let entries = self.lines.values().flat_map(|line| &line.entries);
        entries
            .into_iter()
            .any(|(_, entry)| (entry.id, entry.segment) == (id, segment))
    }

    /// So many shards of a link have left the node, or were not sent after all.
    pub(super) fn handle_left(&mut self, link: L, count: usize) {
        if let Some(line) = self.lines.get_mut(&link) {
            line.ahead = line.ahead.saturating_sub(count);
        }
    }

    pub(super) fn remove_link(&mut self, link: L) {
        self.lines.remove(&link);
    }

    pub(super) fn forget(&mut self, id: ManifestId) {
        for line in self.lines.values_mut() {
            line.entries.retain(|(_, entry)| entry.id != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coded::MANIFEST_ID_BYTES;

    fn entry(manifest: u8, index: u16) -> Entry {
        Entry {
            id: ManifestId([manifest; MANIFEST_ID_BYTES]),
            segment: 0,
            index,
        }
    }

    #[test]
    fn shards_leave_in_order_and_a_link_without_room_holds_up_no_other() {
        let mut queue = Queue::new();
        for index in 0..=AHEAD_MAX as u16 {
            queue.push(1, entry(1, index));
        }
        queue.push(2, entry(1, 0));
        for index in 0..AHEAD_MAX as u16 {
            assert_eq!(queue.pop(), Some((1, entry(1, index))));
        }
        assert_eq!(queue.pop(), Some((2, entry(1, 0))));
        assert_eq!(queue.pop(), None);
        queue.handle_left(1, 1);
        assert_eq!(queue.pop(), Some((1, entry(1, AHEAD_MAX as u16))));
    }

    #[test]
    fn what_is_forgotten_or_has_no_link_is_not_sent() {
        let mut queue = Queue::new();
        queue.push(1, entry(1, 0));
        queue.push(1, entry(2, 0));
        queue.push(2, entry(2, 1));
        assert!(queue.has_segment(entry(2, 0).id, 0) && !queue.has_segment(entry(2, 0).id, 1));
        queue.forget(entry(1, 0).id);
        queue.remove_link(2);
        assert_eq!(queue.pop(), Some((1, entry(2, 0))));
        assert_eq!(queue.pop(), None);
    }
}
