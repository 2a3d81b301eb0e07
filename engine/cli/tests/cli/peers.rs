//! What a node says of itself, running and stopped.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use tempfile::TempDir;

use crate::node::{Running, count, report_when};
use crate::program::{can_run_nodes, run_at};

fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &["--network", "peers-test"]).succeeded();
    home
}

fn start(home: &Path, args: &[&str]) -> Running {
    Running::start(home, "start", &[&["--log", "warn"], args].concat())
}

#[test]
fn a_running_node_tells_of_its_peers_and_a_stopped_one_of_its_book() {
    if !can_run_nodes() {
        return;
    }
    let (here, there) = (home(), home());
    let mut listener = start(here.path(), &[]);
    let address = listener.line();
    let dialer = start(there.path(), &["--persistent-peers", &address]);

    // It asks for addresses, and the answer is the first thing it receives.
    let report = report_when(there.path(), |report| {
        report["peers"][0]["received_bytes"].as_u64() > Some(0)
    });
    let node_id = run_at(there.path(), "show-node-id", &[]).succeeded().stdout;
    assert_eq!(report["node"]["id"], node_id.trim());
    assert_eq!(report["node"]["network"], "peers-test");
    assert!(report["counters"]["dials"].as_u64() >= Some(1), "{report}");
    for figure in [
        "recv_held_bytes",
        "reactor_panics",
        "writes",
        "system_calls",
    ] {
        assert!(report["counters"][figure].is_u64(), "{figure}: {report}");
    }
    assert!(
        report["counters"]["refused"]["crowded"].is_u64(),
        "{report}"
    );
    let peer = &report["peers"][0];
    let (id, host) = address.split_once('@').expect("an id before the host");
    assert_eq!((&peer["id"], &peer["address"]), (&id.into(), &host.into()));
    assert_eq!(peer["direction"], "outbound");
    assert_eq!(peer["persistent"], true);
    assert_eq!(peer["framing"], "wide");

    let report = report_when(here.path(), |report| count(&report["peers"]) == 1);
    assert_eq!(report["peers"][0]["direction"], "inbound");
    let table = run_at(here.path(), "peers", &["--full"]).succeeded().stdout;
    assert!(table.contains(node_id.trim()), "{table}");
    assert!(table.contains("1 peer: 0 outbound, 1 inbound"), "{table}");
    let table = run_at(here.path(), "peers", &[]).succeeded().stdout;
    assert!(!table.contains(node_id.trim()), "{table}");

    // Who dials says where it listens, and that is what the book remembers.
    report_when(here.path(), |report| {
        count(&report["address_book"]["addresses"]) == 1
    });
    dialer.terminated().succeeded();
    listener.terminated().succeeded();
    let stopped = run_at(here.path(), "peers", &["--json"]).failed(1, "no node runs on");
    let report = stopped.json();
    assert_eq!(
        (&report["running"], count(&report["peers"])),
        (&false.into(), 0)
    );
    let known = &report["address_book"]["addresses"][0];
    assert_eq!(known["id"], node_id.trim());
    let table = run_at(here.path(), "peers", &[])
        .failed(1, "no node runs on")
        .stdout;
    assert!(table.contains("1 address: "), "{table}");
}

#[test]
fn a_node_at_several_addresses_shows_them_and_replaces_the_socket_of_a_killed_one() {
    if !can_run_nodes() {
        return;
    }
    let (here, there) = (home(), home());
    let path = here.path().join("p2p.sock").display().to_string();
    let laddr = format!("tcp://127.0.0.1:0,unix://{path}");
    let listen = || Running::start_at(here.path(), "start", &laddr, &["--log", "warn"]);
    let mut listener = listen();
    listener.line();
    let table = run_at(here.path(), "peers", &[]).succeeded().stdout;
    let told = table.lines().find(|line| line.starts_with("listens at "));
    let told = told.unwrap_or_else(|| panic!("{table}"));
    assert!(told.ends_with(&format!(", unix://{path}")), "{told}");

    let id = run_at(here.path(), "show-node-id", &[]).succeeded().stdout;
    let address = format!("{}@unix://{path}", id.trim());
    let dialer = start(there.path(), &["--persistent-peers", &address]);
    let report = report_when(there.path(), |report| count(&report["peers"]) == 1);
    assert_eq!(report["peers"][0]["address"], format!("unix://{path}"));
    assert_eq!(report["named_peers"][0]["address"], address);

    listener.killed();
    assert!(Path::new(&path).exists(), "who is killed cannot clear up");
    let mut listener = listen();
    listener.line();
    report_when(here.path(), |report| count(&report["peers"]) == 1);
    dialer.terminated().succeeded();
    listener.terminated().succeeded();
    assert!(!Path::new(&path).exists());
}

#[test]
fn a_home_where_no_node_ever_ran_says_so() {
    let home = home();
    let told = run_at(home.path(), "peers", &[]).failed(1, "there is no address book");
    assert_eq!(told.stdout, "no address book\n");
}

#[test]
fn an_address_book_that_is_none_is_named() {
    let home = home();
    let book = home.path().join("config/addrbook.json");
    fs::write(&book, "{").expect("room to write");
    run_at(home.path(), "peers", &[]).failed(1, "addrbook.json: ");
}

#[test]
fn a_second_node_on_a_home_is_refused_and_the_home_of_a_dead_one_is_free() {
    if !can_run_nodes() {
        return;
    }
    let home = home();
    let mut first = start(home.path(), &[]);
    first.line();
    for command in ["start", "seed"] {
        run_at(home.path(), command, &["--laddr", "tcp://127.0.0.1:0"])
            .failed(1, "already (process ");
    }
    first.killed();
    let socket = home.path().join("data/ringwire.sock");
    assert!(socket.exists(), "the dead node's socket is left");
    let stopped = run_at(home.path(), "peers", &["--json"]).failed(1, "no node runs on");
    assert_eq!(stopped.json()["running"], false);

    let mut second = start(home.path(), &[]);
    second.line();
    let report = report_when(home.path(), |report| report["running"] == true);
    assert_eq!(count(&report["peers"]), 0);
    let mode = fs::metadata(&socket)
        .expect("the socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    second.terminated().succeeded();
    assert!(
        !socket.exists(),
        "a node that ends in order leaves no socket"
    );
}

#[test]
fn the_socket_answers_the_one_question_and_survives_others() {
    if !can_run_nodes() {
        return;
    }
    let home = home();
    let mut node = start(home.path(), &[]);
    node.line();
    let socket = home.path().join("data/ringwire.sock");
    let ask = |question: &[u8]| {
        let mut stream = UnixStream::connect(&socket).expect("the node listens");
        // A node that hangs up on a long question may do so before it was written, or the answer
        // read, to its end.
        let _ = stream.write_all(question);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    report_when(home.path(), |report| report["running"] == true);
    assert!(ask(b"what?\n").contains("error"));
    ask(&[b'x'; 100_000]);
    let whole = ask(b"{\"peers\":true}\n");
    assert!(whole.contains("\"node\":{") && whole.contains("\"address_book\":"));
    let without = ask(b"{\"peers\":true,\"address_book\":false}\n");
    assert!(without.contains("\"node\":{") && !without.contains("\"address_book\":"));
    node.terminated().succeeded();
}

#[test]
fn a_home_too_deep_for_a_socket_is_asked_all_the_same() {
    if !can_run_nodes() {
        return;
    }
    let root = tempfile::tempdir().expect("a temporary directory");
    let home = root.path().join("deep/".repeat(30));
    run_at(&home, "init", &[]).succeeded();
    let mut node = start(&home, &[]);
    node.line();
    let report = report_when(&home, |report| report["running"] == true);
    assert_eq!(report["node"]["network"], "ringwire");
    let ended = node.terminated().succeeded();
    assert_eq!(ended.stderr, "");
}
