//! What a shard's switch and the world tell each other.
//!
//! The switch is a value: it is *told* with its `handle_*` methods, *asked* when it wants to be
//! woken, and *drained* of [`Output`]s. The shell carries them out on a ring, the simulation on
//! modelled links; neither takes a decision of its own.
//!
//! ```text
//!   accepted, connected, received, sent, closed ──▶ ┌────────┐ ──▶ Dial, Transmit, Read, Close
//!   mesh messages, commands, adopted connections ─▶ │ Switch │ ──▶ Mesh, Move, Reply, Event
//!   timeout ──────────────────────────────────────▶ └────────┘ ──▶ deliveries (pulled)
//! ```

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::net_address::Host;
use ringwire_codec::secret::CHALLENGE_BYTES;
use ringwire_codec::{ChannelId, NetAddress, NodeId};

pub use crate::buffer::Transmit;
use crate::config::{Change, Config, ConfigError, Difference, Effect};
use crate::document::Document;
use crate::error::{CloseReason, NetworkError, SendError};
use crate::peer::{Ban, BanTarget, Census, PeerInfo, PeerKey, RemoteAddr, ShardId};
use crate::reactor::{Answer, Ask, AskError, PublishOptions};
use crate::switch::message::{Parcel, ShardMessage};
use crate::switch::node::named::{NamedAs, NamedPeer};

/// The shell's name of a socket on one shard. Opaque to the switch; never used again by the shell
/// after [`Output::Close`] or [`Output::Move`] of that link was carried out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);

/// The switch's name of a dial in progress.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialId(pub u64);

/// How a link is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadMode {
    /// One receive, then wait for the next `Read`: during the handshake, so that nothing is in
    /// flight when the connection moves to its home shard.
    Once,
    /// Receive until told otherwise.
    Stream,
    /// Receive nothing: a reactor or subscription is full, TCP pushes back.
    Pause,
}

/// What the shell must do for the switch, in order.
#[derive(Debug)]
pub enum Output {
    /// Resolve and connect; answer `handle_connected` or `handle_dial_failed`.
    Dial {
        /// Name of the attempt.
        dial: DialId,
        /// Where to.
        host: Host,
        /// TCP port.
        port: u16,
        /// Time for resolving and connecting together.
        timeout: Duration,
    },
    /// Forget a dial; its outcome is not reported any more (a connected socket is closed).
    CancelDial(DialId),
    /// Write all buffers; answer `handle_sent`. At most one per link is in flight.
    Transmit {
        /// Where to.
        link: LinkId,
        /// What.
        buffers: Transmit,
    },
    /// Change how a link is read.
    Read {
        /// Which link.
        link: LinkId,
        /// How from now on.
        mode: ReadMode,
    },
    /// Close the socket as soon as a transmit in flight has ended and the remote, told so, has
    /// ended, too (or the time for that is up): else what it has not read yet could be lost.
    /// Nothing is reported about this link any more.
    Close {
        /// Which link.
        link: LinkId,
    },
    /// Hand socket and parcel to another shard, which calls `handle_adopted`. Nothing is in
    /// flight on the link. If it fails before it could leave, answer `handle_move_failed`.
    Move {
        /// Which link.
        link: LinkId,
        /// Its new home.
        to: ShardId,
        /// Session keys, bytes read so far, NodeInfo.
        parcel: Box<Parcel>,
    },
    /// Carry a message to another shard of the same node, in order, without loss.
    Mesh {
        /// Receiver.
        to: ShardId,
        /// The message.
        message: ShardMessage,
    },
    /// The outcome of a command that carried a token.
    Reply {
        /// The token it came with.
        token: ReplyToken,
        /// What became of it.
        reply: Reply,
    },
    /// Has the node's key, which is not at hand, sign a challenge for a link; answered with
    /// [`Switch::handle_signed`](super::Switch::handle_signed). The link stands still meanwhile, for the time of its
    /// handshake at most.
    Sign {
        /// Which link.
        key: PeerKey,
        /// What is to be signed, as it is.
        challenge: [u8; CHALLENGE_BYTES],
    },
    /// Keep a document, in place of an earlier one of the same name.
    Save(Document),
    /// Something an observer wants to know.
    Event(Event),
}

/// Opaque number by which the shell finds who waits for a reply.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReplyToken(pub u64);

/// The outcome of a command.
#[derive(Debug)]
pub enum Reply {
    /// Of [`Command::Send`].
    Send(Result<(), SendError>),
    /// Of [`Command::Dial`]: connected and admitted by both sides, or why not.
    Dial(Result<NodeId, CloseReason>),
    /// Of [`Command::Unban`]: whether there was a ban.
    Unban(bool),
    /// Of [`Command::NamedPeers`]: by id.
    NamedPeers(Vec<NamedPeer>),
    /// Of [`Command::Bans`]: the operator's first.
    Bans(Vec<Ban>),
    /// Of [`Command::Change`]: what is another now on all shards, or the rule that would be broken.
    Changed(Result<Changed, ConfigError>),
    /// Of [`Command::Config`].
    Config(Arc<Config>),
    /// Of [`Command::Ask`].
    Answer(Result<Answer, AskError>),
    /// Of [`Command::Inspect`]: nothing if there is no such reactor, or it shows nothing.
    Inspect(Option<Document>),
}

/// What came of changes that were made while the node runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// Settings that are others now, for connections that stand as well; as config.toml names them.
    pub at_once: Vec<&'static str>,
    /// Settings that are others for connections that are made from now on.
    pub new_connections: Vec<&'static str>,
    /// The peers of now: a lower limit hangs up on nobody, so there may be more than it allows.
    pub census: Census,
}

impl Changed {
    pub(crate) fn new(differences: &[Difference], census: Census) -> Self {
        let that_hold = |effect| {
            let those = differences.iter().filter(|it| it.effect == effect);
            those.map(|it| it.key).collect()
        };
        Changed {
            at_once: that_hold(Effect::AtOnce),
            new_connections: that_hold(Effect::NewConnections),
            census,
        }
    }

    /// Whether nothing was changed: all was so already.
    pub fn is_nothing(&self) -> bool {
        self.at_once.is_empty() && self.new_connections.is_empty()
    }
}

/// What an application asks of one shard.
#[derive(Debug)]
pub enum Command {
    /// Queue a message for a peer of this shard. Without a deadline it waits for room as long as
    /// the peer lives.
    Send {
        /// Receiver.
        peer: NodeId,
        /// Channel.
        channel: ChannelId,
        /// Payload.
        message: Bytes,
        /// How long it may wait for room, from now.
        timeout: Option<Duration>,
        /// Who wants to know.
        token: Option<ReplyToken>,
    },
    /// Queue a message for every peer of this shard that has the channel and room for it.
    Broadcast {
        /// Channel.
        channel: ChannelId,
        /// Payload.
        message: Bytes,
    },
    /// Hand a message to the reactor that owns the channel.
    Publish {
        /// Channel.
        channel: ChannelId,
        /// Payload.
        message: Bytes,
        /// What the application asks for of it.
        options: PublishOptions,
    },
    /// Dial an address once (coordinator only); `persistent` keeps it connected for good.
    Dial {
        /// Whom.
        address: NetAddress,
        /// Whether to reconnect whenever it goes away.
        persistent: bool,
        /// Who wants to know.
        token: Option<ReplyToken>,
    },
    /// Close a peer of this shard, after what is queued was sent. It is not dialed again.
    StopPeer {
        /// Whom.
        peer: NodeId,
    },
    /// The operator wants an id or host refused for a while and its peers closed (coordinator only).
    Ban {
        /// Whom.
        target: BanTarget,
        /// For how long, from now; zero ends its bans.
        span: Duration,
    },
    /// End the bans of an id or host, whoever made them (coordinator only).
    Unban {
        /// Whose.
        target: BanTarget,
        /// Who wants to know.
        token: Option<ReplyToken>,
    },
    /// How the links to the operator's persistent peers and seeds are doing (coordinator only).
    NamedPeers {
        /// Who wants to know.
        token: Option<ReplyToken>,
    },
    /// Which bans hold (coordinator only).
    Bans {
        /// Who wants to know.
        token: Option<ReplyToken>,
    },
    /// Change what the node goes by (coordinator only): all of these changes, or none. Answered when
    /// every shard has taken them over.
    Change {
        /// The changes, in order.
        changes: Vec<Change>,
        /// Who wants to know.
        token: Option<ReplyToken>,
    },
    /// What the node goes by now (coordinator only).
    Config {
        /// Who wants to know.
        token: Option<ReplyToken>,
    },
    /// Puts a question to a reactor's instance on this shard.
    Ask {
        /// The question, and whom it is for.
        ask: Ask,
        /// Who wants to know.
        token: Option<ReplyToken>,
    },
    /// Shows what a reactor's instance on this shard lets be read of its state.
    Inspect {
        /// Name of the reactor.
        reactor: String,
        /// Who wants to know.
        token: Option<ReplyToken>,
    },
    /// Send what was accepted, say goodbye, refuse everything new. The switch reports
    /// [`Event::Stopped`] when its last link is closed or `within` has passed.
    Shutdown {
        /// Time for flushing.
        within: Duration,
    },
}

/// What happened, for logs, metrics and the handle's directory of peers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer was admitted on this shard (its home).
    PeerAdded(PeerInfo),
    /// A peer of this shard is gone.
    PeerRemoved {
        /// Who.
        peer: PeerInfo,
        /// Why.
        reason: CloseReason,
    },
    /// A connection ended before it became a peer.
    ConnectionRefused {
        /// The socket's remote address.
        remote_addr: RemoteAddr,
        /// Who it was, if that was known.
        id: Option<NodeId>,
        /// Why.
        reason: CloseReason,
    },
    /// A link that the operator asked for failed, for another reason than was told last: it was not
    /// reached, or either side refused it. Told once per reason.
    NamedPeerFailed {
        /// Whom, and where it is dialed.
        address: NetAddress,
        /// What the operator named it as.
        named_as: NamedAs,
        /// Why.
        reason: CloseReason,
        /// Pause before the next attempt, if one is planned.
        retry_in: Option<Duration>,
    },
    /// A link that stood to a node that the operator named was lost, for another reason than was told
    /// last, or after an hour. It is told beside [`Event::PeerRemoved`].
    NamedPeerLost {
        /// Who.
        id: NodeId,
        /// What the operator named it as.
        named_as: NamedAs,
        /// Why.
        reason: CloseReason,
    },
    /// A node that the operator named is connected after [`Event::NamedPeerFailed`] had been told.
    NamedPeerBack {
        /// Who.
        id: NodeId,
        /// What the operator named it as.
        named_as: NamedAs,
        /// Attempts that had failed.
        failures: u64,
    },
    /// A dial failed; `retry_in` tells when the next attempt is due, if there is one.
    DialFailed {
        /// Whom we dialed.
        address: NetAddress,
        /// Why it failed.
        error: NetworkError,
        /// Whether the operator asked for it, and [`Event::NamedPeerFailed`] tells when that is news.
        is_named: bool,
        /// Pause before the next attempt.
        retry_in: Option<Duration>,
    },
    /// A peer that was lost for a fault that passes was dialed again, to the last attempt of the
    /// second phase, and is given up. Never a persistent peer.
    GaveUp(NetAddress),
    /// Messages of a channel have waited for a while, as many as may; until they are taken no peer
    /// that has another one is read, on none of its channels. Told once per channel and reason.
    ChannelHeldBack {
        /// Which channel.
        channel: ChannelId,
        /// The peer that was held back first.
        peer: NodeId,
        /// Messages that wait.
        waiting: usize,
        /// Whether the channel has had a subscriber, who takes nothing; else it waits for its first.
        has_subscriber: bool,
    },
    /// This observer fell behind, and so many events before the next one were not told to it. Each
    /// observer has its own count.
    Missed(u64),
    /// The switch has nothing more to do: all links are closed.
    Stopped,
}

/// A message for the application's subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Who sent it, or who first brought it, when it was gossiped.
    pub peer: NodeId,
    /// Channel.
    pub channel: ChannelId,
    /// Payload.
    pub message: Bytes,
}

/// How full the send queue of one channel of one peer is; shared with the handle so that a full
/// queue is an answer and not a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueGauge {
    /// Whose queue.
    pub peer: PeerKey,
    /// Which channel.
    pub channel: ChannelId,
    /// Messages waiting.
    pub queued: usize,
}

/// One line, for logs and terminals: whatever a peer or a reactor has put into a reason, no control
/// character comes through.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = OneLine(f);
        match self {
            Event::PeerAdded(peer) => write!(
                line,
                "peer added: {} \"{}\" at {}, {}",
                peer.id, peer.node_info.moniker, peer.remote_addr, peer.direction
            ),
            Event::PeerRemoved { peer, reason } => write!(
                line,
                "peer removed: {} \"{}\" at {}, {}: {reason}",
                peer.id, peer.node_info.moniker, peer.remote_addr, peer.direction
            ),
            Event::ConnectionRefused {
                remote_addr,
                id: Some(id),
                reason,
            } => write!(line, "connection refused: {id} at {remote_addr}: {reason}"),
            Event::ConnectionRefused {
                remote_addr,
                id: None,
                reason,
            } => write!(line, "connection refused: {remote_addr}: {reason}"),
            Event::NamedPeerFailed {
                address,
                named_as,
                reason,
                retry_in,
            } => {
                write!(line, "no connection to {named_as}: {address}: {reason}; ")?;
                write_retry(&mut line, *retry_in)
            }
            Event::NamedPeerLost {
                id,
                named_as,
                reason,
            } => write!(line, "lost {named_as}: {id}: {reason}"),
            Event::NamedPeerBack {
                id,
                named_as,
                failures,
            } => write!(
                line,
                "connected to {named_as} after {failures} failures: {id}"
            ),
            Event::DialFailed {
                address,
                error,
                retry_in,
                ..
            } => {
                write!(line, "dial failed: {address}: {error}; ")?;
                write_retry(&mut line, *retry_in)
            }
            Event::GaveUp(address) => write!(line, "gave up: {address}"),
            Event::ChannelHeldBack {
                channel,
                peer,
                waiting,
                has_subscriber,
            } => {
                let whom = match has_subscriber {
                    true => "a subscriber that takes nothing",
                    false => "a first subscriber",
                };
                write!(
                    line,
                    "channel {channel} held back: {waiting} messages wait for {whom}, and {peer} is not read"
                )
            }
            Event::Missed(events) => write!(line, "{events} events missed"),
            Event::Stopped => line.write_str("stopped"),
        }
    }
}

fn write_retry(line: &mut OneLine<'_, '_>, retry_in: Option<Duration>) -> fmt::Result {
    match retry_in {
        Some(pause) => write!(line, "next attempt in {pause:.1?}"),
        None => line.write_str("no further attempt"),
    }
}

/// Writes control characters as escapes.
struct OneLine<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(char::is_control) {
            let control = piece.chars().next_back().filter(|last| last.is_control());
            let plain_len = piece.len() - control.map_or(0, char::len_utf8);
            self.0.write_str(&piece[..plain_len])?;
            if let Some(control) = control {
                write!(self.0, "{}", control.escape_default())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::error::ReactorError;

    #[test]
    fn an_event_is_one_line_whatever_is_in_its_reason() {
        let id = NodeId::from_bytes([0xab; 20]);
        let remote_addr = RemoteAddr::from(SocketAddr::from(([127, 0, 0, 1], 26_656)));
        let error = ReactorError::new("first\nsecond\u{1b}[31m");
        let refused = Event::ConnectionRefused {
            remote_addr,
            id: Some(id),
            reason: CloseReason::Reactor {
                reactor: String::from("chat"),
                error,
            },
        };
        assert_eq!(
            refused.to_string(),
            format!(
                "connection refused: {id} at 127.0.0.1:26656: reactor chat: \
                 first\\nsecond\\u{{1b}}[31m"
            )
        );
    }

    #[test]
    fn a_failed_dial_says_whom_why_and_when_again() {
        let address = "abababababababababababababababababababab@10.0.0.1:26656";
        let failed = |retry_in| Event::DialFailed {
            address: address.parse().expect("an address"),
            error: NetworkError::DialTimeout,
            is_named: false,
            retry_in,
        };
        let said = format!("dial failed: {address}: no connection within the dial timeout; ");
        assert_eq!(
            failed(None).to_string(),
            format!("{said}no further attempt")
        );
        let pause = Some(Duration::from_millis(5200));
        assert_eq!(
            failed(pause).to_string(),
            format!("{said}next attempt in 5.2s")
        );
    }
}
