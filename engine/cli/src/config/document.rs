//! Writes a configuration as a `config.toml` that explains itself.

use super::NodeConfig;
use super::settings::{self, Setting, TOP};

const HEAD: &str = "\
# Configuration of a Ringwire node. The keys of [p2p] are those of CometBFT and mean the same.
# Durations are written like \"10ms\", \"3s\" or \"1h30m\". Every key may be left out; the default
# given with it holds then.
";

impl NodeConfig {
    /// This configuration as a file: each key with what it means, its unit and its default.
    ///
    /// Reading the text with [`NodeConfig::from_toml`] gives this configuration back, but for the
    /// software version, which no file decides.
    pub(crate) fn to_documented_toml(&self) -> String {
        let default = NodeConfig::default();
        let mut text = String::from(HEAD);
        let mut section = TOP;
        for setting in settings::all() {
            if setting.section != section {
                section = setting.section;
                text.push_str(&format!("\n[{section}]\n"));
            }
            write_setting(&mut text, setting, self, &default);
        }
        text
    }
}

fn write_setting(text: &mut String, setting: &Setting, config: &NodeConfig, default: &NodeConfig) {
    text.push('\n');
    for line in setting.about {
        text.push_str(&format!("# {line}\n"));
    }
    text.push_str(&format!("# Default: {}\n", (setting.show)(default)));
    text.push_str(&format!("{} = {}\n", setting.key, (setting.show)(config)));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use ringwire::{Config, DiscoveryConfig, PinShards, TransportChoice};
    use ringwire_core::config::{Effect, ListenAddr, effect_of, parse_listen_addrs};

    use super::*;
    use crate::config::unused::UNUSED;
    use crate::gossip_way::Gossip;

    /// The page for readers.
    const PAGE: &str = include_str!("../../../../docs/configuration.md");

    #[test]
    fn the_page_has_a_row_for_each_key_with_its_default() {
        let default = NodeConfig::default();
        for setting in settings::all() {
            let row = format!("\n| `{}` | `{}` |", setting.key, (setting.show)(&default));
            assert!(PAGE.contains(&row), "docs/configuration.md lacks {row}");
        }
        for unused in UNUSED {
            let key = format!("`{}`", unused.key);
            assert!(PAGE.contains(&key), "{key} is not told of");
        }
    }

    #[test]
    fn the_page_says_of_each_key_from_when_on_a_change_holds() {
        let row = |head: &str| {
            let mut rows = PAGE.lines().filter(|line| line.starts_with(head));
            let row = rows.next().expect("the page has a row for each effect");
            row.split('`').skip(1).step_by(2).collect::<Vec<_>>()
        };
        let (at_once, later) = (row("| at once"), row("| for connections"));
        for setting in settings::all() {
            let expected = match setting.key {
                "log" => Effect::AtOnce,
                _ => effect_of(&setting.path()),
            };
            let told = match setting.key {
                key if at_once.contains(&key) => Effect::AtOnce,
                key if later.contains(&key) => Effect::NewConnections,
                _ => Effect::Restart,
            };
            assert_eq!(told, expected, "{}", setting.key);
        }
    }

    fn read_back(config: &NodeConfig) -> NodeConfig {
        let loaded = NodeConfig::from_toml("config.toml", &config.to_documented_toml());
        let loaded = loaded.expect("the documented file is valid");
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        assert!(loaded.names_network());
        loaded.config
    }

    #[test]
    fn the_documented_defaults_are_read_back() {
        assert_eq!(read_back(&NodeConfig::default()), NodeConfig::default());
    }

    #[test]
    fn every_field_survives_the_file() {
        let id = "00112233445566778899aabbccddeeff00112233";
        let discovery = DiscoveryConfig {
            seeds: vec![format!("{id}@10.0.0.2:26656").parse().expect("an address")],
            pex: false,
            seed_mode: false,
            addr_book_strict: false,
            private_peer_ids: vec![id.parse().expect("an id")],
            pex_interval: Duration::from_secs(15),
            seed_disconnect_wait: Duration::from_secs(16),
        };
        let engine = Config {
            discovery,
            network: "a \"quoted\" name".into(),
            moniker: "back\\slash".into(),
            version: Config::default().version,
            app_version: 0,
            tx_index: String::new(),
            rpc_address: String::new(),
            listen_addrs: parse_listen_addrs("[::1]:7,10.0.0.1:8,unix:///run/p2p.sock")
                .expect("three addresses"),
            external_address: Some("example.org:1".into()),
            persistent_peers: vec![
                format!("{id}@10.0.0.1:26656").parse().expect("an address"),
                format!("{id}@example.org:26657")
                    .parse()
                    .expect("an address"),
            ],
            unconditional_peer_ids: vec![id.parse().expect("an id")],
            max_num_inbound_peers: 1,
            max_num_outbound_peers: 2,
            max_num_handshakes: 3,
            max_num_handshakes_per_ip: 17,
            allow_duplicate_ip: true,
            max_num_peers_per_ip: 18,
            max_num_peers_per_subnet: 19,
            dial_timeout: Duration::from_millis(4),
            handshake_timeout: Duration::from_millis(5),
            dial_jitter: Duration::from_millis(6),
            persistent_peers_max_dial_period: Duration::from_secs(7),
            max_packet_msg_payload_size: 8,
            send_rate: 9,
            recv_rate: 10,
            recv_budget_bytes: 23_000_000,
            send_budget_bytes: 24_000_000,
            ping_interval: Duration::from_secs(12),
            pong_timeout: Duration::from_secs(11),
            wide_records: false,
            wide_record_bytes_max: 5_000,
            shards: 13,
            transport: TransportChoice::Readiness,
            pin_shards: PinShards::Off,
            raise_open_files: true,
            busy_poll: Duration::from_micros(14),
        };
        let config = NodeConfig {
            engine,
            genesis_file: "/etc/genesis.json".into(),
            node_key_file: "key.json".into(),
            addr_book_file: "book.json".into(),
            gossip: Gossip::Flood,
            gossip_budget_bytes: 190_000_000,
            gossip_backlog_bytes_max: 20_000_000,
            gossip_seen_max: 21_000,
            gossip_seen_span: Duration::from_secs(22),
            log: "info,ringwire::pex=debug".into(),
        };
        assert_eq!(read_back(&config), config);
        let mut named = config.clone();
        named.engine.listen_addrs = vec![ListenAddr::Name("node1".into(), 7)];
        assert_eq!(read_back(&named), named);
        let mut seed = config;
        (seed.engine.discovery.pex, seed.engine.discovery.seed_mode) = (true, true);
        assert_eq!(read_back(&seed), seed);
    }

    proptest! {
        /// What the fuzz target of the reader asked: no file makes it panic, and what it takes it can
        /// write and take again.
        #[test]
        fn an_edited_file_is_refused_or_read_and_written_again(
            edits in vec((any::<Index>(), 0_u8..3, ".|[\"'\\-.,:@\\[\\]{}=\n019e]"), 1..6)
        ) {
            let mut text: Vec<char> = NodeConfig::default().to_documented_toml().chars().collect();
            for (place, edit, new) in edits {
                let place = place.index(text.len());
                match edit {
                    0 => drop(text.remove(place)),
                    1 => drop(text.splice(place..=place, new.chars())),
                    _ => drop(text.splice(place..place, new.chars())),
                }
            }
            let text = String::from_iter(text);
            if let Ok(loaded) = NodeConfig::from_toml("config.toml", &text) {
                prop_assert_eq!(loaded.config.check(), Ok(()));
                let written = loaded.config.to_documented_toml();
                let again = NodeConfig::from_toml("config.toml", &written);
                prop_assert_eq!(again.map(|again| again.config), Ok(loaded.config));
            }
        }
    }
}
