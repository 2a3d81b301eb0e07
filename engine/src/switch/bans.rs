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

    /// Refuses `key` until `until`, or until an earlier ban of it ends, whichever is later: who bans
    /// for a minute does not forgive what somebody else banned for a day.
    pub(super) fn insert(&mut self, key: K, until: Instant) {
        if self.0.len() >= BANS_MAX && !self.0.contains_key(&key) {
            let soonest = self.0.iter().min_by_key(|(_, until)| **until);
            let soonest = soonest.map(|(key, _)| *key);
            soonest.map(|key| self.0.remove(&key));
        }
        let end = self.0.entry(key).or_insert(until);
        *end = until.max(*end);
    }

    /// Whether `key` is banned at `now`. One whose time is over is forgotten.
    pub(super) fn contains(&mut self, key: &K, now: Instant) -> bool {
        self.until(key, now).is_some()
    }

    /// When the ban of `key` ends, if it is banned at `now`.
    pub(super) fn until(&mut self, key: &K, now: Instant) -> Option<Instant> {
        let until = *self.0.get(key)?;
        if until > now {
            return Some(until);
        }
        self.0.remove(key);
        None
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
    fn a_shorter_ban_does_not_end_a_longer_one() {
        let mut bans = Bans::new();
        let at = Instant::from_nanos;
        bans.insert(1, at(9));
        bans.insert(1, at(5));
        assert_eq!(bans.until(&1, at(6)), Some(at(9)));
        bans.insert(1, at(20));
        assert_eq!(
            (bans.until(&1, at(19)), bans.until(&1, at(20))),
            (Some(at(20)), None)
        );
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
