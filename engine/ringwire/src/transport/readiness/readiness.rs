//! The transport by readiness: what it can be told, and its turn.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::Waker;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use ringwire_core::buffer::BufferPool;
use ringwire_core::config::LISTEN_ADDRS_MAX;
use ringwire_core::error::NetworkError;
use ringwire_core::peer::RemoteAddr;
use ringwire_core::switch::io::{DialId, LinkId, ReadMode, Transmit};
use slab::Slab;
use socket2::Socket;

use super::super::completion::{Completion, Wait, io_error};
use super::super::error::TransportError;
use super::super::link_id::{self, LINKS_MAX};
use super::super::listener::Listener;
use super::super::options;
use super::super::waker::WakeSource;
use super::acceptor::Acceptor;
use super::deadlines::Deadlines;
use super::socket::{Phase, ReadySocket};
use super::waker::wake_source;

/// How the system names the waker.
pub(super) const WAKER: Token = Token(usize::MAX);
/// How the system names the first listener; the next are below it. Links are named by their places, which are
/// fewer.
const LISTENERS: usize = usize::MAX - 1;
/// The last name of a listener.
const LISTENERS_LAST: usize = LISTENERS - LISTEN_ADDRS_MAX;
/// Sockets that one look at the system can tell of; what is left comes with the next.
const EVENTS_MAX: usize = 1024;
/// Turns in a row that need not ask the system: they have something to do that they know of, or are
/// followed by one that asks.
const UNASKED_TURNS_MAX: u32 = 3;
/// How often a transport whose links wait for receive buffers looks whether the pool has some again:
/// the last slice of a buffer may be dropped on a thread that knows nothing of it.
const STARVED_WAIT: Duration = Duration::from_millis(2);

/// Times of a transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ReadinessConfig {
    /// How long a closed link may still take to end its write and to hear that the remote is done,
    /// too. What the remote's kernel has not got by then may be lost.
    pub(crate) close_timeout: Duration,
}

impl Default for ReadinessConfig {
    fn default() -> Self {
        ReadinessConfig {
            close_timeout: Duration::from_secs(1),
        }
    }
}

/// The sockets of one shard, moved by readiness. See [the module](super).
pub(crate) struct Readiness {
    poll: Poll,
    events: Events,
    pub(super) wake: WakeSource<mio::Waker>,
    pub(super) links: Slab<ReadySocket>,
    pub(super) acceptors: Vec<Acceptor>,
    /// Links that can be read, and are wanted to; ids of closed ones are skipped.
    pub(super) readers: VecDeque<LinkId>,
    /// Links that can be written, and have something; ids of closed ones are skipped.
    pub(super) writers: VecDeque<LinkId>,
    /// The pool had no buffer for the first of the readers.
    pub(super) is_starved: bool,
    pub(super) deadlines: Deadlines,
    /// What the next turn reports first.
    pub(super) ready: Vec<Completion>,
    /// Buffers of transmits that came too late for their link.
    pub(super) orphans: Transmit,
    /// Where bytes go that nobody wants; empty until there are some.
    pub(super) sink: Vec<u8>,
    generation: u32,
    close_timeout: Duration,
    /// Turns in a row that have not asked the system.
    unasked_turns: u32,
    /// System calls that wait or move bytes.
    pub(super) calls: u64,
}

impl Readiness {
    /// Sets up a transport. Fails with a way to mend it where a limit stands against it.
    pub(crate) fn new(config: ReadinessConfig) -> Result<Readiness, TransportError> {
        let refused = |step| move |source| TransportError::Poll { step, source };
        let poll = Poll::new().map_err(refused("create"))?;
        let wake = wake_source(poll.registry(), WAKER).map_err(refused("waker"))?;
        Ok(Readiness {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            wake,
            links: Slab::new(),
            acceptors: Vec::new(),
            readers: VecDeque::new(),
            writers: VecDeque::new(),
            is_starved: false,
            deadlines: Deadlines::default(),
            ready: Vec::new(),
            orphans: Transmit::new(),
            sink: Vec::new(),
            generation: 0,
            close_timeout: config.close_timeout,
            unasked_turns: 0,
            calls: 0,
        })
    }

    // ---- listening and dialing --------------------------------------------------------------

    /// See [`Transport::listen`](super::super::Transport::listen).
    pub(crate) fn listen(&mut self, listener: Listener) -> Result<(), TransportError> {
        let name = Token(LISTENERS - self.acceptors.len());
        assert!(
            name.0 >= LISTENERS_LAST,
            "a configuration names so many addresses at most"
        );
        let acceptor = Acceptor::new(listener, self.poll.registry(), name).map_err(|source| {
            let step = "listen";
            TransportError::Poll { step, source }
        })?;
        self.acceptors.push(acceptor);
        Ok(())
    }

    /// See [`Transport::stop_listening`](super::super::Transport::stop_listening).
    pub(crate) fn stop_listening(&mut self) {
        self.acceptors.clear();
    }

    /// See [`Transport::dial`](super::super::Transport::dial).
    pub(crate) fn dial(&mut self, dial: DialId, remote: RemoteAddr, timeout: Duration) {
        let socket = match self.begin_connect(&remote) {
            Ok(socket) => socket,
            Err(error) => return self.dial_failed(dial, io_error("connect", &error)),
        };
        let (generation, time_limit) = (self.next_generation(), Instant::now() + timeout);
        let link = ReadySocket::dialing(socket, remote, generation, dial, time_limit);
        match self.insert(link) {
            Ok(link) => self.deadlines.add(time_limit, link),
            Err(error) => self.dial_failed(dial, io_error("connect", &error)),
        }
    }

    /// A socket on its way to `remote`.
    fn begin_connect(&self, remote: &RemoteAddr) -> io::Result<Socket> {
        if self.links.len() >= LINKS_MAX {
            return Err(io::Error::other("the transport holds no more links"));
        }
        let (socket, address) = options::socket_to(remote)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(socket),
            connected => connected.map(|()| socket),
        }
    }

    pub(super) fn dial_failed(&mut self, dial: DialId, error: NetworkError) {
        self.ready.push(Completion::DialFailed { dial, error });
    }

    /// See [`Transport::cancel_dial`](super::super::Transport::cancel_dial).
    pub(crate) fn cancel_dial(&mut self, dial: DialId) {
        self.ready.retain(|completion| match completion {
            Completion::DialFailed { dial: failed, .. } => *failed != dial,
            _ => true,
        });
        // Dials in progress are few (the switch bounds them), and cancelling one is rare.
        let found = self
            .links
            .iter()
            .find(|(_, link)| link.phase() == Phase::Connecting(dial));
        if let Some((index, _)) = found {
            self.remove(index);
        }
    }

    // ---- links ------------------------------------------------------------------------------

    /// See [`Transport::adopt`](super::super::Transport::adopt).
    pub(crate) fn adopt(&mut self, socket: OwnedFd, remote: RemoteAddr) -> LinkId {
        assert!(
            self.links.len() < LINKS_MAX,
            "the index of a link has 24 bits"
        );
        let socket = Socket::from(socket);
        // What fails here fails again, and is reported, at the link's first read or write.
        let _ = options::set(&socket, &remote);
        let registered = socket
            .set_nonblocking(true)
            .and_then(|()| self.register(&socket, self.links.vacant_key()));
        let link = ReadySocket::adopted(socket, remote, self.next_generation());
        let index = self.links.insert(link);
        if let Err(error) = registered {
            self.fail(index, io_error("register", &error));
        }
        self.id_of(index)
    }

    /// See [`Transport::release`](super::super::Transport::release).
    pub(crate) fn release(&mut self, link: LinkId) -> Option<(OwnedFd, RemoteAddr)> {
        let index = self.find(link)?;
        if !self.links[index].can_leave() {
            return None;
        }
        let (socket, remote, _) = self.links.remove(index).into_parts();
        // What fails here was not registered, and need not be.
        let _ = self
            .poll
            .registry()
            .deregister(&mut SourceFd(&socket.as_raw_fd()));
        Some((OwnedFd::from(socket), remote))
    }

    /// See [`Transport::read`](super::super::Transport::read).
    pub(crate) fn read(&mut self, link: LinkId, mode: ReadMode) {
        if let Some(index) = self.find(link) {
            self.links[index].set_mode(mode);
            self.queue(index);
        }
    }

    /// See [`Transport::transmit`](super::super::Transport::transmit). The next turn writes.
    pub(crate) fn transmit(&mut self, link: LinkId, buffers: Transmit) {
        let open = self
            .find(link)
            .filter(|index| self.links[*index].phase() == Phase::Open);
        let Some(index) = open else {
            self.orphans.extend(buffers);
            return;
        };
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            self.ready.push(Completion::Sent { link, buffers });
            return;
        }
        self.links[index].begin_send(buffers);
        self.queue(index);
    }

    /// See [`Transport::close`](super::super::Transport::close).
    pub(crate) fn close(&mut self, link: LinkId) {
        let Some(index) = self.find(link) else {
            return;
        };
        if self.links[index].is_ending() {
            return;
        }
        let time_limit = Instant::now() + self.close_timeout;
        if self.links[index].begin_close(time_limit) {
            self.deadlines.add(time_limit, link);
            self.say_goodbye(index);
        } else {
            self.remove(index);
        }
    }

    /// Links of any state, those being closed included.
    #[cfg(test)]
    pub(crate) fn link_count(&self) -> usize {
        self.links.len()
    }

    /// See [`Transport::is_closing`](super::super::Transport::is_closing).
    pub(crate) fn is_closing(&self) -> bool {
        self.links.iter().any(|(_, link)| link.is_ending())
    }

    /// See [`Transport::system_calls`](super::super::Transport::system_calls).
    pub(crate) fn system_calls(&self) -> u64 {
        self.calls
    }

    // ---- turning ----------------------------------------------------------------------------

    /// See [`Transport::waker`](super::super::Transport::waker).
    pub(crate) fn waker(&self) -> Waker {
        self.wake.waker()
    }

    /// Whether a turn would find something at once. Asks the system if nothing is known.
    pub(crate) fn has_pending(&mut self) -> bool {
        if self.has_known() || self.wake.is_notified() {
            return true;
        }
        // A poll that fails is told by the turn.
        self.poll(Duration::ZERO).is_err() || self.has_known()
    }

    /// See [`Transport::turn`](super::super::Transport::turn).
    pub(crate) fn turn(
        &mut self,
        pool: &mut BufferPool,
        wait: Wait,
        out: &mut Vec<Completion>,
    ) -> Result<(), TransportError> {
        self.orphans
            .drain(..)
            .for_each(|buffer| pool.give_back_send(buffer));
        self.write_due(pool);
        if self.wait(wait)? {
            self.ready.push(Completion::Woken);
        }
        self.is_starved = false;
        self.end_times();
        self.write_due(pool);
        self.accept_due();
        self.read_due(pool);
        out.append(&mut self.ready);
        Ok(())
    }

    /// Whether there is something to report, or a call to make that would not block.
    fn has_known(&self) -> bool {
        let has_readers = !self.readers.is_empty() && !self.is_starved;
        let has_connections = self.acceptors.iter().any(Acceptor::is_due);
        !self.ready.is_empty() || !self.writers.is_empty() || has_readers || has_connections
    }

    /// Asks the system what it has to tell, and sleeps for that if allowed and if nothing is known;
    /// returns whether a waker was used.
    ///
    /// Who may not sleep, and found nothing, comes again and may: so most turns that may not need not
    /// ask. With a call less, the answer to a message leaves earlier.
    fn wait(&mut self, wait: Wait) -> Result<bool, TransportError> {
        let sleep = match wait {
            Wait::Until(sleep) if !self.has_known() => self.bounded(sleep),
            _ if self.unasked_turns < UNASKED_TURNS_MAX => {
                self.unasked_turns += 1;
                return Ok(self.wake.take());
            }
            _ => Duration::ZERO,
        };
        if sleep.is_zero() || !self.wake.fall_asleep() {
            self.poll(Duration::ZERO)?;
            return Ok(self.wake.take());
        }
        let polled = self.poll(sleep);
        let is_woken = self.wake.stand_up();
        polled.map(|()| is_woken)
    }

    /// `sleep`, or less if a time limit or a starved link wants it.
    fn bounded(&self, sleep: Duration) -> Duration {
        let pauses = self.acceptors.iter().filter_map(Acceptor::paused_until);
        let sleep = match pauses.chain(self.deadlines.next()).min() {
            Some(at) => sleep.min(at.saturating_duration_since(Instant::now())),
            None => sleep,
        };
        match self.is_starved {
            true => sleep.min(STARVED_WAIT),
            false => sleep,
        }
    }

    /// Takes what the system has to tell, within `timeout`.
    fn poll(&mut self, timeout: Duration) -> Result<(), TransportError> {
        self.unasked_turns = 0;
        self.calls += 1;
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(source) => {
                let step = "wait";
                return Err(TransportError::Poll { step, source });
            }
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.handle_event(event);
        }
        self.events = events;
        Ok(())
    }

    /// The listener that the system names so.
    pub(super) fn acceptor_named(&mut self, name: Token) -> Option<&mut Acceptor> {
        let place = LISTENERS.checked_sub(name.0)?;
        self.acceptors.get_mut(place)
    }

    // ---- within -----------------------------------------------------------------------------

    /// Puts the link into the queues in which it has a place now.
    pub(super) fn queue(&mut self, index: usize) {
        let link = self.id_of(index);
        if self.links[index].joins_readers() {
            self.readers.push_back(link);
        }
        if self.links[index].joins_writers() {
            self.writers.push_back(link);
        }
    }

    /// Takes a link in, and has the system tell of it.
    pub(super) fn insert(&mut self, link: ReadySocket) -> io::Result<LinkId> {
        self.register(link.socket(), self.links.vacant_key())?;
        let index = self.links.insert(link);
        Ok(self.id_of(index))
    }

    fn register(&self, socket: &Socket, index: usize) -> io::Result<()> {
        self.poll.registry().register(
            &mut SourceFd(&socket.as_raw_fd()),
            Token(index),
            Interest::READABLE | Interest::WRITABLE,
        )
    }

    /// Drops a link: closing its socket ends its registration.
    pub(super) fn remove(&mut self, index: usize) {
        let (_, _, unsent) = self.links.remove(index).into_parts();
        self.orphans.extend(unsent);
    }

    pub(super) fn find(&self, link: LinkId) -> Option<usize> {
        let index = link_id::index_of(link);
        let found = self.links.get(index)?;
        (found.generation() == link_id::generation_of(link)).then_some(index)
    }

    pub(super) fn id_of(&self, index: usize) -> LinkId {
        link_id::link_id(index, self.links[index].generation())
    }

    pub(super) fn next_generation(&mut self) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        self.generation
    }
}
