//! Is the peer there? Asked for two reasons, answered by one ping.
//!
//! *A dial waits for its answer.* That we admitted a peer says nothing of the other side: it may refuse
//! us in the next moment. CometBFT has no word for being admitted, but on both sides a connection is
//! read and pings are answered only once it is admitted. So the dial is answered when something has come
//! over the established connection, and a ping sees to it that something comes.
//!
//! *The same node comes over a new connection.* Its machine may have lost power, and the old connection
//! is one that nobody will ever end. It has [`SILENCE_MAX`] to prove that it lives; if it does not, the
//! newcomer takes its place. The newcomer has proven the same key, so nobody is driven out by a
//! stranger.
//!
//! ```text
//!   coordinator                       home shard                        peer
//!       │ ── Probe(ticket, within) ───────▶ │ ── ping, at once ─────────▶ │
//!       │ ◀─────────────── Probed(ticket) ─ │ ◀── a packet, any packet ── │
//!       │                                   │
//!       │ ◀── Left(ticket, Superseded) ──── │  nothing within `within`
//! ```
//!
//! While it is us who do not read, because an application is slow, silence proves nothing: the peer
//! stays.

use std::time::Duration;

use crate::error::{CloseReason, Reject};
use crate::peer::PeerKey;
use crate::switch::core::Core;
use crate::switch::io::ReadMode;
use crate::switch::message::{ShardMessage, Ticket};
use crate::switch::switch::Switch;
use crate::time::{Deadline, Instant};

/// How long an old connection has to show that it lives when its node comes over a new one. Two round
/// trips around the world and a lost segment; well below the time a handshake has, for the newcomer
/// waits so long.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(3);

/// What is granted for reading an answer that came while we stood still ourselves.
const LATE_GRACE: Duration = Duration::from_secs(1);

/// A question that a peer has not answered yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    /// Packets that had come when the present question was asked.
    packets: u64,
    /// When silence ends the connection; never for a dial that waits.
    deadline: Option<Deadline>,
}

impl Probe {
    /// When silence ends the connection.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.map(|deadline| deadline.at())
    }
}

impl Switch {
    /// The coordinator asks whether a peer is there; with a limit, silence ends it.
    pub(crate) fn probe(&mut self, ticket: Ticket, within: Option<Duration>) {
        let Some(key) = self.core.key_of_ticket(ticket) else {
            // It is on its way here, as young as can be. Or it has left, and the word of that is
            // ahead of this one.
            return self.core.tell_coordinator(ShardMessage::Probed(ticket));
        };
        let has_ended = self.core.links.get(key).is_some_and(|l| l.ended.is_some());
        if within.is_some() && has_ended {
            return self.close_peer(key, CloseReason::Rejected(Reject::Superseded));
        }
        self.core.ask_peer(key, within);
        self.core.hear_probed(key);
    }

    /// Closes a peer that has been silent for as long as a probe grants; says whether it did.
    pub(crate) fn end_silent(&mut self, key: PeerKey) -> bool {
        let now = self.core.now;
        let Some(link) = self.core.links.get(key) else {
            return false;
        };
        let is_read = link.read == ReadMode::Stream;
        let probe = self
            .core
            .links
            .peer_mut(key)
            .and_then(|peer| peer.probe.as_mut());
        let Some(deadline) = probe.and_then(|probe| probe.deadline.as_mut()) else {
            return false;
        };
        if !deadline.has_passed(now) {
            return false;
        }
        if !is_read {
            self.core.end_probe(key);
            return false;
        }
        self.close_peer(key, CloseReason::Rejected(Reject::Superseded));
        true
    }
}

impl Core {
    /// The peer of a ticket, if it lives here.
    pub(crate) fn key_of_ticket(&self, ticket: Ticket) -> Option<PeerKey> {
        let has_it = |key: &PeerKey| {
            let peer = self.links.peer(*key);
            peer.is_some_and(|peer| peer.ticket == ticket)
        };
        self.links.peer_keys().find(has_it)
    }

    fn ask_peer(&mut self, key: PeerKey, within: Option<Duration>) {
        let now = self.now;
        let Some(peer) = self.links.peer_mut(key) else {
            return;
        };
        peer.conn.ping_now(now);
        peer.probe = Some(Probe {
            packets: match within {
                // What came since the connection was admitted counts, too.
                None => 0,
                Some(_) => peer.conn.packets_heard(),
            },
            deadline: within.map(|within| Deadline::new(now + within, LATE_GRACE)),
        });
        self.mark(key);
        self.schedule(key);
    }

    /// Tells the coordinator if a peer that was asked has been heard.
    pub(crate) fn hear_probed(&mut self, key: PeerKey) {
        let Some(peer) = self.links.peer(key) else {
            return;
        };
        let is_heard = |probe: Probe| peer.conn.packets_heard() > probe.packets;
        if peer.probe.is_some_and(is_heard) {
            self.end_probe(key);
        }
    }

    fn end_probe(&mut self, key: PeerKey) {
        if let Some(peer) = self.links.peer_mut(key) {
            peer.probe = None;
            let ticket = peer.ticket;
            self.tell_coordinator(ShardMessage::Probed(ticket));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::io::{Event, LinkId, Output};
    use crate::switch::testing::{House, Remote};

    /// A peer, and a second remote with its key that has gone through the handshake and waits.
    fn old_and_new(house: &mut House) -> (Remote, Remote) {
        let mut old = Remote::new(1);
        house.join(&mut old);
        wait(house, 60_000);
        let mut new = Remote::new(1);
        new.link = LinkId(100);
        house.accept(100);
        for _ in 0..20 {
            let outputs = house.turn();
            old.take(&outputs);
            new.exchange(house, &outputs);
        }
        (old, new)
    }

    fn wait(house: &mut House, millis: u64) {
        house.now += Duration::from_millis(millis);
        house.switch.handle_timeout(house.now);
    }

    /// Some turns: who was added, who removed and why, and why who was refused.
    fn events(house: &mut House) -> Vec<String> {
        let outputs: Vec<_> = (0..20)
            .flat_map(|_| {
                let outputs = house.turn();
                house.finish_writes();
                outputs
            })
            .collect();
        let told = outputs.iter().filter_map(|output| match output {
            Output::Event(Event::PeerAdded(_)) => Some(String::from("added")),
            Output::Event(Event::PeerRemoved { reason, .. }) => Some(format!("removed: {reason}")),
            Output::Event(Event::ConnectionRefused { reason, .. }) => {
                Some(format!("refused: {reason}"))
            }
            _ => None,
        });
        told.collect()
    }

    #[test]
    fn a_silent_old_connection_gives_way_to_the_same_node_and_not_before_its_time_is_up() {
        let mut house = House::new();
        let (_old, _new) = old_and_new(&mut house);
        wait(&mut house, 2_999);
        assert_eq!(events(&mut house), Vec::<String>::new());
        wait(&mut house, 1);
        let told = events(&mut house);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("removed: "), "{told:?}");
        assert_eq!(told[1], "added");
    }

    #[test]
    fn an_old_connection_that_answers_keeps_its_place_and_the_newcomer_is_refused() {
        let mut house = House::new();
        let (mut old, _new) = old_and_new(&mut house);
        wait(&mut house, 2_999);
        old.answer_pings(&mut house);
        let told = events(&mut house);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("refused: rejected: already connected"),
            "{told:?}"
        );
        wait(&mut house, 10_000);
        assert_eq!(events(&mut house), Vec::<String>::new());
    }

    #[test]
    fn a_node_that_stood_still_itself_reads_the_answer_before_it_judges() {
        let mut house = House::new();
        let (mut old, _new) = old_and_new(&mut house);
        wait(&mut house, 15_000);
        assert_eq!(events(&mut house), Vec::<String>::new());
        old.answer_pings(&mut house);
        let told = events(&mut house);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("refused: "), "{told:?}");
    }

    #[test]
    fn an_old_connection_whose_socket_ends_gives_way_at_once() {
        let mut house = House::new();
        let (old, _new) = old_and_new(&mut house);
        let eof = crate::error::NetworkError::Eof;
        house.switch.handle_closed(house.now, old.link, eof);
        let told = events(&mut house);
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(told[1], "added");
    }
}
