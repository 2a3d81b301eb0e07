//! What is planned in a world, and the names of those it is planned for.

use ringwire_core::error::NetworkError;
use ringwire_core::peer::ShardId;
use ringwire_core::switch::{DialId, Parcel, ShardMessage};

use crate::fault_table::FaultRule;

/// One shard of one life of one node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    pub(super) node: u32,
    pub(super) life: u32,
    pub(super) shard: ShardId,
}

/// The world's name of a wire: its place and its number, which is never given twice. So what is
/// planned for a wire that is gone finds nobody, even when its place was given away again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct WireId {
    slot: usize,
    number: u64,
}

impl WireId {
    /// The wire in a slot, of a number that is never given twice.
    pub(super) fn new(slot: usize, number: u64) -> Self {
        WireId { slot, number }
    }

    /// The slot in which it is looked for.
    pub(super) fn slot(self) -> usize {
        self.slot
    }
}

/// One end of a wire: the wire and which of its two ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct EndRef {
    pub(super) wire: WireId,
    pub(super) side: usize,
}

impl EndRef {
    /// The other end.
    pub(super) fn opposite(self) -> EndRef {
        EndRef {
            wire: self.wire,
            side: 1 - self.side,
        }
    }
}

/// What is planned.
pub(super) enum Step {
    /// A shard has its turn.
    Turn(Place),
    /// A shard wanted to be woken.
    Wake(Place),
    /// A message between two shards of a node arrives.
    Mesh {
        to: Place,
        from: ShardId,
        message: ShardMessage,
    },
    /// A connection arrives at its home shard.
    Adopt {
        to: Place,
        end: EndRef,
        parcel: Box<Parcel>,
    },
    /// A dial comes to its target.
    Connect {
        from: Place,
        dial: DialId,
        target: u32,
    },
    /// A dial fails.
    DialFails {
        from: Place,
        dial: DialId,
        error: NetworkError,
    },
    /// A segment comes to the end opposite of this one.
    Land(EndRef),
    /// The transmit of an end has left.
    Sent(EndRef),
    /// An end has something to read.
    Read(EndRef),
    /// A closing end whose time is up.
    Linger(EndRef),
    /// A fault of the table strikes.
    Fault(FaultRule),
    /// A crashed node comes back.
    Restart(u32),
}
