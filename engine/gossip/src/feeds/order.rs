//! [`Order`]: what goes first of all that waits for a link.

use std::time::Duration;

/// Where something stands among what waits for the same link in the same lane. What is alike goes in the order in
/// which it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Nothing overtakes it, and it overtakes nothing: a name that was another origin's before.
    Fence,
    /// Before all bodies: what is said of messages, and names that bodies need.
    First,
    /// A body.
    Body {
        /// The higher goes first.
        priority: u8,
        /// How long anybody needs it, if that ends. Then it is dropped.
        left: Option<Duration>,
    },
}
