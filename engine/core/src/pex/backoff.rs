//! Dials that failed, and when their addresses may be dialed again.
//!
//! After `n` failures an address rests for 2^n seconds and up to one more; after more than
//! [`ATTEMPTS_MAX`], a day and a half of dialing, it is given up (reference, `dialPeer`).

use std::collections::BTreeMap;
use std::time::Duration;

use ringwire_codec::NodeId;

use crate::chance::Chance;
use crate::time::Instant;

/// Failures after which an address is still dialed; one more and it is given up.
pub(super) const ATTEMPTS_MAX: u32 = 16;

/// The longest random addition to a rest, so that nodes that lost the same peer do not return in
/// step.
const JITTER: Duration = Duration::from_secs(1);

/// Addresses remembered at most; the one whose rest ends first makes room. It may then be dialed
/// too early, which costs one dial.
const REMEMBERED_MAX: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    rests_until: Instant,
}

/// What becomes of an address whose dial failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// It rests and may then be dialed again.
    Rest,
    /// It has failed too often.
    GiveUp,
}

/// The failures of each node since it was last connected for a while.
#[derive(Debug, Default)]
pub(super) struct Attempts(BTreeMap<NodeId, Failures>);

impl Attempts {
    /// Whether the node does not rest at `now`.
    pub(super) fn may_dial(&self, id: &NodeId, now: Instant) -> bool {
        self.0
            .get(id)
            .is_none_or(|failures| failures.rests_until <= now)
    }

    /// A dial failed.
    pub(super) fn handle_failed(&mut self, id: NodeId, now: Instant, chance: &mut Chance) -> Next {
        let count = self.0.get(&id).map_or(0, |failures| failures.count) + 1;
        if count > ATTEMPTS_MAX {
            self.0.remove(&id);
            return Next::GiveUp;
        }
        if self.0.len() >= REMEMBERED_MAX && !self.0.contains_key(&id) {
            self.forget_soonest();
        }
        let rest = Duration::from_secs(1 << count) + chance.duration_up_to(JITTER);
        let rests_until = now + rest;
        self.0.insert(id, Failures { count, rests_until });
        Next::Rest
    }

    /// The node is well.
    pub(super) fn forget(&mut self, id: &NodeId) {
        self.0.remove(id);
    }

    fn forget_soonest(&mut self) {
        let soonest = self
            .0
            .iter()
            .min_by_key(|(_, failures)| failures.rests_until);
        if let Some(id) = soonest.map(|(id, _)| *id) {
            self.0.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> NodeId {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        NodeId::from_bytes(bytes)
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    // Conformance item 80.
    #[test]
    fn a_second_dial_is_too_early_at_first_and_due_after_three_seconds() {
        let (mut attempts, mut chance) = (Attempts::default(), Chance::new([1; 32]));
        assert!(attempts.may_dial(&id(1), at(0)));
        assert_eq!(
            attempts.handle_failed(id(1), at(0), &mut chance),
            Next::Rest
        );
        assert!(!attempts.may_dial(&id(1), at(1)));
        assert!(attempts.may_dial(&id(1), at(3)));
        assert_eq!(
            attempts.handle_failed(id(1), at(3), &mut chance),
            Next::Rest
        );
        // It was the second failure: four to five seconds now.
        assert!(!attempts.may_dial(&id(1), at(6)));
        assert!(attempts.may_dial(&id(1), at(8)));
    }

    // Conformance item 77.
    #[test]
    fn sixteen_failures_rest_ever_longer_and_one_more_gives_the_address_up() {
        let (mut attempts, mut chance) = (Attempts::default(), Chance::new([2; 32]));
        let mut now = at(0);
        for count in 1..=ATTEMPTS_MAX {
            assert_eq!(attempts.handle_failed(id(1), now, &mut chance), Next::Rest);
            let rest = Duration::from_secs(1 << count);
            assert!(!attempts.may_dial(&id(1), now + (rest - Duration::from_nanos(1))));
            now += rest + JITTER;
            assert!(attempts.may_dial(&id(1), now));
        }
        assert_eq!(
            attempts.handle_failed(id(1), now, &mut chance),
            Next::GiveUp
        );
        // Where it turns up again, it starts anew.
        assert!(attempts.may_dial(&id(1), now));
    }

    #[test]
    fn a_node_that_is_well_again_is_dialed_without_a_rest() {
        let (mut attempts, mut chance) = (Attempts::default(), Chance::new([3; 32]));
        attempts.handle_failed(id(1), at(0), &mut chance);
        attempts.forget(&id(1));
        assert!(attempts.may_dial(&id(1), at(0)));
    }

    #[test]
    fn what_is_remembered_has_a_maximum_and_the_soonest_makes_room() {
        let (mut attempts, mut chance) = (Attempts::default(), Chance::new([4; 32]));
        for number in 0..REMEMBERED_MAX as u32 {
            let now = at(u64::from(number) * 10);
            attempts.handle_failed(id(number), now, &mut chance);
        }
        let now = at(REMEMBERED_MAX as u64 * 10);
        attempts.handle_failed(id(u32::MAX), now, &mut chance);
        assert_eq!(attempts.0.len(), REMEMBERED_MAX);
        assert!(!attempts.0.contains_key(&id(0)) && attempts.0.contains_key(&id(1)));
        assert!(!attempts.may_dial(&id(u32::MAX), now));
    }
}
