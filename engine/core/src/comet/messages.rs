//! Messages of CometBFT's mempool and block sync, for [`crate::reactor::Proto`].
//!
//! Field numbers are those of `tendermint/mempool/types.proto` and `tendermint/blocksync/types.proto`
//! of CometBFT 0.37 and 0.38; 1.0 has the same under other names. What only a chain can read, a
//! block, stays bytes: on the wire a message within a message and a field of bytes are the same.

/// The mempool, on [`super::channels::MEMPOOL`].
pub mod mempool {
    use bytes::Bytes;

    /// What a node says: the `oneof` has one case.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Message {
        /// Transactions.
        #[prost(message, optional, tag = "1")]
        pub txs: Option<Txs>,
    }

    /// Transactions.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Txs {
        /// Each as it is.
        #[prost(bytes = "bytes", repeated, tag = "1")]
        pub txs: Vec<Bytes>,
    }
}

/// Block sync, on [`super::channels::BLOCKSYNC`].
pub mod blocksync {
    use bytes::Bytes;

    /// What a node says.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Message {
        /// Its case.
        #[prost(oneof = "Sum", tags = "1, 2, 3, 4, 5")]
        pub sum: Option<Sum>,
    }

    /// The cases of [`Message`].
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Sum {
        /// Send me the block of this height.
        #[prost(message, tag = "1")]
        BlockRequest(Height),
        /// I do not have it.
        #[prost(message, tag = "2")]
        NoBlockResponse(Height),
        /// Here it is.
        #[prost(message, tag = "3")]
        BlockResponse(BlockResponse),
        /// How far are you?
        #[prost(message, tag = "4")]
        StatusRequest(StatusRequest),
        /// So far.
        #[prost(message, tag = "5")]
        StatusResponse(StatusResponse),
    }

    /// The height of a block that is wanted, or not there.
    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub struct Height {
        /// The first block has 1.
        #[prost(int64, tag = "1")]
        pub height: i64,
    }

    /// A block.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct BlockResponse {
        /// `tendermint.types.Block`.
        #[prost(bytes = "bytes", tag = "1")]
        pub block: Bytes,
        /// `tendermint.types.ExtendedCommit`; empty where votes have no extensions.
        #[prost(bytes = "bytes", tag = "2")]
        pub ext_commit: Bytes,
    }

    impl BlockResponse {
        /// A block of a chain whose votes have no extensions.
        pub fn new(block: Bytes) -> Self {
            let ext_commit = Bytes::new();
            BlockResponse { block, ext_commit }
        }
    }

    /// Empty.
    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub struct StatusRequest {}

    /// The heights that a node has.
    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub struct StatusResponse {
        /// The last.
        #[prost(int64, tag = "1")]
        pub height: i64,
        /// The first.
        #[prost(int64, tag = "2")]
        pub base: i64,
    }

    impl StatusResponse {
        /// Whether a height is among them.
        pub fn has(&self, height: i64) -> bool {
            (self.base..=self.height).contains(&height)
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message as _;

    use super::{blocksync, mempool};

    #[test]
    fn messages_have_the_bytes_that_the_reference_writes() {
        let txs = mempool::Txs {
            txs: vec![Bytes::from_static(b"a=1")],
        };
        let message = mempool::Message { txs: Some(txs) };
        assert_eq!(message.encode_to_vec(), b"\x0a\x05\x0a\x03a=1");
        let request = blocksync::Sum::BlockRequest(blocksync::Height { height: 300 });
        let message = blocksync::Message { sum: Some(request) };
        assert_eq!(message.encode_to_vec(), b"\x0a\x03\x08\xac\x02");
        let status = blocksync::StatusResponse { height: 7, base: 1 };
        let message = blocksync::Message {
            sum: Some(blocksync::Sum::StatusResponse(status)),
        };
        assert_eq!(message.encode_to_vec(), b"\x2a\x04\x08\x07\x10\x01");
        let empty = blocksync::Message {
            sum: Some(blocksync::Sum::StatusRequest(blocksync::StatusRequest {})),
        };
        assert_eq!(empty.encode_to_vec(), b"\x22\x00");
    }
}
