//! Changing a node while it runs, without a restart.

use std::sync::Arc;

use ringwire_core::config::{Change, Config};
use ringwire_core::switch::{Changed, Command, Reply};
use ringwire_sync::block_on;

use crate::handle::error::ChangeError;
use crate::handle::handle::Handle;

impl Handle {
    /// Changes what the node goes by: all of these changes, or none. The answer comes when every shard
    /// has taken them over, and says which settings are others now, and for which connections.
    ///
    /// What is changed holds until the node ends. [`Change::Live`] brings a whole configuration.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let engine = ringwire::Engine::builder(ringwire::Config::default()).start()?;
    /// use ringwire::Change;
    ///
    /// let address = "00112233445566778899aabbccddeeff00112233@198.51.100.7:26656".parse()?;
    /// engine.handle().change_blocking([Change::AddPersistentPeer(address), Change::SendRate(0)])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A rule that would be broken; the node is stopping.
    pub async fn change(
        &self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<Changed, ChangeError> {
        let changes = changes.into_iter().collect();
        let command = Command::Change {
            changes,
            token: None,
        };
        match self.ask_coordinator(command).await {
            Some(Reply::Changed(changed)) => Ok(changed?),
            _ => Err(ChangeError::Stopping),
        }
    }

    /// [`Handle::change`] for plain threads.
    pub fn change_blocking(
        &self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<Changed, ChangeError> {
        block_on(self.change(changes))
    }

    /// What the node goes by now: the configuration it was started with and all changes since. None
    /// if the engine is stopping.
    pub async fn config(&self) -> Option<Arc<Config>> {
        match self.ask_coordinator(Command::Config { token: None }).await {
            Some(Reply::Config(config)) => Some(config),
            _ => None,
        }
    }

    /// [`Handle::config`] for plain threads.
    pub fn config_blocking(&self) -> Option<Arc<Config>> {
        block_on(self.config())
    }
}
