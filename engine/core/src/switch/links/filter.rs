//! Filters: an application's own say in who may connect.
//!
//! A filter is a plain function that answers at once, so the reference's filter time-outs (items
//! 38 and 53) have nothing to wait for here. What needs a question to somebody else is asked
//! beforehand, and its answer kept where the filter finds it.
//!
//! A filter is foreign code that looks at text which a stranger chose: one that panics refuses this
//! connection, as it would have said no, and costs nobody else. It is called through `&self` and holds
//! no state of ours, so `AssertUnwindSafe` hides none that could be left half done.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::error::Reject;
use crate::peer::{PeerInfo, RemoteAddr};
use crate::switch::reactors::reactor_set::text_of;

/// Looks at an address before its handshake; `Err` says why it is refused.
pub type ConnectionFilter = Arc<dyn Fn(&RemoteAddr) -> Result<(), String> + Send + Sync>;
/// Looks at an authenticated peer before it is admitted; `Err` says why it is refused.
pub type PeerFilter = Arc<dyn Fn(&PeerInfo) -> Result<(), String> + Send + Sync>;

/// The filters of a node; all must agree.
#[derive(Clone, Default)]
pub struct Filters {
    /// Asked for each socket, accepted or dialed.
    pub connection: Vec<ConnectionFilter>,
    /// Asked for each connection that has shown its NodeInfo.
    pub peer: Vec<PeerFilter>,
}

impl Filters {
    pub(crate) fn check_connection(&self, remote: &RemoteAddr) -> Result<(), Reject> {
        self.connection
            .iter()
            .try_for_each(|filter| ask("connection", || filter(remote)))
    }

    pub(crate) fn check_peer(&self, peer: &PeerInfo) -> Result<(), Reject> {
        self.peer
            .iter()
            .try_for_each(|filter| ask("peer", || filter(peer)))
    }
}

/// Asks one filter; a panic is its no.
fn ask(kind: &str, filter: impl FnOnce() -> Result<(), String>) -> Result<(), Reject> {
    let answer = catch_unwind(AssertUnwindSafe(filter)).unwrap_or_else(|panic| {
        let message = text_of(&*panic);
        tracing::error!(target: "ringwire::switch", %message, "the panic of a {kind} filter was contained");
        Err(format!("the {kind} filter panicked: {message}"))
    });
    answer.map_err(Reject::Filtered)
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filters")
            .field("connection", &self.connection.len())
            .field("peer", &self.peer.len())
            .finish()
    }
}
