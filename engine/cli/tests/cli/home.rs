//! Making homes and reading ids.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::program::{Run, command, run, run_at};

#[test]
fn init_makes_a_home_and_says_the_id_of_its_node() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let made = run_at(home.path(), "init", &["--network", "net-7", "--json"])
        .succeeded()
        .json();
    assert_eq!(made["config"]["created"], true);
    assert_eq!(made["node_key"]["created"], true);

    let shown = run_at(home.path(), "show-node-id", &[]).succeeded();
    assert_eq!(Some(shown.stdout.trim()), made["node_id"].as_str());
    assert_eq!(shown.stdout.trim().len(), 40);

    let config = fs::read_to_string(home.path().join("config/config.toml")).expect("the file");
    assert!(config.contains("network = \"net-7\""), "{config}");
    let key = fs::metadata(home.path().join("config/node_key.json")).expect("the file");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[test]
fn init_keeps_what_is_there_already() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let first = run_at(home.path(), "init", &["--json"]).succeeded().json();
    let config = home.path().join("config/config.toml");
    fs::write(&config, "moniker = \"mine\"\n").expect("room to write");

    let again = run_at(home.path(), "init", &["--json"]).succeeded().json();
    assert_eq!(again["node_id"], first["node_id"]);
    assert_eq!(again["config"]["created"], false);
    assert_eq!(again["node_key"]["created"], false);
    assert_eq!(
        fs::read_to_string(&config).expect("the file"),
        "moniker = \"mine\"\n"
    );
    let told = run_at(home.path(), "init", &[]).succeeded().stdout;
    assert_eq!(told.matches("kept").count(), 2, "{told}");
}

#[test]
fn a_flag_of_init_that_an_existing_config_overrules_is_refused() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let first = ["--network", "net-7", "--moniker", "seven"];
    run_at(home.path(), "init", &first).succeeded();
    let key = home.path().join("config/node_key.json");
    fs::remove_file(&key).expect("init made it");
    for (flag, value, kept) in [
        ("--network", "net-8", "keeps its network \"net-7\""),
        ("--moniker", "eight", "keeps its moniker \"seven\""),
    ] {
        run_at(home.path(), "init", &[flag, value]).failed(1, kept);
    }
    assert!(!key.exists(), "refused before any work");
    // What is asked for is there already.
    run_at(home.path(), "init", &first).succeeded();
}

#[test]
fn a_home_whose_name_is_no_utf8_is_a_home_like_others() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let home = root.path().join(OsStr::from_bytes(b"h\xffme"));
    let run_there = |name: &str, args: &[&str]| -> Run {
        let mut called = command(&[name]);
        called.arg("--home").arg(&home).args(args);
        called.output().expect("the program starts").into()
    };
    let made = run_there("init", &["--json"]).succeeded().json();
    let path = made["config"]["path"].as_str().expect("a text");
    assert!(path.ends_with("h\u{fffd}me/config/config.toml"), "{path}");
    run_there("init", &[]).succeeded();
    for args in [&[][..], &["--json"]] {
        run_there("show-node-id", args).succeeded();
        run_there("peers", args).failed(1, "no node runs on");
    }
    let wrong = run_there("start", &["--laddr", "tcp://192.0.2.1:1"]);
    assert_eq!(wrong.code, Some(1), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("panicked"), "{}", wrong.stderr);
    let absent = home.join("absent");
    let mut called = command(&["localnet", "--input"]);
    let ran: Run = called.arg(&absent).output().expect("it starts").into();
    ran.failed(1, "h\u{fffd}me/absent: ");
}

#[test]
fn a_key_that_others_can_read_is_warned_of_and_taken() {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &[]).succeeded();
    let key = home.path().join("config/node_key.json");
    let quiet = run_at(home.path(), "show-node-id", &[]).succeeded();
    assert_eq!(quiet.stderr, "");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("it is ours");
    for command in ["show-node-id", "init"] {
        let told = run_at(home.path(), command, &[]).succeeded().stderr;
        let wanted = ["others may read", "(mode 0644)", "chmod 600"];
        assert!(wanted.iter().all(|words| told.contains(words)), "{told}");
    }
}

#[test]
fn what_may_not_be_read_is_not_called_missing() {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &[]).succeeded();
    // Where a directory should be, so that the system refuses to look further, whoever asks.
    fs::remove_file(home.path().join("config/node_key.json")).expect("init made it");
    let config = home.path().join("config/config.toml");
    fs::write(&config, "node_key_file = \"config/config.toml/key\"\n").expect("room to write");
    for command in ["start", "show-node-id", "init"] {
        let said = run_at(home.path(), command, &[])
            .failed(1, "Not a directory")
            .stderr;
        assert!(!said.contains("entity not found"), "{said}");
    }
}

#[test]
fn a_mistyped_level_of_the_log_is_refused() {
    let said = run(&["--log", "warning", "version"]).failed(2, "did you mean \"warn\"?");
    assert_eq!(said.stdout, "");
    let mut called = command(&["version"]);
    let ran = called.env("RUST_LOG", "inof").output().expect("it starts");
    Run::from(ran).failed(2, "RUST_LOG");
    run(&["--log", "ringwire::switch=debug", "version"]).succeeded();
}

#[test]
fn init_writes_nothing_when_a_flag_breaks_a_rule() {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &["--network", " "]).failed(2, "--network: must be");
    run_at(home.path(), "init", &["--moniker", "\u{e9}"]).failed(2, "--moniker: must be");
    assert_eq!(fs::read_dir(home.path()).expect("the directory").count(), 0);
}

#[test]
fn a_damaged_key_is_an_error_and_never_replaced() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let key = home.path().join("config/node_key.json");
    fs::create_dir(home.path().join("config")).expect("room to write");
    fs::write(&key, "{}").expect("room to write");
    for command in ["init", "show-node-id"] {
        run_at(home.path(), command, &[]).failed(1, "node_key.json: ");
    }
    assert_eq!(fs::read_to_string(&key).expect("the file"), "{}");
    assert!(
        !home.path().join("config/config.toml").exists(),
        "no half a home"
    );
}

#[test]
fn a_missing_home_says_how_to_make_one() {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "show-node-id", &[]).failed(1, "run `ringwire init --home");
}

#[test]
fn a_call_that_makes_no_sense_ends_with_two() {
    run(&["init", "--home"]).failed(2, "--home");
    run(&["dance"]).failed(2, "dance");
    run(&["--log", "a=b=c", "version"]).failed(2, "--log");
    run(&[]).failed(2, "Usage");
}

#[test]
fn version_is_told_to_eyes_and_programs() {
    assert!(
        run(&["version"])
            .succeeded()
            .stdout
            .starts_with("ringwire ")
    );
    let text = run(&["version"]).succeeded().stdout;
    let told = run(&["version", "--json"]).succeeded().json();
    assert_eq!(told["p2p_protocol"], 8);
    let commit = told["commit"].as_str().expect("a text");
    assert!(!commit.is_empty() && text.contains(&format!("\ncommit {commit}\n")));
    for feature in told["features"].as_array().expect("a list") {
        let feature = feature.as_str().expect("a name");
        assert!(text.contains(feature), "{feature} is not in {text}");
    }
    assert!(
        told["target"]
            .as_str()
            .is_some_and(|target| text.contains(target))
    );
}

/// What `show-node-id` says where these variables stand in the environment.
fn id_with(variables: &[(&str, &Path)], args: &[&str]) -> Run {
    let mut called = command(&["show-node-id"]);
    called.args(args).envs(variables.iter().copied());
    called.output().expect("the program starts").into()
}

#[test]
fn a_home_is_named_by_the_flag_else_by_the_variable_else_it_is_that_of_the_user() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let [user, named] = ["user", "named"].map(|name| root.path().join(name));
    let made = |home: &Path| {
        let made = run_at(home, "init", &["--json"]).succeeded().json();
        format!("{}\n", made["node_id"].as_str().expect("a text"))
    };
    let (default, variable) = (user.join(".ringwire"), root.path().join("variable"));
    let ids = [&default, &variable, &named].map(|home| made(home));
    let (at_user, at_variable) = (("HOME", &*user), ("RINGWIRE_HOME", &*variable));
    let flag = ["--home", named.to_str().expect("a plain name")];
    assert_eq!(id_with(&[at_user], &[]).succeeded().stdout, ids[0]);
    let empty = ("RINGWIRE_HOME", Path::new(""));
    assert_eq!(id_with(&[at_user, empty], &[]).succeeded().stdout, ids[0]);
    assert_eq!(
        id_with(&[at_user, at_variable], &[]).succeeded().stdout,
        ids[1]
    );
    assert_eq!(
        id_with(&[at_user, at_variable], &flag).succeeded().stdout,
        ids[2]
    );
}

#[test]
fn a_home_that_cannot_be_told_is_an_error_that_names_the_ways_to_tell_it() {
    let nowhere = Path::new("no/absolute/name");
    let said = id_with(&[("HOME", nowhere)], &[])
        .failed(2, "--home DIR")
        .stderr;
    assert!(said.contains("RINGWIRE_HOME"), "{said}");
    let empty = ("RINGWIRE_HOME", Path::new(""));
    let said = id_with(&[("HOME", nowhere), empty], &[]).failed(2, "--home DIR");
    assert!(said.stderr.contains("RINGWIRE_HOME"), "{}", said.stderr);
    id_with(&[], &["--home", ""]).failed(2, "--home");
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = command(&["version"])
        .stdout(writer)
        .status()
        .expect("the program starts");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_configuration_that_is_no_text_is_told_with_how_to_mend_it() {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &[]).succeeded();
    fs::write(home.path().join("config/config.toml"), b"\xff\xfe").expect("room to write");
    run_at(home.path(), "start", &[]).failed(1, "save it as UTF-8 text");
}
