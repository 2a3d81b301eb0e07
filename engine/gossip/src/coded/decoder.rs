//! [`Decoder`]: from manifests and shards to payloads.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::assembly::{Added, Assembly};
use super::code::Code;
use super::early::Early;
use super::fault::{Blame, Fault};
use super::manifest::{Account, Manifest, ManifestId};
use super::quota::{Limits, Quota};
use super::segment::CodedSegment;
use super::shard::Shard;

/// How many manifests are remembered whose payload is whole or was refused, so that their late shards
/// are known for what they are.
pub const SETTLED_MAX: usize = 4096;

/// What has become of a manifest.
#[derive(Debug)]
pub enum Opened<L> {
    /// Its shards are taken from now on. Those that were early are handed back, to be inserted as if
    /// they came now.
    New {
        /// The early shards, each with the link it came by.
        early: Vec<(L, Shard)>,
        /// Payloads that gave way to it. Nobody is to blame for that.
        given_up: Vec<ManifestId>,
    },
    /// It is under way, or its payload has come or was refused.
    Known,
}

/// What has become of a shard.
#[derive(Debug)]
pub enum Inserted {
    /// Its manifest has not come. It is kept for a while, and not to be passed on.
    Early,
    /// It is there already, or its segment is, or its payload came or was refused.
    Known,
    /// It belongs to its manifest and is to be passed on.
    New,
    /// As [`Inserted::New`], and its segment can be had by [`Decoder::restore`]. Without that it is there with its last original,
    /// which costs less.
    Enough,
    /// As [`Inserted::New`], and its segment is there: any shard of it can be sent now.
    Segment(CodedSegment),
    /// As [`Inserted::Segment`], and the payload is there.
    Whole(CodedSegment, Bytes),
}

/// What is there of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Indices of the shards that are there, in order.
    pub held: Vec<u16>,
    /// How many more are needed, whichever they are; 0 if it can be restored.
    pub missing: u16,
}

/// Takes manifests and shards and gives payloads. `L` names a link.
///
pub struct Decoder<L> {
    limits: Limits,
    quota: Quota,
    code: Code,
    under_way: BTreeMap<ManifestId, Assembly>,
    early: Early<L>,
    settled: BTreeSet<ManifestId>,
    settled_in_order: VecDeque<ManifestId>,
    /// Whether whole payloads wait for [`Decoder::release`].
    holds: bool,
    /// Those that wait, and what is charged for each.
    held: BTreeMap<ManifestId, (Account, usize)>,
}

impl<L: Copy + PartialEq> Decoder<L> {
    /// A decoder with nothing under way.
    pub fn new(limits: Limits) -> Self {
        Decoder {
            limits,
            quota: Quota::new(limits),
            code: Code::default(),
            under_way: BTreeMap::new(),
            early: Early::new(),
            settled: BTreeSet::new(),
            settled_in_order: VecDeque::new(),
            holds: false,
            held: BTreeMap::new(),
        }
    }

    /// From now on a whole payload counts as under way until it is released, with the bytes that it has and no more: who has it
    /// keeps it for so long, to find out whether it is good.
    pub fn hold_whole(&mut self) {
        self.holds = true;
    }

    /// Payloads under way.
    pub fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether a manifest is under way, or its payload has come or was refused.
    pub fn knows(&self, id: ManifestId) -> bool {
        self.under_way.contains_key(&id)
            || self.held.contains_key(&id)
            || self.settled.contains(&id)
    }

    /// Bytes of memory that are set aside for what is under way, and taken by what is held.
    pub fn bytes(&self) -> usize {
        self.quota.bytes()
    }

    /// What is there of a segment; `None` if nothing of it is wanted any more.
    pub fn progress(&self, id: ManifestId, segment: u16) -> Option<Progress> {
        let assembly = self.under_way.get(&id)?;
        let place = assembly.manifest().layout().segment(segment).ok()?;
        let held: Vec<u16> = assembly.held(segment)?.collect();
        let missing = usize::from(place.originals()).saturating_sub(held.len());
        let missing = u16::try_from(missing).expect("at most k");
        Some(Progress { held, missing })
    }

    /// A shard of a segment that is not there yet, for who asks for it.
    pub fn shard(&self, id: ManifestId, segment: u16, index: u16) -> Option<&Shard> {
        self.under_way.get(&id)?.shard(segment, index)
    }

    /// Takes the shards of a manifest from now on, at the expense of `account`.
    ///
    /// # Errors
    /// [`Fault::TooLarge`], [`Fault::AccountQuota`], [`Fault::Quota`]: there is no room, and nobody to
    /// blame.
    pub fn open(&mut self, manifest: Manifest, account: Account) -> Result<Opened<L>, Fault> {
        let id = manifest.id();
        if self.knows(id) {
            return Ok(Opened::Known);
        }
        let bytes = Assembly::bytes_max(&manifest);
        self.quota.check_account(&account, bytes)?;
        let given_up = self.make_room(&account, bytes)?;
        self.quota.charge(account, bytes);
        self.under_way
            .insert(id, Assembly::new(id, manifest, account));
        let early = self.early.take(id);
        Ok(Opened::New { early, given_up })
    }

    /// Takes a shard that came by a link.
    ///
    /// # Errors
    /// A [`Fault`] of the peer leaves the payload under way; a fault of the origin ends it, and
    /// its shards are [`Inserted::Known`] from then on: a peer that sends them has not decoded yet.
    pub fn insert(&mut self, from: L, shard: Shard) -> Result<Inserted, Fault> {
        let id = shard.manifest();
        let Some(assembly) = self.under_way.get_mut(&id) else {
            let is_kept = !self.settled.contains(&id) && self.early.push(from, shard);
            return Ok(if is_kept {
                Inserted::Early
            } else {
                Inserted::Known
            });
        };
        match assembly.add(&mut self.code, shard) {
            Ok(Added::Duplicate | Added::Surplus) => Ok(Inserted::Known),
            Ok(Added::New) => Ok(Inserted::New),
            Ok(Added::Enough) => Ok(Inserted::Enough),
            Ok(Added::Segment(segment)) => Ok(self.handle_segment(id, segment)),
            Err(fault) => Err(self.handle_fault(id, fault)),
        }
    }

    /// Restores a segment whose shards are enough: [`Inserted::Segment`] or [`Inserted::Whole`]; [`Inserted::Known`] if they are
    /// not, or it is there already.
    ///
    /// # Errors
    /// The origin's faults, as for [`Decoder::insert`].
    pub fn restore(&mut self, id: ManifestId, segment: u16) -> Result<Inserted, Fault> {
        let Some(assembly) = self.under_way.get_mut(&id) else {
            return Ok(Inserted::Known);
        };
        match assembly.restore_at(&mut self.code, segment) {
            Ok(Some(segment)) => Ok(self.handle_segment(id, segment)),
            Ok(None) => Ok(Inserted::Known),
            Err(fault) => Err(self.handle_fault(id, fault)),
        }
    }

    fn handle_fault(&mut self, id: ManifestId, fault: Fault) -> Fault {
        if fault.blame() == Blame::Origin {
            self.settle(id);
        }
        fault
    }

    /// Gives up what has had no new shard for too long, and tells what. Call it at a steady pace: it
    /// counts calls and not time, so that a node which slept gives up nothing when it wakes.
    pub fn sweep(&mut self) -> Vec<ManifestId> {
        let max = self.limits.idle_sweeps_max;
        let idle = self.under_way.iter_mut();
        let idle = idle.filter_map(|(id, assembly)| (assembly.sweep() >= max).then_some(*id));
        let idle: Vec<_> = idle.collect();
        for id in &idle {
            self.remove(*id);
        }
        idle
    }

    /// Gives up one payload, as when the application does not want it, and what came early of it. Its shards are known from
    /// then on.
    pub fn give_up(&mut self, id: ManifestId) {
        self.release(id);
        self.early.take(id);
        self.settle(id);
    }

    /// A whole payload is held no longer: see [`Decoder::hold_whole`]. False if it was not held, since it was given up
    /// meanwhile, for one.
    pub fn release(&mut self, id: ManifestId) -> bool {
        let Some((account, bytes)) = self.held.remove(&id) else {
            return false;
        };
        self.quota.release(&account, bytes);
        true
    }

    fn handle_segment(&mut self, id: ManifestId, segment: CodedSegment) -> Inserted {
        if !self.under_way.get(&id).is_some_and(Assembly::is_whole) {
            return Inserted::Segment(segment);
        }
        let assembly = self.settle(id).expect("it is whole");
        if self.holds {
            let (account, bytes) = (
                assembly.account(),
                assembly.manifest().layout().padded_bytes(),
            );
            self.quota.charge(account, bytes);
            self.held.insert(id, (account, bytes));
        }
        let payload = assembly.into_payload();
        Inserted::Whole(segment, payload.expect("it is whole"))
    }

    /// Makes room for `bytes` of an account, where others have more than it would have. Planned first:
    /// nobody gives way in vain.
    fn make_room(&mut self, account: &Account, bytes: usize) -> Result<Vec<ManifestId>, Fault> {
        let mut plan = self.quota.clone();
        let mut given_up = Vec::new();
        while !plan.has_room(bytes) {
            let most = plan.who_gives_way(account, bytes).ok_or(Fault::Quota)?;
            let (id, freed) = self.least_of(&most, &given_up).ok_or(Fault::Quota)?;
            plan.release(&most, freed);
            given_up.push(id);
        }
        for id in &given_up {
            self.remove(*id);
        }
        Ok(given_up)
    }

    /// The payload of an account of which least has come, and the bytes set aside for it.
    fn least_of(&self, account: &Account, but: &[ManifestId]) -> Option<(ManifestId, usize)> {
        let of_account = self
            .under_way
            .iter()
            .filter(|(id, payload)| payload.account() == *account && !but.contains(id));
        let (id, least) = of_account.min_by_key(|(_, payload)| payload.taken())?;
        Some((*id, Assembly::bytes_max(least.manifest())))
    }

    /// Ends what is under way, and remembers it.
    fn settle(&mut self, id: ManifestId) -> Option<Assembly> {
        if self.settled.insert(id) {
            self.settled_in_order.push_back(id);
        }
        if self.settled_in_order.len() > SETTLED_MAX
            && let Some(oldest) = self.settled_in_order.pop_front()
        {
            self.settled.remove(&oldest);
        }
        self.remove(id)
    }

    fn remove(&mut self, id: ManifestId) -> Option<Assembly> {
        let assembly = self.under_way.remove(&id)?;
        let bytes = Assembly::bytes_max(assembly.manifest());
        self.quota.release(&assembly.account(), bytes);
        Some(assembly)
    }
}

impl<L> std::fmt::Debug for Decoder<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("under_way", &self.under_way.len())
            .field("bytes", &self.quota.bytes())
            .finish_non_exhaustive()
    }
}
