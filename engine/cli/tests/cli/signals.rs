//! Signals: none of them loses what a node knows, and a node that waits for a file hears them.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::node::{Running, count, report_when};
use crate::program::{can_run_nodes, command, run_at, send_signal, terminate};

/// Longest a test waits for something that should take milliseconds.
const PATIENCE: Duration = Duration::from_secs(90);

fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &["--network", "signals-test"]).succeeded();
    home
}

fn send(process: u32, signals: &[&str]) {
    for signal in signals {
        send_signal(process, signal);
    }
}

/// A program that waits for a file on its way to a node; a failed test ends it, too.
struct Waiting(Child);

impl Waiting {
    /// Its exit code and what it said, once it has ended.
    fn ended(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        while self.0.try_wait().expect("it is ours").is_none() {
            assert!(began.elapsed() < PATIENCE, "deaf to SIGTERM");
            thread::sleep(Duration::from_millis(20));
        }
        let status = self.0.wait().expect("it has ended");
        let mut said = String::new();
        let pipe = self.0.stderr.as_mut().expect("stderr is a pipe");
        std::io::Read::read_to_string(pipe, &mut said).expect("UTF-8");
        (status.code(), said)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Fails when the process has ended already, and then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether the program `process` serves SIGTERM, as the kernel tells it.
fn catches_term(process: u32) -> bool {
    const SIGTERM: u32 = 15;
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (SIGTERM - 1) & 1 == 1)
}

#[test]
fn signals_that_mean_nothing_to_a_node_do_not_end_it() {
    if !can_run_nodes() {
        return;
    }
    let home = home();
    let mut node = Running::start(home.path(), "start", &["--log", "info"]);
    node.line();
    let report = report_when(home.path(), |report| report["running"] == true);
    let process = report["node"]["process"].as_u64().expect("a number");
    let process = u32::try_from(process).expect("an id of a process");
    send(
        process,
        &["HUP", "USR1", "USR2", "ALRM", "PROF", "XFSZ", "HUP"],
    );
    node.wait_log("reloaded: nothing has changed");
    node.wait_log("SIGUSR1: no use is made of this signal");
    let report = report_when(home.path(), |report| report["running"] == true);
    assert_eq!(count(&report["peers"]), 0);
    node.terminated().succeeded();
    let socket = home.path().join("data/ringwire.sock");
    assert!(!socket.exists(), "an end in order leaves no socket");
}

#[test]
fn a_quit_ends_a_node_in_order() {
    if !can_run_nodes() {
        return;
    }
    let home = home();
    let mut node = Running::start(home.path(), "start", &[]);
    node.line();
    let report = report_when(home.path(), |report| report["running"] == true);
    let process = report["node"]["process"].as_u64().expect("a number");
    send(u32::try_from(process).expect("an id"), &["QUIT"]);
    node.ended_by_itself().succeeded();
    let socket = home.path().join("data/ringwire.sock");
    assert!(!socket.exists(), "an end in order leaves no socket");
}

#[test]
fn a_node_that_waits_for_a_file_hears_the_first_signal() {
    let home = home();
    let pipe = make_pipe(home.path());
    let genesis = format!("genesis_file = \"{}\"\n", pipe.display());
    fs::write(home.path().join("config/config.toml"), genesis).expect("room to write");
    let home = home.path().to_str().expect("a plain name");
    let child = command(&["start", "--home", home])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let waiting = Waiting(child);
    let began = Instant::now();
    while !catches_term(waiting.0.id()) {
        assert!(began.elapsed() < PATIENCE, "it never serves SIGTERM");
        thread::sleep(Duration::from_millis(5));
    }
    terminate(&waiting.0);
    let (code, said) = waiting.ended();
    // Either it was ended while it waited, or it refuses a file that is none.
    assert!(matches!(code, Some(1 | 143)), "{code:?}: {said}");
    assert!(said.starts_with("error: "), "{said}");
}

/// A named pipe that nobody writes to.
fn make_pipe(directory: &Path) -> std::path::PathBuf {
    let pipe = directory.join("fifo");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    pipe
}
