//! One socket: what is wanted of it, and what the system has told of it.
//!
//! ```text
//!               connected               failed
//!   Connecting ──────────▶ Open ─────────────────────▶ Failed       (reported; id still valid)
//!       │                   │ close                       │
//!       │                   ▼                             │
//!       │               Finishing   the rest of the       │
//!       │                   │       write may go out      │
//!       │                   │ SHUT_WR                     │
//!       │                   ▼                             │
//!       │               Lingering   what still comes      │
//!       │                   │       is discarded          │
//!       ▼ close             ▼ end of input, time is up    ▼ close
//!      gone                gone                          gone
//! ```
//!
//! The reason to linger is the ring's: `close(2)` while input lies unread resets the connection, and a
//! reset throws away what the remote has not read yet. A link that never wrote has nothing to lose.
//!
//! Invariant: a link stands in the queue of readers exactly while `is_in_read_queue`, and in that of
//! writers exactly while `is_in_write_queue`.

use std::io::{self, Read};
use std::net::Shutdown;
use std::time::Instant;

use ringwire_core::peer::RemoteAddr;
use ringwire_core::switch::io::{DialId, ReadMode, Transmit};
use socket2::Socket;

use super::outgoing::Outgoing;

/// Bytes that a lingering link discards. The buffers of both kernels hold less, so a remote that
/// gets here has not noticed the end yet: it is pushed back then until the deadline.
const DISCARD_BYTES_MAX: usize = 64 << 20;

/// Where a link is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// A dial in progress.
    Connecting(DialId),
    /// In use.
    Open,
    /// Broken, and reported so; waits to be closed.
    Failed,
    /// Closed: nothing is reported any more, but the write may end.
    Finishing,
    /// The remote was told that no more comes; its own end is awaited.
    Lingering,
}

/// What the system tells of a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// A read would not block.
    pub(super) is_readable: bool,
    /// Nothing follows what can be read.
    pub(super) is_at_end: bool,
    /// A write would not block.
    pub(super) is_writable: bool,
}

/// What a read has given.
#[derive(Debug)]
pub(super) enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The remote is done.
    End,
    /// Nothing now.
    Nothing,
}

/// A socket that does not block.
pub(super) struct ReadySocket {
    socket: Socket,
    remote: RemoteAddr,
    generation: u32,
    phase: Phase,
    mode: ReadMode,
    /// It was told to be readable, and not read empty since.
    is_readable: bool,
    /// It was told that nothing follows what can be read: it is read until it says so itself.
    is_at_end: bool,
    /// It was not found full since it was told to be writable.
    is_writable: bool,
    is_in_read_queue: bool,
    is_in_write_queue: bool,
    outgoing: Outgoing,
    /// The kernel may hold bytes of ours that the remote has not got yet.
    has_written: bool,
    /// Bytes still to be discarded at most.
    discardable: usize,
    /// When a dial, or else a close, is at the end of its time.
    time_limit: Option<Instant>,
}

impl ReadySocket {
    /// A connected socket, paused, that nobody has written to.
    pub(super) fn open(socket: Socket, remote: RemoteAddr, generation: u32) -> Self {
        ReadySocket {
            socket,
            remote,
            generation,
            phase: Phase::Open,
            mode: ReadMode::Pause,
            is_readable: false,
            is_at_end: false,
            is_writable: true,
            is_in_read_queue: false,
            is_in_write_queue: false,
            outgoing: Outgoing::default(),
            has_written: false,
            discardable: DISCARD_BYTES_MAX,
            time_limit: None,
        }
    }

    /// A connected socket, paused, that others have written to.
    pub(super) fn adopted(socket: Socket, remote: RemoteAddr, generation: u32) -> Self {
        let mut link = Self::open(socket, remote, generation);
        link.has_written = true;
        link
    }

    /// A socket that connects to `remote`, until `time_limit` at most.
    pub(super) fn dialing(
        socket: Socket,
        remote: RemoteAddr,
        generation: u32,
        dial: DialId,
        time_limit: Instant,
    ) -> Self {
        let mut link = Self::open(socket, remote, generation);
        link.phase = Phase::Connecting(dial);
        link.time_limit = Some(time_limit);
        link
    }

    // ---- asked ------------------------------------------------------------------------------

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn remote(&self) -> &RemoteAddr {
        &self.remote
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether its time is up at the limit `at`; not if another limit holds by now, or none.
    pub(super) fn is_late(&self, at: Instant) -> bool {
        self.time_limit == Some(at)
    }

    /// Whether the link was closed and is not gone yet.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Finishing | Phase::Lingering)
    }

    /// Whether another transport can have it: paused, and with nothing to write.
    pub(super) fn can_leave(&self) -> bool {
        self.phase == Phase::Open && self.mode == ReadMode::Pause && self.outgoing.is_empty()
    }

    fn wants_read(&self) -> bool {
        let is_wanted = match self.phase {
            Phase::Open => self.mode != ReadMode::Pause,
            Phase::Lingering => self.discardable > 0,
            Phase::Connecting(_) | Phase::Failed | Phase::Finishing => false,
        };
        is_wanted && self.is_readable
    }

    fn wants_write(&self) -> bool {
        self.is_writable && !self.outgoing.is_empty()
    }

    // ---- the queues -------------------------------------------------------------------------

    /// Whether it is to be put into the queue of readers now; it counts as done.
    pub(super) fn joins_readers(&mut self) -> bool {
        let joins = !self.is_in_read_queue && self.wants_read();
        self.is_in_read_queue |= joins;
        joins
    }

    /// It was taken out of the queue of readers; says whether it is still to be read.
    pub(super) fn leaves_readers(&mut self) -> bool {
        self.is_in_read_queue = false;
        self.wants_read()
    }

    /// Whether it is to be put into the queue of writers now; it counts as done.
    pub(super) fn joins_writers(&mut self) -> bool {
        let joins = !self.is_in_write_queue && self.wants_write();
        self.is_in_write_queue |= joins;
        joins
    }

    /// It was taken out of the queue of writers; says whether there is still something to write.
    pub(super) fn leaves_writers(&mut self) -> bool {
        self.is_in_write_queue = false;
        self.wants_write()
    }

    // ---- told -------------------------------------------------------------------------------

    /// The system tells of it.
    pub(super) fn handle_told(&mut self, told: Told) {
        self.is_readable |= told.is_readable | told.is_at_end;
        self.is_at_end |= told.is_at_end;
        self.is_writable |= told.is_writable;
    }

    /// How to read from now on.
    pub(super) fn set_mode(&mut self, mode: ReadMode) {
        self.mode = mode;
    }

    /// Takes the buffers of the next write. Panics while there is one: the switch sends at most one
    /// at a time.
    pub(super) fn begin_send(&mut self, buffers: Transmit) {
        assert!(
            self.outgoing.is_empty(),
            "at most one transmit per link is in flight"
        );
        self.has_written = true;
        self.outgoing.begin(buffers);
    }

    /// The connect has ended well.
    pub(super) fn handle_connected(&mut self) {
        self.phase = Phase::Open;
        self.time_limit = None;
    }

    /// The link is broken, or the remote is done. Returns `true` if that is news to its owner.
    pub(super) fn fail(&mut self) -> bool {
        let is_news = self.phase == Phase::Open;
        if is_news {
            self.phase = Phase::Failed;
        }
        is_news
    }

    /// Decides to close. Returns whether it ends in order, by `time_limit` at the latest; if not, it
    /// is to be dropped.
    pub(super) fn begin_close(&mut self, time_limit: Instant) -> bool {
        if self.phase == Phase::Open && self.has_written {
            self.phase = Phase::Finishing;
            self.time_limit = Some(time_limit);
            return true;
        }
        self.is_ending()
    }

    /// Says goodbye once the write of a closed link has ended.
    ///
    /// # Errors
    /// The socket has no connection any more.
    pub(super) fn shut_down_if_written(&mut self) -> io::Result<()> {
        if self.phase != Phase::Finishing || !self.outgoing.is_empty() {
            return Ok(());
        }
        self.phase = Phase::Lingering;
        self.socket.shutdown(Shutdown::Write)
    }

    // ---- moved ------------------------------------------------------------------------------

    /// Whether the connect has ended: `Ok(false)` if it has not.
    pub(super) fn try_connected(&self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads once, into `room`.
    pub(super) fn receive(&mut self, room: &mut [u8]) -> io::Result<Received> {
        match (&self.socket).read(room) {
            Ok(0) => Ok(Received::End),
            Ok(bytes) => {
                // Less than there was room for is all there was, and the system tells when more
                // comes. It told of the end already, if it did.
                self.is_readable = bytes == room.len() || self.is_at_end;
                if self.mode == ReadMode::Once && self.phase == Phase::Open {
                    self.mode = ReadMode::Pause;
                }
                Ok(Received::Bytes(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                (self.is_readable, self.is_at_end) = (false, false);
                Ok(Received::Nothing)
            }
            // It is still readable, so it is read again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Received::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Reads once and forgets it.
    pub(super) fn discard(&mut self, room: &mut [u8]) -> io::Result<Received> {
        let received = self.receive(room)?;
        if let Received::Bytes(bytes) = received {
            self.discardable = self.discardable.saturating_sub(bytes);
        }
        Ok(received)
    }

    /// Writes until all is written, and gives the buffers back, or until the system takes no more now:
    /// `Ok(None)`. Counts its calls.
    pub(super) fn send(&mut self, calls: &mut u64) -> io::Result<Option<Transmit>> {
        loop {
            *calls += 1;
            match self.outgoing.write_once(&self.socket) {
                Ok(true) => return Ok(Some(self.outgoing.end())),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_writable = false;
                    return Ok(None);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives up the socket, with what was not written.
    pub(super) fn into_parts(mut self) -> (Socket, RemoteAddr, Transmit) {
        let unsent = self.outgoing.end();
        (self.socket, self.remote, unsent)
    }

    /// Gives up what was not written.
    pub(super) fn abandon_send(&mut self) -> Transmit {
        self.outgoing.end()
    }
}
