//! [`Gossip`]: how the program's own messages spread.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use ringwire::gossip::Class;

/// Bytes of the longest line of `start`: what is flooded, and what goes by feeds, with room for what stands
/// before it. A longer one would be asked for in shards when the node may be gone already.
const FLOOD_LINE_BYTES_MAX: usize = 1 << 20;
const FEEDS_LINE_BYTES_MAX: usize = 128 * 1024 - 64;

/// Bytes of the largest message that is flooded: a content of 1 MiB with room for what stands before it.
pub(crate) const FLOOD_BYTES_MAX: usize = (1 << 20) + 64;

/// How messages spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Gossip {
    /// One neighbour sends each message and three announce it; what is longer than 128 KiB comes in coded
    /// shards from all.
    Feeds,
    /// Every neighbour sends each message.
    Flood,
    /// As feeds, with a bridge to neighbours that only flood.
    Mixed,
}

impl fmt::Display for Gossip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().expect("no way is hidden");
        f.write_str(value.get_name())
    }
}

impl FromStr for Gossip {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let is_it = |way: &&Gossip| way.to_string() == name;
        let way = Gossip::value_variants().iter().find(is_it).copied();
        way.ok_or_else(|| format!("is `{name}`: \"feeds\", \"flood\" or \"mixed\" is wanted"))
    }
}

impl Gossip {
    /// Bytes of the largest message.
    pub(crate) fn bytes_max(self) -> usize {
        match self {
            Gossip::Feeds | Gossip::Mixed => Class::Large.bytes_max(),
            Gossip::Flood => FLOOD_BYTES_MAX,
        }
    }

    /// Bytes of the longest line that a node publishes.
    pub(crate) fn line_bytes_max(self) -> usize {
        match self {
            Gossip::Feeds | Gossip::Mixed => FEEDS_LINE_BYTES_MAX,
            Gossip::Flood => FLOOD_LINE_BYTES_MAX,
        }
    }
}
