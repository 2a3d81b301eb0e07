//! The ways between the threads of an engine, and their wake-ups.
//!
//! Everything that two threads of Ringwire share on the way of a message is here; the rest of the
//! engine owns its state and is single-threaded by type. (Beside it there are the directory of peers,
//! a snapshot under a lock, and the counters by which an engine ends.)
//!
//! | way | from | to | when it is full |
//! |---|---|---|---|
//! | [`Mailbox`] | any thread | a shard | a slot is refused, or its caller waits for room |
//! | [`inlet()`] | one thread | a shard | the item comes back, or its caller waits for room |
//! | [`InletSenders`] | one thread | several shards | the item goes to none; its caller waits for room in all |
//! | [`lanes`] | each shard | one subscription | the shard is told, and woken when half is read |
//! | [`weighed_ring`] | a shard | another shard | the item comes back |
//! | [`reply`] | a shard | who asked | one answer, or the word that none will come |
//! | [`Gauge`] | a shard | any thread | tells whether the shard's queue has room |
//! | [`Notice`] | any thread | a sleeper in the kernel | many are one |
//! | [`Alarms`] | any thread | a shard | one per call that waits |
//!
//! # What is promised
//!
//! 1. No wake-up is lost: who waits for something that has come, or will not come any more, is woken.
//! 2. Who is told of room or of an item by `true` or `Some` may rely on it; `false` and `None` are
//!    true of the moment of the look.
//! 3. When one end is gone the other hears of it, and nothing that was sent before is lost by that.
//!
//! # In which order
//!
//! Two threads that wait for each other each write one place and read the other's. A processor may
//! let a read pass the write before it, and then both find nothing and both sleep. So each of them
//! does it in this order, here and in every file:
//!
//! ```text
//!   who waits                            who brings
//!   1  store "I wait"                    1  store what is brought
//!   2  fence(SeqCst)                     2  fence(SeqCst)
//!   3  load: is it there by now?         3  load: does anybody wait? wake
//! ```
//!
//! [`Notice`] needs no fence: both sides exchange one word. What lies behind a lock needs none.
//!
//! # Proof
//!
//! `.ci/loom` runs the models in `models.rs` under Loom, in every order of steps up to a bound.
//! Decision 40 lists how each model was made to fail.

#![forbid(unsafe_code)]

mod alarms;
mod bell;
#[cfg(not(loom))]
mod block;
mod gauge;
mod inlet;
mod inlet_senders;
mod lane;
mod mailbox;
#[cfg(all(test, loom))]
mod models;
mod notice;
mod primitives;
mod reply;
mod ring;
mod room;
mod shard_waker;
mod wake;

pub use alarms::{AlarmKey, Alarms};
#[cfg(not(loom))]
pub use block::{block_on, block_until, forbid_waiting, from_now, may_wait, refuse_to_wait};
pub use gauge::Gauge;
pub use inlet::{Inlet, InletSender, inlet};
pub use inlet_senders::InletSenders;
pub use lane::{Intake, LANE_BYTES, LaneSender, lanes};
pub use mailbox::{InboxLimits, Mailbox, Slot};
pub use notice::Notice;
pub use reply::{ReplyFuture, ReplySender, reply};
pub use ring::{RingReceiver, RingSender, weighed_ring};
pub use shard_waker::ShardWaker;
pub use wake::wake;

/// Tells the bytes of the message in an item; zero if there is none.
pub type Weigh<T> = fn(&T) -> usize;
