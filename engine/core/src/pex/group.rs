//! The network that an address belongs to, as far as somebody pays for it.
//!
//! Addresses are cheap, networks are not: one machine can hold thousands of ids and ports, one owner
//! a whole block of IPs. The address book therefore counts groups, not addresses, when it decides
//! which buckets may be filled: IPv4 by /16, IPv6 by /32, and whatever carries an IPv4 address
//! inside by that address. The rules are those of the reference, which took them from btcd.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringwire_codec::{NetAddress, NodeId};

use crate::peer::{PeerInfo, RemoteAddr};

/// Bytes by which a group enters a hash.
pub(super) const GROUP_BYTES: usize = 6;

/// The group of an address. Its text is that of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Group {
    /// This machine; a strict book only.
    Local,
    /// A network that the internet does not reach; a strict book only.
    Unroutable,
    /// The first two bytes of an IPv4 address, its own or the one it carries.
    V4([u8; 2]),
    /// The first four bits of an address on Tor behind OnionCat: sixteen groups for all of Tor.
    Tor(u8),
    /// An IPv6 network: its first 32 bits, of Hurricane Electric's tunnels the first 36.
    V6 { bits: [u8; 5], prefix: Prefix },
    /// A host name: whoever can choose names can choose any number of them.
    Name,
}

/// How much of an IPv6 address names its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Prefix {
    Bits32,
    Bits36,
}

impl Group {
    /// The group of `address`. In a strict book all that cannot be reached over the internet falls
    /// into two groups.
    pub(super) fn of(address: &NetAddress, strict: bool) -> Group {
        let Some(ip) = address.host.ip() else {
            return Group::Name;
        };
        if strict && address.is_local() {
            return Group::Local;
        }
        if strict && !address.is_routable() {
            return Group::Unroutable;
        }
        match ip {
            IpAddr::V4(ip) => Group::of_v4(ip.octets()),
            IpAddr::V6(ip) => Group::of_v6(ip),
        }
    }

    fn of_v4([a, b, _, _]: [u8; 4]) -> Group {
        Group::V4([a, b])
    }

    fn of_v6(ip: Ipv6Addr) -> Group {
        let octets = ip.octets();
        let [.., a, b, c, d] = octets;
        let bits = [octets[0], octets[1], octets[2], octets[3], 0];
        match ip.segments() {
            // IPv4 translated (RFC 6145) and embedded for translation (RFC 6052).
            [0, 0, 0, 0, 0xffff, 0, ..] | [0x0064, 0xff9b, 0, 0, 0, 0, ..] => {
                Group::of_v4([a, b, c, d])
            }
            // 6to4 (RFC 3964).
            [0x2002, ..] => Group::of_v4([octets[2], octets[3], octets[4], octets[5]]),
            // Teredo (RFC 4380) hides the IPv4 address behind its complement.
            [0x2001, 0, ..] => Group::of_v4([!a, !b, !c, !d]),
            // OnionCat.
            [0xfd87, 0xd87e, 0xeb43, ..] => Group::Tor(octets[6] & 0x0f),
            // Hurricane Electric gives tunnels away by the /48.
            [0x2001, 0x0470, ..] => Group::V6 {
                bits: [bits[0], bits[1], bits[2], bits[3], octets[4] & 0xf0],
                prefix: Prefix::Bits36,
            },
            _ => Group::V6 {
                bits,
                prefix: Prefix::Bits32,
            },
        }
    }

    /// The group as bytes of one length; two groups never share them.
    pub(super) fn to_bytes(self) -> [u8; GROUP_BYTES] {
        match self {
            Group::Local => [0; GROUP_BYTES],
            Group::Unroutable => [1, 0, 0, 0, 0, 0],
            Group::V4([a, b]) => [2, a, b, 0, 0, 0],
            Group::Tor(nibble) => [3, nibble, 0, 0, 0, 0],
            Group::Name => [4, 0, 0, 0, 0, 0],
            Group::V6 { bits, prefix } => {
                let tag = match prefix {
                    Prefix::Bits32 => 5,
                    Prefix::Bits36 => 6,
                };
                [tag, bits[0], bits[1], bits[2], bits[3], bits[4]]
            }
        }
    }
}

/// The network of a connected peer, as the address book counts networks, in a number: equal for equal ones. All that is
/// behind Unix sockets is one.
pub(crate) fn group_of(peer: &PeerInfo) -> u64 {
    group_of_remote(peer.id, &peer.remote_addr)
}

fn group_of_remote(id: NodeId, remote: &RemoteAddr) -> u64 {
    let group = remote.socket_addr().map_or(Group::Local, |address| {
        let address = NetAddress::from_ip(id, address.ip().to_canonical(), address.port());
        Group::of(&address, false)
    });
    let mut bytes = [0; 8];
    bytes[..GROUP_BYTES].copy_from_slice(&group.to_bytes());
    u64::from_le_bytes(bytes)
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Group::Local => f.write_str("local"),
            Group::Unroutable => f.write_str("unroutable"),
            Group::Name => f.write_str("name"),
            Group::V4([a, b]) => Ipv4Addr::new(a, b, 0, 0).fmt(f),
            Group::Tor(nibble) => write!(f, "tor:{nibble}"),
            Group::V6 { bits, .. } => {
                let mut octets = [0; 16];
                octets[..bits.len()].copy_from_slice(&bits);
                Ipv6Addr::from(octets).fmt(f)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(ip: &str, strict: bool) -> String {
        let ip = ip.parse().unwrap();
        let address = NetAddress::from_ip(NodeId::from_bytes([1; 20]), ip, 26_656);
        Group::of(&address, strict).to_string()
    }

    const PUBLIC: &[(&str, &str)] = &[
        ("12.1.2.3", "12.1.0.0"),
        ("173.1.2.3", "173.1.0.0"),
        ("2002:0c01:0203::", "12.1.0.0"),
        ("2001:0:1234::f3fe:fdfc", "12.1.0.0"),
        ("64:ff9b::0c01:0203", "12.1.0.0"),
        ("::ffff:0:0c01:0203", "12.1.0.0"),
        ("2602:100::1", "2602:100::"),
        ("2001:470:1f10:a1::2", "2001:470:1000::"),
    ];

    #[test]
    fn connected_peers_of_one_network_have_one_number_and_all_behind_unix_sockets_another() {
        let number = |ip: &str| group_of_remote(NodeId::from_bytes([1; 20]), &remote(ip));
        let remote_unix = RemoteAddr::Unix("/run/p2p.sock".into());
        let unix = group_of_remote(NodeId::from_bytes([1; 20]), &remote_unix);
        assert_eq!(number("12.1.2.3"), number("::ffff:12.1.9.9"));
        assert_ne!(number("12.1.2.3"), number("12.2.2.3"));
        assert_ne!(number("127.0.0.1"), number("10.0.0.1"));
        assert_ne!(number("127.0.0.1"), unix);
    }

    fn remote(ip: &str) -> RemoteAddr {
        let ip: IpAddr = ip.parse().unwrap();
        RemoteAddr::Ip((ip, 26_656).into())
    }

    // Conformance item 95.
    #[test]
    fn an_address_belongs_to_the_network_that_somebody_pays_for() {
        for (ip, expected) in PUBLIC {
            assert_eq!(group(ip, false), *expected, "{ip}");
        }
        assert_eq!(group("fd87:d87e:eb43:1234::5678", false), "tor:2");
        assert_eq!(group("fd87:d87e:eb43:1345::6789", false), "tor:3");
    }

    // Conformance item 95.
    #[test]
    fn a_strict_book_puts_what_the_internet_does_not_reach_into_two_groups() {
        for ip in ["127.0.0.1", "::1", "0.0.0.0", "0.1.2.3"] {
            assert_eq!(group(ip, true), "local", "{ip}");
            assert_ne!(group(ip, false), "local", "{ip}");
        }
        for ip in [
            "255.255.255.255",
            "10.1.2.3",
            "172.16.1.2",
            "192.168.1.2",
            "2001:db8::1234",
            "169.254.1.2",
            "fc00::1234",
            "2001:10::1234",
            "fe80::1234",
            "fd87:d87e:eb43:1234::5678",
        ] {
            assert_eq!(group(ip, true), "unroutable", "{ip}");
            assert_ne!(group(ip, false), "unroutable", "{ip}");
        }
        for (ip, expected) in PUBLIC {
            assert_eq!(group(ip, true), *expected, "{ip}");
        }
    }

    #[test]
    fn a_name_has_a_group_of_its_own_and_a_mapped_address_is_ipv4() {
        let text = "0101010101010101010101010101010101010101@seed.example.com:26656";
        let named: NetAddress = text.parse().unwrap();
        assert_eq!(Group::of(&named, true), Group::Name);
        assert_eq!(group("::ffff:12.1.2.3", true), "12.1.0.0");
    }

    #[test]
    fn no_two_kinds_of_group_share_their_bytes() {
        let v6 = |prefix| Group::V6 {
            bits: [0; 5],
            prefix,
        };
        let groups = [
            Group::Local,
            Group::Unroutable,
            Group::V4([0, 0]),
            Group::Tor(0),
            Group::Name,
            v6(Prefix::Bits32),
            v6(Prefix::Bits36),
        ];
        for (at, group) in groups.iter().enumerate() {
            for other in &groups[at + 1..] {
                assert_ne!(group.to_bytes(), other.to_bytes());
            }
        }
    }
}
