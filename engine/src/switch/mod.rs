//! The switch of one shard: peers, reactors, admission, dialing. Pure.

pub mod io;
mod message;
#[allow(clippy::module_inception, reason = "the switch is the room's namesake")]
mod switch;

pub use io::*;
pub use message::{Parcel, ShardMessage};
pub use switch::{ReactorFactory, Switch, SwitchConfig};
