//! Nodes in places that lack something, and files that are not what they should be.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::node::Running;
use crate::program::{Run, START, can_run_nodes, command, default_port, run_at, terminate};

/// Numbers of system calls on x86-64.
const FSYNC: &str = "74";
const FLOCK: &str = "73";
const SCHED_SETAFFINITY: &str = "203";
/// link, linkat, renameat2.
const LINKS: &str = "86,265,316";

pub(crate) const EPERM: &str = "1";
const EINVAL: &str = "22";
const ENOLCK: &str = "37";

/// The program, with some system calls refused; none where that cannot be had.
pub(crate) fn without(calls: &str, errno: &str, args: &[&str]) -> Option<Command> {
    let has_python = Command::new("python3").arg("-V").output();
    if !cfg!(target_arch = "x86_64") || has_python.is_err() {
        eprintln!("SKIPPED: no python3, or not x86-64: system calls cannot be refused");
        return None;
    }
    let mut program = Command::new("python3");
    program
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/refuse_calls.py"))
        .args([errno, calls, env!("CARGO_BIN_EXE_ringwire")])
        .args(args)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Some(program)
}

pub(crate) fn plain(path: &Path) -> &str {
    path.to_str()
        .expect("a temporary directory has a plain name")
}

/// A home whose configuration has `line` in place of the one with the same key.
pub(crate) fn home_with(line: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &["--network", "cli-test"]).succeeded();
    let path = home.path().join("config/config.toml");
    let (key, _) = line.split_once(" = ").expect("a line of a configuration");
    let text = fs::read_to_string(&path).expect("init made it");
    let lines = text.lines().map(|old| match old.split_once(" = ") {
        Some((old_key, _)) if old_key == key => line,
        _ => old,
    });
    let changed = lines.collect::<Vec<_>>().join("\n") + "\n";
    assert_ne!(changed, text, "{key} is a key");
    fs::write(&path, changed).expect("room to write");
    home
}

/// What a node says that starts, listens, and is told to end.
fn started_and_ended(mut program: Command) -> Run {
    let mut child: Child = program.spawn().expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    let mut address = String::new();
    stdout.read_line(&mut address).expect("UTF-8");
    if address.contains('@') {
        terminate(&child);
    }
    let mut stderr = String::new();
    let pipe = child.stderr.as_mut().expect("stderr is a pipe");
    pipe.read_to_string(&mut stderr).expect("UTF-8");
    let status = child.wait().expect("the program ends");
    Run {
        code: status.code(),
        stdout: address,
        stderr,
    }
}

#[test]
fn a_node_runs_where_it_cannot_be_pinned_and_says_so() {
    let home = home_with("pin_shards = \"on\"");
    let args = [&START[..], &["--home", plain(home.path())]].concat();
    let Some(program) = without(SCHED_SETAFFINITY, EPERM, &args).filter(|_| can_run_nodes()) else {
        return;
    };
    let ran = started_and_ended(program).succeeded();
    assert!(ran.stderr.contains("cannot be pinned"), "{}", ran.stderr);
}

#[test]
fn a_home_is_made_without_hard_links_and_without_syncing() {
    for (calls, errno) in [(LINKS, EPERM), (FSYNC, EINVAL)] {
        let home = tempfile::tempdir().expect("a temporary directory");
        let args = ["init", "--home", plain(home.path())];
        let Some(mut program) = without(calls, errno, &args) else {
            return;
        };
        Run::from(program.output().expect("the program starts")).succeeded();
        let mut made: Vec<_> = fs::read_dir(home.path().join("config"))
            .expect("the directory")
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        made.sort();
        assert_eq!(made, ["config.toml", "node_key.json"]);
    }
}

#[test]
fn a_node_runs_without_locks_and_a_second_one_on_its_home_does_not() {
    let home = home_with("dial_jitter = \"0s\"");
    let args = [&START[..], &["--home", plain(home.path())]].concat();
    let Some(program) = without(FLOCK, ENOLCK, &args).filter(|_| can_run_nodes()) else {
        return;
    };
    let ran = started_and_ended(program).succeeded();
    assert!(ran.stderr.contains("ringwire.lock"), "{}", ran.stderr);
    assert!(ran.stderr.contains("has no locks"), "{}", ran.stderr);

    let mut first = Running::start(home.path(), "start", &[]);
    assert!(first.line().contains('@'), "it runs");
    let mut second = without(FLOCK, ENOLCK, &args).expect("there was one before");
    let refused = Run::from(second.output().expect("the program starts"));
    refused.failed(1, "a node runs on");
    run_at(home.path(), "peers", &[]).succeeded();
    first.terminated().succeeded();
}

#[test]
fn the_doctor_finds_what_a_home_lacks() {
    let _alone = default_port();
    let home = home_with("dial_jitter = \"0s\"");
    let args = [
        "doctor",
        "--json",
        "--shards",
        "1",
        "--home",
        plain(home.path()),
    ];
    for (calls, errno, what) in [
        (FLOCK, ENOLCK, "home has locks (flock)"),
        (FSYNC, EINVAL, "home syncs (fsync)"),
        (SCHED_SETAFFINITY, EPERM, "CPU affinity"),
    ] {
        let Some(mut program) = without(calls, errno, &args) else {
            return;
        };
        let ran = Run::from(program.output().expect("the program starts"));
        let report = ran.json();
        let findings = report["findings"].as_array().expect("a list");
        let finding = findings.iter().find(|finding| finding["what"] == what);
        let finding = finding.unwrap_or_else(|| panic!("{what}: {report:#}"));
        assert_eq!(finding["verdict"], "warn", "{finding:#}");
    }
}

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "coreutils are there"
    );
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_at_once_and_left_alone() {
    for file in [
        "config/config.toml",
        "config/node_key.json",
        "config/genesis.json",
        "config/addrbook.json",
        "data/ringwire.lock",
        "data/ringwire-gossip-72.numbers",
    ] {
        // The genesis is read only where the configuration names no network.
        let home = home_with("dial_jitter = \"0s\"");
        let config = home.path().join("config/config.toml");
        let text = fs::read_to_string(&config).expect("init made it");
        let text = text.replace("network = \"cli-test\"\n", "");
        fs::write(&config, text).expect("room to write");
        let path = home.path().join(file);
        fs::create_dir_all(path.parent().expect("a directory")).expect("room");
        // It is not there yet, or one of those that init made.
        let _ = fs::remove_file(&path);
        make_pipe(&path);
        let args = [&START[..], &["--home", plain(home.path())]].concat();
        // Without the refusal this would wait for ever.
        let ran = Run::from(command(&args).output().expect("the program starts"));
        ran.failed(1, file).failed(1, "named pipe");
        let kind = fs::metadata(&path).expect("still there").file_type();
        assert!(kind.is_fifo(), "{file}");
    }
}

#[test]
fn the_null_device_as_an_address_book_keeps_none() {
    if !can_run_nodes() {
        return;
    }
    let home = home_with("addr_book_file = \"/dev/null\"");
    let mut node = Running::start(home.path(), "start", &[]);
    assert!(node.line().contains('@'), "it runs");
    let ran = node.terminated().succeeded();
    assert!(
        ran.stderr.contains("keeping no address book"),
        "{}",
        ran.stderr
    );
    let null = fs::metadata("/dev/null").expect("the device");
    assert!(null.file_type().is_char_device());
    run_at(home.path(), "peers", &[]).failed(1, "there is no address book");
}

#[test]
fn an_address_book_that_is_another_file_of_the_node_is_refused() {
    for other in [
        "config/config.toml",
        "config/./node_key.json",
        "data/ringwire.lock",
    ] {
        let home = home_with(&format!("addr_book_file = \"{other}\""));
        fs::create_dir(home.path().join("data")).expect("room for a directory");
        let path = home.path().join(other);
        let before = fs::read(&path).ok();
        run_at(
            home.path(),
            "start",
            &["--laddr", "tcp://127.0.0.1:0", "--shards", "1"],
        )
        .failed(1, "p2p.addr_book_file: ")
        .failed(1, "write over it");
        if before.is_some() {
            assert_eq!(fs::read(&path).ok(), before, "{other}");
        }
    }
}

#[test]
fn a_node_that_was_killed_starts_again_at_once_on_its_port() {
    if !can_run_nodes() {
        return;
    }
    let home = home_with("dial_jitter = \"0s\"");
    let mut node = Running::start(home.path(), "start", &[]);
    let address = node.line();
    let (_, endpoint) = address.split_once('@').expect("an address");
    let laddr = format!("tcp://{endpoint}");
    for round in 0..5 {
        node.killed();
        node = Running::start_at(home.path(), "start", &laddr, &[]);
        assert_eq!(node.line(), address, "round {round}");
        run_at(home.path(), "peers", &[]).succeeded();
    }
    node.terminated().succeeded();
}

#[test]
fn a_local_network_reads_from_a_pipe_and_refuses_a_directory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = plain(directory.path());
    let refused = command(&["localnet", "--nodes", "2", "--input", path]).output();
    Run::from(refused.expect("the program starts")).failed(1, "it is a directory");
    if !can_run_nodes() {
        return;
    }
    let pipe = directory.path().join("pipe");
    make_pipe(&pipe);
    let network = command(&["localnet", "--nodes", "2", "--quiet", "--json", "--input"])
        .arg(&pipe)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    fs::write(&pipe, "through the pipe").expect("the network reads");
    let ran = Run::from(network.wait_with_output().expect("the program ends")).succeeded();
    assert_eq!(ran.json()["nodes"].as_array().map(Vec::len), Some(2));
}
