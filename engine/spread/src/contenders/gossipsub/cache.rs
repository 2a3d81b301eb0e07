//! [`Cache`]: the messages of the last heartbeats.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::machine::Payload;

/// Heartbeats for which a message is kept, and for which it is told of: mcache_len, mcache_gossip.
const KEPT: usize = 5;
const TOLD: usize = 3;

/// One row of messages for each heartbeat, the newest first.
#[derive(Debug)]
pub(super) struct Cache {
    rows: VecDeque<Vec<Payload>>,
}

impl Default for Cache {
    fn default() -> Self {
        Cache {
            rows: VecDeque::from([Vec::new()]),
        }
    }
}

impl Cache {
    pub(super) fn put(&mut self, payload: Payload) {
        self.rows[0].push(payload);
    }

    pub(super) fn get(&self, id: u32) -> Option<Payload> {
        let mut all = self.rows.iter().flatten();
        all.find(|payload| payload.id == id).copied()
    }

    /// What a node tells of. `None` for nothing.
    pub(super) fn told(&self) -> Option<Rc<[u32]>> {
        let rows = self.rows.iter().take(TOLD);
        let ids: Rc<[u32]> = rows.flatten().map(|payload| payload.id).collect();
        (!ids.is_empty()).then_some(ids)
    }

    /// A heartbeat is over.
    pub(super) fn shift(&mut self) {
        self.rows.push_front(Vec::new());
        self.rows.truncate(KEPT);
    }

    pub(super) fn len(&self) -> usize {
        self.rows.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::NodeIndex;

    #[test]
    fn a_message_is_told_of_for_three_heartbeats_and_kept_for_five() {
        let mut cache = Cache::default();
        cache.put(Payload {
            id: 1,
            origin: NodeIndex(0),
            seq: 0,
            bytes: 1,
        });
        for beat in 0..KEPT {
            assert_eq!(cache.told().is_some(), beat < TOLD);
            assert!(cache.get(1).is_some(), "heartbeat {beat}");
            cache.shift();
        }
        assert!(cache.get(1).is_none());
    }
}
