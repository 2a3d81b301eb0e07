//! The networks of the internet that are not plain public addresses.
//!
//! IPv4 addresses are expected in their own form, not mapped into IPv6; [`super::Host`] sees to it.
//! The list is that of the reference, which took it from btcd, and what IANA keeps for examples,
//! groups and later use. Networks that somebody may run nodes in although the internet does not
//! reach them all (100.64.0.0/10 of RFC 6598, 198.18.0.0/15 of RFC 2544) count as public, as in the
//! reference.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Documentation, RFC 3849.
const DOCUMENTATION: Net = Net::new([0x2001, 0x0db8, 0, 0, 0, 0], 32);
/// Documentation, RFC 9637.
const DOCUMENTATION_LATER: Net = Net::new([0x3fff, 0, 0, 0, 0, 0], 20);
/// Addresses that drop what is sent to them, RFC 6666.
const DISCARD: Net = Net::new([0x0100, 0, 0, 0, 0, 0], 64);
/// 6to4, RFC 3964.
const SIX_TO_FOUR: Net = Net::new([0x2002, 0, 0, 0, 0, 0], 16);
/// Unique local addresses, RFC 4193. OnionCat's fd87:d87e:eb43::/48 lies within.
const UNIQUE_LOCAL: Net = Net::new([0xfc00, 0, 0, 0, 0, 0], 7);
/// Teredo, RFC 4380.
const TEREDO: Net = Net::new([0x2001, 0, 0, 0, 0, 0], 32);
/// ORCHID, RFC 4843.
const ORCHID: Net = Net::new([0x2001, 0x0010, 0, 0, 0, 0], 28);
/// Link-local addresses, RFC 4862.
const LINK_LOCAL: Net = Net::new([0xfe80, 0, 0, 0, 0, 0], 64);
/// IPv4 embedded for translation, RFC 6052.
const NAT64: Net = Net::new([0x0064, 0xff9b, 0, 0, 0, 0], 96);
/// IPv4 translated, RFC 6145.
const TRANSLATED: Net = Net::new([0, 0, 0, 0, 0xffff, 0], 96);

/// A network of IPv6. No prefix is longer than 96 bits, so the last two groups are always zero.
struct Net {
    prefix: u128,
    mask: u128,
}

impl Net {
    const fn new(groups: [u16; 6], prefix_bits: u32) -> Self {
        let [a, b, c, d, e, f] = groups;
        let prefix = Ipv6Addr::new(a, b, c, d, e, f, 0, 0).to_bits();
        let mask = u128::MAX << (u128::BITS - prefix_bits);
        assert!(
            prefix & !mask == 0,
            "a prefix has no bits behind its length"
        );
        Self { prefix, mask }
    }

    fn contains(&self, ip: Ipv6Addr) -> bool {
        ip.to_bits() & self.mask == self.prefix
    }
}

pub(super) fn is_valid(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_broadcast() && !ip.is_multicast(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !DOCUMENTATION.contains(ip),
    }
}

pub(super) fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || is_this_network(ip),
        IpAddr::V6(ip) => ip.is_loopback(),
    }
}

pub(super) fn is_routable(ip: IpAddr) -> bool {
    is_valid(ip) && !is_local(ip) && !is_confined(ip)
}

pub(super) fn is_teredo(ip: Ipv6Addr) -> bool {
    TEREDO.contains(ip)
}

/// Whether IPv6 packets to this address travel inside IPv4 for part of the way.
pub(super) fn is_tunnelled(ip: Ipv6Addr) -> bool {
    [SIX_TO_FOUR, NAT64, TRANSLATED]
        .iter()
        .any(|net| net.contains(ip))
}

/// Whether the address means something only within one site, link or overlay.
fn is_confined(ip: IpAddr) -> bool {
    match ip {
        // RFC 1918, RFC 3927, RFC 5737 and RFC 1112.
        IpAddr::V4(ip) => {
            ip.is_private() || ip.is_link_local() || ip.is_documentation() || is_reserved(ip)
        }
        IpAddr::V6(ip) => [
            LINK_LOCAL,
            UNIQUE_LOCAL,
            ORCHID,
            DOCUMENTATION_LATER,
            DISCARD,
        ]
        .iter()
        .any(|net| net.contains(ip)),
    }
}

/// 240.0.0.0/4, RFC 1112.
fn is_reserved(ip: Ipv4Addr) -> bool {
    ip.octets()[0] >= 240
}

/// 0.0.0.0/8, RFC 1122.
fn is_this_network(ip: Ipv4Addr) -> bool {
    ip.octets()[0] == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and last address of each net are within, their neighbours are not.
    #[test]
    fn nets_end_where_their_prefix_ends() {
        let nets = [
            DOCUMENTATION,
            DOCUMENTATION_LATER,
            DISCARD,
            SIX_TO_FOUR,
            UNIQUE_LOCAL,
            TEREDO,
            ORCHID,
            LINK_LOCAL,
            NAT64,
            TRANSLATED,
        ];
        for net in nets {
            let (first, last) = (net.prefix, net.prefix | !net.mask);
            for (bits, within) in [
                (first - 1, false),
                (first, true),
                (last, true),
                (last + 1, false),
            ] {
                assert_eq!(net.contains(Ipv6Addr::from_bits(bits)), within, "{bits:x}");
            }
        }
    }

    #[test]
    fn groups_of_hosts_are_nobodys_address() {
        for ip in ["224.0.0.1", "239.255.255.255", "ff02::1"] {
            assert!(!is_valid(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "223.255.255.255",
            "240.0.0.1",
            "192.0.2.1",
            "3fff::1",
            "fe80::1",
        ] {
            assert!(is_valid(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn confined_and_invalid_addresses_are_not_routable() {
        let not_routable = [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "127.0.0.1",
            "169.254.1.2",
            "172.16.1.2",
            "172.31.255.255",
            "192.168.1.2",
            "192.0.2.1",
            "198.51.100.255",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "2001:db8::1234",
            "2001:10::1234",
            "fc00::1234",
            "fd87:d87e:eb43:1234::5678",
            "fe80::1234",
            "3fff:fff::1",
            "100::1",
            "ff02::1",
            "ff0e::1234",
        ];
        for ip in not_routable {
            assert!(!is_routable(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn public_and_tunnelled_addresses_are_routable() {
        let routable = [
            "1.2.3.4",
            "9.255.255.255",
            "11.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.3.1",
            "198.51.101.0",
            "203.0.114.0",
            "223.255.255.255",
            "100.64.0.1",
            "169.253.0.1",
            "2001:0:1234::1",
            "2001:470::1",
            "2002:c01:203::",
            "3fff:1000::1",
            "64:ff9b::c01:203",
        ];
        for ip in routable {
            assert!(is_routable(ip.parse().unwrap()), "{ip}");
        }
    }
}
