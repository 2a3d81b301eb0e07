//! Starting shards: a thread, a CPU, an executor, a transport, a switch each.
//!
//! Starting is all or nothing. Every shard sets itself up and reports; only when all have reported
//! do they begin to turn. The first error sends all of them home.
//!
//! ```text
//!   launch:  spawn ──▶ collect a report of each ──────────────▶ go ──────────────▶ return
//!   shard:      └─▶ transport, listener, switch, reactors ─▶ report ─▶ wait ─▶ turn until stopped ─▶ gone
//! ```
//!
//! Reactors are started before the report: one that panics is an error of the start. What they send waits for
//! the first turn, so nobody hears of a node that does not start.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::sync::{Arc, Once};
use std::time::Duration;

use ringwire_codec::LocalKey;
use ringwire_core::config::Config;
use ringwire_core::document::Kept;
use ringwire_core::error::StartPanic;
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::{ChannelDescriptor, Instance, erase};
use ringwire_core::switch::{AppChannels, Filters, ReactorFactory, Switch, SwitchConfig};
use ringwire_sync::forbid_waiting;

use crate::shard::cpu_placement::CpuPlace;
use crate::shard::driver::{Driver, drive};
use crate::shard::error::{StartError, panic_message};
use crate::shard::executor::Executor;
use crate::shard::mesh::Mesh;
use crate::shard::node::Node;
use crate::shard::shell::{Parts, Shell};
use crate::shard::signing::RemoteKey;
use crate::shard::store::{Files, Store};
use crate::transport::listener::Entrance;
#[cfg(feature = "testing")]
use crate::transport::memory::Hub;
use crate::transport::{Transport, TransportError, Way, affinity, check};

/// Time the shards of an engine that did not start get to go home; they have nothing to finish.
const HOME_WITHIN: Duration = Duration::from_secs(10);

/// Open files that a node may have beside its connections: rings, documents, connections that are
/// being closed, and the application's own.
const FILES_BESIDE: usize = 512;

/// What every shard of an engine is made from.
pub(crate) struct Plan {
    /// Checked configuration.
    pub(crate) config: Arc<Config>,
    /// Identity of the node.
    pub(crate) node_key: LocalKey,
    /// Who signs for it, if its key is elsewhere.
    pub(crate) remote_key: Option<RemoteKey>,
    /// Time since 1970 when the node's clock stood at zero.
    pub(crate) unix_time_at_zero: Duration,
    /// Reactors by name, in the order in which they were registered.
    pub(crate) reactors: Vec<(String, ReactorFactory)>,
    /// Channels of the application, without a reactor.
    pub(crate) channels: Vec<ChannelDescriptor>,
    /// The application's say in who may connect.
    pub(crate) filters: Filters,
    /// How bytes are moved.
    pub(crate) way: Way,
    /// The network in memory that the engine is part of, in place of sockets.
    #[cfg(feature = "testing")]
    pub(crate) hub: Option<Hub>,
    /// The longest time a shard watches its transport before it sleeps.
    pub(crate) busy_poll: Duration,
    /// Files of the documents that reactors save.
    pub(crate) files: Files,
    /// One seed per shard.
    pub(crate) seeds: Vec<[u8; 32]>,
}

impl Plan {
    /// A transport for the calling thread.
    fn transport(&self) -> Result<Transport, TransportError> {
        #[cfg(feature = "testing")]
        if let Some(hub) = &self.hub {
            return Ok(Transport::in_memory(hub.clone()));
        }
        Transport::new(self.way)
    }
}

/// What one shard's thread is given.
struct Berth {
    plan: Arc<Plan>,
    node: Arc<Node>,
    shard: ShardId,
    entrances: Vec<Entrance>,
    mesh: Mesh,
    cpu_place: CpuPlace,
}

/// Starts a thread per shard, each with its listeners, and returns when all shards turn, or none.
pub(crate) fn launch(
    plan: Arc<Plan>,
    node: &Arc<Node>,
    entrances: Vec<Vec<Entrance>>,
) -> Result<(), StartError> {
    if let Some(Entrance::Socket(listener)) = entrances.iter().flatten().next()
        && let Err(error) = check::reserve_open_files(listener, files_wanted(&plan.config))
    {
        tracing::debug!(%error, "no room was made for open files, accepting may stall when it grows");
    }
    let cpus = check::available_cpus();
    let meshes = Mesh::connect(node.shard_count());
    let mut starting = Vec::new();
    for ((shard, entrances), mesh) in (0..).map(ShardId).zip(entrances).zip(meshes) {
        let shards = usize::from(node.shard_count());
        let cpu_place = CpuPlace::take(&cpus, shards, plan.config.pin_shards);
        let berth = Berth {
            plan: plan.clone(),
            node: node.clone(),
            shard,
            entrances,
            mesh,
            cpu_place,
        };
        starting.push(Starting::spawn(berth));
    }
    let reports: Vec<_> = starting.into_iter().map(Starting::report).collect();
    let (ready, failed): (Vec<_>, Vec<_>) = reports.into_iter().partition(Result::is_ok);
    // A shard without its `go` goes home: dropping the ready ones is the order to.
    if let Some(Err(error)) = failed.into_iter().next() {
        drop(ready);
        node.join(std::time::Instant::now() + HOME_WITHIN);
        return Err(error);
    }
    for go in ready.into_iter().flatten() {
        // A shard that ended in this very moment has noted why.
        let _ = go.send(());
    }
    Ok(())
}

/// Open files of a node with as many connections as it may have.
fn files_wanted(config: &Config) -> u64 {
    let connections = [
        config.max_num_inbound_peers,
        config.max_num_outbound_peers,
        config.max_num_handshakes,
    ];
    let files = connections
        .into_iter()
        .fold(FILES_BESIDE, usize::saturating_add);
    files as u64
}

/// A shard that sets itself up.
struct Starting {
    shard: ShardId,
    report: mpsc::Receiver<Result<(), StartError>>,
    go: mpsc::Sender<()>,
    spawned: Result<(), StartError>,
}

impl Starting {
    fn spawn(berth: Berth) -> Starting {
        let (reporter, report) = mpsc::channel();
        let (go, gone_ahead) = mpsc::channel();
        let (node, shard) = (berth.node.clone(), berth.shard);
        let thread = std::thread::Builder::new().name(format!("rw-{}-{}", node.number, shard.0));
        let spawned = thread.spawn(move || live(berth, reporter, gone_ahead));
        let spawned = match spawned {
            Ok(thread) => {
                node.keep_thread(thread);
                Ok(())
            }
            Err(source) => {
                node.handle_gone(shard, None);
                Err(StartError::Thread { shard, source })
            }
        };
        Starting {
            shard,
            report,
            go,
            spawned,
        }
    }

    /// Waits until the shard is ready; the sender makes it turn.
    fn report(self) -> Result<mpsc::Sender<()>, StartError> {
        self.spawned?;
        let gone = || StartError::Panicked {
            shard: self.shard,
            message: String::from("its thread ended"),
        };
        let report = self.report.recv().unwrap_or_else(|_| Err(gone()));
        report.map(|()| self.go)
    }
}

/// The whole life of a shard's thread.
fn live(berth: Berth, reporter: mpsc::Sender<Result<(), StartError>>, go: mpsc::Receiver<()>) {
    // Of the application's code, too, that runs here.
    forbid_waiting();
    let mut exit = Exit::new(berth.node.clone(), berth.shard);
    let node = berth.node.clone();
    let lived = catch_unwind(AssertUnwindSafe(|| match set_up(berth) {
        Ok((executor, driver)) => {
            let reported = reporter.send(Ok(())).is_ok();
            if !reported || go.recv().is_err() {
                return Ok(());
            }
            executor.run(drive(driver))?;
            match node.is_stopping() {
                true => Ok(()),
                false => Err(String::from("its thread ended before it was told to")),
            }
        }
        Err(error) => {
            // Nobody listens when another shard failed before.
            let _ = reporter.send(Err(error));
            Ok(())
        }
    }));
    exit.fault = match lived {
        Ok(ended) => ended.err(),
        Err(panic) => {
            let (shard, message) = (exit.shard, panic_message(&*panic));
            // Who starts the engine waits for a word, unless it has had one.
            let _ = reporter.send(Err(StartError::Panicked {
                shard,
                message: message.clone(),
            }));
            Some(message)
        }
    };
    if let Some(fault) = &exit.fault {
        // The application's logging may panic, too; the exit is told all the same.
        tracing::error!(engine = node.number, shard = exit.shard.0, %fault, "shard failed");
    }
}

/// Tells the node that a shard's thread ends, however it ends: dropped, it is told. A node must not
/// go on without one of its shards, nor wait for one that is gone.
struct Exit {
    node: Arc<Node>,
    shard: ShardId,
    /// Why the shard failed. Until its life is over the only way to its end is a panic.
    fault: Option<String>,
}

impl Exit {
    fn new(node: Arc<Node>, shard: ShardId) -> Exit {
        Exit {
            node,
            shard,
            fault: Some(String::from("its thread panicked")),
        }
    }
}

impl Drop for Exit {
    fn drop(&mut self) {
        self.node.handle_gone(self.shard, self.fault.take());
    }
}

fn set_up(berth: Berth) -> Result<(Executor, Driver), StartError> {
    let Berth {
        plan,
        node,
        shard,
        entrances,
        mesh,
        cpu_place,
    } = berth;
    if let Some(cpu) = cpu_place.cpu {
        pin(cpu);
    }
    let executor = Executor::new(plan.way, shard)?;
    let mut transport = plan.transport()?;
    for entrance in entrances {
        transport.listen(entrance)?;
    }
    node.mailbox(shard).waker().attach(transport.waker());
    let switch = switch(&plan, &node, shard)?;
    let mut shell = Shell::new(Parts {
        node,
        shard,
        switch,
        transport,
        mesh,
        store: Store::new(plan.files.clone()),
        remote_key: plan.remote_key.clone(),
    });
    let started = shell.start();
    started.map_err(|panic| reactor_panic(shard, panic))?;
    let driver = Driver::new(shell, plan.busy_poll, cpu_place);
    Ok((executor, driver))
}

/// Keeps this thread on `cpu`, or goes on without: pinning is a wish, not a need.
fn pin(cpu: usize) {
    static TOLD: Once = Once::new();
    if let Err(error) = affinity::pin(cpu) {
        // What is refused to one shard is refused to all of them.
        TOLD.call_once(|| {
            tracing::warn!(%error, "shards cannot be pinned to CPUs here and run without; pin_shards = \"off\" asks for that");
        });
    }
}

/// The shard's switch, with an instance of each reactor made on this thread.
fn switch(plan: &Plan, node: &Node, shard: ShardId) -> Result<Switch, StartError> {
    let mut reactors = Vec::new();
    let mut channels = Vec::new();
    for (name, make) in &plan.reactors {
        let (reactor, of_it) = make_one(name, make, shard)?;
        channels.extend(of_it);
        reactors.push((name.clone(), reactor));
    }
    if !plan.channels.is_empty() {
        channels.extend(plan.channels.iter().cloned());
        let of_app = erase(AppChannels::new(plan.channels.clone()));
        reactors.push((AppChannels::NAME.into(), of_app));
    }
    node.set_channels(channels);
    let config = SwitchConfig {
        config: plan.config.clone(),
        node_key: plan.node_key.clone(),
        shard,
        shard_count: node.shard_count(),
        unix_time_at_zero: plan.unix_time_at_zero,
        seed: plan.seeds[usize::from(shard.0)],
        filters: plan.filters.clone(),
        kept: Kept::Only(plan.files.keys().cloned().collect()),
    };
    Ok(Switch::new(config, reactors, node.clock.now())?)
}

/// A reactor and its channels. Both are the application's code.
fn make_one(
    name: &str,
    make: &ReactorFactory,
    shard: ShardId,
) -> Result<(Box<dyn Instance>, Vec<ChannelDescriptor>), StartError> {
    let made = catch_unwind(AssertUnwindSafe(|| {
        let reactor = make(shard);
        let channels = reactor.channels();
        (reactor, channels)
    }));
    made.map_err(|panic| {
        let (reactor, message) = (name.to_owned(), panic_message(&*panic));
        reactor_panic(shard, StartPanic { reactor, message })
    })
}

fn reactor_panic(shard: ShardId, panic: StartPanic) -> StartError {
    StartError::ReactorPanic {
        shard,
        reactor: panic.reactor,
        message: panic.message,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use ringwire_codec::NodeKey;

    use super::*;

    /// Longest a test waits for something that should take milliseconds.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_thread_that_panics_outside_of_its_turns_ends_the_engine() {
        let id = NodeKey::from_seed([1; 32]).id();
        let node = Arc::new(Node::new(1, id, Vec::new(), 2));
        let exit = Exit::new(node.clone(), ShardId(1));
        let thread = std::thread::spawn(move || {
            let _exit = exit;
            panic!("a log that cannot be written");
        });
        assert!(thread.join().is_err());
        assert!(node.is_stopping(), "the other shard is told to stop");

        let mut exit = Exit::new(node.clone(), ShardId(0));
        exit.fault = None;
        drop(exit);
        let ending = node.join(Instant::now() + PATIENCE);
        assert_eq!(ending.hung, 0);
        let failed: Vec<_> = ending.faults.iter().map(|fault| fault.shard).collect();
        assert_eq!(failed, [ShardId(1)]);
    }
}
