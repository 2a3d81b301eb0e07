//! What the shards of one node tell each other. Owned values and reference-counted bytes only.

/// A connection on its way to its home shard: keys, bytes read so far, NodeInfo.
#[derive(Debug)]
pub struct Parcel {}

/// A message between two shards of a node.
#[derive(Debug)]
pub enum ShardMessage {}
