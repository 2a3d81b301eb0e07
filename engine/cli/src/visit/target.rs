//! Whom to visit: where a node listens, and which id it is to have.

use std::fmt;
use std::str::FromStr;

use ringwire_codec::net_address::{
    NetAddressError, UNIX_SCHEME, check_unix_path, parse_listen_address,
};
use ringwire_codec::{Host, NetAddress, NodeId};

/// A node to visit, as `ID@HOST:PORT`, or `ID@unix:///PATH` for one on this machine; where nobody knows the
/// id, without `ID@`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Target {
    /// The id that its key must have.
    pub(crate) id: Option<NodeId>,
    /// Where it listens.
    pub(crate) host: Host,
    /// The TCP port; zero for a Unix socket.
    pub(crate) port: u16,
}

impl From<NetAddress> for Target {
    fn from(address: NetAddress) -> Self {
        Target {
            id: Some(address.id),
            host: address.host,
            port: address.port,
        }
    }
}

impl FromStr for Target {
    type Err = NetAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A path may have an @, but an id has no slash before it.
        if let Some(path) = text.strip_prefix(UNIX_SCHEME) {
            check_unix_path(path)?;
            return Ok(Target {
                id: None,
                host: Host::Unix(path.into()),
                port: 0,
            });
        }
        if text.contains('@') {
            return text.parse::<NetAddress>().map(Target::from);
        }
        let (host, port) = parse_listen_address(text)?;
        Ok(Target {
            id: None,
            host,
            port,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = self.id {
            write!(f, "{id}@")?;
        }
        match &self.host {
            Host::Ip(ip) if ip.is_ipv6() => write!(f, "[{ip}]:{}", self.port),
            host @ Host::Unix(_) => host.fmt(f),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_as_it_is_written() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        for text in [
            format!("{id}@192.0.2.1:26656"),
            format!("{id}@[2001:db8::1]:1"),
            String::from("node.example.org:26656"),
            String::from("[2001:db8::1]:1"),
            format!("{id}@unix:///run/node/p2p.sock"),
            String::from("unix:///run/node@home/p2p.sock"),
        ] {
            let target: Target = text.parse().expect("it is in order");
            assert_eq!(target.to_string(), text);
        }
        assert_eq!("192.0.2.1".parse::<Target>(), Err(NetAddressError::NoPort));
        let short = "0123@192.0.2.1:26656".parse::<Target>();
        assert_eq!(short, Err(NetAddressError::InvalidId));
        for text in [
            format!("{id}@unix://p2p.sock"),
            String::from("unix://p2p.sock"),
        ] {
            let nowhere = text.parse::<Target>();
            assert_eq!(nowhere, Err(NetAddressError::InvalidUnixPath), "{text}");
        }
    }
}
