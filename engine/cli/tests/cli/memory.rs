//! The memory of a node that has a large address book, and of one who is asked for it again and again.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::node::{Running, WITHIN, count, report_when};
use crate::program::{can_run_nodes, run_at};

/// Addresses in the book.
const ADDRESSES: u32 = 8000;

/// Private memory of a node that holds them, in KiB: they take 2 MiB, the rest of a node 3 MiB. With what
/// once stayed of each lump it was 10 MiB after the start and 18 MiB after twenty answers.
const PRIVATE_KIB_MAX: u64 = 8 * 1024;

/// What the figure may differ by between two moments at which nothing happens.
const NOISE_KIB: u64 = 512;

/// A home whose book has [`ADDRESSES`] of so many networks that there is a place for nearly each.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &["--network", "memory-test"]).succeeded();
    let path = home.path().join("config/config.toml");
    let text = fs::read_to_string(&path).expect("init made it");
    // Nobody is dialed: these addresses are somebody's.
    let quiet = text.replace("max_num_outbound_peers = 10", "max_num_outbound_peers = 0");
    assert_ne!(quiet, text, "init writes its default");
    fs::write(&path, quiet).expect("room to write");
    let address = |number: u32| {
        let network = format!("{}.{}", 20 + number % 150, number / 150);
        json!({ "id": format!("{number:040x}"), "ip": format!("{network}.7.7"), "port": 26656 })
    };
    let entries: Vec<_> = (1..=ADDRESSES)
        .map(|number| json!({ "addr": address(number), "src": address(number / 2 + 1) }))
        .collect();
    let book = json!({ "key": "ab".repeat(12), "addrs": entries });
    fs::write(home.path().join("config/addrbook.json"), book.to_string()).expect("room to write");
    home
}

/// Private memory of a process, in KiB.
fn private_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse().ok())
        .expect("a figure in kB")
}

/// The same once it is below the bound and falls no more.
fn private_kib_at_rest(process: u32) -> u64 {
    let began = Instant::now();
    let mut last = private_kib(process);
    loop {
        thread::sleep(Duration::from_secs(1));
        let now = private_kib(process);
        if now <= PRIVATE_KIB_MAX && now.abs_diff(last) < NOISE_KIB {
            return now;
        }
        assert!(began.elapsed() < WITHIN, "{now} KiB are kept");
        last = now;
    }
}

fn ask(home: &Path, times: u32) {
    for _ in 0..times {
        run_at(home, "peers", &["--json"]).succeeded();
    }
}

#[test]
fn a_node_gives_back_what_reading_and_showing_its_address_book_took() {
    if !can_run_nodes() {
        return;
    }
    let home = home();
    let mut node = Running::start(home.path(), "start", &["--log", "warn"]);
    node.line();
    let report = report_when(home.path(), |report| report["running"] == true);
    let known = count(&report["address_book"]["addresses"]);
    assert!(known > 7000, "{known} addresses found a place");

    ask(home.path(), 5);
    let early = private_kib_at_rest(node.id());
    ask(home.path(), 15);
    let late = private_kib_at_rest(node.id());
    assert!(
        late < early + NOISE_KIB,
        "{early} KiB after five answers, {late} KiB after twenty"
    );
    node.terminated().succeeded();
}
