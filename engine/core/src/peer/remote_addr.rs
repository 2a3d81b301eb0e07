//! Where the other end of a connection is.
//!
//! Rules about addresses — bans, limits per address and per subnet — ask for [`RemoteAddr::ip`], so that
//! the compiler makes each of them say what it means for a connection that has none
//! (docs/decisions/0073-listen-anywhere.md).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ringwire_codec::net_address::UNIX_SCHEME;
use ringwire_codec::{NetAddress, NodeId};

/// The other end of a connection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RemoteAddr {
    /// The remote's address and port.
    Ip(SocketAddr),
    /// A process of this machine. The path is that of the socket that was dialed, on both sides: who dials
    /// a Unix socket has no name there.
    Unix(Arc<str>),
}

impl RemoteAddr {
    /// The remote's IP, with IPv4 mapped into IPv6 given as IPv4; none behind a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_addr()
            .map(|address| address.ip().to_canonical())
    }

    /// The remote's IP and port; none behind a Unix socket.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            RemoteAddr::Ip(address) => Some(*address),
            RemoteAddr::Unix(_) => None,
        }
    }

    /// The address of the node `id` that is there.
    pub fn address_of(&self, id: NodeId) -> NetAddress {
        match self {
            RemoteAddr::Ip(address) => {
                NetAddress::from_ip(id, address.ip().to_canonical(), address.port())
            }
            RemoteAddr::Unix(path) => NetAddress::from_unix(id, path),
        }
    }
}

impl From<SocketAddr> for RemoteAddr {
    fn from(address: SocketAddr) -> Self {
        RemoteAddr::Ip(address)
    }
}

impl fmt::Display for RemoteAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteAddr::Ip(address) => address.fmt(f),
            RemoteAddr::Unix(path) => write!(f, "{UNIX_SCHEME}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_shown_as_its_address_is_written() {
        let id = NodeId::from_bytes([7; 20]);
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:7".parse().expect("an address");
        let tcp = RemoteAddr::from(mapped);
        assert_eq!(tcp.ip(), Some([10, 0, 0, 1].into()));
        assert_eq!(tcp.address_of(id).to_string(), format!("{id}@10.0.0.1:7"));
        let unix = RemoteAddr::Unix("/run/p2p.sock".into());
        assert_eq!((unix.ip(), unix.socket_addr()), (None, None));
        let shown = format!("{id}@{unix}");
        assert_eq!(unix.address_of(id).to_string(), shown);
        assert_eq!(shown.parse(), Ok(unix.address_of(id)));
    }
}
