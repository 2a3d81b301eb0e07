//! Admitted connections that must not become peers here, while they are on their way.

use std::collections::VecDeque;

use crate::error::Reject;
use crate::switch::message::Ticket;

/// Revoked tickets remembered for connections that are still on their way; each waits for one
/// message between shards, so a few are enough.
const REVOKED_MAX: usize = 64;

/// Tickets that were revoked before their connection came.
#[derive(Default)]
pub(crate) struct Revoked(VecDeque<(Ticket, Reject)>);

impl Revoked {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The connection may still be on its way here; or it has just left, and then this is moot.
    pub(crate) fn remember(&mut self, ticket: Ticket, reject: Reject) {
        if self.0.len() == REVOKED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((ticket, reject));
    }

    /// Why the connection of a ticket is no longer wanted, if word of it came before it did.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<Reject> {
        let place = self.0.iter().position(|(revoked, _)| *revoked == ticket)?;
        self.0.remove(place).map(|(_, reject)| reject)
    }
}
