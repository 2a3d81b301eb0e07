//! Configuration: one plain struct with defaults, read from CometBFT's `config.toml`, checked once.
//!
//! ```text
//!   config.toml ──file──▶ settings (one row per key) ──▶ Config ──check──▶ the rest of the engine
//!                              ▲                           │
//!                              └────────── document ◀──────┘      the default file, with comments
//! ```
//!
//! A key is one row of the table in `settings.rs`: its name, what it means, how it is read and how it
//! is written. So what is documented is what is read, and a typo finds its nearest neighbour.
//! Nothing here opens a file: text comes in as an argument.
//!
//! What CometBFT's own reader takes is taken here too, with a warning where it is odd
//! (docs/decisions/0025-homes-as-they-are.md).

mod check;
#[allow(clippy::module_inception, reason = "the struct is the room's namesake")]
mod config;
mod document;
pub mod duration;
mod file;
mod kind;
mod listen;
mod nearest;
mod peer_list;
mod pin;
mod settings;
mod unused;
mod weak;

pub use check::{
    BUSY_POLL_MAX, GOSSIP_BACKLOG_BYTES_MAX, GOSSIP_BACKLOG_BYTES_MIN, GOSSIP_BUDGET_BYTES_MAX,
    GOSSIP_SEEN_MAX, GOSSIP_SEEN_MIN, GOSSIP_SEEN_SPAN_MAX, GOSSIP_SEEN_SPAN_MIN,
    NETWORK_BYTES_MAX, PACKET_PAYLOAD_BYTES_MAX, PACKET_PAYLOAD_SENT_MAX, PEERS_MAX,
    PEX_INTERVAL_MAX, PEX_INTERVAL_MIN, RECV_BUDGET_BYTES_MAX, RECV_BUDGET_BYTES_MIN,
    SEND_BUDGET_BYTES_MAX, SEND_BUDGET_BYTES_MIN, SHARDS_MAX, WIDE_RECORD_BYTES_MAX,
    WIDE_RECORD_BYTES_MIN,
};
pub use config::{Config, ConfigError};
pub use file::{ConfigFileError, ConfigFileProblem, ConfigWarning, LoadedConfig};
pub use listen::{ListenAddr, parse_listen_addr};
pub use nearest::nearest;
pub use peer_list::{PeerAddresses, parse_peer_addresses};
pub use pin::PinShards;
