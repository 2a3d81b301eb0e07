//! Orders to a running node.

use std::fs;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use crate::node::{Running, WITHIN, count, report_when};
use crate::program::{Run, can_run_nodes, run_at, send_signal};

fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &["--network", "ctl-test"]).succeeded();
    home
}

fn start(home: &TempDir, args: &[&str]) -> (Running, String) {
    let args = [args, &["--log", "warn"]].concat();
    let mut node = Running::start(home.path(), "start", &args);
    let address = node.line();
    (node, address)
}

fn ctl(home: &TempDir, args: &[&str]) -> Run {
    run_at(home.path(), "ctl", args)
}

/// The value of a setting in force on a home's node, and where it came from.
fn in_force(home: &TempDir, key: &str) -> (String, String) {
    let shown = run_at(home.path(), "config", &["show", "--json"]).succeeded();
    let shown = shown.json();
    assert_eq!(shown["running"], true);
    let mut rows = shown["config"].as_array().expect("a list").iter();
    let row = rows
        .find(|row| row["key"] == key)
        .expect("each key has one");
    let word = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    (word("value"), word("from"))
}

fn write_config(home: &TempDir, text: &str) {
    fs::write(home.path().join("config/config.toml"), text).expect("room to write");
}

/// Every order, one after the other, given to one node that is flooded with messages by another.
#[test]
fn a_node_under_load_does_all_that_it_is_told() {
    if !can_run_nodes() {
        return;
    }
    let homes = [home(), home()];
    let (here, _) = start(&homes[0], &[]);
    let (mut there, address) = start(&homes[1], &["--stdin"]);
    there.load();
    let world = World {
        home: &homes[0],
        id: address.split('@').next().expect("an id before the host"),
        address: &address,
    };
    world.dials_drops_and_bans();
    world.keeps_and_forgets_nodes();
    world.keeps_to_limits_and_rates();
    world.logs_more();
    world.reloads(&here);
    assert_eq!(count(&world.peers(1)["peers"]), 1, "the load goes on");
    send_signal(here.id(), "QUIT");
    let said = here.ended_by_itself().succeeded().stderr;
    assert!(
        said.contains("changed only by a restart: moniker"),
        "{said}"
    );
    let of_peer = format!("peer{{id={} addr=127.0.0.1:", world.id);
    let mut of_peer = said.lines().filter(|line| line.contains(&of_peer));
    assert!(
        of_peer.any(|line| line.contains("direction=outbound") && line.contains("closes")),
        "{said}"
    );
    let book = fs::read_to_string(homes[0].path().join("config/addrbook.json"));
    let book = book.expect("a book is kept at the end");
    assert!(book.contains(world.id), "{book}");
    there.terminated().succeeded();
}

/// A node that is ordered about, and another one.
struct World<'a> {
    home: &'a TempDir,
    /// Of the other one.
    id: &'a str,
    address: &'a str,
}

impl World<'_> {
    /// What the node says to an order that it carries out.
    fn told(&self, order: &[&str]) -> String {
        ctl(self.home, order).succeeded().stdout
    }

    /// The node's report, once it has so many peers.
    fn peers(&self, wanted: usize) -> Value {
        report_when(self.home.path(), |report| count(&report["peers"]) == wanted)
    }

    fn dials_drops_and_bans(&self) {
        let World { home, id, address } = self;
        let told = self.told(&["dial", address]);
        assert_eq!(told, format!("connected to {id}\n"));
        self.peers(1);
        let told = self.told(&["drop", &id[..8]]);
        assert_eq!(told, format!("hung up on {id}\n"));
        self.peers(0);
        let nobody = "no peer that is connected has an id that begins with";
        ctl(home, &["drop", &id[..8]]).failed(1, nobody);

        let told = self.told(&["ban", id, "--for", "1h"]);
        let expected = format!("banned {id}, by the operator, for 3");
        assert!(told.starts_with(&expected), "{told}");
        ctl(home, &["dial", address]).failed(1, "banned");
        let bans = self.told(&["bans"]);
        assert!(bans.contains(id) && bans.contains("operator"), "{bans}");
        let bans = ctl(home, &["bans", "--json"]).succeeded().json();
        assert_eq!(
            (count(&bans["bans"]), &bans["bans"][0]["target"]),
            (1, &Value::from(*id))
        );
        self.told(&["unban", id]);
        ctl(home, &["unban", id]).failed(1, "was not banned");
        for wrong in ["10.0.0.0/8", "node.example.org"] {
            ctl(home, &["ban", wrong]).failed(1, "names and subnets cannot be banned");
        }
        assert_eq!(self.told(&["bans"]), "nobody is banned\n");
        // A persistent peer comes back by itself.
        self.told(&["dial", "--persistent", address]);
        assert_eq!(self.peers(1)["peers"][0]["persistent"], true);
    }

    fn keeps_and_forgets_nodes(&self) {
        let World { home, id, address } = self;
        let list = |name, edit, entry| self.told(&[name, edit, entry]);
        let removed = list("persistent-peers", "remove", &id[..8]);
        assert!(removed.starts_with(&format!("{id} is no persistent peer any more")));
        let report = self.peers(1);
        assert_eq!(report["peers"][0]["persistent"], false);
        assert_eq!(count(&report["named_peers"]), 0);
        ctl(home, &["persistent-peers", "remove", id]).failed(1, "no persistent peer has an id");
        let added = list("persistent-peers", "add", address);
        assert!(added.starts_with(&format!("{address} is a persistent peer from now on")));
        assert_eq!(self.peers(1)["peers"][0]["persistent"], true);
        let again = list("persistent-peers", "add", address);
        assert!(again.contains("already"), "{again}");

        // One that is not there stands in the report with its error and its next dial.
        let ghost = format!("{}@127.0.0.1:1", "cd".repeat(20));
        list("persistent-peers", "add", &ghost);
        report_when(home.path(), |report| {
            let mut named = report["named_peers"].as_array().into_iter().flatten();
            named.any(|it| {
                it["connected"] == false
                    && it["last_error"].is_string()
                    && it["next_dial_seconds"].is_number()
            })
        });
        list("persistent-peers", "remove", "cdcd");

        let seed = format!("{}@127.0.0.1:1", "ab".repeat(20));
        assert!(list("seeds", "add", &seed).contains("is a seed from now on"));
        let named = self.peers(1)["named_peers"].clone();
        let seeds = named.as_array().into_iter().flatten();
        assert_eq!(seeds.filter(|it| it["named_as"] == "seed").count(), 1);
        assert!(list("seeds", "remove", "abab").contains("is no seed any more"));

        let (quoted, order) = (format!("\"{id}\""), String::from("order"));
        for (name, key) in [
            ("private-peer-ids", "p2p.private_peer_ids"),
            ("unconditional-peer-ids", "p2p.unconditional_peer_ids"),
        ] {
            // Who gives the beginning of an id is told whose it is.
            let told = list(name, "add", &id[..8]);
            assert!(
                told.starts_with(*id) && told.contains("from now on"),
                "{told}"
            );
            assert_eq!(in_force(home, key), (quoted.clone(), order.clone()));
            assert!(list(name, "remove", &id[..8]).contains("any more"));
            assert_eq!(in_force(home, key).0, "\"\"");
        }
        ctl(home, &["seeds", "add", "x"]).failed(2, "ADDRESS");
    }

    fn keeps_to_limits_and_rates(&self) {
        let World { home, .. } = self;
        let told = self.told(&["limits", "--inbound", "3", "--outbound", "0"]);
        assert!(told.contains("at most 3 inbound peers from now on, 0 are connected\n"));
        assert!(told.contains("at most 0 outbound peers from now on, 1 are connected; nobody"));
        let order = String::from("order");
        let inbound = in_force(home, "p2p.max_num_inbound_peers");
        assert_eq!(inbound, (String::from("3"), order.clone()));
        ctl(home, &["limits"]).failed(2, "--inbound");
        for wrong in ["2147483648", "-1"] {
            let range = "it must be a number from 0 to 2147483647";
            ctl(home, &["limits", "--inbound", wrong]).failed(2, range);
        }
        ctl(home, &["rates", "--send", "-1"]).failed(2, "a number from 0 on");
        assert_eq!(in_force(home, "p2p.max_num_inbound_peers"), inbound);

        let rates = ctl(
            home,
            &["rates", "--send", "100000", "--recv", "0", "--json"],
        );
        let rates = rates.succeeded().json();
        let keys: Vec<_> = rates["changed"]
            .as_array()
            .expect("a list")
            .iter()
            .collect();
        assert_eq!(keys[0]["key"], "p2p.send_rate");
        assert_eq!(
            (&keys[1]["key"], &keys[1]["holds"]),
            (&"p2p.recv_rate".into(), &"at once".into())
        );
        assert_eq!(in_force(home, "p2p.recv_rate"), (String::from("0"), order));
    }

    fn logs_more(&self) {
        let World { home, .. } = self;
        ctl(home, &["log", ""]).failed(1, "an empty filter says nothing");
        ctl(home, &["log", "inof"]).failed(1, "did you mean \"info\"?");
        ctl(home, &["log", "ringwire::nobody=debug"]).failed(1, "ringwire::pex, ringwire::reload");
        // Of one peer all is said, from its next connection on, and each line says whose it is.
        let of_peer = format!("info,[peer{{id={}}}]=debug", self.id);
        self.told(&["log", &of_peer]);
        self.told(&["drop", self.id]);
        self.peers(0);
        self.told(&["dial", self.address]);
        self.told(&["drop", self.id]);
        self.peers(0);
        self.told(&["dial", "--persistent", self.address]);
        self.peers(1);
        self.told(&["log", "info"]);
        let log = in_force(home, "ringwire.log");
        assert_eq!(log, (String::from("\"info\""), String::from("order")));
    }

    fn reloads(&self, node: &Running) {
        let World { home, .. } = self;
        // A broken file changes nothing, and all that is wrong with it is said.
        write_config(home, "[p2p]\nsend_rate = -1\nrecv_rate = \"x\"\n");
        let refused = ctl(home, &["reload"]).failed(1, "config.toml:2: p2p.send_rate");
        assert!(refused.stderr.contains("config.toml:3: p2p.recv_rate"));
        assert_eq!(in_force(home, "p2p.send_rate").0, "100000");

        let text =
            "moniker = \"other\"\n[p2p]\nsend_rate = 7000000\n[ringwire]\nnetwork = \"ctl-test\"\n";
        write_config(home, &format!("{text}ping_interval = \"2m\"\n"));
        let told = self.told(&["reload"]);
        assert!(
            told.contains("p2p.send_rate: 100000 is 7000000 now\n"),
            "{told}"
        );
        assert!(told.contains("p2p.recv_rate: 0 is 5120000 now\n"), "{told}");
        let later = "ringwire.ping_interval: \"1m\" is \"2m\" now, for new connections\n";
        assert!(told.contains(later), "{told}");
        assert!(
            told.contains("changed only by a restart: moniker ("),
            "{told}"
        );
        // What was ordered is as the file and the flags say again.
        assert_eq!(count(&self.peers(1)["named_peers"]), 0);
        let file = String::from("config.toml");
        let moniker = in_force(home, "moniker").0;
        assert_ne!(moniker, "\"other\"", "only a restart changes it");
        assert_eq!(
            in_force(home, "p2p.send_rate"),
            (String::from("7000000"), file)
        );
        for (key, from) in [("p2p.laddr", "flag"), ("p2p.dial_timeout", "default")] {
            assert_eq!(in_force(home, key).1, from, "{key}");
        }

        write_config(home, &text.replace("7000000", "8000000"));
        send_signal(node.id(), "HUP");
        let began = Instant::now();
        while in_force(home, "p2p.send_rate").0 != "8000000" {
            assert!(began.elapsed() < WITHIN, "a hangup reloads");
        }
    }
}

#[test]
fn an_order_to_nobody_fails() {
    let home = home();
    ctl(&home, &["bans"]).failed(1, "no node runs on");
    ctl(&home, &["ban", "x", "--for=-1s"]).failed(2, "--for");
    ctl(&home, &["dial", "192.0.2.1:1"]).failed(2, "no node id");
    ctl(&home, &["reload"]).failed(1, "no node runs on");
    ctl(&home, &[]).failed(2, "Usage");
}
