//! What is true of the whole node, decided on shard 0 alone; and how the node ends.

pub(crate) mod admission;
pub(crate) mod asked;
pub(crate) mod bans;
pub(crate) mod budget;
pub(crate) mod coordinator;
pub(crate) mod dialer;
pub(crate) mod ending;
pub(crate) mod named;
pub(crate) mod reconnect;
pub(crate) mod settings;
pub(crate) mod shutdown;
