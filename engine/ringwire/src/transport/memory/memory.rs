//! The transport in memory: what it can be told, and its turn.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use ringwire_core::buffer::pool::{RECV_BYTES, RECV_HEADROOM};
use ringwire_core::buffer::{BufferPool, Chunk};
use ringwire_core::error::NetworkError;
use ringwire_core::peer::RemoteAddr;
use ringwire_core::switch::io::{DialId, LinkId, ReadMode, Transmit};
use slab::Slab;

use super::super::completion::{Completion, Wait, give_back, io_error};
use super::super::error::TransportError;
use super::super::link_id::{self, LINKS_MAX};
use super::super::waker::WakeSource;
use super::end::End;
use super::hub::{Hub, MemoryListener};
use super::inbox::{Alarm, Arrival, Inbox};
use super::lane::{Over, Read};
use super::link::{Link, Phase};
use super::notify::{Notify, Stirred};

/// How long a closed link may still take to end its write.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Links read in one turn at most: each takes a chunk of the pool, however little has come.
const READS_PER_TURN: usize = 64;
/// How often a transport whose links wait for receive buffers looks whether the pool has some again.
const STARVED_WAIT: Duration = Duration::from_millis(2);

/// The connections of one shard. See [the module](super).
pub(crate) struct Memory {
    /// Where dials go.
    hub: Hub,
    /// From where they seem to come.
    ip: IpAddr,
    inbox: Arc<Inbox>,
    told: Arc<Stirred>,
    wake: WakeSource<Alarm>,
    listeners: Vec<MemoryListener>,
    links: Slab<Link>,
    /// Links to look at: they were stirred, or are wanted something of.
    stirred: VecDeque<LinkId>,
    /// Closed links that still write, and until when.
    closing: Vec<(LinkId, Instant)>,
    is_starved: bool,
    /// What the next turn reports first.
    ready: Vec<Completion>,
    /// Buffers of transmits that came too late for their link.
    orphans: Transmit,
    generation: u32,
}

impl Memory {
    /// A transport in the network of `hub`.
    pub(crate) fn new(hub: Hub) -> Memory {
        let wake = WakeSource::new(Alarm::default());
        Memory {
            hub,
            ip: Ipv4Addr::LOCALHOST.into(),
            inbox: Arc::new(Inbox::new(wake.waker())),
            told: Arc::new(Stirred::new(wake.waker())),
            wake,
            listeners: Vec::new(),
            links: Slab::new(),
            stirred: VecDeque::new(),
            closing: Vec::new(),
            is_starved: false,
            ready: Vec::new(),
            orphans: Transmit::new(),
            generation: 0,
        }
    }

    // ---- listening and dialing --------------------------------------------------------------

    /// See [`Transport::listen`](super::super::Transport::listen).
    pub(crate) fn listen(&mut self, listener: MemoryListener) {
        self.ip = listener.address().ip();
        listener.open(Arc::clone(&self.inbox));
        self.listeners.push(listener);
    }

    /// See [`Transport::stop_listening`](super::super::Transport::stop_listening).
    pub(crate) fn stop_listening(&mut self) {
        self.listeners.clear();
    }

    /// See [`Transport::dial`](super::super::Transport::dial). It connects at once or never.
    pub(crate) fn dial(&mut self, dial: DialId, remote: RemoteAddr, _: Duration) {
        let made = match remote.socket_addr() {
            Some(at) => self.hub.connect(self.ip, at),
            None => Err(std::io::ErrorKind::Unsupported.into()),
        };
        let completion = match made {
            Ok(end) => Completion::Connected {
                dial,
                link: self.insert(end, remote.clone()),
                remote,
            },
            Err(error) => Completion::DialFailed {
                dial,
                error: io_error("connect", &error),
            },
        };
        self.ready.push(completion);
    }

    /// See [`Transport::cancel_dial`](super::super::Transport::cancel_dial).
    pub(crate) fn cancel_dial(&mut self, cancelled: DialId) {
        let mut connected = None;
        self.ready.retain(|completion| match completion {
            Completion::DialFailed { dial, .. } => *dial != cancelled,
            Completion::Connected { dial, link, .. } if *dial == cancelled => {
                connected = Some(*link);
                false
            }
            _ => true,
        });
        if let Some(index) = connected.and_then(|link| self.find(link)) {
            self.remove(index);
        }
    }

    // ---- links ------------------------------------------------------------------------------

    /// See [`Transport::adopt`](super::super::Transport::adopt).
    pub(crate) fn adopt(&mut self, end: End, remote: RemoteAddr) -> LinkId {
        self.insert(end, remote)
    }

    /// See [`Transport::release`](super::super::Transport::release).
    pub(crate) fn release(&mut self, link: LinkId) -> Option<(End, RemoteAddr)> {
        let index = self.find(link)?;
        if !self.links[index].can_leave() {
            return None;
        }
        let (end, remote, _) = self.links.remove(index).into_parts();
        Some((end, remote))
    }

    /// See [`Transport::read`](super::super::Transport::read).
    pub(crate) fn read(&mut self, link: LinkId, mode: ReadMode) {
        if let Some(index) = self.find(link) {
            self.links[index].set_mode(mode);
            self.stirred.push_back(link);
        }
    }

    /// See [`Transport::transmit`](super::super::Transport::transmit). The next turn writes.
    pub(crate) fn transmit(&mut self, link: LinkId, buffers: Transmit) {
        let open = self
            .find(link)
            .filter(|index| self.links[*index].phase == Phase::Open);
        let Some(index) = open else {
            self.orphans.extend(buffers);
            return;
        };
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            self.ready.push(Completion::Sent { link, buffers });
            return;
        }
        self.links[index].begin_send(buffers);
        self.stirred.push_back(link);
    }

    /// See [`Transport::close`](super::super::Transport::close). What was written stays to be read.
    pub(crate) fn close(&mut self, link: LinkId) {
        let Some(index) = self.find(link) else {
            return;
        };
        match self.links[index].phase {
            Phase::Open if self.links[index].is_writing() => {
                self.links[index].phase = Phase::Finishing;
                self.closing.push((link, Instant::now() + CLOSE_TIMEOUT));
                self.stirred.push_back(link);
            }
            Phase::Finishing => {}
            Phase::Open | Phase::Failed => self.remove(index),
        }
    }

    /// Links of any state, those being closed included.
    #[cfg(test)]
    pub(crate) fn link_count(&self) -> usize {
        self.links.len()
    }

    /// See [`Transport::is_closing`](super::super::Transport::is_closing).
    pub(crate) fn is_closing(&self) -> bool {
        !self.closing.is_empty()
    }

    // ---- turning ----------------------------------------------------------------------------

    /// See [`Transport::waker`](super::super::Transport::waker).
    pub(crate) fn waker(&self) -> Waker {
        self.wake.waker()
    }

    /// See [`Transport::has_pending`](super::super::Transport::has_pending).
    pub(crate) fn has_pending(&self) -> bool {
        self.has_known() || self.wake.is_notified()
    }

    /// See [`Transport::turn`](super::super::Transport::turn).
    pub(crate) fn turn(
        &mut self,
        pool: &mut BufferPool,
        wait: Wait,
        out: &mut Vec<Completion>,
    ) -> Result<(), TransportError> {
        give_back(std::mem::take(&mut self.orphans), pool);
        if self.wait(wait) {
            self.ready.push(Completion::Woken);
        }
        self.stirred.extend(self.told.take());
        for Arrival { end, from } in self.inbox.take() {
            // Of a listener that has stopped meanwhile, the connection is dropped.
            if !self.listeners.is_empty() && self.links.len() < LINKS_MAX {
                let remote = RemoteAddr::Ip(from);
                let link = self.insert(end, remote.clone());
                self.ready.push(Completion::Accepted { link, remote });
            }
        }
        self.is_starved = false;
        self.serve(pool);
        self.end_times();
        out.append(&mut self.ready);
        Ok(())
    }

    /// Sleeps if that is allowed and nothing is known; returns whether a waker was used.
    fn wait(&self, wait: Wait) -> bool {
        let sleep = match wait {
            Wait::Until(sleep) if !self.has_known() => self.bounded(sleep),
            _ => Duration::ZERO,
        };
        if sleep.is_zero() || !self.wake.fall_asleep() {
            return self.wake.take();
        }
        self.wake.bell().wait(sleep);
        self.wake.stand_up()
    }

    /// `sleep`, or less if a closed link or a starved one wants it.
    fn bounded(&self, sleep: Duration) -> Duration {
        let until = self.closing.iter().map(|(_, until)| *until).min();
        let sleep = until.map_or(sleep, |at| {
            sleep.min(at.saturating_duration_since(Instant::now()))
        });
        match self.is_starved {
            true => sleep.min(STARVED_WAIT),
            false => sleep,
        }
    }

    fn has_known(&self) -> bool {
        let has_work = !self.stirred.is_empty() && !self.is_starved;
        !self.ready.is_empty() || has_work || self.told.has_some() || self.inbox.has_some()
    }

    /// Looks once at each link that was stirred: writes what it has, reads once.
    fn serve(&mut self, pool: &mut BufferPool) {
        let mut reads = 0;
        for _ in 0..self.stirred.len() {
            let Some(link) = self.stirred.pop_front() else {
                return;
            };
            self.write(link, pool);
            let Some(index) = self.find(link).filter(|it| self.links[*it].wants_read()) else {
                continue;
            };
            if reads == READS_PER_TURN || self.is_starved {
                self.stirred.push_back(link);
                continue;
            }
            reads += 1;
            self.receive(index, pool);
        }
    }

    fn write(&mut self, link: LinkId, pool: &mut BufferPool) {
        let Some(index) = self.find(link).filter(|it| self.links[*it].is_writing()) else {
            return;
        };
        let Some(buffers) = self.links[index].send() else {
            return;
        };
        match self.links[index].phase {
            Phase::Open => self.ready.push(Completion::Sent { link, buffers }),
            Phase::Failed => give_back(buffers, pool),
            Phase::Finishing => {
                give_back(buffers, pool);
                self.remove(index);
            }
        }
    }

    /// Reads once into a chunk of the pool.
    fn receive(&mut self, index: usize, pool: &mut BufferPool) {
        let link = self.id_of(index);
        let Some(mut bytes) = pool.take_chunk() else {
            self.is_starved = true;
            return self.stirred.push_front(link);
        };
        let room = &mut bytes[RECV_HEADROOM..RECV_HEADROOM + RECV_BYTES];
        match self.links[index].receive(room) {
            Read::Bytes(count) => {
                let (start, end) = (RECV_HEADROOM, RECV_HEADROOM + count);
                let chunk = Chunk { bytes, start, end };
                self.ready.push(Completion::Received { link, chunk });
                // There may be more, and nobody tells of what was there before.
                return self.stirred.push_back(link);
            }
            Read::Nothing => {}
            Read::Over(over) => {
                self.links[index].phase = Phase::Failed;
                let error = match over {
                    Over::Done => NetworkError::Eof,
                    Over::Reset => io_error("recv", &std::io::ErrorKind::ConnectionReset.into()),
                };
                self.ready.push(Completion::Closed { link, error });
            }
        }
        pool.give_back_chunk(bytes);
    }

    /// Drops closed links whose time is up.
    fn end_times(&mut self) {
        if self.closing.is_empty() {
            return;
        }
        let now = Instant::now();
        for (link, until) in std::mem::take(&mut self.closing) {
            match self.find(link) {
                Some(index) if until <= now => self.remove(index),
                Some(_) => self.closing.push((link, until)),
                None => {}
            }
        }
    }

    // ---- within -----------------------------------------------------------------------------

    fn insert(&mut self, end: End, remote: RemoteAddr) -> LinkId {
        assert!(
            self.links.len() < LINKS_MAX,
            "the index of a link has 24 bits"
        );
        self.generation = self.generation.wrapping_add(1);
        let index = self.links.insert(Link::new(end, remote, self.generation));
        let link = self.id_of(index);
        let notify = Notify::new(Arc::clone(&self.told), link);
        self.links[index].end().set_owner(notify);
        link
    }

    /// Drops a link, which closes its end.
    fn remove(&mut self, index: usize) {
        let (_end, _, unsent) = self.links.remove(index).into_parts();
        self.orphans.extend(unsent);
    }

    fn find(&self, link: LinkId) -> Option<usize> {
        let index = link_id::index_of(link);
        let found = self.links.get(index)?;
        (found.generation() == link_id::generation_of(link)).then_some(index)
    }

    fn id_of(&self, index: usize) -> LinkId {
        link_id::link_id(index, self.links[index].generation())
    }
}

impl Drop for Memory {
    /// Who dialed it and was not accepted hears that nobody will.
    fn drop(&mut self) {
        self.listeners.clear();
        drop(self.inbox.close());
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
