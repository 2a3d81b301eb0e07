//! The coordinator: the part of shard 0 that holds the node together. It admits peers, keeps the
//! dial plan, and tells every shard's gate what to refuse.
//!
//! It is told by messages and acts by messages, to its own shard as well, so nothing here knows
//! where a peer lives beyond its ticket.

use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};

use super::admission::{Admission, AdmissionLimits, Decision, OwnDial, Plan};
use super::core::{Core, Dialed};
use super::dialer::{Asker, Askers, DialKind, Dialer, Outcome};
use super::io::{Event, Reply, ReplyToken};
use super::message::{AttemptId, Candidate, GateUpdate, Pass, ShardMessage, Ticket};
use super::timers::Timer;
use crate::config::Config;
use crate::error::{CloseReason, Reject};
use crate::peer::{Ban, BanOrigin, BanTarget, Census, Direction, ShardId};
use crate::time::Instant;

/// The coordinator's state.
pub(super) struct Coordinator {
    admission: Admission,
    dialer: Dialer,
    persistent: Vec<NetAddress>,
    /// What the gates were last told about the inbound budget.
    inbound_full: bool,
    /// The deadline of the dial plan that is in the timer heap.
    timer_at: Option<Instant>,
    stopping: bool,
}

impl Coordinator {
    pub(super) fn new(config: &Config, local: NodeId, shard_count: u16) -> Self {
        let mut unconditional = config.unconditional_peer_ids.clone();
        unconditional.sort_unstable();
        let limits = AdmissionLimits {
            inbound_max: config.max_num_inbound_peers,
            outbound_max: config.max_num_outbound_peers,
            allow_duplicate_ip: config.allow_duplicate_ip,
            per_ip_max: config.max_num_peers_per_ip,
            per_subnet_max: config.max_num_peers_per_subnet,
            unconditional,
        };
        Coordinator {
            admission: Admission::new(local, limits, shard_count),
            dialer: Dialer::new(config.persistent_peers_max_dial_period),
            persistent: config.persistent_peers.clone(),
            inbound_full: false,
            timer_at: None,
            stopping: false,
        }
    }

    /// Plans the first dial of every persistent peer, spread by the configured jitter.
    pub(super) fn start(&mut self, core: &mut Core) {
        self.announce_budget(core);
        for address in std::mem::take(&mut self.persistent) {
            // A node whose own address is in its list, as it is when a list is shared, skips it.
            if address.id != core.node_id {
                let at = core.now + core.chance.duration_up_to(core.config.dial_jitter);
                self.dialer
                    .plan(at, address, DialKind::Persistent, None, false);
            }
        }
        self.run_dials(core);
    }

    /// A message from a shard to the coordinator.
    pub(super) fn handle(&mut self, core: &mut Core, from: ShardId, message: ShardMessage) {
        match message {
            ShardMessage::Admit(candidate) => self.admit(core, from, candidate),
            ShardMessage::Joined(ticket) => self.join(core, ticket),
            ShardMessage::Left { ticket, reason } => self.leave(core, ticket, &reason),
            ShardMessage::DialProven(attempt) => self.dialer.handle_proven(attempt),
            ShardMessage::DialEnded { attempt, reason } => self.fail_dial(core, attempt, reason),
            ShardMessage::Discover { address, reactor } => self.discover(core, address, reactor),
            ShardMessage::Ban { target, span } => {
                self.ban(core, target, span, BanOrigin::Reactor);
            }
            other => unreachable!("not a message to the coordinator: {other:?}"),
        }
        self.run_dials(core);
    }

    /// Dials what is due and looks after the next deadline.
    pub(super) fn run_dials(&mut self, core: &mut Core) {
        while let Some(id) = self.dialer.next_due(core.now) {
            if self.admission.contains(&id) {
                // It came to us meanwhile; whoever asked hears of it when it has joined.
                let askers = self.dialer.handle_joined(core.now, id);
                answer(core, askers, &Ok(id));
                continue;
            }
            if let Some(until) = self.banned_until(core.now, &id) {
                let outcome = self.dialer.handle_banned(id, until);
                report(core, outcome, &CloseReason::Rejected(Reject::Banned));
                continue;
            }
            let (admission, dialer) = (&self.admission, &self.dialer);
            let shard = admission.lightest(ShardId::COORDINATOR, |shard| dialer.dialing_on(shard));
            let Some(due) = self.dialer.start(id, shard) else {
                break;
            };
            core.send(
                shard,
                ShardMessage::Dial {
                    attempt: due.attempt,
                    address: due.address,
                },
            );
        }
        self.schedule(core);
    }

    /// The dial plan's entry in the timer heap came up.
    pub(super) fn handle_timeout(&mut self, core: &mut Core) {
        self.timer_at = None;
        self.run_dials(core);
    }

    /// The application asks for a dial.
    pub(super) fn dial(
        &mut self,
        core: &mut Core,
        address: NetAddress,
        persistent: bool,
        token: Option<ReplyToken>,
    ) {
        let id = address.id;
        let connected = self.admission.contains(&id);
        let reject = if self.stopping {
            Some(Reject::Stopping)
        } else if id == core.node_id {
            Some(Reject::IsSelf)
        } else {
            connected.then_some(Reject::DuplicateId(id))
        };
        if let (Some(reject), Some(token)) = (&reject, token) {
            core.reply(
                token,
                Reply::Dial(Err(CloseReason::Rejected(reject.clone()))),
            );
        }
        let kind = if persistent {
            DialKind::Persistent
        } else {
            DialKind::Once
        };
        match reject {
            None => {
                let asker = token.map(Asker::Application);
                self.dialer.plan(core.now, address, kind, asker, false);
            }
            Some(Reject::DuplicateId(_)) if persistent => {
                self.dialer.plan(core.now, address, kind, None, true);
            }
            Some(_) => {}
        }
        self.run_dials(core);
    }

    /// A reactor asks for a dial, within the limit of outbound peers.
    pub(super) fn discover(&mut self, core: &mut Core, address: NetAddress, reactor: u16) {
        let askers = Askers::from_buf([Asker::Reactor(reactor, address.clone())]);
        if let Err(reject) = self.check_discovered(core, &address.id) {
            return answer(core, askers, &Err(CloseReason::Rejected(reject)));
        }
        let asker = askers.into_iter().next();
        self.dialer
            .plan(core.now, address, DialKind::Discovered, asker, false);
        self.run_dials(core);
    }

    fn check_discovered(&mut self, core: &Core, id: &NodeId) -> Result<(), Reject> {
        let Census {
            outbound, dialing, ..
        } = self.census();
        let outbound_max = core.config.max_num_outbound_peers;
        let is_full = outbound + dialing >= outbound_max;
        if self.stopping {
            Err(Reject::Stopping)
        } else if *id == core.node_id {
            Err(Reject::IsSelf)
        } else if self.is_known(id) {
            Err(Reject::DuplicateId(*id))
        } else if is_full && !self.admission.is_unconditional(id) {
            Err(Reject::OutboundFull(outbound_max))
        } else {
            Ok(())
        }
    }

    /// How many peers the node has and is about to have.
    pub(super) fn census(&self) -> Census {
        Census {
            dialing: self
                .dialer
                .dialing(|id| !self.admission.is_unconditional(id)),
            ..self.admission.census()
        }
    }

    /// Whether the id is a peer, or a dial of it is planned or under way.
    pub(super) fn is_known(&self, id: &NodeId) -> bool {
        self.admission.contains(id) || self.dialer.is_dialing(id)
    }

    /// When the ban of a planned dial's id, or of its address, ends, if there is one.
    fn banned_until(&self, now: Instant, id: &NodeId) -> Option<Instant> {
        let address = self.dialer.address_of(id);
        let ip = address.and_then(|address| address.host.ip());
        self.admission.banned_until(now, id, ip)
    }

    /// Refuses an id or host for `span`; its peers are closed. No time at all is no ban: nothing
    /// happens.
    pub(super) fn ban(
        &mut self,
        core: &mut Core,
        target: BanTarget,
        span: Duration,
        origin: BanOrigin,
    ) {
        if span.is_zero() {
            return;
        }
        let until = core.now + span;
        if let BanTarget::Ip(ip) = target {
            self.tell_gates(core, GateUpdate::Banned { ip, until, origin });
        }
        let expelled = self.admission.ban(target, until, origin);
        for (ticket, home) in expelled {
            core.send(
                home,
                ShardMessage::Revoke {
                    ticket,
                    reject: Reject::Banned,
                },
            );
        }
    }

    /// Ends the bans of an id or host, and dials at once who waited for that. Says whether there
    /// were any.
    pub(super) fn unban(&mut self, core: &mut Core, target: BanTarget) -> bool {
        let was_banned = self.admission.unban(target);
        if let BanTarget::Ip(ip) = target {
            self.tell_gates(core, GateUpdate::Unbanned(ip));
        }
        let admission = &self.admission;
        let now = core.now;
        self.dialer.handle_unbanned(now, |id, address| {
            admission.banned_until(now, id, address.host.ip()).is_some()
        });
        self.run_dials(core);
        was_banned
    }

    /// All bans that hold.
    pub(super) fn bans(&self, now: Instant) -> Vec<Ban> {
        self.admission.bans(now)
    }

    /// Ends all dialing and admission.
    pub(super) fn stop(&mut self, core: &mut Core) {
        self.stopping = true;
        let askers = self.dialer.stop();
        answer(core, askers, &Err(CloseReason::Shutdown));
    }

    fn admit(&mut self, core: &mut Core, from: ShardId, candidate: Candidate) {
        if self.stopping {
            return self.give_verdict(core, from, candidate, Err(Reject::Stopping));
        }
        let own_dial = match self.dialer.is_proven(&candidate.id, candidate.attempt) {
            true => OwnDial::Proven,
            false => OwnDial::None,
        };
        let plan = Plan {
            own_dial,
            persistent: self.dialer.is_persistent(&candidate.id),
            discovered: self.dialer.is_discovered(candidate.attempt),
        };
        match self
            .admission
            .decide(core.now, from, candidate.clone(), plan)
        {
            Decision::Verdict(verdict) => self.give_verdict(core, from, candidate, verdict),
            Decision::Displace { ticket, home } => {
                let reject = Reject::DuplicateId(candidate.id);
                core.send(home, ShardMessage::Revoke { ticket, reject });
            }
        }
    }

    fn give_verdict(
        &mut self,
        core: &mut Core,
        from: ShardId,
        candidate: Candidate,
        verdict: Result<Pass, Reject>,
    ) {
        match &verdict {
            Ok(_) => {
                let ip = candidate.remote_addr.ip().to_canonical();
                self.tell_gates(core, GateUpdate::Occupied(ip, core.now));
                self.announce_budget(core);
                if candidate.direction == Direction::Inbound {
                    self.cancel_dial(core, candidate.id);
                }
            }
            Err(reject) => {
                if let Some(attempt) = candidate.attempt {
                    self.fail_dial(core, attempt, CloseReason::Rejected(reject.clone()));
                }
            }
        }
        core.send(
            from,
            ShardMessage::Verdict {
                link: candidate.link,
                verdict,
            },
        );
    }

    /// An inbound connection won: our own attempt is not needed any more.
    fn cancel_dial(&mut self, core: &mut Core, id: NodeId) {
        if let Some((attempt, shard)) = self.dialer.cancel(&id) {
            core.send(shard, ShardMessage::CancelDial { attempt, id });
        }
    }

    fn join(&mut self, core: &mut Core, ticket: Ticket) {
        if let Some(id) = self.admission.id_of(ticket) {
            let askers = self.dialer.handle_joined(core.now, id);
            answer(core, askers, &Ok(id));
        }
    }

    fn leave(&mut self, core: &mut Core, ticket: Ticket, reason: &CloseReason) {
        let Some(departed) = self.admission.leave(ticket) else {
            return;
        };
        self.tell_gates(core, GateUpdate::Vacated(departed.entry.ip));
        self.announce_budget(core);
        let outcome = self
            .dialer
            .handle_left(core.now, departed.id, reason, &mut core.chance);
        report(core, outcome, reason);
        if let Some((from, successor)) = departed.successor {
            self.admit(core, from, successor);
        }
    }

    fn fail_dial(&mut self, core: &mut Core, attempt: AttemptId, reason: CloseReason) {
        let failed = self
            .dialer
            .handle_failed(core.now, attempt, &reason, &mut core.chance);
        let Some((address, outcome)) = failed else {
            return;
        };
        if let CloseReason::Network(error) = &reason {
            let (error, retry_in) = (error.clone(), outcome.retry_in);
            core.event(Event::DialFailed {
                address,
                error,
                retry_in,
            });
        }
        report(core, outcome, &reason);
    }

    fn announce_budget(&mut self, core: &mut Core) {
        let full = self.admission.is_inbound_full();
        if full != self.inbound_full {
            self.inbound_full = full;
            self.tell_gates(core, GateUpdate::InboundFull(full));
        }
    }

    fn tell_gates(&self, core: &mut Core, update: GateUpdate) {
        core.gate.handle_update(update);
        for shard in core.other_shards() {
            core.send(shard, ShardMessage::Gate(update));
        }
    }

    fn schedule(&mut self, core: &mut Core) {
        let Some(want) = self.dialer.next_at() else {
            return;
        };
        if self.timer_at.is_none_or(|at| want < at) {
            self.timer_at = Some(want);
            core.timers.set(want, Timer::Dials);
        }
    }
}

/// Tells what became of a dial or a lost peer.
fn report(core: &mut Core, outcome: Outcome, reason: &CloseReason) {
    answer(core, outcome.askers, &Err(reason.clone()));
    if let Some(address) = outcome.gave_up {
        core.event(Event::GaveUp(address));
    }
}

fn answer(core: &mut Core, askers: Askers, outcome: &Result<NodeId, CloseReason>) {
    for asker in askers {
        match asker {
            Asker::Application(token) => core.reply(token, Reply::Dial(outcome.clone())),
            Asker::Reactor(reactor, address) => core.dialed.push_back(Dialed {
                reactor,
                address,
                outcome: outcome.clone().map(|_| ()),
            }),
        }
    }
}
