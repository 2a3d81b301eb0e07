//! The address of a node: who it is and where it listens, written `id@host:port`.
//!
//! ```text
//! tcp://deadbeefdeadbeefdeadbeefdeadbeefdeadbeef@[2001:db8::7]:26656
//! └ (1)┘└───────────────── id ─────────────────┘ └── host ───┘└port┘    (1) optional, ignored
//!
//!       deadbeefdeadbeefdeadbeefdeadbeefdeadbeef@unix:///run/node/p2p.sock
//! ```
//!
//! The second form is a Unix socket of this machine. It means something to this machine alone, so only the
//! operator writes one: what peers say is read by [`parse_listen_address`] and as PEX messages, and
//! neither has a place for it.
//!
//! A host may be a name. Names are **never resolved here**: the reference looks up whatever name a
//! peer claims, while it handles that peer. Resolving is for the dialer, with addresses that the
//! operator gave. An unresolved name therefore counts as public (that is what names are for),
//! except `localhost`.
//!
//! Text is read and written in `net_address/text.rs`; what kind of network an IP belongs to is told
//! by `net_address/nets.rs`.

use std::net::{IpAddr, Ipv6Addr};

use crate::id::NodeId;

mod nets;
mod text;

use text::HostPort;
pub use text::{
    HOST_NAME_MAX, NET_ADDRESS_TEXT_MAX, NetAddressError, UNIX_PATH_MAX, UNIX_SCHEME,
    check_unix_path, parse_listen_address,
};

/// The host part of an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An IP address. IPv4 mapped into IPv6 is kept as IPv4.
    Ip(IpAddr),
    /// A name, lowercase, as it was given; not resolved.
    Name(Box<str>),
    /// The path of a Unix socket of this machine, by the rules of [`check_unix_path`].
    Unix(Box<str>),
}

/// A node's id together with the host and port where it listens for connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetAddress {
    /// The id that the node's key must hash to.
    pub id: NodeId,
    /// Where it listens.
    pub host: Host,
    /// The TCP port; zero for a Unix socket.
    pub port: u16,
}

/// How well one address can be expected to reach another, worst first (after btcd's address
/// manager).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reachability {
    /// The source is not routable.
    Unreachable = 0,
    /// Nothing speaks for or against it.
    Default = 1,
    /// By a Teredo tunnel.
    Teredo = 2,
    /// By IPv6 through a tunnel.
    Ipv6Weak = 3,
    /// By IPv4.
    Ipv4 = 4,
    /// By native IPv6.
    Ipv6Strong = 5,
}

impl Host {
    /// The host for an IP; IPv4 mapped into IPv6 becomes IPv4, as both are one place.
    #[must_use]
    pub fn from_ip(ip: IpAddr) -> Self {
        Self::Ip(ip.to_canonical())
    }

    /// The IP, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) | Self::Unix(_) => None,
        }
    }
}

impl NetAddress {
    /// The address of `id` at an IP.
    #[must_use]
    pub fn from_ip(id: NodeId, ip: IpAddr, port: u16) -> Self {
        Self {
            id,
            host: Host::from_ip(ip),
            port,
        }
    }

    /// The address of `id` at a Unix socket of this machine. The path keeps the rules of
    /// [`check_unix_path`].
    #[must_use]
    pub fn from_unix(id: NodeId, path: &str) -> Self {
        Self {
            id,
            host: Host::Unix(path.into()),
            port: 0,
        }
    }

    /// Reads a list such as `seeds` or `persistent_peers`, split already. The good ones come first,
    /// in order; each bad one with its place in the list.
    pub fn parse_list<'a>(
        texts: impl IntoIterator<Item = &'a str>,
    ) -> (Vec<Self>, Vec<(usize, NetAddressError)>) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (at, text) in texts.into_iter().enumerate() {
            match text.parse() {
                Ok(address) => good.push(address),
                Err(error) => bad.push((at, error)),
            }
        }
        (good, bad)
    }

    /// Whether a socket can be told to connect there: it has a port, or needs none.
    #[must_use]
    pub fn can_be_dialed(&self) -> bool {
        self.port != 0 || matches!(self.host, Host::Unix(_))
    }

    /// `host:port`, or `unix://path`, without the id: what a socket dials.
    #[must_use]
    pub fn dial_text(&self) -> String {
        HostPort(&self.host, self.port).to_string()
    }

    /// Whether both name the same node or the same place.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.id == other.id || (self.port == other.port && self.host == other.host)
    }

    /// Whether the host can be the address of a node to others: a name, or an IP that is neither
    /// unspecified, nor broadcast or multicast, nor 2001:db8::/32 (RFC 3849). A Unix socket is none.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => nets::is_valid(*ip),
            Host::Name(_) => true,
            Host::Unix(_) => false,
        }
    }

    /// Whether the host is this machine: loopback, 0.0.0.0/8, the name `localhost`, or a Unix socket.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => nets::is_local(*ip),
            Host::Name(name) => is_localhost(name),
            Host::Unix(_) => true,
        }
    }

    /// Whether the host can be reached over the public internet: valid, and not of a private,
    /// link-local, overlay or local network (RFC 1918, 3927, 4862, 4193, 4843), nor kept for
    /// documentation or later use (RFC 5737, 9637, 6666, 1112).
    #[must_use]
    pub fn is_routable(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => nets::is_routable(*ip),
            Host::Name(name) => !is_localhost(name),
            Host::Unix(_) => false,
        }
    }

    /// How well this address can be expected to reach `target`. A name counts as IPv4, the family
    /// that nearly every name has.
    #[must_use]
    pub fn reachability_to(&self, target: &Self) -> Reachability {
        if !self.is_routable() {
            return Reachability::Unreachable;
        }
        if !target.is_routable() {
            return Reachability::Default;
        }
        match (self.host.ip(), target.host.ip()) {
            (Some(IpAddr::V6(source)), target) => reachability_from_v6(source, target),
            (_, Some(IpAddr::V6(_))) => Reachability::Default,
            _ => Reachability::Ipv4,
        }
    }
}

/// From a routable IPv6 address to a routable one of any family.
fn reachability_from_v6(source: Ipv6Addr, target: Option<IpAddr>) -> Reachability {
    match target {
        Some(IpAddr::V6(target)) if nets::is_teredo(target) => Reachability::Teredo,
        Some(IpAddr::V6(_)) if nets::is_teredo(source) => Reachability::Ipv6Weak,
        Some(IpAddr::V6(target)) if nets::is_tunnelled(target) => Reachability::Ipv6Weak,
        Some(IpAddr::V6(_)) => Reachability::Ipv6Strong,
        Some(IpAddr::V4(_)) | None => Reachability::Ipv4,
    }
}

/// Names that RFC 6761, section 6.3, keeps for the local machine.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// Fuzz target: an address that is read is shown as text that reads the same, and answers all
/// questions.
#[doc(hidden)]
pub fn fuzz_net_address(bytes: &[u8]) {
    let Ok(address) = String::from_utf8_lossy(bytes).parse::<NetAddress>() else {
        return;
    };
    assert_eq!(address.to_string().parse(), Ok(address.clone()));
    assert!(address.same(&address));
    assert!(address.is_valid() || !address.is_routable());
    assert!(!(address.is_local() && address.is_routable()));
    let reach = address.reachability_to(&address);
    assert_eq!(reach == Reachability::Unreachable, !address.is_routable());
}

#[cfg(test)]
mod tests;
