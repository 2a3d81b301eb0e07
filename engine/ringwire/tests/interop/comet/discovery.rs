//! Networks of CometBFT's nodes and ours that find each other by the peer exchange.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use ringwire::Config;
use ringwire_codec::NetAddress;

use super::line::{LINES, Line};
use super::ours::Ours;
use super::peer_exchange::{QUIET, addresses};
use super::process::{Comet, POLL, WITHIN};

/// The period of discovery in these networks: CometBFT's default would take a test minutes.
const PERIOD: Duration = Duration::from_secs(1);
const PERIOD_FLAG: &str = "1s";

/// Periods for which a network that has found itself is watched for somebody parting in anger.
const PERIODS_WATCHED: u32 = 5;

/// Peers that each node of a network must find.
const PEERS_MIN: usize = 4;

/// An engine that exchanges addresses of any kind.
fn exchanging(config: &mut Config) {
    config.discovery.pex = true;
    config.discovery.addr_book_strict = false;
    config.discovery.pex_interval = PERIOD;
}

#[test]
fn addresses_travel_from_a_comet_node_through_an_engine_to_another() {
    for line in LINES {
        let (Some(mut teller), Some(mut learner)) =
            (Comet::start(line, &QUIET), Comet::start(line, &QUIET))
        else {
            continue;
        };
        let Some(ours) = Ours::start(exchanging) else {
            return;
        };
        let told = addresses(20);
        teller.add_addresses(&told);
        let dialed = ours.engine.handle().dial_blocking(teller.address.clone());
        assert_eq!(dialed, Ok(teller.id));
        wait_until("it learns the book of the first", || {
            told.iter()
                .all(|address| ours.book().contains(&address.to_string()))
        });
        learner.dial(&ours.address()).expect("they become peers");
        learner.wait_book(&told);
    }
}

#[test]
fn a_mixed_network_finds_itself_from_a_seed_of_comet() {
    for line in LINES {
        let flags = ["-pex", "-seed-mode", "-ensure-peers-period", PERIOD_FLAG];
        let Some(seed) = Comet::start(line, &flags) else {
            continue;
        };
        check_network(&seed.address, 3, 5);
    }
}

#[test]
fn a_mixed_network_finds_itself_from_a_seed_of_ours() {
    let seed = Ours::start_as(100, |config| {
        exchanging(config);
        config.discovery.seed_mode = true;
    });
    if let Some(seed) = seed {
        check_network(&seed.address(), 4, 3);
    }
}

/// Starts nodes that know nothing but the seed, waits until they are one network, and sees it live
/// on without a quarrel.
fn check_network(seed: &NetAddress, comets: usize, ours: u8) {
    let Some(mut network) = Network::start(seed, comets, ours) else {
        return;
    };
    wait_until("each node has its peers, and all are one network", || {
        network.has_found_itself()
    });
    thread::sleep(PERIOD * PERIODS_WATCHED);
    network.check_peace();
    assert!(network.has_found_itself(), "{:?}", network.peers());
}

struct Network {
    comets: Vec<Comet>,
    ours: Vec<Ours>,
}

impl Network {
    fn start(seed: &NetAddress, comets: usize, ours: u8) -> Option<Network> {
        let seeds = seed.to_string();
        let flags = [
            "-pex",
            "-ensure-peers-period",
            PERIOD_FLAG,
            "-seeds",
            &seeds,
        ];
        let lines = LINES.into_iter().cycle().take(comets);
        let start = |line: Line| Comet::start(line, &flags);
        Some(Network {
            comets: lines.map(start).collect::<Option<_>>()?,
            ours: (1..=ours)
                .map(|number| {
                    Ours::start_as(number, |config| {
                        exchanging(config);
                        config.discovery.seeds = vec![seed.clone()];
                    })
                })
                .collect::<Option<_>>()?,
        })
    }

    /// Who is connected to whom of the network, the seed left out.
    fn peers(&mut self) -> BTreeMap<String, BTreeSet<String>> {
        let comets = self.comets.iter_mut().map(|comet| {
            let peers = comet.peers().into_iter().collect();
            (comet.id.to_string(), peers)
        });
        let ours = self.ours.iter().map(|node| {
            let peers = node.engine.handle().peers();
            let peers = peers.iter().map(|peer| peer.id.to_string()).collect();
            (node.engine.handle().node_id().to_string(), peers)
        });
        let mut all: BTreeMap<String, BTreeSet<String>> = comets.chain(ours).collect();
        let members: BTreeSet<String> = all.keys().cloned().collect();
        for peers in all.values_mut() {
            peers.retain(|peer| members.contains(peer));
        }
        all
    }

    fn has_found_itself(&mut self) -> bool {
        let peers = self.peers();
        let enough = peers.values().all(|of_one| of_one.len() >= PEERS_MIN);
        enough && is_connected(&peers)
    }

    /// Nobody parted from anybody because of what it asked or told.
    fn check_peace(&mut self) {
        for comet in &mut self.comets {
            let quarrel = comet.event_within(Duration::ZERO, "peer_removed", |event| {
                let reason = event["reason"].as_str().unwrap_or_default();
                let angry = reason.contains("too soon") || reason.contains("nsolicited");
                angry.then(|| event.clone())
            });
            assert_eq!(quarrel, None, "{}", comet.line.name);
        }
        for node in &mut self.ours {
            assert_eq!(node.quarrels(), [], "{}", node.engine.handle().node_id());
        }
    }
}

/// Whether there is a way from every node to every other.
fn is_connected(peers: &BTreeMap<String, BTreeSet<String>>) -> bool {
    let mut reached: BTreeSet<&String> = BTreeSet::new();
    let mut next: Vec<&String> = peers.keys().take(1).collect();
    while let Some(node) = next.pop() {
        if reached.insert(node) {
            next.extend(peers.get(node).into_iter().flatten());
        }
    }
    reached.len() == peers.len()
}

#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(POLL);
    }
}
