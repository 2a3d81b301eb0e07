//! Metrics as Prometheus would scrape them, and the answer to whoever asks whether the node is well.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use tempfile::TempDir;

use crate::node::{Running, WITHIN, count, report_when};
use crate::program::{can_run_nodes, run_at};

fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &["--network", "metrics-test"]).succeeded();
    home
}

/// An address that nobody listened on a moment ago.
fn free() -> SocketAddr {
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    held.local_addr().expect("it is bound")
}

/// Status line, headers and body of a request.
pub(crate) fn request(addr: SocketAddr, method: &str, path: &str) -> (String, String, String) {
    let mut stream = TcpStream::connect(addr).expect("the node listens");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("it answers in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an empty line");
    let (status, headers) = head.split_once("\r\n").expect("a status line");
    (status.to_owned(), headers.to_owned(), body.to_owned())
}

/// The value of a series, by all that stands before it.
fn value(text: &str, series: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series))?;
    line.trim().parse().ok()
}

#[test]
fn a_scrape_has_cometbfts_names_and_ours() {
    if !can_run_nodes() {
        return;
    }
    let (here, there) = (home(), home());
    let addr = free();
    let args = ["--log", "warn", "--metrics", &addr.to_string()];
    let mut listener = Running::start(here.path(), "start", &args);
    let address = listener.line();
    let args = ["--log", "warn", "--persistent-peers", &address];
    let mut dialer = Running::start(there.path(), "start", &args);
    let _ = dialer.line();
    report_when(here.path(), |report| count(&report["peers"]) == 1);

    let (status, headers, text) = request(addr, "GET", "/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(
        headers.contains("application/openmetrics-text; version=1.0.0"),
        "{headers}"
    );
    let chain = "chain_id=\"metrics-test\"";
    assert_eq!(
        value(&text, &format!("cometbft_p2p_peers{{{chain}}}")),
        Some(1),
        "{text}"
    );
    assert_eq!(
        value(&text, &format!("ringwire_peers_added_total{{{chain}}}")),
        Some(1)
    );
    let banned = format!("ringwire_refused_total{{{chain},reason=\"banned\"}}");
    assert_eq!(value(&text, &banned), Some(0), "{text}");
    let id = run_at(there.path(), "show-node-id", &[]).succeeded().stdout;
    let peer = format!(
        "ringwire_peer_received_bytes_total{{{chain},peer_id=\"{}\"}}",
        id.trim()
    );
    // What came in one piece with the handshake counts as the handshake's, so it may take a ping.
    let began = Instant::now();
    while value(&request(addr, "GET", "/metrics").2, &peer) == Some(0) {
        assert!(began.elapsed() < WITHIN, "{text}");
    }
    assert!(value(&text, &peer).is_some(), "{text}");
    assert!(text.contains("ringwire_reactor{"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    knows_what_documents_name(&text);

    let (status, _, body) = request(addr, "GET", "/health");
    assert_eq!(status, "HTTP/1.1 200 OK");
    let health: serde_json::Value = serde_json::from_str(&body).expect("an object");
    assert_eq!(
        (&health["status"], &health["peers"]),
        (&"ok".into(), &1.into())
    );
    assert_eq!(request(addr, "GET", "/").0, "HTTP/1.1 404 Not Found");
    assert_eq!(
        request(addr, "POST", "/metrics").0,
        "HTTP/1.1 405 Method Not Allowed"
    );
    dialer.terminated().succeeded();
    listener.terminated().succeeded();
}

/// The board and the alerts of docs/grafana/.
const DOCUMENTS: [&str; 2] = [
    include_str!("../../../../docs/grafana/ringwire.json"),
    include_str!("../../../../docs/grafana/alerts.yml"),
];

/// The metrics that a document names.
fn named(document: &str) -> impl Iterator<Item = &str> {
    let words = document.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("ringwire_") || word.starts_with("cometbft_"))
}

/// Every metric that the board or an alert asks for is served, by the name that Prometheus gives it.
#[track_caller]
fn knows_what_documents_name(text: &str) {
    let mut count = 0;
    for name in DOCUMENTS.iter().flat_map(|document| named(document)) {
        let series = format!("{name}{{");
        assert!(
            text.lines().any(|line| line.starts_with(&series)),
            "{name} is not served"
        );
        count += 1;
    }
    assert!(count > 20, "the documents name metrics: {count}");
}

#[test]
fn the_instrumentation_of_a_cometbft_home_is_honoured() {
    if !can_run_nodes() {
        return;
    }
    let home = home();
    let addr = free();
    let file = home.path().join("config/config.toml");
    let config = fs::read_to_string(&file).expect("init made it");
    let config = format!(
        "{config}\n[instrumentation]\nprometheus = true\nprometheus_listen_addr = \"{addr}\"\n\
         namespace = \"gaia\"\n"
    );
    fs::write(&file, config).expect("room to write");
    let mut node = Running::start(home.path(), "start", &["--log", "warn"]);
    let _ = node.line();
    let (_, _, text) = request(addr, "GET", "/metrics");
    assert!(text.contains("gaia_p2p_peers{"), "{text}");
    // A second node cannot listen there, and says so instead of running without.
    let other = self::home();
    let args = [
        "--metrics",
        &addr.to_string(),
        "--laddr",
        "tcp://127.0.0.1:0",
    ];
    run_at(other.path(), "start", &args).failed(1, "metrics: cannot listen on");
    for wrong in ["127.0.0.1", "127.0.0.1:x", ":99999"] {
        let expected = "expected HOST:PORT, :PORT or off";
        run_at(other.path(), "start", &["--metrics", wrong]).failed(2, expected);
    }
    node.terminated().succeeded();
}
