//! What a shard knows when a socket is accepted: enough to refuse it before it costs a key
//! exchange (docs/quirks.md, quirks 12 to 14).
//!
//! The coordinator decides admission; this is a copy of the part of its state that needs no
//! identity, kept up by [`GateUpdate`]s. It may lag by a message, so it only ever refuses what the
//! coordinator would refuse as well, and a pass here promises nothing.
//!
//! Handshakes in progress are the shard's own affair. They have a limit in all, and one per host, so
//! that one host that stalls its handshakes leaves places for the others. Both are split evenly over
//! the shards, as the kernel spreads connections over them: with a share of both, one host can fill
//! the same part of the places on every shard and of the node. Both shares are rounded up; a node
//! of more shards than the limit per host grants one handshake on each.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::bans::Bans;
use super::budget::{Prefix, Tally};
use crate::error::Reject;
use crate::peer::BanTarget;
use crate::switch::message::GateUpdate;
use crate::time::Instant;

/// How long after an admission another connection from the same node may still be its twin from a
/// simultaneous dial, to be told apart by the tie-break and not by its address.
pub(super) const SIMULTANEOUS_WINDOW: Duration = Duration::from_secs(10);

/// The limits of a gate.
#[derive(Clone, Copy, Debug)]
pub(super) struct GateLimits {
    /// Inbound peers at most.
    pub(super) inbound_max: usize,
    /// Whether some ids pass the inbound limit, so that a full budget refuses nobody yet.
    pub(super) has_unconditional: bool,
    /// Inbound handshakes in progress on this shard at most.
    pub(super) handshakes_max: usize,
    /// Inbound handshakes in progress from one host on this shard at most; zero means no limit of
    /// its own.
    pub(super) handshakes_per_ip_max: usize,
    /// Whether several peers may share an address.
    pub(super) allow_duplicate_ip: bool,
    /// Peers at one address at most, where they may share one; zero means no limit.
    pub(super) peers_per_ip_max: usize,
}

/// A shard's copy of what refuses a socket at accept.
#[derive(Debug)]
pub(super) struct Gate {
    limits: GateLimits,
    inbound_full: bool,
    /// Peers at an address, and when the last of them was admitted.
    occupied: BTreeMap<IpAddr, (usize, Instant)>,
    banned: Bans,
    /// Inbound handshakes in progress here.
    handshakes: usize,
    /// The same by host.
    handshakes_of: Tally<Prefix>,
}

impl Gate {
    /// An open gate.
    pub(super) fn new(limits: GateLimits) -> Self {
        Gate {
            limits,
            inbound_full: false,
            occupied: BTreeMap::new(),
            banned: Bans::default(),
            handshakes: 0,
            handshakes_of: Tally::new(),
        }
    }

    /// Learns what changed at the coordinator.
    pub(super) fn handle_update(&mut self, update: GateUpdate) {
        match update {
            GateUpdate::InboundFull(full) => self.inbound_full = full,
            GateUpdate::Occupied(ip, at) => {
                let (peers, since) = self.occupied.entry(ip).or_insert((0, at));
                *peers += 1;
                *since = at;
            }
            GateUpdate::Vacated(ip) => {
                let Some((peers, _)) = self.occupied.get_mut(&ip) else {
                    return;
                };
                *peers = peers.saturating_sub(1);
                if *peers == 0 {
                    self.occupied.remove(&ip);
                }
            }
            GateUpdate::Banned { ip, until, origin } => {
                self.banned.insert(BanTarget::Ip(ip), until, origin);
            }
            GateUpdate::Unbanned(ip) => {
                self.banned.lift(BanTarget::Ip(ip));
            }
        }
    }

    /// Lets an accepted socket begin its handshake, or says why not. Each pass must be ended by
    /// [`Gate::end_handshake`].
    pub(super) fn begin_handshake(
        &mut self,
        now: Instant,
        remote: SocketAddr,
    ) -> Result<(), Reject> {
        let ip = remote.ip().to_canonical();
        self.check(now, ip)?;
        self.handshakes += 1;
        self.handshakes_of.add(Prefix::host(ip));
        Ok(())
    }

    /// An inbound handshake of [`Gate::begin_handshake`] ended, well or not.
    pub(super) fn end_handshake(&mut self, remote: SocketAddr) {
        self.handshakes -= 1;
        self.handshakes_of.take(&Prefix::host(remote.ip()));
    }

    /// Whether an address is refused, for a dial that found it by a name.
    pub(super) fn is_banned(&self, now: Instant, remote: SocketAddr) -> bool {
        self.banned.of_ip(remote.ip(), now).is_some()
    }

    fn check(&self, now: Instant, ip: IpAddr) -> Result<(), Reject> {
        if self.banned.of_ip(ip, now).is_some() {
            return Err(Reject::Banned);
        }
        let limit = self.limits.handshakes_per_ip_max;
        if self.handshakes_of.is_full(&Prefix::host(ip), limit) {
            return Err(Reject::HandshakesFromIp { ip, limit });
        }
        if self.handshakes >= self.limits.handshakes_max {
            return Err(Reject::HandshakesFull(self.limits.handshakes_max));
        }
        if self.inbound_full && !self.limits.has_unconditional {
            return Err(Reject::InboundFull(self.limits.inbound_max));
        }
        if !self.limits.allow_duplicate_ip && self.is_settled(now, ip, 1) {
            return Err(Reject::DuplicateIp(ip));
        }
        let limit = self.limits.peers_per_ip_max;
        if limit != 0 && self.is_settled(now, ip, limit) {
            return Err(Reject::PeersFromIp { ip, limit });
        }
        Ok(())
    }

    /// Whether `limit` peers have lived at `ip` for longer than a simultaneous dial takes.
    fn is_settled(&self, now: Instant, ip: IpAddr, limit: usize) -> bool {
        self.occupied
            .get(&ip)
            .is_some_and(|(peers, since)| *peers >= limit && now - *since > SIMULTANEOUS_WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::BanOrigin;
    use crate::switch::bans::BANS_MAX;

    const REMOTE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 1);

    fn gate() -> Gate {
        Gate::new(GateLimits {
            inbound_max: 5,
            has_unconditional: false,
            handshakes_max: 2,
            handshakes_per_ip_max: 0,
            allow_duplicate_ip: false,
            peers_per_ip_max: 0,
        })
    }

    #[test]
    fn the_last_handshake_that_fits_passes_and_one_more_is_refused() {
        let mut gate = gate();
        assert_eq!(gate.begin_handshake(Instant::ZERO, REMOTE), Ok(()));
        assert_eq!(gate.begin_handshake(Instant::ZERO, REMOTE), Ok(()));
        assert_eq!(
            gate.begin_handshake(Instant::ZERO, REMOTE),
            Err(Reject::HandshakesFull(2))
        );
        gate.end_handshake(REMOTE);
        assert_eq!(gate.begin_handshake(Instant::ZERO, REMOTE), Ok(()));
    }

    #[test]
    fn a_host_that_stalls_its_handshakes_leaves_places_for_others() {
        let mut gate = gate();
        (
            gate.limits.handshakes_max,
            gate.limits.handshakes_per_ip_max,
        ) = (5, 2);
        let mut begin = |remote: &str| {
            let remote = remote.parse().expect("a socket address");
            gate.begin_handshake(Instant::ZERO, remote)
        };
        let refused = |ip: &str| {
            let ip = ip.parse().expect("an address");
            Err(Reject::HandshakesFromIp { ip, limit: 2 })
        };
        assert_eq!(begin("127.0.0.1:1"), Ok(()));
        assert_eq!(begin("[::ffff:127.0.0.1]:2"), Ok(()));
        assert_eq!(begin("127.0.0.1:3"), refused("127.0.0.1"));
        assert_eq!(begin("127.0.0.2:1"), Ok(()));
        assert_eq!(begin("[2a00::1]:1"), Ok(()));
        assert_eq!(begin("[2a00::2]:1"), Ok(()));
        // A host of IPv6 has more addresses than anybody can count.
        assert_eq!(begin("[2a00::3]:1"), refused("2a00::3"));
        assert_eq!(begin("127.0.0.3:1"), Err(Reject::HandshakesFull(5)));
        gate.end_handshake("[::ffff:127.0.0.1]:2".parse().unwrap());
        let again = gate.begin_handshake(Instant::ZERO, "127.0.0.1:4".parse().unwrap());
        assert_eq!(again, Ok(()));
    }

    #[test]
    fn an_address_that_may_be_shared_is_refused_when_its_share_is_used_up() {
        let mut gate = gate();
        (gate.limits.allow_duplicate_ip, gate.limits.peers_per_ip_max) = (true, 2);
        let late = Instant::ZERO + SIMULTANEOUS_WINDOW * 2;
        gate.handle_update(GateUpdate::Occupied(REMOTE.ip(), Instant::ZERO));
        assert_eq!(gate.begin_handshake(late, REMOTE), Ok(()));
        gate.handle_update(GateUpdate::Occupied(REMOTE.ip(), Instant::ZERO));
        let (ip, limit) = (REMOTE.ip(), 2);
        let refused = Err(Reject::PeersFromIp { ip, limit });
        assert_eq!(gate.begin_handshake(late, REMOTE), refused);
        gate.handle_update(GateUpdate::Vacated(REMOTE.ip()));
        assert_eq!(gate.begin_handshake(late, REMOTE), Ok(()));
    }

    #[test]
    fn a_full_inbound_budget_refuses_unless_some_ids_are_unconditional() {
        let mut gate = gate();
        gate.handle_update(GateUpdate::InboundFull(true));
        assert_eq!(
            gate.begin_handshake(Instant::ZERO, REMOTE),
            Err(Reject::InboundFull(5))
        );
        gate.limits.has_unconditional = true;
        assert_eq!(gate.begin_handshake(Instant::ZERO, REMOTE), Ok(()));
    }

    // Conformance item 47.
    #[test]
    fn a_second_socket_from_an_address_is_refused_once_the_first_cannot_be_its_twin() {
        let mut gate = gate();
        gate.handle_update(GateUpdate::Occupied(REMOTE.ip(), Instant::ZERO));
        let edge = Instant::ZERO + SIMULTANEOUS_WINDOW;
        assert_eq!(gate.begin_handshake(edge, REMOTE), Ok(()));
        let late = edge + Duration::from_nanos(1);
        assert_eq!(
            gate.begin_handshake(late, REMOTE),
            Err(Reject::DuplicateIp(REMOTE.ip()))
        );
        gate.handle_update(GateUpdate::Vacated(REMOTE.ip()));
        assert_eq!(gate.begin_handshake(late, REMOTE), Ok(()));
    }

    #[test]
    fn a_banned_address_is_refused_until_the_ban_ends() {
        let mut gate = gate();
        let until = Instant::from_nanos(100);
        gate.handle_update(ban(REMOTE.ip(), until));
        assert_eq!(
            gate.begin_handshake(Instant::from_nanos(99), REMOTE),
            Err(Reject::Banned)
        );
        let mapped = SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0x0a00, 1], 1));
        assert_eq!(
            gate.begin_handshake(Instant::from_nanos(99), mapped),
            Err(Reject::Banned)
        );
        assert_eq!(gate.begin_handshake(until, REMOTE), Ok(()));
        gate.handle_update(ban(REMOTE.ip(), Instant::from_nanos(200)));
        gate.handle_update(GateUpdate::Unbanned(REMOTE.ip()));
        assert_eq!(gate.begin_handshake(until, REMOTE), Ok(()));
    }

    #[test]
    fn the_bans_of_a_gate_are_bounded() {
        let mut gate = gate();
        for address in 0..2 * BANS_MAX as u32 {
            let ip = IpAddr::from(address.to_be_bytes());
            gate.handle_update(ban(ip, Instant::from_nanos(100)));
        }
        assert_eq!(gate.banned.list(Instant::ZERO).len(), BANS_MAX);
    }

    fn ban(ip: IpAddr, until: Instant) -> GateUpdate {
        let origin = BanOrigin::Reactor;
        GateUpdate::Banned { ip, until, origin }
    }
}
