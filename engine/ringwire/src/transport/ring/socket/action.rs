//! What a link asks of its ring, and what it answers when a write has ended.
//!
//! Plain values without I/O: the ring turns each [`Action`] into one entry of its queue or one call,
//! and every operation named here ends with a completion that the link is told of.

use ringwire_core::switch::io::Transmit;

/// Operations that can be cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Target {
    /// The receive.
    Receive,
    /// The write.
    Send,
    /// The connect.
    Connect,
    /// The time limit.
    Deadline,
}

/// What the ring shall do for a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Action {
    /// Start a receive; `multi` keeps it armed.
    Receive {
        /// Whether one receive shall complete many times.
        multi: bool,
    },
    /// Start a receive whose bytes go nowhere.
    Discard,
    /// Tell the remote that no more comes.
    ShutDown,
    /// Start the time limit.
    StartDeadline,
    /// Cancel an operation.
    Cancel(Target),
    /// Close the descriptor and free the slot: nothing is in flight.
    Free,
}

/// What became of a write.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "lives on the stack for a moment; a box per write would be an allocation"
)]
pub(in super::super) enum SendStep {
    /// Some bytes remain; start another write.
    Continue,
    /// All is written, or nothing more will be: here are the buffers.
    Done(Transmit),
}
