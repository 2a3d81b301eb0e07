//! [`Requests`]: transactions that a node has heard of and does not have.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::accounts::Accounts;
use crate::contenders::links::Links;
use crate::machine::{LinkId, Payload};

/// A peer has so long to answer, and so many requests at a time.
const TIMEOUT: Duration = Duration::from_secs(60);
const OUTSTANDING_MAX: usize = 30;

/// So many sequences after the next one are asked for.
const AHEAD: u32 = 30;

/// Signer and sequence.
type Key = (u32, u32);

#[derive(Debug)]
struct Entry {
    tx: Payload,
    /// Those who have it, in the order in which they said so, and whether they were asked.
    holders: Vec<(LinkId, bool)>,
    asked: Option<LinkId>,
    /// It is there, and waits for those before it.
    is_there: bool,
}

/// What to say to whom.
pub(super) type Wants = Vec<(LinkId, Payload)>;

#[derive(Debug, Default)]
pub(super) struct Requests {
    entries: BTreeMap<Key, Entry>,
    /// What each peer was asked for and has not answered.
    outstanding: Links<Vec<Key>>,
    /// When which request ends. The time is the same for all, so the first ends first.
    deadlines: VecDeque<(Duration, Key, LinkId)>,
}

impl Requests {
    pub(super) fn add_link(&mut self, link: LinkId) {
        self.outstanding.push(link, Vec::new());
    }

    /// A peer is gone, with what it was asked for.
    pub(super) fn remove_link(&mut self, link: LinkId) {
        self.outstanding.remove(link);
        for entry in self.entries.values_mut() {
            entry.holders.retain(|(holder, _)| *holder != link);
            entry.asked = entry.asked.filter(|asked| *asked != link);
        }
    }

    /// A peer has a transaction that this node does not have.
    pub(super) fn handle_seen(&mut self, link: LinkId, tx: Payload) {
        let new = || Entry {
            tx,
            holders: Vec::new(),
            asked: None,
            is_there: false,
        };
        let entry = self.entries.entry(key(&tx)).or_insert_with(new);
        if entry.holders.iter().all(|(holder, _)| *holder != link) {
            entry.holders.push((link, false));
        }
    }

    /// A transaction came from a peer. Whether it was asked for it and the node did not have it.
    pub(super) fn handle_tx(&mut self, link: LinkId, tx: &Payload) -> bool {
        if let Some(outstanding) = self.outstanding.get_mut(link) {
            outstanding.retain(|asked| *asked != key(tx));
        }
        let Some(entry) = self.entries.get_mut(&key(tx)) else {
            return false;
        };
        let was_asked = entry.holders.contains(&(link, true));
        let is_new = was_asked && !entry.is_there;
        entry.is_there |= is_new;
        is_new
    }

    /// Takes out the transaction with this sequence if it is there, with those who have it.
    pub(super) fn take(&mut self, signer: u32, sequence: u32) -> Option<(Payload, Vec<LinkId>)> {
        let entry = self.entries.get(&(signer, sequence))?;
        if !entry.is_there {
            return None;
        }
        let entry = self.entries.remove(&(signer, sequence))?;
        let holders = entry.holders.iter().map(|(holder, _)| *holder);
        Some((entry.tx, holders.collect()))
    }

    /// Asks for the signer's transactions from `next` on, as many as follow each other.
    pub(super) fn ask_for(&mut self, now: Duration, signer: u32, next: u32) -> Wants {
        let mut wants = Vec::new();
        for sequence in next..=next + AHEAD {
            let key = (signer, sequence);
            let Some(entry) = self.entries.get_mut(&key) else {
                break;
            };
            if entry.is_there || entry.asked.is_some() {
                continue;
            }
            let free = entry.holders.iter_mut().find(|(holder, was_asked)| {
                let outstanding = self.outstanding.get(*holder).map_or(0, Vec::len);
                !was_asked && outstanding < OUTSTANDING_MAX
            });
            let Some((holder, was_asked)) = free else {
                continue;
            };
            *was_asked = true;
            entry.asked = Some(*holder);
            self.outstanding
                .get_mut(*holder)
                .expect("holders have links")
                .push(key);
            self.deadlines.push_back((now + TIMEOUT, key, *holder));
            wants.push((*holder, entry.tx));
        }
        wants
    }

    /// Whether a peer cannot be asked for more.
    pub(super) fn is_full(&self, link: LinkId) -> bool {
        let outstanding = self.outstanding.get(link);
        outstanding.is_some_and(|outstanding| outstanding.len() >= OUTSTANDING_MAX)
    }

    /// Asks again for what has waited: a peer has room, is gone, or did not answer.
    pub(super) fn ask_for_all(&mut self, now: Duration, accounts: &Accounts) -> Wants {
        let mut signers: Vec<u32> = self.entries.keys().map(|(signer, _)| *signer).collect();
        signers.dedup();
        let wants = signers.into_iter().filter_map(|signer| {
            let next = accounts.known(signer)?;
            Some(self.ask_for(now, signer, next))
        });
        wants.flatten().collect()
    }

    /// Ends the requests whose time is over. Whether there was one.
    pub(super) fn expire(&mut self, now: Duration) -> bool {
        let mut is_any = false;
        while let Some((_, key, link)) = self.deadlines.pop_front_if(|(at, ..)| *at <= now) {
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            if entry.asked.take_if(|asked| *asked == link).is_some() {
                is_any = true;
                if let Some(outstanding) = self.outstanding.get_mut(link) {
                    outstanding.retain(|asked| *asked != key);
                }
            }
        }
        is_any
    }

    /// When [`Requests::expire`] has something to do.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadlines.front().map(|(at, ..)| *at)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

fn key(tx: &Payload) -> Key {
    (tx.origin.0, tx.seq)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::NodeIndex;

    fn tx(seq: u32) -> Payload {
        Payload {
            id: seq,
            origin: NodeIndex(0),
            seq,
            bytes: 100,
        }
    }

    fn requests(seen: &[(u32, u32)]) -> Requests {
        let mut requests = Requests::default();
        for link in 0..2 {
            requests.add_link(LinkId(link));
        }
        for (link, seq) in seen {
            requests.handle_seen(LinkId(*link), tx(*seq));
        }
        requests
    }

    #[test]
    fn a_gap_in_the_sequences_is_not_asked_over() {
        let mut requests = requests(&[(0, 0), (0, 1), (0, 3)]);
        let wants = requests.ask_for(Duration::ZERO, 0, 0);
        assert_eq!(wants, [(LinkId(0), tx(0)), (LinkId(0), tx(1))]);
    }

    #[test]
    fn a_peer_gets_thirty_requests_and_the_other_the_rest() {
        let mut seen: Vec<(u32, u32)> = (0..=AHEAD + 1).map(|seq| (0, seq)).collect();
        seen.push((1, AHEAD));
        let mut requests = requests(&seen);
        let wants = requests.ask_for(Duration::ZERO, 0, 0);
        assert_eq!(
            wants.len(),
            OUTSTANDING_MAX + 1,
            "one more lies too far ahead"
        );
        assert_eq!(wants.last(), Some(&(LinkId(1), tx(AHEAD))));
        assert!(requests.is_full(LinkId(0)) && !requests.is_full(LinkId(1)));
    }

    #[test]
    fn the_next_announcer_is_asked_after_a_minute_and_a_late_answer_is_taken() {
        let mut requests = requests(&[(0, 0), (1, 0)]);
        assert_eq!(requests.ask_for(Duration::ZERO, 0, 0).len(), 1);
        assert!(
            requests.ask_for(Duration::ZERO, 0, 0).is_empty(),
            "one lives"
        );
        assert!(!requests.expire(TIMEOUT - Duration::from_nanos(1)));
        assert!(requests.expire(TIMEOUT));
        assert_eq!(requests.ask_for(TIMEOUT, 0, 0), [(LinkId(1), tx(0))]);
        assert!(requests.handle_tx(LinkId(0), &tx(0)), "late");
        assert!(!requests.handle_tx(LinkId(1), &tx(0)), "it is there");
        assert!(requests.take(0, 0).is_some());
    }

    #[test]
    fn a_body_that_nobody_asked_for_is_dropped() {
        let mut requests = requests(&[(0, 0)]);
        assert!(!requests.handle_tx(LinkId(0), &tx(0)));
        assert!(!requests.handle_tx(LinkId(1), &tx(1)));
    }
}
