//! Keys of CometBFT's file, of today and of the years before, that are understood and change nothing.

use toml::de::DeValue;

use super::settings::{P2P, TOP};

/// One such key.
pub(super) struct Unused {
    /// Section it stands in.
    pub(super) section: &'static str,
    /// Its name.
    pub(super) key: &'static str,
    /// Why it changes nothing, or what to write instead.
    pub(super) reason: &'static str,
    /// Values that ask for nothing, as TOML without quotes: the defaults that CometBFT writes into
    /// each file. Empty texts and `false` are of that kind for every key.
    quiet: &'static [&'static str],
}

/// Every such key.
pub(super) const UNUSED: &[Unused] = &[
    unused(
        TOP,
        "filter_peers",
        "there is no ABCI application to ask about peers",
    ),
    Unused {
        quiet: &["10ms", "100ms", "10", "100"],
        ..unused(
            P2P,
            "flush_throttle_timeout",
            "there is no flush timer: output is written as soon as possible",
        )
    },
    unused(P2P, "upnp", "UPnP was removed from CometBFT as well"),
    unused(P2P, "skip_upnp", "UPnP was removed from CometBFT as well"),
    unused(P2P, "test_dial_fail", FAULTS),
    unused(P2P, "test_fuzz", FAULTS),
    unused(P2P, "test_fuzz_config", FAULTS),
    unused(P2P, "libp2p", "libp2p is another wire"),
    Unused {
        quiet: &["true"],
        ..unused(
            P2P,
            "auth_enc",
            "every connection is authenticated and encrypted",
        )
    },
    unused(P2P, "manual_peers", "it is called persistent_peers now"),
    unused(P2P, "bootstrap_peers", "list such nodes in seeds"),
    unused(P2P, "max_num_peers", LIMITS),
    unused(P2P, "max_connections", LIMITS),
    unused(P2P, "max_outgoing_connections", LIMITS),
    unused(
        P2P,
        "max_incoming_connection_attempts",
        "set max_num_handshakes_per_ip in [ringwire]",
    ),
    unused(P2P, "max_msg_packet_payload_size", PAYLOAD),
    unused(P2P, "max_packet_msg_size", PAYLOAD),
    Unused {
        quiet: &["fifo", "priority", "simple-priority"],
        ..unused(P2P, "queue_type", "channels share a link by priority")
    },
    unused(P2P, "use_legacy", "there is one wire, that of CometBFT"),
];

const FAULTS: &str = "faults are injected by the simulation, not by the program";
const LIMITS: &str = "set max_num_inbound_peers and max_num_outbound_peers";
const PAYLOAD: &str = "it is called max_packet_msg_payload_size now";

const fn unused(section: &'static str, key: &'static str, reason: &'static str) -> Unused {
    Unused {
        section,
        key,
        reason,
        quiet: &[],
    }
}

impl Unused {
    /// Whether the key is left at a value that asks for nothing.
    pub(super) fn asks_for_nothing(&self, value: &DeValue<'_>) -> bool {
        match value {
            DeValue::Table(table) => table
                .get("enabled")
                .is_some_and(|enabled| enabled.get_ref().as_bool() == Some(false)),
            DeValue::String(text) => text.is_empty() || self.quiet.contains(&text.as_ref()),
            DeValue::Integer(number) => self.quiet.contains(&number.as_str()),
            DeValue::Boolean(flag) => !flag || self.quiet.contains(&"true"),
            _ => false,
        }
    }
}
