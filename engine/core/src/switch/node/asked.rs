//! Links that somebody asked for, and who is told what became of them (coordinator only).
//!
//! A dial of the application is answered when the link is known to stand on both sides; so it waits
//! here from our own admission to the other side's first sign of life (see `probe`). So does every
//! link to a node that the operator named, to know when it works again.
//!
//! ```text
//!   dial asked for ─▶ dialing ─▶ admitted here ─▶ Probe ─▶ a packet came ─▶ Ok, "back"
//!                        │             └────────── left before that ──────▶ the reason, told
//!                        └─ failed ───────────────────────────────────────▶ the reason, told
//! ```
//!
//! Invariant: each asker is answered once. Bounded by the peers, and by those who ask.

use std::collections::BTreeMap;
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};

use crate::config::Config;
use crate::error::{CloseReason, Reject};
use crate::peer::ShardId;
use crate::switch::core::{Core, Dialed};
use crate::switch::io::{Event, Reply};
use crate::switch::message::{Candidate, ShardMessage, Ticket};
use crate::switch::node::dialer::{Asker, Askers, Outcome};
use crate::switch::node::named::{Named, NamedAs, NamedPeer};
use crate::time::Instant;

/// The links that were asked for.
#[derive(Debug)]
pub(crate) struct AskedLinks {
    named: Named,
    /// Applications whose dial is admitted here, by its connection; nobody for a link that is only
    /// named.
    unproven: BTreeMap<Ticket, Askers>,
}

/// An admitted connection: its name, its home, and whether it is up there.
pub(crate) type Connection = (Ticket, ShardId, bool);

impl AskedLinks {
    /// Connections that applications wait for. Who is named is the operator's to bound.
    pub(crate) fn len(&self) -> usize {
        self.unproven.len()
    }

    /// What the configuration names, and nobody asks yet.
    pub(crate) fn new(config: &Config) -> Self {
        AskedLinks {
            named: Named::new(
                &config.persistent_peers,
                &config.discovery.seeds,
                &config.unconditional_peer_ids,
            ),
            unproven: BTreeMap::new(),
        }
    }

    /// The operator names others now.
    pub(crate) fn rename(&mut self, config: &Config) {
        let (persistent, seeds) = (&config.persistent_peers, &config.discovery.seeds);
        self.named
            .rename(persistent, seeds, &config.unconditional_peer_ids);
    }

    /// Where a named node is dialed.
    pub(crate) fn place_of(&self, id: &NodeId) -> Option<&NetAddress> {
        self.named.address_of(id)
    }

    /// Whether the operator asked for a link, by name or through the application.
    pub(crate) fn is_asked_for(&self, id: &NodeId, askers: &Askers) -> bool {
        self.asked_as(id, askers).is_some()
    }

    /// How the links to those that the operator named are doing: see [`Named::list`].
    pub(crate) fn named_peers(
        &self,
        now: Instant,
        link_of: impl Fn(&NodeId) -> (bool, Option<Instant>),
    ) -> Vec<NamedPeer> {
        self.named.list(now, link_of)
    }

    /// Somebody asked for a dial of an id that is connected now. Reactors hear of it at once: they
    /// are told when the peer goes, too. The application hears of it when the other side has shown
    /// that it admitted us, or of the reason why it did not.
    pub(crate) fn expect_proof(
        &mut self,
        core: &mut Core,
        id: NodeId,
        connection: Option<Connection>,
        askers: Askers,
    ) {
        let Some((ticket, home, is_up)) = connection else {
            return answer(core, askers, &Ok(id));
        };
        let is_reactor = |asker: &Asker| matches!(asker, Asker::Reactor(..));
        let (reactors, applications): (Askers, Askers) = askers.into_iter().partition(is_reactor);
        answer(core, reactors, &Ok(id));
        if applications.is_empty() && self.named.address_of(&id).is_none() {
            return;
        }
        self.unproven
            .entry(ticket)
            .or_default()
            .extend(applications);
        if is_up {
            let within = None;
            core.send(home, ShardMessage::Probe { ticket, within });
        }
    }

    /// Takes those who wait for a connection to prove itself; nothing if none has to.
    pub(crate) fn take_unproven(&mut self, ticket: Ticket) -> Option<Askers> {
        self.unproven.remove(&ticket)
    }

    /// Takes all who wait.
    pub(crate) fn take_all(&mut self) -> Askers {
        let unproven = std::mem::take(&mut self.unproven);
        unproven.into_values().flatten().collect()
    }

    /// The other side of a connection has said something: it stands.
    pub(crate) fn handle_proven(&mut self, core: &mut Core, ticket: Ticket, id: NodeId) {
        let Some(askers) = self.unproven.remove(&ticket) else {
            return;
        };
        answer(core, askers, &Ok(id));
        if let Some((named_as, failures)) = self.named.handle_stands(&id) {
            core.event(Event::NamedPeerBack {
                id,
                named_as,
                failures,
            });
        }
    }

    /// A link to `address` failed: told, if the operator asked for it and that is news. Those who wait
    /// for it are in `outcome`, and answered by others.
    pub(crate) fn handle_failed(
        &mut self,
        core: &mut Core,
        address: &NetAddress,
        outcome: &Outcome,
        reason: &CloseReason,
    ) {
        if matches!(reason, CloseReason::Stopped | CloseReason::Shutdown) {
            return;
        }
        let Some(named_as) = self.asked_as(&address.id, &outcome.askers) else {
            return;
        };
        let is_news = self.named.handle_failed(core.now(), &address.id, reason);
        if is_news || named_as == NamedAs::Asked {
            core.event(Event::NamedPeerFailed {
                address: address.clone(),
                named_as,
                reason: reason.clone(),
                retry_in: outcome.retry_in,
            });
        }
    }

    /// A node that came to us was refused: told, if the operator named it and that is news.
    pub(crate) fn handle_refused(
        &mut self,
        core: &mut Core,
        candidate: &Candidate,
        reject: &Reject,
        retry_in: Option<Duration>,
    ) {
        let is_known = matches!(reject, Reject::DuplicateId(_) | Reject::Stopping);
        if is_known || self.named.role_of(&candidate.id).is_none() {
            return;
        }
        let address = candidate.remote_addr.address_of(candidate.id);
        let outcome = Outcome {
            retry_in,
            ..Outcome::default()
        };
        let reason = CloseReason::Rejected(reject.clone());
        self.handle_failed(core, &address, &outcome, &reason);
    }

    /// A link that had stood for `lasted` was lost: told, if the operator named its node and that is
    /// news.
    pub(crate) fn handle_lost(
        &mut self,
        core: &mut Core,
        id: NodeId,
        reason: &CloseReason,
        lasted: Duration,
    ) {
        if let Some(named_as) = self.named.handle_lost(core.now(), &id, reason, lasted) {
            core.event(Event::NamedPeerLost {
                id,
                named_as,
                reason: reason.clone(),
            });
        }
    }

    /// What the operator asked for a link as, if it was the operator who did.
    fn asked_as(&self, id: &NodeId, askers: &Askers) -> Option<NamedAs> {
        let is_application = |asker: &Asker| matches!(asker, Asker::Application(_));
        let is_asked = askers.iter().any(is_application);
        let named_as = self.named.role_of(id);
        named_as.or(is_asked.then_some(NamedAs::Asked))
    }
}

/// Tells those who asked for a dial what became of it.
pub(crate) fn answer(core: &mut Core, askers: Askers, outcome: &Result<NodeId, CloseReason>) {
    for asker in askers {
        match asker {
            Asker::Application(token) => core.reply(token, Reply::Dial(outcome.clone())),
            Asker::Reactor(reactor, address) => core.tell_dialed(Dialed {
                reactor,
                address,
                outcome: outcome.clone().map(|_| ()),
            }),
        }
    }
}
