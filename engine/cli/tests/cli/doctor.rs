//! What the doctor says of the machine that runs the tests.

use crate::node::Running;
use crate::program::{Run, can_run_nodes, default_port, run, run_at};

/// Doctor's findings. On a machine that cannot run a node it ends with one, and that is right.
fn doctor(args: &[&str]) -> Run {
    let ran = run(&[&["doctor"], args].concat());
    assert!(
        matches!(ran.code, Some(0 | 1)),
        "{:?}: {}",
        ran.code,
        ran.stderr
    );
    ran
}

#[test]
fn the_doctor_tells_the_same_to_eyes_and_programs() {
    let _alone = default_port();
    let (table, object) = (
        doctor(&["--shards", "1"]),
        doctor(&["--shards", "1", "--json"]),
    );
    assert_eq!(table.code, object.code);
    let findings = object.json()["findings"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(!findings.is_empty());
    for finding in findings {
        let what = finding["what"].as_str().expect("each finding has a name");
        assert!(
            table.stdout.contains(what),
            "{what:?} is not in {:?}",
            table.stdout
        );
        let sound = finding["verdict"] == "ok";
        assert_eq!(sound, finding["mend"].as_str() == Some(""), "{finding}");
    }
}

#[test]
fn the_exit_code_is_the_gravest_verdict() {
    let _alone = default_port();
    let ran = doctor(&["--json"]);
    let fails = ran.json()["verdict"] == "fail";
    assert_eq!(ran.code, Some(i32::from(fails)));
}

#[test]
fn the_doctor_asks_the_seeds_of_a_home_who_they_are() {
    if !can_run_nodes() {
        return;
    }
    let homes = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
    for home in &homes {
        run_at(home.path(), "init", &["--network", "doctor-test"]).succeeded();
    }
    let mut node = Running::start(homes[0].path(), "start", &["--log", "warn"]);
    let address = node.line();
    let file = homes[1].path().join("config/config.toml");
    let config = std::fs::read_to_string(&file).expect("init made it");
    let config = config
        .replace("\nseeds = \"\"", &format!("\nseeds = \"{address}\""))
        .replace("tcp://0.0.0.0:26656", "tcp://127.0.0.1:0");
    std::fs::write(&file, config).expect("room to write");
    let home = homes[1].path().to_str().expect("a plain name");
    let finding = |what: &str| {
        let report = doctor(&["--home", home, "--json"]).json();
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        let mut findings = findings.into_iter();
        let found = findings.find(|finding| finding["what"] == what);
        found.unwrap_or_else(|| panic!("nothing of {what}: {report:#}"))
    };
    assert_eq!(finding("seeds answer")["found"], "all 1");
    for what in [
        "address can be listened on",
        "clock",
        "names of seeds and peers",
    ] {
        assert_eq!(finding(what)["verdict"], "ok", "{what}");
    }
    node.terminated().succeeded();
    let gone = finding("seeds answer");
    assert_eq!(gone["verdict"], "warn");
    let found = gone["found"].as_str().expect("a sentence");
    assert!(found.contains("cannot connect"), "{found}");
}

#[test]
fn the_doctor_fails_where_the_node_of_a_home_would_not_start() {
    let _alone = default_port();
    let home = tempfile::tempdir().expect("a temporary directory");
    let at = home.path().to_str().expect("a plain name");
    let finding = |what: &str| {
        let report = doctor(&["--home", at, "--json"]).json();
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        findings.into_iter().find(|finding| finding["what"] == what)
    };
    let verdict = |what: &str| finding(what).map(|finding| finding["verdict"].clone());
    assert_eq!(verdict("config.toml"), Some("warn".into()));
    assert_eq!(verdict("node key"), Some("warn".into()));
    run_at(home.path(), "init", &["--network", "doctor-test"]).succeeded();
    assert_eq!(verdict("config.toml"), Some("ok".into()));
    assert_eq!(verdict("node key"), Some("ok".into()));

    // The network is named, so nobody reads the genesis.
    let genesis = home.path().join("config/genesis.json");
    std::fs::create_dir(&genesis).expect("room");
    assert_eq!(verdict("files of the home"), Some("ok".into()));
    std::fs::write(home.path().join("config/node_key.json"), "{}").expect("room to write");
    assert_eq!(verdict("node key"), Some("fail".into()));

    let faulty = "[p2p]\nsend_rate = -1\n[ringwire]\nshards = 257\n";
    std::fs::write(home.path().join("config/config.toml"), faulty).expect("room to write");
    let found = finding("config.toml").expect("it is looked at");
    assert_eq!(found["verdict"], "fail");
    let words = found["found"].as_str().expect("a sentence");
    assert!(words.starts_with("2 faults: "), "{words}");
    // Of a port that the file does not name nothing is said.
    assert_eq!(verdict("address can be listened on"), None);
}
