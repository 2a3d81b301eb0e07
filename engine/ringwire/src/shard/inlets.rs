//! The inlets of a shard: what threads that send much have left for it.
//!
//! A turn moves from each as much as there is room for behind it: in the peer's queue, with the reactor. What is
//! left stays in the inlet, whose sender then waits. Which inlet is first changes from turn to turn, so that
//! senders who share a queue share it evenly.

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::reactor::PublishOptions;
use ringwire_core::switch::{Command, Offered, Switch};
use ringwire_core::time::Instant;
use ringwire_sync::Inlet;

/// Messages of one inlet in a turn where nothing behind it is ever full: the others have their turn, too.
const TURN_MESSAGES: usize = 256;

/// A message, and what is asked for of it.
pub(crate) type Publication = (Bytes, PublishOptions);

/// What one thread sends, and where it goes.
#[derive(Debug)]
pub(crate) enum NewInlet {
    /// To one peer on one channel.
    Peer(NodeId, ChannelId, Inlet<Bytes>),
    /// To the reactor of a channel.
    Publish(ChannelId, Inlet<Publication>),
    /// To all peers of the shard that have the channel.
    Broadcast(ChannelId, Inlet<Bytes>),
}

/// All inlets of one shard.
#[derive(Debug, Default)]
pub(super) struct Inlets {
    inlets: Vec<(NewInlet, IsOver)>,
    first: usize,
}

/// Whether an inlet has ended and is to be dropped.
type IsOver = bool;

impl Inlets {
    /// A thread begins to send.
    pub(super) fn add(&mut self, inlet: NewInlet) {
        self.inlets.push((inlet, false));
    }

    /// Moves what there is room for; whether there was anything. Inlets whose sender or peer is gone
    /// end here.
    pub(super) fn serve(&mut self, now: Instant, switch: &mut Switch) -> bool {
        let count = self.inlets.len();
        if count == 0 {
            return false;
        }
        self.first = (self.first + 1) % count;
        let mut moved = false;
        for step in 0..count {
            let (inlet, is_over) = &mut self.inlets[(self.first + step) % count];
            *is_over = match inlet {
                NewInlet::Peer(peer, channel, messages) => {
                    offer(now, switch, (*peer, *channel), messages, &mut moved)
                }
                NewInlet::Publish(channel, messages) => {
                    publish(now, switch, *channel, messages, &mut moved)
                }
                NewInlet::Broadcast(channel, messages) => {
                    broadcast(now, switch, *channel, messages, &mut moved)
                }
            };
        }
        self.inlets.retain(|(_, is_over)| !is_over);
        moved
    }
}

fn offer(
    now: Instant,
    switch: &mut Switch,
    (peer, channel): (NodeId, ChannelId),
    messages: &mut Inlet<Bytes>,
    moved: &mut bool,
) -> IsOver {
    if !messages.is_awake() {
        return false;
    }
    let next = || {
        let message = messages.pop();
        *moved |= message.is_some();
        message
    };
    switch.handle_offered(now, peer, channel, next) == Offered::Gone || messages.is_over()
}

fn publish(
    now: Instant,
    switch: &mut Switch,
    channel: ChannelId,
    messages: &mut Inlet<Publication>,
    moved: &mut bool,
) -> IsOver {
    if !messages.is_awake() {
        return false;
    }
    for _ in 0..TURN_MESSAGES {
        if !switch.has_room_to_publish(channel) {
            break;
        }
        let Some((message, options)) = messages.pop() else {
            break;
        };
        *moved = true;
        let command = Command::Publish {
            channel,
            message,
            options,
        };
        switch.handle_command(now, command);
    }
    messages.is_over()
}

fn broadcast(
    now: Instant,
    switch: &mut Switch,
    channel: ChannelId,
    messages: &mut Inlet<Bytes>,
    moved: &mut bool,
) -> IsOver {
    if !messages.is_awake() {
        return false;
    }
    for _ in 0..TURN_MESSAGES {
        let Some(message) = messages.pop() else {
            break;
        };
        *moved = true;
        switch.handle_command(now, Command::Broadcast { channel, message });
    }
    messages.is_over()
}
