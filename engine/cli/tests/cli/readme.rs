//! The README's shell blocks, run as they are written, each in a terminal of its own.
//!
//! Blocks that begin with `cargo` build, and are what CI does itself. The rest stand here by their
//! place; a block that is added or taken away fails the first test, so that no block goes untried.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{can_run_nodes, default_port, run_at};

/// Time in which whatever a reader waits for must happen, with all cores busy.
const WITHIN: Duration = Duration::from_secs(90);

/// Places of the blocks in the README, those of cargo left out.
const PIPE: [usize; 3] = [0, 1, 2];
const SEED: usize = 3;
const NODE: usize = 4;
const PEERS: usize = 5;

/// The shell blocks, those that begin with cargo left out.
fn blocks() -> Vec<String> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = fs::read_to_string(readme).expect("the README lies beside the packages");
    let blocks = readme.split("```sh\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap_or_default().to_owned());
    blocks
        .filter(|block| !block.starts_with("cargo "))
        .collect()
}

/// The ports that the blocks name.
fn ports(blocks: &[String]) -> Vec<u16> {
    let mut ports: Vec<u16> = blocks
        .iter()
        .flat_map(|block| block.split("127.0.0.1:").skip(1))
        .filter_map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        })
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Whether the blocks can run here; says so loudly if they cannot.
fn can_run(blocks: &[String]) -> bool {
    let taken = ports(blocks)
        .into_iter()
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err());
    if let Some(port) = taken {
        eprintln!("SKIPPED: the README's port {port} is taken on this machine");
    }
    taken.is_none() && can_run_nodes()
}

/// A shell that runs one block, with the program that was built first on its path.
struct Terminal {
    shell: Child,
    typed: ChildStdin,
    shown: BufReader<ChildStdout>,
}

impl Terminal {
    fn open(folder: &Path, block: &str) -> Terminal {
        let program = Path::new(env!("CARGO_BIN_EXE_ringwire"));
        let tools = program.parent().expect("a program lies in a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("bash")
            .args(["-ec", block])
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", tools.display()))
            .env_remove("RUST_LOG")
            .env_remove("RINGWIRE_HOME")
            // A group of its own: closing the terminal ends what runs in it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash is there");
        let typed = shell.stdin.take().expect("a pipe");
        let shown = BufReader::new(shell.stdout.take().expect("a pipe"));
        Terminal {
            shell,
            typed,
            shown,
        }
    }

    /// Reads on until a line holds `text`.
    fn wait_for(&mut self, text: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.shown.read_line(&mut line).expect("UTF-8");
            assert!(read > 0, "the block ended before it showed {text:?}");
            if line.contains(text) {
                return line;
            }
        }
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.typed, "{line}").expect("somebody reads");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let group = format!("-{}", self.shell.id());
        // Fails when all of it has ended already, and then there is nothing to end.
        let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _ = self.shell.wait();
    }
}

/// From its next start on the seed of a home goes its rounds each second in place of every half minute.
fn hurry(home: &Path) {
    let path = home.join("config/config.toml");
    let text = fs::read_to_string(&path).expect("the seed made it");
    let hurried = text.replace("pex_interval = \"30s\"", "pex_interval = \"1s\"");
    assert_ne!(hurried, text, "a seed's home has the default");
    fs::write(&path, hurried).expect("room to write");
}

/// Waits until the node of a home has so many peers.
fn wait_for_peers(home: &Path, count: usize) {
    let began = Instant::now();
    loop {
        let run = run_at(home, "peers", &["--json"]);
        let report: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
        if report["peers"]
            .as_array()
            .is_some_and(|peers| peers.len() >= count)
        {
            return;
        }
        assert!(began.elapsed() < WITHIN, "not in time: {report:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn every_block_of_the_readme_is_tried_here() {
    let blocks = blocks();
    assert_eq!(blocks.len(), PEERS + 1, "{blocks:#?}");
    for (place, word) in [(0, "start"), (1, "start"), (2, "start"), (SEED, "seed")] {
        assert!(blocks[place].contains(&format!("ringwire {word} ")));
    }
    assert!(blocks[NODE].contains("--seeds"));
    assert!(blocks[PEERS].starts_with("ringwire peers"));
}

#[test]
fn what_is_typed_in_one_terminal_of_the_readme_comes_out_of_the_others() {
    let _alone = default_port();
    let blocks = blocks();
    if !can_run(&blocks) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let open = |place: usize| Terminal::open(folder.path(), &blocks[place]);
    let mut terminals = Vec::new();
    for (place, home) in PIPE.into_iter().zip(["a", "b", "c"]) {
        terminals.push(open(place));
        terminals[place].wait_for("node id");
        // The next one dials this one by its id, which its key makes.
        wait_for_peers(&folder.path().join(home), place.min(1));
    }
    wait_for_peers(&folder.path().join("a"), 2);
    terminals[1].type_line("hello from the second");
    assert_eq!(terminals[0].wait_for("hello"), "hello from the second\n");
    assert_eq!(terminals[2].wait_for("hello"), "hello from the second\n");
    terminals[2].type_line("and back");
    assert_eq!(terminals[0].wait_for("back"), "and back\n");
}

#[test]
fn the_node_of_the_readme_finds_its_seed_and_says_whom_it_knows() {
    let blocks = blocks();
    if !can_run(&blocks) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut first = Terminal::open(folder.path(), &blocks[SEED]);
    first.wait_for("@127.0.0.1:26659");
    drop(first);
    // A seed says goodbye at once. The node knows its address when the seed has come to look whether the node's is good.
    hurry(&folder.path().join("s"));
    let mut seed = Terminal::open(folder.path(), &blocks[SEED]);
    let address = seed.wait_for("@127.0.0.1:26659");
    let mut node = Terminal::open(folder.path(), &blocks[NODE]);
    node.wait_for("@127.0.0.1:26661");
    // Tables show the first digits of an id.
    let seed_id = address.get(..12).expect("an id has forty digits");
    let began = Instant::now();
    loop {
        let mut shown = String::new();
        let mut peers = Terminal::open(folder.path(), &blocks[PEERS]);
        peers.shown.read_to_string(&mut shown).expect("UTF-8");
        if shown.contains(seed_id) {
            return;
        }
        assert!(began.elapsed() < WITHIN, "not in time: {shown}");
    }
}
