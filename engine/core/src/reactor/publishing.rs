//! [`PublishOptions`]: what an application asks for of one message that it publishes.

use std::time::Duration;

/// What the application asks for of a message. A reactor heeds what its protocol knows, and says so in its
/// documentation; one that only floods heeds none of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PublishOptions {
    /// Which goes first, on every hop, among messages that wait for the same peer: the higher.
    pub priority: u8,
    /// How long anybody needs the message, from now. When that is over it is neither sent nor delivered.
    /// `None`: for ever.
    pub expires_in: Option<Duration>,
    /// The application's own name for the message, by which it finds the message again when it asks how far
    /// it has come. It does not travel.
    pub tag: u64,
}
