//! One connection as its shard has it.

use ringwire_core::peer::RemoteAddr;
use ringwire_core::switch::io::{ReadMode, Transmit};

use super::end::End;
use super::lane::Read;

/// Where a link is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// In use.
    Open,
    /// The other side is done, and that was reported; waits to be closed.
    Failed,
    /// Closed: nothing is reported any more, but the write may end.
    Finishing,
}

/// A connection, what is wanted of it, and what is still to be written.
pub(super) struct Link {
    end: End,
    remote: RemoteAddr,
    generation: u32,
    pub(super) phase: Phase,
    mode: ReadMode,
    outgoing: Transmit,
    /// Bytes of `outgoing` written so far.
    written: usize,
}

impl Link {
    /// A connection, paused.
    pub(super) fn new(end: End, remote: RemoteAddr, generation: u32) -> Self {
        Link {
            end,
            remote,
            generation,
            phase: Phase::Open,
            mode: ReadMode::Pause,
            outgoing: Transmit::new(),
            written: 0,
        }
    }

    pub(super) fn end(&self) -> &End {
        &self.end
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn set_mode(&mut self, mode: ReadMode) {
        self.mode = mode;
    }

    /// Whether what comes is wanted.
    pub(super) fn wants_read(&self) -> bool {
        self.phase == Phase::Open && self.mode != ReadMode::Pause
    }

    /// Whether something is still to be written.
    pub(super) fn is_writing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether another transport can have it.
    pub(super) fn can_leave(&self) -> bool {
        self.phase == Phase::Open && self.mode == ReadMode::Pause && !self.is_writing()
    }

    /// Takes the buffers of the next write.
    ///
    /// # Panics
    /// While there is one: the switch sends at most one at a time.
    pub(super) fn begin_send(&mut self, buffers: Transmit) {
        assert!(
            self.outgoing.is_empty(),
            "at most one transmit per link is in flight"
        );
        (self.outgoing, self.written) = (buffers, 0);
    }

    /// Writes as much as there is room for; gives the buffers back once all is written.
    pub(super) fn send(&mut self) -> Option<Transmit> {
        let mut skip = self.written;
        for buffer in &self.outgoing {
            let rest = &buffer[skip.min(buffer.len())..];
            skip = skip.saturating_sub(buffer.len());
            let written = self.end.write(rest);
            self.written += written;
            if written < rest.len() {
                return None;
            }
        }
        Some(std::mem::take(&mut self.outgoing))
    }

    /// Reads once, into `room`. Bytes satisfy a wish for one read.
    pub(super) fn receive(&mut self, room: &mut [u8]) -> Read {
        let read = self.end.read(room);
        if matches!(read, Read::Bytes(_)) && self.mode == ReadMode::Once {
            self.mode = ReadMode::Pause;
        }
        read
    }

    /// Gives up the connection and what was not written, which cuts it off.
    pub(super) fn into_parts(mut self) -> (End, RemoteAddr, Transmit) {
        if self.is_writing() {
            self.end.cut();
        }
        (self.end, self.remote, self.outgoing)
    }
}
