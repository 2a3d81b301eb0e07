//! The coordinator: the part of shard 0 that holds the node together. It admits peers, keeps the
//! dial plan, and tells every shard's gate what to refuse.
//!
//! It is told by messages and acts by messages, to its own shard as well, so nothing here knows
//! where a peer lives beyond its ticket.

use std::sync::Arc;
use std::time::Duration;

use ringwire_codec::{NetAddress, NodeId};

use crate::config::{Change, Config, Difference};
use crate::error::{CloseReason, Reject};
use crate::peer::{Ban, BanOrigin, BanTarget, Census, Direction, ShardId};
use crate::switch::core::Core;
use crate::switch::identity::Identity;
use crate::switch::io::{Changed, Event, Reply, ReplyToken};
use crate::switch::links::entrance::Entrance;
use crate::switch::message::{AttemptId, Candidate, GateUpdate, Pass, ShardMessage, Ticket};
use crate::switch::node::admission::{Admission, AdmissionLimits, Decision, OwnDial, Plan};
use crate::switch::node::asked::{AskedLinks, answer};
use crate::switch::node::dialer::{Asker, Askers, DialKind, Dialer, Outcome};
use crate::switch::node::named::NamedPeer;
use crate::switch::node::settings::Settings;
use crate::switch::timers::Timer;
use crate::time::Instant;

/// How long an old connection has to show that it lives when its node comes over a new one. Two round
/// trips around the world and a lost segment; well below the time a handshake has, for the newcomer
/// waits so long.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// What the coordinator works with on its own shard.
pub(crate) struct Desk<'a> {
    /// Who we are, the time, the outbox.
    pub(crate) core: &'a mut Core,
    /// The gate of this shard, which hears of everything first.
    pub(crate) entrance: &'a mut Entrance,
}

/// The coordinator's state.
pub(crate) struct Coordinator {
    admission: Admission,
    dialer: Dialer,
    /// What the node goes by, and who waits for a change of it.
    settings: Settings,
    /// The links that somebody asked for, and who waits for them.
    asked: AskedLinks,
    /// What the gates were last told about the inbound budget.
    inbound_full: bool,
    /// The deadline of the dial plan that is in the timer heap.
    timer_at: Option<Instant>,
    /// How long an old connection may be silent when its node comes over a new one.
    silence_max: Duration,
    stopping: bool,
}

impl Coordinator {
    pub(crate) fn new(identity: &Identity) -> Self {
        let config = identity.config();
        let limits = admission_limits(config);
        Coordinator {
            admission: Admission::new(identity.node_id(), limits, identity.shard_count()),
            dialer: Dialer::new(config.persistent_peers_max_dial_period),
            settings: Settings::new(Arc::clone(config)),
            asked: AskedLinks::new(config),
            inbound_full: false,
            timer_at: None,
            silence_max: silence_max(config),
            stopping: false,
        }
    }

    /// See [`crate::switch::Switch::table_sizes`].
    pub(crate) fn table_sizes(&self) -> [(&'static str, usize); 4] {
        [
            ("changes under way", self.settings.len()),
            ("dials that are waited for", self.asked.len()),
            ("admissions", self.admission.len()),
            ("dial targets", self.dialer.len()),
        ]
    }

    /// Plans the first dial of every persistent peer, spread by the configured jitter.
    pub(crate) fn start(&mut self, desk: &mut Desk<'_>) {
        self.announce_budget(desk);
        let config = Arc::clone(self.settings.config());
        for address in config.persistent_peers.iter().cloned() {
            // A node whose own id is in its list skips it. That is as it should be when one list is
            // shared by all, and a copied key where the address is another node's.
            if address.id == desk.core.identity().node_id() {
                let reason = CloseReason::Rejected(Reject::IsSelf);
                self.asked
                    .handle_failed(desk.core, &address, &Outcome::default(), &reason);
            } else {
                let at = desk.core.now() + desk.core.chance().duration_up_to(config.dial_jitter);
                self.dialer
                    .plan(at, address, DialKind::Persistent, None, false);
            }
        }
        self.run_dials(desk);
    }

    /// A message from a shard to the coordinator.
    pub(crate) fn handle(&mut self, desk: &mut Desk<'_>, from: ShardId, message: ShardMessage) {
        match message {
            ShardMessage::Admit(candidate) => self.admit(desk, from, candidate),
            ShardMessage::Joined(ticket) => self.join(desk, ticket),
            ShardMessage::Probed(ticket) => self.handle_probed(desk, ticket),
            ShardMessage::Left { ticket, reason } => self.leave(desk, ticket, &reason),
            ShardMessage::DialProven(attempt) => self.dialer.handle_proven(attempt),
            ShardMessage::DialEnded { attempt, reason } => self.fail_dial(desk, attempt, reason),
            ShardMessage::Reconfigured(number) => self.handle_confirmed(desk, number),
            other => unreachable!("not a message to the coordinator: {other:?}"),
        }
        self.run_dials(desk);
    }

    /// Dials what is due and looks after the next deadline.
    pub(crate) fn run_dials(&mut self, desk: &mut Desk<'_>) {
        while let Some(id) = self.dialer.next_due(desk.core.now()) {
            if self.admission.contains(&id) {
                // It came to us meanwhile; whoever asked hears of it when it has joined.
                let askers = self.dialer.handle_joined(desk.core.now(), id);
                self.expect_proof(desk, id, askers);
                continue;
            }
            if let Some(until) = self.banned_until(desk.core.now(), &id) {
                self.postpone(desk, id, until);
                continue;
            }
            let (admission, dialer) = (&self.admission, &self.dialer);
            let shard = admission.lightest(ShardId::COORDINATOR, |shard| dialer.dialing_on(shard));
            let Some(due) = self.dialer.start(id, shard) else {
                break;
            };
            desk.core.send(
                shard,
                ShardMessage::Dial {
                    attempt: due.attempt,
                    address: due.address,
                },
            );
        }
        self.schedule(desk);
    }

    /// A dial is due and its id or address is banned.
    fn postpone(&mut self, desk: &mut Desk<'_>, id: NodeId, until: Instant) {
        let reason = CloseReason::Rejected(Reject::Banned);
        let address = self.dialer.address_of(&id).cloned();
        let mut outcome = self.dialer.handle_banned(id, until);
        outcome.retry_in = self.dialer.next_dial_of(&id).map(|at| at - desk.core.now());
        if let Some(address) = address {
            self.asked
                .handle_failed(desk.core, &address, &outcome, &reason);
        }
        report(desk.core, outcome, &reason);
    }

    /// The dial plan's entry in the timer heap came up.
    pub(crate) fn handle_timeout(&mut self, desk: &mut Desk<'_>) {
        self.timer_at = None;
        self.run_dials(desk);
    }

    /// The application asks for a dial.
    pub(crate) fn dial(
        &mut self,
        desk: &mut Desk<'_>,
        address: NetAddress,
        persistent: bool,
        token: Option<ReplyToken>,
    ) {
        let id = address.id;
        let connected = self.admission.contains(&id);
        let reject = if self.stopping {
            Some(Reject::Stopping)
        } else if id == desk.core.identity().node_id() {
            Some(Reject::IsSelf)
        } else {
            connected.then_some(Reject::DuplicateId(id))
        };
        if let (Some(reject), Some(token)) = (&reject, token) {
            desk.core.reply(
                token,
                Reply::Dial(Err(CloseReason::Rejected(reject.clone()))),
            );
        }
        let kind = match persistent {
            true => DialKind::Persistent,
            false => DialKind::Once,
        };
        if reject.is_none() {
            let asker = token.map(Asker::Application);
            self.dialer
                .plan(desk.core.now(), address.clone(), kind, asker, false);
        }
        if persistent {
            let kept = [Change::AddPersistentPeer(address)];
            // Refused for the node itself and for an address without a port: the dial's answer says it.
            if let Ok(differences) = self.settings.change(desk.core.identity().node_id(), &kept) {
                self.apply(desk, None, differences);
            }
        }
        self.run_dials(desk);
    }

    // ---- what the node goes by ------------------------------------------------------------------

    /// The operator changes what the node goes by: all of it, or nothing.
    pub(crate) fn change(
        &mut self,
        desk: &mut Desk<'_>,
        changes: &[Change],
        token: Option<ReplyToken>,
    ) {
        match self
            .settings
            .change(desk.core.identity().node_id(), changes)
        {
            Ok(differences) => self.apply(desk, token, differences),
            Err(error) => {
                if let Some(token) = token {
                    desk.core.reply(token, Reply::Changed(Err(error)));
                }
            }
        }
        self.run_dials(desk);
    }

    /// What the node goes by now.
    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(self.settings.config())
    }

    /// Goes by the settings as they are now, and has every shard do so.
    fn apply(
        &mut self,
        desk: &mut Desk<'_>,
        token: Option<ReplyToken>,
        differences: Vec<Difference>,
    ) {
        let config = self.config();
        self.silence_max = silence_max(&config);
        self.dialer
            .set_pause_max(config.persistent_peers_max_dial_period);
        self.asked.rename(&config);
        self.keep_dialed(desk, &config.persistent_peers);
        let dialer = &self.dialer;
        self.admission
            .set_limits(admission_limits(&config), |id| dialer.is_persistent(id));
        self.announce_budget(desk);
        let shard_count = desk.core.identity().shard_count();
        let number = self.settings.expect(shard_count, token, differences);
        for shard in (0..shard_count).map(ShardId) {
            let config = Arc::clone(&config);
            desk.core
                .send(shard, ShardMessage::Reconfigure { number, config });
        }
    }

    /// Dials for good exactly these: who is new is dialed now, and so is one that was stopped on
    /// purpose; who is none of them any more is forgotten.
    fn keep_dialed(&mut self, desk: &mut Desk<'_>, wanted: &[NetAddress]) {
        for id in self.dialer.persistent_ids() {
            if wanted.iter().any(|address| address.id == id) {
                continue;
            }
            let (askers, attempt) = self.dialer.forget(&id);
            answer(desk.core, askers, &Err(CloseReason::Stopped));
            if let Some((attempt, shard)) = attempt {
                let reason = CloseReason::Stopped;
                desk.core
                    .send(shard, ShardMessage::CancelDial { attempt, reason });
            }
        }
        let (now, ourselves) = (desk.core.now(), desk.core.identity().node_id());
        for address in wanted.iter().filter(|address| address.id != ourselves) {
            if self.dialer.persistent_place_of(&address.id) != Some(address) && !self.stopping {
                let is_connected = self.admission.contains(&address.id);
                let kind = DialKind::Persistent;
                self.dialer
                    .plan(now, address.clone(), kind, None, is_connected);
            }
        }
    }

    /// A shard goes by the settings of a change.
    fn handle_confirmed(&mut self, desk: &mut Desk<'_>, number: u64) {
        if let Some((token, differences)) = self.settings.handle_confirmed(number) {
            let changed = Changed::new(&differences, self.census());
            desk.core.reply(token, Reply::Changed(Ok(changed)));
        }
    }

    // ---- dials of reactors ----------------------------------------------------------------------

    /// A reactor asks for a dial, within the limit of outbound peers.
    pub(crate) fn discover(&mut self, desk: &mut Desk<'_>, address: NetAddress, reactor: u16) {
        let askers = Askers::from_buf([Asker::Reactor(reactor, address.clone())]);
        if let Err(reject) = self.check_discovered(desk.core, &address.id) {
            return answer(desk.core, askers, &Err(CloseReason::Rejected(reject)));
        }
        let asker = askers.into_iter().next();
        self.dialer
            .plan(desk.core.now(), address, DialKind::Discovered, asker, false);
        self.run_dials(desk);
    }

    fn check_discovered(&mut self, core: &Core, id: &NodeId) -> Result<(), Reject> {
        let Census {
            outbound, dialing, ..
        } = self.census();
        let outbound_max = self.settings.config().max_num_outbound_peers;
        let is_full = outbound + dialing >= outbound_max;
        if self.stopping {
            Err(Reject::Stopping)
        } else if *id == core.identity().node_id() {
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
    pub(crate) fn census(&self) -> Census {
        Census {
            dialing: self
                .dialer
                .dialing(|id| !self.admission.is_unconditional(id)),
            ..self.admission.census()
        }
    }

    /// Whether the id is a peer, or a dial of it is planned or under way.
    pub(crate) fn is_known(&self, id: &NodeId) -> bool {
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
    pub(crate) fn ban(
        &mut self,
        desk: &mut Desk<'_>,
        target: BanTarget,
        span: Duration,
        origin: BanOrigin,
    ) {
        if span.is_zero() {
            return;
        }
        let until = desk.core.now() + span;
        if let BanTarget::Ip(ip) = target {
            self.tell_gates(desk, GateUpdate::Banned { ip, until, origin });
        }
        let expelled = self.admission.ban(target, until, origin);
        for (ticket, home) in expelled {
            desk.core.send(
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
    pub(crate) fn unban(&mut self, desk: &mut Desk<'_>, target: BanTarget) -> bool {
        let was_banned = self.admission.unban(target);
        if let BanTarget::Ip(ip) = target {
            self.tell_gates(desk, GateUpdate::Unbanned(ip));
        }
        let admission = &self.admission;
        let now = desk.core.now();
        self.dialer.handle_unbanned(now, |id, address| {
            admission.banned_until(now, id, address.host.ip()).is_some()
        });
        self.run_dials(desk);
        was_banned
    }

    /// All bans that hold.
    pub(crate) fn bans(&self, now: Instant) -> Vec<Ban> {
        self.admission.bans(now)
    }

    /// Ends all dialing and admission.
    pub(crate) fn stop(&mut self, desk: &mut Desk<'_>) {
        self.stopping = true;
        let mut askers = self.dialer.stop();
        askers.extend(self.asked.take_all());
        answer(desk.core, askers, &Err(CloseReason::Shutdown));
    }

    fn admit(&mut self, desk: &mut Desk<'_>, from: ShardId, candidate: Candidate) {
        if self.stopping {
            return self.give_verdict(desk, from, candidate, Err(Reject::Stopping));
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
            .decide(desk.core.now(), from, candidate.clone(), plan)
        {
            Decision::Verdict(verdict) => self.give_verdict(desk, from, candidate, verdict),
            Decision::Displace { ticket, home } => {
                let reject = Reject::DuplicateId(candidate.id);
                desk.core
                    .send(home, ShardMessage::Revoke { ticket, reject });
            }
            Decision::Probe { ticket, home } => {
                let within = Some(self.silence_max);
                desk.core.send(home, ShardMessage::Probe { ticket, within });
            }
        }
    }

    fn give_verdict(
        &mut self,
        desk: &mut Desk<'_>,
        from: ShardId,
        candidate: Candidate,
        verdict: Result<Pass, Reject>,
    ) {
        match &verdict {
            Ok(_) => {
                let now = desk.core.now();
                if let Some(ip) = candidate.remote_addr.ip() {
                    self.tell_gates(desk, GateUpdate::Occupied(ip, now));
                }
                self.announce_budget(desk);
                if candidate.direction == Direction::Inbound {
                    self.cancel_dial(desk, candidate.id);
                }
            }
            Err(reject) => {
                if let Some(attempt) = candidate.attempt {
                    self.fail_dial(desk, attempt, CloseReason::Rejected(reject.clone()));
                } else {
                    let next_dial = self.dialer.next_dial_of(&candidate.id);
                    let retry_in = next_dial.map(|at| at - desk.core.now());
                    self.asked
                        .handle_refused(desk.core, &candidate, reject, retry_in);
                }
            }
        }
        desk.core.send(
            from,
            ShardMessage::Verdict {
                link: candidate.link,
                verdict,
            },
        );
    }

    /// An inbound connection won: our own attempt is not needed any more.
    fn cancel_dial(&mut self, desk: &mut Desk<'_>, id: NodeId) {
        if let Some((attempt, shard)) = self.dialer.cancel(&id) {
            let reason = CloseReason::Rejected(Reject::DuplicateId(id));
            desk.core
                .send(shard, ShardMessage::CancelDial { attempt, reason });
        }
    }

    fn join(&mut self, desk: &mut Desk<'_>, ticket: Ticket) {
        if let Some(id) = self.admission.id_of(ticket) {
            self.admission.handle_joined(ticket);
            let mut askers = self.asked.take_unproven(ticket).unwrap_or_default();
            askers.extend(self.dialer.handle_joined(desk.core.now(), id));
            self.expect_proof(desk, id, askers);
        }
    }

    fn expect_proof(&mut self, desk: &mut Desk<'_>, id: NodeId, askers: Askers) {
        let connection = self.admission.connection_of(&id);
        self.asked.expect_proof(desk.core, id, connection, askers);
    }

    /// A peer that was asked whether it is there has said something.
    fn handle_probed(&mut self, desk: &mut Desk<'_>, ticket: Ticket) {
        if let Some(id) = self.admission.id_of(ticket) {
            self.asked.handle_proven(desk.core, ticket, id);
        }
        if let Some((from, rival)) = self.admission.take_rival(ticket) {
            let reject = Reject::DuplicateId(rival.id);
            self.give_verdict(desk, from, rival, Err(reject));
        }
    }

    fn leave(&mut self, desk: &mut Desk<'_>, ticket: Ticket, reason: &CloseReason) {
        let Some(departed) = self.admission.leave(ticket) else {
            return;
        };
        if let Some(ip) = departed.entry.ip {
            self.tell_gates(desk, GateUpdate::Vacated(ip));
        }
        self.announce_budget(desk);
        let id = departed.id;
        // Of one that was dialed just once this is the last chance to know where it was.
        let place = self.dialer.address_of(&id).or(self.asked.place_of(&id));
        let place = place.cloned();
        let mut outcome = self
            .dialer
            .handle_left(desk.core.now(), id, reason, desk.core.chance());
        let unproven = self.asked.take_unproven(ticket);
        let is_unproven = unproven.is_some();
        let waiting = unproven.unwrap_or_default();
        if let Some((from, successor)) = departed.successor {
            // The node is here all the same, over the other connection.
            report(desk.core, outcome, reason);
            self.admit(desk, from, successor);
            return self.expect_proof(desk, id, waiting);
        }
        outcome.askers.extend(waiting);
        match place.filter(|_| is_unproven) {
            // The other side had not shown that it admitted us: it refused us.
            Some(place) => self
                .asked
                .handle_failed(desk.core, &place, &outcome, reason),
            None => {
                let lasted = desk.core.now() - departed.entry.since;
                self.asked.handle_lost(desk.core, id, reason, lasted);
            }
        }
        report(desk.core, outcome, reason);
    }

    fn fail_dial(&mut self, desk: &mut Desk<'_>, attempt: AttemptId, reason: CloseReason) {
        let failed =
            self.dialer
                .handle_failed(desk.core.now(), attempt, &reason, desk.core.chance());
        let Some((address, outcome)) = failed else {
            return;
        };
        self.asked
            .handle_failed(desk.core, &address, &outcome, &reason);
        if let CloseReason::Network(error) = &reason {
            let (error, retry_in) = (error.clone(), outcome.retry_in);
            desk.core.event(Event::DialFailed {
                is_named: self.asked.is_asked_for(&address.id, &outcome.askers),
                address,
                error,
                retry_in,
            });
        }
        report(desk.core, outcome, &reason);
    }

    /// How the links to those that the operator named are doing.
    pub(crate) fn named_peers(&self, now: Instant) -> Vec<NamedPeer> {
        self.asked.named_peers(now, |id| {
            let next_dial = self.dialer.next_dial_of(id);
            (self.admission.contains(id), next_dial)
        })
    }

    fn announce_budget(&mut self, desk: &mut Desk<'_>) {
        let full = self.admission.is_inbound_full();
        if full != self.inbound_full {
            self.inbound_full = full;
            self.tell_gates(desk, GateUpdate::InboundFull(full));
        }
    }

    fn tell_gates(&self, desk: &mut Desk<'_>, update: GateUpdate) {
        desk.entrance.handle_gate_update(update);
        for shard in desk.core.identity().other_shards() {
            desk.core.send(shard, ShardMessage::Gate(update));
        }
    }

    fn schedule(&mut self, desk: &mut Desk<'_>) {
        let Some(want) = self.dialer.next_at() else {
            return;
        };
        if self.timer_at.is_none_or(|at| want < at) {
            self.timer_at = Some(want);
            desk.core.set_timer(want, Timer::Dials);
        }
    }
}

/// The limits of admission by a configuration.
fn admission_limits(config: &Config) -> AdmissionLimits {
    let mut unconditional = config.unconditional_peer_ids.clone();
    unconditional.sort_unstable();
    AdmissionLimits {
        inbound_max: config.max_num_inbound_peers,
        outbound_max: config.max_num_outbound_peers,
        allow_duplicate_ip: config.allow_duplicate_ip,
        per_ip_max: config.max_num_peers_per_ip,
        per_subnet_max: config.max_num_peers_per_subnet,
        unconditional,
    }
}

/// How long an old connection may be silent by a configuration.
fn silence_max(config: &Config) -> Duration {
    SILENCE_MAX.min(config.handshake_timeout / 2)
}

/// Tells what became of a dial or a lost peer.
fn report(core: &mut Core, outcome: Outcome, reason: &CloseReason) {
    answer(core, outcome.askers, &Err(reason.clone()));
    if let Some(address) = outcome.gave_up {
        core.event(Event::GaveUp(address));
    }
}
