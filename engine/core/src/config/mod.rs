//! Configuration: what an engine is told, with its defaults, checked once and trusted afterwards.
//!
//! [`Config`] is what every engine needs; [`DiscoveryConfig`] is the part about finding peers. Where a
//! value comes from is not decided here: an application fills the fields, and the `ringwire` program
//! reads them from CometBFT's `config.toml` (docs/decisions/0053-three-configurations.md). The forms
//! of single values that both write are here too: durations, addresses to listen on, lists of peers.
//! What of it can change while a node runs, and from when on that holds, is said by [`Change`] and
//! [`Effect`].
//! Nothing here opens a file.

mod change;
mod check;
#[allow(clippy::module_inception, reason = "the struct is the room's namesake")]
mod config;
mod discovery;
pub mod duration;
mod listen;
mod live;
mod peer_list;
mod pin;
pub mod rule;
mod transport;

pub use change::Change;
pub use check::{
    BUSY_POLL_MAX, NETWORK_BYTES_MAX, PACKET_PAYLOAD_BYTES_MAX, PACKET_PAYLOAD_SENT_MAX, PEERS_MAX,
    PEX_INTERVAL_MAX, PEX_INTERVAL_MIN, RECV_BUDGET_BYTES_MAX, RECV_BUDGET_BYTES_MIN,
    SEND_BUDGET_BYTES_MAX, SEND_BUDGET_BYTES_MIN, SHARDS_MAX, WIDE_RECORD_BYTES_MAX,
    WIDE_RECORD_BYTES_MIN,
};
pub use config::{Config, ConfigError};
pub use discovery::DiscoveryConfig;
pub use listen::{
    LISTEN_ADDRS_MAX, ListenAddr, ListenAddrError, parse_listen_addr, parse_listen_addrs,
    told_listen_addr,
};
pub use live::{Difference, Effect, effect_of};
pub use peer_list::{PeerAddresses, parse_peer_addresses};
pub use pin::PinShards;
pub use transport::TransportChoice;
