//! The channels of a CometBFT node.
//!
//! Ids, priorities, queues and sizes are those that its reactors declare (`GetChannels`), read in
//! Tendermint 0.34.24 and in CometBFT 0.34.35, 0.37.18, 0.38.26 and 1.0.1; all five have the same.
//! Only names have changed: what is blocksync today was "blockchain" in 0.34. Messages are protobuf,
//! one `Message` with a `oneof` for each reactor.
//!
//! ```
//! use ringwire_core::comet::channels;
//!
//! // Every channel but that of the peer exchange, which is the engine's own. An application gives
//! // each to `Builder::channel`.
//! let ours = channels::ALL.iter().filter(|channel| channel.id != channels::PEX);
//! let descriptors: Vec<_> = ours.map(|channel| channel.descriptor()).collect();
//! assert_eq!(descriptors.len(), channels::ALL.len() - 1);
//! assert_eq!(channels::find(channels::VOTE).unwrap().priority, 7);
//! ```
//!
//! A peer is told of every channel that is declared, and will use it: whoever declares one takes its
//! messages (docs/embedding.md, subscriptions).

use ringwire_codec::ChannelId;

use crate::conn::ChannelDescriptor;

/// Peer exchange. The engine's own while [`crate::config::DiscoveryConfig::pex`] is set.
pub const PEX: ChannelId = ChannelId(0x00);
/// Consensus: at which height, round and step a node is, and which votes it has.
pub const STATE: ChannelId = ChannelId(0x20);
/// Consensus: proposals and parts of blocks.
pub const DATA: ChannelId = ChannelId(0x21);
/// Consensus: votes.
pub const VOTE: ChannelId = ChannelId(0x22);
/// Consensus: which votes of a majority a node has.
pub const VOTE_SET_BITS: ChannelId = ChannelId(0x23);
/// Mempool: transactions.
pub const MEMPOOL: ChannelId = ChannelId(0x30);
/// Evidence of misbehaviour.
pub const EVIDENCE: ChannelId = ChannelId(0x38);
/// Blocksync: whole blocks on request.
pub const BLOCKSYNC: ChannelId = ChannelId(0x40);
/// State sync: which snapshots there are.
pub const SNAPSHOT: ChannelId = ChannelId(0x60);
/// State sync: pieces of a snapshot.
pub const CHUNK: ChannelId = ChannelId(0x61);

/// Bytes of the longest consensus or evidence message (`maxMsgSize`).
const MIB: usize = 1_048_576;
/// Bytes of the longest list of addresses: 250 of 256 bytes.
const PEX_BYTES_MAX: usize = 250 * 256;
/// Bytes of the largest block, 100 MiB, and of the tag and length around it.
const BLOCK_BYTES_MAX: usize = 104_857_600 + 5;
/// `mempool.max_tx_bytes` where nothing else is configured.
const TX_BYTES_MAX: usize = 1_048_576;

/// `SendQueueCapacity` of a channel that names none.
const QUEUE: usize = 1;
/// `RecvBufferCapacity` of a channel that names none.
const BUFFER: usize = 4096;

/// A channel as the reference's reactor declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CometChannel {
    /// What it is called here, in small letters.
    pub name: &'static str,
    /// The reactor it belongs to.
    pub reactor: &'static str,
    /// Its id on the wire.
    pub id: ChannelId,
    /// Its weight among the channels of a connection.
    pub priority: u16,
    /// Messages that may wait to be sent to one peer.
    pub send_queue_capacity: usize,
    /// Bytes that the reference's buffer for one message begins with. It grows to the capacity of a
    /// message; here memory is taken as it is needed, so nothing corresponds to it.
    pub recv_buffer_capacity: usize,
    /// Bytes of the longest message; a longer one ends the connection. That of [`MEMPOOL`] depends
    /// on the node's configuration: see [`mempool_message_capacity`].
    pub recv_message_capacity: usize,
}

impl CometChannel {
    /// The channel as the engine takes it.
    pub fn descriptor(&self) -> ChannelDescriptor {
        ChannelDescriptor {
            send_queue_capacity: self.send_queue_capacity,
            recv_message_capacity: self.recv_message_capacity,
            ..ChannelDescriptor::new(self.id, self.priority)
        }
    }
}

/// All channels, by id.
pub const ALL: [CometChannel; 10] = [
    channel("pex", "pex", PEX, 1, 10, BUFFER, PEX_BYTES_MAX),
    channel("state", "consensus", STATE, 6, 100, BUFFER, MIB),
    channel("data", "consensus", DATA, 10, 100, 50 * 4096, MIB),
    channel("vote", "consensus", VOTE, 7, 100, 100 * 100, MIB),
    channel("vote set bits", "consensus", VOTE_SET_BITS, 1, 2, 1024, MIB),
    channel(
        "mempool",
        "mempool",
        MEMPOOL,
        5,
        QUEUE,
        BUFFER,
        mempool_message_capacity(TX_BYTES_MAX),
    ),
    channel("evidence", "evidence", EVIDENCE, 6, QUEUE, BUFFER, MIB),
    channel(
        "blocksync",
        "blocksync",
        BLOCKSYNC,
        5,
        1000,
        50 * 4096,
        BLOCK_BYTES_MAX,
    ),
    channel("snapshot", "statesync", SNAPSHOT, 5, 10, BUFFER, 4_000_000),
    channel("chunk", "statesync", CHUNK, 3, 10, BUFFER, 16_000_000),
];

/// The channel of that id.
pub fn find(id: ChannelId) -> Option<&'static CometChannel> {
    ALL.iter().find(|channel| channel.id == id)
}

/// Bytes of the longest mempool message where `mempool.max_tx_bytes` is this: one transaction of
/// that length, in two messages around it, each a tag and a length.
pub const fn mempool_message_capacity(max_tx_bytes: usize) -> usize {
    let txs = 1 + varint_len(max_tx_bytes) + max_tx_bytes;
    1 + varint_len(txs) + txs
}

const fn varint_len(mut value: usize) -> usize {
    let mut len = 1;
    while value >= 0x80 {
        value >>= 7;
        len += 1;
    }
    len
}

const fn channel(
    name: &'static str,
    reactor: &'static str,
    id: ChannelId,
    priority: u16,
    send_queue_capacity: usize,
    recv_buffer_capacity: usize,
    recv_message_capacity: usize,
) -> CometChannel {
    CometChannel {
        name,
        reactor,
        id,
        priority,
        send_queue_capacity,
        recv_buffer_capacity,
        recv_message_capacity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_found_by_id_and_stand_in_its_order() {
        assert!(ALL.windows(2).all(|pair| pair[0].id < pair[1].id));
        for channel in &ALL {
            assert_eq!(find(channel.id), Some(channel));
            let descriptor = channel.descriptor();
            assert_eq!(
                (descriptor.id, descriptor.priority),
                (channel.id, channel.priority)
            );
            assert_eq!(
                descriptor.recv_message_capacity,
                channel.recv_message_capacity
            );
        }
        assert_eq!(find(ChannelId(0x31)), None);
    }

    #[test]
    fn the_mempool_takes_one_transaction_of_the_longest_and_its_wrapping() {
        assert_eq!(mempool_message_capacity(1_048_576), 1_048_584);
        assert_eq!(mempool_message_capacity(0), 4);
        assert_eq!(mempool_message_capacity(125), 129);
        assert_eq!(mempool_message_capacity(127), 132);
        assert_eq!(mempool_message_capacity(128), 134);
    }
}
