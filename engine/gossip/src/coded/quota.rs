//! [`Limits`]: what may be under way, and who gives way when that is too much.
//!
//! Memory is set aside when a manifest is taken, for the whole payload: two payloads that each wait for
//! the other's memory would never be whole. A manifest is cheap, so there are three bounds; and when the
//! last is reached, who has most under way gives way to who would have less:
//!
//! ```text
//!  bytes of all:    ├─ account A ───────────────┼── B ──┼── C ──┤ full     D asks:
//!                   └ A's idlest payload goes, as long as A has more than D would have
//! ```

use std::collections::BTreeMap;

use super::fault::Fault;
use super::manifest::Account;

/// Bounds of what a [`super::Decoder`] has under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of all payloads under way.
    pub bytes_max: usize,
    /// Bytes of the payloads of one account.
    pub account_bytes_max: usize,
    /// Payloads under way.
    pub payloads_max: usize,
    /// Payloads of one account.
    pub account_payloads_max: usize,
    /// Sweeps without a new shard after which a payload is given up.
    pub idle_sweeps_max: u8,
}

impl Default for Limits {
    /// 512 MiB for all, half of it and 128 payloads for one account, 256 payloads, given up in the
    /// tenth idle sweep.
    fn default() -> Self {
        Limits {
            bytes_max: 512 * 1024 * 1024,
            account_bytes_max: 256 * 1024 * 1024,
            payloads_max: 256,
            account_payloads_max: 128,
            idle_sweeps_max: 10,
        }
    }
}

/// What one account has under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Share {
    bytes: usize,
    payloads: usize,
}

/// What is under way, by account.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    limits: Limits,
    shares: BTreeMap<Account, Share>,
    total: Share,
}

impl Quota {
    pub(super) fn new(limits: Limits) -> Self {
        Quota {
            limits,
            shares: BTreeMap::new(),
            total: Share::default(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.total.bytes
    }

    /// Whether an account may have `bytes` more, whatever others have.
    ///
    /// # Errors
    /// [`Fault::TooLarge`], [`Fault::AccountQuota`].
    pub(super) fn check_account(&self, account: &Account, bytes: usize) -> Result<(), Fault> {
        let max = self.limits.account_bytes_max.min(self.limits.bytes_max);
        if bytes > max {
            return Err(Fault::TooLarge { needed: bytes, max });
        }
        let share = self.share(account);
        let has_room = share.bytes + bytes <= max;
        if has_room && share.payloads < self.limits.account_payloads_max {
            Ok(())
        } else {
            Err(Fault::AccountQuota)
        }
    }

    /// Whether there is room for `bytes` more.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.total.bytes + bytes <= self.limits.bytes_max
            && self.total.payloads < self.limits.payloads_max
    }

    /// Who gives way to an account that asks for `bytes`: who has most, if that is more than this one
    /// would have.
    pub(super) fn who_gives_way(&self, account: &Account, bytes: usize) -> Option<Account> {
        // Where the number of payloads is what is full, numbers are compared.
        let by_count = self.total.payloads >= self.limits.payloads_max;
        let weight = |share: &Share| match by_count {
            true => share.payloads,
            false => share.bytes,
        };
        let asker = self.share(account);
        let wanted = weight(&asker) + if by_count { 1 } else { bytes };
        let (most, share) = self.shares.iter().max_by_key(|(_, share)| weight(share))?;
        (most != account && weight(share) > wanted).then_some(*most)
    }

    pub(super) fn charge(&mut self, account: Account, bytes: usize) {
        for share in [self.shares.entry(account).or_default(), &mut self.total] {
            share.bytes += bytes;
            share.payloads += 1;
        }
    }

    pub(super) fn release(&mut self, account: &Account, bytes: usize) {
        let Some(share) = self.shares.get_mut(account) else {
            debug_assert!(false, "only what was charged is released");
            return;
        };
        for share in [&mut *share, &mut self.total] {
            share.bytes -= bytes;
            share.payloads -= 1;
        }
        if share.payloads == 0 {
            self.shares.remove(account);
        }
    }

    fn share(&self, account: &Account) -> Share {
        self.shares.get(account).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Account = [1; 32];
    const B: Account = [2; 32];

    fn quota() -> Quota {
        Quota::new(Limits {
            bytes_max: 100,
            account_bytes_max: 80,
            payloads_max: 4,
            account_payloads_max: 3,
            idle_sweeps_max: 1,
        })
    }

    #[test]
    fn an_account_has_its_share_and_not_a_byte_more() {
        let mut quota = quota();
        quota.charge(A, 40);
        assert_eq!(quota.check_account(&A, 40), Ok(()));
        assert_eq!(quota.check_account(&A, 41), Err(Fault::AccountQuota));
        let too_large = Fault::TooLarge {
            needed: 81,
            max: 80,
        };
        assert_eq!(quota.check_account(&B, 81), Err(too_large));
    }

    #[test]
    fn an_account_has_so_many_payloads_and_not_one_more() {
        let mut quota = quota();
        quota.charge(A, 1);
        quota.charge(A, 1);
        assert_eq!(quota.check_account(&A, 1), Ok(()));
        quota.charge(A, 1);
        assert_eq!(quota.check_account(&A, 1), Err(Fault::AccountQuota));
        quota.release(&A, 1);
        assert_eq!(quota.check_account(&A, 1), Ok(()));
    }

    #[test]
    fn who_has_most_gives_way_to_who_would_have_less() {
        let mut quota = quota();
        quota.charge(A, 70);
        assert!(quota.has_room(30));
        assert!(!quota.has_room(31));
        assert_eq!(quota.who_gives_way(&B, 69), Some(A));
        assert_eq!(quota.who_gives_way(&B, 70), None);
        assert_eq!(
            quota.who_gives_way(&A, 1),
            None,
            "nobody gives way to itself"
        );
    }

    #[test]
    fn where_the_number_is_full_the_number_is_compared() {
        let mut quota = quota();
        for _ in 0..3 {
            quota.charge(A, 1);
        }
        quota.charge(B, 60);
        assert!(!quota.has_room(1));
        assert_eq!(quota.who_gives_way(&[3; 32], 40), Some(A));
    }
}
