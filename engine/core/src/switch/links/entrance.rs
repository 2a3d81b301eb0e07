//! From a socket to the coordinator's verdict: the part of a link's life that no reactor sees.
//!
//! ```text
//!   handle_accepted ──▶ gate ──▶ ┐
//!   dial, connected ─▶ dials ──▶ ├─▶ a handshake, step by step ─▶ Admit ─▶ verdict ─▶ leave
//!                                └───────────── refuse, at any step ◀────────┘
//! ```

use std::rc::Rc;
use std::sync::Arc;

use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_codec::{NetAddress, NodeId, SignerError};
use tracing::debug;

use crate::buffer::Buffer;
use crate::config::Config;
use crate::conn::{Upgrade, UpgradeConfig, Upgraded};
use crate::error::{CloseReason, NetworkError, Reject};
use crate::peer::{Direction, PeerInfo, PeerKey, RemoteAddr};
use crate::switch::core::Core;
use crate::switch::identity::{Identity, share_of};
use crate::switch::io::{DialId, Event, LinkId, Output, ReadMode, Transmit};
use crate::switch::links::dials::{Dialing, Dials};
use crate::switch::links::gate::{Gate, GateLimits};
use crate::switch::links::handshake::{Handshake, LastWord, Phase, seal_goodbye};
use crate::switch::links::link::{Link, Names, Stage};
use crate::switch::links::table::{Links, close};
use crate::switch::message::{AttemptId, Candidate, GateUpdate, Parcel, Pass, ShardMessage};
use crate::switch::node::budget::Prefix;
use crate::time::{Deadline, Instant};

/// The way in of one shard: who is let in at accept, and the dials that have no socket yet.
pub(crate) struct Entrance {
    gate: Gate,
    dials: Dials,
}

/// What an admitted link takes along to its home.
pub(crate) type Luggage = (Box<Upgraded>, Pass);

impl Entrance {
    /// Nobody shakes hands and nobody is dialed.
    pub(crate) fn new(identity: &Identity) -> Self {
        Entrance {
            gate: Gate::new(gate_limits(identity)),
            dials: Dials::default(),
        }
    }

    /// See [`crate::switch::Switch::table_sizes`].
    pub(crate) fn table_sizes(&self) -> [(&'static str, usize); 2] {
        [
            ("dials", self.dials.len()),
            ("addresses at the gate", self.gate.len()),
        ]
    }

    // ---- sockets come -----------------------------------------------------------------------

    /// A socket was accepted: refuse it before it costs a handshake, or begin one.
    pub(crate) fn accept(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        link: LinkId,
        remote: RemoteAddr,
    ) {
        core.count().accepted += 1;
        match self.check_accepted(core, links, &remote) {
            Ok(slowest) => {
                if let Some(slowest) = slowest {
                    let reason = CloseReason::Rejected(Reject::SlowHandshake);
                    self.refuse(core, links, slowest, reason);
                }
                let names = Names {
                    id: link,
                    remote,
                    direction: Direction::Inbound,
                    attempt: None,
                };
                self.begin(core, links, names, None);
            }
            Err(reject) => {
                close(core, link);
                report_refusal(core, remote, None, CloseReason::Rejected(reject));
            }
        }
    }

    /// Whether an accepted socket may begin a handshake, and who gives way to it.
    fn check_accepted(
        &self,
        core: &Core,
        links: &Links,
        remote: &RemoteAddr,
    ) -> Result<Option<PeerKey>, Reject> {
        if core.is_stopping() {
            return Err(Reject::Stopping);
        }
        core.identity().filters().check_connection(remote)?;
        let waits = |key| {
            let handshake = links.get(key).and_then(Link::handshake);
            handshake.is_some_and(Handshake::waits_for_remote)
        };
        self.gate.find_place(core.now(), remote, waits)
    }

    /// The coordinator wants an address dialed from here.
    pub(crate) fn dial(&mut self, core: &mut Core, attempt: AttemptId, address: NetAddress) {
        if core.is_stopping() {
            let reason = CloseReason::Shutdown;
            return core.tell_coordinator(ShardMessage::DialEnded { attempt, reason });
        }
        self.dials.begin(core, Dialing { attempt, address });
    }

    /// TCP is up: the handshake begins.
    pub(crate) fn handle_connected(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        dial: DialId,
        (link, remote): (LinkId, RemoteAddr),
    ) {
        let Some(Dialing { attempt, address }) = self.dials.take(dial) else {
            // It was cancelled while the word was on its way.
            return close(core, link);
        };
        let checked = match self.gate.is_banned(core.now(), &remote) {
            true => Err(Reject::Banned),
            false => core.identity().filters().check_connection(&remote),
        };
        if let Err(reject) = checked {
            close(core, link);
            let reason = CloseReason::Rejected(reject);
            return core.tell_coordinator(ShardMessage::DialEnded { attempt, reason });
        }
        let names = Names {
            id: link,
            remote,
            direction: Direction::Outbound,
            attempt: Some(attempt),
        };
        self.begin(core, links, names, Some(address.id));
    }

    /// No connection.
    pub(crate) fn handle_dial_failed(
        &mut self,
        core: &mut Core,
        dial: DialId,
        error: NetworkError,
    ) {
        if let Some(Dialing { attempt, .. }) = self.dials.take(dial) {
            core.count().dials_failed += 1;
            let reason = CloseReason::Network(error);
            core.tell_coordinator(ShardMessage::DialEnded { attempt, reason });
        }
    }

    /// The attempt is not needed any more, wherever it has got to, unless its remote has seen our
    /// NodeInfo: it may have admitted us, and given up for us the very connection that came to us.
    /// Such a link goes on to ask for admission, and the tie is broken there.
    pub(crate) fn cancel_dial(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        attempt: AttemptId,
        reason: CloseReason,
    ) {
        self.dials.cancel(core, attempt);
        let is_its = |key: &PeerKey| {
            links.get(*key).is_some_and(|link| {
                let has_proven = link.handshake().is_none_or(Handshake::has_proven);
                link.attempt() == Some(attempt) && !has_proven
            })
        };
        let found = links.keys().find(is_its);
        if let Some(key) = found {
            self.refuse(core, links, key, reason);
        }
    }

    /// Takes in a socket whose handshake may begin.
    fn begin(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        names: Names,
        expected_id: Option<NodeId>,
    ) {
        let (direction, remote) = (names.direction, names.remote.clone());
        let handshake = Handshake::new(expected_id, deadline(core), core.now());
        let key = links.insert(names, Stage::Handshake(handshake));
        if direction == Direction::Inbound {
            self.gate.begin_handshake(core.now(), key, &remote);
        }
        links.schedule(core, key);
        links.mark(key);
    }

    // ---- turns of a handshake ---------------------------------------------------------------

    /// Gives a link that is nobody yet its turn. Gives what it takes along if it has come to its end
    /// and its home is here.
    pub(crate) fn work(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        key: PeerKey,
    ) -> Option<Luggage> {
        let link = links.get(key)?;
        match link.handshake()?.phase() {
            Phase::Connected => self.work_connected(core, links, key),
            Phase::Upgrading => self.work_upgrade(core, links, key),
            Phase::Asking | Phase::Leaving if link.ended().is_some() => {
                self.refuse_ended(core, links, key);
            }
            Phase::Asking => {}
            Phase::Leaving => return self.leave(core, links, key),
        }
        None
    }

    /// Begins the handshake of a link, unless its socket has ended meanwhile.
    fn work_connected(&mut self, core: &mut Core, links: &mut Links, key: PeerKey) {
        if self.refuse_ended(core, links, key) {
            return;
        }
        let ephemeral_secret = core.chance().bytes();
        let identity = core.identity();
        let begin = |expected_id| {
            Upgrade::new(UpgradeConfig {
                node_key: identity.node_key().clone(),
                ephemeral_secret,
                node_info: identity.node_info(),
                expected_id,
                packet_payload_max: identity.config().max_packet_msg_payload_size,
            })
        };
        if let Some(handshake) = links.get_mut(key).and_then(Link::handshake_mut) {
            handshake.begin(begin);
        }
        debug!(target: "ringwire::switch", "handshake begins");
        self.gate.handle_step(core.now(), key);
        links.send_handshake(core, key);
        links.set_read(core, key, ReadMode::Once);
    }

    /// Looks at what came for an upgrade.
    fn work_upgrade(&mut self, core: &mut Core, links: &mut Links, key: PeerKey) {
        if let Err(reason) = self.continue_upgrade(core, links, key) {
            // What we had to say goes out first, so that the remote may learn whose fault it was.
            links.send_handshake(core, key);
            return self.refuse(core, links, key, reason);
        }
        if self.refuse_ended(core, links, key) {
            return;
        }
        let handshake = links.get(key).and_then(Link::handshake);
        if handshake.is_some_and(|handshake| handshake.phase() == Phase::Upgrading) {
            links.send_handshake(core, key);
            links.schedule(core, key);
        }
    }

    fn continue_upgrade(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        key: PeerKey,
    ) -> Result<(), CloseReason> {
        let Some(link) = links.get_mut(key) else {
            return Ok(());
        };
        let attempt = link.attempt();
        let Some(handshake) = link.handshake_mut() else {
            return Ok(());
        };
        let Some(step) = handshake.advance()? else {
            return Ok(());
        };
        if let Some(challenge) = handshake.poll_challenge() {
            // Nothing is read meanwhile: what comes could not be looked at.
            core.put_out(Output::Sign { key, challenge });
            return Ok(());
        }
        if step.is_proof {
            debug!(target: "ringwire::switch", "the remote has proven its key");
            self.gate.handle_step(core.now(), key);
            if let Some(attempt) = attempt {
                core.tell_coordinator(ShardMessage::DialProven(attempt));
            }
        }
        match step.upgraded {
            None => links.set_read(core, key, ReadMode::Once),
            Some(upgraded) => ask(core, links, key, upgraded)?,
        }
        Ok(())
    }

    /// The node's key has signed for a link, or could not. An answer for one that is gone is ignored.
    pub(crate) fn handle_signed(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        key: PeerKey,
        signed: Result<[u8; SIGNATURE_BYTES], SignerError>,
    ) {
        let handshake = links.get_mut(key).and_then(Link::handshake_mut);
        let Some(handshake) = handshake.filter(|handshake| handshake.is_signing()) else {
            return;
        };
        match signed {
            Ok(signature) => {
                handshake.handle_signature(signature);
                links.mark(key);
            }
            Err(error) => self.refuse(core, links, key, CloseReason::Signing(error)),
        }
    }

    /// Refuses a link whose socket has ended; says whether it has.
    fn refuse_ended(&mut self, core: &mut Core, links: &mut Links, key: PeerKey) -> bool {
        let Some(error) = links.get(key).and_then(Link::ended_early) else {
            return false;
        };
        self.refuse(core, links, key, CloseReason::Network(error));
        true
    }

    /// Something of a handshake is due; says whether it goes on.
    pub(crate) fn handle_timeout(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        key: PeerKey,
    ) -> bool {
        let now = core.now();
        let Some(handshake) = links.get_mut(key).and_then(Link::handshake_mut) else {
            return true;
        };
        if handshake.is_late(now) {
            let timeout = core.config().handshake_timeout;
            self.refuse(core, links, key, CloseReason::HandshakeTimeout(timeout));
            return false;
        }
        if handshake.phase() != Phase::Leaving {
            links.schedule(core, key);
        }
        true
    }

    // ---- the coordinator's word -------------------------------------------------------------

    /// The node goes by another configuration. Handshakes that were begun go on as they are.
    pub(crate) fn handle_reconfigured(&mut self, identity: &Identity) {
        self.gate.set_limits(gate_limits(identity));
    }

    /// The coordinator has news for the gate.
    pub(crate) fn handle_gate_update(&mut self, update: GateUpdate) {
        self.gate.handle_update(update);
    }

    /// The coordinator has decided about a link.
    pub(crate) fn handle_verdict(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        key: PeerKey,
        verdict: Result<Pass, Reject>,
    ) {
        let is_asking = |handshake: &Handshake| handshake.phase() == Phase::Asking;
        let link = links.get_mut(key);
        let link = link.filter(|link| link.handshake().is_some_and(is_asking));
        let Some(link) = link else {
            // The socket ended while the coordinator decided: the id is free again.
            if let Ok(Pass { ticket, .. }) = verdict {
                let reason = CloseReason::Network(NetworkError::Eof);
                core.tell_coordinator(ShardMessage::Left { ticket, reason });
            }
            return;
        };
        match verdict {
            Err(reject) => self.refuse(core, links, key, CloseReason::Rejected(reject)),
            Ok(pass) => {
                if let Some(handshake) = link.take_handshake() {
                    link.set_stage(Stage::Handshake(handshake.admitted(pass)));
                }
                links.mark(key);
            }
        }
    }

    /// Takes what an admitted link needs to live, once nothing of it is in flight. The link is
    /// handed to its home shard, or its keys are returned when that is here.
    fn leave(&mut self, core: &mut Core, links: &mut Links, key: PeerKey) -> Option<Luggage> {
        let link = links.get_mut(key)?;
        if link.is_writing() {
            return None;
        }
        let (upgraded, pass) = link.take_handshake()?.into_luggage()?;
        let (remote, direction) = (link.remote().clone(), link.direction());
        self.gate.end_handshake(key);
        if pass.home == core.identity().shard() {
            return Some((upgraded, pass));
        }
        let link = links.remove(key)?.id();
        let parcel = Box::new(Parcel {
            upgraded,
            remote,
            direction,
            pass,
        });
        let to = pass.home;
        core.put_out(Output::Move { link, to, parcel });
        None
    }

    // ---- closing ----------------------------------------------------------------------------

    /// Closes a link that has not become a peer.
    pub(crate) fn refuse(
        &mut self,
        core: &mut Core,
        links: &mut Links,
        key: PeerKey,
        reason: CloseReason,
    ) {
        let Some(mut link) = links.remove(key) else {
            return;
        };
        let last = last_words(&mut link, &reason);
        links.part(core, &link, last);
        self.gate.end_handshake(key);
        let id = link.handshake().and_then(Handshake::remote_id);
        if let Some(ticket) = link.handshake().and_then(Handshake::ticket) {
            let reason = reason.clone();
            core.tell_coordinator(ShardMessage::Left { ticket, reason });
        }
        if let Some(attempt) = link.attempt() {
            let reason = reason.clone();
            core.tell_coordinator(ShardMessage::DialEnded { attempt, reason });
        }
        report_refusal(core, link.remote().clone(), id, reason);
    }

    /// Ends all handshakes and dials: the node stops.
    pub(crate) fn refuse_all(&mut self, core: &mut Core, links: &mut Links) {
        let is_unfinished = |key: &PeerKey| {
            links
                .get(*key)
                .is_some_and(|link| !link.is_past_handshake())
        };
        let unfinished: Vec<_> = links.keys().filter(is_unfinished).collect();
        for key in unfinished {
            self.refuse(core, links, key, CloseReason::Rejected(Reject::Stopping));
        }
        self.dials.cancel_all(core);
    }
}

/// Asks the coordinator whether an upgraded link may become a peer.
fn ask(
    core: &mut Core,
    links: &mut Links,
    key: PeerKey,
    upgraded: Box<Upgraded>,
) -> Result<(), CloseReason> {
    links.send_handshake(core, key);
    let Some(link) = links.get_mut(key) else {
        return Ok(());
    };
    let candidate = Candidate {
        link: key,
        id: upgraded.remote_id,
        remote_addr: link.remote().clone(),
        direction: link.direction(),
        attempt: link.attempt(),
        breaks_ties: upgraded.node_info.extension.is_some(),
    };
    let info = peer_info(link, &upgraded, false, core.now());
    // Whom a filter refuses is told so, with the keys that are kept here.
    if let Some(handshake) = link.handshake_mut() {
        handshake.ask(upgraded, deadline(core));
        let took = core.now() - handshake.began();
        core.count().handshake_time.record(took);
    }
    core.identity().filters().check_peer(&info)?;
    link.forget_attempt();
    // A moniker is a stranger's: in quotes, so that no control character comes through.
    let (id, moniker) = (info.id, &info.node_info.moniker);
    debug!(target: "ringwire::switch", %id, ?moniker, "asks to be admitted");
    core.tell_coordinator(ShardMessage::Admit(candidate));
    links.schedule(core, key);
    Ok(())
}

/// Closes an admitted link before any reactor has heard of it.
pub(crate) fn turn_away(
    core: &mut Core,
    links: &mut Links,
    key: PeerKey,
    (upgraded, pass): &mut Luggage,
    reason: CloseReason,
) {
    let Some(link) = links.remove(key) else {
        return;
    };
    let last = seal_goodbye(upgraded, &reason);
    links.part(core, &link, last.into_iter().map(Buffer::from).collect());
    core.tell_coordinator(ShardMessage::Left {
        ticket: pass.ticket,
        reason: reason.clone(),
    });
    report_refusal(
        core,
        link.remote().clone(),
        Some(upgraded.remote_id),
        reason,
    );
}

/// A connection failed on its way to its home shard, where nobody has heard of it.
pub(crate) fn lose(core: &mut Core, parcel: Parcel, error: NetworkError) {
    let Parcel {
        upgraded,
        remote,
        pass,
        ..
    } = parcel;
    let reason = CloseReason::Network(error);
    core.tell_coordinator(ShardMessage::Left {
        ticket: pass.ticket,
        reason: reason.clone(),
    });
    report_refusal(core, remote, Some(upgraded.remote_id), reason);
}

/// When a handshake that is begun or decided about now must have ended. If we stand still
/// meanwhile it has the whole time again: any of its steps may be to come.
fn deadline(core: &Core) -> Deadline {
    let timeout = core.config().handshake_timeout;
    Deadline::new(core.now() + timeout, timeout)
}

/// What is still said to the remote of a link that is refused.
fn last_words(link: &mut Link, reason: &CloseReason) -> Transmit {
    let last = link.handshake_mut().map(|it| it.last_word(reason));
    match last {
        None | Some(LastWord::Nothing) => Transmit::new(),
        Some(LastWord::Unsent) => link.take_unsent(),
        Some(LastWord::Goodbye(goodbye)) => {
            let unsent = link.take_unsent();
            unsent.into_iter().chain([goodbye.into()]).collect()
        }
    }
}

fn report_refusal(
    core: &mut Core,
    remote_addr: RemoteAddr,
    id: Option<NodeId>,
    reason: CloseReason,
) {
    core.count().count_refusal(&reason);
    core.event(Event::ConnectionRefused {
        remote_addr,
        id,
        reason,
    });
}

/// What is known of a link's remote once it has shown its NodeInfo.
pub(crate) fn peer_info(
    link: &Link,
    upgraded: &Upgraded,
    persistent: bool,
    since: Instant,
) -> Rc<PeerInfo> {
    Rc::new(PeerInfo {
        key: link.key(),
        id: upgraded.remote_id,
        node_info: Arc::new(upgraded.node_info.clone()),
        remote_addr: link.remote().clone(),
        direction: link.direction(),
        persistent,
        framing: upgraded.layer.framing,
        since,
    })
}

/// How many handshakes of one host a shard allows: its share of the node's limit, or more where that
/// is little. The kernel spreads connections over shards by chance: of four nodes behind one address
/// that start together, all may come to one shard. So a shard goes up to the node's limit as long as
/// half of its places stay free for others.
fn handshakes_per_host(config: &Config, shard_count: u16) -> usize {
    let limit = config.max_num_handshakes_per_ip;
    let half = share_of(config.max_num_handshakes, shard_count) / 2;
    share_of(limit, shard_count).max(limit.min(half))
}

/// The gate's share of the node's limits: handshakes are split over the shards, rounded up.
fn gate_limits(identity: &Identity) -> GateLimits {
    let (config, shard_count) = (identity.config(), identity.shard_count());
    GateLimits {
        inbound_max: config.max_num_inbound_peers,
        has_unconditional: !config.unconditional_peer_ids.is_empty(),
        handshakes_max: share_of(config.max_num_handshakes, shard_count),
        handshakes_per_ip_max: handshakes_per_host(config, shard_count),
        allow_duplicate_ip: config.allow_duplicate_ip,
        peers_per_ip_max: config.max_num_peers_per_ip,
        named_hosts: config
            .persistent_peers
            .iter()
            .filter_map(|address| address.host.ip().map(Prefix::host))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_lets_a_host_have_the_nodes_limit_where_half_of_its_places_stay_free() {
        let allowed = |places, limit, shards| {
            let config = Config {
                max_num_handshakes: places,
                max_num_handshakes_per_ip: limit,
                ..Config::default()
            };
            handshakes_per_host(&config, shards)
        };
        // The defaults on one, two, eight and sixteen shards.
        assert_eq!(
            [1, 2, 8, 16].map(|shards| allowed(64, 8, shards)),
            [8, 8, 4, 2]
        );
        // Never less than its share, and none means none.
        assert_eq!(allowed(4, 4, 2), 2);
        assert_eq!([1, 8].map(|shards| allowed(64, 0, shards)), [0, 0]);
    }
}
