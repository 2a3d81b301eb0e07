//! [`Pex`]: one shard's instance of the peer exchange.
//!
//! It holds each peer of its shard to the rules and tells the coordinator's shard what it learned.
//! Who asks is answered from the book as it is, so the request goes there as well, and the answer
//! comes back (docs/decisions/0031-answers-from-the-book.md). The instance there also holds the
//! node's [`Discovery`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::pex::{PEX_BYTES_MAX, PEX_CHANNEL};
use ringwire_codec::{NetAddress, NodeId, PexMessage};

use super::AddrBook;
use super::config::PexConfig;
use super::discovery::Discovery;
use super::note::{EndedBy, Introduction, PexNote};
use super::requests::{Abuse, Reply, Requests};
use crate::chance::Chance;
use crate::config::Config;
use crate::document::Document;
use crate::error::CloseReason;
use crate::peer::{Direction, PeerInfo, PeerKey, ShardId};
use crate::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};

/// Messages that may wait for one peer (reference).
const SEND_QUEUE: usize = 10;

/// Time a node has to answer a seed that visits it.
const VISIT_MAX: Duration = Duration::from_secs(10);

/// What an instance waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PexTimer {
    /// Look whether there are enough peers.
    Look,
    /// Have the book written down.
    Save,
    /// A seed looks who has been silent for too long while its places run out.
    Crowd,
    /// A seed says goodbye to a peer.
    Leave(PeerKey),
    /// A request that came too soon may be answered now.
    Answer(PeerKey),
}

/// A peer of this shard.
#[derive(Debug, Default)]
pub struct Contact {
    requests: Requests,
    /// Whether we said goodbye: a seed has answered it, or has its answer.
    is_leaving: bool,
    /// Whether it does not stay in any case: the peers of a seed, but those that are to be kept.
    is_passing: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    requests_sent: u64,
    requests_received: u64,
    answers_sent: u64,
    answers_received: u64,
    /// Requests that came too soon, and were answered later or not at all.
    requests_early: u64,
    offences: u64,
}

/// The peer exchange: the reactor of channel 0x00. One instance per shard, all with the same
/// configuration; the one on the coordinator's shard has the address book.
pub struct Pex {
    config: Arc<PexConfig>,
    /// On the coordinator's shard only.
    discovery: Option<Discovery>,
    counters: Counters,
}

impl Pex {
    /// The name under which shell and simulation register it.
    pub const NAME: &'static str = "pex";

    /// An instance. The one of the coordinator's shard is given the node's address book, the others
    /// none. `seed` is a shard's own: 32 bytes that nobody can guess.
    pub fn new(config: Arc<PexConfig>, seed: [u8; 32], book: Option<AddrBook>) -> Self {
        let discovery =
            book.map(|book| Discovery::new(Arc::clone(&config), book, Chance::new(seed)));
        Pex {
            config,
            discovery,
            counters: Counters::default(),
        }
    }

    // ---- between a peer and us -----------------------------------------------------------------

    fn handle_message(
        &mut self,
        cx: &mut Context<'_, Self>,
        from: &PeerInfo,
        contact: &mut Contact,
        message: &[u8],
    ) -> Result<(), Abuse> {
        match PexMessage::decode(message)? {
            PexMessage::Request => self.handle_request(cx, from, contact),
            PexMessage::Addrs(addresses) => self.handle_answer(cx, from, contact, addresses),
        }
    }

    /// A peer asks whom we know.
    fn handle_request(
        &mut self,
        cx: &mut Context<'_, Self>,
        from: &PeerInfo,
        contact: &mut Contact,
    ) -> Result<(), Abuse> {
        self.counters.requests_received += 1;
        if contact.is_leaving {
            // A seed answers once; what comes while it says goodbye is no abuse, and no matter.
            return Ok(());
        }
        if contact.is_passing && from.direction == Direction::Inbound {
            contact.is_leaving = true;
            tell(cx, PexNote::Wanted(from.key));
            return Ok(());
        }
        let pause = self.config.request_pause();
        match contact.requests.handle_request(cx.now(), pause)? {
            Reply::Now => tell(cx, PexNote::Wanted(from.key)),
            Reply::After(rest) => {
                self.counters.requests_early += 1;
                cx.set_timer(rest, PexTimer::Answer(from.key));
            }
            Reply::Never => self.counters.requests_early += 1,
        }
        Ok(())
    }

    /// A request that came too soon has waited long enough.
    fn answer_waiting(&mut self, cx: &mut Context<'_, Self>, key: PeerKey) {
        let now = cx.now();
        if let Some(contact) = cx.state_mut(key)
            && contact.requests.take_waiting(now)
            && !contact.is_leaving
        {
            tell(cx, PexNote::Wanted(key));
        }
    }

    /// The answer for a peer of this shard; a seed says goodbye with it.
    fn handle_answer_made(&mut self, cx: &mut Context<'_, Self>, key: PeerKey, message: Bytes) {
        let (Some(contact), Some(peer)) = (cx.state(key), cx.peer(key)) else {
            return;
        };
        let is_last = contact.is_passing && peer.direction == Direction::Inbound;
        if send(cx, key, message) {
            self.counters.answers_sent += 1;
        }
        if is_last {
            cx.stop_peer_gracefully(key);
        }
    }

    /// A peer tells whom it knows.
    fn handle_answer(
        &mut self,
        cx: &mut Context<'_, Self>,
        from: &PeerInfo,
        contact: &mut Contact,
        addresses: Vec<NetAddress>,
    ) -> Result<(), Abuse> {
        contact.requests.handle_answer(cx.now())?;
        self.counters.answers_received += 1;
        tell(cx, PexNote::Learned(from.id, addresses));
        if contact.is_passing && from.direction == Direction::Outbound {
            contact.is_leaving = true;
            cx.stop_peer_gracefully(from.key);
        }
        Ok(())
    }

    /// Asks a peer, if it lives here and may be asked.
    fn ask(&mut self, cx: &mut Context<'_, Self>, id: NodeId) {
        let (now, pause) = (cx.now(), self.config.ask_pause());
        let Some(key) = cx.find_peer(&id) else {
            return;
        };
        let may_ask = cx
            .state_mut(key)
            .is_some_and(|contact| !contact.is_leaving && contact.requests.try_ask(now, pause));
        if !may_ask {
            return;
        }
        if send(cx, key, encoded(&PexMessage::Request)) {
            self.counters.requests_sent += 1;
        } else if let Some(contact) = cx.state_mut(key) {
            contact.requests.handle_unsent();
        }
    }

    /// A peer that only waits has to make room for others, unless it has asked meanwhile.
    fn dismiss(&mut self, cx: &mut Context<'_, Self>, id: NodeId) {
        if let Some(key) = cx.find_peer(&id)
            && cx.state(key).is_some_and(|contact| contact.is_passing)
        {
            self.send_away(cx, key);
        }
    }

    /// Says goodbye to a peer that does not stay, unless that was said.
    fn send_away(&mut self, cx: &mut Context<'_, Self>, key: PeerKey) {
        if let Some(contact) = cx.state_mut(key)
            && !std::mem::replace(&mut contact.is_leaving, true)
        {
            cx.stop_peer_gracefully(key);
        }
    }

    /// How long a peer that does not stay may take until it is sent away.
    fn patience(&self, direction: Direction) -> Duration {
        match direction {
            Direction::Inbound => self.config.seed_disconnect_wait,
            Direction::Outbound => VISIT_MAX,
        }
    }
}

fn send(cx: &mut Context<'_, Pex>, key: PeerKey, message: Bytes) -> bool {
    let sent = cx.try_send(key, PEX_CHANNEL, message);
    if let Err(error) = &sent {
        tracing::debug!(target: "ringwire::pex", %error, "a message of the peer exchange was not sent");
    }
    sent.is_ok()
}

fn encoded(message: &PexMessage) -> Bytes {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    Bytes::from(bytes)
}

/// Tells the instance on the coordinator's shard, which may be this one.
fn tell(cx: &mut Context<'_, Pex>, note: PexNote) {
    cx.send_note(ShardId::COORDINATOR, note);
}

impl Reactor for Pex {
    type Peer = Contact;
    type Note = PexNote;
    type Timer = PexTimer;

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![ChannelDescriptor {
            send_queue_capacity: SEND_QUEUE,
            recv_message_capacity: PEX_BYTES_MAX,
            ..ChannelDescriptor::new(PEX_CHANNEL, 1)
        }]
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        if let Some(discovery) = &mut self.discovery {
            discovery.start(cx);
        }
    }

    fn init_peer(&mut self, peer: &PeerInfo) -> Contact {
        Contact {
            is_passing: self.config.seed_mode && !self.config.is_kept(&peer.id),
            ..Contact::default()
        }
    }

    fn add_peer(&mut self, cx: &mut Context<'_, Self>, peer: &PeerInfo, contact: &mut Contact) {
        let is_kept = self.config.is_kept(&peer.id);
        let speaks_pex = peer.has_channel(PEX_CHANNEL);
        let introduction = Introduction::new(peer, is_kept, speaks_pex);
        tell(cx, PexNote::Joined(peer.id, introduction));
        if contact.is_passing {
            let patience = self.patience(peer.direction);
            cx.set_timer(patience, PexTimer::Leave(peer.key));
        }
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        contact: &mut Contact,
    ) -> Result<(), ReactorError> {
        let Envelope { from, message, .. } = envelope;
        self.handle_message(cx, from, contact, &message)
            .map_err(|abuse| {
                self.counters.offences += 1;
                tell(cx, PexNote::Offence(from.id, abuse.to_string()));
                ReactorError::new(abuse.to_string())
            })
    }

    fn handle_note(&mut self, cx: &mut Context<'_, Self>, from: ShardId, note: PexNote) {
        match (note, &mut self.discovery) {
            (PexNote::Ask(id), _) => self.ask(cx, id),
            (PexNote::Dismiss(id), _) => self.dismiss(cx, id),
            (PexNote::Answer(key, message), _) => self.handle_answer_made(cx, key, message),
            (PexNote::Wanted(key), Some(discovery)) => {
                let message = encoded(&PexMessage::Addrs(discovery.selection()));
                cx.send_note(from, PexNote::Answer(key, message));
            }
            (PexNote::Joined(id, peer), Some(discovery)) => {
                discovery.handle_joined(cx, from, id, peer);
            }
            (PexNote::Left(id, ended_by), Some(discovery)) => {
                discovery.handle_left(cx, id, ended_by);
            }
            (PexNote::Learned(id, addresses), Some(discovery)) => {
                discovery.handle_learned(cx, id, &addresses);
            }
            (PexNote::Offence(id, what), Some(discovery)) => {
                discovery.handle_offence(cx, id, &what);
            }
            (_, None) => debug_assert!(false, "told what is for the coordinator's shard"),
        }
    }

    fn note_bytes(note: &PexNote) -> usize {
        note.bytes()
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, timer: PexTimer) {
        match (timer, &mut self.discovery) {
            (PexTimer::Leave(key), _) => self.send_away(cx, key),
            (PexTimer::Answer(key), _) => self.answer_waiting(cx, key),
            (PexTimer::Look, Some(discovery)) => discovery.look(cx),
            (PexTimer::Save, Some(discovery)) => discovery.handle_save_due(cx),
            (PexTimer::Crowd, Some(discovery)) => discovery.handle_crowd_due(cx),
            (_, None) => debug_assert!(false, "only discovery sets this timer"),
        }
    }

    fn handle_reconfigured(&mut self, cx: &mut Context<'_, Self>, config: &Config) {
        self.config = Arc::new(self.config.reconfigured(config));
        if let Some(discovery) = &mut self.discovery {
            discovery.handle_reconfigured(cx, Arc::clone(&self.config));
        }
    }

    fn remove_peer(
        &mut self,
        cx: &mut Context<'_, Self>,
        peer: &PeerInfo,
        _: Contact,
        reason: &CloseReason,
    ) {
        tell(cx, PexNote::Left(peer.id, EndedBy::of(reason)));
    }

    fn handle_dialed(
        &mut self,
        cx: &mut Context<'_, Self>,
        address: &NetAddress,
        outcome: Result<(), &CloseReason>,
    ) {
        if let Some(discovery) = &mut self.discovery {
            discovery.handle_dialed(cx, address, outcome);
        }
    }

    fn stop(&mut self, cx: &mut Context<'_, Self>) {
        if let Some(discovery) = &mut self.discovery {
            discovery.save(cx);
        }
    }

    fn inspect(&self) -> Option<Document> {
        self.discovery.as_ref().map(Discovery::document)
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let counters = self.counters;
        let mut shown = vec![
            ("pex_requests_sent", counters.requests_sent),
            ("pex_requests_received", counters.requests_received),
            ("pex_answers_sent", counters.answers_sent),
            ("pex_answers_received", counters.answers_received),
            ("pex_requests_early", counters.requests_early),
            ("pex_offences", counters.offences),
        ];
        if let Some(discovery) = &self.discovery {
            let counters = discovery.counters;
            let [new, old, banned] = discovery.book_len().map(|len| len as u64);
            shown.extend([
                ("pex_addresses_new", new),
                ("pex_addresses_old", old),
                ("pex_addresses_banned", banned),
                ("pex_addresses_learned", counters.learned),
                ("pex_addresses_refused", counters.refused),
                ("pex_dials", counters.dials),
                ("pex_dials_failed", counters.dials_failed),
                ("pex_seed_dials_failed", counters.seed_dials_failed),
                ("pex_addresses_given_up", counters.given_up),
                ("pex_bans", counters.bans),
                ("pex_dismissed", counters.dismissed),
            ]);
        }
        shown
    }
}
