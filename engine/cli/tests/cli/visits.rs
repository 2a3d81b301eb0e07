//! `probe` and `crawl`: what is found out about nodes from outside, without a home.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::node::{Running, count, report_when};
use crate::program::{can_run_nodes, run, run_at};

fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(
        home.path(),
        "init",
        &["--network", "visits-test", "--moniker", "seen"],
    )
    .succeeded();
    home
}

fn start(home: &TempDir, args: &[&str]) -> (Running, String) {
    let args = [&["--log", "warn"], args].concat();
    let mut node = Running::start(home.path(), "start", &args);
    let address = node.line();
    (node, address)
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().map(serde_json::from_str);
    lines.map(|line| line.expect("an object a line")).collect()
}

#[test]
fn a_probe_tells_who_a_node_is() {
    if !can_run_nodes() {
        return;
    }
    let home = home();
    let (node, address) = start(&home, &[]);
    let told = run(&["probe", "--json", &address]).succeeded().json();
    assert_eq!(told["address"], address);
    assert_eq!(told["chain"], "visits-test");
    assert_eq!(told["moniker"], "seen");
    assert_eq!(told["ringwire"], true);
    assert_eq!(
        (&told["id_matches"], &told["answers_pex"]),
        (&true.into(), &true.into())
    );
    assert!(told["round_trip_seconds"].as_f64() > Some(0.0), "{told}");

    let table = run(&["probe", &address]).succeeded();
    assert!(
        table
            .stdout
            .contains(&format!("seen                  {address}")),
        "{}",
        table.stdout
    );
    assert_eq!(
        table.stderr,
        "1 of 1 as they should be; by chain: visits-test 1\n"
    );
    // Nothing of the visits is left.
    report_when(home.path(), |report| count(&report["peers"]) == 0);
    let report = report_when(home.path(), |report| report["running"] == true);
    assert_eq!(count(&report["address_book"]["addresses"]), 0, "{report}");
    node.terminated().succeeded();
}

#[test]
fn a_probe_says_exactly_why_not() {
    if !can_run_nodes() {
        return;
    }
    let home = home();
    let (node, address) = start(&home, &["--pex=false"]);
    let (_, place) = address.split_once('@').expect("an id before the host");
    let other = format!("{}@{place}", "ab".repeat(20));
    let gone = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = gone.local_addr().expect("it is bound");
    drop(gone);
    let list = home.path().join("list");
    fs::write(&list, format!("{address} # ours\n{other}\n{closed}\n")).expect("room to write");
    let list = list.to_str().expect("a plain name");
    let probed = run(&["probe", "--json", "--timeout", "2s", list]).failed(1, "1 of 3");
    let told = lines(&probed.stdout);
    let of = |address: &str| -> &Value {
        let mut told = told.iter();
        told.find(|told| told["address"] == address)
            .expect("a line for each")
    };
    assert_eq!(of(&address)["ok"], true);
    assert_eq!(of(&address)["answers_pex"], false);
    assert_eq!(of(&address)["knows"], Value::Null);
    let error = |address: &str| of(address)["error"].as_str().expect("it failed").to_owned();
    assert!(error(&other).starts_with("another node is there: its id is "));
    assert!(error(&closed.to_string()).starts_with("cannot connect: "));
    node.terminated().succeeded();
}

#[test]
fn a_node_on_a_unix_socket_is_visited_as_one_over_tcp() {
    if !can_run_nodes() {
        return;
    }
    let home = home();
    let path = home.path().join("p2p.sock");
    let path = path.to_str().expect("a plain name");
    let laddr = format!("unix://{path}");
    let mut node = Running::start_at(home.path(), "start", &laddr, &["--log", "warn"]);
    let address = node.line();
    assert!(address.ends_with(&format!("@{laddr}")), "{address}");
    for place in [&address, &laddr] {
        let told = run(&["probe", "--json", place]).succeeded().json();
        assert_eq!(told["address"], **place);
        assert_eq!(told["chain"], "visits-test");
        assert_eq!(told["answers_pex"], true);
        // The kernel connects by itself, and there is no address of a network.
        assert_eq!(
            (&told["round_trip_seconds"], &told["ip"]),
            (&Value::Null, &Value::Null)
        );
    }
    let table = run(&["probe", &address]).succeeded().stdout;
    assert!(
        table.contains(&format!("seen                  {address}")),
        "{table}"
    );

    let file = home.path().join("crawl.jsonl");
    let file = file.to_str().expect("a plain name");
    let args = ["crawl", "--json", "--seeds", &address, "--out", file];
    let events = lines(&run(&args).succeeded().stdout);
    assert_eq!(
        (&events[0]["ok"], &events[1]["reachable"]),
        (&true.into(), &1.into())
    );
    let again = lines(&run(&args).succeeded().stdout);
    assert_eq!(
        (again.len(), &again[0]["reachable"]),
        (1, &1.into()),
        "from the file"
    );
    node.terminated().succeeded();
}

#[test]
fn a_unix_socket_that_is_no_nodes_says_why() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| {
        let path = directory.path().join(name);
        path.to_str().expect("a plain name").to_owned()
    };
    let error = |path: &str| {
        let place = format!("unix://{path}");
        let probed = run(&["probe", "--json", "--timeout", "1s", &place]).failed(1, "0 of 1");
        probed.json()["error"]
            .as_str()
            .expect("it failed")
            .to_owned()
    };
    let absent = error(&path("absent"));
    assert!(
        absent.starts_with("cannot connect: No such file"),
        "{absent}"
    );
    fs::write(path("file"), "").expect("room to write");
    let refused = error(&path("file"));
    assert!(
        refused.starts_with("cannot connect: Connection refused"),
        "{refused}"
    );
    // One who takes what comes and says nothing.
    let _silent = UnixListener::bind(path("silent")).expect("a socket");
    assert_eq!(
        error(&path("silent")),
        "it said nothing in the secret handshake within 1s"
    );
}

#[test]
fn a_node_that_says_nothing_costs_no_more_than_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("it is bound").to_string();
    let began = Instant::now();
    let probed = run(&["probe", "--json", "--timeout", "1s", &address]).failed(1, "0 of 1");
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "one visit of a second"
    );
    assert_eq!(
        probed.json()["error"],
        "it said nothing in the secret handshake within 1s"
    );
}

#[test]
fn a_probe_of_nobody_is_a_mistake() {
    run(&["probe"]).failed(2, "NODE");
    // What stands on the command line is the call itself, so a wrong address makes a wrong call.
    run(&["probe", "192.0.2.1:x"]).failed(2, "192.0.2.1:x: port must be a number");
    run(&["probe", "192.0.2.1:1", "192.0.2.1:x"]).failed(2, "192.0.2.1:x: ");
    run(&["probe", "unix://p2p.sock"]).failed(2, "must begin with '/'");
    run(&["probe", "no-such-file"]).failed(2, "no-such-file is no address and no file");
    run(&["probe", ","]).failed(2, "there is nobody to probe");
    run(&["crawl", "--seeds", "192.0.2.1:x"]).failed(2, "192.0.2.1:x: port must be a number");
    // A list that is named is no part of it.
    let place = tempfile::tempdir().expect("a temporary directory");
    let list = place.path().join("list");
    let named = list.to_str().expect("a plain name");
    for (text, fault) in [
        ("192.0.2.1:1\n192.0.2.1:x\n", "line 2: 192.0.2.1:x: "),
        ("# nobody yet\n", "there is nobody to probe"),
    ] {
        fs::write(&list, text).expect("room to write");
        run(&["probe", named]).failed(1, fault);
    }
    run(&["probe", "--at-once", "513", "192.0.2.1:1"]).failed(2, "from 1 to 512");
    run(&["probe", "--timeout", "0", "192.0.2.1:1"]).failed(2, "more than 0");
    run(&["crawl", "--seeds", "192.0.2.1:1", "--every", "119s"])
        .failed(2, "more than one visit in 120s");
    run(&["crawl", "--seeds", ","]).failed(2, "there is none");
}

#[test]
fn a_crawl_maps_a_network_and_goes_on_from_its_file() {
    if !can_run_nodes() {
        return;
    }
    let homes = [home(), home(), home()];
    for home in &homes {
        let config = home.path().join("config/config.toml");
        let text = fs::read_to_string(&config).expect("init made it");
        let text = text.replace("allow_duplicate_ip = false", "allow_duplicate_ip = true");
        fs::write(&config, text).expect("room to write");
    }
    let (first, address) = start(&homes[0], &[]);
    let others = [1, 2].map(|at| start(&homes[at], &["--persistent-peers", &address]));
    report_when(homes[0].path(), |report| {
        count(&report["address_book"]["addresses"]) == 2
    });
    let file = homes[0].path().join("crawl.jsonl");
    let file = file.to_str().expect("a plain name");
    let args = ["crawl", "--json", "--seeds", &address, "--out", file];
    let events = lines(&run(&args).succeeded().stdout);
    let (summary, visits) = events.split_last().expect("a summary");
    assert_eq!(summary["chain"], "visits-test");
    assert_eq!(
        (&summary["known"], &summary["reachable"]),
        (&3.into(), &3.into())
    );
    for (_, address) in &others {
        let visit = visits.iter().find(|visit| visit["address"] == *address);
        assert_eq!(visit.expect("it was visited")["ok"], true);
    }

    // Who was visited within the hour is not visited again.
    let kept = fs::read_to_string(file).expect("the file");
    assert_eq!(lines(&kept).len(), 6, "{kept}");
    let events = lines(&run(&args).succeeded().stdout);
    assert_eq!((events.len(), &events[0]["reachable"]), (1, &3.into()));
    assert_eq!(fs::read_to_string(file).expect("the file"), kept);
    let text = run(&["crawl", "--seeds", &address, "--out", file]).succeeded();
    assert!(
        text.stdout
            .starts_with("chain visits-test: 3 addresses known, 3 visited, 3 reachable"),
        "{}",
        text.stdout
    );
    // A seed without its id is no other node when others tell of it with the id.
    let (_, bare) = address.split_once('@').expect("an id and a place");
    let events = lines(
        &run(&["crawl", "--json", "--seeds", bare])
            .succeeded()
            .stdout,
    );
    let summary = events.last().expect("a summary");
    assert_eq!(
        (&summary["known"], &summary["reachable"]),
        (&3.into(), &3.into())
    );
    for node in others.into_iter().map(|(node, _)| node).chain([first]) {
        node.terminated().succeeded();
    }
}

#[test]
fn a_crawl_that_reaches_nobody_fails() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = gone.local_addr().expect("it is bound").to_string();
    drop(gone);
    run(&["crawl", "--seeds", &address]).failed(1, "nobody was reached");
}
