//! [`Restorable`]: segments that could be restored from repair shards, and how long their originals are waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::coded::ManifestId;

#[derive(Clone, Copy, Debug)]
struct Wait<L> {
    due: Duration,
    /// Who brought the shard that made it restorable.
    from: L,
}

/// The segments that wait.
#[derive(Debug)]
pub(super) struct Restorable<L>(BTreeMap<(ManifestId, u16), Wait<L>>);

impl<L: Copy> Restorable<L> {
    pub(super) fn new() -> Self {
        Restorable(BTreeMap::new())
    }

    pub(super) fn contains(&self, id: ManifestId, segment: u16) -> bool {
        self.0.contains_key(&(id, segment))
    }

    /// A segment is to be restored at `due`, unless it is whole before.
    pub(super) fn insert(&mut self, due: Duration, from: L, id: ManifestId, segment: u16) {
        self.0.insert((id, segment), Wait { due, from });
    }

    /// A segment is whole.
    pub(super) fn remove(&mut self, id: ManifestId, segment: u16) {
        self.0.remove(&(id, segment));
    }

    /// A payload is not wanted any more.
    pub(super) fn forget(&mut self, id: ManifestId) {
        self.0.retain(|(of, _), _| *of != id);
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.0.values().map(|wait| wait.due).min()
    }

    /// A segment that is to be restored by now, and who brought its last shard.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<(L, ManifestId, u16)> {
        let mut due = self.0.iter().filter(|(_, wait)| wait.due <= now);
        let (key, from) = due.next().map(|(key, wait)| (*key, wait.from))?;
        self.0.remove(&key);
        Some((from, key.0, key.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_restored_when_it_is_due_and_not_if_it_is_whole() {
        let ms = Duration::from_millis;
        let id = |at| ManifestId([at; 20]);
        let mut restorable = Restorable::new();
        for (due, at, segment) in [(5, 1, 0), (3, 1, 1), (4, 2, 0), (9, 3, 0)] {
            restorable.insert(ms(due), 7, id(at), segment);
        }
        assert_eq!(restorable.next_due(), Some(ms(3)));
        restorable.remove(id(1), 1);
        assert_eq!(restorable.take_due(ms(3)), None);
        assert_eq!(restorable.take_due(ms(4)), Some((7, id(2), 0)));
        restorable.forget(id(1));
        assert!(!restorable.contains(id(1), 0) && restorable.contains(id(3), 0));
        assert_eq!(restorable.next_due(), Some(ms(9)));
    }
}
