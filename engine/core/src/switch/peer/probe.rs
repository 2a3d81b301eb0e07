//! Is the peer there? Asked for two reasons, answered by one ping.
//!
//! *A dial waits for its answer.* That we admitted a peer says nothing of the other side: it may refuse
//! us in the next moment. CometBFT has no word for being admitted, but on both sides a connection is
//! read and pings are answered only once it is admitted. So the dial is answered when something has come
//! over the established connection, and a ping sees to it that something comes.
//!
//! *The same node comes over a new connection.* Its machine may have lost power, and the old connection
//! is one that nobody will ever end. It has a few seconds (`SILENCE_MAX`) to prove that it lives; if it does not, the
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
use crate::switch::links::table::Links;
use crate::switch::message::{ShardMessage, Ticket};
use crate::switch::peer::closing::{close_peer, key_of_ticket};
use crate::switch::shard::{Parts, Shard};

/// The coordinator asks whether a peer is there; with a limit, silence ends it.
pub(crate) fn probe(shard: &mut Shard, ticket: Ticket, within: Option<Duration>) {
    let Parts { core, links, .. } = shard.parts();
    let Some(key) = key_of_ticket(links, ticket) else {
        // It is on its way here, as young as can be. Or it has left, and the word of that is
        // ahead of this one.
        return core.tell_coordinator(ShardMessage::Probed(ticket));
    };
    let has_ended = links.get(key).is_some_and(|link| link.ended().is_some());
    if within.is_some() && has_ended {
        return close_peer(shard, key, CloseReason::Rejected(Reject::Superseded));
    }
    if let Some(peer) = links.peer_mut(key) {
        peer.ask(core.now(), within);
        links.mark(key);
        links.schedule(core, key);
    }
    hear_probed(core, links, key);
}

/// Tells the coordinator if a peer that was asked has been heard.
#[inline]
pub(crate) fn hear_probed(core: &mut Core, links: &mut Links, key: PeerKey) {
    if links.peer(key).is_some_and(|peer| peer.has_answered()) {
        end_probe(core, links, key);
    }
}

/// Why a peer has to be closed that has been silent for as long as a probe grants, if it has.
pub(crate) fn end_silent(core: &mut Core, links: &mut Links, key: PeerKey) -> Option<CloseReason> {
    let link = links.get_mut(key)?;
    let is_read = link.is_read();
    if !link.peer_mut()?.is_silent(core.now()) {
        return None;
    }
    if !is_read {
        end_probe(core, links, key);
        return None;
    }
    Some(CloseReason::Rejected(Reject::Superseded))
}

fn end_probe(core: &mut Core, links: &mut Links, key: PeerKey) {
    if let Some(peer) = links.peer_mut(key) {
        peer.end_probe();
        core.tell_coordinator(ShardMessage::Probed(peer.ticket()));
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
