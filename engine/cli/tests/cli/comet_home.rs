//! Homes of CometBFT, as its `init` makes them, used without a change.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::node::{Running, count, report_when};
use crate::program::{can_run_nodes, run_at};

/// A home with this config.toml, a key of its own, and the files whose names CometBFT chooses.
fn home(config: &str, chain_id: &str) -> TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    // The key file has CometBFT's format already; all else is replaced by CometBFT's own.
    run_at(home.path(), "init", &[]).succeeded();
    write(home.path(), "config/config.toml", config);
    let genesis = format!(
        r#"{{"genesis_time":"2026-01-01T00:00:00.000000000Z","chain_id":"{chain_id}","initial_height":"1",
            "consensus_params":{{"block":{{"max_bytes":"4194304","max_gas":"10000000"}}}},
            "validators":[],"app_hash":""}}"#
    );
    write(home.path(), "config/genesis.json", &genesis);
    fs::create_dir(home.path().join("data")).expect("room for a directory");
    write(
        home.path(),
        "data/priv_validator_state.json",
        r#"{"height":"0","round":0,"step":0}"#,
    );
    home
}

fn write(home: &Path, file: &str, text: &str) {
    fs::write(home.join(file), text).expect("room to write");
}

#[test]
fn a_home_of_cometbft_just_works() {
    if !can_run_nodes() {
        return;
    }
    let old = home(include_str!("data/comet-v0.38.toml"), "chain-7");
    let new = home(include_str!("data/comet-v1.toml"), "chain-7");
    let mut listener = Running::start(old.path(), "start", &[]);
    let address = listener.line();
    let dialer = Running::start(new.path(), "start", &["--persistent-peers", &address]);
    let report = report_when(new.path(), |report| count(&report["peers"]) == 1);
    assert_eq!(report["node"]["moniker"], "validator-1");
    assert_eq!(report["node"]["network"], "chain-7");
    assert_eq!(report["peers"][0]["moniker"], "validator-38");
    let said = dialer.terminated().succeeded().stderr;
    assert!(
        said.contains("network \"chain-7\", the chain_id of "),
        "{said}"
    );
    assert!(!said.contains("flush_throttle_timeout"), "{said}");
    listener.terminated().succeeded();
    assert!(old.path().join("config/addrbook.json").exists());
}

#[test]
fn files_are_where_the_config_says() {
    if !can_run_nodes() {
        return;
    }
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let home = home("", "here");
    let genesis = elsewhere.path().join("genesis.json");
    fs::write(&genesis, r#"{"chain_id":"elsewhere"}"#).expect("room to write");
    let config = format!(
        "genesis_file = \"{}\"\nnode_key_file = \"key.json\"\n[p2p]\naddr_book_file = \"book.json\"\n",
        genesis.display()
    );
    write(home.path(), "config/config.toml", &config);
    fs::rename(
        home.path().join("config/node_key.json"),
        home.path().join("key.json"),
    )
    .expect("init made it");
    let known = "00112233445566778899aabbccddeeff00112233";
    let address = format!(r#"{{"id":"{known}","ip":"10.1.2.3","port":1}}"#);
    let book = format!(
        r#"{{"key":"00112233445566778899aabb","addrs":[{{"addr":{address},"src":{address},"buckets":[1],
            "attempts":0,"bucket_type":1,"last_attempt":"2026-01-01T00:00:00Z",
            "last_success":"0001-01-01T00:00:00Z","last_ban_time":"0001-01-01T00:00:00Z"}}]}}"#
    );
    write(home.path(), "book.json", &book);
    let mut node = Running::start(home.path(), "start", &[]);
    let id = run_at(home.path(), "show-node-id", &[]).succeeded().stdout;
    assert!(node.line().starts_with(id.trim()));
    let report = report_when(home.path(), |report| report["running"] == true);
    assert_eq!(report["node"]["network"], "elsewhere");
    assert_eq!(report["address_book"]["addresses"][0]["id"], known);
    node.terminated().succeeded();
    let left = run_at(home.path(), "peers", &["--json"])
        .failed(1, "no node runs on")
        .json();
    assert_eq!(left["address_book"]["addresses"][0]["id"], known);
}

#[test]
fn the_network_comes_from_the_flag_then_the_config_then_the_genesis() {
    if !can_run_nodes() {
        return;
    }
    let network = |config: &str, args: &[&str]| {
        let home = home(config, "from-genesis");
        let mut node = Running::start(home.path(), "start", args);
        node.line();
        let report = report_when(home.path(), |report| report["running"] == true);
        node.terminated().succeeded();
        report["node"]["network"].clone()
    };
    let config = "[ringwire]\nnetwork = \"from-config\"\n";
    assert_eq!(network(config, &["--network", "from-flag"]), "from-flag");
    assert_eq!(network(config, &[]), "from-config");
    assert_eq!(network("", &[]), "from-genesis");
}

#[test]
fn a_home_without_any_network_is_warned_and_a_bad_genesis_is_refused() {
    if !can_run_nodes() {
        return;
    }
    let home = home("", "gone");
    let genesis = home.path().join("config/genesis.json");
    fs::write(&genesis, "{}").expect("room to write");
    run_at(home.path(), "start", &[]).failed(1, "genesis.json: no genesis with a chain_id");
    fs::remove_file(&genesis).expect("it was there");
    let mut node = Running::start(home.path(), "start", &["--log", "warn"]);
    node.line();
    let said = node.terminated().succeeded().stderr;
    assert!(said.contains("network \"ringwire\", the default"), "{said}");
}

#[test]
fn init_takes_the_network_of_a_genesis_into_a_new_config() {
    let home = home("", "chain-7");
    fs::remove_file(home.path().join("config/config.toml")).expect("it was there");
    run_at(home.path(), "init", &[]).succeeded();
    let config = fs::read_to_string(home.path().join("config/config.toml")).expect("the file");
    assert!(config.contains("\nnetwork = \"chain-7\"\n"), "{config}");
}
