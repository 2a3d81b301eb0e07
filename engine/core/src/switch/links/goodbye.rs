//! What a node tells a peer that it closes, and how that still gets out.
//!
//! The policy is to tell what helps the operator of the other side and nothing else: which kind of
//! limit was reached and not how high it is, which rule of the protocol was broken, and of the
//! application's own rules only that one refused. Who only lost the network, or said goodbye first,
//! is told nothing.

use ringwire_codec::{Blame, GoodbyeCode};

use crate::conn::Goodbye;
use crate::error::{CloseReason, Reject};

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
        | CloseReason::Signing(_)
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
        Reject::HandshakesFull(_)
        | Reject::HandshakesFromIp { .. }
        | Reject::HandshakesOverUnix(_)
        | Reject::SlowHandshake => (GoodbyeCode::Full, "handshakes"),
        Reject::DuplicateId(_) | Reject::Superseded => (GoodbyeCode::Duplicate, ""),
        Reject::Banned => (GoodbyeCode::Banned, ""),
        Reject::Stopping => (GoodbyeCode::Shutdown, ""),
        Reject::Filtered(_) => (GoodbyeCode::Refused, ""),
        Reject::IdMismatch { .. } | Reject::NodeInfo(_) => (GoodbyeCode::Refused, "NodeInfo"),
        Reject::IsSelf => return None,
    };
    Some(Goodbye::new(code, text))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            CloseReason::Connection(ConnError::PongTimeout(Duration::from_secs(45))),
            CloseReason::Goodbye(expected),
            CloseReason::Rejected(Reject::IsSelf),
        ] {
            assert_eq!(goodbye_for(&silent), None, "{silent}");
        }
    }
}
