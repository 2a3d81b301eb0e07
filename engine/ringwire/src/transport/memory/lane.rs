//! Bytes in one direction.
//!
//! ```text
//!   write ─▶ [ bytes, at most LANE_BYTES ] ─▶ read
//!              │ over: Done, or Reset
//!              └ deaf: nobody reads any more, what is written goes nowhere
//! ```
//!
//! Invariant: of reader and writer each is told of what it could not do before and can do now. The one asks
//! under the lock and finds nothing; the other changes that under the same lock, and tells.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::notify::Notify;

/// Bytes that wait in one direction at most: what a socket holds on loopback, in its order of size.
pub(super) const LANE_BYTES: usize = 256 * 1024;

/// How a lane ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Over {
    /// All was written.
    Done,
    /// The writer went away with something unwritten.
    Reset,
}

/// What a read has given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Read {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing now; the reader is told of more.
    Nothing,
    /// Nothing follows.
    Over(Over),
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Lane(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    bytes: VecDeque<u8>,
    over: Option<Over>,
    is_deaf: bool,
    reader: Option<Notify>,
    writer: Option<Notify>,
}

impl Lane {
    /// Who reads from now on. It is told at once if there is something.
    pub(super) fn set_reader(&self, reader: Notify) {
        let mut state = self.lock();
        let has_news = !state.bytes.is_empty() || state.over.is_some();
        state.reader = Some(reader.clone());
        drop(state);
        if has_news {
            reader.tell();
        }
    }

    /// Who writes from now on, and is told of room.
    pub(super) fn set_writer(&self, writer: Notify) {
        self.lock().writer = Some(writer);
    }

    /// Takes as much of `bytes` as there is room for; the writer of less than all is told of room.
    pub(super) fn write(&self, bytes: &[u8]) -> usize {
        let mut state = self.lock();
        if state.is_deaf {
            return bytes.len();
        }
        let taken = bytes.len().min(LANE_BYTES - state.bytes.len());
        let was_empty = state.bytes.is_empty();
        state.bytes.extend(&bytes[..taken]);
        let reader = state.reader.clone().filter(|_| was_empty && taken > 0);
        drop(state);
        tell(reader);
        taken
    }

    /// Gives what fits into `room`, which is not empty.
    pub(super) fn read(&self, room: &mut [u8]) -> Read {
        let mut state = self.lock();
        let (front, _) = state.bytes.as_slices();
        let count = front.len().min(room.len());
        if count == 0 {
            return state.over.map_or(Read::Nothing, Read::Over);
        }
        room[..count].copy_from_slice(&front[..count]);
        let was_full = state.bytes.len() == LANE_BYTES;
        state.bytes.drain(..count);
        let writer = state.writer.clone().filter(|_| was_full);
        drop(state);
        tell(writer);
        Read::Bytes(count)
    }

    /// Nothing more is written.
    pub(super) fn end(&self, over: Over) {
        let mut state = self.lock();
        state.over.get_or_insert(over);
        let reader = state.reader.take();
        drop(state);
        tell(reader);
    }

    /// Nobody reads any more.
    pub(super) fn deafen(&self) {
        let mut state = self.lock();
        state.is_deaf = true;
        state.bytes = VecDeque::new();
        let writer = state.writer.take();
        drop(state);
        tell(writer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Changed in single steps: a panic cannot leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(who: Option<Notify>) {
    if let Some(who) = who {
        who.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_lane_takes_no_more_and_gives_all_in_order() {
        let lane = Lane::default();
        let bytes: Vec<u8> = (0..LANE_BYTES + 10).map(|at| at as u8).collect();
        assert_eq!(lane.write(&bytes), LANE_BYTES);
        assert_eq!(lane.write(&bytes[LANE_BYTES..]), 0);
        let (mut got, mut room) = (Vec::new(), [0; 5000]);
        while got.len() < bytes.len() {
            let Read::Bytes(count) = lane.read(&mut room) else {
                panic!("there are more");
            };
            got.extend_from_slice(&room[..count]);
            let written = LANE_BYTES + got.len() - count;
            if written < bytes.len() {
                lane.write(&bytes[written..bytes.len().min(written + count)]);
            }
        }
        assert_eq!(got, bytes);
        assert_eq!(lane.read(&mut room), Read::Nothing);
    }

    #[test]
    fn what_was_written_is_read_before_the_end_and_the_first_end_counts() {
        let lane = Lane::default();
        lane.write(b"last");
        lane.end(Over::Done);
        lane.end(Over::Reset);
        let mut room = [0; 8];
        assert_eq!(lane.read(&mut room), Read::Bytes(4));
        assert_eq!(lane.read(&mut room), Read::Over(Over::Done));
    }

    #[test]
    fn who_writes_to_the_deaf_is_not_held_up() {
        let lane = Lane::default();
        lane.deafen();
        assert_eq!(lane.write(&vec![0; 3 * LANE_BYTES]), 3 * LANE_BYTES);
        assert_eq!(lane.read(&mut [0; 8]), Read::Nothing);
    }
}
