//! The parts of one shard's switch, side by side.
//!
//! Each part keeps its state to itself; what takes several of them is done by a function that is lent
//! [`Parts`], or by one that is given the shard because it calls reactors.

use crate::config::ConfigError;
use crate::peer::ShardId;
use crate::reactor::Instance;
use crate::switch::core::Core;
use crate::switch::identity::{SwitchConfig, share_of};
use crate::switch::links::entrance::Entrance;
use crate::switch::links::table::Links;
use crate::switch::memory::Memory;
use crate::switch::node::coordinator::{Coordinator, Desk};
use crate::switch::node::shutdown::Shutdown;
use crate::switch::peer::deliveries::Deliveries;
use crate::switch::peer::recv_budget::RecvBudget;
use crate::switch::peer::revoked::Revoked;
use crate::switch::peer::sends::Sends;
use crate::switch::reactors::reactor_set::ReactorSet;
use crate::time::Instant;

/// Everything of one shard's switch.
pub(crate) struct Shard {
    core: Core,
    links: Links,
    entrance: Entrance,
    memory: Memory,
    sends: Sends,
    recv_budget: RecvBudget,
    deliveries: Deliveries,
    revoked: Revoked,
    reactors: ReactorSet,
    /// On shard 0 only.
    coordinator: Option<Coordinator>,
    shutdown: Shutdown,
}

/// The parts of a shard, lent for a moment.
pub(crate) struct Parts<'a> {
    /// Who we are, the time, the outbox.
    pub(crate) core: &'a mut Core,
    /// All sockets.
    pub(crate) links: &'a mut Links,
    /// Sockets that are nobody yet.
    pub(crate) entrance: &'a mut Entrance,
    /// Buffers.
    pub(crate) memory: &'a mut Memory,
    /// What is queued for peers.
    pub(crate) sends: &'a mut Sends,
    /// Who is read.
    pub(crate) recv_budget: &'a mut RecvBudget,
    /// What waits for the application.
    pub(crate) deliveries: &'a mut Deliveries,
    /// Connections that must not become peers here.
    pub(crate) revoked: &'a mut Revoked,
    /// The protocols of the application.
    pub(crate) reactors: &'a mut ReactorSet,
    /// How far the end of the node has come.
    pub(crate) shutdown: &'a mut Shutdown,
}

impl Shard {
    /// A shard that has these reactors: (name, instance).
    pub(crate) fn new(
        parts: SwitchConfig,
        reactors: Vec<(String, Box<dyn Instance>)>,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let core = Core::new(parts, &reactors, now)?;
        let (identity, config) = (core.identity(), core.config());
        let share = |limit| share_of(limit, identity.shard_count());
        let is_coordinator = identity.shard() == ShardId::COORDINATOR;
        Ok(Shard {
            links: Links::default(),
            entrance: Entrance::new(identity),
            memory: Memory::new(),
            sends: Sends::new(share(config.send_budget_bytes)),
            recv_budget: RecvBudget::new(share(config.recv_budget_bytes)),
            deliveries: Deliveries::default(),
            revoked: Revoked::default(),
            reactors: ReactorSet::new(reactors),
            coordinator: is_coordinator.then(|| Coordinator::new(identity)),
            shutdown: Shutdown::default(),
            core,
        })
    }

    /// Lends the parts.
    #[inline]
    pub(crate) fn parts(&mut self) -> Parts<'_> {
        Parts {
            core: &mut self.core,
            links: &mut self.links,
            entrance: &mut self.entrance,
            memory: &mut self.memory,
            sends: &mut self.sends,
            recv_budget: &mut self.recv_budget,
            deliveries: &mut self.deliveries,
            revoked: &mut self.revoked,
            reactors: &mut self.reactors,
            shutdown: &mut self.shutdown,
        }
    }

    /// The coordinator and what it works with, on shard 0.
    pub(crate) fn coordination(&mut self) -> Option<(&mut Coordinator, Desk<'_>)> {
        let desk = Desk {
            core: &mut self.core,
            entrance: &mut self.entrance,
        };
        self.coordinator
            .as_mut()
            .map(|coordinator| (coordinator, desk))
    }

    /// Who we are, the time, the counters.
    #[inline]
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// All sockets.
    #[inline]
    pub(crate) fn links(&self) -> &Links {
        &self.links
    }

    /// Sockets that are nobody yet.
    pub(crate) fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    /// What is queued for peers.
    pub(crate) fn sends(&self) -> &Sends {
        &self.sends
    }

    /// Who is read.
    pub(crate) fn recv_budget(&self) -> &RecvBudget {
        &self.recv_budget
    }

    /// What waits for the application.
    pub(crate) fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    /// Connections that must not become peers here.
    pub(crate) fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// The protocols of the application.
    #[inline]
    pub(crate) fn reactors(&self) -> &ReactorSet {
        &self.reactors
    }

    /// On shard 0 only.
    pub(crate) fn coordinator(&self) -> Option<&Coordinator> {
        self.coordinator.as_ref()
    }
}
