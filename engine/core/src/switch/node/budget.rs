//! Who counts together: the peers at an address, those of a subnet, the handshakes of a host. A ban
//! of an address is of its host, too.
//!
//! An address is what it is on the wire, with IPv4 mapped into IPv6 taken as IPv4. What one operator
//! can hold many of costs nothing to hold one more of, so what is limited against a flood is counted
//! by the piece of address space that is given away as a whole:
//!
//! ```text
//!            a host (handshakes)     a subnet (inbound peers)
//!   IPv4     the address             /24
//!   IPv6     /64, one link's         /48, one site's (RFC 6177)
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A piece of address space: its first address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Prefix(IpAddr);

impl Prefix {
    /// What one host is counted by.
    pub(crate) fn host(ip: IpAddr) -> Self {
        Self::cut(ip, 32, 64)
    }

    /// What one subnet is counted by.
    pub(crate) fn subnet(ip: IpAddr) -> Self {
        Self::cut(ip, 24, 48)
    }

    /// Its first address.
    pub(crate) fn first_address(&self) -> IpAddr {
        self.0
    }

    fn cut(ip: IpAddr, v4_bits: u32, v6_bits: u32) -> Self {
        Prefix(match ip.to_canonical() {
            IpAddr::V4(ip) => {
                Ipv4Addr::from_bits(ip.to_bits() & (u32::MAX << (32 - v4_bits))).into()
            }
            IpAddr::V6(ip) => {
                Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - v6_bits))).into()
            }
        })
    }
}

/// How many there are of each key. A key that nothing is counted under takes no memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tally<K>(BTreeMap<K, usize>);

impl<K: Ord> Tally<K> {
    /// Nothing is counted.
    pub(crate) fn new() -> Self {
        Tally(BTreeMap::new())
    }

    /// One more.
    pub(crate) fn add(&mut self, key: K) {
        *self.0.entry(key).or_insert(0) += 1;
    }

    /// One less.
    ///
    /// # Panics
    /// If none is counted under the key: whoever takes away has added.
    pub(crate) fn take(&mut self, key: &K) {
        let count = self.0.get_mut(key).expect("what is taken away was added");
        *count -= 1;
        if *count == 0 {
            self.0.remove(key);
        }
    }

    /// Keys under which somebody is counted.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many there are.
    pub(crate) fn count(&self, key: &K) -> usize {
        self.0.get(key).copied().unwrap_or(0)
    }

    /// Whether one more would be over `max`; zero means no limit.
    pub(crate) fn is_full(&self, key: &K, max: usize) -> bool {
        max != 0 && self.count(key) >= max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_of_one_host_and_of_one_subnet_count_together() {
        for (one, other, same_host, same_subnet) in [
            ("10.0.0.1", "10.0.0.1", true, true),
            ("10.0.0.1", "::ffff:10.0.0.1", true, true),
            ("10.0.0.0", "10.0.0.255", false, true),
            ("10.0.0.255", "10.0.1.0", false, false),
            ("2a00:1:2:3::1", "2a00:1:2:3:ffff::", true, true),
            ("2a00:1:2:3::1", "2a00:1:2:4::1", false, true),
            ("2a00:1:2:3::1", "2a00:1:3:3::1", false, false),
            ("::", "0.0.0.0", false, false),
        ] {
            let (one, other) = (ip(one), ip(other));
            assert_eq!(
                Prefix::host(one) == Prefix::host(other),
                same_host,
                "{other}"
            );
            assert_eq!(
                Prefix::subnet(one) == Prefix::subnet(other),
                same_subnet,
                "{other}"
            );
        }
    }

    #[test]
    fn the_last_one_that_fits_fits_and_zero_is_no_limit() {
        let mut tally = Tally::new();
        tally.add(1);
        assert!(!tally.is_full(&1, 2) && tally.is_full(&1, 1) && !tally.is_full(&1, 0));
        tally.add(1);
        assert!(tally.is_full(&1, 2) && !tally.is_full(&2, 1));
        tally.take(&1);
        tally.take(&1);
        assert_eq!((tally.count(&1), tally), (0, Tally::new()));
    }
}
