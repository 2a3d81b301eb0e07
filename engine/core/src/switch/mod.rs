//! The switch of one shard: peers, reactors, admission, dialing. Pure.
//!
//! [`Switch`] is a short list that asks its parts in order; [`io`] is its conversation with the
//! world. A socket's life, by file:
//!
//! ```text
//!   gate ─▶ upgrading ─▶ admission ─▶ established ─▶ closing
//!  accept   handshake    coordinator   a peer here     flush, goodbye
//! ```
//!
//! * [`io`], `message`: what is said to the shell, and between the shards of a node
//! * `switch`, `core`, `turn`, `context`: the list, what it holds, its inside, a reactor's view
//! * `link`, `links`: one socket, all sockets
//! * `gate`, `bans`, `filter`, `upgrading`, `dials`: a link before it is a peer
//! * `established`, `recv_budget`, `sends`, `deliveries`, `closing`: a peer, to its end
//! * `probe`: is a peer there? For dials, and for nodes that come back
//! * `coordinator`, `admission`, `dialer`, `reconnect`, `asked`, `named`: the node as a whole, on shard 0 alone
//! * `reactor_set`, `channel_table`, `app_channels`, `identity`: what the node is made of
//! * `commands`, `shutdown`, `timers`: what the application wants, and time

mod admission;
mod app_channels;
mod asked;
mod bans;
mod budget;
mod channel_table;
mod closing;
mod commands;
mod context;
mod coordinator;
mod core;
mod deliveries;
mod dialer;
mod dials;
mod established;
mod filter;
mod gate;
mod goodbye;
mod identity;
pub mod io;
mod link;
mod links;
mod message;
mod named;
mod probe;
mod reactor_set;
mod reconnect;
mod recv_budget;
mod send_budget;
mod sends;
mod shutdown;
#[allow(clippy::module_inception, reason = "the switch is the room's namesake")]
mod switch;
#[cfg(test)]
mod testing;
mod timers;
mod turn;
mod upgrading;

pub use crate::peer::BanTarget;
pub use app_channels::AppChannels;
pub use deliveries::{DELIVERY_BYTES_MAX, DELIVERY_MESSAGES_MAX};
pub use filter::{ConnectionFilter, Filters, PeerFilter};
pub use io::*;
pub use message::{AttemptId, Candidate, GateUpdate, Parcel, Pass, ShardMessage, Ticket};
pub use named::{NamedAs, NamedPeer};
pub use sends::{Offered, WAITING_SENDS_MAX};
pub use switch::{ReactorFactory, Switch, SwitchConfig};
