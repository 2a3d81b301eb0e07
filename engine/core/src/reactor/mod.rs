//! Reactors: where an application meets its peers.
//!
//! A reactor owns one or more channels. Every shard runs an instance of its own, made by the
//! factory given to the builder, and that instance sees only the peers of its shard; so there is
//! nothing to lock. Calls follow the reference's grammar:
//!
//! ```text
//! start ( init_peer receive* ( add_peer receive* )? remove_peer )* stop        per peer, in order
//! ```
//!
//! `receive` may come before `add_peer`, never before `init_peer`; `init_peer` of a peer that came
//! back is never called before `remove_peer` of its former life has returned. A reactor that
//! returns an error, or panics, costs the peer at hand, never the node.
//!
//! A protocol is written as values, never packed into integers:
//!
//! | to | a reactor has | bound |
//! |---|---|---|
//! | remember something of a peer | [`Reactor::Peer`], kept by the engine and handed in | one per peer |
//! | tell its instance on another shard | [`Reactor::Note`], [`Context::send_note`] | the lanes between shards |
//! | do something later | [`Reactor::Timer`], [`Context::set_timer`], [`Context::cancel_timer`] | the reactor's own |
//! | be asked by the application or by another reactor | [`Answers`] | answered in the same call |
//! | read what another reactor knows of a peer | [`Context::state_of`] | a look |
//! | hear what the operator changes while the node runs | [`Reactor::handle_reconfigured`] | the whole configuration |
//! | dial, ban, count all peers | [`Context::node`], on the coordinator's shard | the node's limits |
//! | speak in messages of a type | [`TypedChannel`] with a [`Wire`] form | the channel's size |
//! | ask a peer and wait for its answer | [`Requests`] | so many a peer, each with a deadline |
//!
//! The same code runs on shards and in the simulator. What a reactor asks for in a call happens
//! after it: a timer of zero is due in the shard's next turn, a note to itself comes after the call.
//! A reactor that asks itself, or one that asked it, is answered [`AskError::Busy`]; so no reactor
//! can hang its shard by asking.

mod ask;
mod context;
mod host;
mod instance;
mod peers;
mod publishing;
#[allow(clippy::module_inception, reason = "the trait is the room's namesake")]
mod reactor;
mod requests;
mod timers;
#[cfg(test)]
mod told;
mod wire;

pub use ask::{Answer, Answers, Ask, AskError};
#[cfg(test)]
pub(crate) use context::Own;
pub use context::{Context, NodeContext};
pub use host::{Host, Note, TimerId};
pub use instance::{Instance, erase};
pub use publishing::PublishOptions;
pub use reactor::{Envelope, Reactor};
pub use requests::{RequestRefused, Requests};
pub use timers::TimerKey;
#[cfg(test)]
pub(crate) use told::Told;
#[cfg(feature = "prost")]
pub use wire::Proto;
pub use wire::{TypedChannel, Wire, WireError};

pub use crate::conn::ChannelDescriptor;
pub use crate::error::ReactorError;
