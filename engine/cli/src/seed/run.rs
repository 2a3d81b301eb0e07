//! Makes the home if there is none, starts the seed, and shows how it does.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use clap::Args;
use ringwire::Config;
use serde_json::json;

use super::figures::Display;
use crate::config::{LoadedConfig, NodeConfig, Source};
use crate::console;
use crate::control::{Control, Lock};
use crate::failure::Failure;
use crate::flag_values::time_over_zero;
use crate::genesis;
use crate::gossip::Gossip;
use crate::home::Home;
use crate::init;
use crate::metrics::{MetricsArgs, MetricsServer, Settings};
use crate::node::{Kept, Node};
use crate::overrides::Overrides;
use crate::reload::{Read, Reloader};
use crate::service;
use crate::signals::{self, Hangup, Stop};
use crate::{stderr, threads};

/// Time to hang up and to keep the address book.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(5);

/// Time for whoever reads our standard output to take the figures before the end.
const OUTPUT_WITHIN: Duration = Duration::from_millis(500);

/// Longest time until a signal is noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Run a seed: a node that tells others whom it knows.
///
/// A seed crawls the network, answers who asks with addresses, and hangs up. It keeps what it
/// learns in its address book. At the start it says its address, ID@host:port, ready to stand in
/// the seeds of other nodes; then it shows how many nodes it knows and how many it has answered.
///
/// A home that is missing is made: a key, and a config.toml with seed_mode = true and what the
/// flags say. One that is there is used as it is, whatever its seed_mode, but for limits of peers and
/// handshakes that are still at a node's default: a seed's are higher. Flags hold for this run.
#[derive(Args, Clone)]
pub(crate) struct SeedArgs {
    #[command(flatten)]
    home: Home,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    metrics: MetricsArgs,
    /// Whether several peers may share an IP address; a seed lets them unless this is false.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    allow_duplicate_ip: Option<bool>,
    /// Pause between two lines of figures where there is no terminal.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time_over_zero)]
    every: Duration,
    /// Print JSON, an object per line: the address, then figures.
    #[arg(long)]
    json: bool,
}

/// Runs the whole command.
pub(crate) fn run(args: &SeedArgs) -> Result<(), Failure> {
    let (tell, hangups) = signals::hangups();
    let stop = signals::install(Hangup::Tells(tell))?;
    let made = init::make(&args.home, new_config(args)?)?;
    if made.config_created {
        stderr::say(&format!("made {}", args.home.config_file().display()));
    }
    let loaded = args.config()?;
    let metrics = Settings::new(&args.metrics, &loaded.instrumentation)?;
    let lock = Lock::take(&args.home)?;
    let addr_book = args.home.addr_book(&loaded.config)?;
    let node = Node::start(
        loaded.config.clone(),
        made.key,
        Some(Kept {
            addr_book: &addr_book,
            numbers_dir: &args.home.data_dir(),
        }),
        Gossip::Flood,
    )?;
    stop.begin();
    let load = args.clone();
    let read = Read {
        loaded,
        metrics: metrics.clone(),
    };
    let reloader = Reloader::new(&node, &args.home, read, move || {
        let loaded = load.config()?;
        let metrics = Settings::new(&load.metrics, &loaded.instrumentation)?;
        Ok(Read { loaded, metrics })
    });
    reloader.follow(hangups)?;
    let _control = lock.map(|lock| Control::serve(lock, &node, reloader));
    let _metrics = metrics
        .map(|settings| MetricsServer::serve(&settings, &node))
        .transpose()?;
    service::ready(&node);
    let shown = Shown::begin(args, &node, &stop)?;
    let failed = loop {
        match shown.failure.recv_timeout(LOOK_INTERVAL) {
            Ok(failure) => break Err(failure),
            Err(_) if stop.is_asked() || !node.is_running() => break Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK_INTERVAL),
        }
    };
    service::stopping();
    let stopped = node.shutdown(SHUTDOWN_WITHIN);
    // The last figures stay on the screen; a reader that sleeps is not waited for.
    let _ = shown.ended.recv_timeout(OUTPUT_WITHIN);
    failed.and(stopped)
}

impl SeedArgs {
    /// The home's configuration with what the flags say, and what makes a node a seed.
    fn config(&self) -> Result<LoadedConfig, Failure> {
        let mut loaded = self.overrides.load(&self.home)?;
        let discovery = &mut loaded.config.engine.discovery;
        (discovery.pex, discovery.seed_mode) = (true, true);
        for key in ["p2p.pex", "p2p.seed_mode"] {
            loaded.sources.note(key, Source::Flag("seed"));
        }
        loaded.fit_for_seed();
        if let Some(allowed) = self.allow_duplicate_ip {
            loaded.config.engine.allow_duplicate_ip = allowed;
            let flag = Source::Flag("--allow-duplicate-ip");
            loaded.sources.note("p2p.allow_duplicate_ip", flag);
        }
        loaded.config.check()?;
        Ok(loaded)
    }
}

/// The thread that shows address and figures: whoever reads them may stop reading, and the seed must
/// hear a signal all the same.
struct Shown {
    /// What went wrong with standard output.
    failure: Receiver<Failure>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

impl Shown {
    fn begin(args: &SeedArgs, node: &Node, stop: &Stop) -> Result<Shown, Failure> {
        let (tell, failure) = channel();
        let (ending, ended) = channel::<()>();
        let (handle, stop) = (node.handle(), stop.clone());
        let (address, json) = (node.public_address(), args.json);
        let mut display = Display::new(args.json, args.every);
        threads::spawn("rw-figures", move || {
            let _ending = ending;
            let shown = say_address(&address, json).and_then(|()| {
                while !stop.is_asked() && !handle.is_stopping() {
                    display.update(&handle)?;
                    thread::sleep(LOOK_INTERVAL);
                }
                Ok(())
            });
            if let Err(error) = shown {
                // Nobody listens any more if the seed is ending already.
                let _ = tell.send(error);
            }
        })?;
        hint_at_address(node);
        Ok(Shown { failure, ended })
    }
}

/// What is written where there is no config.toml yet.
fn new_config(args: &SeedArgs) -> Result<NodeConfig, Failure> {
    let mut config = NodeConfig::with_engine(Config {
        moniker: String::from("seed"),
        ..Config::seed()
    });
    if let Some(chain_id) = genesis::chain_id(&args.home.file(&config.genesis_file))? {
        config.engine.network = chain_id;
    }
    args.overrides.apply(&mut config);
    config.check()?;
    Ok(config)
}

fn say_address(address: &str, json: bool) -> Result<(), Failure> {
    match json {
        true => console::print(&json!({ "address": address }).to_string()),
        false => console::print(address),
    }
}

fn hint_at_address(node: &Node) {
    let config = &node.config().engine;
    let is_told_nowhere = node.handle().listen_addr().ip().is_unspecified();
    if is_told_nowhere && config.external_address.is_none() {
        stderr::say("others need an address they can dial: give --external-address HOST:PORT");
    }
}
