//! One socket as a state machine: what was asked for, what is in flight, what to do next.
//!
//! The ring changes what is wanted (`set_mode`, `begin_close`, a completion) and
//! then carries out `next_action` until there is none. So the order of things is decided
//! here, without a kernel, and can be tested so.
//!
//! ```text
//!               connected               failed
//!   Connecting ──────────▶ Open ─────────────────────▶ Failed       (reported; id still valid)
//!       │                   │ close                       │
//!       │                   ▼                             │
//!       │               Finishing   the write in flight   │
//!       │                   │       may end               │
//!       │                   │ SHUT_WR                     │
//!       │                   ▼                             │
//!       │               Lingering   what still comes      │
//!       │                   │       is discarded          │
//!       │ close             │ end of input                │ close
//!       ▼                   ▼                             ▼
//!     Closing: what is in flight is cancelled ──▶ quiet ──▶ Free
//! ```
//!
//! Closing is three steps: decide (nothing new is started, receives are cancelled), wait for the
//! kernel, close (when quiet).
//!
//! Of a link in use the wait is longer, for the sake of what was written. `close(2)` while input
//! lies unread resets the connection, and a reset throws away what the remote has not read yet. So
//! the link says that it is done (`SHUT_WR`) and reads on, to nowhere, until the remote is done,
//! too. One deadline bounds both phases, and an error ends them: a remote holds the slot no longer.
//! A link that never wrote has nothing to lose and closes at once.

mod action;
mod entries;
mod outgoing;

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use io_uring::types::Timespec;
use socket2::{SockAddr, Socket};

use ringwire_core::peer::RemoteAddr;
use ringwire_core::switch::io::{DialId, ReadMode, Transmit};

use super::super::options;

pub(super) use action::{Action, SendStep, Target};
use outgoing::Outgoing;

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
    /// Decided to be closed, like the next two: nothing is reported any more. The write in flight
    /// may end.
    Finishing,
    /// The remote was told that no more comes; its own end is awaited.
    Lingering,
    /// To be closed as soon as nothing is in flight.
    Closing,
}

/// An operation as the kernel has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    /// Not with the kernel.
    Idle,
    /// Started.
    InFlight,
    /// Started, and asked to be cancelled; its last completion is still to come.
    Cancelled,
}

/// A socket with everything the kernel needs to know about it.
pub(super) struct RingSocket {
    socket: Socket,
    remote: RemoteAddr,
    generation: u32,
    phase: Phase,
    mode: ReadMode,
    /// Waits for a receive buffer; the ring arms it again when there is one.
    starved: bool,
    receive: Op,
    receive_multi: bool,
    send: Op,
    connect: Op,
    deadline: Op,
    /// How long a dial, or else a close, may take.
    time_limit: Duration,
    /// The time limit of the dial has passed.
    expired: bool,
    /// The kernel may hold bytes of ours that the remote has not got yet.
    has_written: bool,
    /// Bytes still to be discarded at most.
    discardable: usize,
    /// Cancellations whose own completion has not come.
    cancels: u8,
    pinned: Box<Pinned>,
}

/// What operations in flight point to: boxed, so that it does not move with the slab, and freed
/// only when the link is quiet.
struct Pinned {
    outgoing: Outgoing,
    /// What a dial connects to.
    address: Option<SockAddr>,
    deadline: Timespec,
}

impl RingSocket {
    /// A connected socket, paused, that nobody has written to.
    pub(super) fn open(socket: Socket, remote: RemoteAddr, generation: u32) -> Self {
        Self::new(socket, remote, generation, Phase::Open)
    }

    /// A connected socket, paused, that others have written to.
    pub(super) fn adopted(socket: Socket, remote: RemoteAddr, generation: u32) -> Self {
        let mut link = Self::open(socket, remote, generation);
        link.has_written = true;
        link
    }

    /// A socket to connect to `remote` at its address; start [`RingSocket::connect_entry`] next.
    pub(super) fn dialing(
        socket: Socket,
        (remote, address): (RemoteAddr, SockAddr),
        generation: u32,
        dial: DialId,
        timeout: Duration,
    ) -> Self {
        let mut link = Self::new(socket, remote, generation, Phase::Connecting(dial));
        link.time_limit = timeout;
        link.pinned.address = Some(address);
        link
    }

    fn new(socket: Socket, remote: RemoteAddr, generation: u32, phase: Phase) -> Self {
        let pinned = Pinned {
            outgoing: Outgoing::new(),
            address: None,
            deadline: Timespec::new(),
        };
        RingSocket {
            socket,
            remote,
            generation,
            phase,
            mode: ReadMode::Pause,
            starved: false,
            receive: Op::Idle,
            receive_multi: false,
            send: Op::Idle,
            connect: Op::Idle,
            deadline: Op::Idle,
            time_limit: Duration::ZERO,
            expired: false,
            has_written: false,
            discardable: DISCARD_BYTES_MAX,
            cancels: 0,
            pinned: Box::new(pinned),
        }
    }

    // ---- asked ------------------------------------------------------------------------------

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn remote(&self) -> &RemoteAddr {
        &self.remote
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether the time limit of the dial has passed.
    pub(super) fn is_expired(&self) -> bool {
        self.expired
    }

    /// Whether the link was closed and is not gone yet.
    pub(super) fn is_ending(&self) -> bool {
        matches!(
            self.phase,
            Phase::Finishing | Phase::Lingering | Phase::Closing
        )
    }

    /// Whether nothing of this link is with the kernel.
    pub(super) fn is_quiet(&self) -> bool {
        let ops = [self.receive, self.send, self.connect, self.deadline];
        ops.iter().all(|op| *op == Op::Idle) && self.cancels == 0
    }

    /// What to do next for this link; the caller does it and asks again. The state is changed as
    /// if it were done already.
    pub(super) fn next_action(&mut self) -> Option<Action> {
        self.cancel_action()
            .or_else(|| self.deadline_action())
            .or_else(|| self.shut_down_action())
            .or_else(|| self.receive_action())
            .or_else(|| (self.phase == Phase::Closing && self.is_quiet()).then_some(Action::Free))
    }

    fn cancel_action(&mut self) -> Option<Action> {
        let ends = matches!(self.phase, Phase::Failed | Phase::Closing);
        let unwanted = match self.wanted_mode() {
            // Receives of before were cancelled in `Finishing`; what a lingering link has, discards.
            ReadMode::Pause => self.phase != Phase::Lingering,
            ReadMode::Once => self.receive_multi,
            ReadMode::Stream => false,
        };
        let dialing = matches!(self.phase, Phase::Connecting(_));
        let candidates = [
            (&mut self.receive, Target::Receive, unwanted),
            (&mut self.send, Target::Send, ends),
            (
                &mut self.connect,
                Target::Connect,
                ends || (dialing && self.expired),
            ),
        ];
        for (op, target, due) in candidates {
            if due && *op == Op::InFlight {
                *op = Op::Cancelled;
                self.cancels += 1;
                return Some(Action::Cancel(target));
            }
        }
        None
    }

    fn deadline_action(&mut self) -> Option<Action> {
        match (self.deadline, self.wants_deadline()) {
            (Op::Idle, true) => {
                self.deadline = Op::InFlight;
                Some(Action::StartDeadline)
            }
            (Op::InFlight, false) => {
                self.deadline = Op::Cancelled;
                self.cancels += 1;
                Some(Action::Cancel(Target::Deadline))
            }
            _ => None,
        }
    }

    /// The write in flight has ended: the goodbye can follow it.
    fn shut_down_action(&mut self) -> Option<Action> {
        if self.phase != Phase::Finishing || self.send != Op::Idle {
            return None;
        }
        self.phase = Phase::Lingering;
        Some(Action::ShutDown)
    }

    /// A receive is started only when no cancellation is under way: it might hit the new one.
    fn receive_action(&mut self) -> Option<Action> {
        if self.receive != Op::Idle || self.cancels > 0 {
            return None;
        }
        if self.phase == Phase::Lingering && self.discardable > 0 {
            self.receive = Op::InFlight;
            return Some(Action::Discard);
        }
        let multi = match self.wanted_mode() {
            ReadMode::Pause => return None,
            ReadMode::Once => false,
            ReadMode::Stream => true,
        };
        if self.starved {
            return None;
        }
        self.receive = Op::InFlight;
        self.receive_multi = multi;
        Some(Action::Receive { multi })
    }

    fn wanted_mode(&self) -> ReadMode {
        if self.phase == Phase::Open {
            self.mode
        } else {
            ReadMode::Pause
        }
    }

    /// A dial has a time limit, and so has all that a closed link waits for.
    fn wants_deadline(&self) -> bool {
        match self.phase {
            Phase::Connecting(_) => !self.expired,
            Phase::Finishing | Phase::Lingering => true,
            Phase::Open | Phase::Failed | Phase::Closing => false,
        }
    }

    // ---- told -------------------------------------------------------------------------------

    /// How to read from now on.
    pub(super) fn set_mode(&mut self, mode: ReadMode) {
        self.mode = mode;
    }

    /// Puts `buffers` in place for [`RingSocket::send_entry`]. Panics while a write is in flight: the
    /// switch sends at most one at a time.
    pub(super) fn begin_send(&mut self, buffers: Transmit) {
        assert_eq!(
            self.send,
            Op::Idle,
            "at most one transmit per link is in flight"
        );
        self.send = Op::InFlight;
        self.has_written = true;
        self.pinned.outgoing.begin(buffers);
    }

    /// The link is broken, or the remote is done. Returns `true` if that is news to its owner. The
    /// write of a link that is finishing goes on: the remote may still listen.
    pub(super) fn fail(&mut self) -> bool {
        let is_news = self.phase == Phase::Open;
        match self.phase {
            Phase::Open => self.phase = Phase::Failed,
            Phase::Lingering => self.phase = Phase::Closing,
            Phase::Connecting(_) | Phase::Failed | Phase::Finishing | Phase::Closing => {}
        }
        is_news
    }

    /// Decides to close; what was written gets `patience` to arrive.
    pub(super) fn begin_close(&mut self, patience: Duration) {
        if self.is_ending() {
            return;
        }
        self.time_limit = patience;
        self.phase = if self.phase == Phase::Open && self.has_written {
            Phase::Finishing
        } else {
            Phase::Closing
        };
    }

    /// The connect has ended, well or not. Well makes the link open.
    pub(super) fn end_connect(&mut self, connected: bool) {
        self.connect = Op::Idle;
        if connected && matches!(self.phase, Phase::Connecting(_)) {
            self.phase = Phase::Open;
            self.expired = false;
        }
    }

    /// A receive completed; `last` if it will not complete again. Bytes satisfy a wish for one
    /// receive.
    pub(super) fn end_receive(&mut self, last: bool, received: bool) {
        if last {
            self.receive = Op::Idle;
        }
        if received && self.mode == ReadMode::Once {
            self.mode = ReadMode::Pause;
        }
    }

    /// `bytes` went nowhere.
    pub(super) fn note_discarded(&mut self, bytes: usize) {
        self.discardable = self.discardable.saturating_sub(bytes);
    }

    /// No receive buffer was left. Returns `true` if the link must wait for one.
    pub(super) fn starve(&mut self) -> bool {
        let waits = !self.starved && self.phase == Phase::Open;
        self.starved |= waits;
        waits
    }

    /// There are receive buffers again.
    pub(super) fn feed(&mut self) {
        self.starved = false;
    }

    /// The time limit has ended: by itself, or cancelled.
    pub(super) fn end_deadline(&mut self, passed: bool) {
        let in_time = !passed || self.deadline != Op::InFlight;
        self.deadline = Op::Idle;
        match self.phase {
            _ if in_time => {}
            Phase::Connecting(_) => self.expired = true,
            Phase::Finishing | Phase::Lingering => self.phase = Phase::Closing,
            Phase::Open | Phase::Failed | Phase::Closing => {}
        }
    }

    /// A cancellation has ended.
    pub(super) fn end_cancel(&mut self) {
        self.cancels -= 1;
    }

    /// A write completed with `written` bytes. It goes on unless all is written or the link has no
    /// more time for it.
    pub(super) fn end_send(&mut self, written: usize) -> SendStep {
        let complete = self.pinned.outgoing.advance(written);
        let stopped = self.send == Op::Cancelled || self.phase == Phase::Failed;
        if !complete && !stopped {
            return SendStep::Continue;
        }
        self.send = Op::Idle;
        SendStep::Done(self.pinned.outgoing.end())
    }

    /// The write failed: the buffers come back. There is no goodbye on a link that cannot write.
    pub(super) fn abandon_send(&mut self) -> SendStep {
        if self.phase == Phase::Finishing {
            self.phase = Phase::Closing;
        }
        self.send = Op::Idle;
        SendStep::Done(self.pinned.outgoing.end())
    }

    /// Carries out [`Action::ShutDown`]; a socket that refuses has no connection any more.
    pub(super) fn shut_down(&mut self) {
        if self.socket.shutdown(Shutdown::Write).is_err() {
            self.phase = Phase::Closing;
        }
    }

    /// Gives up the socket; only when quiet.
    pub(super) fn into_socket(self) -> (Socket, RemoteAddr) {
        assert!(
            self.is_quiet(),
            "a socket is given up only when nothing is in flight"
        );
        (self.socket, self.remote)
    }
}

/// Sets the options every link has.
pub(super) fn prepare(socket: &Socket, remote: &RemoteAddr) -> io::Result<()> {
    options::set(socket, remote)?;
    // io_uring answers EAGAIN on a non-blocking socket instead of waiting for it.
    socket.set_nonblocking(false)
}

#[cfg(test)]
mod tests;
