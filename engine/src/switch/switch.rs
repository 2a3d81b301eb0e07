//! The switch of one shard.

use std::net::SocketAddr;

use crate::buffer::{BufferPool, Chunk};
use crate::config::Config;
use crate::error::NetworkError;
use crate::peer::ShardId;
use crate::reactor::Reactor;
use crate::switch::io::{
    Command, Delivery, DialId, LinkId, Output, QueueGauge, ReplyToken, Transmit,
};
use crate::switch::{Parcel, ShardMessage};
use crate::time::Instant;

/// Makes one instance of a reactor on each shard.
pub type ReactorFactory = Box<dyn Fn(ShardId) -> Box<dyn Reactor> + Send + Sync>;

/// What a switch is made of.
pub struct SwitchConfig {
    /// Checked configuration of the node.
    pub config: std::sync::Arc<Config>,
    /// The node's identity.
    pub node_key: ringwire_codec::NodeKey,
    /// This shard.
    pub shard: ShardId,
    /// Shards of the node.
    pub shard_count: u16,
    /// Source of all chance on this shard: ephemeral keys, jitter.
    pub seed: [u8; 32],
}

/// The protocol of one shard as a value. See [`crate::switch::io`] for the conversation.
pub struct Switch {}

impl Switch {
    /// A switch with one instance of each reactor: (name, instance).
    pub fn new(
        config: SwitchConfig,
        reactors: Vec<(String, Box<dyn Reactor>)>,
        now: Instant,
    ) -> Result<Switch, crate::config::ConfigError> {
        let _ = (config, reactors, now);
        Ok(Switch {})
    }

    // ---- told -------------------------------------------------------------------------------

    /// The shell is ready: start reactors, dial persistent peers.
    pub fn handle_start(&mut self, _now: Instant) {}
    /// A socket was accepted. The link starts paused.
    pub fn handle_accepted(&mut self, _now: Instant, _link: LinkId, _remote: SocketAddr) {}
    /// A dial connected. The link starts paused.
    pub fn handle_connected(
        &mut self,
        _now: Instant,
        _dial: DialId,
        _link: LinkId,
        _remote: SocketAddr,
    ) {
    }
    /// A dial failed.
    pub fn handle_dial_failed(&mut self, _now: Instant, _dial: DialId, _error: NetworkError) {}
    /// Bytes came.
    pub fn handle_received(&mut self, _now: Instant, _link: LinkId, _chunk: Chunk) {}
    /// A transmit was written whole; here are its buffers.
    pub fn handle_sent(&mut self, _now: Instant, _link: LinkId, _buffers: Transmit) {}
    /// The socket failed or the remote closed it. The shell forgets the link only after `Close`.
    pub fn handle_closed(&mut self, _now: Instant, _link: LinkId, _error: NetworkError) {}
    /// A connection has moved in from another shard as `link` (paused).
    pub fn handle_adopted(
        &mut self,
        _now: Instant,
        _link: LinkId,
        _remote: SocketAddr,
        _parcel: Box<Parcel>,
    ) {
    }
    /// A message from another shard.
    pub fn handle_mesh(&mut self, _now: Instant, _from: ShardId, _message: ShardMessage) {}
    /// The application asks for something.
    pub fn handle_command(&mut self, _now: Instant, _command: Command) {}
    /// Time passed; call when `poll_timeout` is due (calling early is harmless).
    pub fn handle_timeout(&mut self, _now: Instant) {}
    /// Does the work that the calls above made: reads messages, runs reactors, fills writes.
    /// Once per turn, before draining.
    pub fn run(&mut self, _now: Instant) {}

    // ---- asked ------------------------------------------------------------------------------

    /// When `handle_timeout` wants to be called at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    /// Whether `run` has more to do at once (it bounds the work of one turn).
    pub fn has_work(&self) -> bool {
        false
    }
    /// The pool chunks are taken from and given back to.
    pub fn pool(&mut self) -> &mut BufferPool {
        unreachable!()
    }

    // ---- drained ----------------------------------------------------------------------------

    /// What to do next, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }
    /// The next message for subscriptions. While the shell leaves them here, the switch soon
    /// stops reading peers on that channel.
    pub fn poll_delivery(&mut self) -> Option<Delivery> {
        None
    }
    /// Send queues whose fill changed since the last call.
    pub fn poll_gauge(&mut self) -> Option<QueueGauge> {
        None
    }
    /// Forgets who waited for a reply.
    pub fn forget_token(&mut self, _token: ReplyToken) {}
}
