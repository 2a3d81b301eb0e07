//! How the gossip by feeds behaves: its channels, and the bounds of its memory.

use std::borrow::Cow;
use std::time::Duration;

use ringwire_codec::ChannelId;
use ringwire_gossip::feeds::{FEED_MESSAGE_BYTES_MAX, MEDIUM_BYTES_MAX, Numbers};

use crate::reactor::ChannelDescriptor;

/// Messages that wait in a connection before they wait in the reactor. What is there cannot be overtaken within its
/// channel: so it is as little as keeps a link busy for a turn.
const CONTROL_QUEUE: usize = 256;
const BODIES_QUEUE: usize = 8;

/// How a [`super::Feeds`] behaves.
#[derive(Clone, Debug)]
pub struct FeedsConfig {
    /// The channel of what is said about messages, and of urgent messages. Its weight should be above
    /// that of the others.
    pub control: ChannelDescriptor,
    /// The channel of the messages. What comes is delivered under its id.
    pub bodies: ChannelDescriptor,
    /// Whether origins are the nodes' public keys, and messages are signed by them. Yes. A bundle, or a message
    /// that is alone, takes 64 bytes more; to sign it takes some 20 µs of its origin, to check it some 40 µs of
    /// each node. Without signatures a message in another's name with a high number silences that origin on the
    /// nodes that take it. So only for applications whose messages are signed already and whose validator looks at
    /// that. All nodes of a channel must have it alike: who passes on what is not signed is hung up on by who
    /// checks. A node that signs is heard only above the numbers that it gave before: see `numbers`.
    pub signed: bool,
    /// Where the numbers of what this node signs begin, and how far they are reserved. None: they begin at the time,
    /// so a node that was started with its clock ahead, or whose clock was set back while it was down, is not heard
    /// until the time is past what it gave before.
    pub numbers: Option<KeptNumbers>,
    /// How long a message is remembered for peers that lack it, or come later.
    pub kept_span: Duration,
    /// Bytes of messages that are remembered at most.
    pub kept_bytes_max: usize,
    /// How long the application may check a message, where it takes its time: what has no answer by then is
    /// ignored.
    pub check_within: Duration,
    /// Bytes of messages that wait for such answers at most. What comes beyond is not kept, and asked for later.
    pub unchecked_bytes_max: usize,
    /// Bytes of messages that may wait for all peers of one shard of the engine before those who bring more
    /// are held back; 4 MiB for one peer hold them back too, and 1 MiB this node's own publishers. A message that
    /// waits for several peers is kept once and counts for each.
    pub waiting_bytes_max: usize,
}

/// Numbers that are kept from one life of a node to the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptNumbers {
    /// Those of this life. Their bound is kept already.
    pub numbers: Numbers,
    /// The document in which higher bounds are kept while the node runs ([`crate::document::Document`]), of a name that
    /// no other has. [`Numbers::kept_in`] reads it again.
    pub document: Cow<'static, str>,
}

impl FeedsConfig {
    /// The defaults for a pair of channels: 64 MiB remembered for 30 s at most, 64 MiB waiting, and
    /// 10 s and 16 MiB for an application that checks messages. What is said
    /// about messages weighs 8, messages 4.
    pub fn new(control: ChannelId, bodies: ChannelId) -> Self {
        FeedsConfig {
            control: ChannelDescriptor {
                send_queue_capacity: CONTROL_QUEUE,
                recv_message_capacity: FEED_MESSAGE_BYTES_MAX,
                ..ChannelDescriptor::new(control, 8)
            },
            bodies: ChannelDescriptor {
                send_queue_capacity: BODIES_QUEUE,
                recv_message_capacity: FEED_MESSAGE_BYTES_MAX,
                publish_capacity: Some(MEDIUM_BYTES_MAX),
                ..ChannelDescriptor::new(bodies, 4)
            },
            signed: true,
            numbers: None,
            kept_span: Duration::from_secs(30),
            kept_bytes_max: 64 * 1024 * 1024,
            check_within: Duration::from_secs(10),
            unchecked_bytes_max: 16 * 1024 * 1024,
            waiting_bytes_max: 64 * 1024 * 1024,
        }
    }
}
