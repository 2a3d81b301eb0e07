//! The ring of a shard: what it can be told, and its turn.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::task::Waker;
use std::time::Duration;

use io_uring::cqueue;
use ringwire_core::buffer::BufferPool;
use ringwire_core::error::NetworkError;
use ringwire_core::peer::RemoteAddr;
use ringwire_core::switch::io::{DialId, LinkId, ReadMode, Transmit};
use slab::Slab;
use socket2::Socket;

use super::super::accepting::ACCEPT_PAUSE;
use super::super::completion::{Completion, Wait};
use super::super::error::TransportError;
use super::super::link_id::{self, LINKS_MAX};
use super::super::listener::Listener;
use super::super::options;
use super::super::waker::WakeSource;
use super::acceptor::{self, Acceptor, cancel_entry};
use super::kernel::Kernel;
use super::provided::ProvidedBuffers;
use super::sink::Sink;
use super::socket::{self, Action, Phase, RingSocket, Target};
use super::token::{Kind, Token};
use super::waker::{CounterRead, EventCounter};

/// How often a ring whose links wait for receive buffers looks whether the pool has some again:
/// the last slice of a buffer may be dropped on a thread that knows nothing of this ring.
const STARVED_WAIT: Duration = Duration::from_millis(2);

/// Sizes of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RingConfig {
    /// Submissions one system call can carry; more take more calls.
    pub entries: u32,
    /// Receive buffers lent to the kernel at most: a power of two up to 32 768. Few are lent until
    /// many links receive at once. They come from the shard's pool, which should allow for at
    /// least twice as many.
    pub provided_buffers: usize,
    /// How long a closed link may still take to end its write and to hear that the remote is done,
    /// too. What the remote's kernel has not got by then may be lost.
    pub close_timeout: Duration,
}

impl Default for RingConfig {
    fn default() -> Self {
        RingConfig {
            entries: 1024,
            provided_buffers: 128,
            close_timeout: Duration::from_secs(1),
        }
    }
}

/// The ring of one shard. It belongs to the thread that made it. See [the module](super).
pub(crate) struct Ring {
    pub(super) kernel: Kernel,
    pub(super) provided: ProvidedBuffers,
    pub(super) links: Slab<RingSocket>,
    /// One per listener, each at the place that its operations name.
    pub(super) acceptors: Slab<Acceptor>,
    pub(super) wake: WakeSource<EventCounter>,
    pub(super) wake_read: CounterRead,
    pub(super) sink: Sink,
    /// Links that wait for a receive buffer, longest first; ids of closed ones are skipped.
    pub(super) starved: VecDeque<LinkId>,
    /// What the next turn reports first.
    pub(super) ready: Vec<Completion>,
    /// Buffers of transmits that came too late for their link.
    orphans: Transmit,
    reaped: Vec<cqueue::Entry>,
    generation: u32,
    pub(super) close_timeout: Duration,
    /// `SINGLE_ISSUER`: only the thread that made the ring may use it.
    not_send: PhantomData<*const ()>,
}

impl Ring {
    /// Sets up a ring for the calling thread. Fails with a way to mend it where the kernel, a
    /// container or a limit stands against it; see also [`super::super::check`].
    pub(crate) fn new(config: RingConfig) -> Result<Ring, TransportError> {
        let mut kernel = Kernel::new(config.entries)?;
        let provided = ProvidedBuffers::new(&kernel, config.provided_buffers)?;
        let event = EventCounter::new().map_err(|source| TransportError::Setup {
            step: "eventfd",
            source,
            mend: "raise the limit of open files (ulimit -n)",
        })?;
        let (wake, wake_read) = (WakeSource::new(event), CounterRead::default());
        // SAFETY: the entry points into the box of `wake_read`, which the ring keeps until it is drained.
        unsafe { kernel.push(wake_read.entry(wake.bell())) };
        Ok(Ring {
            kernel,
            provided,
            links: Slab::new(),
            acceptors: Slab::new(),
            wake,
            wake_read,
            sink: Sink::default(),
            starved: VecDeque::new(),
            ready: Vec::new(),
            orphans: Transmit::new(),
            reaped: Vec::new(),
            generation: 0,
            close_timeout: config.close_timeout,
            not_send: PhantomData,
        })
    }

    // ---- listening and dialing --------------------------------------------------------------

    /// Accepts connections from `listener`, beside others, until [`Ring::stop_listening`].
    pub(crate) fn listen(&mut self, listener: Listener) -> Result<(), TransportError> {
        let socket = listener.socket();
        socket
            .set_nonblocking(false)
            .map_err(|source| TransportError::Setup {
                step: "listen",
                source,
                mend: "give a listening socket",
            })?;
        let place = self.acceptors.vacant_key();
        let acceptor = Acceptor::new(place, listener, ACCEPT_PAUSE);
        self.acceptors.insert(acceptor);
        self.settle_acceptor(place);
        Ok(())
    }

    /// Accepts no more and closes all listeners, in one of the next turns. Connections in their
    /// backlogs are reset.
    pub(crate) fn stop_listening(&mut self) {
        let places: Vec<_> = self.acceptors.iter().map(|(place, _)| place).collect();
        for place in places {
            self.acceptors[place].stop();
            self.settle_acceptor(place);
        }
    }

    /// Connects to `remote` within `timeout`; answered by `Connected` or `DialFailed`. `dial` must
    /// not name another dial in progress.
    pub(crate) fn dial(&mut self, dial: DialId, remote: RemoteAddr, timeout: Duration) {
        let (socket, address) = match options::socket_to(&remote) {
            Ok(made) if self.links.len() < LINKS_MAX => made,
            Ok(_) => {
                return self.refuse_dial(dial, "the ring holds no more links");
            }
            Err(error) => return self.refuse_dial(dial, error),
        };
        let generation = self.next_generation();
        let link = RingSocket::dialing(socket, (remote, address), generation, dial, timeout);
        let index = self.links.insert(link);
        let entry = self.links[index].connect_entry();
        self.start(index, Kind::Connect, entry);
        self.settle(index);
    }

    /// Forgets a dial. Nothing is reported about it any more; a socket that connects all the same
    /// is closed. Unknown dials are ignored, and so are those whose `Connected` was handed out: then
    /// the link is the caller's to close.
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
            self.close_index(index);
        }
    }

    fn refuse_dial(&mut self, dial: DialId, error: impl ToString) {
        let error = NetworkError::Io {
            operation: "connect",
            message: error.to_string(),
        };
        self.ready.push(Completion::DialFailed { dial, error });
    }

    // ---- links ------------------------------------------------------------------------------

    /// Takes over a connected socket, for example from another shard's [`Ring::release`]. The link
    /// starts paused. Panics beyond 16 million links.
    pub(crate) fn adopt(&mut self, socket: OwnedFd, remote: RemoteAddr) -> LinkId {
        assert!(
            self.links.len() < LINKS_MAX,
            "the index of a link has 24 bits"
        );
        let socket = Socket::from(socket);
        // What fails here fails again, and is reported, at the link's first read or write.
        let _ = socket::prepare(&socket, &remote);
        let generation = self.next_generation();
        let index = self
            .links
            .insert(RingSocket::adopted(socket, remote, generation));
        link_id::link_id(index, generation)
    }

    /// Gives up a paused link so that another ring can adopt it. `None` if the link is unknown or
    /// broken, or something is still in flight: then ask again after the next turn.
    pub(crate) fn release(&mut self, link: LinkId) -> Option<(OwnedFd, RemoteAddr)> {
        let index = self.find(link)?;
        if self.links[index].phase() != Phase::Open || !self.links[index].is_quiet() {
            return None;
        }
        let (socket, remote) = self.links.remove(index).into_socket();
        Some((OwnedFd::from(socket), remote))
    }

    /// Changes how a link is read. After `Once`, bytes come at most once, unless the link streamed
    /// just before; after `Pause`, what was under way still comes. Unknown links are ignored.
    pub(crate) fn read(&mut self, link: LinkId, mode: ReadMode) {
        if let Some(index) = self.find(link) {
            self.links[index].set_mode(mode);
            self.settle(index);
        }
    }

    /// Writes all `buffers`, in order; answered by `Sent`, or by `Closed` if the link fails first.
    /// Panics if a transmit of this link is in flight. On a link that is unknown or broken the
    /// buffers return to the pool unsent.
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
        self.start_send(index);
    }

    /// Closes a link: nothing is reported about it from now on. A link in use still ends its write
    /// and waits for the remote's end, both within the configured time, so that the remote can read
    /// all that was written; a broken one is gone at once. Unknown links are ignored.
    pub(crate) fn close(&mut self, link: LinkId) {
        if let Some(index) = self.find(link) {
            self.close_index(index);
        }
    }

    /// Links of any state, those being closed included.
    #[cfg(test)]
    pub(crate) fn link_count(&self) -> usize {
        self.links.len()
    }

    /// Whether links that were closed are not gone yet. Looks at all links: meant for the end.
    pub(crate) fn is_closing(&self) -> bool {
        self.links.iter().any(|(_, link)| link.is_ending())
    }

    /// System calls that this ring has made since it was set up: `io_uring_enter`, whatever the
    /// number of operations each carried.
    pub(crate) fn system_calls(&self) -> u64 {
        self.kernel.enters()
    }

    /// Those of them that the kernel refused for want of memory or room, and that were made again.
    pub(crate) fn refused_system_calls(&self) -> u64 {
        self.kernel.refused()
    }

    // ---- turning ----------------------------------------------------------------------------

    /// A handle that ends this ring's sleep from any thread.
    pub(crate) fn waker(&self) -> Waker {
        self.wake.waker()
    }

    /// Whether a turn would find something at once. Makes no system call: meant for spinning.
    pub(crate) fn has_pending(&mut self) -> bool {
        !self.ready.is_empty() || self.wake.is_notified() || self.kernel.has_pending()
    }

    /// Submits what was queued, sleeps if allowed and if there is nothing to report, and appends
    /// what happened to `out`. Receive buffers are taken from `pool`; always give the same.
    ///
    /// An error means that the kernel takes no more work: drop the ring.
    pub(crate) fn turn(
        &mut self,
        pool: &mut BufferPool,
        wait: Wait,
        out: &mut Vec<Completion>,
    ) -> Result<(), TransportError> {
        self.orphans
            .drain(..)
            .for_each(|buffer| pool.give_back_send(buffer));
        if self.starved.len() > 1 {
            self.provided.widen();
        }
        self.provided.refill(pool);
        self.feed_starved();
        if self.enter(wait)? {
            self.ready.push(Completion::Woken);
        }
        let mut reaped = std::mem::take(&mut self.reaped);
        self.kernel.reap(&mut reaped);
        for entry in reaped.drain(..) {
            self.dispatch(entry, pool);
        }
        self.reaped = reaped;
        out.append(&mut self.ready);
        Ok(())
    }

    /// One `io_uring_enter`; returns whether a waker was used.
    fn enter(&mut self, wait: Wait) -> Result<bool, TransportError> {
        let wait = match wait {
            Wait::Until(wait) if self.ready.is_empty() && !wait.is_zero() => wait,
            _ => {
                self.kernel.enter(None)?;
                return Ok(self.wake.take());
            }
        };
        if !self.wake.fall_asleep() {
            self.kernel.enter(None)?;
            return Ok(self.wake.take());
        }
        let wait = if self.starved.is_empty() {
            wait
        } else {
            wait.min(STARVED_WAIT)
        };
        let entered = self.kernel.enter(Some(wait));
        let notified = self.wake.stand_up();
        entered.map(|()| notified)
    }

    /// Arms links that wait for a receive buffer, as many as there are buffers.
    fn feed_starved(&mut self) {
        let available = self.provided.available();
        for _ in 0..available.min(self.starved.len()) {
            let Some(index) = self.starved.pop_front().and_then(|link| self.find(link)) else {
                continue;
            };
            self.links[index].feed();
            self.settle(index);
        }
    }

    // ---- within -----------------------------------------------------------------------------

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

    pub(super) fn close_index(&mut self, index: usize) {
        self.links[index].begin_close(self.close_timeout);
        self.settle(index);
    }

    pub(super) fn start_send(&mut self, index: usize) {
        let entry = self.links[index].send_entry();
        self.start(index, Kind::Send, entry);
    }

    /// Carries out what the link wants next, until it wants nothing.
    pub(super) fn settle(&mut self, index: usize) {
        while let Some(action) = self.links[index].next_action() {
            match action {
                Action::Receive { multi } => {
                    let entry = self.links[index].receive_entry(multi);
                    self.start(index, Kind::Receive, entry);
                }
                Action::Discard => {
                    let entry = self.links[index].discard_entry(&mut self.sink);
                    self.start(index, Kind::Receive, entry);
                }
                Action::ShutDown => self.links[index].shut_down(),
                Action::StartDeadline => {
                    let entry = self.links[index].deadline_entry();
                    self.start(index, Kind::Deadline, entry);
                }
                Action::Cancel(target) => {
                    let target = Token::of_link(kind_of(target), self.id_of(index));
                    self.start(index, Kind::Cancel, cancel_entry(target));
                }
                Action::Free => {
                    // Dropping the socket closes it: no operation refers to it any more.
                    drop(self.links.remove(index).into_socket());
                    return;
                }
            }
        }
    }

    fn start(&mut self, index: usize, kind: Kind, entry: io_uring::squeue::Entry) {
        let token = Token::of_link(kind, self.id_of(index));
        // SAFETY: entries of a link point to boxed memory of that link and name its descriptor.
        // The link is freed only when quiet, and a ring that cannot be drained leaks its links.
        // Received bytes go to `provided`, of which the same holds.
        unsafe { self.kernel.push(entry.user_data(token.pack())) };
    }

    pub(super) fn settle_acceptor(&mut self, place: usize) {
        while let Some(acceptor) = self.acceptors.get_mut(place) {
            let Some(action) = acceptor.next_action() else {
                return;
            };
            if action == acceptor::Action::Free {
                self.acceptors.remove(place);
                return;
            }
            if let Some(entry) = acceptor.entry(action) {
                // SAFETY: the entry points to boxed memory of the acceptor and names its listener;
                // both are dropped only at `Free`, when nothing is in flight.
                unsafe { self.kernel.push(entry) };
            }
        }
    }
}

/// The kind of operation to cancel.
fn kind_of(target: Target) -> Kind {
    match target {
        Target::Receive => Kind::Receive,
        Target::Send => Kind::Send,
        Target::Connect => Kind::Connect,
        Target::Deadline => Kind::Deadline,
    }
}
