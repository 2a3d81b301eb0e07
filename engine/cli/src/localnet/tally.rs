//! The count of a run, shared by the threads that publish and receive.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use hdrhistogram::Histogram;

use super::ledger::{Holding, Ledger};
use super::stamp::Stamp;

/// Significant digits of the delays.
const DELAY_DIGITS: u8 = 3;

/// The longest delay that is told apart from longer ones: an hour.
const DELAY_NANOS_MAX: u64 = 3_600_000_000_000;

/// The count of a run.
pub(super) struct Tally {
    began: Instant,
    nodes: Vec<NodeTally>,
    fault: OnceLock<String>,
}

/// The count of one node.
struct NodeTally {
    /// Messages held, so that the publisher can look without a lock.
    held: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    ledger: Ledger,
    received: u64,
    received_bytes: u64,
    delays: Histogram<u64>,
}

/// What came to one node, and how fast.
pub(super) struct Receipt {
    /// Messages received from peers.
    pub(super) received: u64,
    /// Bytes of their contents.
    pub(super) received_bytes: u64,
    /// Nanoseconds from publishing to delivery.
    pub(super) delays: Histogram<u64>,
    /// All messages, its own included.
    pub(super) holding: Holding,
}

impl Tally {
    /// Zeros for so many nodes; the run's clock starts.
    pub(super) fn new(nodes: usize) -> Self {
        let nodes = (0..nodes).map(|_| NodeTally::new()).collect();
        Tally {
            began: Instant::now(),
            nodes,
            fault: OnceLock::new(),
        }
    }

    /// Nanoseconds since the run began.
    pub(super) fn nanos(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Enters a message that `node` publishes itself; gossip does not bring it back.
    pub(super) fn publish(&self, node: usize, sequence: u64, content: Bytes) {
        self.enter(node, sequence, content, None);
    }

    /// Enters a message that came to `node`.
    pub(super) fn receive(&self, node: usize, message: Bytes) {
        let now = self.nanos();
        match Stamp::open(message) {
            Some((stamp, content)) => {
                let delay = now.saturating_sub(stamp.sent_nanos);
                self.enter(node, stamp.sequence, content, Some(delay));
            }
            None => self.report(format!("node {node} received a message that nobody sent")),
        }
    }

    /// Messages that every node holds, at least.
    pub(super) fn held_by_all(&self) -> u64 {
        self.nodes
            .iter()
            .map(|node| node.held.load(Ordering::Relaxed))
            .min()
            .unwrap_or(0)
    }

    /// Messages held, all nodes together.
    pub(super) fn held(&self) -> u64 {
        self.nodes
            .iter()
            .map(|node| node.held.load(Ordering::Relaxed))
            .sum()
    }

    /// Ends the run with a reason; the first one counts.
    pub(super) fn report(&self, fault: String) {
        let _ = self.fault.set(fault);
    }

    /// Why the run cannot succeed any more.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// What came to `node`.
    pub(super) fn receipt(&self, node: usize) -> Receipt {
        let inner = self.nodes[node].lock();
        Receipt {
            received: inner.received,
            received_bytes: inner.received_bytes,
            delays: inner.delays.clone(),
            holding: inner.ledger.holding(),
        }
    }

    fn enter(&self, node: usize, sequence: u64, content: Bytes, delay: Option<u64>) {
        let mut inner = self.nodes[node].lock();
        let bytes = content.len() as u64;
        if let Err(error) = inner.ledger.enter(sequence, content) {
            return self.report(format!("node {node}: {error}"));
        }
        if let Some(delay) = delay {
            inner.received += 1;
            inner.received_bytes += bytes;
            inner.delays.saturating_record(delay);
        }
        self.nodes[node]
            .held
            .store(inner.ledger.messages(), Ordering::Relaxed);
    }
}

impl NodeTally {
    fn new() -> Self {
        let delays = Histogram::new_with_max(DELAY_NANOS_MAX, DELAY_DIGITS)
            .expect("three digits are within one to five, and an hour is longer than two");
        let ledger = Ledger::default();
        let inner = Mutex::new(Inner {
            ledger,
            received: 0,
            received_bytes: 0,
            delays,
        });
        NodeTally {
            held: AtomicU64::new(0),
            inner,
        }
    }

    /// A thread that panicked while it counted has not broken the count: it is read all the same.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sequence: u64) -> Bytes {
        Stamp {
            sequence,
            sent_nanos: 0,
        }
        .seal(b"content")
    }

    #[test]
    fn own_messages_are_held_and_not_received() {
        let tally = Tally::new(2);
        tally.publish(0, 0, Bytes::from_static(b"content"));
        assert_eq!((tally.held_by_all(), tally.held()), (0, 1));
        tally.receive(1, message(0));
        assert_eq!((tally.held_by_all(), tally.held()), (1, 2));
        let (own, other) = (tally.receipt(0), tally.receipt(1));
        assert_eq!((own.received, other.received), (0, 1));
        assert_eq!((own.received_bytes, other.received_bytes), (0, 7));
        assert_eq!(own.holding, other.holding);
        assert_eq!(other.delays.len(), 1);
        assert!(other.delays.max() > 0, "some time has passed");
    }

    #[test]
    fn the_first_fault_is_kept() {
        let tally = Tally::new(1);
        tally.receive(0, message(0));
        assert_eq!(tally.fault(), None);
        tally.receive(0, message(0));
        tally.receive(0, Bytes::from_static(b"short"));
        assert_eq!(tally.fault(), Some("node 0: message 0 came twice"));
    }
}
