//! One socket as a state machine: what was asked for, what is in flight, what to do next.
//!
//! The ring changes what is wanted (`set_mode`, `begin_close`, a completion) and
//! then carries out `next_action` until there is none. So the order of things is decided
//! here, without a kernel, and can be tested so.
//!
//! ```text
//!              connected                 failed
//!   Connecting ─────────▶ Open ─────────────────────▶ Failed        (reported; id still valid)
//!       │                   │                            │
//!       └──── close ────────┴────────── close ───────────┤
//!                                                        ▼
//!                     Closing: finish or cancel what is in flight ──▶ quiet ──▶ Free
//! ```
//!
//! Closing is three steps: decide (nothing new is started, receives are cancelled), wait for the
//! kernel (a write in flight may end until its deadline), close (when quiet).

mod outgoing;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::types::{Fd, Timespec};
use io_uring::{opcode, squeue};
use socket2::{SockAddr, Socket};

use crate::switch::io::{DialId, ReadMode, Transmit};

use super::ring::BUFFER_GROUP;
use outgoing::Outgoing;

/// Where a link is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// A dial in progress.
    Connecting(DialId),
    /// In use.
    Open,
    /// Broken, and reported so; waits to be closed.
    Failed,
    /// Decided to be closed; nothing is reported any more.
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

/// Operations that can be cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// The receive.
    Receive,
    /// The write.
    Send,
    /// The connect.
    Connect,
    /// The time limit.
    Deadline,
}

/// What the ring shall do for a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// Start a receive; `multi` keeps it armed.
    Receive {
        /// Whether one receive shall complete many times.
        multi: bool,
    },
    /// Start the time limit.
    StartDeadline,
    /// Cancel an operation.
    Cancel(Target),
    /// Close the descriptor and free the slot: nothing is in flight.
    Free,
}

/// What became of a write.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "lives on the stack for a moment; a box per write would be an allocation"
)]
pub(super) enum SendStep {
    /// Some bytes remain; start another write.
    Continue,
    /// All is written, or nothing more will be: here are the buffers.
    Done(Transmit),
}

/// A socket with everything the kernel needs to know about it.
pub(super) struct Link {
    socket: Socket,
    remote: SocketAddr,
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
    /// The deadline of the present phase has passed.
    expired: bool,
    /// Cancellations whose own completion has not come.
    cancels: u8,
    pinned: Box<Pinned>,
}

/// What operations in flight point to: boxed, so that it does not move with the slab, and freed
/// only when the link is quiet.
struct Pinned {
    outgoing: Outgoing,
    address: SockAddr,
    deadline: Timespec,
}

impl Link {
    /// A connected socket, paused.
    pub(super) fn open(socket: Socket, remote: SocketAddr, generation: u32) -> Self {
        Self::new(socket, remote, generation, Phase::Open)
    }

    /// A socket to connect to `remote`; start [`Link::connect_entry`] next.
    pub(super) fn dialing(
        socket: Socket,
        remote: SocketAddr,
        generation: u32,
        dial: DialId,
        timeout: Duration,
    ) -> Self {
        let mut link = Self::new(socket, remote, generation, Phase::Connecting(dial));
        link.pinned.deadline = Timespec::from(timeout);
        link
    }

    fn new(socket: Socket, remote: SocketAddr, generation: u32, phase: Phase) -> Self {
        let pinned = Pinned {
            outgoing: Outgoing::new(),
            address: SockAddr::from(remote),
            deadline: Timespec::new(),
        };
        Link {
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
            expired: false,
            cancels: 0,
            pinned: Box::new(pinned),
        }
    }

    // ---- asked ------------------------------------------------------------------------------

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn remote(&self) -> SocketAddr {
        self.remote
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether the deadline of the present phase has passed.
    pub(super) fn is_expired(&self) -> bool {
        self.expired
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
            .or_else(|| self.receive_action())
            .or_else(|| (self.phase == Phase::Closing && self.is_quiet()).then_some(Action::Free))
    }

    fn cancel_action(&mut self) -> Option<Action> {
        let ends = matches!(self.phase, Phase::Failed | Phase::Closing);
        let unwanted = match self.wanted_mode() {
            ReadMode::Pause => true,
            ReadMode::Once => self.receive_multi,
            ReadMode::Stream => false,
        };
        let dialing = matches!(self.phase, Phase::Connecting(_));
        let candidates = [
            (&mut self.receive, Target::Receive, unwanted),
            (
                &mut self.send,
                Target::Send,
                ends && (self.expired || self.phase == Phase::Failed),
            ),
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

    /// A receive is started only when no cancellation is under way: it might hit the new one.
    fn receive_action(&mut self) -> Option<Action> {
        let multi = match self.wanted_mode() {
            ReadMode::Pause => return None,
            ReadMode::Once => false,
            ReadMode::Stream => true,
        };
        if self.receive != Op::Idle || self.starved || self.cancels > 0 {
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

    /// A dial has a time limit, and so has the last write of a link that is being closed.
    fn wants_deadline(&self) -> bool {
        !self.expired
            && match self.phase {
                Phase::Connecting(_) => true,
                Phase::Closing => self.send == Op::InFlight,
                Phase::Open | Phase::Failed => false,
            }
    }

    // ---- told -------------------------------------------------------------------------------

    /// How to read from now on.
    pub(super) fn set_mode(&mut self, mode: ReadMode) {
        self.mode = mode;
    }

    /// Puts `buffers` in place for [`Link::send_entry`]. Panics while a write is in flight: the
    /// switch sends at most one at a time.
    pub(super) fn begin_send(&mut self, buffers: Transmit) {
        assert_eq!(
            self.send,
            Op::Idle,
            "at most one transmit per link is in flight"
        );
        self.send = Op::InFlight;
        self.pinned.outgoing.begin(buffers);
    }

    /// The link is broken. Returns `true` if that is news to its owner.
    pub(super) fn fail(&mut self) -> bool {
        let is_news = self.phase == Phase::Open;
        if is_news {
            self.phase = Phase::Failed;
        }
        is_news
    }

    /// Decides to close; a write in flight gets `patience`.
    pub(super) fn begin_close(&mut self, patience: Duration) {
        if self.phase == Phase::Closing {
            return;
        }
        self.phase = Phase::Closing;
        self.expired = false;
        // Else a dial's limit is still with the kernel; it bounds the close just as well.
        if self.deadline == Op::Idle {
            self.pinned.deadline = Timespec::from(patience);
        }
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
        if passed && self.deadline == Op::InFlight && self.wants_deadline() {
            self.expired = true;
        }
        self.deadline = Op::Idle;
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
        self.abandon_send()
    }

    /// The write failed: the buffers come back.
    pub(super) fn abandon_send(&mut self) -> SendStep {
        self.send = Op::Idle;
        SendStep::Done(self.pinned.outgoing.end())
    }

    // ---- entries: they point into `self.pinned`, which lives until the link is quiet ----------

    pub(super) fn receive_entry(&self, multi: bool) -> squeue::Entry {
        if multi {
            return opcode::RecvMulti::new(self.fd(), BUFFER_GROUP).build();
        }
        // With a selected buffer a length of zero means all of it.
        opcode::Recv::new(self.fd(), std::ptr::null_mut(), 0)
            .buf_group(BUFFER_GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT)
    }

    /// `MSG_WAITALL` lets the kernel go on after a short write by itself.
    pub(super) fn send_entry(&mut self) -> squeue::Entry {
        let fd = self.fd();
        opcode::SendMsg::new(fd, self.pinned.outgoing.header())
            .flags((libc::MSG_WAITALL | libc::MSG_NOSIGNAL) as u32)
            .build()
    }

    pub(super) fn connect_entry(&mut self) -> squeue::Entry {
        self.connect = Op::InFlight;
        let address = &self.pinned.address;
        opcode::Connect::new(self.fd(), address.as_ptr().cast(), address.len()).build()
    }

    pub(super) fn deadline_entry(&self) -> squeue::Entry {
        opcode::Timeout::new(&raw const self.pinned.deadline).build()
    }

    fn fd(&self) -> Fd {
        Fd(self.socket.as_raw_fd())
    }

    /// Gives up the socket; only when quiet.
    pub(super) fn into_socket(self) -> (Socket, SocketAddr) {
        assert!(
            self.is_quiet(),
            "a socket is given up only when nothing is in flight"
        );
        (self.socket, self.remote)
    }
}

/// Sets the options every link has.
pub(super) fn prepare(socket: &Socket) -> io::Result<()> {
    // Batching is ours (one write per turn), so the kernel shall not wait for more.
    socket.set_tcp_nodelay(true)?;
    // io_uring answers EAGAIN on a non-blocking socket instead of waiting for it.
    socket.set_nonblocking(false)
}

#[cfg(test)]
mod tests;
