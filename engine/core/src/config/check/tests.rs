//! The rules at both of their edges.

use super::*;

/// Keys that `change` makes faulty.
fn faults(change: impl FnOnce(&mut Config)) -> Vec<&'static str> {
    let mut config = Config::default();
    change(&mut config);
    config
        .problems()
        .into_iter()
        .map(|problem| problem.key)
        .collect()
}

#[test]
fn the_defaults_keep_every_rule() {
    assert_eq!(Config::default().check(), Ok(()));
}

#[test]
fn names_are_printable_and_not_blank() {
    assert!(faults(|c| c.moniker = "a b~".into()).is_empty());
    assert_eq!(faults(|c| c.moniker = "  ".into()), ["moniker"]);
    assert_eq!(faults(|c| c.moniker = "näme".into()), ["moniker"]);
    assert_eq!(faults(|c| c.network = String::new()), ["ringwire.network"]);
}

#[test]
fn a_network_has_at_most_fifty_bytes() {
    assert!(faults(|c| c.network = "n".repeat(50)).is_empty());
    assert_eq!(faults(|c| c.network = "n".repeat(51)), ["ringwire.network"]);
}

#[test]
fn limits_hold_at_both_ends() {
    assert!(faults(|c| c.max_packet_msg_payload_size = 1).is_empty());
    assert!(faults(|c| c.max_packet_msg_payload_size = 16 << 20).is_empty());
    let key = "p2p.max_packet_msg_payload_size";
    assert_eq!(faults(|c| c.max_packet_msg_payload_size = 0), [key]);
    let over = PACKET_PAYLOAD_BYTES_MAX + 1;
    assert_eq!(faults(|c| c.max_packet_msg_payload_size = over), [key]);
    assert!(faults(|c| c.wide_record_bytes_max = 4_096).is_empty());
    let key = "ringwire.wide_record_bytes_max";
    assert_eq!(faults(|c| c.wide_record_bytes_max = 4_095), [key]);
    assert_eq!(faults(|c| c.wide_record_bytes_max = 66_561), [key]);
    assert!(faults(|c| c.max_num_handshakes = 1).is_empty());
    assert_eq!(
        faults(|c| c.max_num_handshakes = 0),
        ["ringwire.max_num_handshakes"]
    );
    assert!(faults(|c| c.shards = SHARDS_MAX).is_empty());
    assert_eq!(faults(|c| c.shards = SHARDS_MAX + 1), ["ringwire.shards"]);
    for (edge, beyond) in [
        (RECV_BUDGET_BYTES_MIN, RECV_BUDGET_BYTES_MIN - 1),
        (RECV_BUDGET_BYTES_MAX, RECV_BUDGET_BYTES_MAX + 1),
    ] {
        assert!(faults(|c| c.recv_budget_bytes = edge).is_empty());
        assert_eq!(
            faults(|c| c.recv_budget_bytes = beyond),
            ["ringwire.recv_budget_bytes"]
        );
    }
    for (edge, beyond) in [
        (SEND_BUDGET_BYTES_MIN, SEND_BUDGET_BYTES_MIN - 1),
        (SEND_BUDGET_BYTES_MAX, SEND_BUDGET_BYTES_MAX + 1),
    ] {
        assert!(faults(|c| c.send_budget_bytes = edge).is_empty());
        assert_eq!(
            faults(|c| c.send_budget_bytes = beyond),
            ["ringwire.send_budget_bytes"]
        );
    }
    assert!(faults(|c| c.busy_poll = BUSY_POLL_MAX).is_empty());
    let longer = BUSY_POLL_MAX + Duration::from_nanos(1);
    assert_eq!(faults(|c| c.busy_poll = longer), ["ringwire.busy_poll"]);
}

#[test]
fn a_pong_is_due_before_the_next_ping() {
    let just_before = Duration::from_secs(60) - Duration::from_nanos(1);
    assert!(faults(|c| c.pong_timeout = just_before).is_empty());
    assert_eq!(
        faults(|c| c.pong_timeout = Duration::from_secs(60)),
        ["ringwire.pong_timeout"]
    );
    assert_eq!(
        faults(|c| c.dial_timeout = Duration::ZERO),
        ["p2p.dial_timeout"]
    );
}

#[test]
fn an_external_address_needs_host_and_port() {
    assert!(faults(|c| c.external_address = Some("example.org:26656".into())).is_empty());
    let key = "p2p.external_address";
    assert_eq!(
        faults(|c| c.external_address = Some("example.org".into())),
        [key]
    );
}

#[test]
fn a_persistent_peer_needs_a_port_that_can_be_dialed() {
    let peer = "00112233445566778899aabbccddeeff00112233@127.0.0.1";
    let parse = |port: u16| format!("{peer}:{port}").parse().expect("a valid address");
    assert!(faults(|c| c.persistent_peers = vec![parse(1)]).is_empty());
    assert_eq!(
        faults(|c| c.persistent_peers = vec![parse(0)]),
        ["p2p.persistent_peers"]
    );
}

#[test]
fn a_seed_needs_a_port_that_can_be_dialed() {
    let seed = "00112233445566778899aabbccddeeff00112233@example.org";
    let parse = |port: u16| format!("{seed}:{port}").parse().expect("a valid address");
    assert!(faults(|c| c.discovery.seeds = vec![parse(1)]).is_empty());
    assert_eq!(
        faults(|c| c.discovery.seeds = vec![parse(0)]),
        ["p2p.seeds"]
    );
}

#[test]
fn a_seed_exchanges_addresses() {
    assert!(faults(|c| (c.discovery.seed_mode, c.discovery.pex) = (true, true)).is_empty());
    assert!(faults(|c| (c.discovery.seed_mode, c.discovery.pex) = (false, false)).is_empty());
    assert_eq!(
        faults(|c| (c.discovery.seed_mode, c.discovery.pex) = (true, false)),
        ["p2p.seed_mode"]
    );
}

#[test]
fn limits_of_an_address_hold_at_both_ends() {
    type Field = fn(&mut Config) -> &mut usize;
    let fields: [(&str, Field); 3] = [
        ("ringwire.max_num_handshakes_per_ip", |c| {
            &mut c.max_num_handshakes_per_ip
        }),
        ("ringwire.max_num_peers_per_ip", |c| {
            &mut c.max_num_peers_per_ip
        }),
        ("ringwire.max_num_peers_per_subnet", |c| {
            &mut c.max_num_peers_per_subnet
        }),
    ];
    for (key, field) in fields {
        assert!(faults(|c| *field(c) = 0).is_empty());
        assert!(faults(|c| *field(c) = PEERS_MAX).is_empty());
        assert_eq!(faults(|c| *field(c) = PEERS_MAX + 1), [key]);
    }
}

#[test]
fn times_of_discovery_hold_at_both_ends() {
    let nano = Duration::from_nanos(1);
    for (edge, beyond) in [
        (PEX_INTERVAL_MIN, PEX_INTERVAL_MIN - nano),
        (PEX_INTERVAL_MAX, PEX_INTERVAL_MAX + nano),
    ] {
        assert!(faults(|c| c.discovery.pex_interval = edge).is_empty());
        assert_eq!(
            faults(|c| c.discovery.pex_interval = beyond),
            ["ringwire.pex_interval"]
        );
    }
    assert!(faults(|c| c.discovery.seed_disconnect_wait = nano).is_empty());
    assert_eq!(
        faults(|c| c.discovery.seed_disconnect_wait = Duration::ZERO),
        ["ringwire.seed_disconnect_wait"]
    );
}
