//! The addresses to listen on: `tcp://HOST:PORT` and `unix:///PATH`, one or several.
//!
//! A host that is a name is looked up when the node starts, as in CometBFT: files for containers say
//! `tcp://localhost:26656` or name the container. Nothing is looked up here.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use ringwire_codec::Host;
use ringwire_codec::net_address::{
    NetAddressError, UNIX_SCHEME, check_unix_path, parse_listen_address,
};
use thiserror::Error;

/// What a good address looks like, for whoever wrote a bad one.
const EXAMPLE: &str = "write one like \"tcp://0.0.0.0:26656\" or \"unix:///run/node/p2p.sock\"";

/// Addresses of one node at most: each is a socket on every shard.
pub const LISTEN_ADDRS_MAX: usize = 16;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddr {
    /// An IP of this machine, or the one that stands for all of them. Port 0 takes any free port.
    Ip(SocketAddr),
    /// A name of this machine, looked up when the node starts, and a port.
    Name(String, u16),
    /// The path of a Unix socket, by the rules of
    /// [`check_unix_path`](ringwire_codec::net_address::check_unix_path).
    Unix(String),
}

impl ListenAddr {
    /// The address of a TCP listener, unless it stands under a name.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            ListenAddr::Ip(address) => Some(*address),
            ListenAddr::Name(..) | ListenAddr::Unix(_) => None,
        }
    }

    /// Whether it takes any free port, so that two of a kind do not stand against each other.
    fn takes_any_port(&self) -> bool {
        match self {
            ListenAddr::Ip(address) => address.port() == 0,
            ListenAddr::Name(_, port) => *port == 0,
            ListenAddr::Unix(_) => false,
        }
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(address: SocketAddr) -> Self {
        ListenAddr::Ip(address)
    }
}

/// A text is no address to listen on: what is wrong with it, and what it should have been.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ListenAddrError(String);

impl FromStr for ListenAddr {
    type Err = ListenAddrError;

    fn from_str(text: &str) -> Result<Self, ListenAddrError> {
        parse_listen_addr(text).map_err(ListenAddrError)
    }
}

/// As a peer's address has it behind the `@`: `host:port`, or `unix://` and a path.
impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddr::Ip(address) => address.fmt(f),
            ListenAddr::Name(name, port) => write!(f, "{name}:{port}"),
            ListenAddr::Unix(path) => write!(f, "{UNIX_SCHEME}{path}"),
        }
    }
}

/// Addresses as config.toml has them: each with its protocol, comma-separated.
pub(super) fn listen_text(addresses: &[ListenAddr]) -> String {
    let text = |address: &ListenAddr| match address {
        ListenAddr::Unix(_) => address.to_string(),
        ListenAddr::Ip(_) | ListenAddr::Name(..) => format!("tcp://{address}"),
    };
    let texts: Vec<_> = addresses.iter().map(text).collect();
    texts.join(",")
}

/// The rules of a list that are broken: a sentence each.
pub(super) fn listen_problems(addresses: &[ListenAddr]) -> Vec<String> {
    let mut problems = Vec::new();
    if addresses.is_empty() {
        problems.push(format!("names no address; {EXAMPLE}"));
    }
    if addresses.len() > LISTEN_ADDRS_MAX {
        let count = addresses.len();
        problems.push(format!(
            "names {count} addresses; a node listens on {LISTEN_ADDRS_MAX} at most"
        ));
    }
    for (place, address) in addresses.iter().enumerate() {
        if !address.takes_any_port() && addresses[..place].contains(address) {
            problems.push(format!("names {address} twice: take one of them out"));
        }
        if let ListenAddr::Unix(path) = address
            && let Err(error) = check_unix_path(path)
        {
            problems.push(format!("{address}: {error}"));
        }
    }
    problems
}

/// What peers are told of a list: its first TCP address, or port 0 of no address.
pub fn told_listen_addr(addresses: &[ListenAddr]) -> SocketAddr {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let mut tcp = addresses.iter().filter_map(ListenAddr::socket_addr);
    tcp.next().unwrap_or(nowhere)
}

/// Reads addresses to listen on, comma-separated; each a host and a port, `tcp://` before them or not,
/// or `unix://` and the path of a socket.
///
/// # Errors
/// What is wrong with the first bad one, and what it should have been.
pub fn parse_listen_addrs(text: &str) -> Result<Vec<ListenAddr>, String> {
    text.split(',')
        .map(|address| parse_listen_addr(address.trim()))
        .collect()
}

/// Reads one address to listen on.
///
/// # Errors
/// What is wrong with it, and what it should have been.
pub fn parse_listen_addr(text: &str) -> Result<ListenAddr, String> {
    if let Some(path) = text.strip_prefix(UNIX_SCHEME) {
        return match check_unix_path(path) {
            Ok(()) => Ok(ListenAddr::Unix(path.to_owned())),
            Err(error) => Err(format!("\"{text}\": {error}; {EXAMPLE}")),
        };
    }
    let address = match text.split_once("://") {
        Some(("tcp", address)) => address,
        Some((protocol, _)) => {
            let rule = "a node listens on TCP and on Unix sockets only";
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
        Ok((Host::Unix(path), _)) => Ok(ListenAddr::Unix(path.into())),
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

    fn ip(text: &str) -> ListenAddr {
        ListenAddr::Ip(text.parse().expect("an address"))
    }

    #[test]
    fn an_address_is_an_ip_or_a_name_with_a_port_or_a_path() {
        let name = |name: &str, port| Ok(ListenAddr::Name(name.to_owned(), port));
        for (text, expected) in [
            ("tcp://0.0.0.0:26656", Ok(ip("0.0.0.0:26656"))),
            ("127.0.0.1:0", Ok(ip("127.0.0.1:0"))),
            ("tcp://[::1]:7", Ok(ip("[::1]:7"))),
            ("tcp://[fe80::1%2]:7", Ok(ip("[fe80::1%2]:7"))),
            ("tcp://localhost:26656", name("localhost", 26656)),
            ("node_1:26656", name("node_1", 26656)),
            (
                "unix:///run/p2p.sock",
                Ok(ListenAddr::Unix("/run/p2p.sock".into())),
            ),
        ] {
            assert_eq!(parse_listen_addr(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_what_it_lacks_and_shows_one() {
        let long = format!("unix:///{}", "p".repeat(120));
        for (text, words) in [
            ("", "\"\" is empty; write one like"),
            ("tcp://", "is empty"),
            ("0.0.0.0", "has no port; write"),
            ("tcp://localhost", "has no port"),
            (":26656", "has no host; 0.0.0.0 stands for all"),
            ("1.2.3.4:", "has no port from 0 to 65535"),
            ("1.2.3.4:70000", "has no port from 0 to 65535"),
            ("udp://1.2.3.4:7", "asks for udp: a node listens on TCP"),
            ("unix://p2p.sock", "must begin with '/'"),
            (&long, "is longer than 107 bytes"),
            ("127.0.0.1.7:1", "neither an IP"),
            ("::1:26656", "neither an IP"),
        ] {
            let rule = parse_listen_addr(text).expect_err(text);
            assert!(rule.contains(words), "{words:?} is not in {rule:?}");
            assert!(rule.contains("tcp://0.0.0.0:26656"), "{rule}");
        }
    }

    #[test]
    fn a_list_is_read_as_it_is_shown_and_its_first_bad_address_is_named() {
        let text = "tcp://0.0.0.0:26656,tcp://[::]:26656,unix:///run/p2p.sock";
        let addresses = parse_listen_addrs(text).expect("three addresses");
        assert_eq!(listen_text(&addresses), text);
        let spaced = parse_listen_addrs(&text.replace(',', " , "));
        assert_eq!(spaced, Ok(addresses));
        let error = parse_listen_addrs("127.0.0.1:1,nowhere").expect_err("no port");
        assert!(error.starts_with("\"nowhere\" has no port"), "{error}");
        assert!(parse_listen_addrs("127.0.0.1:1,").is_err(), "an empty one");
    }

    #[test]
    fn peers_are_told_the_first_tcp_address_or_one_that_nobody_dials() {
        let told = |text: &str| {
            let addresses = parse_listen_addrs(text).expect("addresses");
            told_listen_addr(&addresses).to_string()
        };
        assert_eq!(told("unix:///p,[::1]:7,127.0.0.1:8"), "[::1]:7");
        assert_eq!(told("unix:///p"), "0.0.0.0:0");
    }

    #[test]
    fn a_list_names_each_address_once_and_not_too_many() {
        let faults = |addresses: Vec<ListenAddr>| listen_problems(&addresses).len();
        assert_eq!(faults(vec![ip("127.0.0.1:1"), ip("127.0.0.1:2")]), 0);
        assert_eq!(faults(vec![ip("127.0.0.1:1"), ip("127.0.0.1:1")]), 1);
        assert_eq!(faults(vec![ip("127.0.0.1:0"), ip("127.0.0.1:0")]), 0);
        assert_eq!(faults(Vec::new()), 1);
        assert_eq!(faults(vec![ip("127.0.0.1:0"); LISTEN_ADDRS_MAX]), 0);
        assert_eq!(faults(vec![ip("127.0.0.1:0"); LISTEN_ADDRS_MAX + 1]), 1);
        assert_eq!(faults(vec![ListenAddr::Unix("p2p.sock".into())]), 1);
    }
}
