//! What the test programs that run on real sockets share: traffic that can be checked, loopback
//! sockets, and two implementations of the reference's wire that nobody of this project wrote.

pub(crate) mod loopback;
pub(crate) mod oracle;
pub(crate) mod traffic;
