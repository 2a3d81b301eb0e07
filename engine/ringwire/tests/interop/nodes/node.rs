//! A chain of CometBFT's nodes on loopback: their homes, the running program, what it answers.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ringwire_codec::{NetAddress, NodeId, NodeKey};
use serde_json::Value;
use tempfile::TempDir;

use super::release::Release;

/// The longest that anything which must come is waited for.
pub(super) const WITHIN: Duration = Duration::from_secs(90);

/// Pause between two questions.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// The longest that one answer is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of a node's log that a failure shows.
const LOG_SHOWN: usize = 4000;

/// The homes of a new chain's validators, as `cometbft testnet` makes them.
pub(super) struct Chain {
    /// Its name.
    pub(super) network: String,
    release: Release,
    program: &'static Path,
    homes: TempDir,
}

impl Chain {
    /// Makes the homes; `None`, with a loud word, where there is no such program.
    pub(super) fn new(release: Release, validators: usize) -> Option<Chain> {
        let program = release.program()?;
        let homes = tempfile::tempdir().expect("a folder for homes");
        // Nodes are told of each other by nobody but a seed.
        let made = Command::new(program)
            .args(["testnet", "--populate-persistent-peers=false", "--v"])
            .arg(validators.to_string())
            .args(["--starting-ip-address", "127.0.0.1", "--o"])
            .arg(homes.path())
            .output()
            .expect("what was built can be run");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(
            made.status.success(),
            "{}: testnet: {said}",
            release.version
        );
        let genesis = homes.path().join("node0/config/genesis.json");
        let genesis = fs::read(genesis).expect("each home has a genesis");
        let genesis: Value = serde_json::from_slice(&genesis).expect("it is JSON");
        let network = genesis["chain_id"].as_str().expect("a chain id").to_owned();
        Some(Chain {
            network,
            release,
            program,
            homes,
        })
    }

    /// Starts a validator that knows nobody but the seed.
    pub(super) fn start(&self, number: usize, seed: Option<&NetAddress>) -> Node {
        let home = self.homes.path().join(format!("node{number}"));
        let key = NodeKey::load(&home.join("config/node_key.json")).expect("its key");
        let [listen, rpc] = free_addresses();
        let log = File::create(home.join("log")).expect("its home can be written");
        let errors = log.try_clone().expect("a file can be opened twice");
        let child = Command::new(self.program)
            .args(["start", "--proxy_app", "kvstore", "--home"])
            .arg(&home)
            .args(["--p2p.laddr", &format!("tcp://{listen}")])
            .args(["--rpc.laddr", &format!("tcp://{rpc}")])
            .args([
                "--p2p.seeds",
                &seed.map(ToString::to_string).unwrap_or_default(),
            ])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("what was built can be run");
        Node {
            release: self.release,
            id: key.id(),
            listen,
            rpc,
            child,
            home,
        }
    }
}

/// A running node. It is killed when it is dropped.
pub(super) struct Node {
    /// Which release it is of.
    pub(super) release: Release,
    /// Its id.
    pub(super) id: NodeId,
    listen: SocketAddr,
    rpc: SocketAddr,
    child: Child,
    home: PathBuf,
}

impl Node {
    /// Where to dial it.
    pub(super) fn address(&self) -> NetAddress {
        NetAddress::from_ip(self.id, self.listen.ip(), self.listen.port())
    }

    /// The height of its chain; `None` as long as it does not answer.
    pub(super) fn height(&self) -> Option<u64> {
        let status = self.ask("status")?;
        let height = status["sync_info"]["latest_block_height"].as_str()?;
        height.parse().ok()
    }

    /// How many peers it has; `None` as long as it does not answer.
    pub(super) fn peer_count(&self) -> Option<usize> {
        self.ask("net_info")?["n_peers"].as_str()?.parse().ok()
    }

    /// Gives it a transaction of printable characters.
    pub(super) fn submit(&self, transaction: &str) {
        let answer = self.ask(&format!("broadcast_tx_sync?tx=\"{transaction}\""));
        let code = answer.map(|answer| answer["code"].clone());
        assert_eq!(
            code,
            Some(Value::from(0)),
            "it takes {transaction}{}",
            self.log()
        );
    }

    /// Waits until `found` says so.
    #[track_caller]
    pub(super) fn wait<T>(&self, what: &str, mut found: impl FnMut(&Node) -> Option<T>) -> T {
        let deadline = Instant::now() + WITHIN;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "{}: {what} did not come{}",
                self.release.version,
                self.log()
            );
            thread::sleep(POLL);
        }
    }

    /// The end of its log.
    pub(super) fn log(&self) -> String {
        let log = fs::read_to_string(self.home.join("log")).unwrap_or_default();
        let from = log.floor_char_boundary(log.len().saturating_sub(LOG_SHOWN));
        format!("\n{}: its log ends:\n{}", self.id, &log[from..])
    }

    /// The result of a GET, if it gives one.
    fn ask(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect_timeout(&self.rpc, ANSWER_WITHIN).ok()?;
        stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
        write!(stream, "GET /{path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        let mut body: Value = serde_json::from_str(body).ok()?;
        body.get_mut("result").map(Value::take)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two addresses that nobody listened on a moment ago.
fn free_addresses() -> [SocketAddr; 2] {
    let held = [(); 2]
        .map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port"));
    held.map(|listener| listener.local_addr().expect("it is bound"))
}
