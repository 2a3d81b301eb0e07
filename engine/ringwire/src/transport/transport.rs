//! What moves the bytes of a shard, whichever way this machine lets it.
//!
//! The ways are told and asked the same and report the same; only here it is decided which one hears
//! it. An enum and no trait object: a shard has one way for life, so the branch costs nothing.

use std::task::Waker;
use std::time::Duration;

use ringwire_core::buffer::BufferPool;
use ringwire_core::peer::RemoteAddr;
use ringwire_core::switch::io::{DialId, LinkId, ReadMode, Transmit};

use super::carried::Carried;
use super::completion::{Completion, Wait};
use super::error::TransportError;
use super::listener::Entrance;
#[cfg(feature = "testing")]
use super::memory::{Hub, Memory};
use super::readiness::{Readiness, ReadinessConfig};
#[cfg(target_os = "linux")]
use super::ring::{Ring, RingConfig};
use super::way::Way;

/// The sockets of one shard. They belong to the thread that made them.
///
/// Calls queue what they ask for; [`Transport::turn`] has it done and tells what happened.
#[allow(
    clippy::large_enum_variant,
    reason = "a shard has one, for life; a box would be a look-up per call"
)]
pub(crate) enum Transport {
    /// Operations that the kernel carries out and reports: [`super::ring`].
    #[cfg(target_os = "linux")]
    Ring(Ring),
    /// Calls on sockets that the system says are ready: [`super::readiness`].
    Readiness(Readiness),
    /// Bytes in the memory of the process: [`super::memory`].
    #[cfg(feature = "testing")]
    Memory(Memory),
}

/// Calls a method of the way that this transport is.
macro_rules! each {
    ($transport:ident.$($call:tt)+) => {
        match $transport {
            #[cfg(target_os = "linux")]
            Transport::Ring(ring) => ring.$($call)+,
            Transport::Readiness(readiness) => readiness.$($call)+,
            #[cfg(feature = "testing")]
            Transport::Memory(memory) => memory.$($call)+,
        }
    };
}

impl Transport {
    /// Sets up a transport for the calling thread.
    ///
    /// # Errors
    /// The kernel, a container or a limit stands against it; the error says how to mend that.
    pub(crate) fn new(way: Way) -> Result<Transport, TransportError> {
        match way {
            #[cfg(target_os = "linux")]
            Way::IoUring => Ring::new(RingConfig::default()).map(Transport::Ring),
            #[cfg(not(target_os = "linux"))]
            Way::IoUring => Err(TransportError::Setup {
                step: "only Linux has it",
                source: std::io::ErrorKind::Unsupported.into(),
                mend: "set transport = \"auto\"",
            }),
            Way::Readiness => Readiness::new(ReadinessConfig::default()).map(Transport::Readiness),
        }
    }

    /// A transport in a network in memory.
    #[cfg(feature = "testing")]
    pub(crate) fn in_memory(hub: Hub) -> Transport {
        Transport::Memory(Memory::new(hub))
    }

    // ---- listening and dialing --------------------------------------------------------------

    /// Accepts connections from `listener`, beside others, until [`Transport::stop_listening`].
    pub(crate) fn listen(&mut self, listener: Entrance) -> Result<(), TransportError> {
        match (self, listener) {
            #[cfg(target_os = "linux")]
            (Transport::Ring(ring), Entrance::Socket(listener)) => ring.listen(listener),
            (Transport::Readiness(readiness), Entrance::Socket(listener)) => {
                readiness.listen(listener)
            }
            #[cfg(feature = "testing")]
            (Transport::Memory(memory), Entrance::Memory(listener)) => {
                memory.listen(listener);
                Ok(())
            }
            #[cfg(feature = "testing")]
            _ => unreachable!("an engine listens the way it moves bytes"),
        }
    }

    /// Accepts no more and closes all listeners, in one of the next turns. Connections in their
    /// backlogs are reset.
    pub(crate) fn stop_listening(&mut self) {
        each!(self.stop_listening());
    }

    /// Connects to `remote` within `timeout`; answered by `Connected` or `DialFailed`. `dial` must
    /// not name another dial in progress.
    pub(crate) fn dial(&mut self, dial: DialId, remote: RemoteAddr, timeout: Duration) {
        each!(self.dial(dial, remote, timeout));
    }

    /// Forgets a dial. Nothing is reported about it any more; a socket that connects all the same
    /// is closed. Unknown dials are ignored, and so are those whose `Connected` was handed out: then
    /// the link is the caller's to close.
    pub(crate) fn cancel_dial(&mut self, dial: DialId) {
        each!(self.cancel_dial(dial));
    }

    // ---- links ------------------------------------------------------------------------------

    /// Takes over a connection, for example from another shard's [`Transport::release`]. The
    /// link starts paused. Panics beyond 16 million links.
    pub(crate) fn adopt(&mut self, carried: Carried, remote: RemoteAddr) -> LinkId {
        match self {
            #[cfg(target_os = "linux")]
            Transport::Ring(ring) => ring.adopt(carried.into_socket(), remote),
            Transport::Readiness(readiness) => readiness.adopt(carried.into_socket(), remote),
            #[cfg(feature = "testing")]
            Transport::Memory(memory) => match carried {
                Carried::Memory(end) => memory.adopt(end, remote),
                Carried::Socket(_) => unreachable!("all shards of an engine move bytes one way"),
            },
        }
    }

    /// Gives up a paused link so that another transport can adopt it. `None` if the link is unknown
    /// or broken, or something is still in flight: then ask again after the next turn.
    pub(crate) fn release(&mut self, link: LinkId) -> Option<(Carried, RemoteAddr)> {
        match self {
            #[cfg(target_os = "linux")]
            Transport::Ring(ring) => {
                let (socket, remote) = ring.release(link)?;
                Some((socket.into(), remote))
            }
            Transport::Readiness(readiness) => {
                let (socket, remote) = readiness.release(link)?;
                Some((socket.into(), remote))
            }
            #[cfg(feature = "testing")]
            Transport::Memory(memory) => {
                let (end, remote) = memory.release(link)?;
                Some((Carried::Memory(end), remote))
            }
        }
    }

    /// Changes how a link is read. After `Once`, bytes come at most once, unless the link streamed
    /// just before; after `Pause`, what was under way still comes. Unknown links are ignored.
    pub(crate) fn read(&mut self, link: LinkId, mode: ReadMode) {
        each!(self.read(link, mode));
    }

    /// Writes all `buffers`, in order; answered by `Sent`, or by `Closed` if the link fails first.
    /// Panics if a transmit of this link is in flight. On a link that is unknown or broken the
    /// buffers return to the pool unsent.
    pub(crate) fn transmit(&mut self, link: LinkId, buffers: Transmit) {
        each!(self.transmit(link, buffers));
    }

    /// Closes a link: nothing is reported about it from now on. A link in use still ends its write
    /// and waits for the remote's end, both within a time limit, so that the remote can read all that
    /// was written; a broken one is gone at once. Unknown links are ignored.
    pub(crate) fn close(&mut self, link: LinkId) {
        each!(self.close(link));
    }

    /// Links of any state, those being closed included.
    #[cfg(test)]
    pub(crate) fn link_count(&self) -> usize {
        each!(self.link_count())
    }

    /// Whether links that were closed are not gone yet. Looks at all links: meant for the end.
    pub(crate) fn is_closing(&self) -> bool {
        each!(self.is_closing())
    }

    /// System calls made so far to move bytes and to wait.
    pub(crate) fn system_calls(&self) -> u64 {
        match self {
            #[cfg(target_os = "linux")]
            Transport::Ring(ring) => ring.system_calls(),
            Transport::Readiness(readiness) => readiness.system_calls(),
            #[cfg(feature = "testing")]
            Transport::Memory(_) => 0,
        }
    }

    /// Those of them that the kernel refused for want of memory or room, and that were made again.
    pub(crate) fn refused_system_calls(&self) -> u64 {
        match self {
            #[cfg(target_os = "linux")]
            Transport::Ring(ring) => ring.refused_system_calls(),
            // A read or write that would block is no refusal.
            Transport::Readiness(_) => 0,
            #[cfg(feature = "testing")]
            Transport::Memory(_) => 0,
        }
    }

    // ---- turning ----------------------------------------------------------------------------

    /// A handle that makes the current or next turn end soon and report `Woken`, from any thread. It
    /// is used after what the driver shall find is in its inbox. Waking several times before a turn is
    /// waking once; it is harmless after the transport is gone.
    pub(crate) fn waker(&self) -> Waker {
        each!(self.waker())
    }

    /// Whether a turn would find something at once. Meant for spinning.
    pub(crate) fn has_pending(&mut self) -> bool {
        each!(self.has_pending())
    }

    /// Does what was queued, sleeps if allowed and if there is nothing to report, and appends what
    /// happened to `out`. Receive buffers are taken from `pool`; always give the same.
    ///
    /// An error means that the kernel takes no more work: drop the transport.
    pub(crate) fn turn(
        &mut self,
        pool: &mut BufferPool,
        wait: Wait,
        out: &mut Vec<Completion>,
    ) -> Result<(), TransportError> {
        each!(self.turn(pool, wait, out))
    }
}
