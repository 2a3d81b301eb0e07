//! A real Prometheus scrapes a network, answers each query of the board, and evaluates the alerts.
//!
//! It wants the programs `prometheus` and `promtool` on the PATH (Debian's package `prometheus`, version
//! 2.42 or newer) and is skipped loudly without them; `RINGWIRE_REQUIRE_PROMETHEUS=1` makes that a failure.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::metrics::request;
use crate::node::WITHIN;
use crate::program::{can_run_nodes, command, terminate};

/// Nodes of the network.
const NODES: usize = 3;
/// More messages, one after the other, than go through while the test looks.
const MESSAGES: &str = "1000000";
/// Time in which a rate has its second sample, scrapes being a second apart.
const SAMPLED_WITHIN: Duration = Duration::from_secs(12);
/// What Grafana puts in for the variables of the board.
const VARIABLES: [(&str, &str); 2] = [("$instance", ".*"), ("$__rate_interval", "10s")];

/// A program that is killed with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether Prometheus is here. A test that is skipped for want of it says so.
fn has_prometheus() -> bool {
    let is_there = |name| {
        let asked = Command::new(name).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    };
    let found = is_there("prometheus") && is_there("promtool");
    if !found {
        let required = env::var_os("RINGWIRE_REQUIRE_PROMETHEUS").is_some_and(|value| value == "1");
        assert!(
            !required,
            "RINGWIRE_REQUIRE_PROMETHEUS=1, and there is no prometheus on the PATH"
        );
        eprintln!("SKIPPED: no prometheus and promtool on the PATH (apt-get install prometheus)");
    }
    found
}

/// The first of so many ports in a row that nobody listened on a moment ago.
fn free_ports(count: u16) -> SocketAddr {
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    for _ in 0..100 {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let first = held.local_addr().expect("it is bound");
        drop(held);
        let last = first.port().checked_add(count - 1);
        if last.is_some_and(|last| (first.port()..=last).all(is_free)) {
            return first;
        }
    }
    panic!("there are no {count} free ports in a row");
}

fn docs(name: &str) -> String {
    format!("{}/../../docs/grafana/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A Prometheus that scrapes the nodes from `first` on, once a second.
fn prometheus(dir: &Path, first: SocketAddr) -> (Killed, SocketAddr) {
    let targets: Vec<String> = (0..NODES as u16)
        .map(|node| format!("'{}:{}'", first.ip(), first.port() + node))
        .collect();
    let config = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
         rule_files: ['{}']\n\
         scrape_configs:\n  - job_name: ringwire\n    static_configs:\n      - targets: [{}]\n",
        docs("alerts.yml"),
        targets.join(", "),
    );
    let file = dir.join("prometheus.yml");
    fs::write(&file, config).expect("room to write");
    let addr = free_ports(1);
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.join("data").display()
        ))
        .arg(format!("--web.listen-address={addr}"))
        .arg("--log.level=warn")
        .stdout(Stdio::null())
        .spawn();
    (Killed(child.expect("it was there a moment ago")), addr)
}

/// An answer of Prometheus; none while it starts.
fn api(addr: SocketAddr, path: &str) -> Option<Value> {
    std::net::TcpStream::connect(addr).ok()?;
    let (status, _, body) = request(addr, "GET", &format!("/api/v1/{path}"));
    // Its answers may come in chunks: the object is what stands between the outermost braces.
    let object = body.find('{').zip(body.rfind('}'));
    let object = object.map(|(first, last)| &body[first..=last]);
    let answer: Value = serde_json::from_str(object?).ok()?;
    assert_eq!(answer["status"], "success", "{path}: {status} {answer}");
    Some(answer["data"].clone())
}

/// Asks until `wanted` holds.
fn api_when(addr: SocketAddr, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let answer = api(addr, path);
        if let Some(answer) = answer.clone().filter(&wanted) {
            return answer;
        }
        assert!(began.elapsed() < WITHIN, "{path}: {answer:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn encoded(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// The queries of the board with the title of their panel.
fn queries() -> Vec<(String, String)> {
    let board = fs::read_to_string(docs("ringwire.json")).expect("the board is in the repository");
    let board: Value = serde_json::from_str(&board).expect("JSON");
    let of_panel = |panel: &Value| -> Vec<(String, String)> {
        let title = panel["title"].as_str().unwrap_or_default();
        let targets = list(&panel["targets"]).iter();
        targets
            .map(|target| {
                let query = String::from(target["expr"].as_str().expect("a query"));
                let filled =
                    |query: String, (name, value): (&str, &str)| query.replace(name, value);
                (
                    String::from(title),
                    VARIABLES.into_iter().fold(query, filled),
                )
            })
            .collect()
    };
    list(&board["panels"]).iter().flat_map(of_panel).collect()
}

/// What `promtool` says of what it is given.
fn promtool(args: &[&str], stdin: Option<&Path>) -> (bool, String) {
    let mut tool = Command::new("promtool");
    tool.args(args);
    if let Some(path) = stdin {
        tool.stdin(fs::File::open(path).expect("it was written just now"));
    }
    let output = tool.output().expect("it was there a moment ago");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn prometheus_scrapes_a_network_and_answers_every_query_of_the_board() {
    if !can_run_nodes() || !has_prometheus() {
        return;
    }
    let (sound, said) = promtool(&["check", "rules", &docs("alerts.yml")], None);
    assert!(sound, "{said}");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = free_ports(NODES as u16);
    let network = command(&["localnet", "--quiet", "--nodes", &NODES.to_string()])
        .args(["--messages", MESSAGES, "--window", "1"])
        .args(["--metrics", &first.to_string()])
        .stdout(Stdio::null())
        .spawn();
    let network = Killed(network.expect("the program starts"));
    let (_prometheus, addr) = prometheus(dir.path(), first);

    let is_up = |data: &Value| {
        let targets = list(&data["activeTargets"]);
        targets.len() == NODES && targets.iter().all(|target| target["health"] == "up")
    };
    api_when(addr, "targets", is_up);
    let (queries, began) = (queries(), Instant::now());
    assert!(queries.len() > 25, "{queries:?}");
    let mut unanswered: Vec<_> = queries.iter().collect();
    while !unanswered.is_empty() && began.elapsed() < SAMPLED_WITHIN {
        thread::sleep(Duration::from_millis(300));
        unanswered.retain(|(_, query)| {
            let answer = api(addr, &format!("query?query={}", encoded(query)));
            answer.is_none_or(|answer| list(&answer["result"]).is_empty())
        });
    }
    assert!(
        unanswered.is_empty(),
        "nothing is shown for {unanswered:#?}"
    );

    let is_evaluated = |data: &Value| {
        let rules = list(&data["groups"])
            .iter()
            .flat_map(|group| list(&group["rules"]));
        let health: Vec<_> = rules.map(|rule| &rule["health"]).collect();
        health.len() > 5 && health.iter().all(|health| *health == "ok")
    };
    api_when(addr, "rules", is_evaluated);
    terminate(&network.0);
}
