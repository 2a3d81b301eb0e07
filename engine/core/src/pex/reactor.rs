//! [`Pex`]: one shard's instance of the peer exchange.
//!
//! It holds each peer of its shard to the rules and tells the coordinator's shard what it learned.
//! Who asks is answered from the book as it is, so the request goes there as well, and the answer
//! comes back (docs/decisions/0031-answers-from-the-book.md). The instance there also holds the
//! node's [`Discovery`].

use std::collections::BTreeMap;
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
use super::timer::PexTimer;
use crate::chance::Chance;
use crate::document::Document;
use crate::error::CloseReason;
use crate::peer::{Direction, PeerInfo, PeerKey, ShardId};
use crate::reactor::{ChannelDescriptor, Context, Envelope, Note, Reactor, ReactorError};

/// Messages that may wait for one peer (reference).
const SEND_QUEUE: usize = 10;

/// Time a node has to answer a seed that visits it.
const VISIT_MAX: Duration = Duration::from_secs(10);

/// A peer of this shard.
#[derive(Debug)]
struct Contact {
    id: NodeId,
    requests: Requests,
    /// Whether we said goodbye: a seed has answered it, or has its answer.
    is_leaving: bool,
    /// Whether it does not stay in any case: the peers of a seed, but those that are to be kept.
    is_passing: bool,
    direction: Direction,
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
    contacts: BTreeMap<PeerKey, Contact>,
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
            contacts: BTreeMap::new(),
            discovery,
            counters: Counters::default(),
        }
    }

    // ---- between a peer and us -----------------------------------------------------------------

    fn handle_message(
        &mut self,
        cx: &mut dyn Context,
        key: PeerKey,
        message: Bytes,
    ) -> Result<(), Abuse> {
        match PexMessage::decode(&message)? {
            PexMessage::Request => self.handle_request(cx, key),
            PexMessage::Addrs(_) => self.handle_answer(cx, key, message),
        }
    }

    /// A peer asks whom we know.
    fn handle_request(&mut self, cx: &mut dyn Context, key: PeerKey) -> Result<(), Abuse> {
        self.counters.requests_received += 1;
        let Some(contact) = self.contacts.get_mut(&key) else {
            return Ok(());
        };
        if contact.is_leaving {
            // A seed answers once; what comes while it says goodbye is no abuse, and no matter.
            return Ok(());
        }
        if contact.is_passing && contact.direction == Direction::Inbound {
            contact.is_leaving = true;
            tell(cx, PexNote::Wanted(key));
            return Ok(());
        }
        let pause = self.config.request_pause();
        match contact.requests.handle_request(cx.now(), pause)? {
            Reply::Now => tell(cx, PexNote::Wanted(key)),
            Reply::After(rest) => {
                self.counters.requests_early += 1;
                cx.set_timer(rest, PexTimer::Answer(key).token());
            }
            Reply::Never => self.counters.requests_early += 1,
        }
        Ok(())
    }

    /// A request that came too soon has waited long enough.
    fn answer_waiting(&mut self, cx: &mut dyn Context, key: PeerKey) {
        if let Some(contact) = self.contacts.get_mut(&key)
            && contact.requests.take_waiting(cx.now())
            && !contact.is_leaving
        {
            tell(cx, PexNote::Wanted(key));
        }
    }

    /// The answer for a peer of this shard; a seed says goodbye with it.
    fn handle_answer_made(&mut self, cx: &mut dyn Context, key: PeerKey, message: Bytes) {
        let Some(contact) = self.contacts.get(&key) else {
            return;
        };
        let is_last = contact.is_passing && contact.direction == Direction::Inbound;
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
        cx: &mut dyn Context,
        key: PeerKey,
        message: Bytes,
    ) -> Result<(), Abuse> {
        let Some(contact) = self.contacts.get_mut(&key) else {
            return Ok(());
        };
        contact.requests.handle_answer(cx.now())?;
        self.counters.answers_received += 1;
        tell(cx, PexNote::Learned(contact.id, message));
        if contact.is_passing && contact.direction == Direction::Outbound {
            contact.is_leaving = true;
            cx.stop_peer_gracefully(key);
        }
        Ok(())
    }

    /// Asks a peer, if it lives here and may be asked.
    fn ask(&mut self, cx: &mut dyn Context, id: NodeId) {
        let pause = self.config.ask_pause();
        let mut contacts = self.contacts.iter_mut();
        let Some((key, contact)) = contacts.find(|(_, contact)| contact.id == id) else {
            return;
        };
        if contact.is_leaving || !contact.requests.try_ask(cx.now(), pause) {
            return;
        }
        let key = *key;
        if send(cx, key, encoded(&PexMessage::Request)) {
            self.counters.requests_sent += 1;
        } else {
            contact.requests.handle_unsent();
        }
    }

    /// A peer that only waits has to make room for others, unless it has asked meanwhile.
    fn dismiss(&mut self, cx: &mut dyn Context, id: NodeId) {
        let mut contacts = self.contacts.iter_mut();
        let found = contacts.find(|(_, contact)| contact.id == id && contact.is_passing);
        if let Some((key, contact)) = found.filter(|(_, contact)| !contact.is_leaving) {
            contact.is_leaving = true;
            cx.stop_peer_gracefully(*key);
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

fn send(cx: &mut dyn Context, key: PeerKey, message: Bytes) -> bool {
    let sent = cx.try_send(key, PEX_CHANNEL, message);
    if let Err(error) = &sent {
        tracing::debug!(%error, "a message of the peer exchange was not sent");
    }
    sent.is_ok()
}

fn encoded(message: &PexMessage) -> Bytes {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    Bytes::from(bytes)
}

/// Tells the instance on the coordinator's shard, which may be this one.
fn tell(cx: &mut dyn Context, note: PexNote) {
    cx.send_note(ShardId::COORDINATOR, note.into_note());
}

impl Reactor for Pex {
    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![ChannelDescriptor {
            send_queue_capacity: SEND_QUEUE,
            recv_message_capacity: PEX_BYTES_MAX,
            ..ChannelDescriptor::new(PEX_CHANNEL, 1)
        }]
    }

    fn start(&mut self, cx: &mut dyn Context) {
        if let Some(discovery) = &mut self.discovery {
            discovery.start(cx);
        }
    }

    fn add_peer(&mut self, cx: &mut dyn Context, peer: &PeerInfo) {
        let is_kept = self.config.is_kept(peer);
        let is_passing = self.config.seed_mode && !is_kept;
        let contact = Contact {
            id: peer.id,
            requests: Requests::default(),
            is_leaving: false,
            is_passing,
            direction: peer.direction,
        };
        self.contacts.insert(peer.key, contact);
        let speaks_pex = peer.has_channel(PEX_CHANNEL);
        let introduction = Introduction::new(peer, is_kept, speaks_pex);
        tell(cx, PexNote::Joined(peer.id, introduction));
        if is_passing {
            let patience = self.patience(peer.direction);
            cx.set_timer(patience, PexTimer::Leave(peer.key).token());
        }
    }

    fn receive(
        &mut self,
        cx: &mut dyn Context,
        envelope: Envelope<'_>,
    ) -> Result<(), ReactorError> {
        let Envelope { from, message, .. } = envelope;
        self.handle_message(cx, from.key, message).map_err(|abuse| {
            self.counters.offences += 1;
            tell(cx, PexNote::Offence(from.id, abuse.to_string()));
            ReactorError::new(abuse.to_string())
        })
    }

    fn handle_note(&mut self, cx: &mut dyn Context, from: ShardId, note: Note) {
        let note = PexNote::read(note);
        debug_assert!(note.is_some(), "instances understand each other");
        match (note, &mut self.discovery) {
            (Some(PexNote::Ask(id)), _) => self.ask(cx, id),
            (Some(PexNote::Dismiss(id)), _) => self.dismiss(cx, id),
            (Some(PexNote::Answer(key, message)), _) => {
                self.handle_answer_made(cx, key, message);
            }
            (Some(PexNote::Wanted(key)), Some(discovery)) => {
                let message = encoded(&PexMessage::Addrs(discovery.selection()));
                cx.send_note(from, PexNote::Answer(key, message).into_note());
            }
            (Some(PexNote::Joined(id, peer)), Some(discovery)) => {
                discovery.handle_joined(cx, from, id, peer);
            }
            (Some(PexNote::Left(id, ended_by)), Some(discovery)) => {
                discovery.handle_left(cx, id, ended_by);
            }
            (Some(PexNote::Learned(id, message)), Some(discovery)) => {
                discovery.handle_learned(cx, id, &message);
            }
            (Some(PexNote::Offence(id, what)), Some(discovery)) => {
                discovery.handle_offence(cx, id, &what);
            }
            (_, _) => {}
        }
    }

    fn handle_timeout(&mut self, cx: &mut dyn Context, token: u64) {
        match (PexTimer::of_token(token), &mut self.discovery) {
            (Some(PexTimer::Leave(key)), _) => {
                if let Some(contact) = self.contacts.get_mut(&key)
                    && !contact.is_leaving
                {
                    contact.is_leaving = true;
                    cx.stop_peer_gracefully(key);
                }
            }
            (Some(PexTimer::Answer(key)), _) => self.answer_waiting(cx, key),
            (Some(PexTimer::Look), Some(discovery)) => discovery.look(cx),
            (Some(PexTimer::Save), Some(discovery)) => discovery.handle_save_due(cx),
            (Some(PexTimer::Crowd), Some(discovery)) => discovery.handle_crowd_due(cx),
            (_, _) => {}
        }
    }

    fn remove_peer(&mut self, cx: &mut dyn Context, peer: &PeerInfo, reason: &CloseReason) {
        self.contacts.remove(&peer.key);
        tell(cx, PexNote::Left(peer.id, EndedBy::of(reason)));
    }

    fn handle_dialed(
        &mut self,
        cx: &mut dyn Context,
        address: &NetAddress,
        outcome: Result<(), &CloseReason>,
    ) {
        if let Some(discovery) = &mut self.discovery {
            discovery.handle_dialed(cx, address, outcome);
        }
    }

    fn stop(&mut self, cx: &mut dyn Context) {
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
