//! What the test programs that run on real sockets share: traffic that can be checked, loopback
//! sockets, two implementations of the reference's wire that nobody of this project wrote, a
//! CometBFT peer made of them, and an engine to put them against.

pub(crate) mod comet_peer;
pub(crate) mod loopback;
pub(crate) mod node;
pub(crate) mod oracle;
pub(crate) mod traffic;
#[path = "../common/way.rs"]
pub(crate) mod way;
