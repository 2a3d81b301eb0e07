//! Who is refused, and until when. Bounded: an application that bans whoever annoys it must not be
//! able to fill its memory with addresses that an attacker makes up.

use std::collections::BTreeMap;

use crate::time::Instant;

/// Bans remembered at most; the one that ends first makes room.
pub(super) const BANS_MAX: usize = 4096;

/// Banned ids, or banned addresses.
#[derive(Debug)]
pub(super) struct Bans<K>(BTreeMap<K, Instant>);

impl<K: Ord + Copy> Bans<K> {
    /// Nobody is banned.
    pub(super) fn new() -> Self {
        Bans(BTreeMap::new())
    }

    /// Refuses `key` until `until`.
    pub(super) fn insert(&mut self, key: K, until: Instant) {
        if self.0.len() >= BANS_MAX && !self.0.contains_key(&key) {
            let soonest = self.0.iter().min_by_key(|(_, until)| **until);
            let soonest = soonest.map(|(key, _)| *key);
            soonest.map(|key| self.0.remove(&key));
        }
        self.0.insert(key, until);
    }

    /// Whether `key` is banned at `now`. One whose time is over is forgotten.
    pub(super) fn contains(&mut self, key: &K, now: Instant) -> bool {
        match self.0.get(key) {
            Some(until) if *until > now => true,
            Some(_) => {
                self.0.remove(key);
                false
            }
            None => false,
        }
    }

    /// Bans remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_ends_at_its_instant_and_not_before() {
        let mut bans = Bans::new();
        bans.insert(1, Instant::from_nanos(5));
        assert!(bans.contains(&1, Instant::from_nanos(4)));
        assert!(!bans.contains(&1, Instant::from_nanos(5)));
        assert_eq!(bans.len(), 0);
    }

    #[test]
    fn the_ban_that_ends_first_makes_room_for_one_more() {
        let mut bans = Bans::new();
        for key in 0..BANS_MAX as u64 {
            bans.insert(key, Instant::from_nanos(key + 1));
        }
        assert_eq!(bans.len(), BANS_MAX);
        bans.insert(u64::MAX, Instant::from_nanos(u64::MAX));
        assert_eq!(bans.len(), BANS_MAX);
        assert!(!bans.contains(&0, Instant::ZERO));
        assert!(bans.contains(&1, Instant::ZERO) && bans.contains(&u64::MAX, Instant::ZERO));
    }
}
