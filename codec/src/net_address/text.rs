//! Addresses as text: what people write into a configuration and peers into their NodeInfo.
//!
//! The reader is strict about hosts, as nothing is looked up that would tell a typing error later:
//! a name whose last label is a number is a damaged IPv4 address, and bare IPv6 is refused because
//! its end cannot be told from the port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::{Host, NetAddress};
use crate::id::NodeId;

/// The longest address text that is read, in bytes: an id, a host name of [`HOST_NAME_MAX`], and
/// room for protocol, brackets and port.
pub const NET_ADDRESS_TEXT_MAX: usize = 320;

/// The longest host name, in bytes (RFC 1035, section 2.3.4, as text without the final dot).
pub const HOST_NAME_MAX: usize = 253;

/// The longest label of a host name, in bytes (RFC 1035, section 2.3.4).
pub(super) const HOST_LABEL_MAX: usize = 63;

/// What stands before the path of a Unix socket.
pub const UNIX_SCHEME: &str = "unix://";

/// The longest path of a Unix socket, in bytes: what `sun_path` holds on Linux beside the final zero
/// (unix(7)). Other systems hold less, and say so when the socket is bound.
pub const UNIX_PATH_MAX: usize = 107;

/// Why a text is not a [`NetAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetAddressError {
    /// There is no `@`, or nothing before it.
    #[error("address has no node id: expected id@host:port")]
    NoId,
    /// What stands before `://` is no name of a protocol.
    #[error("protocol before :// must be letters, digits, '+', '-' and '.'")]
    InvalidProtocol,
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
    /// The path of a Unix socket does not begin at the root, ends with `/`, or has a character that would
    /// not survive in a list or on a terminal.
    #[error(
        "the path of a Unix socket must begin with '/', must not end with one, and has no comma, blank or control \
         character"
    )]
    InvalidUnixPath,
    /// The path of a Unix socket is longer than [`UNIX_PATH_MAX`] bytes.
    #[error(
        "the path of a Unix socket is longer than 107 bytes: choose a directory nearer to the root, such as /run"
    )]
    UnixPathTooLong,
}

impl FromStr for NetAddress {
    type Err = NetAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > NET_ADDRESS_TEXT_MAX {
            return Err(NetAddressError::TooLong);
        }
        if let Some((id, path)) = text.split_once('@')
            && let Some(path) = path.strip_prefix(UNIX_SCHEME)
        {
            let id = parse_id(id)?;
            check_unix_path(path)?;
            return Ok(Self::from_unix(id, path));
        }
        let (id, host_port) = strip_protocol(text)?
            .split_once('@')
            .ok_or(NetAddressError::NoId)?;
        let id = parse_id(id)?;
        let (host, port) = parse_host_port(host_port)?;
        Ok(Self { id, host, port })
    }
}

impl fmt::Display for NetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, HostPort(&self.host, self.port))
    }
}

impl Serialize for NetAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NetAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => name.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX_SCHEME}{path}"),
        }
    }
}

/// `host:port`, with brackets around IPv6; a Unix socket has no port.
pub(super) struct HostPort<'a>(pub(super) &'a Host, pub(super) u16);

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Host::Ip(IpAddr::V6(ip)), port) => write!(f, "[{ip}]:{port}"),
            Self(host @ Host::Unix(_), _) => host.fmt(f),
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
    parse_host_port(strip_protocol(text)?)
}

/// Checks the path of a Unix socket: from the root, of at most [`UNIX_PATH_MAX`] bytes, and without what
/// would cut a list in two or move a terminal's cursor.
///
/// # Errors
///
/// [`NetAddressError::InvalidUnixPath`] and [`NetAddressError::UnixPathTooLong`].
pub fn check_unix_path(path: &str) -> Result<(), NetAddressError> {
    let is_unfit = |c: char| c == ',' || c.is_whitespace() || c.is_control();
    if !path.starts_with('/') || path.ends_with('/') || path.contains(is_unfit) {
        return Err(NetAddressError::InvalidUnixPath);
    }
    if path.len() > UNIX_PATH_MAX {
        return Err(NetAddressError::UnixPathTooLong);
    }
    Ok(())
}

fn parse_id(id: &str) -> Result<NodeId, NetAddressError> {
    if id.trim().is_empty() {
        return Err(NetAddressError::NoId);
    }
    id.parse().map_err(|_| NetAddressError::InvalidId)
}

/// What stands behind the protocol, if there is one. Which one it is means nothing here; but the
/// whole text is shown to people, so it must not carry what a terminal obeys (RFC 3986, section
/// 3.1).
fn strip_protocol(text: &str) -> Result<&str, NetAddressError> {
    let Some((protocol, rest)) = text.split_once("://") else {
        return Ok(text);
    };
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    match protocol.bytes().all(is_allowed) {
        true => Ok(rest),
        false => Err(NetAddressError::InvalidProtocol),
    }
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
