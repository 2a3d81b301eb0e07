//! The rules a configuration must keep. Checked once, before anything starts; trusted afterwards.

use std::time::Duration;

use ringwire_codec::net_address::parse_listen_address;
use ringwire_codec::secret::RECORD_PLAIN_MAX;

use super::listen::listen_problems;
use super::rule::{refuse, refuse_against, within, within_times};
use super::{Config, ConfigError, duration};

/// Bytes of the longest chain id, as in CometBFT.
pub const NETWORK_BYTES_MAX: usize = 50;

/// The largest limit of peers or handshakes, the largest that CometBFT takes on the same kind of
/// machine. Homes say "no limit" with numbers of any size; what holds then is the limit of open files.
pub const PEERS_MAX: usize = i32::MAX as usize;

/// Payload bytes of the largest packet accepted, 16 MiB. Live networks use 100 kB and 1 MB. A packet
/// is put together before it is read, so this bounds what a connection holds for one; it stays below
/// what the message takes that is gathered from them (21 MiB by default).
pub const PACKET_PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// Payload bytes of the largest packet sent, whatever is accepted: what one send buffer takes.
pub const PACKET_PAYLOAD_SENT_MAX: usize = 64_000;

/// Plaintext bytes of the smallest useful limit of wide records: a default packet and its header
/// must fit several times.
pub const WIDE_RECORD_BYTES_MIN: usize = 4_096;

/// Plaintext bytes of the largest limit of wide records (docs/wire.md).
pub const WIDE_RECORD_BYTES_MAX: usize = RECORD_PLAIN_MAX;

/// Shards of one node at most: more than any machine has cores, and the lanes between them grow
/// with the square.
pub const SHARDS_MAX: usize = 256;
/// Least budget for received bytes.
pub const RECV_BUDGET_BYTES_MIN: usize = 1 << 20;
/// Largest budget for received bytes: more than machines have.
pub const RECV_BUDGET_BYTES_MAX: usize = 1 << 40;

/// Smallest budget for messages that wait to be sent; whatever it is, each peer may have one.
pub const SEND_BUDGET_BYTES_MIN: usize = 1 << 20;
/// Largest budget for messages that wait to be sent: more than machines have.
pub const SEND_BUDGET_BYTES_MAX: usize = 1 << 40;

/// Longest spin of an idle shard; beyond it a sleep is always cheaper.
pub const BUSY_POLL_MAX: Duration = Duration::from_millis(1);

/// Shortest pause between two looks at the number of outbound peers. A peer is asked no more often
/// than every ten seconds whatever the pause is, unless it is one of ours with the same pause.
pub const PEX_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Longest such pause: a node that lost its peers must not wait for longer.
pub const PEX_INTERVAL_MAX: Duration = Duration::from_secs(3600);

impl Config {
    /// Checks every rule.
    ///
    /// # Errors
    /// The first rule broken, with the key it concerns and how to mend it.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// All rules broken; none if the configuration can be used.
    pub fn problems(&self) -> Vec<ConfigError> {
        let mut problems = Vec::new();
        self.check_names(&mut problems);
        self.check_addresses(&mut problems);
        self.check_discovery(&mut problems);
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
        for rule in listen_problems(&self.listen_addrs) {
            refuse(problems, "p2p.laddr", rule);
        }
        if let Some(address) = &self.external_address
            && let Err(error) = parse_listen_address(address)
        {
            let rule = format!("must be host:port, or empty to advertise laddr: {error}");
            refuse(problems, "p2p.external_address", rule);
        }
        for (key, addresses) in [
            ("p2p.seeds", &self.discovery.seeds),
            ("p2p.persistent_peers", &self.persistent_peers),
        ] {
            for address in addresses.iter().filter(|address| !address.can_be_dialed()) {
                let rule = format!("{address} cannot be dialed: give the port it listens on");
                refuse(problems, key, rule);
            }
        }
    }

    fn check_discovery(&self, problems: &mut Vec<ConfigError>) {
        // The reference's node starts, and is a seed that answers nobody.
        if self.discovery.seed_mode && !self.discovery.pex {
            refuse_against(
                problems,
                "p2p.seed_mode",
                "p2p.pex",
                "a seed exchanges addresses: set pex = true, or seed_mode = false",
            );
        }
        within_times(
            problems,
            "ringwire.pex_interval",
            self.discovery.pex_interval,
            PEX_INTERVAL_MIN..=PEX_INTERVAL_MAX,
        );
    }

    fn check_limits(&self, problems: &mut Vec<ConfigError>) {
        let mut within = |key, value, min, max| within(problems, key, value, min..=max);
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
        within(
            "ringwire.recv_budget_bytes",
            self.recv_budget_bytes,
            RECV_BUDGET_BYTES_MIN,
            RECV_BUDGET_BYTES_MAX,
        );
        within(
            "ringwire.send_budget_bytes",
            self.send_budget_bytes,
            SEND_BUDGET_BYTES_MIN,
            SEND_BUDGET_BYTES_MAX,
        );
        for (key, limit) in [
            (
                "ringwire.max_num_handshakes_per_ip",
                self.max_num_handshakes_per_ip,
            ),
            ("ringwire.max_num_peers_per_ip", self.max_num_peers_per_ip),
            (
                "ringwire.max_num_peers_per_subnet",
                self.max_num_peers_per_subnet,
            ),
        ] {
            within(key, limit, 0, PEERS_MAX);
        }
    }

    fn check_times(&self, problems: &mut Vec<ConfigError>) {
        for (key, time) in [
            ("p2p.handshake_timeout", self.handshake_timeout),
            ("p2p.dial_timeout", self.dial_timeout),
            ("ringwire.ping_interval", self.ping_interval),
            ("ringwire.pong_timeout", self.pong_timeout),
            (
                "ringwire.seed_disconnect_wait",
                self.discovery.seed_disconnect_wait,
            ),
        ] {
            if time.is_zero() {
                refuse(problems, key, "must be longer than zero");
            }
        }
        // The next ping would otherwise start the peer's time anew before it ran out.
        if self.pong_timeout >= self.ping_interval && !self.ping_interval.is_zero() {
            let [pong, ping] = [self.pong_timeout, self.ping_interval].map(duration::format);
            refuse_against(
                problems,
                "ringwire.pong_timeout",
                "ringwire.ping_interval",
                format!(
                    "must be shorter than ping_interval: it is {pong}, and ping_interval {ping}"
                ),
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

#[cfg(test)]
mod tests;
