//! The address of a node: who it is and where it listens, written `id@host:port`.
//!
//! ```text
//! tcp://deadbeefdeadbeefdeadbeefdeadbeefdeadbeef@[2001:db8::7]:26656
//! └ (1)┘└───────────────── id ─────────────────┘ └── host ───┘└port┘    (1) optional, ignored
//! ```
//!
//! A host may be a name. Names are **never resolved here**: the reference looks up whatever name a
//! peer claims, while it handles that peer. Resolving is for the dialer, with addresses that the
//! operator gave. An unresolved name therefore counts as public (that is what names are for), except
//! `localhost`.
//!
//! What kind of network an IP belongs to is told by the file `net_address/nets.rs`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

use crate::id::NodeId;

mod nets;

/// The longest address text that is read, in bytes: an id, a host name of [`HOST_NAME_MAX`], and
/// room for protocol, brackets and port.
pub const NET_ADDRESS_TEXT_MAX: usize = 320;

/// The longest host name, in bytes (RFC 1035, section 2.3.4, as text without the final dot).
pub const HOST_NAME_MAX: usize = 253;

/// The longest label of a host name, in bytes (RFC 1035, section 2.3.4).
const HOST_LABEL_MAX: usize = 63;

/// The host part of an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An IP address. IPv4 mapped into IPv6 is kept as IPv4.
    Ip(IpAddr),
    /// A name, lowercase, as it was given; not resolved.
    Name(Box<str>),
}

/// A node's id together with the host and port where it listens for connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetAddress {
    /// The id that the node's key must hash to.
    pub id: NodeId,
    /// Where it listens.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
}

/// Why a text is not a [`NetAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetAddressError {
    /// There is no `@`, or nothing before it.
    #[error("address has no node id: expected id@host:port")]
    NoId,
    /// The part before the `@` is not 40 hexadecimal digits.
    #[error("node id must be 40 hexadecimal digits")]
    InvalidId,
    /// There is nothing between `@` and the port.
    #[error("address has no host: expected id@host:port")]
    NoHost,
    /// The host is neither an IP address nor a host name. IPv6 stands in brackets.
    #[error("host is neither an IP address nor a host name (IPv6 stands in brackets)")]
    InvalidHost,
    /// There is no `:` before the port.
    #[error("address has no port: expected id@host:port")]
    NoPort,
    /// The port is not a number from 0 to 65535.
    #[error("port must be a number from 0 to 65535")]
    InvalidPort,
    /// The text is longer than [`NET_ADDRESS_TEXT_MAX`] bytes.
    #[error("address is longer than 320 bytes")]
    TooLong,
}

/// How well one address can be expected to reach another, worst first (after btcd's address manager).
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

    /// The IP, unless the host is a name.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
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

    /// `host:port` without the id: what a socket dials.
    #[must_use]
    pub fn dial_text(&self) -> String {
        HostPort(&self.host, self.port).to_string()
    }

    /// Whether both name the same node or the same place.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.id == other.id || (self.port == other.port && self.host == other.host)
    }

    /// Whether the host can be the address of a node at all: a name, or an IP that is neither
    /// unspecified, nor broadcast, nor reserved for documentation (RFC 3849).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.host.ip().is_none_or(nets::is_valid)
    }

    /// Whether the host is this machine: loopback, 0.0.0.0/8, or the name `localhost`.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => nets::is_local(*ip),
            Host::Name(name) => is_localhost(name),
        }
    }

    /// Whether the host can be reached over the public internet: valid, and not of a private,
    /// link-local, overlay or local network (RFC 1918, 3927, 4862, 4193, 4843).
    #[must_use]
    pub fn is_routable(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => nets::is_routable(*ip),
            Host::Name(name) => !is_localhost(name),
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

impl FromStr for NetAddress {
    type Err = NetAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > NET_ADDRESS_TEXT_MAX {
            return Err(NetAddressError::TooLong);
        }
        let (id, host_port) = strip_protocol(text)
            .split_once('@')
            .ok_or(NetAddressError::NoId)?;
        if id.trim().is_empty() {
            return Err(NetAddressError::NoId);
        }
        let id = id.parse().map_err(|_| NetAddressError::InvalidId)?;
        let (host, port) = parse_host_port(host_port)?;
        Ok(Self { id, host, port })
    }
}

impl fmt::Display for NetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, HostPort(&self.host, self.port))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

struct HostPort<'a>(&'a Host, u16);

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Host::Ip(IpAddr::V6(ip)), port) => write!(f, "[{ip}]:{port}"),
            Self(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// Reads `host:port`, which may carry a protocol: the form of NodeInfo's `listen_addr`.
///
/// # Errors
///
/// Those of [`NetAddressError`] that speak of host and port, and `TooLong`.
pub fn parse_listen_address(text: &str) -> Result<(Host, u16), NetAddressError> {
    if text.len() > NET_ADDRESS_TEXT_MAX {
        return Err(NetAddressError::TooLong);
    }
    parse_host_port(strip_protocol(text))
}

fn strip_protocol(text: &str) -> &str {
    text.split_once("://").map_or(text, |(_, rest)| rest)
}

fn parse_host_port(text: &str) -> Result<(Host, u16), NetAddressError> {
    if text.is_empty() {
        return Err(NetAddressError::NoHost);
    }
    let (host, port) = text.rsplit_once(':').ok_or(NetAddressError::NoPort)?;
    // `u16` itself would also read a sign.
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NetAddressError::InvalidPort);
    }
    let port = port.parse().map_err(|_| NetAddressError::InvalidPort)?;
    Ok((parse_host(host)?, port))
}

fn parse_host(host: &str) -> Result<Host, NetAddressError> {
    if host.is_empty() {
        return Err(NetAddressError::NoHost);
    }
    if let Some(bracketed) = host.strip_prefix('[') {
        let ip = bracketed
            .strip_suffix(']')
            .and_then(|ip| ip.parse::<Ipv6Addr>().ok());
        return ip
            .map(|ip| Host::from_ip(ip.into()))
            .ok_or(NetAddressError::InvalidHost);
    }
    if let Ok(ip) = host.parse() {
        return Ok(Host::Ip(IpAddr::V4(ip)));
    }
    if !is_host_name(host) {
        return Err(NetAddressError::InvalidHost);
    }
    Ok(Host::Name(host.to_ascii_lowercase().into()))
}

/// Labels of letters, digits, `-` and `_`, joined by dots. The last one must not be a number: such
/// names are damaged IPv4 addresses.
fn is_host_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=HOST_LABEL_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    host.len() <= HOST_NAME_MAX
        && host.split('.').all(is_label)
        && !host.rsplit('.').next().is_some_and(is_number)
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
