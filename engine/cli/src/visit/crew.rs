//! Many visits at once: a crew of threads that share a visitor.

use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Target, Visit, Visitor};

/// Threads of a crew at most: each waits for one node.
pub(crate) const CREW_MAX: usize = 512;

/// Stack of such a thread: a handshake and one read buffer on the heap.
const STACK_BYTES: usize = 512 * 1024;

/// Threads that visit. Dropping the crew lets each end with the visit it is at.
pub(crate) struct Crew {
    orders: Sender<Target>,
    reports: Receiver<Visit>,
    /// Visits ordered and not reported.
    away: usize,
    size: usize,
}

impl Crew {
    /// A crew of `size` threads, [`CREW_MAX`] at most.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn new(visitor: Visitor, size: NonZeroUsize) -> io::Result<Self> {
        let size = size.get().min(CREW_MAX);
        let (orders, taken) = channel::<Target>();
        let taken = Arc::new(Mutex::new(taken));
        let visitor = Arc::new(visitor);
        let (report, reports) = channel();
        for _ in 0..size {
            let (taken, visitor, report) = (taken.clone(), visitor.clone(), report.clone());
            thread::Builder::new()
                .name(String::from("rw-visit"))
                .stack_size(STACK_BYTES)
                .spawn(move || work(&taken, &visitor, &report))?;
        }
        Ok(Crew {
            orders,
            reports,
            away: 0,
            size,
        })
    }

    /// Whether a visit that is ordered now begins at once.
    pub(crate) fn has_room(&self) -> bool {
        self.away < self.size
    }

    /// Visits under way.
    pub(crate) fn away(&self) -> usize {
        self.away
    }

    /// Orders a visit. It waits for a thread if there is no room.
    pub(crate) fn order(&mut self, target: Target) {
        self.away += 1;
        // The threads end after the crew.
        self.orders.send(target).expect("somebody takes orders");
    }

    /// The next visit that ended; waits for it. `None` when nobody is away.
    pub(crate) fn report(&mut self) -> Option<Visit> {
        if self.away == 0 {
            return None;
        }
        let visit = self.reports.recv().expect("whoever is away reports");
        self.away -= 1;
        Some(visit)
    }

    /// The same, but waits no longer than `within`.
    pub(crate) fn report_within(&mut self, within: Duration) -> Option<Visit> {
        let visit = self.reports.recv_timeout(within).ok()?;
        self.away -= 1;
        Some(visit)
    }
}

fn work(taken: &Mutex<Receiver<Target>>, visitor: &Visitor, report: &Sender<Visit>) {
    loop {
        // Held while it waits; the others wait for it, and no holder panics.
        let order = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(target) = order else { return };
        if report.send(visitor.visit(target)).is_err() {
            return;
        }
    }
}
