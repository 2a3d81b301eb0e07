//! From the kernel's completions to the ring's: one function per kind of operation.

use std::io;
use std::time::Duration;

use io_uring::types::CancelBuilder;
use io_uring::{cqueue, opcode};
use ringwire_core::buffer::pool::RECV_HEADROOM;
use ringwire_core::buffer::{BufferPool, Chunk};
use ringwire_core::error::NetworkError;
use ringwire_core::peer::RemoteAddr;
use ringwire_core::switch::io::Transmit;
use socket2::Socket;

use super::super::completion::{Completion, give_back, io_error};
use super::super::link_id::{self, LINKS_MAX};
use super::ring::Ring;
use super::socket::{self, Phase, RingSocket, SendStep};
use super::system;
use super::token::{Kind, Token};

/// How long a dropped ring waits for the kernel in one go, and how often. Cancelled socket
/// operations end at once; the limits only keep a broken kernel from hanging the thread.
const DRAIN_WAIT: Duration = Duration::from_millis(50);
const DRAIN_ROUNDS_MAX: usize = 100;

impl Ring {
    /// Carries one completion of the kernel into the state of its link, and into `ready`.
    pub(super) fn dispatch(&mut self, entry: cqueue::Entry, pool: &mut BufferPool) {
        let token = Token::unpack(entry.user_data());
        match token.kind {
            Kind::Accept => return self.end_accept(token.acceptor(), &entry),
            Kind::AcceptPause | Kind::AcceptCancel => return self.end_accept_step(token),
            // SAFETY: as in `Ring::new`; the read before it has completed.
            Kind::Wake => unsafe {
                return self.kernel.push(self.wake_read.entry(self.wake.bell()));
            },
            Kind::CancelAll => return,
            Kind::Receive | Kind::Send | Kind::Connect | Kind::Deadline | Kind::Cancel => {}
        }
        let index = self
            .find(token.link)
            .expect("a slot is kept until its last completion");
        match token.kind {
            Kind::Receive => self.end_receive(index, &entry, pool),
            Kind::Send => self.end_send(index, entry.result(), pool),
            Kind::Connect => self.end_connect(index, entry.result()),
            Kind::Deadline => self.links[index].end_deadline(entry.result() == -libc::ETIME),
            _ => self.links[index].end_cancel(),
        }
        self.settle(index);
    }

    fn end_accept(&mut self, place: usize, entry: &cqueue::Entry) {
        let last = !cqueue::more(entry.flags());
        let acceptor = &mut self.acceptors[place];
        if entry.result() < 0 {
            let errno = -entry.result();
            if acceptor.failed(errno, last) {
                self.ready.push(Completion::AcceptFailed {
                    error: errno_error("accept", errno),
                });
            }
        } else {
            acceptor.accepted(last);
            let stopping = acceptor.is_stopping();
            let socket = Socket::from(system::adopt(entry.result()));
            let remote = acceptor.listener().remote_of(socket.peer_addr());
            if let Some(remote) = remote.filter(|_| !stopping && self.links.len() < LINKS_MAX) {
                self.welcome(socket, remote);
            }
        }
        self.settle_acceptor(place);
    }

    /// Makes a link of an accepted socket. One that broke already is closed without a word.
    fn welcome(&mut self, socket: Socket, remote: RemoteAddr) {
        if socket::prepare(&socket, &remote).is_err() {
            return;
        }
        let generation = self.next_generation();
        let index = self
            .links
            .insert(RingSocket::open(socket, remote.clone(), generation));
        let link = link_id::link_id(index, generation);
        self.ready.push(Completion::Accepted { link, remote });
    }

    fn end_accept_step(&mut self, token: Token) {
        let place = token.acceptor();
        let acceptor = &mut self.acceptors[place];
        match token.kind {
            Kind::AcceptPause => acceptor.paused(),
            _ => acceptor.end_cancel(),
        }
        self.settle_acceptor(place);
    }

    fn end_receive(&mut self, index: usize, entry: &cqueue::Entry, pool: &mut BufferPool) {
        let result = entry.result();
        let last = !cqueue::more(entry.flags());
        // A buffer may come with a failure, too; it is whole then and returns to the pool.
        let buffer = cqueue::buffer_select(entry.flags()).map(|id| self.provided.take(id));
        self.links[index].end_receive(last, result > 0);
        if result > 0 && self.links[index].phase() == Phase::Lingering {
            self.links[index].note_discarded(result as usize);
        }
        let buffer = match buffer {
            Some(bytes) if result > 0 && self.links[index].phase() == Phase::Open => {
                let end = RECV_HEADROOM + result as usize;
                let chunk = Chunk {
                    bytes,
                    start: RECV_HEADROOM,
                    end,
                };
                self.ready.push(Completion::Received {
                    link: self.id_of(index),
                    chunk,
                });
                None
            }
            buffer => buffer,
        };
        if let Some(buffer) = buffer {
            pool.give_back_chunk(buffer);
        }
        match -result {
            0 => self.fail(index, NetworkError::Eof),
            libc::ENOBUFS => self.starve(index),
            // Not failures of the link: it is armed again if it is still to be read.
            libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
            errno if errno > 0 => self.fail(index, errno_error("recv", errno)),
            _ => {}
        }
    }

    /// The link waits for a receive buffer; see [`Ring::turn`].
    fn starve(&mut self, index: usize) {
        if self.links[index].starve() {
            self.starved.push_back(self.id_of(index));
        }
    }

    fn end_send(&mut self, index: usize, result: i32, pool: &mut BufferPool) {
        let link = &mut self.links[index];
        let step = match -result {
            libc::EINTR | libc::EAGAIN => link.end_send(0),
            errno if errno >= 0 => link.abandon_send(),
            _ => link.end_send(result as usize),
        };
        match step {
            SendStep::Continue => self.start_send(index),
            SendStep::Done(buffers) if self.links[index].phase() == Phase::Open => {
                self.report_send(index, result, buffers, pool);
            }
            SendStep::Done(buffers) => give_back(buffers, pool),
        }
    }

    fn report_send(&mut self, index: usize, result: i32, buffers: Transmit, pool: &mut BufferPool) {
        if result > 0 {
            self.ready.push(Completion::Sent {
                link: self.id_of(index),
                buffers,
            });
            return;
        }
        give_back(buffers, pool);
        // A write of at least one byte that writes none is as dead as one that fails.
        let errno = if result == 0 { libc::EPIPE } else { -result };
        self.fail(index, errno_error("send", errno));
    }

    fn end_connect(&mut self, index: usize, result: i32) {
        let phase = self.links[index].phase();
        let expired = self.links[index].is_expired();
        self.links[index].end_connect(result == 0);
        let Phase::Connecting(dial) = phase else {
            return;
        };
        if result == 0 {
            let (link, remote) = (self.id_of(index), self.links[index].remote().clone());
            self.ready
                .push(Completion::Connected { dial, link, remote });
            return;
        }
        let error = match -result {
            libc::ECANCELED if expired => NetworkError::DialTimeout,
            libc::ETIMEDOUT => NetworkError::DialTimeout,
            errno => errno_error("connect", errno),
        };
        self.ready.push(Completion::DialFailed { dial, error });
        self.links[index].begin_close(self.close_timeout);
    }

    /// Reports the end of a link, once.
    fn fail(&mut self, index: usize, error: NetworkError) {
        if self.links[index].fail() {
            self.ready.push(Completion::Closed {
                link: self.id_of(index),
                error,
            });
        }
    }

    /// Cancels everything and waits until the kernel has let go of all memory. Returns whether it
    /// has.
    fn drain(&mut self) -> bool {
        self.kernel.clear_backlog();
        for _ in 0..DRAIN_ROUNDS_MAX {
            if self.kernel.in_flight() == 0 {
                return true;
            }
            let cancel = opcode::AsyncCancel2::new(CancelBuilder::any()).build();
            // SAFETY: a cancellation refers to no memory and no descriptor.
            unsafe {
                self.kernel
                    .push(cancel.user_data(Token::of_ring(Kind::CancelAll).pack()));
            }
            // The first wait ends with the cancellation itself at the latest, the second only
            // with something that it left.
            if !self.drain_once() || !self.drain_once() {
                return false;
            }
        }
        false
    }

    fn drain_once(&mut self) -> bool {
        if self.kernel.in_flight() > 0 && self.kernel.enter(Some(DRAIN_WAIT)).is_err() {
            return false;
        }
        let mut reaped = Vec::new();
        self.kernel.reap(&mut reaped);
        reaped.into_iter().for_each(close_accepted);
        true
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.drain() {
            self.provided.unregister(&self.kernel);
            return;
        }
        tracing::error!(
            in_flight = self.kernel.in_flight(),
            "the kernel keeps operations of a dropped ring; leaking the memory they may touch"
        );
        std::mem::forget(std::mem::take(&mut self.links));
        std::mem::forget(std::mem::take(&mut self.acceptors));
        self.sink.leak();
        self.provided.leak();
        self.wake_read.leak();
    }
}

/// A connection accepted while the ring is being dropped belongs to nobody.
fn close_accepted(entry: cqueue::Entry) {
    if Token::unpack(entry.user_data()).kind == Kind::Accept && entry.result() >= 0 {
        drop(system::adopt(entry.result()));
    }
}

/// An error number of the kernel as the pure rooms know it.
fn errno_error(operation: &'static str, errno: i32) -> NetworkError {
    io_error(operation, &io::Error::from_raw_os_error(errno))
}
