//! Small local networks, each of whole engines.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::program::{Run, can_run_nodes, command, run};

#[test]
fn every_node_holds_every_message_exactly_once() {
    if !can_run_nodes() {
        return;
    }
    let args = [
        "localnet",
        "--nodes",
        "4",
        "--messages",
        "200",
        "--size",
        "300",
        "--json",
    ];
    let report = run(&args).succeeded().json();
    assert_eq!(report["messages"], 200);
    assert_eq!(report["content_bytes"], 60_000);
    let nodes = report["nodes"].as_array().expect("a row for each node");
    assert_eq!(nodes.len(), 4);
    for node in nodes {
        // Published in turn: a node gets what the three others published.
        assert_eq!(node["received"], 150, "{node}");
    }
}

#[test]
fn a_network_of_several_shards_and_plain_frames_loses_nothing() {
    if !can_run_nodes() {
        return;
    }
    let args = [
        "--nodes",
        "3",
        "--shards",
        "2",
        "--framing",
        "comet",
        "--messages",
        "100",
    ];
    let told = run(&[&["localnet"], &args[..]].concat()).succeeded();
    let last = told.stdout.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("all 3 nodes hold the same 100 messages, digest "),
        "{last}"
    );
}

#[test]
fn nodes_that_know_a_seed_only_find_each_other() {
    if !can_run_nodes() {
        return;
    }
    let args = [
        "localnet",
        "--nodes",
        "5",
        "--outbound-peers",
        "2",
        "--messages",
        "20",
    ];
    let report = run(&[&args[..], &["--json"]].concat()).succeeded().json();
    assert_eq!(report["topology"], "seed");
    let asked = report["seed"]["requests"].as_u64();
    assert!(asked >= Some(5), "each node asked: {report}");
    assert!(report["connections"].as_u64() >= Some(5), "{report}");
    assert!(report["hops_max"].as_u64() <= Some(4), "{report}");
    let told = run(&args).succeeded();
    assert!(
        told.stdout.contains("nobody but the seed"),
        "{}",
        told.stdout
    );
}

#[test]
fn a_network_of_a_planned_shape_has_that_shape() {
    if !can_run_nodes() {
        return;
    }
    for (topology, connections, hops) in [("ring", 12, 2), ("full", 15, 1)] {
        let args = [
            "localnet",
            "--nodes",
            "6",
            "--topology",
            topology,
            "--messages",
            "20",
            "--json",
        ];
        let report = run(&args).succeeded().json();
        assert_eq!(report["topology"], topology);
        assert_eq!(report["connections"], connections, "{report}");
        assert_eq!(report["hops_max"], hops, "{report}");
        assert_eq!(report["seed"], serde_json::Value::Null);
    }
}

#[test]
fn every_node_can_rebuild_a_file() {
    if !can_run_nodes() {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("input");
    // Equal chunks are messages of their own all the same.
    let content = vec![7; 10_000];
    fs::write(&file, &content).expect("room to write");
    let file = file
        .to_str()
        .expect("a temporary directory has a plain name");
    let args = [
        "localnet", "--nodes", "2", "--input", file, "--chunk", "1000", "--json",
    ];
    let report = run(&args).succeeded().json();
    assert_eq!(report["messages"], 10);
    assert_eq!(
        report["content_blake3"],
        blake3::hash(&content).to_hex().as_str()
    );
}

#[test]
fn lines_of_standard_input_are_messages() {
    if !can_run_nodes() {
        return;
    }
    let mut child = command(&[
        "localnet", "--nodes", "2", "--input", "-", "--lines", "--json",
    ])
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .expect("the program starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    stdin
        .write_all(b"one\none\n\nlast")
        .expect("the program reads");
    drop(stdin);
    let ran: Run = child.wait_with_output().expect("the program ends").into();
    let report = ran.succeeded().json();
    assert_eq!(report["messages"], 4);
    assert_eq!(
        report["content_blake3"],
        blake3::hash(b"one\none\n\nlast").to_hex().as_str()
    );
}

#[test]
fn an_input_that_is_not_there_is_named() {
    run(&["localnet", "--input", "/absent/file"]).failed(1, "/absent/file: ");
}

#[test]
fn an_empty_input_proves_nothing_and_is_refused() {
    if !can_run_nodes() {
        return;
    }
    // Standard input is /dev/null here.
    let args = ["localnet", "--nodes", "2", "--input", "-", "--lines"];
    run(&args).failed(1, "the input is empty");
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    run(&["localnet", "--chords", "2"]).failed(2, "--chords is for --topology ring");
    run(&["localnet", "--topology", "full", "--outbound-peers", "2"])
        .failed(2, "--outbound-peers is for --topology seed");
    let range = "for '--nodes <N>': it must be a number from 2 to 64";
    for nodes in ["1", "65", "-1", "x"] {
        run(&["localnet", "--nodes", nodes]).failed(2, range);
    }
    run(&["localnet", "--lines"]).failed(2, "--input");
    run(&["localnet", "--messages", "0"]).failed(2, "--messages");
    run(&["localnet", "--input", "-", "--messages", "5"]).failed(2, "--messages");
}
