//! What a node tells a peer that it closes, and how that still gets out.
//!
//! The policy is to tell what helps the operator of the other side and nothing else: which kind of
//! limit was reached and not how high it is, which rule of the protocol was broken, and of the
//! application's own rules only that one refused. Who only lost the network, or said goodbye first,
//! is told nothing.
//!
//! A transmit may be in flight when the decision falls. Then the link stays for a moment without
//! being anybody's:
//!
//! ```text
//!   decided ─┬─ nothing in flight ─────────────────────────▶ Transmit(goodbye), Close
//!            └─ in flight ─▶ Parting ─┬─ it has ended ──────▶ Transmit(goodbye), Close
//!                                     └─ lost, or too slow ─▶ Close
//! ```

use std::time::Duration;

use ringwire_codec::{Blame, GoodbyeCode};

use crate::conn::Goodbye;
use crate::error::{CloseReason, Reject};
use crate::peer::PeerKey;
use crate::switch::core::Core;
use crate::switch::io::Transmit;
use crate::switch::links::link::{Link, Stage};

/// How long a link that is nobody's any more waits for its transmit in flight. Longer than a round
/// trip around the world; a remote that does not read holds its socket no longer than that.
const PARTING_MAX: Duration = Duration::from_secs(1);

/// What a peer is told that is closed for `reason`.
pub(crate) fn goodbye_for(reason: &CloseReason) -> Option<Goodbye> {
    let (code, text) = match reason {
        CloseReason::Stopped | CloseReason::Done { .. } => (GoodbyeCode::Stopped, ""),
        CloseReason::Shutdown => (GoodbyeCode::Shutdown, ""),
        CloseReason::Rejected(reject) => return goodbye_for_reject(reject),
        CloseReason::Reactor { error, .. } => (GoodbyeCode::Fault, &*error.message),
        CloseReason::ReactorPanic { .. } => (GoodbyeCode::Internal, ""),
        CloseReason::Connection(error) if error.blame() == Blame::Peer => {
            return Some(Goodbye::new(GoodbyeCode::Fault, &error.to_string()));
        }
        CloseReason::Connection(_)
        | CloseReason::Network(_)
        | CloseReason::Handshake(_)
        | CloseReason::HandshakeTimeout(_)
        | CloseReason::Goodbye(_) => return None,
    };
    Some(Goodbye::new(code, text))
}

fn goodbye_for_reject(reject: &Reject) -> Option<Goodbye> {
    let (code, text) = match reject {
        Reject::InboundFull(_) => (GoodbyeCode::Full, "inbound peers"),
        Reject::OutboundFull(_) => (GoodbyeCode::Full, "outbound peers"),
        Reject::DuplicateIp(_) | Reject::PeersFromIp { .. } => {
            (GoodbyeCode::Full, "peers at one address")
        }
        Reject::PeersFromSubnet { .. } => (GoodbyeCode::Full, "peers of one subnet"),
        Reject::HandshakesFull(_) | Reject::HandshakesFromIp { .. } | Reject::SlowHandshake => {
            (GoodbyeCode::Full, "handshakes")
        }
        Reject::DuplicateId(_) | Reject::Superseded => (GoodbyeCode::Duplicate, ""),
        Reject::Banned => (GoodbyeCode::Banned, ""),
        Reject::Stopping => (GoodbyeCode::Shutdown, ""),
        Reject::Filtered(_) => (GoodbyeCode::Refused, ""),
        Reject::IdMismatch { .. } | Reject::NodeInfo(_) => (GoodbyeCode::Refused, "NodeInfo"),
        Reject::IsSelf => return None,
    };
    Some(Goodbye::new(code, text))
}

impl Core {
    /// Closes a link that was taken out of the table, after `last` was sent.
    pub(crate) fn part(&mut self, link: &Link, last: Transmit) {
        if last.is_empty() || link.ended.is_some() {
            return self.close_link(link.id);
        }
        let deadline = self.now + PARTING_MAX;
        let stage = |_| Stage::Parting { deadline };
        let key = self
            .links
            .insert(link.id, link.remote, link.direction, None, stage);
        let parting = self.links.get_mut(key).expect("just inserted");
        (parting.sending, parting.unsent) = (link.sending, last);
        self.send_unsent(key);
        self.work_parting(key);
    }

    /// Closes a parting link whose last word is out, or never will be.
    pub(crate) fn work_parting(&mut self, key: PeerKey) {
        let Some(link) = self.links.get(key) else {
            return;
        };
        let is_late = link.next_at().is_some_and(|deadline| deadline <= self.now);
        if link.unsent.is_empty() || link.ended.is_some() || is_late {
            self.close_parting(key);
        } else {
            self.schedule(key);
        }
    }

    /// Closes all parting links: the time of the node is over.
    pub(crate) fn close_all_parting(&mut self) {
        let keys: Vec<_> = self.links.keys().collect();
        for key in keys {
            if self.links.get(key).is_some_and(Link::is_parting) {
                self.close_parting(key);
            }
        }
    }

    fn close_parting(&mut self, key: PeerKey) {
        if let Some(link) = self.links.remove(key) {
            self.close_link(link.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::ConnError;
    use crate::error::{NetworkError, ReactorError};

    #[test]
    fn a_peer_is_told_the_kind_of_a_limit_and_never_its_height() {
        let (ip, limit) = (std::net::Ipv4Addr::new(10, 20, 30, 40).into(), 4321);
        for reject in [
            Reject::InboundFull(4321),
            Reject::OutboundFull(4321),
            Reject::DuplicateIp(ip),
            Reject::PeersFromIp { ip, limit },
            Reject::PeersFromSubnet { ip, limit },
            Reject::HandshakesFull(4321),
            Reject::HandshakesFromIp { ip, limit },
        ] {
            let goodbye = goodbye_for(&CloseReason::Rejected(reject)).expect("it is told");
            assert_eq!(goodbye.code, GoodbyeCode::Full);
            assert!(!goodbye.text.bytes().any(|byte| byte.is_ascii_digit()));
        }
    }

    #[test]
    fn what_the_application_says_of_a_peer_it_refuses_stays_at_home() {
        let filtered = Reject::Filtered(String::from("on list 7 of our competitors"));
        let told = goodbye_for(&CloseReason::Rejected(filtered));
        assert_eq!(told, Some(Goodbye::new(GoodbyeCode::Refused, "")));
        let panicked = CloseReason::ReactorPanic {
            reactor: String::from("secret"),
            message: String::from("index 7"),
        };
        let told = goodbye_for(&panicked);
        assert_eq!(told, Some(Goodbye::new(GoodbyeCode::Internal, "")));
    }

    #[test]
    fn who_broke_a_rule_is_told_which_and_a_lost_network_is_told_nothing() {
        let error = ReactorError::new("addresses that nobody asked for");
        let reactor = String::from("pex");
        let told = goodbye_for(&CloseReason::Reactor { reactor, error });
        let expected = Goodbye::new(GoodbyeCode::Fault, "addresses that nobody asked for");
        assert_eq!(told, Some(expected.clone()));
        let told = goodbye_for(&CloseReason::Connection(ConnError::UnknownPacket));
        assert_eq!(told.map(|goodbye| goodbye.code), Some(GoodbyeCode::Fault));
        for silent in [
            CloseReason::Network(NetworkError::Eof),
            CloseReason::Connection(ConnError::PongTimeout(PARTING_MAX)),
            CloseReason::Goodbye(expected),
            CloseReason::Rejected(Reject::IsSelf),
        ] {
            assert_eq!(goodbye_for(&silent), None, "{silent}");
        }
    }
}
