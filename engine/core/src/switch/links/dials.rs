//! The dials of a shard that have no socket yet: it connects where the coordinator says.

use std::collections::BTreeMap;

use ringwire_codec::NetAddress;

use crate::switch::core::Core;
use crate::switch::io::{DialId, Output};
use crate::switch::message::AttemptId;

/// A dial this shard makes for the coordinator.
pub(crate) struct Dialing {
    /// The coordinator's name of it.
    pub(crate) attempt: AttemptId,
    /// Whom and where.
    pub(crate) address: NetAddress,
}

/// The dials under way.
#[derive(Default)]
pub(crate) struct Dials {
    under_way: BTreeMap<DialId, Dialing>,
    next: u64,
}

impl Dials {
    /// Dials under way.
    pub(crate) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Has the shell connect.
    pub(crate) fn begin(&mut self, core: &mut Core, dialing: Dialing) {
        let dial = DialId(self.next);
        self.next += 1;
        core.count().dials += 1;
        let NetAddress { host, port, .. } = dialing.address.clone();
        let timeout = core.config().dial_timeout;
        self.under_way.insert(dial, dialing);
        core.put_out(Output::Dial {
            dial,
            host,
            port,
            timeout,
        });
    }

    /// Takes a dial that has come to its end; nothing if it was cancelled meanwhile.
    pub(crate) fn take(&mut self, dial: DialId) -> Option<Dialing> {
        self.under_way.remove(&dial)
    }

    /// Cancels the dial of an attempt, if that has no socket yet.
    pub(crate) fn cancel(&mut self, core: &mut Core, attempt: AttemptId) {
        let of_attempt = |(_, dialing): &(&DialId, &Dialing)| dialing.attempt == attempt;
        let found = self
            .under_way
            .iter()
            .find(of_attempt)
            .map(|(dial, _)| *dial);
        if let Some(dial) = found {
            self.under_way.remove(&dial);
            core.put_out(Output::CancelDial(dial));
        }
    }

    /// Cancels all of them, and tells nobody.
    pub(crate) fn cancel_all(&mut self, core: &mut Core) {
        for dial in std::mem::take(&mut self.under_way).into_keys() {
            core.put_out(Output::CancelDial(dial));
        }
    }
}
