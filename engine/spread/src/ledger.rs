//! [`Ledger`]: who got what, when, and how often.

use std::time::Duration;

use crate::machine::{NodeIndex, Payload};
use crate::report::{NEVER, quantile};

/// What became of one payload.
#[derive(Debug)]
struct Entry {
    payload: Payload,
    published_at: Duration,
    /// When each node got it. Empty for a payload that is not measured.
    delivered_at: Vec<Option<Duration>>,
    /// Payload bytes that nodes received of it, copies included, and what the origin sent of these.
    received_bytes: u64,
    origin_sent_bytes: u64,
}

/// All payloads of a run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    /// The first payload that is measured.
    measured_from: u32,
    nodes: usize,
    /// Measured payload bytes that each node received and sent.
    received_bytes: Vec<u64>,
    sent_bytes: Vec<u64>,
    control_bytes: u64,
    is_measuring: bool,
    doubled: u64,
    unknown: u64,
}

/// What the ledger says of the measured payloads, over the nodes that count.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Account {
    pub(crate) due: u64,
    pub(crate) delivered: u64,
    pub(crate) doubled: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) received_bytes: u64,
    pub(crate) origin_sent_bytes: u64,
    pub(crate) control_bytes: u64,
    /// By payload: when half of the nodes had it, 99 % of them, and all that ever got it.
    pub(crate) half: Vec<Duration>,
    pub(crate) most: Vec<Duration>,
    pub(crate) all: Vec<Duration>,
    /// Every delay of every payload, ascending.
    pub(crate) delays: Vec<Duration>,
}

impl Ledger {
    pub(crate) fn new(nodes: u32, measured_from: u32) -> Self {
        let nodes = nodes as usize;
        Ledger {
            measured_from,
            nodes,
            received_bytes: vec![0; nodes],
            sent_bytes: vec![0; nodes],
            ..Ledger::default()
        }
    }

    pub(crate) fn handle_published(&mut self, now: Duration, payload: Payload) {
        let is_measured = payload.id >= self.measured_from;
        self.is_measuring |= is_measured;
        let mut delivered_at = Vec::new();
        if is_measured {
            delivered_at.resize(self.nodes, None);
            delivered_at[payload.origin.0 as usize] = Some(now);
        }
        self.entries.push(Entry {
            payload,
            published_at: now,
            delivered_at,
            received_bytes: 0,
            origin_sent_bytes: 0,
        });
    }

    /// A message with so many bytes of a payload went from one node to another.
    pub(crate) fn handle_carried(
        &mut self,
        source: NodeIndex,
        target: NodeIndex,
        id: u32,
        bytes: u32,
    ) {
        let Some(entry) = self.entries.get_mut(id as usize) else {
            self.unknown += 1;
            return;
        };
        let bytes = u64::from(bytes);
        entry.received_bytes += bytes;
        if source == entry.payload.origin {
            entry.origin_sent_bytes += bytes;
        }
        if id >= self.measured_from {
            self.received_bytes[target.0 as usize] += bytes;
            self.sent_bytes[source.0 as usize] += bytes;
        }
    }

    pub(crate) fn handle_control(&mut self, bytes: u32) {
        if self.is_measuring {
            self.control_bytes += u64::from(bytes);
        }
    }

    pub(crate) fn handle_delivered(&mut self, now: Duration, node: NodeIndex, id: u32) {
        let Some(entry) = self.entries.get_mut(id as usize) else {
            self.unknown += 1;
            return;
        };
        if let Some(at) = entry.delivered_at.get_mut(node.0 as usize) {
            match at {
                Some(_) => self.doubled += 1,
                None => *at = Some(now),
            }
        }
    }

    /// A new node took the place of another: it may get again what that one had.
    pub(crate) fn handle_replaced(&mut self, node: NodeIndex) {
        for entry in &mut self.entries {
            if let Some(at) = entry.delivered_at.get_mut(node.0 as usize) {
                *at = None;
            }
        }
    }

    /// How many payloads a machine spoke of that nobody published.
    pub(crate) fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Sums up. `is_due` says whether a payload published at a moment is due to a node.
    pub(crate) fn account(&self, is_due: impl Fn(NodeIndex, Duration) -> bool) -> Account {
        let mut account = Account {
            doubled: self.doubled,
            control_bytes: self.control_bytes,
            ..Account::default()
        };
        for entry in self.entries.iter().skip(self.measured_from as usize) {
            account.payload_bytes += u64::from(entry.payload.bytes);
            account.received_bytes += entry.received_bytes;
            account.origin_sent_bytes += entry.origin_sent_bytes;
            let mut due = 0;
            let mut delays = Vec::with_capacity(self.nodes);
            for (node, at) in entry.delivered_at.iter().enumerate() {
                let node = NodeIndex(node as u32);
                if node == entry.payload.origin || !is_due(node, entry.published_at) {
                    continue;
                }
                due += 1;
                delays.extend(at.map(|at| at.saturating_sub(entry.published_at)));
            }
            account.due += due as u64;
            account.delivered += delays.len() as u64;
            delays.sort_unstable();
            account.delays.extend_from_slice(&delays);
            let got = delays.len();
            // Those that wait in vain come last.
            delays.resize(due, NEVER);
            account.half.push(quantile(&delays, 0.5));
            account.most.push(quantile(&delays, 0.99));
            account.all.push(match got {
                0 if due > 0 => NEVER,
                _ => quantile(&delays[..got], 1.0),
            });
        }
        account.delays.sort_unstable();
        account
    }

    /// Measured payload bytes that each node received, and sent.
    pub(crate) fn node_bytes(&self) -> (&[u64], &[u64]) {
        (&self.received_bytes, &self.sent_bytes)
    }

    /// Copies that a node received on average, by the origins' number of the payload: how an origin
    /// becomes warm. A number's payloads are those of all origins.
    pub(crate) fn copies_by_seq(&self) -> Vec<f64> {
        let last = self.entries.iter().map(|entry| entry.payload.seq).max();
        let mut sums = vec![(0_u64, 0_u64); last.map_or(0, |last| last as usize + 1)];
        for entry in &self.entries {
            let (received, due) = &mut sums[entry.payload.seq as usize];
            *received += entry.received_bytes;
            *due += u64::from(entry.payload.bytes) * (self.nodes as u64 - 1);
        }
        sums.iter()
            .map(|(received, due)| *received as f64 / *due as f64)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A payload of node 0 for nodes 1 to 4, which got it after these seconds.
    fn account(arrivals: &[u64]) -> Account {
        let mut ledger = Ledger::new(5, 0);
        let payload = Payload {
            id: 0,
            origin: NodeIndex(0),
            seq: 0,
            bytes: 100,
        };
        ledger.handle_published(Duration::from_secs(10), payload);
        for (node, seconds) in (1..).zip(arrivals) {
            ledger.handle_delivered(Duration::from_secs(10 + seconds), NodeIndex(node), 0);
        }
        ledger.account(|_, _| true)
    }

    #[test]
    fn nodes_that_wait_in_vain_count_when_half_and_all_but_a_few_are_asked_for() {
        let times = |arrivals: &[u64]| {
            let account = account(arrivals);
            (account.half[0], account.most[0], account.all[0])
        };
        let seconds = Duration::from_secs;
        assert_eq!(times(&[4, 1, 2, 3]), (seconds(2), seconds(4), seconds(4)));
        assert_eq!(times(&[1, 3, 2]), (seconds(2), NEVER, seconds(3)));
        assert_eq!(times(&[1, 2]), (seconds(2), NEVER, seconds(2)));
        assert_eq!(times(&[1]), (NEVER, NEVER, seconds(1)));
        assert_eq!(times(&[]), (NEVER, NEVER, NEVER));
        assert_eq!(account(&[1, 2]).delivered, 2);
        assert_eq!(account(&[1, 2]).due, 4);
    }

    #[test]
    fn a_payload_that_is_due_to_nobody_took_no_time() {
        let mut ledger = Ledger::new(2, 0);
        let payload = Payload {
            id: 0,
            origin: NodeIndex(0),
            seq: 0,
            bytes: 1,
        };
        ledger.handle_published(Duration::ZERO, payload);
        let account = ledger.account(|_, _| false);
        assert_eq!((account.due, account.all[0]), (0, Duration::ZERO));
    }
}
