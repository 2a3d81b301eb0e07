//! The switch of one shard: peers, reactors, admission, dialing. Pure.
//!
//! [`Switch`] is the conversation with the world, in the words of [`io`]. Inside, its state is divided
//! by how long it lives:
//!
//! | room | what lives there |
//! |---|---|
//! | `links` | sockets that are nobody yet: gate, handshake, the table of all sockets |
//! | `peer` | one admitted peer: what it sends and receives, and how it ends |
//! | `node` | what is true of the whole node, on shard 0: admission, bans, dial plan, reconnects |
//! | `reactors` | the protocols of the application, and what they may ask for |
//!
//! * [`io`], `message`: what is said to the shell, and between the shards of a node
//! * `switch`, `turn`: the conversation, and the order of a turn
//! * `shard`: the parts, side by side
//! * `core`, `identity`, `memory`, `timers`: what all rooms use
//! * `commands`: what the application wants

#[cfg(test)]
mod asked_tests;
mod commands;
mod core;
mod identity;
pub mod io;
mod links;
mod memory;
mod message;
mod node;
mod peer;
mod reactors;
mod shard;
#[allow(clippy::module_inception, reason = "the switch is the room's namesake")]
mod switch;
#[cfg(test)]
mod testing;
mod timers;
mod turn;

pub use crate::peer::BanTarget;
pub use identity::SwitchConfig;
pub use io::*;
pub use links::filter::{ConnectionFilter, Filters, PeerFilter};
pub use message::{AttemptId, Candidate, GateUpdate, Parcel, Pass, ShardMessage, Ticket};
pub use node::named::{NamedAs, NamedPeer};
pub use peer::deliveries::{DELIVERY_BYTES_MAX, DELIVERY_MESSAGES_MAX};
pub use peer::sends::{Offered, WAITING_SENDS_MAX};
pub use reactors::app_channels::AppChannels;
pub use switch::{ReactorFactory, Switch};
