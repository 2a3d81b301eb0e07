//! What a shell does for a switch, done on the world: each [`Output`] carried out, in order.

use std::time::Duration;

use ringwire_core::error::NetworkError;
use ringwire_core::peer::ShardId;
use ringwire_core::switch::{Event, LinkId, Output, Parcel, ReadMode, Transmit};

use crate::ledger::Received;
use crate::link::Ending;
use crate::node::Saved;
use crate::plan::{EndRef, Place, Step};
use crate::wire::EndState;
use crate::world::{MESH_DELAY, World};

/// Time a closing socket has for its last transmit.
const LINGER: Duration = Duration::from_secs(5);

impl World {
    pub(super) fn carry_out(&mut self, place: Place, output: Output) {
        match output {
            Output::Dial {
                dial,
                host,
                port,
                timeout,
            } => {
                self.begin_dial(place, dial, &host, port, timeout);
            }
            Output::CancelDial(dial) => {
                if let Some(shard) = self.shard(place) {
                    shard.dials.remove(&dial);
                }
            }
            Output::Transmit { link, buffers } => self.transmit(place, link, buffers),
            Output::Read { link, mode } => self.set_mode(place, link, mode),
            Output::Close { link } => self.close(place, link),
            Output::Move { link, to, parcel } => self.move_end(place, link, to, parcel),
            Output::Mesh { to, message } => {
                let to = Place { shard: to, ..place };
                let mesh = Step::Mesh {
                    to,
                    from: place.shard,
                    message,
                };
                self.clock.plan_after(MESH_DELAY, mesh);
            }
            Output::Reply { token, reply } => self.record.answer(token, reply),
            Output::Sign { .. } => unreachable!("the nodes of a world hold their keys"),
            Output::Save(document) => {
                let saved = &mut self.nodes[place.node as usize].saved;
                saved.insert(document.name().clone(), Saved::Unwritten(document));
            }
            Output::Event(event) => self.handle_event(place, event),
        }
    }

    /// The end a switch speaks of. It may only speak of links it was given and has not given up.
    fn end_of(&mut self, place: Place, link: LinkId) -> EndRef {
        let known = self
            .shard(place)
            .and_then(|shard| shard.links.get(&link).copied());
        known.unwrap_or_else(|| self.fail(format!("{place:?} speaks of unknown {link:?}")))
    }

    fn transmit(&mut self, place: Place, link: LinkId, buffers: Transmit) {
        let at = self.end_of(place, link);
        let bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        self.note(place, "transmit", link.0, bytes as u64);
        if bytes == 0 {
            self.fail(format!("{place:?} transmits nothing on {link:?}"));
        }
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        if wire.lanes[at.side].is_writing() {
            self.fail(format!("{place:?}: two transmits of {link:?} in flight"));
        }
        wire.lanes[at.side].begin(buffers);
        let is_broken =
            wire.lanes[1 - at.side].has_ended() && wire.ends[1 - at.side].state == EndState::Closed;
        self.pump(at);
        if is_broken {
            let message = String::from("broken pipe");
            self.tell_closed(
                at,
                NetworkError::Io {
                    operation: "send",
                    message,
                },
            );
        }
    }

    fn set_mode(&mut self, place: Place, link: LinkId, mode: ReadMode) {
        let at = self.end_of(place, link);
        if let Some(wire) = self.wires.get_mut(at.wire) {
            wire.ends[at.side].mode = mode;
        }
        self.plan_read(at, Duration::ZERO);
    }

    fn move_end(&mut self, place: Place, link: LinkId, to: ShardId, parcel: Box<Parcel>) {
        let at = self.end_of(place, link);
        self.note(place, "move", link.0, u64::from(to.0));
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        let end = &mut wire.ends[at.side];
        if wire.lanes[at.side].is_writing() || end.mode == ReadMode::Stream {
            self.fail(format!(
                "{place:?} moves {link:?} while something is in flight on it"
            ));
        }
        (end.state, end.mode) = (EndState::Moving, ReadMode::Pause);
        if let Some(shard) = self.shard(place) {
            shard.links.remove(&link);
        }
        let to = Place { shard: to, ..place };
        self.clock.plan_after(
            MESH_DELAY,
            Step::Adopt {
                to,
                end: at,
                parcel,
            },
        );
    }

    fn close(&mut self, place: Place, link: LinkId) {
        let at = self.end_of(place, link);
        self.note(place, "close", link.0, 0);
        if let Some(shard) = self.shard(place) {
            shard.links.remove(&link);
        }
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        wire.ends[at.side].state = EndState::Closing;
        if wire.lanes[at.side].is_writing() {
            self.clock.plan_after(LINGER, Step::Linger(at));
        } else {
            self.close_now(at);
        }
    }

    /// Closes a socket: the other side reads what was written and then the end.
    pub(super) fn close_now(&mut self, at: EndRef) {
        self.end_side(at, Ending::Eof);
    }

    /// Closes one end with an ending; what comes for it is dropped.
    pub(super) fn end_side(&mut self, at: EndRef, ending: Ending) {
        let now = self.clock.now();
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        if std::mem::replace(&mut wire.ends[at.side].state, EndState::Closed) == EndState::Closed {
            return;
        }
        wire.lanes[at.side].take_written();
        let landing = wire.lanes[at.side].end(now, ending);
        wire.lanes[1 - at.side].abandon();
        if wire.is_dead() {
            self.wires.remove(at.wire);
            return;
        }
        if let Some(landing) = landing {
            self.clock.plan(landing, Step::Land(at));
        }
        // A writer that waits for the window of a reader that is gone gets rid of its bytes.
        self.pump(at.opposite());
    }

    // ---- what the application sees ----------------------------------------------------------

    fn handle_event(&mut self, place: Place, event: Event) {
        let now = self.now();
        self.check_event(place, &event);
        match &event {
            Event::PeerAdded(peer) => {
                let (key, known) = (peer.key, (peer.id, peer.direction));
                self.note(place, "peer added", u64::from(key.index), 0);
                if let Some(shard) = self.shard(place) {
                    shard.peers.insert(key, known);
                }
            }
            Event::PeerRemoved { peer, .. } => {
                let key = peer.key;
                self.note(place, "peer gone", u64::from(key.index), 0);
                if let Some(shard) = self.shard(place) {
                    shard.peers.remove(&key);
                }
            }
            Event::Stopped => {
                self.note(place, "stopped", 0, 0);
                if let Some(shard) = self.shard(place) {
                    shard.stopped = true;
                }
            }
            _ => {}
        }
        self.record.tell(place.node, now, event);
    }

    pub(super) fn take_deliveries(&mut self, place: Place) {
        if !self.nodes[place.node as usize].consumes {
            return;
        }
        while let Some(delivery) = self
            .shard(place)
            .and_then(|shard| shard.switch.poll_delivery())
        {
            let stamp = self.check_delivery(place, &delivery);
            self.note(
                place,
                "delivered",
                u64::from(delivery.channel.0),
                delivery.message.len() as u64,
            );
            let received = Received {
                at: self.clock.now(),
                peer: delivery.peer,
                channel: delivery.channel,
                bytes: delivery.message.len(),
                digest: *blake3::hash(&delivery.message).as_bytes(),
                sent_at: stamp.map(|stamp| stamp.sent_at),
            };
            self.record.receive(place.node, received);
        }
    }
}
