//! The reactor of channels that have none: what comes goes to the application.

use ringwire_codec::ChannelId;

use crate::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};

/// Owns the channels an application declared without a reactor. Messages go to the application's
/// subscriptions; publishing sends to every peer that has room.
#[derive(Clone, Debug)]
pub struct AppChannels {
    channels: Vec<ChannelDescriptor>,
}

impl AppChannels {
    /// The name under which the reactor appears in errors and metrics.
    pub const NAME: &'static str = "app";

    /// A reactor for these channels.
    pub fn new(channels: Vec<ChannelDescriptor>) -> Self {
        AppChannels { channels }
    }

    /// Whether it owns `channel`.
    pub fn owns(&self, channel: ChannelId) -> bool {
        self.channels
            .iter()
            .any(|descriptor| descriptor.id == channel)
    }
}

impl Reactor for AppChannels {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        self.channels.clone()
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        cx.deliver(envelope.from.id, envelope.channel, envelope.message);
        Ok(())
    }
}
