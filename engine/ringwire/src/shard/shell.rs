//! The switch of a shard, what tells it, and what does its will.
//!
//! ```text
//!   transport, connector ─▶ completions ─▶ ┌────────┐ ─▶ outputs ─▶ transport, connector, mesh, store
//!   mesh ─────────────────▶ letters ─────▶ │ switch │
//!   mailbox ──────────────▶ requests ────▶ └────────┘ ─▶ deliveries, events, replies, gauges ─▶ handles
//! ```
//!
//! Nothing here decides; each function empties one queue. A queue that other threads fill is
//! emptied by what it may hold, so a fast producer cannot keep a turn from ending. In which order
//! they are emptied is the driver's affair.

use std::sync::Arc;
use std::time::Duration;

use ringwire_core::error::StartPanic;
use ringwire_core::peer::{PeerInfo, ShardId};
use ringwire_core::switch::{Command, Event, Output, Reply, Switch};
use ringwire_core::time::Instant;
use ringwire_sync::ReplySender;

use crate::shard::inlets::Inlets;
use crate::shard::logging;
use crate::shard::mesh::{Letter, Mesh};
use crate::shard::migration::Departures;
use crate::shard::node::Node;
use crate::shard::queue_room::{LocalPeers, PeerEntry};
use crate::shard::refusal_log::RefusalTeller;
use crate::shard::replies::Replies;
use crate::shard::request::{Control, Mailbox, PEERS_PER_PAGE, ShardStatus};
use crate::shard::signing::{RemoteKey, Signing};
use crate::shard::store::Store;
use crate::shard::subscriptions::Subscriptions;
use crate::transport::{Completion, Connector, Transport, TransportError, Wait};

/// Letters taken in one turn at most.
const LETTERS_PER_TURN: usize = 4096;
/// Messages handed to subscriptions in one turn at most.
const DELIVERIES_PER_TURN: usize = 4096;
/// Time a shard gives its switch beyond the deadline of the shutdown before it leaves all the same.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// The switch of a shard and all that it talks to. Lives and dies on the shard's thread.
pub(super) struct Shell {
    node: Arc<Node>,
    shard: ShardId,
    mailbox: Arc<Mailbox>,
    switch: Switch,
    transport: Transport,
    connector: Connector,
    signing: Signing,
    mesh: Mesh,
    subscriptions: Subscriptions,
    /// What threads send by ways of their own.
    inlets: Inlets,
    /// Where documents are kept; only the coordinator's shard has files to keep.
    store: Store,
    replies: Replies,
    peers: LocalPeers,
    departures: Departures,
    refusals: RefusalTeller,
    /// Kept between turns for its memory, as is `control`.
    completions: Vec<Completion>,
    control: Vec<Control>,
    /// When to leave at the latest; set when the shutdown begins.
    leave_by: Option<Instant>,
    now: Instant,
}

/// What a shell is made of.
pub(super) struct Parts {
    pub(super) node: Arc<Node>,
    pub(super) shard: ShardId,
    pub(super) switch: Switch,
    pub(super) transport: Transport,
    pub(super) mesh: Mesh,
    pub(super) store: Store,
    /// Who signs for the node, if its key is elsewhere.
    pub(super) remote_key: Option<RemoteKey>,
}

impl Shell {
    /// A shell that has not begun.
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            node,
            shard,
            switch,
            transport,
            mesh,
            store,
            remote_key,
        } = parts;
        Shell {
            mailbox: node.mailbox(shard).clone(),
            now: node.clock.now(),
            node,
            shard,
            switch,
            connector: Connector::new(transport.waker()),
            signing: Signing::new(remote_key, transport.waker()),
            transport,
            mesh,
            subscriptions: Subscriptions::default(),
            inlets: Inlets::default(),
            store,
            replies: Replies::default(),
            peers: LocalPeers::default(),
            departures: Departures::default(),
            refusals: RefusalTeller::default(),
            completions: Vec::new(),
            control: Vec::new(),
            leave_by: None,
        }
    }

    /// Starts the reactors. What they want sent leaves with the first turn.
    pub(super) fn start(&mut self) -> Result<(), StartPanic> {
        self.switch.handle_start(self.now)
    }

    /// Submits what the last turn queued, waits as told, and reads the clock. Gives the time that
    /// passed since the turn before.
    pub(super) fn turn_transport(&mut self, wait: Wait) -> Result<Duration, TransportError> {
        let pool = self.switch.pool();
        self.transport.turn(pool, wait, &mut self.completions)?;
        let before = std::mem::replace(&mut self.now, self.node.clock.now());
        Ok(self.now - before)
    }

    /// Whether something has come that the next turn will find. Who leaves a letter or a request
    /// uses the transport's waker, so this sees all of them.
    pub(super) fn has_news(&mut self) -> bool {
        self.transport.has_pending()
    }

    /// Whether the switch has more to do at once.
    pub(super) fn has_work(&self) -> bool {
        self.switch.has_work()
    }

    /// Whether letters wait for room in a lane: nobody tells when there is room.
    pub(super) fn is_congested(&self) -> bool {
        self.mesh.is_congested()
    }

    /// How long nothing is due, from this moment, which lies behind the turn's.
    pub(super) fn idle_time(&self) -> Option<Duration> {
        let deadlines = [
            self.switch.poll_timeout(),
            self.mailbox.alarms().next().map(Instant::from_nanos),
            self.connector.poll_timeout(),
            self.leave_by,
            self.refusals.poll_timeout(),
        ];
        let next = deadlines.into_iter().flatten().min();
        next.map(|at| at - self.node.clock.now())
    }

    /// Whether the shard may leave: every shard's switch has stopped and what this one wrote has
    /// arrived (a dropped transport cuts it off), or the time is up.
    pub(super) fn is_done(&self) -> bool {
        self.leave_by.is_some_and(|at| {
            let has_stopped = self.node.is_stopped() && !self.transport.is_closing();
            has_stopped || at <= self.now
        })
    }
}

// ---- told -----------------------------------------------------------------------------------

impl Shell {
    /// What the transport reports.
    pub(super) fn take_completions(&mut self) -> bool {
        let mut completions = std::mem::take(&mut self.completions);
        let worked = !completions.is_empty();
        completions
            .drain(..)
            .for_each(|completion| self.take_completion(completion));
        self.completions = completions;
        worked
    }

    fn take_completion(&mut self, completion: Completion) {
        let (now, switch) = (self.now, &mut self.switch);
        match completion {
            Completion::Accepted { link, remote } => switch.handle_accepted(now, link, remote),
            Completion::Connected { dial, link, remote } => {
                self.connector.handle_connected(dial);
                switch.handle_connected(now, dial, link, remote);
            }
            Completion::DialFailed { dial, error } => {
                // The name may have another address; then the dial goes on.
                let over = self
                    .connector
                    .handle_failed(&mut self.transport, now, dial, error);
                if let Some(error) = over {
                    switch.handle_dial_failed(now, dial, error);
                }
            }
            Completion::Received { link, chunk } => switch.handle_received(now, link, chunk),
            Completion::Sent { link, buffers } => switch.handle_sent(now, link, buffers),
            Completion::Closed { link, error } => match self.departures.take_failed(link) {
                Some(parcel) => {
                    self.transport.close(link);
                    switch.handle_move_failed(now, *parcel, error);
                }
                None => switch.handle_closed(now, link, error),
            },
            Completion::AcceptFailed { error } => {
                let (engine, shard) = (self.node.number, self.shard.0);
                tracing::warn!(engine, shard, %error, "cannot accept connections, will try again");
            }
            Completion::Woken => {}
        }
    }

    /// Names that were resolved, or not in time.
    pub(super) fn take_resolved(&mut self) -> bool {
        // Most of the time no name is being resolved.
        if self.connector.poll_timeout().is_none() {
            return false;
        }
        let mut failed = false;
        while let Some((dial, error)) = self.connector.poll_failure(&mut self.transport, self.now) {
            self.switch.handle_dial_failed(self.now, dial, error);
            failed = true;
        }
        failed
    }

    /// What the node's key has signed, where it is not at hand.
    pub(super) fn take_signed(&mut self) -> bool {
        let mut worked = false;
        while let Some((key, signed)) = self.signing.poll_answer() {
            self.switch.handle_signed(self.now, key, signed);
            worked = true;
        }
        worked
    }

    /// What other shards sent.
    pub(super) fn take_letters(&mut self) -> bool {
        for taken in 0..LETTERS_PER_TURN {
            let Some((from, letter)) = self.mesh.receive() else {
                return taken > 0;
            };
            match letter {
                Letter::Message(message) => self.switch.handle_mesh(self.now, from, message),
                Letter::Moved {
                    carried,
                    remote,
                    parcel,
                } => {
                    let link = self.transport.adopt(carried, remote.clone());
                    self.switch.handle_adopted(self.now, link, remote, parcel);
                }
            }
        }
        true
    }

    /// What the application asks. The control list is taken first and acted on last: see
    /// [`ringwire_sync::Mailbox`].
    pub(super) fn take_requests(&mut self) -> bool {
        let mut control = std::mem::take(&mut self.control);
        self.mailbox.take_control(&mut control);
        let waiting = self.mailbox.inbox_len();
        for _ in 0..waiting {
            let Some(request) = self.mailbox.take_request() else {
                break;
            };
            self.peers.hold(request.reservation);
            self.command(request.command, request.reply);
        }
        if waiting > 0 {
            self.mailbox.tell_room();
        }
        let worked = waiting > 0 || !control.is_empty();
        control.drain(..).for_each(|asked| self.take_asked(asked));
        self.control = control;
        worked
    }

    /// Moves what threads send by ways of their own to the queues of peers, as far as there is room.
    pub(super) fn serve_inlets(&mut self) -> bool {
        self.inlets.serve(self.now, &mut self.switch)
    }

    /// Rings the alarms and fires the timers that are due.
    pub(super) fn take_timers(&mut self) -> bool {
        self.mailbox.alarms().ring(self.now.as_nanos());
        if let Some((refused, reasons)) = self.refusals.take_due(self.now, &self.node.refusals) {
            let engine = self.node.number;
            tracing::info!(engine, refused, %reasons, "connections refused in a minute");
        }
        let due = self.switch.poll_timeout().is_some_and(|at| at <= self.now);
        if due {
            self.switch.handle_timeout(self.now);
        }
        due
    }

    fn take_asked(&mut self, asked: Control) {
        match asked {
            Control::Command(command, reply) => {
                if let Command::Shutdown { within } = &command {
                    self.begin_stop(*within);
                }
                self.command(command, reply);
            }
            Control::Subscribe(channel, lane) => {
                self.switch.handle_subscribed(channel);
                self.subscriptions.subscribe(channel, lane);
            }
            Control::Inlet(inlet) => self.inlets.add(inlet),
            Control::Observe(lane) => self.subscriptions.observe(lane),
            Control::Counters(reply) => reply.send(self.counters()),
            Control::Peers(after, reply) => {
                reply.send(self.switch.peers_after(self.now, after, PEERS_PER_PAGE));
            }
        }
    }

    /// The shutdown has begun: no new connections, and an end in any case.
    fn begin_stop(&mut self, within: Duration) {
        // What finds room in the peers' queues now is flushed with them.
        self.inlets.serve(self.now, &mut self.switch);
        self.transport.stop_listening();
        self.leave_by = Some(self.now + within + STOP_GRACE);
    }

    fn counters(&self) -> ShardStatus {
        ShardStatus {
            shard: self.shard,
            metrics: self.switch.metrics(),
            reactors: self.switch.reactor_counters(),
            peers: Vec::new(),
            system_calls: self.transport.system_calls(),
            refused_system_calls: self.transport.refused_system_calls(),
        }
    }

    fn command(&mut self, mut command: Command, reply: Option<ReplySender<Reply>>) {
        if let Some(reply) = reply {
            self.replies.expect(&mut command, reply);
        }
        self.switch.handle_command(self.now, command);
    }
}

// ---- drained --------------------------------------------------------------------------------

impl Shell {
    /// Gives the switch its turn, and does what it wants done.
    pub(super) fn run(&mut self) -> bool {
        self.switch.run(self.now);
        let mut worked = false;
        while let Some(output) = self.switch.poll_output() {
            worked = true;
            self.carry_out_one(output);
        }
        let (node, switch) = (&self.node, &self.switch);
        self.refusals
            .hand_over(self.now, &node.refusals, || switch.refusals());
        worked
    }

    fn carry_out_one(&mut self, output: Output) {
        match output {
            Output::Dial {
                dial,
                host,
                port,
                timeout,
            } => {
                let (transport, target) = (&mut self.transport, (&host, port));
                if let Err(error) = self
                    .connector
                    .dial(transport, self.now, dial, target, timeout)
                {
                    self.switch.handle_dial_failed(self.now, dial, error);
                }
            }
            Output::CancelDial(dial) => self.connector.cancel(&mut self.transport, dial),
            Output::Transmit { link, buffers } => self.transport.transmit(link, buffers),
            Output::Read { link, mode } => self.transport.read(link, mode),
            Output::Close { link } => self.transport.close(link),
            Output::Move { link, to, parcel } => {
                self.departures.begin(link, to, parcel);
            }
            Output::Mesh { to, message } => self.mesh.send(to, Letter::Message(message)),
            Output::Reply { token, reply } => self.replies.answer(token, reply),
            Output::Sign { key, challenge } => {
                if let Err(error) = self.signing.ask(key, challenge) {
                    self.switch.handle_signed(self.now, key, Err(error));
                }
            }
            Output::Save(document) => self.store.save(document),
            Output::Event(event) => self.tell(event),
        }
    }

    fn tell(&mut self, event: Event) {
        if let Event::ChannelHeldBack {
            channel,
            has_subscriber,
            ..
        } = &event
            && !self.node.is_first_held_back(*channel, *has_subscriber)
        {
            // Each shard tells it once; so does the node.
            return;
        }
        logging::record(self.node.number, self.shard, &event);
        match &event {
            Event::PeerAdded(peer) => self.add_peer(peer),
            Event::PeerRemoved { peer, .. } => {
                if let Some(entry) = self.peers.remove(peer.key) {
                    self.node.directory.remove(&entry);
                }
            }
            Event::ConnectionRefused { .. } => self.refusals.handle_refused(),
            Event::Stopped => self.node.handle_stopped(self.shard),
            _ => {}
        }
        self.subscriptions.tell(&event);
    }

    fn add_peer(&mut self, peer: &PeerInfo) {
        let entry = Arc::new(PeerEntry::new(
            peer.clone(),
            self.shard,
            self.node.channels(),
        ));
        self.peers.insert(entry.clone());
        self.node.directory.add(entry);
    }

    /// Sends off connections that move, and wakes the shards that have new letters.
    pub(super) fn send_off(&mut self) {
        self.departures.depart(&mut self.transport, &mut self.mesh);
        let node = &self.node;
        self.mesh.flush(|shard| node.mailbox(shard).wake());
        // Told before the rooms are: an end of the congestion wakes those who wait to publish.
        self.switch.handle_congestion(self.mesh.is_congested());
    }

    /// Tells the application what the turn before did. It waits for the next one, so that what goes
    /// to peers is with the kernel first; one that did anything is followed by another at once.
    pub(super) fn report(&mut self) -> bool {
        let worked = self.deliver();
        let switch = &mut self.switch;
        self.peers.show(std::iter::from_fn(|| switch.poll_gauge()));
        self.publish_rooms();
        self.subscriptions.flush();
        worked
    }

    /// Hands messages to subscriptions that have room; the rest stays with the switch.
    fn deliver(&mut self) -> bool {
        for delivered in 0..DELIVERIES_PER_TURN {
            let subscriptions = &mut self.subscriptions;
            let Some(delivery) = self
                .switch
                .poll_delivery_where(|id| subscriptions.accepts(id))
            else {
                return delivered > 0;
            };
            subscriptions.deliver(delivery);
        }
        true
    }

    /// Tells publishers which channels take more.
    fn publish_rooms(&mut self) {
        for channel in self.node.channels() {
            let is_open = self.switch.has_room_to_publish(channel.id);
            self.mailbox.set_publishable(channel.id.0, is_open);
        }
    }
}
