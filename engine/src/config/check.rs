//! The rules a configuration must keep. Checked once, before anything starts; trusted afterwards.

use std::time::Duration;

use ringwire_codec::net_address::parse_listen_address;

use super::{Config, ConfigError};

/// Bytes of the longest chain id, as in CometBFT.
pub const NETWORK_BYTES_MAX: usize = 50;

/// Peers that a limit may allow: more do not fit into the file descriptors of a process.
pub const PEERS_MAX: usize = 100_000;

/// Payload bytes of the largest packet: as much as a wide record holds.
pub const PACKET_PAYLOAD_BYTES_MAX: usize = 65_536;

/// Plaintext bytes of the smallest useful limit of wide records: a default packet and its header
/// must fit several times.
pub const WIDE_RECORD_BYTES_MIN: usize = 4_096;

/// Plaintext bytes of the largest limit of wide records (docs/wire.md).
pub const WIDE_RECORD_BYTES_MAX: usize = 65_536;

/// Shards of one node at most: more than any machine has cores, and the lanes between them grow
/// with the square.
pub const SHARDS_MAX: usize = 256;

/// Longest spin of an idle shard; beyond it a sleep is always cheaper.
pub const BUSY_POLL_MAX: Duration = Duration::from_millis(1);

impl Config {
    /// Checks every rule.
    ///
    /// # Errors
    /// The first rule broken, with the key it concerns and how to mend it.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// All rules broken, in the order of the file.
    pub(super) fn problems(&self) -> Vec<ConfigError> {
        let mut problems = Vec::new();
        self.check_names(&mut problems);
        self.check_addresses(&mut problems);
        self.check_limits(&mut problems);
        self.check_times(&mut problems);
        problems
    }

    fn check_names(&self, problems: &mut Vec<ConfigError>) {
        if !is_printable(&self.moniker) {
            refuse(problems, "moniker", "must be printable ASCII and not blank");
        }
        if !is_printable(&self.network) {
            refuse(
                problems,
                "ringwire.network",
                "must be printable ASCII and not blank",
            );
        } else if self.network.len() > NETWORK_BYTES_MAX {
            let rule = format!("must not be longer than {NETWORK_BYTES_MAX} bytes");
            refuse(problems, "ringwire.network", rule);
        }
    }

    fn check_addresses(&self, problems: &mut Vec<ConfigError>) {
        if let Some(address) = &self.external_address
            && let Err(error) = parse_listen_address(address)
        {
            let rule = format!("must be host:port, or empty to advertise laddr: {error}");
            refuse(problems, "p2p.external_address", rule);
        }
        for address in &self.persistent_peers {
            if address.port == 0 {
                let rule = format!("{address} cannot be dialed: give the port it listens on");
                refuse(problems, "p2p.persistent_peers", rule);
            }
        }
    }

    fn check_limits(&self, problems: &mut Vec<ConfigError>) {
        let mut within = |key, value: usize, min: usize, max: usize| {
            if value < min || value > max {
                refuse(
                    problems,
                    key,
                    format!("{value} is not between {min} and {max}"),
                );
            }
        };
        within(
            "p2p.max_num_inbound_peers",
            self.max_num_inbound_peers,
            0,
            PEERS_MAX,
        );
        within(
            "p2p.max_num_outbound_peers",
            self.max_num_outbound_peers,
            0,
            PEERS_MAX,
        );
        within(
            "p2p.max_packet_msg_payload_size",
            self.max_packet_msg_payload_size,
            1,
            PACKET_PAYLOAD_BYTES_MAX,
        );
        within(
            "ringwire.max_num_handshakes",
            self.max_num_handshakes,
            1,
            PEERS_MAX,
        );
        within(
            "ringwire.wide_record_bytes_max",
            self.wide_record_bytes_max,
            WIDE_RECORD_BYTES_MIN,
            WIDE_RECORD_BYTES_MAX,
        );
        within("ringwire.shards", self.shards, 0, SHARDS_MAX);
    }

    fn check_times(&self, problems: &mut Vec<ConfigError>) {
        for (key, time) in [
            ("p2p.handshake_timeout", self.handshake_timeout),
            ("p2p.dial_timeout", self.dial_timeout),
            ("ringwire.ping_interval", self.ping_interval),
            ("ringwire.pong_timeout", self.pong_timeout),
        ] {
            if time.is_zero() {
                refuse(problems, key, "must be longer than zero");
            }
        }
        // The next ping would otherwise start the peer's time anew before it ran out.
        if self.pong_timeout >= self.ping_interval && !self.ping_interval.is_zero() {
            refuse(
                problems,
                "ringwire.pong_timeout",
                "must be shorter than ping_interval",
            );
        }
        if self.busy_poll > BUSY_POLL_MAX {
            refuse(
                problems,
                "ringwire.busy_poll",
                "must not be longer than 1ms",
            );
        }
    }
}

/// NodeInfo's rule for names (docs/wire.md, section 4).
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && !text.trim().is_empty()
}

fn refuse(problems: &mut Vec<ConfigError>, key: &'static str, problem: impl Into<String>) {
    problems.push(ConfigError {
        key,
        problem: problem.into(),
    });
}

#[cfg(test)]
mod tests {
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
        assert!(faults(|c| c.max_packet_msg_payload_size = 65_536).is_empty());
        let key = "p2p.max_packet_msg_payload_size";
        assert_eq!(faults(|c| c.max_packet_msg_payload_size = 0), [key]);
        assert_eq!(faults(|c| c.max_packet_msg_payload_size = 65_537), [key]);
        assert!(faults(|c| c.wide_record_bytes_max = 4_096).is_empty());
        let key = "ringwire.wide_record_bytes_max";
        assert_eq!(faults(|c| c.wide_record_bytes_max = 4_095), [key]);
        assert_eq!(faults(|c| c.wide_record_bytes_max = 65_537), [key]);
        assert!(faults(|c| c.max_num_handshakes = 1).is_empty());
        assert_eq!(
            faults(|c| c.max_num_handshakes = 0),
            ["ringwire.max_num_handshakes"]
        );
        assert!(faults(|c| c.shards = SHARDS_MAX).is_empty());
        assert_eq!(faults(|c| c.shards = SHARDS_MAX + 1), ["ringwire.shards"]);
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
}
