//! From what the system tells to calls on sockets, and from these to completions.

use std::io;
use std::time::Instant;

use mio::event::Event;
use ringwire_core::buffer::pool::{RECV_BYTES, RECV_HEADROOM};
use ringwire_core::buffer::{BufferPool, Chunk};
use ringwire_core::error::NetworkError;
use ringwire_core::peer::RemoteAddr;
use socket2::Socket;

use super::super::completion::{Completion, give_back, io_error};
use super::super::link_id::LINKS_MAX;
use super::super::options;
use super::acceptor::{Acceptor, Found};
use super::readiness::{Readiness, WAKER};
use super::socket::{Phase, ReadySocket, Received, Told};

/// Bytes read in one turn, after which the other links wait for the next: what is read shall still be
/// in the cache when it is opened (docs/decisions/0019-within-the-cache.md).
const BYTES_PER_TURN: usize = 256 * 1024;
/// Links read in one turn at most: each takes a chunk of the pool, however little has come.
const READS_PER_TURN: usize = 64;
/// Looks into the backlog of one listener in one turn at most.
const ACCEPTS_PER_TURN: usize = 64;
/// Bytes that one read discards at most.
const DISCARD_BYTES: usize = 64 * 1024;

impl Readiness {
    // ---- told -------------------------------------------------------------------------------

    /// The system tells of something. A word about a link that is gone may be taken for one about
    /// its successor, whose next call then finds that it would block: that is all.
    pub(super) fn handle_event(&mut self, event: &Event) {
        match event.token() {
            // It has ended the sleep, and says nothing that the notice does not say.
            WAKER => {}
            token => {
                if let Some(acceptor) = self.acceptor_named(token) {
                    acceptor.handle_ready();
                } else if self.links.contains(token.0) {
                    self.handle_told(token.0, event);
                }
            }
        }
    }

    fn handle_told(&mut self, index: usize, event: &Event) {
        // An error is told to whoever makes the next call, of either kind.
        let is_broken = event.is_error();
        self.links[index].handle_told(Told {
            is_readable: event.is_readable() || is_broken,
            is_at_end: event.is_read_closed() || is_broken,
            is_writable: event.is_writable() || event.is_write_closed() || is_broken,
        });
        if let Phase::Connecting(dial) = self.links[index].phase() {
            match self.links[index].try_connected() {
                Ok(false) => return,
                Ok(true) => {
                    self.links[index].handle_connected();
                    let (link, remote) = (self.id_of(index), self.links[index].remote().clone());
                    self.ready
                        .push(Completion::Connected { dial, link, remote });
                }
                Err(error) => {
                    self.remove(index);
                    return self.dial_failed(dial, connect_error(&error));
                }
            }
        }
        self.queue(index);
    }

    /// Ends what is at the end of its time.
    pub(super) fn end_times(&mut self) {
        let is_paused = |acceptor: &Acceptor| acceptor.paused_until().is_some();
        if self.deadlines.next().is_none() && !self.acceptors.iter().any(is_paused) {
            return;
        }
        let now = Instant::now();
        for acceptor in &mut self.acceptors {
            acceptor.handle_time(now);
        }
        while let Some((at, link)) = self.deadlines.pop_due(now) {
            let Some(index) = self.find(link) else {
                continue;
            };
            if !self.links[index].is_late(at) {
                continue;
            }
            if let Phase::Connecting(dial) = self.links[index].phase() {
                self.dial_failed(dial, NetworkError::DialTimeout);
            }
            self.remove(index);
        }
    }

    // ---- accepted ---------------------------------------------------------------------------

    /// Takes connections from each listener, as far as a turn goes.
    pub(super) fn accept_due(&mut self) {
        (0..self.acceptors.len()).for_each(|place| self.accept_from(place));
    }

    fn accept_from(&mut self, place: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            let acceptor = &mut self.acceptors[place];
            if !acceptor.is_due() {
                return;
            }
            self.calls += 1;
            match acceptor.accept() {
                Found::Connection(socket, remote) => self.welcome(socket, remote),
                Found::Broken => {}
                Found::Nobody => return,
                Found::Failure(news) => {
                    if let Some(error) = news {
                        let error = io_error("accept", &error);
                        self.ready.push(Completion::AcceptFailed { error });
                    }
                    return;
                }
            }
        }
    }

    /// Makes a link of an accepted socket. One that broke already is closed without a word.
    fn welcome(&mut self, socket: Socket, remote: RemoteAddr) {
        if self.links.len() >= LINKS_MAX || options::set(&socket, &remote).is_err() {
            return;
        }
        let link = ReadySocket::open(socket, remote.clone(), self.next_generation());
        if let Ok(link) = self.insert(link) {
            self.ready.push(Completion::Accepted { link, remote });
        }
    }

    // ---- read -------------------------------------------------------------------------------

    /// Gives each reader one read, as far as a turn goes.
    pub(super) fn read_due(&mut self, pool: &mut BufferPool) {
        let mut bytes_left = BYTES_PER_TURN;
        for _ in 0..self.readers.len().min(READS_PER_TURN) {
            if bytes_left == 0 || self.is_starved {
                return;
            }
            let Some(index) = self.readers.pop_front().and_then(|link| self.find(link)) else {
                continue;
            };
            if !self.links[index].leaves_readers() {
                continue;
            }
            let read = match self.links[index].phase() {
                Phase::Lingering => self.discard(index),
                _ => self.receive(index, pool),
            };
            bytes_left = bytes_left.saturating_sub(read);
        }
    }

    /// Reads once into a chunk of the pool; returns how many bytes.
    fn receive(&mut self, index: usize, pool: &mut BufferPool) -> usize {
        let Some(mut bytes) = pool.take_chunk() else {
            // The first to wait is the first to be served.
            self.is_starved = true;
            let link = self.id_of(index);
            if self.links[index].joins_readers() {
                self.readers.push_front(link);
            }
            return 0;
        };
        self.calls += 1;
        let room = &mut bytes[RECV_HEADROOM..RECV_HEADROOM + RECV_BYTES];
        match self.links[index].receive(room) {
            Ok(Received::Bytes(count)) => {
                let (start, end) = (RECV_HEADROOM, RECV_HEADROOM + count);
                let (link, chunk) = (self.id_of(index), Chunk { bytes, start, end });
                self.ready.push(Completion::Received { link, chunk });
                self.queue(index);
                return count;
            }
            Ok(Received::End) => self.fail(index, NetworkError::Eof),
            Ok(Received::Nothing) => self.queue(index),
            Err(error) => self.fail(index, io_error("recv", &error)),
        }
        pool.give_back_chunk(bytes);
        0
    }

    /// Reads once what nobody wants; returns how many bytes.
    fn discard(&mut self, index: usize) -> usize {
        self.sink.resize(DISCARD_BYTES, 0);
        self.calls += 1;
        match self.links[index].discard(&mut self.sink) {
            Ok(Received::Bytes(count)) => {
                self.queue(index);
                return count;
            }
            Ok(Received::Nothing) => self.queue(index),
            // The remote is done, too, or gone.
            Ok(Received::End) | Err(_) => self.remove(index),
        }
        0
    }

    // ---- written ----------------------------------------------------------------------------

    /// Writes what links have, as far as the system takes it.
    pub(super) fn write_due(&mut self, pool: &mut BufferPool) {
        for _ in 0..self.writers.len() {
            let Some(index) = self.writers.pop_front().and_then(|link| self.find(link)) else {
                continue;
            };
            if self.links[index].leaves_writers() {
                self.send(index, pool);
            }
        }
    }

    fn send(&mut self, index: usize, pool: &mut BufferPool) {
        let sent = self.links[index].send(&mut self.calls);
        let is_open = self.links[index].phase() == Phase::Open;
        match sent {
            Ok(None) => {}
            Ok(Some(buffers)) if is_open => {
                let link = self.id_of(index);
                self.ready.push(Completion::Sent { link, buffers });
            }
            Ok(Some(buffers)) => {
                give_back(buffers, pool);
                self.say_goodbye(index);
            }
            Err(error) if is_open => self.fail(index, io_error("send", &error)),
            // There is no goodbye on a link that cannot write.
            Err(_) => self.remove(index),
        }
    }

    /// Ends the output of a closed link once its write has ended, and discards what still comes.
    pub(super) fn say_goodbye(&mut self, index: usize) {
        match self.links[index].shut_down_if_written() {
            Ok(()) => self.queue(index),
            Err(_) => self.remove(index),
        }
    }

    // ---- failed -----------------------------------------------------------------------------

    /// Reports the end of a link, once. What it had to write is not written any more.
    pub(super) fn fail(&mut self, index: usize, error: NetworkError) {
        if self.links[index].fail() {
            let link = self.id_of(index);
            self.ready.push(Completion::Closed { link, error });
        }
        self.orphans.extend(self.links[index].abandon_send());
    }
}

/// Why a dial failed.
fn connect_error(error: &io::Error) -> NetworkError {
    match error.raw_os_error() {
        Some(libc::ETIMEDOUT) => NetworkError::DialTimeout,
        _ => io_error("connect", error),
    }
}
