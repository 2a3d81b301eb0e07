//! A running peer of CometBFT: lines of JSON in, lines of JSON out. Everything that is waited for
//! has a deadline, and a failure shows the end of the program's own log.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use ringwire_codec::{ChannelId, NetAddress, NodeId};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::line::Line;
use super::ours::NETWORK;

/// The longest that a command, or an event which must come, is waited for.
pub(crate) const WITHIN: Duration = Duration::from_secs(30);

/// Pause between two questions for a thing that is not told by an event.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// Bytes of the program's log that a failure shows.
const LOG_SHOWN: usize = 4000;

/// A running program. It is killed when it is dropped.
pub(crate) struct Comet {
    /// Its line.
    pub(crate) line: Line,
    /// Its id.
    pub(crate) id: NodeId,
    /// Where to dial it.
    pub(crate) address: NetAddress,
    child: Child,
    commands: ChildStdin,
    events: Receiver<Value>,
    /// Events that came while another one was waited for, in their order.
    passed: VecDeque<Value>,
    commands_told: u64,
    home: TempDir,
}

/// A message that came to the program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Arrived {
    /// On which channel.
    pub(crate) channel: u8,
    /// Its length.
    pub(crate) size: usize,
    /// SHA-256 in hex.
    pub(crate) sha256: String,
}

/// What the program saw of pings and pongs, on all its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Heartbeats {
    pub(crate) pings_sent: u64,
    pub(crate) pings_received: u64,
    pub(crate) pongs_sent: u64,
    pub(crate) pongs_received: u64,
}

impl Comet {
    /// Starts a peer of `line` on loopback with these flags besides; `None`, with a loud word,
    /// where there is no such program.
    pub(crate) fn start(line: Line, flags: &[&str]) -> Option<Comet> {
        let program = line.program()?;
        let home = tempfile::tempdir().expect("a folder for its home");
        let log = File::create(home.path().join("log")).expect("its home can be written");
        let mut child = Command::new(program)
            .args(["run", "-laddr", "127.0.0.1:0", "-network", NETWORK, "-home"])
            .arg(home.path())
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("what was built can be run");
        let commands = child.stdin.take().expect("a pipe");
        let events = read_events(child.stdout.take().expect("a pipe"));
        let nobody: NodeId = "0000000000000000000000000000000000000000"
            .parse()
            .expect("an id");
        let mut comet = Comet {
            line,
            id: nobody,
            address: format!("{nobody}@127.0.0.1:1").parse().expect("an address"),
            child,
            commands,
            events,
            passed: VecDeque::new(),
            commands_told: 0,
            home,
        };
        let address = comet.event("listening", |event| text(event, "address"));
        comet.address = address.parse().expect("the address it listens on");
        comet.id = comet.address.id;
        Some(comet)
    }

    /// Tells a command and waits for what it answers; the error is its own.
    pub(crate) fn ask(&mut self, command: Value) -> Result<Value, String> {
        let told = self.tell(command);
        self.answer(told)
    }

    /// Tells a command; its answer is taken by [`Comet::answer`].
    pub(crate) fn tell(&mut self, mut command: Value) -> u64 {
        self.commands_told += 1;
        command["id"] = json!(self.commands_told);
        writeln!(self.commands, "{command}")
            .unwrap_or_else(|error| panic!("{error}{}", self.log()));
        self.commands_told
    }

    /// The answer to a command that was told.
    pub(crate) fn answer(&mut self, told: u64) -> Result<Value, String> {
        let answer = self.event("answer", |event| {
            (event["id"] == json!(told)).then(|| event.clone())
        });
        match answer["ok"] == json!(true) {
            true => Ok(answer),
            false => Err(text(&answer, "error").unwrap_or_default()),
        }
    }

    /// Dials `address`; the error is CometBFT's.
    pub(crate) fn dial(&mut self, address: &NetAddress) -> Result<(), String> {
        self.ask(json!({ "dial": address.to_string() })).map(drop)
    }

    /// Tells it to send `count` messages of `size` bytes, of the seeds from `seed` on.
    pub(crate) fn tell_send(
        &mut self,
        peer: NodeId,
        channel: ChannelId,
        size: usize,
        seed: u64,
        count: u64,
    ) -> u64 {
        let peer = peer.to_string();
        self.tell(json!({ "send": {
            "peer": peer, "channel": channel.0, "size": size, "seed": seed, "count": count,
        } }))
    }

    /// Waits for a peer to be added: its part of the event.
    pub(crate) fn peer_added(&mut self, peer: NodeId) -> Value {
        let peer = json!(peer.to_string());
        self.event("peer_added", |event| {
            (event["peer"] == peer).then(|| event.clone())
        })
    }

    /// Waits for a peer to be removed: the reason, in CometBFT's words, empty when it was asked to.
    pub(crate) fn peer_removed(&mut self, peer: NodeId) -> String {
        let peer = json!(peer.to_string());
        self.event("peer_removed", |event| {
            (event["peer"] == peer).then(|| text(event, "reason").unwrap_or_default())
        })
    }

    /// The next message that came to it.
    pub(crate) fn message(&mut self) -> Arrived {
        self.event("message", |event| {
            serde_json::from_value(event.clone()).ok()
        })
    }

    /// Pings and pongs so far.
    pub(crate) fn heartbeats(&mut self) -> Heartbeats {
        let answer = self.ask(json!({ "status": {} })).expect("a status");
        serde_json::from_value(answer["heartbeats"].clone()).expect("four counters")
    }

    /// Ids of its peers.
    pub(crate) fn peers(&mut self) -> Vec<String> {
        let answer = self.ask(json!({ "peers": {} })).expect("a list");
        let peers = answer["peers"].as_array().expect("a list");
        peers.iter().filter_map(|peer| text(peer, "peer")).collect()
    }

    /// Puts addresses into its book.
    pub(crate) fn add_addresses(&mut self, addresses: &[NetAddress]) {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        self.ask(json!({ "add_addresses": texts }))
            .expect("it takes addresses");
    }

    /// The addresses in its book, in the order of the text.
    pub(crate) fn book(&mut self) -> BTreeSet<String> {
        let answer = self.ask(json!({ "book": {} })).expect("a book");
        addresses_in_book(&answer["book"])
    }

    /// Waits until all of these are in its book.
    #[track_caller]
    pub(crate) fn wait_book(&mut self, addresses: &[NetAddress]) {
        let wanted: BTreeSet<String> = addresses.iter().map(ToString::to_string).collect();
        let deadline = Instant::now() + WITHIN;
        loop {
            let book = self.book();
            if wanted.is_subset(&book) {
                return;
            }
            let missing: Vec<_> = wanted.difference(&book).collect();
            assert!(
                Instant::now() < deadline,
                "{}: not in its book: {missing:?}{}",
                self.line.name,
                self.log()
            );
            thread::sleep(POLL);
        }
    }

    /// Waits for the first event of `kind` that `pick` takes, of those not yet taken.
    #[track_caller]
    pub(crate) fn event<T>(&mut self, kind: &str, pick: impl FnMut(&Value) -> Option<T>) -> T {
        self.event_within(WITHIN, kind, pick).unwrap_or_else(|| {
            panic!(
                "{}: no event {kind:?} in time, but {:?}{}",
                self.line.name,
                self.passed,
                self.log()
            )
        })
    }

    /// The same; `None` when it did not come in time.
    pub(crate) fn event_within<T>(
        &mut self,
        within: Duration,
        kind: &str,
        mut pick: impl FnMut(&Value) -> Option<T>,
    ) -> Option<T> {
        let mut wanted = |event: &Value| match event["event"] == json!(kind) {
            true => pick(event),
            false => None,
        };
        for place in 0..self.passed.len() {
            if let Some(found) = wanted(&self.passed[place]) {
                self.passed.remove(place);
                return Some(found);
            }
        }
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.checked_duration_since(Instant::now())?;
            let event = self.events.recv_timeout(left).ok()?;
            match wanted(&event) {
                Some(found) => return Some(found),
                None => self.passed.push_back(event),
            }
        }
    }

    /// Asks it to stop and waits until it has ended.
    pub(crate) fn quit(&mut self) -> ExitStatus {
        self.ask(json!({ "quit": {} })).expect("it stops in order");
        self.child.wait().expect("a child can be waited for")
    }

    /// Kills it where it stands.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it still runs");
        self.child.wait().expect("a child can be waited for");
    }

    /// The end of its log.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
        let from = log.floor_char_boundary(log.len().saturating_sub(LOG_SHOWN));
        format!("\nits log ends:\n{}", &log[from..])
    }
}

impl Drop for Comet {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The addresses in an address book of CometBFT's format, in the order of the text.
pub(crate) fn addresses_in_book(book: &Value) -> BTreeSet<String> {
    // An empty book of CometBFT's is no list at all.
    let entries = book["addrs"].as_array().map(Vec::as_slice);
    let entries = entries.unwrap_or_default();
    entries.iter().map(address_in_book).collect()
}

/// An entry of an address book as `ID@IP:PORT`.
fn address_in_book(entry: &Value) -> String {
    let addr = &entry["addr"];
    let id = text(addr, "id").expect("an id");
    let ip: IpAddr = text(addr, "ip")
        .and_then(|ip| ip.parse().ok())
        .expect("an IP address");
    let port = addr["port"].as_u64().expect("a port");
    let port = u16::try_from(port).expect("a port");
    format!("{id}@{}", SocketAddr::new(ip, port))
}

/// The text of a field.
pub(crate) fn text(value: &Value, field: &str) -> Option<String> {
    value[field].as_str().map(String::from)
}

/// Reads events on a thread of their own, which ends when the program does.
fn read_events(output: ChildStdout) -> Receiver<Value> {
    let (sender, events) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let event = serde_json::from_str(&line).unwrap_or_else(
                |error| json!({ "event": "no JSON", "line": line, "error": error.to_string() }),
            );
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    events
}
