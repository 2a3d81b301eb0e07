//! One connection, from the first byte after TCP to the last: pure, a value that is told and asked.
//!
//! ```text
//!            ┌ Upgrade ┐  Upgraded   ┌──────────────── MConnection ─────────────────┐
//!  bytes ───▶│ secret  │────────────▶│ RecvBuf ─▶ packets ─▶ Channel gathers ─▶ pull │──▶ messages
//!            │ NodeInfo│             │ Heartbeat   Flow (token buckets)              │
//!  bytes ◀───│ limits  │             │ SendBuf ◀─ Scheduler picks ◀─ Channel queues  │◀── messages
//!            └─────────┘             └──────────────────────────────────────────────┘
//! ```
//!
//! * [`upgrade`]: secret handshake, NodeInfo exchange, agreement on the record layer
//! * [`mconnection`]: the established connection, a short list that asks the parts below in order
//! * [`settings`]: what it takes from the node's configuration
//! * [`descriptor`]: what a reactor declares of a channel
//! * `channel`: queue and cursor of what is sent, gathering of what is received
//! * `channel_set`: all channels, found by id, pulled from by priority
//! * [`scheduler`]: whose packet is next
//! * [`heartbeat`]: pings, pongs, and the deadline of the answer
//! * [`flow`], `pace`: token buckets for both directions; how much one write may carry
//! * `arrivals`, `round_trip`: when what came had come; how long pings take
//! * `goodbye`: the last word of a side that closes on purpose
//! * [`status`], [`error`]: what is known of a connection, and why it was closed

mod arrivals;
mod channel;
mod channel_set;
pub mod descriptor;
pub mod error;
pub mod flow;
mod goodbye;
pub mod heartbeat;
pub mod mconnection;
mod pace;
mod round_trip;
pub mod scheduler;
pub mod settings;
pub mod status;
pub mod upgrade;

#[cfg(test)]
mod testing;

pub use channel_set::Received;
pub use descriptor::ChannelDescriptor;
pub use error::ConnError;
pub use goodbye::Goodbye;
pub use mconnection::{MConnection, Unfinished};
pub use round_trip::RoundTrip;
pub use settings::MConnectionConfig;
pub use status::{ChannelStatus, ConnectionCounters, ConnectionStatus};
pub use upgrade::{AgreedLimits, RecordLayer, Upgrade, UpgradeConfig, UpgradeStage, Upgraded};
