//! One side of a connection.

use std::sync::Arc;

use super::lane::{Lane, Over, Read};
use super::notify::Notify;

/// One side. Dropped, it is closed: the other side reads what was written and then the end, and what
/// that writes goes nowhere.
#[derive(Debug)]
pub(crate) struct End {
    incoming: Arc<Lane>,
    outgoing: Arc<Lane>,
    /// Something that was to be written was not.
    is_cut: bool,
}

impl End {
    /// Both sides of a new connection.
    pub(super) fn pair() -> [End; 2] {
        let lanes = [Arc::new(Lane::default()), Arc::new(Lane::default())];
        let end = |from: usize, to: usize| End {
            incoming: Arc::clone(&lanes[from]),
            outgoing: Arc::clone(&lanes[to]),
            is_cut: false,
        };
        [end(0, 1), end(1, 0)]
    }

    /// Who is told of bytes and of room from now on.
    pub(super) fn set_owner(&self, owner: Notify) {
        self.outgoing.set_writer(owner.clone());
        self.incoming.set_reader(owner);
    }

    /// Reads once, into `room`.
    pub(super) fn read(&self, room: &mut [u8]) -> Read {
        self.incoming.read(room)
    }

    /// Writes what there is room for; returns how much.
    pub(super) fn write(&self, bytes: &[u8]) -> usize {
        self.outgoing.write(bytes)
    }

    /// Notes that it is dropped before all was written.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.outgoing.end(match self.is_cut {
            true => Over::Reset,
            false => Over::Done,
        });
        self.incoming.deafen();
    }
}
