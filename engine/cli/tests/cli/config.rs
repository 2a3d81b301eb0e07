//! What a node says about a config.toml that cannot work.

use std::fs;

use crate::program::{run, run_at};

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
fn a_check_tells_all_faults_and_oddities_and_its_exit_code_says_whether_a_node_would_start() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let check = |args: &[&str]| run_at(home.path(), "config", &[&["check"], args].concat());
    check(&[]).failed(1, "run `ringwire init --home");
    run_at(home.path(), "init", &[]).succeeded();
    let checked = check(&[]).succeeded().stdout;
    assert!(checked.ends_with("config.toml: in order\n"), "{checked}");

    let write = |text| fs::write(home.path().join("config/config.toml"), text);
    write("[p2p]\nsend_rate = \"7\"\n").expect("room to write");
    let odd = check(&["--json"]).succeeded().json();
    assert_eq!(
        (&odd["in_order"], &odd["oddities"][0]["line"]),
        (&true.into(), &2.into())
    );

    let faulty = "[p2p]\nsend_rate = -1\nladdrr = \"\"\n[instrumentation]\nprometheus = true\nnamespace = \"a-b\"\n";
    write(faulty).expect("room to write");
    let refused = check(&[]).failed(1, "3 faults");
    for words in [
        "config.toml:2: p2p.send_rate: must not be negative",
        "config.toml:3: p2p.laddrr: there is no such key; did you mean laddr?",
        "config.toml:6: instrumentation.namespace: \"a-b\" must be letters",
    ] {
        assert!(refused.stdout.contains(words), "{}", refused.stdout);
    }
    let at = home.path().to_str().expect("a plain name");
    // As the documents write it, the home behind the question.
    run(&["config", "check", "--home", at]).failed(1, "3 faults");
    write("[p2p]\nlisten\n").expect("room to write");
    let refused = check(&["--json"]).failed(1, "1 fault");
    assert_eq!(refused.json()["faults"][0]["line"], 2);
    run_at(home.path(), "config", &["judge"]).failed(2, "judge");
}

#[test]
fn without_a_node_a_home_shows_what_one_would_go_by_and_where_that_stands() {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &[]).succeeded();
    let text = "[p2p]\n\nsend_rate = 7\n[ringwire]\nnetwork = \"n\"\n";
    fs::write(home.path().join("config/config.toml"), text).expect("room to write");
    let shown = run_at(home.path(), "config", &["show"]).succeeded().stdout;
    assert!(shown.starts_with("no node runs on "), "{shown}");
    let row = |key: &str| {
        let mut rows = shown
            .lines()
            .map(|row| row.split_whitespace().collect::<Vec<_>>());
        let found = rows.find(|row| row.first() == Some(&key));
        found.expect("each key has a row")[1..].join(" ")
    };
    assert_eq!(row("p2p.send_rate"), "7 config.toml:3");
    assert_eq!(row("p2p.recv_rate"), "5120000 default");
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
