//! A shard's part in dialing: it connects where the coordinator says and reports back.

use std::net::SocketAddr;

use ringwire_codec::{NetAddress, NodeId};

use crate::error::{CloseReason, NetworkError, Reject};
use crate::peer::{Direction, PeerKey};
use crate::switch::core::{Core, Dialing};
use crate::switch::io::{DialId, LinkId, Output};
use crate::switch::message::{AttemptId, ShardMessage};

impl Core {
    /// The coordinator wants an address dialed from here.
    pub(crate) fn begin_dial(&mut self, attempt: AttemptId, address: NetAddress) {
        if self.stopping {
            let reason = CloseReason::Shutdown;
            return self.tell_coordinator(ShardMessage::DialEnded { attempt, reason });
        }
        let dial = DialId(self.next_dial);
        self.next_dial += 1;
        self.metrics.dials += 1;
        let timeout = self.config.dial_timeout;
        let (host, port) = (address.host.clone(), address.port);
        self.dials.insert(dial, Dialing { attempt, address });
        self.outputs.push_back(Output::Dial {
            dial,
            host,
            port,
            timeout,
        });
    }

    /// TCP is up: the handshake begins.
    pub(crate) fn dial_connected(&mut self, dial: DialId, link: LinkId, remote: SocketAddr) {
        let Some(Dialing { attempt, address }) = self.dials.remove(&dial) else {
            // It was cancelled while the word was on its way.
            return self.close_link(link);
        };
        let is_banned = self.gate.is_banned(self.now, remote);
        let checked = match is_banned {
            true => Err(Reject::Banned),
            false => self.filters.check_connection(&remote),
        };
        if let Err(reject) = checked {
            self.close_link(link);
            let reason = CloseReason::Rejected(reject);
            return self.tell_coordinator(ShardMessage::DialEnded { attempt, reason });
        }
        let expected = Some(address.id);
        self.begin_upgrade(link, remote, Direction::Outbound, Some(attempt), expected);
    }

    /// No connection.
    pub(crate) fn dial_failed(&mut self, dial: DialId, error: NetworkError) {
        if let Some(Dialing { attempt, .. }) = self.dials.remove(&dial) {
            self.metrics.dials_failed += 1;
            let reason = CloseReason::Network(error);
            self.tell_coordinator(ShardMessage::DialEnded { attempt, reason });
        }
    }

    /// The attempt is not needed any more, wherever it has got to, unless its remote has seen our
    /// NodeInfo: it may have admitted us, and given up for us the very connection that came to us.
    /// Such a link goes on to ask for admission, and the tie is broken there.
    pub(crate) fn cancel_dial(&mut self, attempt: AttemptId, id: NodeId) {
        let of_attempt = |(_, dialing): &(&DialId, &Dialing)| dialing.attempt == attempt;
        if let Some(dial) = self.dials.iter().find(of_attempt).map(|(dial, _)| *dial) {
            self.dials.remove(&dial);
            self.outputs.push_back(Output::CancelDial(dial));
        }
        let is_its = |key: &PeerKey| {
            self.links
                .get(*key)
                .is_some_and(|link| link.attempt == Some(attempt) && !link.has_proven())
        };
        let found = self.links.keys().find(is_its);
        if let Some(key) = found {
            self.refuse(key, CloseReason::Rejected(Reject::DuplicateId(id)));
        }
    }
}
