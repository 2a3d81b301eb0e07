//! The live screen: one frame as text, and the whole of it on a pseudo-terminal.

use std::process::Command;

use crate::node::{Running, report_when};
use crate::program::{can_run_nodes, command, run_at};

/// Plays a person at a terminal of 80 by 24: sees the screen, presses keys, quits, looks at the terminal.
const PERSON: &str = include_str!("play_top.py");

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &["--network", "top-test"]).succeeded();
    home
}

#[test]
fn one_frame_shows_the_node_its_peer_and_rates() {
    if !can_run_nodes() {
        return;
    }
    let (here, there) = (home(), home());
    let mut listener = Running::start(here.path(), "start", &["--log", "error"]);
    let address = listener.line();
    let args = ["--log", "error", "--persistent-peers", &address];
    let dialer = Running::start(there.path(), "start", &args);
    report_when(there.path(), |report| {
        report["peers"][0]["received_bytes"].as_u64() > Some(0)
    });
    let shown = run_at(there.path(), "top", &["--once", "--every", "0.2"]).succeeded();
    let lines: Vec<_> = shown.stdout.lines().collect();
    assert!(
        lines[0].contains("of \"top-test\", up "),
        "{}",
        shown.stdout
    );
    assert!(
        lines[0].ends_with("1 shard, 1 peer: 1 out, 0 in"),
        "{}",
        shown.stdout
    );
    let peer = lines.iter().find(|line| line.starts_with(&address[..8]));
    assert!(
        peer.is_some_and(|line| line.contains("out*")),
        "{}",
        shown.stdout
    );
    assert!(
        !shown.stdout.contains('\x1b'),
        "no escape sequences in text"
    );
    assert!(lines.iter().all(|line| line.chars().count() <= 80));
    dialer.terminated().succeeded();
    listener.terminated().succeeded();
}

#[test]
fn without_a_terminal_the_way_for_programs_is_named() {
    run_at(home().path(), "top", &[]).failed(1, "`ringwire peers --json`");
}

#[test]
fn one_frame_of_nobody_is_a_failure_and_a_strange_pause_a_wrong_call() {
    let home = home();
    run_at(home.path(), "top", &["--once"]).failed(1, "no node runs on");
    for every in ["0.09", "3601", "x", "NaN"] {
        run_at(home.path(), "top", &["--every", every]).failed(2, "--every");
    }
}

#[test]
fn a_person_at_a_terminal_sees_presses_and_gets_the_terminal_back() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no python3 to play a terminal");
        return;
    }
    let home = home();
    // Nobody runs there: the screen says so, and works all the same.
    let program = command(&["top", "--every", "0.2", "--home"]);
    let args: Vec<_> = program.get_args().collect();
    for ending in ["q", "\x1b", "\x03", "TERM", "HUP", "GONE", "GONE UNTOLD"] {
        let played = Command::new("python3")
            .args(["-c", PERSON, ending])
            .arg(program.get_program())
            .args(&args)
            .arg(home.path())
            .output()
            .expect("python3 starts");
        let said = String::from_utf8_lossy(&played.stderr);
        assert!(played.status.success(), "ended by {ending:?}: {said}");
    }
}
