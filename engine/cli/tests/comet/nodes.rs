//! `probe` and `crawl` against CometBFT's own nodes.

#[allow(
    dead_code,
    reason = "shared with the engine's own tests, which use all of it"
)]
#[path = "../../../ringwire/tests/interop/nodes/node.rs"]
mod node;
#[allow(
    dead_code,
    reason = "shared with the engine's own tests, which use all of it"
)]
#[path = "../../../ringwire/tests/interop/nodes/release.rs"]
mod release;

use std::time::Instant;

use serde_json::Value;

use self::node::{Chain, WITHIN};
use self::release::RELEASES;
use crate::program::run;

#[test]
fn a_probe_tells_of_each_release_who_it_is_and_that_it_answers() {
    for release in RELEASES {
        let Some(chain) = Chain::new(release, 1) else {
            return;
        };
        let node = chain.start(0, None);
        node.wait("a first block", |node| {
            node.height().filter(|height| *height > 0)
        });
        let address = node.address().to_string();
        let probed = run(&["probe", "--json", "--network", &chain.network, &address]);
        let told = probed.succeeded().json();
        assert_eq!(told["ok"], true, "{told}{}", node.log());
        assert_eq!(told["chain"], chain.network.as_str());
        assert_eq!(told["id_matches"], true);
        assert_eq!(told["answers_pex"], true, "{told}{}", node.log());
        assert_eq!(told["ringwire"], false);
        let version = told["version"].as_str().expect("it says its version");
        assert!(release.is_line_of(version), "{version}");
        // The id is not needed, and another chain is a failure.
        let (_, place) = address.split_once('@').expect("an id before the host");
        run(&["probe", place]).succeeded();
        run(&["probe", "--network", "another", place]).failed(1, "0 of 1");
    }
}

#[test]
fn a_crawl_finds_the_nodes_that_a_node_knows() {
    let Some(chain) = Chain::new(RELEASES[1], 3) else {
        return;
    };
    let first = chain.start(0, None);
    first.wait("an answer", node::Node::peer_count);
    let address = first.address();
    let others = [1, 2].map(|number| chain.start(number, Some(&address)));
    let began = Instant::now();
    loop {
        let crawled = run(&["crawl", "--json", "--seeds", &address.to_string()]);
        let lines = crawled.succeeded().stdout;
        let lines = lines.lines().map(serde_json::from_str);
        let events: Vec<Value> = lines.map(|line| line.expect("JSON lines")).collect();
        let summary = events.last().expect("a summary");
        assert_eq!(summary["chain"], chain.network.as_str());
        let found = |id: &str| {
            let mut visits = events.iter();
            visits.any(|event| event["id"] == id && event["ok"] == true)
        };
        // Nodes tell of others once they have heard of them.
        if others.iter().all(|node| found(&node.id.to_string())) {
            assert!(summary["reachable"].as_u64() >= Some(3), "{summary}");
            return;
        }
        assert!(began.elapsed() < WITHIN, "{summary}{}", first.log());
        std::thread::sleep(node::POLL);
    }
}
