//! The engine as a thing that is owned: when it is dropped, it stops.

use std::time::Duration;

use ringwire_core::config::Config;
use ringwire_sync::may_wait;

use crate::handle::builder::Builder;
use crate::handle::handle::Handle;

/// Time for goodbyes when an engine is dropped without a shutdown.
const DROP_WITHIN: Duration = Duration::from_millis(200);

/// A running engine. Everything but owning it is done through its [`Handle`]s.
///
/// Dropping it stops the engine with a short deadline and joins its threads, so end it with
/// [`Handle::shutdown`] where queued messages matter. Dropped on a shard's thread, by a reactor that owns it, it
/// stops without a wait.
#[derive(Debug)]
pub struct Engine {
    handle: Handle,
}

impl Engine {
    /// Begins to build an engine.
    pub fn builder(config: Config) -> Builder {
        Builder::new(config)
    }

    pub(super) fn new(handle: Handle) -> Self {
        Engine { handle }
    }

    /// What can be asked of the engine. A clone of it serves other threads and tasks.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if !may_wait() {
            // Within a reactor, of this engine or of another: a destructor must not panic.
            self.handle.node.stop(DROP_WITHIN);
            tracing::warn!(
                "engine dropped on a shard's thread: it stops, and nobody waits for its end"
            );
            return;
        }
        if let Err(error) = self.handle.shutdown_blocking(DROP_WITHIN) {
            tracing::warn!(%error, "engine dropped");
        }
    }
}
