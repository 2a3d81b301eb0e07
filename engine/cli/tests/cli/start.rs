//! Running nodes: a line from one process to another, and an orderly end.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::node::{count, report_when};
use crate::program::{Run, START, can_run_nodes, command, run_at, terminate};

/// A node that runs until it is told to end; a failed test ends it, too.
struct Node {
    child: Child,
    /// None when the reader has gone away.
    stdout: Option<BufReader<ChildStdout>>,
    home: TempDir,
}

impl Node {
    fn start(args: &[&str]) -> Node {
        let home = tempfile::tempdir().expect("a temporary directory");
        run_at(home.path(), "init", &["--network", "cli-test"]).succeeded();
        let config = home.path().join("config/config.toml");
        let text = fs::read_to_string(&config).expect("init made it");
        // All nodes share an address here, and nobody wants to wait.
        let text = text
            .replace("allow_duplicate_ip = false", "allow_duplicate_ip = true")
            .replace("dial_jitter = \"3s\"", "dial_jitter = \"0s\"");
        fs::write(&config, text).expect("room to write");
        let mut child = command(&START)
            .args(["--home", plain(home.path())])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().map(BufReader::new);
        Node {
            child,
            stdout,
            home,
        }
    }

    /// The next line of standard output.
    fn line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.stdout.as_mut().expect("the reader is still there");
        stdout
            .read_line(&mut line)
            .expect("the program writes UTF-8");
        line.trim_end().to_owned()
    }

    /// What stands on standard error at the end.
    fn ended(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("the program ends");
        let mut said = String::new();
        let stderr = self.child.stderr.as_mut().expect("stderr is a pipe");
        stderr
            .read_to_string(&mut said)
            .expect("the program writes UTF-8");
        (status.code(), said)
    }

    fn terminated(self) -> (Option<i32>, String) {
        terminate(&self.child);
        self.ended()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Fails when the process has ended already, and then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node that speaks what it reads from the returned input, started with `args` as well, and one
/// that dials it and prints what it hears.
fn pipe(args: &[&str]) -> (Node, Node, ChildStdin) {
    let mut speaker = Node::start(&[&["--stdin"], args].concat());
    let address = speaker.line();
    let listener = Node::start(&["--stdout", "--persistent-peers", &address]);
    let stdin = speaker.child.stdin.take().expect("stdin is a pipe");
    (speaker, listener, stdin)
}

fn plain(path: &Path) -> &str {
    path.to_str()
        .expect("a temporary directory has a plain name")
}

#[test]
fn a_node_says_its_address_and_ends_in_order_when_it_is_terminated() {
    if !can_run_nodes() {
        return;
    }
    let mut node = Node::start(&[]);
    let address = node.line();
    let (id, host) = address.split_once('@').expect("an id before the host");
    assert_eq!(id.len(), 40, "{address}");
    assert!(
        host.starts_with("127.0.0.1:") && !host.ends_with(":0"),
        "{address}"
    );
    assert_eq!(node.terminated(), (Some(0), String::new()));
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one_wish() {
    if !can_run_nodes() {
        return;
    }
    let mut node = Node::start(&[]);
    node.line();
    let process = node.child.id().to_string();
    let kill = Command::new("kill")
        .args(["-TERM", &process, &process])
        .status();
    assert!(kill.is_ok_and(|status| status.success()));
    assert_eq!(node.ended(), (Some(0), String::new()));
}

#[test]
fn lines_go_in_at_one_node_and_come_out_once_at_the_other() {
    if !can_run_nodes() {
        return;
    }
    let (speaker, mut listener, mut stdin) = pipe(&[]);
    stdin
        .write_all(b"hello\nhello\nlast without newline")
        .expect("the program reads");
    drop(stdin);
    for expected in ["hello", "hello", "last without newline"] {
        assert_eq!(listener.line(), expected);
    }
    let (code, said) = listener.terminated();
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = speaker.terminated();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_node_that_ends_with_its_input_sends_everything_first() {
    if !can_run_nodes() {
        return;
    }
    let (speaker, mut listener, mut stdin) = pipe(&["--exit-on-eof"]);
    let lines: Vec<String> = (0..500).map(|number| format!("line {number}")).collect();
    stdin
        .write_all(lines.join("\n").as_bytes())
        .expect("the program reads");
    drop(stdin);
    let mut heard: Vec<String> = lines.iter().map(|_| listener.line()).collect();
    let order = |line: &String| line.rsplit(' ').next().and_then(|n| n.parse::<u32>().ok());
    heard.sort_by_key(order);
    assert_eq!(heard, lines);
    let (code, said) = speaker.ended();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_reader_that_went_away_ends_the_node_in_order() {
    if !can_run_nodes() {
        return;
    }
    let (_speaker, mut listener, mut stdin) = pipe(&[]);
    listener.stdout = None;
    stdin
        .write_all(b"nobody hears this\n")
        .expect("the program reads");
    let (code, said) = listener.ended();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_was_received_is_written_before_the_node_ends() {
    if !can_run_nodes() {
        return;
    }
    let (speaker, mut listener, mut stdin) = pipe(&["--exit-on-eof"]);
    // Far more than a pipe holds, so that the listener cannot write it before somebody reads.
    const LINES: usize = 500;
    let line = "x".repeat(1024) + "\n";
    stdin
        .write_all(line.repeat(LINES).as_bytes())
        .expect("the program reads");
    drop(stdin);
    assert_eq!(listener.line(), line.trim_end());
    let (code, said) = speaker.ended();
    assert_eq!(code, Some(0), "{said}");
    terminate(&listener.child);
    let mut rest = String::new();
    let stdout = listener.stdout.as_mut().expect("still there");
    stdout.read_to_string(&mut rest).expect("UTF-8");
    assert_eq!(rest, line.repeat(LINES - 1));
}

#[test]
fn a_node_that_prints_nothing_passes_on_whatever_comes() {
    if !can_run_nodes() {
        return;
    }
    let mut relay = Node::start(&[]);
    let address = relay.line();
    let mut listener = Node::start(&["--stdout", "--persistent-peers", &address]);
    let mut speaker = Node::start(&["--stdin", "--exit-on-eof", "--persistent-peers", &address]);
    let mut stdin = speaker.child.stdin.take().expect("stdin is a pipe");
    // The relay has to have the listener as its peer first.
    report_when(relay.home.path(), |report| count(&report["peers"]) == 2);
    // More than a shard keeps for a channel that nobody has subscribed to.
    const LINES: usize = 3000;
    stdin
        .write_all(&b"x\n".repeat(LINES))
        .expect("the program reads");
    drop(stdin);
    for heard in 0..LINES {
        assert_eq!(listener.line(), "x", "after {heard} lines");
    }
}

#[test]
fn an_input_that_ends_without_anybody_to_hear_it_ends_the_node_with_a_failure() {
    if !can_run_nodes() {
        return;
    }
    let mut node = Node::start(&["--stdin", "--exit-on-eof", "--peer-timeout", "100ms"]);
    node.line();
    let mut stdin = node.child.stdin.take().expect("stdin is a pipe");
    stdin.write_all(b"one\ntwo\n").expect("the program reads");
    drop(stdin);
    let (code, said) = node.ended();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("no peer within 100ms: 2 lines of standard input not sent;"),
        "{said}"
    );
}

#[test]
fn an_input_longer_than_what_is_read_ahead_does_not_wait_for_ever_either() {
    if !can_run_nodes() {
        return;
    }
    let mut node = Node::start(&["--stdin", "--exit-on-eof", "--peer-timeout", "100ms"]);
    node.line();
    let mut stdin = node.child.stdin.take().expect("stdin is a pipe");
    // It never ends, and is longer than what is read before there is a peer.
    stdin
        .write_all(&b"x\n".repeat(1000))
        .expect("the program reads");
    let (code, said) = node.ended();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("not sent, nor was what follows them"),
        "{said}"
    );
    drop(stdin);
}

#[test]
fn an_empty_input_ends_the_node_at_once() {
    if !can_run_nodes() {
        return;
    }
    let mut node = Node::start(&["--stdin", "--exit-on-eof"]);
    drop(node.child.stdin.take());
    assert_eq!(node.ended(), (Some(0), String::new()));
}

#[test]
fn lines_accepted_for_a_peer_that_went_away_are_not_taken_for_sent() {
    if !can_run_nodes() {
        return;
    }
    let mut listener = Node::start(&["--stdout"]);
    let said = listener.child.stderr.as_mut().expect("stderr is a pipe");
    let mut address = String::new();
    BufReader::with_capacity(1, said)
        .read_line(&mut address)
        .expect("the program writes UTF-8");
    let args = ["--exit-on-eof", "--persistent-peers", address.trim()];
    let mut speaker = Node::start(&[&["--stdin", "--peer-timeout", "1s"], &args[..]].concat());
    let mut stdin = speaker.child.stdin.take().expect("stdin is a pipe");
    report_when(speaker.home.path(), |report| count(&report["peers"]) == 1);
    // The listener prints to a pipe that nobody reads, so it soon takes nothing more.
    let line = "x".repeat(64 * 1024) + "\n";
    let writer = std::thread::spawn(move || {
        // The node may end before it has read everything.
        let _ = stdin.write_all(line.repeat(400).as_bytes());
    });
    report_when(speaker.home.path(), |report| {
        report["peers"][0]["queued_messages"]["0x72"].as_u64() > Some(0)
    });
    listener.child.kill().expect("it runs");
    let (code, said) = speaker.ended();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("may be lost") || said.contains("not sent"),
        "{said}"
    );
    writer.join().expect("it only writes");
}

#[test]
fn a_line_that_is_too_long_is_skipped_and_told_and_the_others_are_sent() {
    if !can_run_nodes() {
        return;
    }
    let (speaker, mut listener, mut stdin) = pipe(&["--exit-on-eof"]);
    let long = "x".repeat((1 << 20) + 1);
    stdin
        .write_all(format!("before\n{long}\nafter\n").as_bytes())
        .expect("the program reads");
    drop(stdin);
    assert_eq!(listener.line(), "before");
    assert_eq!(listener.line(), "after");
    let (code, said) = speaker.ended();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("line 2 of standard input is skipped"),
        "{said}"
    );
    assert!(
        said.contains("1 line skipped: longer than 131008 bytes"),
        "{said}"
    );
}

#[test]
fn a_machine_that_cannot_run_a_node_as_it_is_told_to_says_who_looks_at_it() {
    if !can_run_nodes() {
        return;
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &[]).succeeded();
    let script = "ulimit -l 0 && exec \"$0\" start --home \"$1\" --laddr tcp://127.0.0.1:0 \
                  --transport io_uring";
    let ran = Command::new("sh")
        .args([
            "-c",
            script,
            env!("CARGO_BIN_EXE_ringwire"),
            plain(home.path()),
        ])
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let ran = Run::from(ran).failed(1, "may lock 0 KiB of memory, each shard needs 512 KiB");
    for words in ["ulimit -l", "`ringwire doctor`"] {
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("MemLockLimit"), "{}", ran.stderr);
}
