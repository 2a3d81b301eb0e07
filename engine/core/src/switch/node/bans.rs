//! Who is refused, until when, and by whose word.
//!
//! ```text
//!   the operator    ban, unban, list ─▶ [ids: BANS_MAX]  [hosts: BANS_MAX]
//!   reactors        ban              ─▶ [ids: BANS_MAX]  [hosts: BANS_MAX]
//! ```
//!
//! Bounded: an application that bans whoever annoys it must not be able to fill its memory with keys
//! that an attacker makes up. What the operator banned has tables of its own, so that no number of
//! throwaway keys that misbehave can push it out: in a full table the ban that ends first makes
//! room, and only for one of the same origin.
//!
//! An address is banned as handshakes are counted: a host, which for IPv6 is its /64 (see
//! [`Prefix::host`]). Whoever has one address of it has all of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ringwire_codec::NodeId;

use crate::peer::{Ban, BanOrigin, BanTarget};
use crate::switch::node::budget::Prefix;
use crate::time::Instant;

/// Bans of one origin remembered at most, of ids and again of hosts: a few hundred kilobytes.
pub(crate) const BANS_MAX: usize = 4096;

/// All bans of a node, or what a gate knows of them.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    ids: Ranks<NodeId>,
    hosts: Ranks<Prefix>,
}

impl Bans {
    /// Refuses somebody until `until`, or until an earlier ban ends, whichever is later: who bans
    /// for a minute does not forgive what somebody else banned for a day.
    pub(crate) fn insert(&mut self, target: BanTarget, until: Instant, origin: BanOrigin) {
        match target {
            BanTarget::Id(id) => self.ids.insert(id, until, origin),
            BanTarget::Ip(ip) => self.hosts.insert(Prefix::host(ip), until, origin),
        }
    }

    /// Ends the bans of somebody, whoever made them; says whether there were any.
    pub(crate) fn lift(&mut self, target: BanTarget) -> bool {
        match target {
            BanTarget::Id(id) => self.ids.lift(&id),
            BanTarget::Ip(ip) => self.hosts.lift(&Prefix::host(ip)),
        }
    }

    /// When the ban of an id ends, if it is banned at `now`.
    pub(crate) fn of_id(&self, id: &NodeId, now: Instant) -> Option<Instant> {
        self.ids.until(id, now)
    }

    /// When the ban of an address ends, if it is banned at `now`.
    pub(crate) fn of_ip(&self, ip: IpAddr, now: Instant) -> Option<Instant> {
        self.hosts.until(&Prefix::host(ip), now)
    }

    /// All that hold at `now`: the operator's first, ids before addresses.
    pub(crate) fn list(&self, now: Instant) -> Vec<Ban> {
        let origins = [BanOrigin::Operator, BanOrigin::Reactor];
        let of = |origin| {
            let ids = self.ids.of(origin).holding(now);
            let hosts = self.hosts.of(origin).holding(now);
            let ids = ids.map(|(id, left)| (BanTarget::Id(*id), left));
            let hosts = hosts.map(|(host, left)| (BanTarget::Ip(host.first_address()), left));
            ids.chain(hosts).map(move |(target, ends_in)| Ban {
                target,
                ends_in,
                origin,
            })
        };
        origins.into_iter().flat_map(of).collect()
    }
}

/// Bans of one kind of key, by origin.
#[derive(Debug)]
struct Ranks<K> {
    operator: Table<K>,
    reactor: Table<K>,
}

impl<K: Ord + Copy> Ranks<K> {
    fn of(&self, origin: BanOrigin) -> &Table<K> {
        match origin {
            BanOrigin::Operator => &self.operator,
            BanOrigin::Reactor => &self.reactor,
        }
    }

    fn insert(&mut self, key: K, until: Instant, origin: BanOrigin) {
        match origin {
            BanOrigin::Operator => self.operator.insert(key, until),
            BanOrigin::Reactor => self.reactor.insert(key, until),
        }
    }

    fn lift(&mut self, key: &K) -> bool {
        let lifted = [self.operator.0.remove(key), self.reactor.0.remove(key)];
        lifted.iter().any(Option::is_some)
    }

    fn until(&self, key: &K, now: Instant) -> Option<Instant> {
        self.operator
            .until(key, now)
            .max(self.reactor.until(key, now))
    }
}

impl<K> Default for Ranks<K> {
    fn default() -> Self {
        Ranks {
            operator: Table(BTreeMap::new()),
            reactor: Table(BTreeMap::new()),
        }
    }
}

/// When the ban of each key ends.
#[derive(Debug)]
struct Table<K>(BTreeMap<K, Instant>);

impl<K: Ord + Copy> Table<K> {
    fn insert(&mut self, key: K, until: Instant) {
        if self.0.len() >= BANS_MAX && !self.0.contains_key(&key) {
            let soonest = self.0.iter().min_by_key(|(_, until)| **until);
            let soonest = soonest.map(|(key, _)| *key);
            soonest.map(|key| self.0.remove(&key));
        }
        let end = self.0.entry(key).or_insert(until);
        *end = until.max(*end);
    }

    fn until(&self, key: &K, now: Instant) -> Option<Instant> {
        self.0.get(key).copied().filter(|until| *until > now)
    }

    /// The keys banned at `now`, and how long they still are.
    fn holding(&self, now: Instant) -> impl Iterator<Item = (&K, Duration)> {
        let holding = self.0.iter().filter(move |(_, until)| **until > now);
        holding.map(move |(key, until)| (key, *until - now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BanOrigin::{Operator, Reactor};

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn id(number: u64) -> NodeId {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        NodeId::from_bytes(bytes)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_ban_ends_at_its_instant_and_not_before() {
        let mut bans = Bans::default();
        bans.insert(BanTarget::Id(id(1)), at(5), Operator);
        assert_eq!(bans.of_id(&id(1), at(4)), Some(at(5)));
        assert_eq!(bans.of_id(&id(1), at(5)), None);
        assert_eq!(bans.list(at(5)), []);
    }

    #[test]
    fn a_shorter_ban_does_not_end_a_longer_one_whoever_made_it() {
        for (first, second) in [
            (Operator, Operator),
            (Operator, Reactor),
            (Reactor, Operator),
        ] {
            let mut bans = Bans::default();
            bans.insert(BanTarget::Id(id(1)), at(9), first);
            bans.insert(BanTarget::Id(id(1)), at(5), second);
            assert_eq!(bans.of_id(&id(1), at(6)), Some(at(9)));
            bans.insert(BanTarget::Id(id(1)), at(20), second);
            assert_eq!(bans.of_id(&id(1), at(19)), Some(at(20)));
        }
    }

    #[test]
    fn the_ban_that_ends_first_makes_room_for_one_more() {
        let mut bans = Bans::default();
        for number in 0..=BANS_MAX as u64 {
            bans.insert(BanTarget::Id(id(number)), at(number + 1), Reactor);
        }
        assert_eq!(bans.list(Instant::ZERO).len(), BANS_MAX);
        assert_eq!(bans.of_id(&id(0), Instant::ZERO), None);
        assert!(bans.of_id(&id(1), Instant::ZERO).is_some());
        assert!(bans.of_id(&id(BANS_MAX as u64), Instant::ZERO).is_some());
    }

    #[test]
    fn no_number_of_throwaway_keys_or_addresses_lifts_what_the_operator_banned() {
        let mut bans = Bans::default();
        let (enemy, his_place) = (BanTarget::Id(id(7)), BanTarget::Ip(ip("10.9.9.9")));
        bans.insert(enemy, at(2), Operator);
        bans.insert(his_place, at(2), Operator);
        for number in 0..2 * BANS_MAX as u64 {
            bans.insert(BanTarget::Id(id(1000 + number)), at(100), Reactor);
            let address = IpAddr::from((number as u32).to_be_bytes());
            bans.insert(BanTarget::Ip(address), at(100), Reactor);
        }
        assert_eq!(bans.of_id(&id(7), at(1)), Some(at(2)));
        assert_eq!(bans.of_ip(ip("10.9.9.9"), at(1)), Some(at(2)));
        assert_eq!(bans.list(at(1)).len(), 2 + 2 * BANS_MAX);
        assert_eq!(bans.list(at(1))[0].target, enemy);
    }

    #[test]
    fn an_address_is_banned_with_its_whole_host_and_mapped_ones_are_what_they_map() {
        let mut bans = Bans::default();
        bans.insert(BanTarget::Ip(ip("2a00:1:2:3::1")), at(5), Operator);
        bans.insert(BanTarget::Ip(ip("::ffff:10.0.0.1")), at(5), Operator);
        for (address, is_banned) in [
            ("2a00:1:2:3:ffff::9", true),
            ("2a00:1:2:4::1", false),
            ("10.0.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("10.0.0.2", false),
        ] {
            let until = bans.of_ip(ip(address), Instant::ZERO);
            assert_eq!(until.is_some(), is_banned, "{address}");
        }
        let targets: Vec<_> = bans
            .list(Instant::ZERO)
            .iter()
            .map(Ban::to_string)
            .collect();
        assert_eq!(targets.len(), 2);
        assert!(targets[0].starts_with("10.0.0.1, "), "{targets:?}");
        assert!(targets[1].starts_with("2a00:1:2:3::/64, "), "{targets:?}");
        assert!(bans.lift(BanTarget::Ip(ip("2a00:1:2:3:9::"))));
        assert_eq!(bans.of_ip(ip("2a00:1:2:3::1"), Instant::ZERO), None);
    }

    #[test]
    fn a_lifted_ban_is_gone_whoever_made_it() {
        let mut bans = Bans::default();
        assert!(!bans.lift(BanTarget::Id(id(1))));
        bans.insert(BanTarget::Id(id(1)), at(9), Operator);
        bans.insert(BanTarget::Id(id(1)), at(9), Reactor);
        assert!(bans.lift(BanTarget::Id(id(1))));
        assert_eq!(bans.of_id(&id(1), Instant::ZERO), None);
    }
}
