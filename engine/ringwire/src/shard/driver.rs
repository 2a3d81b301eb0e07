//! The driver: the one task of a shard, which turns switch and ring into a running node.
//!
//! One turn, with the clock read once:
//!
//! ```text
//!   ring.turn ─▶ completions ─▶ letters ─▶ requests ─▶ timers ─▶ switch.run ─▶ outputs ─▶ wake-ups
//!      ▲   submits what the last turn queued, one system call for all; then the              │
//!      │   application is told what that turn did                                            │
//!      └──────────────────── work: at once ·· none: watch a while, then sleep in the ring ◀──┘
//! ```
//!
//! Everything that can end the sleep comes through the ring: sockets, other shards and application
//! threads (its waker), time (the bound of the sleep). So there is one place to sleep, and glommio
//! never parks. The driver yields before it rests, and now and then while it has work, which lets any
//! other task of the executor run.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ringwire_core::peer::{PeerKey, ShardId};
use ringwire_core::switch::{Reply, ReplyToken, Switch};
use ringwire_core::time::Instant;
use ringwire_sync::ReplySender;

use crate::shard::cpu_placement::CpuPlace;
use crate::shard::directory::{PeerEntry, Reservation};
use crate::shard::inlets::Inlets;
use crate::shard::mesh::Mesh;
use crate::shard::migration::Departure;
use crate::shard::node::Node;
use crate::shard::request::{Control, Mailbox};
use crate::shard::spin::Spinner;
use crate::shard::store::Store;
use crate::shard::subscriptions::Subscriptions;
use crate::transport::{Completion, Connector, Ring, TransportError, Wait};

/// The longest sleep. Nothing needs it: it bounds the damage of a wake-up that a kernel lost.
const SLEEP_MAX: Duration = Duration::from_secs(5);
/// The sleep while letters wait for room in a lane: nobody tells when there is room.
const CONGESTED_SLEEP: Duration = Duration::from_micros(200);
/// Time a shard gives its switch beyond the deadline of the shutdown before it leaves all the same.
const STOP_GRACE: Duration = Duration::from_millis(500);
/// Turns in a row without a yield while there is work: a yield costs as much as a small message.
const TURNS_PER_YIELD: usize = 16;
/// How often a watching shard looks between two readings of the clock.
const LOOKS_PER_CLOCK: usize = 16;

/// What a shard consists of. Lives and dies on the shard's thread.
pub(super) struct Driver {
    pub(super) node: Arc<Node>,
    pub(super) shard: ShardId,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) switch: Switch,
    pub(super) ring: Ring,
    pub(super) connector: Connector,
    pub(super) mesh: Mesh,
    pub(super) subscriptions: Subscriptions,
    /// What threads send by ways of their own.
    pub(super) inlets: Inlets,
    /// Where documents are kept; only the coordinator's shard has files to keep.
    pub(super) store: Store,
    /// Who waits for the reply to a command.
    pub(super) replies: HashMap<ReplyToken, ReplySender<Reply>>,
    pub(super) next_token: u64,
    /// The peers of this shard.
    pub(super) peers: HashMap<PeerKey, Arc<PeerEntry>>,
    /// Held until the gauges count the messages taken this turn.
    pub(super) reservations: Vec<Reservation>,
    /// Connections whose last operation the kernel has not yet given up.
    pub(super) moves: Vec<Departure>,
    pub(super) completions: Vec<Completion>,
    pub(super) control: Vec<Control>,
    /// When to leave at the latest; set when the shutdown begins.
    pub(super) leave_by: Option<Instant>,
    pub(super) now: Instant,
    spinner: Spinner,
    cpu_place: CpuPlace,
}

/// What a driver is made of.
pub(super) struct Parts {
    pub(super) node: Arc<Node>,
    pub(super) shard: ShardId,
    pub(super) switch: Switch,
    pub(super) ring: Ring,
    pub(super) mesh: Mesh,
    pub(super) busy_poll: Duration,
    pub(super) store: Store,
    pub(super) cpu_place: CpuPlace,
}

/// Runs a shard until the engine has stopped. `Err` tells why it failed: a panic within a turn is
/// caught here, so that the driver is dropped in order and glommio never sees it unwind.
pub(super) async fn drive(mut driver: Driver) -> Result<(), String> {
    let mut wait = Wait::None;
    guarded(|| {
        driver.switch.handle_start(driver.now);
        Ok(())
    })?;
    for turn in 1usize.. {
        let worked = guarded(|| driver.turn(wait))?;
        if driver.is_done() {
            guarded(|| Ok(driver.report()))?;
            break;
        }
        if !worked || turn.is_multiple_of(TURNS_PER_YIELD) {
            YieldNow::default().await;
        }
        wait = if worked { Wait::None } else { driver.rest() };
    }
    Ok(())
}

fn guarded<T>(work: impl FnOnce() -> Result<T, TransportError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(panic) => Err(panic_message(&*panic)),
    }
}

/// What a panic said.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| String::from("panicked"))
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            node,
            shard,
            switch,
            ring,
            mesh,
            busy_poll,
            store,
            cpu_place,
        } = parts;
        let now = node.clock.now();
        Driver {
            mailbox: node.mailbox(shard).clone(),
            now,
            node,
            shard,
            switch,
            connector: Connector::new(ring.waker()),
            ring,
            mesh,
            subscriptions: Subscriptions::default(),
            inlets: Inlets::default(),
            store,
            replies: HashMap::new(),
            next_token: 0,
            peers: HashMap::new(),
            reservations: Vec::new(),
            moves: Vec::new(),
            completions: Vec::new(),
            control: Vec::new(),
            leave_by: None,
            spinner: Spinner::new(busy_poll),
            cpu_place,
        }
    }

    /// One turn of the loop. Returns whether there was, or still is, something to do.
    fn turn(&mut self, wait: Wait) -> Result<bool, TransportError> {
        self.ring
            .turn(self.switch.pool(), wait, &mut self.completions)?;
        let before = std::mem::replace(&mut self.now, self.node.clock.now());
        let mut worked = self.report();
        worked |= self.take_completions();
        worked |= self.take_resolved();
        worked |= self.take_letters();
        worked |= self.take_requests();
        worked |= self.inlets.serve(self.now, &mut self.switch);
        worked |= self.take_timers();
        if matches!(wait, Wait::Until(_)) && worked {
            self.spinner.handle_slept(self.now - before);
        }
        self.switch.run(self.now);
        worked |= self.carry_out();
        self.depart();
        let node = &self.node;
        self.mesh.flush(|shard| node.mailbox(shard).wake());
        // Told before the rooms are: an end of the congestion wakes those who wait to publish.
        self.switch.handle_congestion(self.mesh.is_congested());
        Ok(worked || self.switch.has_work())
    }

    /// Tells the application what the turn before did. It waits for the next one, so that what goes
    /// to peers is with the kernel first; one that did anything is followed by another at once.
    fn report(&mut self) -> bool {
        let worked = self.deliver();
        self.publish_gauges();
        self.publish_rooms();
        self.subscriptions.flush();
        worked
    }

    fn take_timers(&mut self) -> bool {
        self.mailbox.alarms().ring(self.now.as_nanos());
        let due = self.switch.poll_timeout().is_some_and(|at| at <= self.now);
        if due {
            self.switch.handle_timeout(self.now);
        }
        due
    }

    /// Nothing to do: watches for a while if that has paid lately, then says how long to sleep.
    fn rest(&mut self) -> Wait {
        let budget = self.spinner.budget(self.cpu_place.is_crowded());
        if !budget.is_zero() {
            if self.watch(budget) {
                self.spinner.handle_caught();
                return Wait::None;
            }
            self.spinner.handle_missed();
        }
        Wait::Until(self.sleep_time())
    }

    /// Watches for something to do, at most for `budget`.
    fn watch(&mut self, budget: Duration) -> bool {
        let start = std::time::Instant::now();
        loop {
            for _ in 0..LOOKS_PER_CLOCK {
                // Who leaves a letter or a request uses the ring's waker, so this sees all of them.
                if self.ring.has_pending() {
                    return true;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() >= budget {
                return false;
            }
        }
    }

    fn sleep_time(&self) -> Duration {
        let resolving = self.connector.poll_timeout();
        let deadlines = [
            self.switch.poll_timeout(),
            self.mailbox.alarms().next().map(Instant::from_nanos),
            resolving,
            self.leave_by,
        ];
        let now = self.node.clock.now();
        let next = deadlines.into_iter().flatten().min();
        let sleep = next.map_or(SLEEP_MAX, |at| (at - now).min(SLEEP_MAX));
        if self.mesh.is_congested() {
            sleep.min(CONGESTED_SLEEP)
        } else {
            sleep
        }
    }

    /// The shutdown has begun: no new connections, and an end in any case.
    pub(super) fn begin_stop(&mut self, within: Duration) {
        // What finds room in the peers' queues now is flushed with them.
        self.inlets.serve(self.now, &mut self.switch);
        self.ring.stop_listening();
        self.leave_by = Some(self.now + within + STOP_GRACE);
    }

    /// Whether the shard may leave: every shard's switch has stopped and what this one wrote has
    /// arrived (a dropped ring cuts it off), or the time is up.
    fn is_done(&self) -> bool {
        self.leave_by.is_some_and(|at| {
            let has_stopped = self.node.is_stopped() && !self.ring.is_closing();
            has_stopped || at <= self.now
        })
    }
}

/// Lets the executor's other ready tasks run once.
#[derive(Default)]
struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
