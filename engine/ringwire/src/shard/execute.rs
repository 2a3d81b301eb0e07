//! Carrying news to the switch, and what the switch answers to the world. All of it is the driver's.
//!
//! Nothing here decides; each function empties one queue. A queue that other threads fill is
//! emptied by what it may hold, so a fast producer cannot keep a turn from ending.

use std::sync::Arc;

use ringwire_core::peer::PeerInfo;
use ringwire_core::switch::{Command, Event, Output, Reply, ReplyToken};
use ringwire_sync::ReplySender;

use crate::shard::directory::PeerEntry;
use crate::shard::driver::Driver;
use crate::shard::logging;
use crate::shard::mesh::Letter;
use crate::shard::migration::Departure;
use crate::shard::request::{Control, Detail, ShardStatus};
use crate::transport::Completion;

/// Letters taken in one turn at most.
const LETTERS_PER_TURN: usize = 4096;
/// Messages handed to subscriptions in one turn at most.
const DELIVERIES_PER_TURN: usize = 4096;

// ---- told -----------------------------------------------------------------------------------

impl Driver {
    /// What the ring reports.
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
                    .handle_failed(&mut self.ring, now, dial, error);
                if let Some(error) = over {
                    switch.handle_dial_failed(now, dial, error);
                }
            }
            Completion::Received { link, chunk } => switch.handle_received(now, link, chunk),
            Completion::Sent { link, buffers } => switch.handle_sent(now, link, buffers),
            Completion::Closed { link, error } => {
                if !self.fail_departure(link) {
                    self.switch.handle_closed(now, link, error);
                }
            }
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
        while let Some((dial, error)) = self.connector.poll_failure(&mut self.ring, self.now) {
            self.switch.handle_dial_failed(self.now, dial, error);
            failed = true;
        }
        failed
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
                    socket,
                    remote,
                    parcel,
                } => {
                    let link = self.ring.adopt(socket, remote);
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
            self.reservations.extend(request.reservation);
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
            Control::Status(detail, reply) => reply.send(self.status(detail)),
        }
    }

    fn status(&self, detail: Detail) -> ShardStatus {
        ShardStatus {
            shard: self.shard,
            metrics: self.switch.metrics(),
            reactors: self.switch.reactor_counters(),
            peers: match detail {
                Detail::Counters => Vec::new(),
                Detail::Peers => self.switch.peers(self.now),
            },
            system_calls: self.ring.system_calls(),
            refused_system_calls: self.ring.refused_system_calls(),
        }
    }

    fn command(&mut self, mut command: Command, reply: Option<ReplySender<Reply>>) {
        if let Some(reply) = reply {
            let given = ReplyToken(self.next_token);
            self.next_token += 1;
            self.replies.insert(given, reply);
            if let Command::Send { token, .. }
            | Command::Dial { token, .. }
            | Command::Unban { token, .. }
            | Command::NamedPeers { token }
            | Command::Bans { token }
            | Command::Ask { token, .. }
            | Command::Inspect { token, .. } = &mut command
            {
                *token = Some(given);
            }
        }
        self.switch.handle_command(self.now, command);
    }
}

// ---- drained --------------------------------------------------------------------------------

impl Driver {
    /// Does what the switch wants done.
    pub(super) fn carry_out(&mut self) -> bool {
        let mut worked = false;
        while let Some(output) = self.switch.poll_output() {
            worked = true;
            self.carry_out_one(output);
        }
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
                let (ring, target) = (&mut self.ring, (&host, port));
                if let Err(error) = self.connector.dial(ring, self.now, dial, target, timeout) {
                    self.switch.handle_dial_failed(self.now, dial, error);
                }
            }
            Output::CancelDial(dial) => self.connector.cancel(&mut self.ring, dial),
            Output::Transmit { link, buffers } => self.ring.transmit(link, buffers),
            Output::Read { link, mode } => self.ring.read(link, mode),
            Output::Close { link } => self.ring.close(link),
            Output::Move { link, to, parcel } => {
                self.moves.push(Departure::new(link, to, parcel));
            }
            Output::Mesh { to, message } => self.mesh.send(to, Letter::Message(message)),
            Output::Reply { token, reply } => {
                if let Some(sender) = self.replies.remove(&token) {
                    sender.send(reply);
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
                if let Some(entry) = self.peers.remove(&peer.key) {
                    self.node.directory.remove(&entry);
                }
            }
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
        self.peers.insert(peer.key, entry.clone());
        self.node.directory.add(entry);
    }

    /// Hands messages to subscriptions that have room; the rest stays with the switch.
    pub(super) fn deliver(&mut self) -> bool {
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

    /// Tells the handle how full the queues are; then the room held for this turn's messages is
    /// counted there, and given back here.
    pub(super) fn publish_gauges(&mut self) {
        while let Some(gauge) = self.switch.poll_gauge() {
            if let Some(entry) = self.peers.get(&gauge.peer) {
                entry.set_queued(gauge.channel, gauge.queued);
            }
        }
        self.reservations.clear();
    }

    /// Tells publishers which channels take more.
    pub(super) fn publish_rooms(&mut self) {
        for channel in self.node.channels() {
            let is_open = self.switch.has_room_to_publish(channel.id);
            self.mailbox.set_publishable(channel.id.0, is_open);
        }
    }
}
