//! The address to listen on: `tcp://HOST:PORT`.
//!
//! A host that is a name is looked up when the node starts, as in CometBFT: files for containers say
//! `tcp://localhost:26656` or name the container. Nothing is looked up here.

use std::net::{Ipv4Addr, SocketAddr};

use ringwire_codec::Host;
use ringwire_codec::net_address::{NetAddressError, parse_listen_address};

use super::Config;

/// What a good address looks like, for whoever wrote a bad one.
const EXAMPLE: &str = "write one like \"tcp://0.0.0.0:26656\"";

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddr {
    /// An IP of this machine, or the one that stands for all of them.
    Ip(SocketAddr),
    /// A name of this machine, and a port.
    Name(String, u16),
}

impl Config {
    /// Listens at `address`: sets [`Config::listen_addr`] and [`Config::listen_name`].
    pub fn set_listen_addr(&mut self, address: ListenAddr) {
        (self.listen_addr, self.listen_name) = match address {
            ListenAddr::Ip(address) => (address, None),
            ListenAddr::Name(name, port) => {
                (SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), Some(name))
            }
        };
    }

    /// The address to listen on as config.toml has it, without `tcp://`.
    pub fn listen_text(&self) -> String {
        match &self.listen_name {
            Some(name) => format!("{name}:{}", self.listen_addr.port()),
            None => self.listen_addr.to_string(),
        }
    }
}

/// Reads an address to listen on: a host and a port, `tcp://` before them or not.
///
/// # Errors
/// What is wrong with it, and what it should have been.
pub fn parse_listen_addr(text: &str) -> Result<ListenAddr, String> {
    let address = match text.split_once("://") {
        Some(("tcp", address)) => address,
        Some((protocol, _)) => {
            let rule = "a node listens on TCP only";
            return Err(format!("\"{text}\" asks for {protocol}: {rule}; {EXAMPLE}"));
        }
        None => text,
    };
    // With the zone of a link-local address, which only the machine itself knows.
    if let Ok(address) = address.parse() {
        return Ok(ListenAddr::Ip(address));
    }
    match parse_listen_address(address) {
        Ok((Host::Ip(ip), port)) => Ok(ListenAddr::Ip(SocketAddr::new(ip, port))),
        Ok((Host::Name(name), port)) => Ok(ListenAddr::Name(name.into(), port)),
        Err(error) => Err(format!("\"{text}\" {}; {EXAMPLE}", fault(address, error))),
    }
}

fn fault(address: &str, error: NetAddressError) -> &'static str {
    match error {
        NetAddressError::NoHost if address.is_empty() => "is empty",
        NetAddressError::NoHost => "has no host; 0.0.0.0 stands for all of this machine's",
        NetAddressError::NoPort => "has no port",
        NetAddressError::InvalidPort => "has no port from 0 to 65535",
        NetAddressError::TooLong => "is too long",
        _ => "has a host that is neither an IP (IPv6 in brackets) nor a name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_or_a_name_with_a_port() {
        let ip = |text: &str| Ok(ListenAddr::Ip(text.parse().expect("an address")));
        let name = |name: &str, port| Ok(ListenAddr::Name(name.to_owned(), port));
        for (text, expected) in [
            ("tcp://0.0.0.0:26656", ip("0.0.0.0:26656")),
            ("127.0.0.1:0", ip("127.0.0.1:0")),
            ("tcp://[::1]:7", ip("[::1]:7")),
            ("tcp://[fe80::1%2]:7", ip("[fe80::1%2]:7")),
            ("tcp://localhost:26656", name("localhost", 26656)),
            ("node_1:26656", name("node_1", 26656)),
        ] {
            assert_eq!(parse_listen_addr(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_what_it_lacks_and_shows_one() {
        for (text, words) in [
            ("", "\"\" is empty; write one like"),
            ("tcp://", "is empty"),
            ("0.0.0.0", "has no port; write"),
            ("tcp://localhost", "has no port"),
            (":26656", "has no host; 0.0.0.0 stands for all"),
            ("1.2.3.4:", "has no port from 0 to 65535"),
            ("1.2.3.4:70000", "has no port from 0 to 65535"),
            (
                "unix:///tmp/p2p.sock",
                "asks for unix: a node listens on TCP only",
            ),
            ("127.0.0.1.7:1", "neither an IP"),
            ("::1:26656", "neither an IP"),
        ] {
            let rule = parse_listen_addr(text).expect_err(text);
            assert!(rule.contains(words), "{words:?} is not in {rule:?}");
            assert!(rule.contains("tcp://0.0.0.0:26656"), "{rule}");
        }
    }
}
