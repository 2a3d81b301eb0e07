//! Nodes that move their bytes by readiness: because they are told to, or because io_uring is refused.

use std::process::{Command, Stdio};

use crate::program::{Run, START, default_port, run};
use crate::surroundings::{EPERM, home_with, plain, without};

/// Numbers of system calls on x86-64: io_uring_setup, io_uring_enter, io_uring_register.
const IO_URING: &str = "425,426,427";

/// A network whose nodes must all hold all messages.
const NETWORK: [&str; 9] = [
    "localnet",
    "--log",
    "warn",
    "--nodes",
    "4",
    "--messages",
    "200",
    "--shards",
    "2",
];

/// The program where io_uring is refused, as the seccomp profile of a container refuses it.
fn refused(args: &[&str]) -> Option<Run> {
    let program: Option<Command> = without(IO_URING, EPERM, args);
    program.map(|mut program| Run::from(program.output().expect("the program starts")))
}

fn assert_all_hold_all(ran: Run) {
    let ran = ran.succeeded();
    let last = ran.stdout.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("all 4 nodes hold the same 200 messages"),
        "{last}"
    );
}

#[test]
fn a_network_by_readiness_loses_nothing() {
    assert_all_hold_all(run(&[&NETWORK[..], &["--transport", "readiness"]].concat()));
}

#[test]
fn a_network_that_is_refused_io_uring_says_so_once_and_loses_nothing() {
    let Some(ran) = refused(&NETWORK) else {
        return;
    };
    assert_told_once(&ran, "io_uring is forbidden");
    assert_all_hold_all(ran);
}

#[test]
fn a_network_that_may_lock_no_memory_says_so_once_and_loses_nothing() {
    let ran = Command::new("sh")
        .args(["-c", "ulimit -l 0 && exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_ringwire"))
        .args(NETWORK)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .output();
    let ran = Run::from(ran.expect("a shell"));
    assert_told_once(&ran, "may lock 0 KiB of memory");
    assert_all_hold_all(ran);
}

fn assert_told_once(ran: &Run, reason: &str) {
    let told: Vec<_> = ran
        .stderr
        .lines()
        .filter(|line| line.contains("io_uring cannot be used here"))
        .collect();
    assert_eq!(told.len(), 1, "{}", ran.stderr);
    assert!(told[0].contains(reason), "{told:?}");
}

#[test]
fn a_node_that_is_to_use_nothing_but_io_uring_does_not_start_without() {
    let home = home_with("transport = \"io_uring\"");
    let args = [&START[..], &["--home", plain(home.path())]].concat();
    let Some(ran) = refused(&args) else {
        return;
    };
    ran.failed(1, "io_uring_setup");
}

#[test]
fn to_the_doctor_a_missing_io_uring_is_advice_unless_a_home_asks_for_it() {
    let _alone = default_port();
    let Some(ran) = refused(&["doctor", "--json", "--shards", "1"]) else {
        return;
    };
    let report = ran.succeeded().json();
    let findings = report["findings"].as_array().expect("a list");
    let verdict_of = |what: &str| {
        let mut findings = findings.iter();
        let found = findings.find(|finding| finding["what"] == what);
        found.unwrap_or_else(|| panic!("nothing of {what}: {report:#}"))["verdict"].clone()
    };
    assert_eq!(verdict_of("io_uring"), "warn");
    assert_eq!(verdict_of("transport"), "warn");

    for (transport, code) in [("io_uring", Some(1)), ("readiness", Some(0))] {
        let home = home_with(&format!("transport = \"{transport}\""));
        let args = ["doctor", "--json", "--shards", "1", "--home"];
        let ran = refused(&[&args[..], &[plain(home.path())]].concat()).expect("as before");
        assert_eq!(ran.code, code, "{transport}: {}", ran.stdout);
    }
}
