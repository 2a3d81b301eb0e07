//! Gossipsub does what its authors claim, and no more.

use std::time::Duration;

use ringwire_spread::contenders::{Flood, Gossipsub, GossipsubConfig};
use ringwire_spread::network::Model;
use ringwire_spread::scenario::Origins;
use ringwire_spread::{Report, Scenario, run};

fn small() -> Scenario {
    Scenario {
        nodes: 100,
        origins: Origins::Some(2),
        warm: 2,
        messages: 10,
        ..Scenario::default()
    }
}

/// Links cost nothing but distance.
fn free(payload_bytes: u32) -> Scenario {
    Scenario {
        payload_bytes,
        model: Model {
            bits_per_second: None,
            jitter: 0.0,
            ..Model::default()
        },
        ..small()
    }
}

fn gossipsub(scenario: &Scenario, config: GossipsubConfig) -> Report {
    run(scenario, |_, _| Gossipsub::new(config), |_, _| ()).expect("the scenario is sound")
}

fn flood(scenario: &Scenario) -> Report {
    run(scenario, |_, _| Flood::default(), |_, _| ()).expect("the scenario is sound")
}

#[test]
fn every_version_brings_everything_to_everybody_once() {
    for config in [
        GossipsubConfig::V1_2,
        GossipsubConfig::V2_0,
        GossipsubConfig::V2_0_DEFAULT,
    ] {
        for payload_bytes in [200, 4096, 128 * 1024] {
            let report = gossipsub(
                &Scenario {
                    payload_bytes,
                    interval: Duration::from_secs(1),
                    ..small()
                },
                config,
            );
            assert!(report.is_whole(), "{config:?}, {payload_bytes}: {report:?}");
        }
    }
}

#[test]
fn a_mesh_of_six_to_twelve_costs_a_copy_for_each_link_but_one() {
    let report = gossipsub(&free(200), GossipsubConfig::V1_2);
    assert!((5.0..=11.0).contains(&report.copies), "{}", report.copies);
    let all = flood(&free(200));
    assert!(report.copies < 0.8 * all.copies, "{}", report.copies);
}

#[test]
fn idontwant_saves_nothing_where_only_distance_costs_time() {
    let (below, from) = (free(1023), free(1024));
    let below = gossipsub(&below, GossipsubConfig::V1_2);
    let from = gossipsub(&from, GossipsubConfig::V1_2);
    assert!(from.control_share > below.control_share, "it was sent");
    // When the word of a copy arrives, the other end has sent its own: they met on the way.
    assert!(from.copies > 0.97 * below.copies, "{}", from.copies);
}

#[test]
fn idontwant_saves_copies_of_what_takes_long_to_send() {
    let copies = |payload_bytes| {
        let scenario = Scenario {
            payload_bytes,
            interval: Duration::from_secs(8),
            ..small()
        };
        gossipsub(&scenario, GossipsubConfig::V1_2).copies
    };
    let (small, large) = (copies(200), copies(1 << 20));
    // Not much more: the copies for all links begin to leave together, and none is taken back then.
    assert!(large < 0.9 * small, "{large} against {small}");
}

#[test]
fn a_body_that_is_longer_under_way_than_a_heartbeat_is_asked_for_again() {
    let scenario = Scenario {
        payload_bytes: 1 << 20,
        interval: Duration::from_secs(8),
        ..small()
    };
    let report = gossipsub(&scenario, GossipsubConfig::V1_2);
    let mesh_max = GossipsubConfig::V1_2.mesh_max as f64;
    // Eight copies take 0.7 s to leave. The next heartbeats tell links outside the mesh, which ask the origin.
    assert!(report.origin_uplink > mesh_max, "{}", report.origin_uplink);
}

#[test]
fn announcing_saves_copies_and_costs_time() {
    let scenario = free(4096);
    let pushed = gossipsub(&scenario, GossipsubConfig::V1_2);
    let some = gossipsub(&scenario, GossipsubConfig::V2_0_DEFAULT);
    let most = gossipsub(&scenario, GossipsubConfig::V2_0);
    assert!(most.copies < some.copies && some.copies < 0.5 * pushed.copies);
    assert!(most.copies < 2.2, "{}", most.copies);
    assert!(pushed.most < some.most && some.most < most.most);
    assert!(most.most > pushed.most.mul_f64(1.8), "{most:?}");
}

#[test]
fn what_the_mesh_loses_the_next_heartbeats_bring() {
    let scenario = Scenario {
        degree: 8,
        silent: 0.4,
        messages: 20,
        ..small()
    };
    let report = gossipsub(&scenario, GossipsubConfig::V1_2);
    assert!(report.is_whole(), "{report:?}");
}

#[test]
fn a_new_node_finds_a_mesh() {
    let scenario = Scenario {
        churn: 0.5,
        messages: 60,
        ..small()
    };
    let report = gossipsub(&scenario, GossipsubConfig::V1_2);
    assert!(report.is_whole(), "{report:?}");
}
