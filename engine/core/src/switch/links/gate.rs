//! What a shard knows when a socket is accepted: enough to refuse it before it costs a key
//! exchange (docs/quirks.md, quirks 12 to 14).
//!
//! The coordinator decides admission; this is a copy of the part of its state that needs no
//! identity, kept up by [`GateUpdate`]s. It may lag by a message, so it only ever refuses what the
//! coordinator would refuse as well, and a pass here promises nothing. Where a peer lives already, one
//! handshake at a time passes all the same: it may be that peer, back after its machine lost power,
//! and only its key can tell (see `probe`).
//!
//! Handshakes in progress are the shard's own affair. They have a limit in all, and one per host, so
//! that one host that stalls its handshakes leaves places for the others. The first is split evenly
//! over the shards, rounded up, as the kernel spreads connections over them. The kernel does so by
//! chance: a few connections of one host can all come to one shard. So a shard allows a host as many
//! as the whole node should, but no more than half of its own places, and its even share always.
//!
//! When the places are taken, a newcomer is not refused as long as there is one that should give way
//! to it: silence is free for an attacker, so it must not hold a place. Of the handshakes that wait
//! for their remote (never those that wait for us) the slowest gives way:
//!
//! ```text
//!   first   one that has made no step for HANDSHAKE_GRACE
//!   then    one of the host with the most handshakes, if it has two more than the newcomer's
//!   of those: most handshakes of its host, then fewest steps, then longest without a step
//! ```
//!
//! Hosts at which the operator's persistent peers live have their places: their handshakes never give
//! way, and any other gives way to them. Dials of our own take no place at all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::error::Reject;
use crate::peer::{BanTarget, PeerKey, RemoteAddr};
use crate::switch::message::GateUpdate;
use crate::switch::node::bans::Bans;
use crate::switch::node::budget::{Prefix, Tally};
use crate::time::Instant;

/// How long after an admission another connection from the same node may still be its twin from a
/// simultaneous dial, to be told apart by the tie-break and not by its address.
pub(crate) const SIMULTANEOUS_WINDOW: Duration = Duration::from_secs(10);

/// How long a handshake may wait for its remote without giving way. A step takes the remote two round
/// trips at most; this is enough for half a second each, and a moment more.
const HANDSHAKE_GRACE: Duration = Duration::from_secs(2);

/// Who is counted together while they shake hands: a host of the network, or, without a prefix, all who
/// come by the Unix sockets of this machine.
type Host = Option<Prefix>;

/// The limits of a gate.
#[derive(Clone, Debug, Default)]
pub(crate) struct GateLimits {
    /// Inbound peers at most.
    pub(crate) inbound_max: usize,
    /// Whether some ids pass the inbound limit, so that a full budget refuses nobody yet.
    pub(crate) has_unconditional: bool,
    /// Inbound handshakes in progress on this shard at most.
    pub(crate) handshakes_max: usize,
    /// Inbound handshakes in progress from one host on this shard at most; zero means no limit of
    /// its own.
    pub(crate) handshakes_per_ip_max: usize,
    /// Whether several peers may share an address.
    pub(crate) allow_duplicate_ip: bool,
    /// Peers at one address at most, where they may share one; zero means no limit.
    pub(crate) peers_per_ip_max: usize,
    /// Where the operator's persistent peers live, as far as that is known without a name.
    pub(crate) named_hosts: BTreeSet<Prefix>,
}

/// A shard's copy of what refuses a socket at accept.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: GateLimits,
    inbound_full: bool,
    /// Peers at an address, and when the last of them was admitted.
    occupied: BTreeMap<IpAddr, (usize, Instant)>,
    banned: Bans,
    /// Inbound handshakes in progress here.
    handshakes: BTreeMap<PeerKey, Progress>,
    /// How many there are by host.
    handshakes_of: Tally<Host>,
}

/// An inbound handshake in progress.
#[derive(Clone, Copy, Debug)]
struct Progress {
    host: Host,
    /// Steps it has made, and when the last one was.
    steps: u32,
    step_at: Instant,
}

impl Gate {
    /// An open gate.
    pub(crate) fn new(limits: GateLimits) -> Self {
        Gate {
            limits,
            inbound_full: false,
            occupied: BTreeMap::new(),
            banned: Bans::default(),
            handshakes: BTreeMap::new(),
            handshakes_of: Tally::new(),
        }
    }

    /// Other limits from now on.
    pub(crate) fn set_limits(&mut self, limits: GateLimits) {
        self.limits = limits;
    }

    /// Addresses at which somebody is, or shakes hands.
    pub(crate) fn len(&self) -> usize {
        self.occupied.len() + self.handshakes.len() + self.handshakes_of.len()
    }

    /// Learns what changed at the coordinator.
    pub(crate) fn handle_update(&mut self, update: GateUpdate) {
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

    /// Whether an accepted socket may begin its handshake, and which other one gives way to it, if
    /// one has to; or why not. `waits` tells whether a handshake waits for its remote.
    pub(crate) fn find_place(
        &self,
        now: Instant,
        remote: &RemoteAddr,
        waits: impl Fn(PeerKey) -> bool,
    ) -> Result<Option<PeerKey>, Reject> {
        match remote.ip() {
            Some(ip) => self.check(now, ip)?,
            None => self.check_room()?,
        }
        let host = host_of(remote);
        let limit = self.limits.handshakes_per_ip_max;
        let is_crowded = self.handshakes_of.is_full(&host, limit);
        let refused = if is_crowded {
            match remote.ip() {
                Some(ip) => Reject::HandshakesFromIp { ip, limit },
                None => Reject::HandshakesOverUnix(limit),
            }
        } else if self.handshakes.len() >= self.limits.handshakes_max {
            Reject::HandshakesFull(self.limits.handshakes_max)
        } else {
            return Ok(None);
        };
        let slowest = self.slowest(now, host, is_crowded, waits);
        slowest.map(Some).ok_or(refused)
    }

    /// An inbound handshake begins, in a place that [`Gate::find_place`] found.
    pub(crate) fn begin_handshake(&mut self, now: Instant, key: PeerKey, remote: &RemoteAddr) {
        let host = host_of(remote);
        let handshake = Progress {
            host,
            steps: 0,
            step_at: now,
        };
        self.handshakes.insert(key, handshake);
        self.handshakes_of.add(host);
    }

    /// A handshake has come a step further. Bytes alone are none: they can be sent one at a time.
    pub(crate) fn handle_step(&mut self, now: Instant, key: PeerKey) {
        if let Some(handshake) = self.handshakes.get_mut(&key) {
            handshake.steps += 1;
            handshake.step_at = now;
        }
    }

    /// A handshake ended, well or not; nothing for a link that is none of [`Gate::begin_handshake`].
    pub(crate) fn end_handshake(&mut self, key: PeerKey) {
        if let Some(handshake) = self.handshakes.remove(&key) {
            self.handshakes_of.take(&handshake.host);
        }
    }

    /// Whether an address is refused, for a dial that found it by a name.
    pub(crate) fn is_banned(&self, now: Instant, remote: &RemoteAddr) -> bool {
        let ip = remote.ip();
        ip.is_some_and(|ip| self.banned.of_ip(ip, now).is_some())
    }

    fn check(&self, now: Instant, ip: IpAddr) -> Result<(), Reject> {
        if self.banned.of_ip(ip, now).is_some() {
            return Err(Reject::Banned);
        }
        // A peer that lives there may be back and its old connection dead.
        let is_alone = self.handshakes_of.count(&Some(Prefix::host(ip))) == 0;
        if is_alone && self.occupied.contains_key(&ip) {
            return Ok(());
        }
        self.check_room()?;
        if !self.limits.allow_duplicate_ip && self.is_settled(now, ip, 1) {
            return Err(Reject::DuplicateIp(ip));
        }
        let limit = self.limits.peers_per_ip_max;
        if limit != 0 && self.is_settled(now, ip, limit) {
            return Err(Reject::PeersFromIp { ip, limit });
        }
        Ok(())
    }

    /// Whether there is room for anybody who comes.
    fn check_room(&self) -> Result<(), Reject> {
        match self.inbound_full && !self.limits.has_unconditional {
            true => Err(Reject::InboundFull(self.limits.inbound_max)),
            false => Ok(()),
        }
    }

    /// The handshake that gives way to one of `host`; `is_crowded` when it must be one of the same.
    fn slowest(
        &self,
        now: Instant,
        host: Host,
        is_crowded: bool,
        waits: impl Fn(PeerKey) -> bool,
    ) -> Option<PeerKey> {
        let count = |host: &Host| self.handshakes_of.count(host);
        let is_named =
            |host: &Host| host.is_some_and(|host| self.limits.named_hosts.contains(&host));
        let is_stuck = |handshake: &Progress| now - handshake.step_at >= HANDSHAKE_GRACE;
        let may_give_way = |key: PeerKey, handshake: &Progress| {
            let is_eligible = match is_crowded {
                true => handshake.host == host,
                false => !is_named(&handshake.host),
            };
            is_eligible && waits(key)
        };
        let (key, slowest) = self
            .handshakes
            .iter()
            .filter(|(key, handshake)| may_give_way(**key, handshake))
            .max_by_key(|(_, handshake)| {
                let Progress {
                    host,
                    steps,
                    step_at,
                } = handshake;
                let is_stuck = is_stuck(handshake);
                (is_stuck, count(host), Reverse(*steps), Reverse(*step_at))
            })?;
        let is_unfair = !is_crowded && count(&slowest.host) >= count(&host) + 2;
        let is_favoured = !is_crowded && is_named(&host);
        (is_stuck(slowest) || is_unfair || is_favoured).then_some(*key)
    }

    /// Whether `limit` peers have lived at `ip` for longer than a simultaneous dial takes.
    fn is_settled(&self, now: Instant, ip: IpAddr, limit: usize) -> bool {
        self.occupied
            .get(&ip)
            .is_some_and(|(peers, since)| *peers >= limit && now - *since > SIMULTANEOUS_WINDOW)
    }
}

/// See [`Host`].
fn host_of(remote: &RemoteAddr) -> Host {
    remote.ip().map(Prefix::host)
}

#[cfg(test)]
mod tests;
