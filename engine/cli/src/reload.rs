//! Reading the configuration again while the node runs, and what is in force.
//!
//! ```text
//!   SIGHUP, `ringwire ctl reload` ─▶ read all of it, flags included ─▶ broken: nothing changes
//!                                         └─▶ what can change is changed, the rest is named
//! ```
//!
//! After a reload the node goes by what the file and its flags say, as if it had been started with
//! them, as far as that can change while it runs: orders that were given meanwhile end.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use ringwire::{Change, Config, Handle};
use ringwire_core::config::{Effect, effect_of};
use serde_json::{Value, json};
use tracing::{error, info, warn};

use crate::config::{LoadedConfig, NodeConfig, Source, Sources, settings};
use crate::failure::Failure;
use crate::home::Home;
use crate::logging;
use crate::metrics;
use crate::node::Node;
use crate::{service, threads};

/// The key of what is logged: the one that is live and not the engine's.
const LOG: &str = "ringwire.log";

/// A setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InForce {
    /// Its key, with its section.
    pub(crate) key: String,
    /// Its value, as TOML.
    pub(crate) value: String,
    /// Where that came from.
    pub(crate) source: Source,
}

/// What a reload did.
#[derive(Debug)]
pub(crate) struct Reloaded {
    /// Settings that are others now.
    changed: Vec<Turn>,
    /// Settings that the file has changed and the node has not.
    restart: Vec<Turn>,
}

/// A setting, its value before and after, and from when on the new one holds.
#[derive(Debug)]
struct Turn {
    key: String,
    before: String,
    after: String,
    effect: Effect,
}

/// Reads the configuration again when it is told to. Clones are one.
#[derive(Clone)]
pub(crate) struct Reloader(Arc<Shared>);

struct Shared {
    handle: Handle,
    home: Home,
    /// Reads the home's configuration, with the flags that the node was started with.
    load: Box<dyn Fn() -> Result<Read, Failure> + Send + Sync>,
    started: Told,
    /// What was read last.
    read: Mutex<Told>,
}

/// What is read at the start, and again at each reload.
pub(crate) struct Read {
    /// The node's settings.
    pub(crate) loaded: LoadedConfig,
    /// Where metrics are served, if they are.
    pub(crate) metrics: Option<metrics::Settings>,
}

/// What a file and flags said.
#[derive(Clone)]
struct Told {
    config: NodeConfig,
    sources: Sources,
    /// Where metrics are served, in words.
    metrics: String,
}

impl From<Read> for Told {
    fn from(read: Read) -> Self {
        Told {
            config: read.loaded.config,
            sources: read.loaded.sources,
            metrics: metrics::words(read.metrics.as_ref()),
        }
    }
}

impl Reloader {
    /// One for a node that was started with what was `read`; `load` reads the same again. From now on
    /// what is logged is what was read, unless somebody has said so at the start.
    pub(crate) fn new(
        node: &Node,
        home: &Home,
        read: Read,
        load: impl Fn() -> Result<Read, Failure> + Send + Sync + 'static,
    ) -> Reloader {
        let started = Told::from(read);
        if let Err(error) = logging::follow_file(&started.config.log) {
            // Checked with the rest of the file.
            warn!("{error}");
        }
        Reloader(Arc::new(Shared {
            handle: node.handle(),
            home: home.clone(),
            load: Box::new(load),
            read: Mutex::new(started.clone()),
            started,
        }))
    }

    /// Reads again at each hangup, on a thread of its own.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn follow(&self, hangups: Receiver<()>) -> Result<(), Failure> {
        let reloader = self.clone();
        threads::spawn("rw-reload", move || {
            // The thread that serves signals lives as long as the process.
            while hangups.recv().is_ok() && !reloader.0.handle.is_stopping() {
                // What came of it is logged.
                let _ = reloader.reload();
            }
        })?;
        Ok(())
    }

    /// Reads the configuration again: what can change is changed, the rest is named. One at a time.
    ///
    /// # Errors
    /// All that is wrong with the file; then nothing was changed.
    pub(crate) fn reload(&self) -> Result<Reloaded, Failure> {
        let mut read = self.lock();
        service::reloading();
        let reloaded = self.try_reload(&mut read);
        service::reloaded();
        match &reloaded {
            Ok(reloaded) => reloaded.log(),
            Err(faults) => {
                for fault in faults.to_string().lines() {
                    error!("{fault}");
                }
                error!("the configuration was not reloaded: nothing was changed");
            }
        }
        reloaded
    }

    fn try_reload(&self, read: &mut Told) -> Result<Reloaded, Failure> {
        let next = Told::from((self.0.load)()?);
        let before = self.in_force_by(read)?;
        let engine = Box::new(next.config.engine.clone());
        self.0.handle.change_blocking([Change::Live(engine)])?;
        logging::follow_file(&next.config.log).map_err(Failure::new)?;
        *read = next;
        let after = self.in_force_by(read)?;
        Ok(Reloaded {
            changed: turns(before, after),
            restart: restart_wanted(&self.0.started, read),
        })
    }

    /// The home that the node runs on.
    pub(crate) fn home(&self) -> &Home {
        &self.0.home
    }

    /// Every setting as it is in force now.
    ///
    /// # Errors
    /// The node is stopping.
    pub(crate) fn in_force(&self) -> Result<Vec<InForce>, Failure> {
        let read = self.lock().clone();
        self.in_force_by(&read)
    }

    fn in_force_by(&self, read: &Told) -> Result<Vec<InForce>, Failure> {
        let live = self.0.handle.config_blocking();
        let live = live.ok_or_else(|| Failure::new("the node is stopping"))?;
        let logged = logging::chosen();
        let rows = in_force(&self.0.started, read, &live);
        Ok(rows
            .map(|row| match (&logged, row.key == LOG) {
                (Some(logged), true) => of_log(logged, read),
                _ => row,
            })
            .collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every setting as it is in force: the engine's as they are in `live`, where they can change.
fn in_force(started: &Told, read: &Told, live: &Config) -> impl Iterator<Item = InForce> {
    let mut now = started.config.clone();
    now.engine.take_live(live);
    settings().map(move |setting| {
        let key = setting.path();
        let told = match effect(&key) {
            Effect::Restart => started,
            _ => read,
        };
        let value = (setting.show)(&now);
        let source = match value == (setting.show)(&told.config) {
            true => told.sources.of(&key),
            false => Source::Order,
        };
        InForce { key, value, source }
    })
}

/// What a file and flags alone say, for a home on which no node runs.
pub(crate) fn of_file(loaded: LoadedConfig) -> Vec<InForce> {
    let told = Told::from(Read {
        loaded,
        metrics: None,
    });
    let live = told.config.engine.clone();
    in_force(&told, &told, &live).collect()
}

/// What is logged, and who said so.
fn of_log(logged: &logging::Chosen, read: &Told) -> InForce {
    let source = match logged.source {
        logging::Source::Default => Source::Default,
        logging::Source::File => read.sources.of(LOG),
        logging::Source::Flag => Source::Flag("--log"),
        logging::Source::Variable => Source::Variable("RUST_LOG"),
        logging::Source::Order => Source::Order,
    };
    InForce {
        key: String::from(LOG),
        value: format!("{:?}", logged.filter),
        source,
    }
}

/// From when on another value of a setting holds.
fn effect(key: &str) -> Effect {
    match key {
        LOG => Effect::AtOnce,
        key => effect_of(key),
    }
}

/// What differs from the start and cannot change while the node runs.
fn restart_wanted(started: &Told, read: &Told) -> Vec<Turn> {
    let shown = settings().map(|setting| {
        let values = [started, read].map(|told| (setting.show)(&told.config));
        (setting.path(), values)
    });
    let metrics = [started, read].map(|told| told.metrics.clone());
    let shown = shown.chain([(String::from("instrumentation"), metrics)]);
    shown
        .filter(|(key, [before, after])| before != after && effect(key) == Effect::Restart)
        .map(|(key, [before, after])| Turn {
            effect: Effect::Restart,
            key,
            before,
            after,
        })
        .collect()
}

/// The settings whose value is another one.
fn turns(before: Vec<InForce>, after: Vec<InForce>) -> Vec<Turn> {
    let pairs = before.into_iter().zip(after);
    pairs
        .filter(|(before, after)| before.value != after.value)
        .map(|(before, after)| Turn {
            effect: effect(&after.key),
            key: after.key,
            before: before.value,
            after: after.value,
        })
        .collect()
}

impl Turn {
    fn words(&self) -> String {
        let Turn {
            key, before, after, ..
        } = self;
        let holds = match self.effect {
            Effect::NewConnections => ", for new connections",
            Effect::AtOnce | Effect::Restart => "",
        };
        format!("{key}: {before} is {after} now{holds}")
    }

    fn json(&self) -> Value {
        json!({
            "key": self.key,
            "before": self.before,
            "after": self.after,
            "holds": holds(self.effect),
        })
    }
}

/// From when on a change holds, in one word.
pub(crate) fn holds(effect: Effect) -> &'static str {
    match effect {
        Effect::AtOnce => "at once",
        Effect::NewConnections => "new connections",
        Effect::Restart => "restart",
    }
}

impl Reloaded {
    fn log(&self) {
        for turn in &self.changed {
            info!("reloaded: {}", turn.words());
        }
        match self.restart_words() {
            Some(words) => warn!("{words}"),
            None if self.changed.is_empty() => info!("reloaded: nothing has changed"),
            None => {}
        }
    }

    /// What waits for a restart, in one line.
    fn restart_words(&self) -> Option<String> {
        let differences: Vec<_> = self
            .restart
            .iter()
            .map(|turn| {
                format!(
                    "{} ({} in force, {} read)",
                    turn.key, turn.before, turn.after
                )
            })
            .collect();
        let differences = differences.join(", ");
        (!differences.is_empty()).then(|| format!("changed only by a restart: {differences}"))
    }

    /// For whoever ordered it: in words, and in parts.
    pub(crate) fn answer(&self) -> Value {
        let mut words: Vec<_> = self.changed.iter().map(Turn::words).collect();
        if words.is_empty() {
            words.push(String::from("nothing has changed"));
        }
        words.extend(self.restart_words());
        let list = |turns: &[Turn]| turns.iter().map(Turn::json).collect::<Value>();
        json!({
            "done": words.join("\n"),
            "changed": list(&self.changed),
            "restart": list(&self.restart),
        })
    }
}

/// Settings as JSON, an object each.
pub(crate) fn to_json(rows: &[InForce]) -> Value {
    rows.iter()
        .map(|row| {
            let InForce { key, value, source } = row;
            let mut object = BTreeMap::from([
                ("key", json!(key)),
                ("value", json!(value)),
                ("from", json!(source.kind())),
            ]);
            match source {
                Source::File { line } => drop(object.insert("line", json!(line))),
                Source::Variable(name) | Source::Flag(name) => {
                    object.insert("name", json!(name));
                }
                _ => {}
            }
            json!(object)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Told {
        let loaded = NodeConfig::from_toml("config.toml", text);
        Told::from(Read {
            loaded: loaded.unwrap_or_else(|error| panic!("{error}")),
            metrics: None,
        })
    }

    fn row(rows: &[InForce], key: &str) -> (String, Source) {
        let found = rows.iter().find(|row| row.key == key);
        let found = found.expect("each key has a row");
        (found.value.clone(), found.source)
    }

    #[test]
    fn what_is_in_force_says_where_it_came_from() {
        let started = told("[p2p]\nsend_rate = 7\n[ringwire]\nshards = 2\n");
        let read = told("[p2p]\n\nsend_rate = 7\nrecv_rate = 8\n[ringwire]\nshards = 3\n");
        let mut live = read.config.engine.clone();
        live.max_num_inbound_peers = 9;
        let rows: Vec<_> = in_force(&started, &read, &live).collect();
        let expected = [
            ("p2p.send_rate", "7", Source::File { line: 3 }),
            ("p2p.recv_rate", "8", Source::File { line: 4 }),
            ("p2p.max_num_inbound_peers", "9", Source::Order),
            ("ringwire.shards", "2", Source::File { line: 4 }),
            ("p2p.max_num_outbound_peers", "10", Source::Default),
        ];
        for (key, value, source) in expected {
            assert_eq!(row(&rows, key), (value.to_owned(), source), "{key}");
        }
    }

    #[test]
    fn what_cannot_change_while_the_node_runs_waits_for_a_restart() {
        let started = told("");
        let mut read = told(
            "moniker = \"other\"\n[p2p]\nsend_rate = 7\naddr_book_file = \"b\"\n\
             [ringwire]\nlog = \"debug\"\n",
        );
        read.metrics = String::from("127.0.0.1:1 as cometbft");
        let wanted = restart_wanted(&started, &read);
        let keys: Vec<_> = wanted.iter().map(|turn| turn.key.as_str()).collect();
        assert_eq!(keys, ["moniker", "p2p.addr_book_file", "instrumentation"]);
        assert!(restart_wanted(&started, &told("")).is_empty());
    }

    #[test]
    fn what_waits_for_a_restart_is_named_in_one_line() {
        let turn = |key: &str, effect| Turn {
            key: key.to_owned(),
            before: String::from("1"),
            after: String::from("2"),
            effect,
        };
        let reloaded = Reloaded {
            changed: vec![
                turn("p2p.send_rate", Effect::AtOnce),
                turn("ringwire.ping_interval", Effect::NewConnections),
            ],
            restart: vec![
                turn("moniker", Effect::Restart),
                turn("ringwire.shards", Effect::Restart),
            ],
        };
        let answer = reloaded.answer();
        let lines = [
            "p2p.send_rate: 1 is 2 now",
            "ringwire.ping_interval: 1 is 2 now, for new connections",
            "changed only by a restart: moniker (1 in force, 2 read), \
             ringwire.shards (1 in force, 2 read)",
        ];
        assert_eq!(answer["done"], lines.join("\n"));
        assert_eq!(answer["changed"][1]["holds"], "new connections");
        assert_eq!(answer["restart"][0]["key"], "moniker");
    }
}
