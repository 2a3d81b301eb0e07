//! [`Gossipsub`]: the pubsub protocol of libp2p, versions 1.2 and 2.0, with Ethereum's parameters.
//!
//! A node chooses some of its links as its mesh and sends each message on over all of these. To some of the
//! others it tells at each heartbeat what it has (IHAVE), and they ask for what they miss (IWANT).
//!
//! | rule | value | source |
//! |---|---|---|
//! | mesh: wanted, least, most | 8, 6, 12 | Ethereum consensus specs, p2p interface |
//! | heartbeat | 700 ms, each node at its own moment | the same |
//! | GRAFT when there are too few, PRUNE of chance ones when there are too many; a pruned link rests for 60 s | | gossipsub 1.0, 1.1 |
//! | a node whose mesh is full refuses those who came to it, and takes those whom it called | | go-libp2p-pubsub |
//! | IHAVE to 6 links outside the mesh, or a quarter of them where that is more | the ids of 3 heartbeats | 1.1 |
//! | messages kept for IWANT | 5 heartbeats | 1.0 |
//! | every IHAVE of a message that is not there is answered with IWANT, also while a copy is under way: a body that takes longer than a heartbeat is sent to some several times | | 1.0, go-libp2p-pubsub |
//! | IDONTWANT to the mesh at the first copy of a message of 1 KiB or more; the others skip it and take back a copy that waits to leave; remembered for 3 heartbeats | | 1.2, go-libp2p-pubsub |
//!
//! Version 2.0 adds: for each link of the mesh a coin decides whether the message is pushed or announced
//! (IANNOUNCE). The receiver asks the first announcer (INEED), and after 400 ms the next. What a node
//! publishes itself, it pushes. (libp2p/specs, pull request 653.)
//!
//! Ids have 20 bytes and the topic 38, as on Ethereum. Left out: scores, since nobody misbehaves; flood publishing, which Ethereum's
//! nodes have switched off; several topics.

mod cache;
mod config;
#[expect(
    clippy::module_inception,
    reason = "the node that speaks gossipsub is the room's noun"
)]
mod gossipsub;
mod message;
mod peers;
mod wanted;

pub use config::GossipsubConfig;
pub use gossipsub::Gossipsub;
