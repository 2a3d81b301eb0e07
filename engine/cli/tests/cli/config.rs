//! What a node says about a config.toml that cannot work.

use std::fs;

use crate::program::run_at;

/// What `start` says about a home with this config.toml.
fn refusal(text: &str) -> String {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &[]).succeeded();
    fs::write(home.path().join("config/config.toml"), text).expect("room to write");
    run_at(home.path(), "start", &[])
        .failed(1, "config.toml")
        .stderr
}

#[test]
fn a_bad_config_is_refused_with_file_line_and_key() {
    for (text, words) in [
        (
            "[p2p]\nladdr = 5\n",
            "config.toml:2: p2p.laddr: \"5\" has no port; write one like",
        ),
        (
            "[p2p]\nladdrr = \"\"\n",
            "config.toml:2: p2p.laddrr: there is no such key; did you mean",
        ),
        (
            "\n[ringwire]\nshards = -1\n",
            "config.toml:3: ringwire.shards: must not be negative",
        ),
        ("[p2p]\nlisten\n", "config.toml:2: "),
    ] {
        let said = refusal(text);
        assert!(said.contains(words), "{words:?} is not in {said:?}");
    }
}

#[test]
fn all_faults_of_a_config_are_told_at_once() {
    let said = refusal("[p2p]\nsend_rate = -1\nrecv_rate = \"x\"\n");
    assert!(said.contains("config.toml:2: p2p.send_rate"), "{said}");
    assert!(said.contains("config.toml:3: p2p.recv_rate"), "{said}");
}

#[test]
fn a_home_without_config_says_how_to_make_one() {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "start", &[]).failed(1, "run `ringwire init --home");
}

#[test]
fn a_bad_flag_is_refused_before_anything_is_read() {
    let home = tempfile::tempdir().expect("a temporary directory");
    for (flag, value, words) in [
        ("--laddr", "localhost", "has no port; write one like"),
        ("--persistent-peers", "127.0.0.1:1", "127.0.0.1:1"),
        ("--shards", "many", "--shards"),
        ("--shards", "257", "--shards"),
    ] {
        run_at(home.path(), "start", &[flag, value]).failed(2, words);
    }
    run_at(home.path(), "start", &["--exit-on-eof"]).failed(2, "--stdin");
}
