//! What abuse of the exchange costs: nothing but the connection at first, and more each time.
//!
//! ```text
//!   offences within the memory    1st        2nd           3rd       4th and more
//!   the id is refused             not        10 minutes    2 hours   24 hours
//!   its host is refused           not        10 minutes    1 hour    1 hour
//! ```
//!
//! A rule that an honest node breaks after all, because its version is older or newer than those
//! that were weighed, costs it a reconnect and not a day. An id costs nothing to make, so hosts are
//! counted as well: their bans are shorter, for an honest node may get the address next.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ringwire_codec::NodeId;

use crate::time::Instant;

/// How long an id is refused, by how many offences it has committed (reference, `defaultBanTime`,
/// for the last).
const SPANS_OF_ID: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_secs(600),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(24 * 3600),
];

/// How long a host is refused.
const SPANS_OF_HOST: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(600),
    Duration::from_secs(3600),
];

/// How long an offence is remembered after the last one: longer than the longest ban, so that who
/// comes back from it and goes on is refused for as long again.
const MEMORY: Duration = Duration::from_secs(48 * 3600);

/// Offenders remembered at most; the one whose last offence is the oldest makes room. About 64
/// bytes each.
const REMEMBERED_MAX: usize = 4096;

/// Who committed an offence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Offender {
    Id(NodeId),
    /// An IPv4 address, or the first 64 bits of an IPv6 address: a host has them all.
    Host(IpAddr),
}

/// The offences of ids and hosts.
#[derive(Debug, Default)]
pub(super) struct Offences(BTreeMap<Offender, (usize, Instant)>);

impl Offences {
    /// Counts an offence of an id and tells for how long it is refused; zero for not at all.
    pub(super) fn count_id(&mut self, id: NodeId, now: Instant) -> Duration {
        self.count(Offender::Id(id), now, &SPANS_OF_ID)
    }

    /// Counts an offence from an address and tells for how long the address is refused; zero for
    /// not at all.
    pub(super) fn count_host(&mut self, ip: IpAddr, now: Instant) -> Duration {
        self.count(Offender::Host(host_of(ip)), now, &SPANS_OF_HOST)
    }

    fn count(&mut self, offender: Offender, now: Instant, spans: &[Duration]) -> Duration {
        let known = self.0.get(&offender).copied();
        let before = known.filter(|(_, last)| now - *last < MEMORY);
        let count = before.map_or(0, |(count, _)| count);
        if known.is_none() && self.0.len() >= REMEMBERED_MAX {
            self.forget_oldest();
        }
        self.0.insert(offender, (count + 1, now));
        spans[count.min(spans.len() - 1)]
    }

    fn forget_oldest(&mut self) {
        let oldest = self.0.iter().min_by_key(|(_, (_, last))| *last);
        if let Some(offender) = oldest.map(|(offender, _)| *offender) {
            self.0.remove(&offender);
        }
    }
}

fn host_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & (u128::MAX << 64)).into()),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> NodeId {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        NodeId::from_bytes(bytes)
    }

    fn at(hours: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(hours * 3600)
    }

    fn minutes(spans: impl IntoIterator<Item = Duration>) -> Vec<u64> {
        spans.into_iter().map(|span| span.as_secs() / 60).collect()
    }

    #[test]
    fn the_first_offence_costs_no_ban_and_each_further_one_a_longer_one_up_to_a_day() {
        let mut offences = Offences::default();
        let of_id = (0..6).map(|_| offences.count_id(id(1), at(0)));
        assert_eq!(minutes(of_id), [0, 10, 120, 1440, 1440, 1440]);
        assert_eq!(offences.count_id(id(2), at(0)), Duration::ZERO);
        let ip = [44, 1, 1, 1].into();
        let of_host = (0..5).map(|_| offences.count_host(ip, at(0)));
        assert_eq!(minutes(of_host), [0, 10, 60, 60, 60]);
    }

    #[test]
    fn an_offence_is_forgotten_two_days_after_the_last_one_and_not_before() {
        let mut offences = Offences::default();
        let mut count = |hours| offences.count_id(id(1), at(hours));
        assert_eq!(minutes([count(0), count(47), count(94)]), [0, 10, 120]);
        assert_eq!(count(94 + 48), Duration::ZERO);
    }

    #[test]
    fn a_host_of_ipv6_is_known_by_the_first_half_of_its_address() {
        let mut offences = Offences::default();
        let mut count = |ip: &str| offences.count_host(ip.parse().expect("an address"), at(0));
        assert_eq!(count("2a00:1:2:3::1"), Duration::ZERO);
        assert_eq!(count("2a00:1:2:4::1"), Duration::ZERO);
        assert!(!count("2a00:1:2:3:ffff::2").is_zero());
        assert_eq!(count("44.1.1.1"), Duration::ZERO);
        assert!(!count("::ffff:44.1.1.1").is_zero());
    }

    #[test]
    fn what_is_remembered_has_a_maximum_and_the_oldest_offence_makes_room() {
        let mut offences = Offences::default();
        for number in 0..REMEMBERED_MAX as u32 {
            offences.count_id(id(number), Instant::from_nanos(u64::from(number)));
        }
        let now = Instant::from_nanos(REMEMBERED_MAX as u64);
        offences.count_id(id(u32::MAX), now);
        assert_eq!(offences.0.len(), REMEMBERED_MAX);
        assert!(!offences.count_id(id(1), now).is_zero());
        assert_eq!(offences.count_id(id(0), now), Duration::ZERO);
    }
}
