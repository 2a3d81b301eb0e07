//! The handle: everything an application asks of a running engine, but sending.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringwire_codec::{ChannelId, NetAddress, NodeId};
use ringwire_core::config::{ListenAddr, told_listen_addr};
use ringwire_core::document::Document;
use ringwire_core::error::{CloseReason, Reject};
use ringwire_core::peer::{Ban, ShardId};
use ringwire_core::switch::{BanTarget, Command, NamedPeer, Reply};
use ringwire_sync::{block_on, from_now, lanes, refuse_to_wait, reply};

use crate::handle::error::{DialError, PeersTimeout, ShutdownError, SubscribeError};
use crate::handle::status::PeerStatus;
use crate::handle::subscription::{EventSubscription, Subscription};
use crate::handle::wait::wait_for;
use crate::shard::node::Node;
use crate::shard::payload::Payload;
use crate::shard::request::Control;

/// Messages of one shard that a subscription holds if nothing else is asked for.
const SUBSCRIPTION_MESSAGES: usize = 1024;
/// Events of one shard that an observer may fall behind.
const OBSERVER_EVENTS: usize = 1024;
/// Time beyond the deadline of a shutdown in which shards must have ended, or they hang.
const HUNG_AFTER: Duration = Duration::from_secs(5);

/// A running engine as the application sees it. Cheap to clone, usable from any thread and any
/// runtime. A handle does not keep the engine alive: see [`crate::handle::Engine`].
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) node: Arc<Node>,
}

impl Handle {
    /// This node's id.
    pub fn node_id(&self) -> NodeId {
        self.node.id
    }

    /// The addresses the node listens on, in the order of [`Config::listen_addrs`]: with the port the
    /// kernel chose if port 0 was configured, and the IP that a name stood for. Each of them is what another
    /// node of this machine writes behind `ID@` to dial this one, unless it is unspecified.
    ///
    /// [`Config::listen_addrs`]: crate::Config::listen_addrs
    pub fn listen_addrs(&self) -> &[ListenAddr] {
        &self.node.listen_addrs
    }

    /// The first TCP address of [`Handle::listen_addrs`], which is what peers are told. A node that listens on
    /// Unix sockets alone says `0.0.0.0:0`, to them and here.
    pub fn listen_addr(&self) -> SocketAddr {
        told_listen_addr(&self.node.listen_addrs)
    }

    /// How many shards the node has.
    pub fn shard_count(&self) -> u16 {
        self.node.shard_count()
    }

    // ---- peers --------------------------------------------------------------------------------

    /// The connected peers, by id.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let now = self.node.clock.now();
        let entries = self.node.directory.entries();
        let mut peers: Vec<_> = entries
            .iter()
            .map(|entry| PeerStatus::new(entry, now))
            .collect();
        peers.sort_by_key(|peer| peer.id);
        peers
    }

    /// How many peers are connected.
    pub fn peer_count(&self) -> usize {
        self.node.directory.len()
    }

    /// Waits until at least `wanted` peers are connected, at most for `timeout`.
    pub async fn wait_for_peers(
        &self,
        wanted: usize,
        timeout: Duration,
    ) -> Result<(), PeersTimeout> {
        let node = &*self.node;
        let deadline = node.clock.now() + timeout;
        let coordinator = node.mailbox(ShardId::COORDINATOR);
        let mut watch = node.directory.watch();
        let found = wait_for(node, coordinator, Some(deadline), |cx| {
            watch.wait(cx.waker());
            (node.directory.len() >= wanted).then_some(())
        });
        match found.await {
            Some(()) => Ok(()),
            None => Err(PeersTimeout {
                connected: self.peer_count(),
                wanted,
            }),
        }
    }

    /// [`Handle::wait_for_peers`] for plain threads.
    pub fn wait_for_peers_blocking(
        &self,
        wanted: usize,
        timeout: Duration,
    ) -> Result<(), PeersTimeout> {
        block_on(self.wait_for_peers(wanted, timeout))
    }

    /// What the reactor `name` shows of its state, on the coordinator's shard; nothing if there is
    /// no such reactor, it shows nothing, or the engine is stopping. Rendered on the caller's thread.
    pub async fn inspect(&self, name: &str) -> Option<Vec<u8>> {
        let command = Command::Inspect {
            reactor: name.to_owned(),
            token: None,
        };
        match self.ask_coordinator(command).await {
            Some(Reply::Inspect(document)) => document.map(Document::render),
            _ => None,
        }
    }

    /// [`Handle::inspect`] for plain threads.
    pub fn inspect_blocking(&self, name: &str) -> Option<Vec<u8>> {
        block_on(self.inspect(name))
    }

    /// How the links to the operator's persistent peers and seeds are doing, by id, connected or not;
    /// none if the engine is stopping.
    pub async fn named_peers(&self) -> Vec<NamedPeer> {
        match self
            .ask_coordinator(Command::NamedPeers { token: None })
            .await
        {
            Some(Reply::NamedPeers(named)) => named,
            _ => Vec::new(),
        }
    }

    /// [`Handle::named_peers`] for plain threads.
    pub fn named_peers_blocking(&self) -> Vec<NamedPeer> {
        block_on(self.named_peers())
    }

    /// Refuses an id or host for `span` from now, in both directions, and closes its peers. A
    /// persistent peer is dialed again when its ban ends. A longer ban is not shortened by a shorter
    /// one; a span of zero lifts it, as [`Handle::unban`] does.
    ///
    /// At most 4,096 ids and as many hosts are remembered; in a full table the ban that ends first
    /// makes room. Automatic bans, which reactors make, have tables of their own: they push out none
    /// of these.
    pub fn ban(&self, target: BanTarget, span: Duration) {
        let command = Command::Ban { target, span };
        self.node
            .mailbox(ShardId::COORDINATOR)
            .ask(Control::Command(command, None));
    }

    /// Ends the bans of an id or host, whoever made them; returns whether there were any. A
    /// persistent peer that waited for the end of one is dialed at once. The address book has marks
    /// of its own for whom it does not dial; those end by themselves.
    pub async fn unban(&self, target: BanTarget) -> bool {
        let command = Command::Unban {
            target,
            token: None,
        };
        matches!(
            self.ask_coordinator(command).await,
            Some(Reply::Unban(true))
        )
    }

    /// [`Handle::unban`] for plain threads.
    pub fn unban_blocking(&self, target: BanTarget) -> bool {
        block_on(self.unban(target))
    }

    /// The bans that hold now, the operator's first; none if the engine is stopping.
    pub async fn bans(&self) -> Vec<Ban> {
        match self.ask_coordinator(Command::Bans { token: None }).await {
            Some(Reply::Bans(bans)) => bans,
            _ => Vec::new(),
        }
    }

    /// [`Handle::bans`] for plain threads.
    pub fn bans_blocking(&self) -> Vec<Ban> {
        block_on(self.bans())
    }

    pub(super) async fn ask_coordinator(&self, command: Command) -> Option<Reply> {
        let (sender, answer) = reply();
        let coordinator = self.node.mailbox(ShardId::COORDINATOR);
        coordinator.ask(Control::Command(command, Some(sender)));
        answer.await
    }

    /// Dials an address once and waits until the link is known to stand: both sides have admitted it.
    /// The other side shows so by the first packet it sends over the connection, at the latest by its
    /// answer to a ping that is sent at once. Else the answer is the reason: what the remote told, if it
    /// is a Ringwire node, or the step at which it hung up, if it is one that gives no reasons.
    ///
    /// It takes `dial_timeout`, `handshake_timeout` and `pong_timeout` together at most. A node that is
    /// connected already is not dialed: the answer is its id.
    pub async fn dial(&self, address: NetAddress) -> Result<NodeId, DialError> {
        self.ask_dial(address, false).await
    }

    /// Dials an address and keeps it connected for good: it is dialed again whenever it goes away.
    /// The answer is that of the first attempt.
    pub async fn dial_persistent(&self, address: NetAddress) -> Result<NodeId, DialError> {
        self.ask_dial(address, true).await
    }

    /// [`Handle::dial_persistent`] for plain threads.
    pub fn dial_persistent_blocking(&self, address: NetAddress) -> Result<NodeId, DialError> {
        block_on(self.dial_persistent(address))
    }

    /// [`Handle::dial`] for plain threads.
    pub fn dial_blocking(&self, address: NetAddress) -> Result<NodeId, DialError> {
        block_on(self.dial(address))
    }

    async fn ask_dial(&self, address: NetAddress, persistent: bool) -> Result<NodeId, DialError> {
        let id = address.id;
        let command = Command::Dial {
            address,
            persistent,
            token: None,
        };
        match self.ask_coordinator(command).await {
            // It stands already: what the caller wanted is there.
            Some(Reply::Dial(Err(CloseReason::Rejected(Reject::DuplicateId(known)))))
                if known == id =>
            {
                Ok(known)
            }
            Some(Reply::Dial(dialed)) => Ok(dialed?),
            Some(_) | None => Err(DialError::Stopping),
        }
    }

    /// Closes a peer after what is queued for it was sent; it is not dialed again. Returns whether
    /// it was connected.
    pub fn stop_peer(&self, peer: NodeId) -> bool {
        let Some(entry) = self.node.directory.find(peer) else {
            return false;
        };
        let command = Command::StopPeer { peer };
        self.node
            .mailbox(entry.shard())
            .ask(Control::Command(command, None));
        true
    }

    // ---- subscriptions --------------------------------------------------------------------------

    /// Subscribes to the messages of a channel. The first subscription gets what came before it;
    /// see [`Subscription`].
    pub fn subscribe(&self, channel: ChannelId) -> Result<Subscription, SubscribeError> {
        self.subscribe_with_capacity(channel, SUBSCRIPTION_MESSAGES)
    }

    /// Like [`Handle::subscribe`], holding at most `capacity` messages of each shard, at least one.
    pub fn subscribe_with_capacity(
        &self,
        channel: ChannelId,
        capacity: usize,
    ) -> Result<Subscription, SubscribeError> {
        self.knows(channel)?;
        let (lanes, intake) = lanes(self.node.shard_wakers(), capacity, Payload::payload_bytes);
        for (mailbox, lane) in self.node.mailboxes.iter().zip(lanes) {
            mailbox.ask(Control::Subscribe(channel, lane));
        }
        Ok(Subscription::new(intake))
    }

    /// Whether a channel is there to be subscribed to.
    pub(crate) fn knows(&self, channel: ChannelId) -> Result<(), SubscribeError> {
        if self.node.channel(channel).is_none() {
            return Err(SubscribeError::UnknownChannel(channel));
        }
        if self.node.is_stopping() {
            return Err(SubscribeError::Stopping);
        }
        Ok(())
    }

    /// Observes what happens to peers from now on.
    pub fn events(&self) -> EventSubscription {
        let (lanes, intake) = lanes(
            self.node.shard_wakers(),
            OBSERVER_EVENTS,
            Payload::payload_bytes,
        );
        for (mailbox, lane) in self.node.mailboxes.iter().zip(lanes) {
            mailbox.ask(Control::Observe(lane));
        }
        EventSubscription::new(intake)
    }

    // ---- the end --------------------------------------------------------------------------------

    /// Whether the engine has been told to stop, or stops because a shard failed.
    pub fn is_stopping(&self) -> bool {
        self.node.is_stopping()
    }

    /// Stops the engine: no new connections, what was accepted is sent within `within`, peers are
    /// told goodbye, the threads of all shards are joined. (A look-up of a name that the system's
    /// resolver has not answered yet is left to itself; its thread ends with the answer.) Any handle
    /// may call it, any number of times; only the first `within` counts.
    ///
    /// What was accepted means: the call that sent it had returned before this one was made.
    pub async fn shutdown(&self, within: Duration) -> Result<(), ShutdownError> {
        // Joining blocks, which the application's runtime must not: so on a thread of its own.
        let (sender, answer) = reply();
        let handle = self.clone();
        let name = format!("rw-{}-stop", self.node.number);
        let spawned = std::thread::Builder::new()
            .name(name)
            .spawn(move || sender.send(handle.shutdown_blocking(within)));
        match spawned {
            Ok(_) => answer
                .await
                .unwrap_or(Err(ShutdownError::Hung(self.node.mailboxes.len()))),
            // Without a thread to spare the caller's has to do.
            Err(_) => self.shutdown_blocking(within),
        }
    }

    /// [`Handle::shutdown`] for plain threads.
    ///
    /// # Panics
    /// On a shard's thread, in a reactor, validator or filter: it would wait for its own end. The engine stops
    /// all the same.
    pub fn shutdown_blocking(&self, within: Duration) -> Result<(), ShutdownError> {
        self.node.stop(within);
        refuse_to_wait();
        let ending = self.node.join(from_now(within.saturating_add(HUNG_AFTER)));
        match ending.faults.into_iter().next() {
            Some(fault) => Err(ShutdownError::Failed(fault)),
            None if ending.hung > 0 => Err(ShutdownError::Hung(ending.hung)),
            None => Ok(()),
        }
    }
}
