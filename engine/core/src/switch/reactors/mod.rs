//! The reactors of one shard: who they are, which channels they have, and what they may ask for.

pub(crate) mod app_channels;
pub(crate) mod channel_table;
pub(crate) mod context;
pub(crate) mod reactor_set;
