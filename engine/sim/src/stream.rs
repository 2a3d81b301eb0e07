//! Bytes on their way: from a transmit through a lane into the chunk of a read.
//!
//! ```text
//!   begin ─▶ pump ─▶ Land … Land ─▶ Read ─▶ handle_received ─▶ pump (the window has room again)
//!              └───▶ Sent ─▶ handle_sent
//! ```

use std::time::Duration;

use ringwire_core::buffer::Chunk;
use ringwire_core::buffer::pool::RECV_HEADROOM;
use ringwire_core::error::NetworkError;
use ringwire_core::switch::ReadMode;

use crate::link::{Ending, Pumped, Read};
use crate::plan::{EndRef, Step};
use crate::wire::EndState;
use crate::world::World;

/// Pause before a read is tried again when the shard has no chunk to read into.
const CHUNK_RETRY: Duration = Duration::from_millis(1);

impl World {
    /// Lets a lane carry what it can and plans what follows.
    pub(super) fn pump(&mut self, at: EndRef) {
        let now = self.clock.now();
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        let Pumped { landings, sent_at } = wire.lanes[at.side].pump(now, &mut self.rng);
        for landing in landings {
            self.clock.plan(landing, Step::Land(at));
        }
        if let Some(sent_at) = sent_at {
            self.clock.plan(sent_at, Step::Sent(at));
        }
    }

    pub(super) fn land(&mut self, at: EndRef) {
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        wire.lanes[at.side].land();
        self.plan_read(at.opposite(), Duration::ZERO);
    }

    /// Plans a read of an end that wants to read and has something to.
    pub(super) fn plan_read(&mut self, at: EndRef, after: Duration) {
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        let end = &mut wire.ends[at.side];
        let readable = wire.lanes[1 - at.side].is_readable();
        if readable && end.reads() && !std::mem::replace(&mut end.read_planned, true) {
            self.clock.plan_after(after, Step::Read(at));
        }
    }

    pub(super) fn read(&mut self, at: EndRef) {
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        let end = &mut wire.ends[at.side];
        end.read_planned = false;
        let (place, link) = (end.place, end.link);
        if !end.reads() || !wire.lanes[1 - at.side].is_readable() {
            return;
        }
        let Some(mut room) = self
            .shard(place)
            .and_then(|shard| shard.switch.pool().take_chunk())
        else {
            return self.plan_read(at, CHUNK_RETRY);
        };
        let now = self.clock.now();
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        let lane = &mut wire.lanes[1 - at.side];
        match lane.read(now, &mut room[RECV_HEADROOM..], &mut self.rng) {
            Read::Bytes(len) => {
                self.record
                    .trace_mut()
                    .record_bytes(&room[RECV_HEADROOM..RECV_HEADROOM + len]);
                self.note(place, "received", link.0, len as u64);
                let chunk = Chunk {
                    bytes: room,
                    start: RECV_HEADROOM,
                    end: RECV_HEADROOM + len,
                };
                self.pass_on(at, chunk);
                return;
            }
            Read::NotBefore(ready) => self.plan_read(at, ready - now),
            Read::Ended(ending) => self.tell_closed(at, ended(ending)),
            Read::Nothing => {}
        }
        if let Some(shard) = self.shard(place) {
            shard.switch.pool().give_back_chunk(room);
        }
    }

    /// Hands received bytes to the switch; the window has room for the writer again.
    fn pass_on(&mut self, at: EndRef, chunk: Chunk) {
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        let end = &mut wire.ends[at.side];
        if end.mode == ReadMode::Once {
            end.mode = ReadMode::Pause;
        }
        let (place, link) = (end.place, end.link);
        self.tell(place, |switch, now| {
            switch.handle_received(now, link, chunk)
        });
        self.pump(at.opposite());
        self.plan_read(at, Duration::ZERO);
    }

    /// Tells a switch once that its link is over.
    pub(super) fn tell_closed(&mut self, at: EndRef, error: NetworkError) {
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        let end = &mut wire.ends[at.side];
        if end.state != EndState::Open || std::mem::replace(&mut end.told_closed, true) {
            return;
        }
        let (place, link) = (end.place, end.link);
        self.note(place, "closed", link.0, 0);
        self.tell(place, |switch, now| switch.handle_closed(now, link, error));
    }

    pub(super) fn finish_transmit(&mut self, at: EndRef) {
        let Some(wire) = self.wires.get_mut(at.wire) else {
            return;
        };
        let Some(buffers) = wire.lanes[at.side].take_written() else {
            return;
        };
        let end = &wire.ends[at.side];
        let (place, link) = (end.place, end.link);
        match end.state {
            EndState::Open => {
                self.note(place, "sent", link.0, 0);
                self.tell(place, |switch, now| switch.handle_sent(now, link, buffers));
            }
            EndState::Closing => self.close_now(at),
            EndState::Moving | EndState::Closed => {}
        }
    }
}

fn ended(ending: Ending) -> NetworkError {
    match ending {
        Ending::Eof => NetworkError::Eof,
        Ending::Reset => NetworkError::Io {
            operation: "recv",
            message: String::from("connection reset by peer"),
        },
    }
}
