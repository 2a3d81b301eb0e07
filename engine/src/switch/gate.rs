//! What a shard knows when a socket is accepted: enough to refuse it before it costs a key
//! exchange (docs/quirks.md, quirks 12 to 14).
//!
//! The coordinator decides admission; this is a copy of the part of its state that needs no
//! identity, kept up by [`GateUpdate`]s. It may lag by a message, so it only ever refuses what the
//! coordinator would refuse as well, and a pass here promises nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::bans::Bans;
use crate::error::Reject;
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
    /// Whether several peers may share an address.
    pub(super) allow_duplicate_ip: bool,
}

/// A shard's copy of what refuses a socket at accept.
#[derive(Debug)]
pub(super) struct Gate {
    limits: GateLimits,
    inbound_full: bool,
    /// Peers at an address, and when the last of them was admitted.
    occupied: BTreeMap<IpAddr, (usize, Instant)>,
    banned: Bans<IpAddr>,
    /// Inbound handshakes in progress here.
    handshakes: usize,
}

impl Gate {
    /// An open gate.
    pub(super) fn new(limits: GateLimits) -> Self {
        Gate {
            limits,
            inbound_full: false,
            occupied: BTreeMap::new(),
            banned: Bans::new(),
            handshakes: 0,
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
            GateUpdate::Banned(ip, until) => self.banned.insert(ip, until),
        }
    }

    /// Lets an accepted socket begin its handshake, or says why not. Each pass must be ended by
    /// [`Gate::end_handshake`].
    pub(super) fn begin_handshake(
        &mut self,
        now: Instant,
        remote: SocketAddr,
    ) -> Result<(), Reject> {
        self.check(now, remote.ip())?;
        self.handshakes += 1;
        Ok(())
    }

    /// An inbound handshake ended, well or not.
    pub(super) fn end_handshake(&mut self) {
        self.handshakes = self.handshakes.saturating_sub(1);
    }

    fn check(&mut self, now: Instant, ip: IpAddr) -> Result<(), Reject> {
        if self.banned.contains(&ip, now) {
            return Err(Reject::Banned);
        }
        if self.handshakes >= self.limits.handshakes_max {
            return Err(Reject::HandshakesFull(self.limits.handshakes_max));
        }
        if self.inbound_full && !self.limits.has_unconditional {
            return Err(Reject::InboundFull(self.limits.inbound_max));
        }
        if !self.limits.allow_duplicate_ip && self.is_settled(now, ip) {
            return Err(Reject::DuplicateIp(ip));
        }
        Ok(())
    }

    /// Whether a peer has lived at `ip` for longer than a simultaneous dial takes.
    fn is_settled(&self, now: Instant, ip: IpAddr) -> bool {
        self.occupied
            .get(&ip)
            .is_some_and(|(_, since)| now - *since > SIMULTANEOUS_WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::bans::BANS_MAX;

    const REMOTE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 1);

    fn gate() -> Gate {
        Gate::new(GateLimits {
            inbound_max: 5,
            has_unconditional: false,
            handshakes_max: 2,
            allow_duplicate_ip: false,
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
        gate.end_handshake();
        assert_eq!(gate.begin_handshake(Instant::ZERO, REMOTE), Ok(()));
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
        gate.handle_update(GateUpdate::Banned(REMOTE.ip(), until));
        assert_eq!(
            gate.begin_handshake(Instant::from_nanos(99), REMOTE),
            Err(Reject::Banned)
        );
        assert_eq!(gate.begin_handshake(until, REMOTE), Ok(()));
    }

    #[test]
    fn the_bans_of_a_gate_are_bounded() {
        let mut gate = gate();
        for address in 0..2 * BANS_MAX as u32 {
            let ip = IpAddr::from(address.to_be_bytes());
            gate.handle_update(GateUpdate::Banned(ip, Instant::from_nanos(100)));
        }
        assert_eq!(gate.banned.len(), BANS_MAX);
    }
}
