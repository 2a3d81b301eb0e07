//! [`Accounts`]: which sequence is next for each signer.

use std::collections::BTreeMap;

use crate::machine::Payload;

#[derive(Clone, Copy, Debug)]
struct Account {
    next: u32,
    /// Whether it is certain. A node that came later guesses until it has a transaction.
    is_sure: bool,
}

/// The signers that a node has heard of.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    accounts: BTreeMap<u32, Account>,
    /// Whether the node was there when all accounts were at 0.
    pub(super) from_start: bool,
}

impl Accounts {
    /// The sequence that comes next for the signer of `tx`, of which the node hears.
    pub(super) fn next(&mut self, tx: &Payload) -> u32 {
        let new = Account {
            next: if self.from_start { 0 } else { tx.seq },
            is_sure: self.from_start,
        };
        let account = self.accounts.entry(tx.origin.0).or_insert(new);
        if !account.is_sure {
            account.next = account.next.min(tx.seq);
        }
        account.next
    }

    /// A transaction with the next sequence is there.
    pub(super) fn advance(&mut self, tx: &Payload) {
        let account = Account {
            next: tx.seq + 1,
            is_sure: true,
        };
        self.accounts.insert(tx.origin.0, account);
    }

    /// The next sequence of a signer of whom the node has heard.
    pub(super) fn known(&self, signer: u32) -> Option<u32> {
        self.accounts.get(&signer).map(|account| account.next)
    }

    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }
}
