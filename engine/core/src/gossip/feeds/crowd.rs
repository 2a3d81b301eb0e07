//! [`Crowd`]: the shards where too much waits for peers. While there is one, those who bring messages are held back on all
//! shards: messages come in on any of them.

use std::collections::BTreeSet;

use super::outboxes::Load;
use crate::peer::ShardId;

/// The shards where too much waits.
#[derive(Debug, Default)]
pub(super) struct Crowd(BTreeSet<ShardId>);

impl Crowd {
    /// Whether those who bring messages are held back.
    pub(super) fn holds_back(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether too much waits on a shard.
    pub(super) fn is_at(&self, shard: ShardId) -> bool {
        self.0.contains(&shard)
    }

    /// Looks at what waits on a shard: for all its peers together, or for one. That is far less than what makes bodies be
    /// left out. Gives whether it is too much, when that has changed.
    pub(super) fn look(&self, here: ShardId, load: &Load, bytes_max: usize) -> Option<bool> {
        if self.is_at(here) {
            let is_over = load.bytes <= bytes_max / 2 && !load.is_any_busy;
            is_over.then_some(false)
        } else {
            let is_too_much = load.bytes > bytes_max || load.is_any_full;
            is_too_much.then_some(true)
        }
    }

    /// Too much waits on a shard, or does not any more. Gives whether those who bring messages are held back from now on,
    /// when that has changed.
    pub(super) fn set(&mut self, shard: ShardId, is_crowded: bool) -> Option<bool> {
        let was_held_back = self.holds_back();
        match is_crowded {
            true => self.0.insert(shard),
            false => self.0.remove(&shard),
        };
        let is_held_back = self.holds_back();
        (was_held_back != is_held_back).then_some(is_held_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ShardId = ShardId(1);
    const MAX: usize = 100;

    fn load(bytes: usize, is_any_busy: bool, is_any_full: bool) -> Load {
        Load {
            bytes,
            is_any_busy,
            is_any_full,
        }
    }

    #[test]
    fn too_much_for_all_or_for_one_is_a_crowd_until_half_of_it_is_gone() {
        let mut crowd = Crowd::default();
        let look = |crowd: &Crowd, load| crowd.look(HERE, &load, MAX);
        assert_eq!(look(&crowd, load(MAX, true, false)), None);
        assert_eq!(look(&crowd, load(MAX + 1, false, false)), Some(true));
        assert_eq!(look(&crowd, load(1, true, true)), Some(true));
        assert_eq!(crowd.set(HERE, true), Some(true));
        assert_eq!(look(&crowd, load(MAX + 1, true, true)), None);
        assert_eq!(look(&crowd, load(MAX / 2 + 1, false, false)), None);
        assert_eq!(look(&crowd, load(MAX / 2, true, false)), None);
        assert_eq!(look(&crowd, load(MAX / 2, false, false)), Some(false));
    }

    #[test]
    fn who_brings_messages_is_held_back_from_the_first_crowded_shard_to_the_last() {
        let mut crowd = Crowd::default();
        assert_eq!(crowd.set(ShardId(0), false), None);
        assert_eq!(crowd.set(ShardId(0), true), Some(true));
        assert_eq!(crowd.set(HERE, true), None);
        assert_eq!(crowd.set(ShardId(0), false), None);
        assert!(crowd.holds_back() && crowd.is_at(HERE) && !crowd.is_at(ShardId(0)));
        assert_eq!(crowd.set(HERE, false), Some(false));
        assert!(!crowd.holds_back());
    }
}
