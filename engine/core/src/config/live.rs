//! Which settings can change while a node runs, and from when on a new value holds.
//!
//! One row per field of [`Config`] and [`DiscoveryConfig`](super::DiscoveryConfig). What has no row
//! could neither be compared nor be taken over; a test keeps the table whole.
//!
//! | effect | which | why |
//! |---|---|---|
//! | at once | lists, limits, rates, times of dials | the switch looks at them each time |
//! | for new connections | pings, the largest packet | both sides begin a connection with them |
//! | after a restart | who the node is, its threads and budgets | peers were told, memory was given |

use super::Config;

/// From when on the new value of a setting holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// At once, for connections that stand as well.
    AtOnce,
    /// For connections that are made from now on.
    NewConnections,
    /// Not before the node is started again.
    Restart,
}

/// A setting in which two configurations differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The setting, as it is written in config.toml.
    pub key: &'static str,
    /// From when on a running node goes by another value.
    pub effect: Effect,
}

/// One field.
struct Row {
    difference: Difference,
    differs: fn(&Config, &Config) -> bool,
    take: fn(&mut Config, &Config),
}

macro_rules! rows {
    ($($effect:ident { $($key:literal: $($field:ident).+;)+ })+) => {
        &[$($(Row {
            difference: Difference { key: $key, effect: Effect::$effect },
            differs: |one, other| one.$($field).+ != other.$($field).+,
            take: |to, from| to.$($field).+.clone_from(&from.$($field).+),
        }),+),+]
    };
}

const ROWS: &[Row] = rows! {
    AtOnce {
        "p2p.seeds": discovery.seeds;
        "p2p.persistent_peers": persistent_peers;
        "p2p.private_peer_ids": discovery.private_peer_ids;
        "p2p.unconditional_peer_ids": unconditional_peer_ids;
        "p2p.max_num_inbound_peers": max_num_inbound_peers;
        "p2p.max_num_outbound_peers": max_num_outbound_peers;
        "p2p.persistent_peers_max_dial_period": persistent_peers_max_dial_period;
        "p2p.send_rate": send_rate;
        "p2p.recv_rate": recv_rate;
        "p2p.allow_duplicate_ip": allow_duplicate_ip;
        "p2p.dial_timeout": dial_timeout;
        "p2p.handshake_timeout": handshake_timeout;
        "ringwire.max_num_handshakes": max_num_handshakes;
        "ringwire.max_num_handshakes_per_ip": max_num_handshakes_per_ip;
        "ringwire.max_num_peers_per_ip": max_num_peers_per_ip;
        "ringwire.max_num_peers_per_subnet": max_num_peers_per_subnet;
    }
    NewConnections {
        "p2p.max_packet_msg_payload_size": max_packet_msg_payload_size;
        "ringwire.ping_interval": ping_interval;
        "ringwire.pong_timeout": pong_timeout;
    }
    Restart {
        "moniker": moniker;
        "version": version;
        "app_version": app_version;
        "tx_index": tx_index;
        "rpc_address": rpc_address;
        "p2p.laddr": listen_addrs;
        "p2p.external_address": external_address;
        "p2p.pex": discovery.pex;
        "p2p.seed_mode": discovery.seed_mode;
        "p2p.addr_book_strict": discovery.addr_book_strict;
        "ringwire.network": network;
        "ringwire.shards": shards;
        "ringwire.transport": transport;
        "ringwire.pin_shards": pin_shards;
        "ringwire.busy_poll": busy_poll;
        "ringwire.wide_records": wide_records;
        "ringwire.wide_record_bytes_max": wide_record_bytes_max;
        "ringwire.recv_budget_bytes": recv_budget_bytes;
        "ringwire.send_budget_bytes": send_budget_bytes;
        "ringwire.pex_interval": discovery.pex_interval;
        "ringwire.seed_disconnect_wait": discovery.seed_disconnect_wait;
        "ringwire.dial_jitter": dial_jitter;
        "raise_open_files": raise_open_files;
    }
};

/// From when on a running node goes by another value of the setting; after a restart for a name that
/// is none of the engine's.
pub fn effect_of(key: &str) -> Effect {
    let mut rows = ROWS.iter().map(|row| row.difference);
    let found = rows.find(|row| row.key == key);
    found.map_or(Effect::Restart, |row| row.effect)
}

impl Config {
    /// The settings in which two configurations differ, each once.
    pub fn differences(&self, other: &Config) -> Vec<Difference> {
        let differing = ROWS.iter().filter(|row| (row.differs)(self, other));
        let mut found: Vec<_> = differing.map(|row| row.difference).collect();
        found.dedup();
        found
    }

    /// Takes over from `other` what can change while a node runs, and nothing else.
    pub fn take_live(&mut self, other: &Config) {
        let is_live = |row: &&Row| row.difference.effect != Effect::Restart;
        for row in ROWS.iter().filter(is_live) {
            (row.take)(self, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{DiscoveryConfig, ListenAddr, PinShards, TransportChoice};

    /// A configuration that differs from the default in each field. Spelled out whole, so that a
    /// field more is missed here by the compiler.
    fn other() -> Config {
        let id = "00112233445566778899aabbccddeeff00112233";
        let address = format!("{id}@10.0.0.1:1");
        let addresses = || vec![address.parse().expect("an address")];
        let ids = || vec![id.parse().expect("an id")];
        let text = || String::from("other");
        let time = Duration::from_micros;
        Config {
            network: text(),
            moniker: text(),
            version: text(),
            app_version: 1,
            tx_index: String::from("on"),
            rpc_address: text(),
            listen_addrs: vec![ListenAddr::Name(text(), 1)],
            external_address: Some(text()),
            discovery: DiscoveryConfig {
                pex: false,
                seeds: addresses(),
                seed_mode: true,
                seed_disconnect_wait: time(1),
                addr_book_strict: false,
                private_peer_ids: ids(),
                pex_interval: time(2),
            },
            persistent_peers: addresses(),
            unconditional_peer_ids: ids(),
            max_num_inbound_peers: 1,
            max_num_outbound_peers: 2,
            max_num_handshakes: 3,
            max_num_handshakes_per_ip: 4,
            allow_duplicate_ip: true,
            max_num_peers_per_ip: 5,
            max_num_peers_per_subnet: 6,
            dial_timeout: time(3),
            handshake_timeout: time(4),
            dial_jitter: time(5),
            persistent_peers_max_dial_period: time(6),
            max_packet_msg_payload_size: 7,
            send_rate: 8,
            recv_rate: 9,
            recv_budget_bytes: 10,
            send_budget_bytes: 11,
            ping_interval: time(8),
            pong_timeout: time(7),
            wide_records: false,
            wide_record_bytes_max: 12,
            shards: 13,
            transport: TransportChoice::Readiness,
            pin_shards: PinShards::On,
            busy_poll: time(9),
            raise_open_files: true,
        }
    }

    #[test]
    fn each_field_has_a_row_that_sees_and_takes_it() {
        let (mut config, other) = (Config::default(), other());
        for row in ROWS {
            assert!((row.differs)(&config, &other), "{}", row.difference.key);
            (row.take)(&mut config, &other);
            assert!(!(row.differs)(&config, &other), "{}", row.difference.key);
        }
        assert_eq!(config, other);
    }

    #[test]
    fn what_can_change_is_taken_over_and_who_the_node_is_stays() {
        let (mut config, other) = (Config::default(), other());
        assert_eq!(config.differences(&config), []);
        config.take_live(&other);
        assert_eq!(config.persistent_peers, other.persistent_peers);
        assert_eq!(config.ping_interval, other.ping_interval);
        assert_eq!(config.network, Config::default().network);
        let left = config.differences(&other);
        assert!(left.iter().all(|it| it.effect == Effect::Restart));
        assert!(left.iter().any(|it| it.key == "p2p.laddr"));
    }

    #[test]
    fn a_name_that_is_none_of_the_engine_waits_for_a_restart() {
        assert_eq!(effect_of("p2p.send_rate"), Effect::AtOnce);
        assert_eq!(effect_of("ringwire.pong_timeout"), Effect::NewConnections);
        assert_eq!(effect_of("ringwire.shards"), Effect::Restart);
        assert_eq!(effect_of("genesis_file"), Effect::Restart);
    }
}
