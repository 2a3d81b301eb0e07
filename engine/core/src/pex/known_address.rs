//! One address of the book, and what is known of it.
//!
//! An address is *new* while it is hearsay: somebody told of it. It is *old* once we have been
//! connected to it. A new address is kept under each source that told of it, up to four, so that one
//! source can push out only what it told itself; an old one is kept once, by its own network.

use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};

use super::timestamp::Timestamp;

/// New buckets that hold one address at most: more tellers than these make it no likelier to be
/// dialed.
pub(super) const NEW_BUCKETS_PER_ADDRESS_MAX: usize = 4;
/// An address that was tried this recently is not judged.
const JUDGED_AFTER: Duration = Duration::from_secs(60);
/// An address that nobody tried for so long is not worth its place.
const MISSING_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
/// Attempts after which an address that never answered is bad.
const RETRIES: u32 = 3;
/// Failures after which an address that answered once is bad...
const FAILURES_MAX: u32 = 10;
/// ...if that was so long ago.
const FAILING_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
/// Attempts are counted up to here: the file's reader in Go has 32 bits with a sign.
pub(super) const ATTEMPTS_MAX: u32 = i32::MAX as u32;

/// Whether an address is hearsay or was ever connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Somebody told of it.
    New,
    /// We have been connected to it.
    Old,
}

/// An address in the book, or in its list of bans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAddress {
    pub(super) address: NetAddress,
    pub(super) source: NetAddress,
    pub(super) class: Class,
    pub(super) buckets: BucketList,
    pub(super) attempts: u32,
    pub(super) last_attempt: Timestamp,
    pub(super) last_success: Timestamp,
    pub(super) banned_until: Timestamp,
}

impl KnownAddress {
    /// An address that `source` told of at `now`, in no bucket yet. Hearing of it counts as the
    /// last attempt, so that it does not look forgotten.
    pub(super) fn new(address: NetAddress, source: NetAddress, now: Timestamp) -> Self {
        KnownAddress {
            address,
            source,
            class: Class::New,
            buckets: BucketList::default(),
            attempts: 0,
            last_attempt: now,
            last_success: Timestamp::NEVER,
            banned_until: Timestamp::NEVER,
        }
    }

    /// The node and where it listens.
    pub fn address(&self) -> &NetAddress {
        &self.address
    }

    /// Who told of it first.
    pub fn source(&self) -> &NetAddress {
        &self.source
    }

    /// The node.
    pub fn id(&self) -> NodeId {
        self.address.id
    }

    /// Whether it is new or old.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Attempts to connect since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// When it was last tried, or first told of.
    pub fn last_attempt(&self) -> Timestamp {
        self.last_attempt
    }

    /// When we were last connected to it; [`Timestamp::NEVER`] if never.
    pub fn last_success(&self) -> Timestamp {
        self.last_success
    }

    /// When its ban ends; [`Timestamp::NEVER`] if it has none.
    pub fn banned_until(&self) -> Timestamp {
        self.banned_until
    }

    /// Notes an attempt that failed, or whose end is not known yet.
    pub(super) fn attempted(&mut self, now: Timestamp) {
        self.last_attempt = now;
        self.attempts = (self.attempts + 1).min(ATTEMPTS_MAX);
    }

    /// Notes that we are connected to it.
    pub(super) fn succeeded(&mut self, now: Timestamp) {
        self.last_attempt = now;
        self.last_success = now;
        self.attempts = 0;
    }

    /// Whether its place is free for another: it is new, and lost, silent or failing.
    ///
    /// Times after `now` count as `now`: the clock was set back.
    pub(super) fn is_bad(&self, now: Timestamp) -> bool {
        let idle = now - self.last_attempt;
        // The clock was not known yet when the address came, so its age is not known either.
        let is_aged = !self.last_attempt.is_never();
        if self.class == Class::Old || (is_aged && idle < JUDGED_AFTER) {
            return false;
        }
        let is_missing = is_aged && idle > MISSING_AFTER;
        let is_silent = self.last_success.is_never() && self.attempts >= RETRIES;
        let is_failing = now - self.last_success > FAILING_AFTER && self.attempts >= FAILURES_MAX;
        is_missing || is_silent || is_failing
    }
}

/// The buckets that hold an address: none to four of the new ones, or one old one.
#[derive(Clone, Copy, Default)]
pub(super) struct BucketList {
    buckets: [u16; NEW_BUCKETS_PER_ADDRESS_MAX],
    len: u8,
}

impl BucketList {
    pub(super) fn as_slice(&self) -> &[u16] {
        &self.buckets[..usize::from(self.len)]
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(super) fn contains(&self, bucket: u16) -> bool {
        self.as_slice().contains(&bucket)
    }

    /// Adds a bucket that is not in it.
    ///
    /// # Panics
    ///
    /// If it is full, which the caller looks at first.
    pub(super) fn push(&mut self, bucket: u16) {
        debug_assert!(!self.contains(bucket), "an address is in a bucket once");
        self.buckets[self.len()] = bucket;
        self.len += 1;
    }

    /// Takes a bucket out, if it is there.
    pub(super) fn remove(&mut self, bucket: u16) {
        if let Some(at) = self.as_slice().iter().position(|held| *held == bucket) {
            self.buckets.copy_within(at + 1.., at);
            self.len -= 1;
        }
    }
}

impl PartialEq for BucketList {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for BucketList {}

impl std::fmt::Debug for BucketList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn start() -> Timestamp {
        Timestamp::from_unix_nanos(1_700_000_000_000_000_000)
    }

    fn known(now: Timestamp) -> KnownAddress {
        let text = "0101010101010101010101010101010101010101@1.2.3.4:26656";
        let address: NetAddress = text.parse().unwrap();
        KnownAddress::new(address.clone(), address, now)
    }

    #[test]
    fn an_address_that_nobody_tried_for_a_week_is_bad_and_an_old_one_never() {
        let mut known = known(start());
        assert!(!known.is_bad(start() + 7 * DAY));
        assert!(known.is_bad(start() + 7 * DAY + Duration::from_nanos(1)));
        known.class = Class::Old;
        assert!(!known.is_bad(start() + 365 * DAY));
    }

    #[test]
    fn three_attempts_without_an_answer_are_bad_after_a_minute() {
        let mut known = known(start());
        known.attempted(start());
        known.attempted(start());
        assert!(!known.is_bad(start() + JUDGED_AFTER));
        known.attempted(start());
        assert!(!known.is_bad(start() + (JUDGED_AFTER - Duration::from_nanos(1))));
        assert!(known.is_bad(start() + JUDGED_AFTER));
    }

    #[test]
    fn ten_failures_are_bad_when_the_last_success_is_over_a_week_ago() {
        let mut known = known(start());
        known.succeeded(start());
        let late = start() + 7 * DAY + Duration::from_secs(1);
        for _ in 0..9 {
            known.attempted(late);
        }
        assert!(!known.is_bad(late + JUDGED_AFTER));
        known.attempted(late);
        assert!(known.is_bad(late + JUDGED_AFTER));
        known.last_success = late;
        assert!(!known.is_bad(late + JUDGED_AFTER));
    }

    #[test]
    fn an_address_that_came_before_the_clock_was_known_is_not_missing() {
        let mut known = known(Timestamp::NEVER);
        assert!(!known.is_bad(start()));
        known.attempts = RETRIES;
        assert!(known.is_bad(start()));
    }

    #[test]
    fn attempts_never_wrap() {
        let mut known = known(start());
        known.attempts = ATTEMPTS_MAX;
        known.attempted(start());
        assert_eq!(known.attempts(), ATTEMPTS_MAX);
    }
}
