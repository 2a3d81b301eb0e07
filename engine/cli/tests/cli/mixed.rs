//! Networks whose nodes do not all gossip the same way: what is said at one comes to all others once.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::node::{Running, WITHIN, count, report_when};
use crate::program::{can_run_nodes, run_at};

/// Lines that each node says.
const LINES: usize = 5;

struct Speaker {
    way: &'static str,
    node: Running,
    home: TempDir,
    said: Vec<String>,
}

/// Nodes that gossip so, all connected to all.
fn network<const NODES: usize>(ways: [&'static str; NODES]) -> Vec<Speaker> {
    let mut addresses: Vec<String> = Vec::new();
    let speakers = ways.map(|way| {
        let home = tempfile::tempdir().expect("a temporary directory");
        run_at(home.path(), "init", &["--network", "mixed-test"]).succeeded();
        let id = run_at(home.path(), "show-node-id", &[]).succeeded().stdout;
        // A path is known beforehand, and standard output is for lines.
        let laddr = format!("unix://{}", home.path().join("p2p.sock").display());
        let named = addresses.join(",");
        let args = ["--stdin", "--stdout", "--log", "error"];
        let chosen = ["--gossip", way, "--persistent-peers", &named];
        let args = [&args[..], &chosen].concat();
        let node = Running::start_at(home.path(), "start", &laddr, &args);
        addresses.push(format!("{}@{laddr}", id.trim()));
        let at = addresses.len();
        let said = (0..LINES).map(|line| format!("line {line} of node {at}, by {way}"));
        let said = said.collect();
        Speaker {
            way,
            node,
            home,
            said,
        }
    });
    for speaker in &speakers {
        wait_for_answers(speaker.home.path());
        report_when(speaker.home.path(), |report| {
            count(&report["peers"]) == NODES - 1
        });
    }
    speakers.into()
}

/// A node that has just been started says on its socket how it is once the socket is there.
fn wait_for_answers(home: &Path) {
    let (socket, began) = (home.join("data/ringwire.sock"), Instant::now());
    while !socket.exists() {
        assert!(began.elapsed() < WITHIN, "no node on {}", home.display());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Everybody says its lines at once, and hears those of all others, each once.
fn assert_all_is_heard_once(mut speakers: Vec<Speaker>) {
    for speaker in &mut speakers {
        speaker.node.speak(&speaker.said);
    }
    let said: Vec<_> = speakers
        .iter()
        .map(|speaker| speaker.said.clone())
        .collect();
    for (at, speaker) in speakers.iter_mut().enumerate() {
        let others = said.iter().enumerate().filter(|(other, _)| *other != at);
        let mut expected: Vec<_> = others.flat_map(|(_, lines)| lines.clone()).collect();
        let mut heard: Vec<_> = expected.iter().map(|_| speaker.node.line()).collect();
        expected.sort();
        heard.sort();
        assert_eq!(heard, expected, "at node {}, by {}", at + 1, speaker.way);
    }
    for speaker in speakers {
        let rest = speaker.node.terminated().succeeded();
        assert_eq!(rest.stdout, "", "at a node by {}", speaker.way);
    }
}

#[test]
fn nodes_that_flood_and_nodes_with_a_bridge_hear_every_line_once() {
    if can_run_nodes() {
        assert_all_is_heard_once(network(["flood", "mixed", "flood", "mixed", "mixed"]));
    }
}

#[test]
fn one_bridge_joins_nodes_that_flood_and_nodes_of_feeds() {
    if can_run_nodes() {
        assert_all_is_heard_once(network(["flood", "mixed", "feeds", "flood", "feeds"]));
    }
}
