//! Standard output and standard error that are full, gone or never read: a node runs on and ends
//! when it is told to.

use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::node::report_when;
use crate::program::{can_run_nodes, command, run_at, terminate};

/// Bytes that a pipe holds, as pipe(7) has them, in writes of this size.
const PIPE_BYTES: usize = 65_536;
const PIECE_BYTES: usize = 4096;

/// Longest a test waits for something that should take milliseconds.
const PATIENCE: Duration = Duration::from_secs(90);

fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &["--network", "output-test"]).succeeded();
    home
}

/// A node with these two ends; a failed test ends it, too.
struct Node(Child);

impl Node {
    fn start(name: &str, home: &Path, args: &[&str], out: Stdio, err: Stdio) -> Node {
        let home = home
            .to_str()
            .expect("a temporary directory has a plain name");
        let child = command(&[name, "--home", home])
            .args(["--laddr", "tcp://127.0.0.1:0", "--shards", "1"])
            .args(args)
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("the program starts");
        Node(child)
    }

    /// Its exit code, once it was asked to end.
    fn terminated(mut self) -> Option<i32> {
        terminate(&self.0);
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("it is ours") {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "deaf to SIGTERM");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Fails when the process has ended already, and then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A pipe that holds all it can. The reader must be kept: without it the pipe is a broken one.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = io::pipe().expect("a pipe");
    let mut filler = writer.try_clone().expect("a descriptor");
    let filled = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&filled);
    // It stalls in the write for which there is no room, and ends with the reader.
    thread::spawn(move || {
        while filler.write_all(&[b'x'; PIECE_BYTES]).is_ok() {
            counter.fetch_add(PIECE_BYTES, Ordering::Relaxed);
        }
    });
    let began = Instant::now();
    while filled.load(Ordering::Relaxed) < PIPE_BYTES {
        assert!(
            began.elapsed() < PATIENCE,
            "a pipe holds less than pipe(7) says"
        );
        thread::sleep(Duration::from_millis(1));
    }
    (reader, writer)
}

/// Waits until a node runs on `home`; then it has logged already.
fn wait_until_up(home: &Path) {
    report_when(home, |report| report["running"] == true);
}

#[test]
fn a_full_disk_behind_standard_error_stops_nobody() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        return eprintln!("SKIPPED: there is no /dev/full here");
    };
    if !can_run_nodes() {
        return;
    }
    for name in ["start", "seed"] {
        let home = home();
        let err = full.try_clone().expect("a descriptor").into();
        let node = Node::start(name, home.path(), &["--log", "debug"], Stdio::null(), err);
        wait_until_up(home.path());
        assert_eq!(node.terminated(), Some(0), "{name}");
    }
}

#[test]
fn a_reader_of_standard_error_that_went_away_stops_nobody() {
    if !can_run_nodes() {
        return;
    }
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let (here, there) = (home(), home());
    let args = ["--log", "trace", "--addr-book-strict=false"];
    let node = Node::start("start", here.path(), &args, Stdio::null(), writer.into());
    wait_until_up(here.path());
    // A peer that comes and goes is logged by a shard.
    let report = report_when(here.path(), |report| report["node"]["address"].is_string());
    let address = report["node"]["address"]
        .as_str()
        .expect("a text")
        .to_owned();
    let dialer = ["--persistent-peers", &address, "--addr-book-strict=false"];
    let dialer = Node::start("start", there.path(), &dialer, Stdio::null(), Stdio::null());
    report_when(here.path(), |report| report["counters"]["peers_added"] == 1);
    assert_eq!(dialer.terminated(), Some(0));
    report_when(here.path(), |report| {
        report["counters"]["peers_removed"] == 1
    });
    assert_eq!(node.terminated(), Some(0));
}

#[test]
fn a_standard_error_that_nobody_reads_stops_nobody() {
    if !can_run_nodes() {
        return;
    }
    for name in ["start", "seed"] {
        let home = home();
        let (_reader, writer) = full_pipe();
        let node = Node::start(name, home.path(), &[], Stdio::null(), writer.into());
        wait_until_up(home.path());
        assert_eq!(node.terminated(), Some(0), "{name}");
    }
}

#[test]
fn a_standard_output_that_nobody_reads_does_not_make_a_node_deaf() {
    if !can_run_nodes() {
        return;
    }
    for (name, arg) in [
        ("start", "--pex"),
        ("seed", "--json"),
        ("start", "--stdout"),
    ] {
        let home = home();
        let (_reader, writer) = full_pipe();
        let node = Node::start(name, home.path(), &[arg], writer.into(), Stdio::null());
        wait_until_up(home.path());
        assert_eq!(node.terminated(), Some(0), "{name} {arg}");
    }
}

#[test]
fn a_call_that_fails_ends_with_its_code_wherever_its_words_go() {
    let absent = Path::new("/absent/home");
    let devices = ["/dev/full", "/dev/null"].map(|path| File::options().write(true).open(path));
    for device in devices.into_iter().flatten() {
        let mut node = Node::start("start", absent, &[], Stdio::null(), device.into());
        let status = node.0.wait().expect("it is ours");
        assert_eq!(status.code(), Some(1));
    }
}
