//! A node that starts again is heard at once, whatever its clock said in the life before.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::node::{Running, count, report_when};
use crate::program::{can_run_nodes, run_at};

const NUMBERS: &str = "data/ringwire-gossip-72.numbers";
const HEAD: &str = "ringwire gossip: all numbers are below ";
const DAY: Duration = Duration::from_secs(86_400);

fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &["--network", "numbers-test"]).succeeded();
    home
}

fn bound(home: &TempDir) -> u64 {
    let text = fs::read_to_string(home.path().join(NUMBERS)).expect("it is kept");
    let digits = text.trim_end().strip_prefix(HEAD).expect("a bound");
    digits.parse().expect("a number")
}

#[test]
fn a_node_whose_clock_was_a_day_ahead_is_heard_when_it_is_right_and_after_each_crash() {
    if !can_run_nodes() {
        return;
    }
    let (here, there) = (home(), home());
    // What a life leaves whose clock was a day ahead.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let ahead = (now.expect("after 1970") + DAY).as_micros() as u64;
    fs::create_dir(there.path().join("data")).expect("room for a directory");
    fs::write(there.path().join(NUMBERS), format!("{HEAD}{ahead}\n")).expect("room to write");

    // A path is known beforehand, and standard output is for lines.
    let laddr = format!("unix://{}", here.path().join("p2p.sock").display());
    let args = ["--stdout", "--log", "error"];
    let mut listener = Running::start_at(here.path(), "start", &laddr, &args);
    let id = run_at(here.path(), "show-node-id", &[]).succeeded().stdout;
    let address = format!("{}@{laddr}", id.trim());
    let mut before = ahead;
    for life in 1..=3 {
        let args = ["--stdin", "--log", "error", "--persistent-peers", &address];
        let mut speaker = Running::start(there.path(), "start", &args);
        speaker.line();
        report_when(there.path(), |report| count(&report["peers"]) == 1);
        let said = format!("in life {life}");
        speaker.speak(std::slice::from_ref(&said));
        assert_eq!(listener.line(), said);
        assert!(
            bound(&there) > before,
            "it is raised before a number is given"
        );
        before = bound(&there);
        speaker.killed();
    }
    listener.terminated().succeeded();
}
