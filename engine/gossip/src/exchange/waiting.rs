//! [`Waiting`]: payloads for which there is no room yet, and which neighbours have spoken of them.
//!
//! A neighbour offers a payload once and then says what it has of it. Who forgets that, because it had no room at
//! the time or because the payload gave way to another one, must ask for it when there is room: nobody else will.

use std::collections::BTreeMap;

use crate::coded::{ManifestId, Offer};

/// Payloads that may wait for each neighbour.
pub const WAITING_MAX: usize = 128;
/// Ticks for which a payload waits: a minute, as long as it is offered.
pub(super) const WAITING_TICKS: u64 = 600;

/// One payload that waits.
#[derive(Clone, Debug)]
pub(super) struct Waits<L> {
    /// As its origin made it: the signature was checked before it came here.
    pub(super) offer: Offer,
    /// Who has spoken of it; it counts for the first.
    pub(super) links: Vec<L>,
    since: u64,
}

/// Payloads that wait.
#[derive(Debug)]
pub(super) struct Waiting<L>(BTreeMap<ManifestId, Waits<L>>);

impl<L: Copy + PartialEq> Waiting<L> {
    pub(super) fn new() -> Self {
        Waiting(BTreeMap::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn ids(&self) -> Vec<ManifestId> {
        self.0.keys().copied().collect()
    }

    pub(super) fn get(&self, id: ManifestId) -> Option<&Waits<L>> {
        self.0.get(&id)
    }

    /// A payload waits from this tick on, of which these neighbours have spoken; it counts for the first of them for which it
    /// is not one too many. Where it is that for all, it is left out.
    pub(super) fn push(&mut self, offer: Offer, mut links: Vec<L>, now: u64) {
        let id = offer.manifest.id();
        if let Some(waits) = self.0.get_mut(&id) {
            links.retain(|link| !waits.links.contains(link));
            waits.links.append(&mut links);
            return;
        }
        let all = || self.0.values();
        let count = |link: &L| all().filter(|one| one.links[0] == *link).count();
        let Some(payer) = links.iter().position(|link| count(link) < WAITING_MAX) else {
            return;
        };
        links.swap(0, payer);
        let since = now;
        let waits = Waits {
            offer,
            links,
            since,
        };
        self.0.insert(id, waits);
    }

    /// A payload waits no more.
    pub(super) fn take(&mut self, id: ManifestId) -> Option<Waits<L>> {
        self.0.remove(&id)
    }

    pub(super) fn remove_link(&mut self, link: L) {
        self.0.retain(|_, waits| {
            waits.links.retain(|known| *known != link);
            !waits.links.is_empty()
        });
    }

    /// Forgets what has waited too long.
    pub(super) fn sweep(&mut self, now: u64) {
        self.0.retain(|_, waits| now < waits.since + WAITING_TICKS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coded::{Layout, Manifest, PAYLOAD_BYTES_MIN, SHARD_BYTES};

    fn offer(seq: u64) -> Offer {
        let layout = Layout::new(PAYLOAD_BYTES_MIN, SHARD_BYTES).unwrap();
        Manifest::new([1; 32], seq, layout, [2; 32]).into()
    }

    #[test]
    fn so_many_wait_for_a_neighbour_and_not_one_more() {
        let mut waiting = Waiting::new();
        for seq in 0..=WAITING_MAX as u64 {
            waiting.push(offer(seq), vec![1], 0);
        }
        assert_eq!(waiting.ids().len(), WAITING_MAX);
        assert!(
            waiting
                .get(offer(WAITING_MAX as u64).manifest.id())
                .is_none()
        );
        waiting.push(offer(7), vec![2, 1], 0);
        waiting.push(offer(1000), vec![1, 2], 0);
        assert_eq!(
            waiting.ids().len(),
            WAITING_MAX + 1,
            "it counts for the other"
        );
        let known = waiting.take(offer(7).manifest.id()).unwrap();
        assert_eq!(known.links, [1, 2], "each once, in order");
    }

    #[test]
    fn what_nobody_has_spoken_of_any_more_waits_no_more() {
        let mut waiting = Waiting::new();
        waiting.push(offer(1), vec![1, 2], 0);
        waiting.push(offer(2), vec![1], 0);
        waiting.push(offer(3), vec![], 0);
        waiting.remove_link(1);
        assert_eq!(waiting.ids(), [offer(1).manifest.id()]);
        waiting.remove_link(2);
        assert!(waiting.is_empty());
    }

    #[test]
    fn what_waits_for_too_long_is_forgotten() {
        let mut waiting = Waiting::new();
        waiting.push(offer(1), vec![1], 5);
        waiting.sweep(5 + WAITING_TICKS - 1);
        assert!(!waiting.is_empty());
        waiting.sweep(5 + WAITING_TICKS);
        assert!(waiting.is_empty());
    }
}
