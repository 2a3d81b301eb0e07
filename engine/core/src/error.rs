//! Errors that more than one room speaks of: why a peer was closed, why it was refused, why a
//! message was not taken. Each says whose fault it is.

use std::net::IpAddr;

use bytes::Bytes;
pub use ringwire_codec::Blame;
use ringwire_codec::secret::handshake::HandshakeError;
use ringwire_codec::{ChannelId, NodeId, NodeInfoError, SignerError};
use thiserror::Error;

use crate::conn::{ConnError, Goodbye};

/// Why the network failed us. What the operating system said is kept as text: the pure rooms know
/// no error numbers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The remote closed its side.
    #[error("the remote closed the connection")]
    Eof,
    /// A read, write or connect failed.
    #[error("{operation} failed: {message}")]
    Io {
        /// "connect", "recv" or "send".
        operation: &'static str,
        /// The operating system's words.
        message: String,
    },
    /// A dial took longer than `dial_timeout`.
    #[error("no connection within the dial timeout")]
    DialTimeout,
    /// The remote ended a connection that we had dialed before it was of any use. CometBFT's nodes
    /// do not say why; the step tells what it usually means.
    #[error("{step} ({cause})")]
    ClosedEarly {
        /// How far the connection had come.
        step: EarlyStep,
        /// How it ended.
        cause: Box<NetworkError>,
    },
    /// A host name did not resolve.
    #[error("cannot resolve {host}: {message}")]
    Resolve {
        /// The name asked for.
        host: String,
        /// The resolver's words.
        message: String,
    },
}

/// How far a connection that we had dialed came before the remote ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum EarlyStep {
    /// TCP was up; the remote had not proved who it is.
    #[error("closed before it showed who it is: it may have no room, or refuse this address")]
    SecretConnection,
    /// The remote had proved who it is; its NodeInfo had not come.
    #[error("closed before its NodeInfo came: it may refuse ours, or speak another protocol")]
    NodeInfo,
    /// Both had seen the other's NodeInfo; nothing came after it.
    #[error(
        "closed right after NodeInfo: it may know this id or address already, have no room, or \
         find our NodeInfo not compatible"
    )]
    Admission,
}

/// Why a connection was not admitted (the reference's `ErrRejected` and its flags).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reject {
    /// A connection filter said no, or did not answer in time.
    #[error("filtered: {0}")]
    Filtered(String),
    /// We are connected to this id already, or this connection lost a simultaneous dial.
    #[error("already connected to {0}")]
    DuplicateId(NodeId),
    /// The limit of connections from one address is reached.
    #[error("too many connections from {0}")]
    DuplicateIp(IpAddr),
    /// The node came over a new connection, and this one, the older, stayed silent when it was asked.
    #[error("silent while the same node came over a new connection")]
    Superseded,
    /// The remote is ourselves.
    #[error("the remote has our own key: we dialed ourselves")]
    IsSelf,
    /// The authenticated id is not the one its NodeInfo claims.
    #[error("NodeInfo says {claimed}, the key says {actual}")]
    IdMismatch {
        /// What NodeInfo said.
        claimed: String,
        /// What the handshake proved.
        actual: NodeId,
    },
    /// NodeInfo breaks a rule, or the networks do not match.
    #[error("NodeInfo refused: {0}")]
    NodeInfo(#[from] NodeInfoError),
    /// No room for another inbound peer.
    #[error("no room for another inbound peer (limit {0})")]
    InboundFull(usize),
    /// No room for another outbound peer.
    #[error("no room for another outbound peer (limit {0})")]
    OutboundFull(usize),
    /// The address has as many peers here as it may have.
    #[error("too many peers at {ip} (limit {limit})")]
    PeersFromIp {
        /// The address.
        ip: IpAddr,
        /// Peers it may have.
        limit: usize,
    },
    /// The subnet of the address has as many inbound peers here as it may have.
    #[error("too many inbound peers from the subnet of {ip} (limit {limit})")]
    PeersFromSubnet {
        /// The address.
        ip: IpAddr,
        /// Inbound peers its subnet may have.
        limit: usize,
    },
    /// The host has too many handshakes in progress.
    #[error("too many handshakes in progress from {ip} (limit {limit})")]
    HandshakesFromIp {
        /// The address.
        ip: IpAddr,
        /// Handshakes its host may have in progress on one shard.
        limit: usize,
    },
    /// Too many handshakes are in progress over the Unix sockets of this machine, which count as one host.
    #[error("too many handshakes in progress over Unix sockets (limit {0})")]
    HandshakesOverUnix(usize),
    /// Too many handshakes are in progress.
    #[error("too many handshakes in progress (limit {0})")]
    HandshakesFull(usize),
    /// All places for handshakes were taken, and this handshake, of those that waited for their
    /// remote, was the one to give way to a newcomer.
    #[error("too slow: its handshake gave way to a newcomer's")]
    SlowHandshake,
    /// The id or address is banned.
    #[error("banned")]
    Banned,
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Stopping,
}

/// Why a reactor wants a peer gone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ReactorError {
    /// What the peer did, for the log and for `remove_peer`.
    pub message: String,
    /// Whether the fault passes: a transient one lets the switch dial the peer again (item 59).
    pub transient: bool,
}

impl ReactorError {
    /// A lasting fault of the peer.
    pub fn new(message: impl Into<String>) -> Self {
        ReactorError {
            message: message.into(),
            transient: false,
        }
    }

    /// A fault that may be gone at the next connection.
    pub fn transient(message: impl Into<String>) -> Self {
        ReactorError {
            message: message.into(),
            transient: true,
        }
    }
}

/// Why a peer, or a connection on its way to become one, was closed. Carried by logs and by
/// `remove_peer`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The secret connection could not be set up.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// Handshake or NodeInfo exchange took too long.
    #[error("no handshake within {0:?}")]
    HandshakeTimeout(std::time::Duration),
    /// The connection was set up and then not admitted.
    #[error("rejected: {0}")]
    Rejected(#[from] Reject),
    /// The peer broke a rule of the established connection.
    #[error("connection: {0}")]
    Connection(#[source] ConnError),
    /// The remote closed on purpose and told why.
    #[error("the remote said goodbye: {0}")]
    Goodbye(Goodbye),
    /// The node's own key is kept elsewhere, and could not sign for this connection.
    #[error("this node's key could not sign: {0}")]
    Signing(SignerError),
    /// The network failed or the remote went away.
    #[error("network: {0}")]
    Network(#[from] NetworkError),
    /// A reactor asked for it.
    #[error("reactor {reactor}: {error}")]
    Reactor {
        /// Name of the reactor.
        reactor: String,
        /// What it said.
        error: ReactorError,
    },
    /// A reactor panicked while it dealt with this peer.
    #[error("reactor {reactor} panicked: {message}")]
    ReactorPanic {
        /// Name of the reactor.
        reactor: String,
        /// The panic's message.
        message: String,
    },
    /// A reactor has no more use for the peer, which did nothing wrong: a seed has answered it.
    #[error("reactor {reactor} is done with it")]
    Done {
        /// Name of the reactor.
        reactor: String,
    },
    /// The application or operator asked for it.
    #[error("stopped by the application")]
    Stopped,
    /// The node shuts down.
    #[error("the node shuts down")]
    Shutdown,
}

impl From<ConnError> for CloseReason {
    fn from(error: ConnError) -> Self {
        match error {
            ConnError::Goodbye(goodbye) => CloseReason::Goodbye(goodbye),
            error => CloseReason::Connection(error),
        }
    }
}

impl CloseReason {
    /// Whose fault it was.
    pub fn blame(&self) -> Blame {
        match self {
            CloseReason::Handshake(_) | CloseReason::HandshakeTimeout(_) => Blame::Peer,
            CloseReason::Rejected(Reject::Superseded) => Blame::Network,
            CloseReason::Rejected(_) => Blame::Peer,
            CloseReason::Connection(error) => error.blame(),
            CloseReason::Network(_) => Blame::Network,
            CloseReason::Goodbye(goodbye) => goodbye.blame(),
            CloseReason::Reactor { .. } => Blame::Peer,
            CloseReason::Signing(_)
            | CloseReason::ReactorPanic { .. }
            | CloseReason::Done { .. }
            | CloseReason::Stopped
            | CloseReason::Shutdown => Blame::Local,
        }
    }

    /// Whether a peer that is not persistent is dialed again all the same (item 59).
    pub fn is_transient(&self) -> bool {
        matches!(self, CloseReason::Reactor { error, .. } if error.transient)
    }
}

/// A reactor panicked as it started: nobody's connection can pay for that, so the node does not start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("reactor {reactor} panicked as it started: {message}")]
pub struct StartPanic {
    /// Name of the reactor.
    pub reactor: String,
    /// The panic's message.
    pub message: String,
}

/// Why a message was not queued at once. The message comes back where it can be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// The channel's queue is full.
    #[error("the queue of the channel is full")]
    Full(Bytes),
    /// The peer is not connected (any more).
    #[error("the peer is not connected")]
    NotConnected(Bytes),
    /// No channel of that id is registered here.
    #[error("channel {0} is not registered on this node")]
    UnknownChannel(ChannelId),
    /// The peer did not announce the channel; it would hang up on us.
    #[error("the peer does not speak channel {0}")]
    PeerLacksChannel(ChannelId),
    /// The message is longer than the channel allows.
    #[error("message of {len} bytes is over the channel's maximum of {max}")]
    TooLong {
        /// Bytes of the message.
        len: usize,
        /// The channel's `recv_message_capacity`.
        max: usize,
    },
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping(Bytes),
}

/// Why a message was handed neither to peers nor to a reactor by an awaited call: one that waits for
/// room never finds none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// No channel of that id is registered here.
    #[error("channel {0} is not registered on this node")]
    UnknownChannel(ChannelId),
    /// The message is longer than the channel allows.
    #[error("message of {len} bytes is over the channel's maximum of {max}")]
    TooLong {
        /// Bytes of the message.
        len: usize,
        /// The channel's `recv_message_capacity`.
        max: usize,
    },
    /// The node is stopping. Here is the message.
    #[error("the node is stopping")]
    Stopping(Bytes),
}

impl From<PublishError> for TrySendError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::UnknownChannel(channel) => TrySendError::UnknownChannel(channel),
            PublishError::TooLong { len, max } => TrySendError::TooLong { len, max },
            PublishError::Stopping(message) => TrySendError::Stopping(message),
        }
    }
}

/// Why an awaited send failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message could not be queued at all.
    #[error(transparent)]
    Refused(#[from] TrySendError),
    /// No room until the deadline. Here is the message.
    #[error("no room in the queue of the channel until the deadline")]
    Timeout(Bytes),
    /// The peer was closed while the message waited for room.
    #[error("the peer was closed while the message waited")]
    Closed,
}
