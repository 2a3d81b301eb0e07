//! What other threads ask of a shard, and the mailbox in which they leave it.

use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::conn::ConnectionStatus;
use ringwire_core::metrics::Metrics;
use ringwire_core::peer::{PeerInfo, ShardId};
use ringwire_core::switch::{Command, Delivery, Event, Reply};
use ringwire_sync::{InboxLimits, LaneSender, ReplySender};

use crate::shard::inlets::NewInlet;
use crate::shard::payload::Payload;
use crate::shard::queue_room::Reservation;

/// Requests that wait for a shard at most. A turn takes all of them; more room would only hide
/// that the shard is behind.
pub(crate) const INBOX_REQUESTS: usize = 4096;

/// Bytes of the messages that wait for a shard from which it takes no more. A turn takes all of them;
/// it must not be given a thousand blocks at once.
pub(crate) const INBOX_BYTES: usize = 8 * 1024 * 1024;

/// Where other threads leave what they want of a shard.
pub(crate) type Mailbox = ringwire_sync::Mailbox<Request, Control>;

/// A place that is reserved there.
pub(crate) type Slot<'a> = ringwire_sync::Slot<'a, Request, Control>;

/// The mailbox of a shard that is about to start.
pub(crate) fn new_mailbox() -> Mailbox {
    let limits = InboxLimits {
        requests: INBOX_REQUESTS,
        bytes: INBOX_BYTES,
    };
    Mailbox::new(limits, |request| request.command.payload_bytes())
}

/// A message on its way to the switch.
#[derive(Debug)]
pub(crate) struct Request {
    /// What to do.
    pub(crate) command: Command,
    /// The room it holds in the peer's queue until the queue's gauge counts it.
    pub(crate) reservation: Option<Reservation>,
    /// Who wants to know what became of it.
    pub(crate) reply: Option<ReplySender<Reply>>,
}

/// What is asked rarely and never refused.
#[derive(Debug)]
pub(crate) enum Control {
    /// A command for the switch.
    Command(Command, Option<ReplySender<Reply>>),
    /// Deliver a channel's messages to a subscription.
    Subscribe(ChannelId, LaneSender<Delivery>),
    /// Tell an observer what happens.
    Observe(LaneSender<Event>),
    /// Take what a thread sends by a way of its own.
    Inlet(NewInlet),
    /// How are you? Your counters, without your peers, of which there may be thousands.
    Counters(ReplySender<ShardStatus>),
    /// How are your peers? [`PEERS_PER_PAGE`] of them at most, those behind the id if there is one.
    Peers(Option<NodeId>, ReplySender<Vec<PeerSnapshot>>),
}

/// Peers that a shard tells of in one turn. It copies each, which takes a quarter of a millisecond for all
/// of them in a development build (docs/decisions, 68).
pub(crate) const PEERS_PER_PAGE: usize = 256;

/// A peer and how its connection is.
pub(crate) type PeerSnapshot = (PeerInfo, ConnectionStatus);

/// What one shard did so far, as of the turn in which it was asked for its counters.
#[derive(Clone, Debug)]
pub struct ShardStatus {
    /// Which shard.
    pub shard: ShardId,
    /// Its counters.
    pub metrics: Metrics,
    /// The figures each reactor shows: its name, their names and values.
    pub reactors: Vec<(String, Vec<(&'static str, u64)>)>,
    /// Its peers and how their connections are, by id, if they were asked for: they are told some
    /// hundred a turn, so each is as of one of the turns that followed.
    pub peers: Vec<(PeerInfo, ConnectionStatus)>,
    /// System calls that moved its bytes or waited for some. Of a ring one carries all that a turn of
    /// the shard has to do, so few per message mean full turns; without one each read and write is one.
    pub system_calls: u64,
    /// Those of them that the kernel refused for want of memory or room. They are made again, after
    /// pauses; a shard whose calls are refused for half a minute fails.
    pub refused_system_calls: u64,
}
