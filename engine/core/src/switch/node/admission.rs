//! Who may become a peer, decided once for the whole node (coordinator only).
//!
//! The reference lets whoever comes first win, on both sides alone; when two nodes dial each other
//! at the same moment, each may keep the connection the other one drops, and both are lost
//! (docs/quirks.md, quirk 30). Here both sides of such a pair come to the same verdict, if both are
//! Ringwire nodes:
//!
//! ```text
//!   ids: low < high                the connection dialed by `high` is kept
//!
//!   low ──── C1 ───▶ high          high: C1 asks while my own dial C2 has proven low  → DuplicateId
//!   low ◀─── C2 ──── high          low:  C1 was admitted, then C2 asks                → C1 displaced
//! ```
//!
//! A dial of ours counts only from the moment its remote has proven, by its key, to be who was
//! dialed. Before that it may have met anybody, at an address that somebody lied about: it gives way
//! to the node itself, and low has not admitted it either, for it has not seen our NodeInfo.
//!
//! A CometBFT node does not break ties, so against it the first completed connection wins and our
//! own dial is dropped, as the reference does.
//!
//! A second connection of a node that cannot be such a half may be the node itself, back after its
//! machine lost power. The older connection is asked for a sign of life (see `probe`), and the newer
//! one is let in if there is none.
//!
//! Invariant: an id has at most one ticket; it is given again only after [`Admission::leave`],
//! which the home shard calls when every reactor has been told (items 64 and 65).

use std::collections::BTreeMap;
use std::net::IpAddr;

use ringwire_codec::NodeId;

use crate::error::Reject;
use crate::peer::{Ban, BanOrigin, BanTarget, Census, Direction, ShardId};
use crate::switch::links::gate::SIMULTANEOUS_WINDOW;
use crate::switch::message::{Candidate, Pass, Ticket};
use crate::switch::node::bans::Bans;
use crate::switch::node::budget::{Prefix, Tally};
use crate::time::Instant;

/// The budgets of a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct AdmissionLimits {
    /// Inbound peers at most, unconditional ones not counted.
    pub(crate) inbound_max: usize,
    /// Outbound peers at most up to which discovered addresses are dialed.
    pub(crate) outbound_max: usize,
    /// Whether several peers may share an address.
    pub(crate) allow_duplicate_ip: bool,
    /// Peers at one address at most, where they may share one; zero means no limit.
    pub(crate) per_ip_max: usize,
    /// Inbound peers of one subnet at most, unconditional and persistent ones not counted; zero
    /// means no limit.
    pub(crate) per_subnet_max: usize,
    /// Ids that pass the limits of inbound and outbound peers; sorted.
    pub(crate) unconditional: Vec<NodeId>,
}

/// What our own dialing is doing about the candidate's id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OwnDial {
    /// Nothing, or the remote has not proven its key yet.
    None,
    /// The remote has proven to be that id and its handshake runs; it is not the candidate itself.
    Proven,
}

/// What the dial plan knows of a candidate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    /// What our own dialing is doing about its id.
    pub(crate) own_dial: OwnDial,
    /// Whether its id is listed as persistent.
    pub(crate) persistent: bool,
    /// Whether it was dialed for a reactor, so that the limit of outbound peers holds for it.
    pub(crate) discovered: bool,
}

/// What becomes of a candidate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    /// It is in, or out.
    Verdict(Result<Pass, Reject>),
    /// It waits until the loser of the simultaneous dial has left its home.
    Displace {
        /// The loser.
        ticket: Ticket,
        /// Where it lives.
        home: ShardId,
    },
    /// It waits until the older connection of its node has shown that it lives, or has left.
    Probe {
        /// The older connection.
        ticket: Ticket,
        /// Where it lives.
        home: ShardId,
    },
}

/// A peer that was admitted.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Name of its connection.
    pub(crate) ticket: Ticket,
    /// Shard it lives on.
    pub(crate) home: ShardId,
    /// Who dialed.
    pub(crate) direction: Direction,
    /// Where it is; nowhere on the network if it came by a Unix socket.
    pub(crate) ip: Option<IpAddr>,
    /// When it was admitted.
    pub(crate) since: Instant,
    /// Whether its home has said that it is up.
    joined: bool,
    /// Whether it counts against the budget of its direction.
    counted: bool,
    /// The subnet against whose budget it counts, if it does.
    subnet: Option<Prefix>,
}

/// A peer that left, and who had waited for that.
#[derive(Debug)]
pub(crate) struct Departed {
    /// Its id.
    pub(crate) id: NodeId,
    /// What was known of it.
    pub(crate) entry: Entry,
    /// The winner of the simultaneous dial, to be decided now.
    pub(crate) successor: Option<(ShardId, Candidate)>,
}

/// A candidate that waits for the older connection of its node to leave.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Parked {
    from: ShardId,
    candidate: Candidate,
    /// Whether it is refused if the older one shows that it lives.
    is_rival: bool,
}

/// The coordinator's book of peers.
pub(crate) struct Admission {
    local: NodeId,
    limits: AdmissionLimits,
    entries: BTreeMap<NodeId, Entry>,
    by_ticket: BTreeMap<Ticket, NodeId>,
    /// Admitted peers at an address.
    ips: Tally<IpAddr>,
    /// Inbound peers of a subnet that are neither unconditional nor persistent.
    subnets: Tally<Prefix>,
    /// Admitted peers of each shard.
    loads: Vec<usize>,
    inbound: usize,
    outbound: usize,
    /// Who waits for the older connection of its node, at most one per id.
    parked: BTreeMap<NodeId, Parked>,
    bans: Bans,
    next_ticket: u64,
}

impl Admission {
    /// An empty book for a node of `shard_count` shards.
    pub(crate) fn new(local: NodeId, limits: AdmissionLimits, shard_count: u16) -> Self {
        Admission {
            local,
            limits,
            entries: BTreeMap::new(),
            by_ticket: BTreeMap::new(),
            ips: Tally::new(),
            subnets: Tally::new(),
            loads: vec![0; usize::from(shard_count)],
            inbound: 0,
            outbound: 0,
            parked: BTreeMap::new(),
            bans: Bans::default(),
            next_ticket: 0,
        }
    }

    /// Other limits from now on. Who is here stays, and is counted as the new limits count: a node that
    /// became unconditional frees a place, and one that is no longer takes one.
    pub(crate) fn set_limits(
        &mut self,
        limits: AdmissionLimits,
        is_persistent: impl Fn(&NodeId) -> bool,
    ) {
        self.limits = limits;
        (self.inbound, self.outbound, self.subnets) = (0, 0, Tally::new());
        let mut entries = std::mem::take(&mut self.entries);
        for (id, entry) in &mut entries {
            entry.counted = !self.is_unconditional(id);
            let is_inbound = entry.direction == Direction::Inbound;
            let may_be_in_subnet = is_inbound && entry.counted && !is_persistent(id);
            entry.subnet = entry.ip.filter(|_| may_be_in_subnet).map(Prefix::subnet);
            if let Some(subnet) = entry.subnet {
                self.subnets.add(subnet);
            }
            *self.counter(entry.direction) += usize::from(entry.counted);
        }
        self.entries = entries;
    }

    /// Entries of all its tables but the bans, which have a bound of their own.
    pub(crate) fn len(&self) -> usize {
        let peers = self.entries.len() + self.by_ticket.len() + self.parked.len();
        let places = self.ips.len() + self.subnets.len();
        peers + places
    }

    /// Decides about a candidate of shard `from`.
    pub(crate) fn decide(
        &mut self,
        now: Instant,
        from: ShardId,
        candidate: Candidate,
        plan: Plan,
    ) -> Decision {
        if let Err(reject) = self.check_identity(now, &candidate) {
            return Decision::Verdict(Err(reject));
        }
        if let Some(entry) = self.entries.get(&candidate.id) {
            let is_kept_half = self.displaces(now, &candidate, entry);
            let is_other_half = !is_kept_half && may_be_twin(now, &candidate, entry);
            if is_other_half || self.parked.contains_key(&candidate.id) {
                return Decision::Verdict(Err(Reject::DuplicateId(candidate.id)));
            }
            let (ticket, home) = (entry.ticket, entry.home);
            let parked = Parked {
                from,
                is_rival: !is_kept_half,
                candidate,
            };
            self.parked.insert(parked.candidate.id, parked);
            return match is_kept_half {
                true => Decision::Displace { ticket, home },
                false => Decision::Probe { ticket, home },
            };
        }
        if plan.own_dial == OwnDial::Proven && self.yields_to_own_dial(&candidate) {
            return Decision::Verdict(Err(Reject::DuplicateId(candidate.id)));
        }
        if let Err(reject) = self.check_budgets(&candidate, plan) {
            return Decision::Verdict(Err(reject));
        }
        Decision::Verdict(Ok(self.admit(now, from, &candidate, plan)))
    }

    /// Frees an id: its peer is gone and every reactor was told.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<Departed> {
        let id = self.by_ticket.remove(&ticket)?;
        let entry = self.entries.remove(&id).expect("each ticket has an entry");
        if let Some(ip) = entry.ip {
            self.ips.take(&ip);
        }
        if let Some(subnet) = entry.subnet {
            self.subnets.take(&subnet);
        }
        self.loads[usize::from(entry.home.0)] -= 1;
        *self.counter(entry.direction) -= usize::from(entry.counted);
        Some(Departed {
            id,
            entry,
            successor: self
                .parked
                .remove(&id)
                .map(|parked| (parked.from, parked.candidate)),
        })
    }

    /// A connection is up on its home shard.
    pub(crate) fn handle_joined(&mut self, ticket: Ticket) {
        if let Some(id) = self.by_ticket.get(&ticket)
            && let Some(entry) = self.entries.get_mut(id)
        {
            entry.joined = true;
        }
    }

    /// A connection has shown that it lives: who waited for it to be dead is to be refused.
    pub(crate) fn take_rival(&mut self, ticket: Ticket) -> Option<(ShardId, Candidate)> {
        let id = self.by_ticket.get(&ticket)?;
        if !self.parked.get(id)?.is_rival {
            return None;
        }
        let parked = self.parked.remove(id)?;
        Some((parked.from, parked.candidate))
    }

    /// The connection of an id: its ticket, its home, and whether it is up there.
    pub(crate) fn connection_of(&self, id: &NodeId) -> Option<(Ticket, ShardId, bool)> {
        let entry = self.entries.get(id)?;
        Some((entry.ticket, entry.home, entry.joined))
    }

    /// Refuses an id or host until `until`; returns its connections and where they live.
    pub(crate) fn ban(
        &mut self,
        target: BanTarget,
        until: Instant,
        origin: BanOrigin,
    ) -> Vec<(Ticket, ShardId)> {
        self.bans.insert(target, until, origin);
        let is_meant = |id: &NodeId, entry: &Entry| match target {
            BanTarget::Id(banned) => *id == banned,
            BanTarget::Ip(ip) => entry.ip.map(Prefix::host) == Some(Prefix::host(ip)),
        };
        let meant = self
            .entries
            .iter()
            .filter(|(id, entry)| is_meant(id, entry));
        meant.map(|(_, entry)| (entry.ticket, entry.home)).collect()
    }

    /// Ends the bans of an id or host; says whether there were any.
    pub(crate) fn unban(&mut self, target: BanTarget) -> bool {
        self.bans.lift(target)
    }

    /// All bans that hold.
    pub(crate) fn bans(&self, now: Instant) -> Vec<Ban> {
        self.bans.list(now)
    }

    /// Whether the id has a ticket.
    pub(crate) fn contains(&self, id: &NodeId) -> bool {
        self.entries.contains_key(id)
    }

    /// The id of a ticket.
    pub(crate) fn id_of(&self, ticket: Ticket) -> Option<NodeId> {
        self.by_ticket.get(&ticket).copied()
    }

    /// Whether no counted inbound peer fits any more.
    pub(crate) fn is_inbound_full(&self) -> bool {
        self.inbound >= self.limits.inbound_max
    }

    /// Peers that count against the budgets.
    pub(crate) fn census(&self) -> Census {
        Census {
            outbound: self.outbound,
            inbound: self.inbound,
            dialing: 0,
        }
    }

    /// When the ban of an id, or of the address it is to be found at, ends, if there is one.
    pub(crate) fn banned_until(
        &self,
        now: Instant,
        id: &NodeId,
        ip: Option<IpAddr>,
    ) -> Option<Instant> {
        let of_ip = ip.and_then(|ip| self.bans.of_ip(ip, now));
        self.bans.of_id(id, now).max(of_ip)
    }

    /// Whether an id passes the limits of inbound and outbound peers.
    pub(crate) fn is_unconditional(&self, id: &NodeId) -> bool {
        self.limits.unconditional.binary_search(id).is_ok()
    }

    /// The shard with the least peers, `extra` counted on top; of equals `preferred`, else the
    /// first.
    pub(crate) fn lightest(&self, preferred: ShardId, extra: impl Fn(ShardId) -> usize) -> ShardId {
        (0..)
            .map(ShardId)
            .zip(&self.loads)
            .min_by_key(|(shard, load)| (**load + extra(*shard), *shard != preferred, *shard))
            .map_or(preferred, |(shard, _)| shard)
    }

    fn check_identity(&self, now: Instant, candidate: &Candidate) -> Result<(), Reject> {
        if candidate.id == self.local {
            return Err(Reject::IsSelf);
        }
        let ip = candidate.remote_addr.ip();
        if self.banned_until(now, &candidate.id, ip).is_some() {
            return Err(Reject::Banned);
        }
        Ok(())
    }

    /// Whether `candidate` is the kept half of a simultaneous dial and `entry` the other one.
    fn displaces(&self, now: Instant, candidate: &Candidate, entry: &Entry) -> bool {
        candidate.breaks_ties && may_be_twin(now, candidate, entry) && self.is_kept(candidate)
    }

    /// Whether an inbound candidate is the dropped half of a simultaneous dial of ours.
    fn yields_to_own_dial(&self, candidate: &Candidate) -> bool {
        candidate.breaks_ties
            && candidate.direction == Direction::Inbound
            && !self.is_kept(candidate)
    }

    /// The tie-break: the node with the higher id dialed the connection that is kept.
    fn is_kept(&self, candidate: &Candidate) -> bool {
        match candidate.direction {
            Direction::Outbound => self.local > candidate.id,
            Direction::Inbound => candidate.id > self.local,
        }
    }

    fn check_budgets(&self, candidate: &Candidate, plan: Plan) -> Result<(), Reject> {
        if let Some(ip) = candidate.remote_addr.ip() {
            self.check_ip(ip)?;
        }
        let counted = !self.is_unconditional(&candidate.id);
        let inbound = candidate.direction == Direction::Inbound;
        if counted && inbound && self.is_inbound_full() {
            return Err(Reject::InboundFull(self.limits.inbound_max));
        }
        if counted && plan.discovered && self.outbound >= self.limits.outbound_max {
            return Err(Reject::OutboundFull(self.limits.outbound_max));
        }
        let limit = self.limits.per_subnet_max;
        if let Some(ip) = self.ip_in_subnet(candidate, plan)
            && self.subnets.is_full(&Prefix::subnet(ip), limit)
        {
            return Err(Reject::PeersFromSubnet { ip, limit });
        }
        Ok(())
    }

    /// What an address may have.
    fn check_ip(&self, ip: IpAddr) -> Result<(), Reject> {
        if !self.limits.allow_duplicate_ip && self.ips.count(&ip) > 0 {
            return Err(Reject::DuplicateIp(ip));
        }
        let limit = self.limits.per_ip_max;
        match self.ips.is_full(&ip, limit) {
            true => Err(Reject::PeersFromIp { ip, limit }),
            false => Ok(()),
        }
    }

    /// The address of a candidate that counts against the budget of its subnet: strangers who come over
    /// the network do. Whom we dial was chosen by others who look at subnets, the operator or the
    /// address book.
    fn ip_in_subnet(&self, candidate: &Candidate, plan: Plan) -> Option<IpAddr> {
        let is_stranger = candidate.direction == Direction::Inbound
            && !plan.persistent
            && !self.is_unconditional(&candidate.id);
        candidate.remote_addr.ip().filter(|_| is_stranger)
    }

    fn counter(&mut self, direction: Direction) -> &mut usize {
        match direction {
            Direction::Inbound => &mut self.inbound,
            Direction::Outbound => &mut self.outbound,
        }
    }

    fn admit(&mut self, now: Instant, from: ShardId, candidate: &Candidate, plan: Plan) -> Pass {
        let home = self.lightest(from, |_| 0);
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let ip = candidate.remote_addr.ip();
        let counted = !self.is_unconditional(&candidate.id);
        let subnet = self.ip_in_subnet(candidate, plan).map(Prefix::subnet);
        let direction = candidate.direction;
        let entry = Entry {
            ticket,
            home,
            direction,
            ip,
            since: now,
            joined: false,
            counted,
            subnet,
        };
        self.entries.insert(candidate.id, entry);
        self.by_ticket.insert(ticket, candidate.id);
        if let Some(ip) = ip {
            self.ips.add(ip);
        }
        if let Some(subnet) = subnet {
            self.subnets.add(subnet);
        }
        self.loads[usize::from(home.0)] += 1;
        *self.counter(direction) += usize::from(counted);
        Pass {
            ticket,
            home,
            persistent: plan.persistent,
        }
    }
}

/// Whether the two may be the halves of a simultaneous dial.
fn may_be_twin(now: Instant, candidate: &Candidate, entry: &Entry) -> bool {
    candidate.direction != entry.direction && now - entry.since <= SIMULTANEOUS_WINDOW
}

#[cfg(test)]
mod tests;
