//! A seed in one command, and nodes that find each other through it.

use std::fs;

use tempfile::TempDir;

use crate::node::{Running, count, report_when};
use crate::program::{can_run_nodes, run_at};

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn a_seed_makes_its_home_and_two_nodes_find_each_other_through_it() {
    if !can_run_nodes() {
        return;
    }
    let seed_home = directory();
    let mut seed = Running::start(
        seed_home.path(),
        "seed",
        &["--network", "seed-test", "--every", "100ms"],
    );
    let address = seed.line();
    let (id, _) = address.split_once('@').expect("an id before the host");
    let shown = run_at(seed_home.path(), "show-node-id", &[]).succeeded();
    assert_eq!(shown.stdout.trim(), id);
    let config = fs::read_to_string(seed_home.path().join("config/config.toml")).expect("made");
    for line in [
        "\nseed_mode = true\n",
        "\nnetwork = \"seed-test\"\n",
        "\naddr_book_strict = false\n",
        "\nallow_duplicate_ip = true\n",
        "\nmax_num_inbound_peers = 1000\n",
        "\nmax_num_handshakes_per_ip = 256\n",
    ] {
        assert!(config.contains(line), "{line:?} is not in {config}");
    }

    let homes = [directory(), directory()];
    let nodes = homes.each_ref().map(|home| {
        run_at(home.path(), "init", &["--network", "seed-test"]).succeeded();
        let file = home.path().join("config/config.toml");
        let config = fs::read_to_string(&file).expect("init made it");
        let config = config
            .replace("allow_duplicate_ip = false", "allow_duplicate_ip = true")
            .replace("pex_interval = \"30s\"", "pex_interval = \"1s\"");
        fs::write(&file, config).expect("room to write");
        Running::start(
            home.path(),
            "start",
            &["--seeds", &address, "--log", "warn"],
        )
    });
    let ids = homes
        .each_ref()
        .map(|home| run_at(home.path(), "show-node-id", &[]).succeeded().stdout);
    for (home, other) in homes.iter().zip(ids.iter().rev()) {
        report_when(home.path(), |report| {
            let peers = report["peers"].as_array().into_iter().flatten();
            peers.into_iter().any(|peer| peer["id"] == other.trim())
        });
    }
    let report = report_when(seed_home.path(), |report| {
        count(&report["address_book"]["addresses"]) == 2
    });
    assert_eq!(report["node"]["seed_mode"], true);
    assert!(report["reactors"]["pex"]["pex_answers_sent"].as_u64() >= Some(2));
    for node in nodes {
        node.terminated().succeeded();
    }
    let ended = seed.terminated().succeeded();
    assert!(
        ended.stderr.contains(" answered; nobody refused"),
        "{}",
        ended.stderr
    );

    // What it learned outlives it.
    let left = run_at(seed_home.path(), "peers", &["--json"])
        .failed(1, "no node runs on")
        .json();
    assert_eq!(count(&left["address_book"]["addresses"]), 2);
}

#[test]
fn a_seed_tells_programs_its_address_and_then_its_figures() {
    if !can_run_nodes() {
        return;
    }
    let home = directory();
    run_at(home.path(), "init", &["--network", "seed-test"]).succeeded();
    let mut seed = Running::start(home.path(), "seed", &["--json", "--every", "10ms"]);
    let parse = |line: String| -> serde_json::Value {
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    };
    let first = parse(seed.line());
    assert!(
        first["address"]
            .as_str()
            .is_some_and(|text| text.contains("@127.0.0.1:"))
    );
    for _ in 0..2 {
        let figures = parse(seed.line());
        assert_eq!(
            (&figures["peers"], &figures["known_old"]),
            (&0.into(), &0.into())
        );
    }
    assert_eq!(parse(seed.line())["refused"], serde_json::json!({}));
    // The config of a home that was there is not touched.
    let config = fs::read_to_string(home.path().join("config/config.toml")).expect("the file");
    assert!(config.contains("\nseed_mode = false\n"), "{config}");
    seed.terminated().succeeded();
}

#[test]
fn a_seed_has_nothing_to_do_with_gossip() {
    let home = directory();
    run_at(home.path(), "init", &[]).succeeded();
    run_at(home.path(), "start", &["--seed-mode", "--stdin"]).failed(1, "a seed does not gossip");
    run_at(home.path(), "start", &["--seed-mode", "--pex=false"]).failed(1, "p2p.seed_mode: ");
    run_at(home.path(), "start", &["--pex=maybe"]).failed(2, "--pex");
}
