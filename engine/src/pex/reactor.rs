//! [`Pex`]: one shard's instance of the peer exchange.
//!
//! It holds each peer of its shard to the rules, answers who asks from a snapshot of the address
//! book, and tells the coordinator's shard what it learned. The instance there also holds the
//! node's [`Discovery`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::pex::{PEX_BYTES_MAX, PEX_CHANNEL};
use ringwire_codec::{GoodbyeCode, NetAddress, NodeId, PexMessage};

use super::config::PexConfig;
use super::discovery::Discovery;
use super::note::{Introduction, PexNote};
use super::requests::{Abuse, Requests};
use super::timer::PexTimer;
use super::{AddrBook, BookSnapshot};
use crate::chance::Chance;
use crate::document::Document;
use crate::error::CloseReason;
use crate::peer::{Direction, PeerInfo, PeerKey, ShardId};
use crate::reactor::{ChannelDescriptor, Context, Envelope, Note, Reactor, ReactorError};

/// Messages that may wait for one peer (reference).
const SEND_QUEUE: usize = 10;

/// A seed's answers hold this many percent of addresses that never proved good (reference).
const SEED_BIAS_TO_NEW: u8 = 30;

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
    offences: u64,
}

/// The peer exchange: the reactor of channel 0x00. One instance per shard, all with the same
/// configuration; the one on the coordinator's shard has the address book.
pub struct Pex {
    config: Arc<PexConfig>,
    contacts: BTreeMap<PeerKey, Contact>,
    chance: Chance,
    /// What the book held a moment ago; of use on the other shards.
    snapshot: BookSnapshot,
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
        let mut chance = Chance::new(seed);
        let discovery = book.map(|book| {
            let chance = Chance::new(chance.bytes());
            Discovery::new(Arc::clone(&config), book, chance)
        });
        Pex {
            config,
            contacts: BTreeMap::new(),
            chance,
            snapshot: BookSnapshot::empty(),
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
        let pause = self.config.request_pause();
        contact.requests.handle_request(cx.now(), pause)?;
        let is_passing = contact.is_passing && contact.direction == Direction::Inbound;
        contact.is_leaving = is_passing;
        let answer = PexMessage::Addrs(self.selection());
        if self.send(cx, key, &answer) {
            self.counters.answers_sent += 1;
        }
        if is_passing {
            cx.stop_peer_gracefully(key);
        }
        Ok(())
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
        contact.requests.handle_answer()?;
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
        if self.send(cx, key, &PexMessage::Request) {
            self.counters.requests_sent += 1;
        } else if let Some(contact) = self.contacts.get_mut(&key) {
            contact.requests.handle_unsent();
        }
    }

    fn send(&mut self, cx: &mut dyn Context, key: PeerKey, message: &PexMessage) -> bool {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let sent = cx.try_send(key, PEX_CHANNEL, Bytes::from(bytes));
        if let Err(error) = &sent {
            tracing::debug!(%error, "a message of the peer exchange was not sent");
        }
        sent.is_ok()
    }

    fn selection(&mut self) -> Vec<NetAddress> {
        let bias = self.config.seed_mode.then_some(SEED_BIAS_TO_NEW);
        match (&mut self.discovery, bias) {
            (Some(discovery), bias) => discovery.selection(bias),
            (None, Some(bias)) => self.snapshot.selection_with_bias(&mut self.chance, bias),
            (None, None) => self.snapshot.selection(&mut self.chance),
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
            (Some(PexNote::Book(bytes)), _) => {
                self.snapshot = BookSnapshot::from_bytes(bytes).expect("we made it");
            }
            (Some(PexNote::Joined(id, peer)), Some(discovery)) => {
                discovery.handle_joined(cx, from, id, peer);
            }
            (Some(PexNote::Left(id, by_remote)), Some(discovery)) => {
                discovery.handle_left(cx, id, by_remote);
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
                if let Some(contact) = self.contacts.get_mut(&key) {
                    contact.is_leaving = true;
                    cx.stop_peer_gracefully(key);
                }
            }
            (Some(PexTimer::Look), Some(discovery)) => discovery.look(cx),
            (Some(PexTimer::Share), Some(discovery)) => discovery.share(cx),
            (Some(PexTimer::Save), Some(discovery)) => discovery.handle_save_due(cx),
            (_, _) => {}
        }
    }

    fn remove_peer(&mut self, cx: &mut dyn Context, peer: &PeerInfo, reason: &CloseReason) {
        self.contacts.remove(&peer.key);
        let by_remote = match reason {
            CloseReason::Network(_) => true,
            CloseReason::Goodbye(goodbye) => goodbye.code != GoodbyeCode::Duplicate,
            _ => false,
        };
        tell(cx, PexNote::Left(peer.id, by_remote));
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
            ("pex_offences", counters.offences),
        ];
        if let Some(discovery) = &self.discovery {
            let counters = discovery.counters;
            shown.extend([
                ("pex_addresses_learned", counters.learned),
                ("pex_addresses_refused", counters.refused),
                ("pex_dials", counters.dials),
                ("pex_dials_failed", counters.dials_failed),
                ("pex_seed_dials_failed", counters.seed_dials_failed),
                ("pex_addresses_given_up", counters.given_up),
                ("pex_bans", counters.bans),
                ("pex_snapshots", counters.snapshots),
            ]);
        }
        shown
    }
}
