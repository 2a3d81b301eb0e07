//! What all shards of an engine and its handles share: identity, mailboxes, directory, life and death.
//!
//! ```text
//!            shutdown() or a fault          every switch said Stopped         every thread ended
//!  Running ─────────────────────▶ Stopping ─────────────────────▶ leaving ─────────────────▶ Gone
//! ```
//!
//! A shard that has stopped stays until all have: the others may still tell it that a peer is gone.
//! A fault (a panic of the engine, a ring that fails) stops the whole engine: a node without one of
//! its shards would keep promises it cannot hold.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringwire_codec::{ChannelId, NodeId};
use ringwire_core::config::ListenAddr;
use ringwire_core::peer::ShardId;
use ringwire_core::reactor::ChannelDescriptor;
use ringwire_core::switch::Command;
use ringwire_sync::ShardWaker;

use crate::shard::clock::Clock;
use crate::shard::directory::Directory;
use crate::shard::error::ShardFault;
use crate::shard::refusal_log::RefusalLog;
use crate::shard::request::{Control, Mailbox, new_mailbox};

/// Time the healthy shards get for goodbyes when another one failed.
const FAULT_WITHIN: Duration = Duration::from_secs(1);

/// What shards and handles share.
#[derive(Debug)]
pub(crate) struct Node {
    /// Number of the engine within the process; names its threads and log lines.
    pub(crate) number: u64,
    /// Who we are.
    pub(crate) id: NodeId,
    /// Where we listen, with the ports that the kernel chose.
    pub(crate) listen_addrs: Vec<ListenAddr>,
    /// The engine's clock.
    pub(crate) clock: Clock,
    /// Known as soon as the reactors of the first shard exist, so before the engine has started.
    channels: OnceLock<Vec<ChannelDescriptor>>,
    /// One mailbox per shard.
    pub(crate) mailboxes: Vec<Arc<Mailbox>>,
    /// Who is connected.
    pub(crate) directory: Directory,
    /// Who was refused and not told of yet.
    pub(crate) refusals: RefusalLog,
    is_stopping: AtomicBool,
    /// By shard: its switch has nothing more to do, or never will.
    stopped: Box<[AtomicBool]>,
    /// A bit per channel that was told to be held back: for want of a subscriber, and by one that
    /// takes nothing.
    held_back: [[AtomicU64; 4]; 2],
    exits: Mutex<Exits>,
    exited: Condvar,
}

#[derive(Debug, Default)]
struct Exits {
    gone: usize,
    faults: Vec<ShardFault>,
    threads: Vec<JoinHandle<()>>,
}

/// How an engine came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Shards that failed.
    pub(crate) faults: Vec<ShardFault>,
    /// Shards that had not ended in time.
    pub(crate) hung: usize,
}

impl Node {
    /// A node whose shards are about to start.
    pub(crate) fn new(number: u64, id: NodeId, listen_addrs: Vec<ListenAddr>, shards: u16) -> Self {
        Node {
            number,
            id,
            listen_addrs,
            clock: Clock::new(),
            channels: OnceLock::new(),
            mailboxes: (0..shards).map(|_| Arc::new(new_mailbox())).collect(),
            directory: Directory::new(),
            refusals: RefusalLog::default(),
            is_stopping: AtomicBool::new(false),
            stopped: (0..shards).map(|_| AtomicBool::new(false)).collect(),
            held_back: Default::default(),
            exits: Mutex::default(),
            exited: Condvar::new(),
        }
    }

    /// All channels of the node, whether of reactors or of the application.
    pub(crate) fn channels(&self) -> &[ChannelDescriptor] {
        self.channels.get().map_or(&[], Vec::as_slice)
    }

    /// Each shard tells its channels; they are the same on all of them.
    pub(crate) fn set_channels(&self, channels: Vec<ChannelDescriptor>) {
        let _ = self.channels.set(channels);
    }

    /// The declaration of a channel.
    pub(crate) fn channel(&self, id: ChannelId) -> Option<&ChannelDescriptor> {
        self.channels().iter().find(|channel| channel.id == id)
    }

    /// Shards of the node.
    pub(crate) fn shard_count(&self) -> u16 {
        u16::try_from(self.mailboxes.len()).expect("made from a u16")
    }

    /// A shard's mailbox.
    pub(crate) fn mailbox(&self, shard: ShardId) -> &Arc<Mailbox> {
        &self.mailboxes[usize::from(shard.0)]
    }

    /// How each shard is woken.
    pub(crate) fn shard_wakers(&self) -> impl Iterator<Item = &Arc<ShardWaker>> {
        self.mailboxes.iter().map(|mailbox| mailbox.waker())
    }

    /// Whether the end has begun.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Whether every switch has stopped, so that the shards may leave.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
            .iter()
            .all(|stopped| stopped.load(Ordering::Acquire))
    }

    /// Tells all shards to stop. Only the first call counts.
    pub(crate) fn stop(&self, within: Duration) {
        if self.is_stopping.swap(true, Ordering::AcqRel) {
            return;
        }
        for mailbox in &self.mailboxes {
            mailbox.ask(Control::Command(Command::Shutdown { within }, None));
        }
    }

    // ---- told by the shards -------------------------------------------------------------------

    /// Whether no shard has told before that a channel holds peers back, for this reason.
    pub(crate) fn is_first_held_back(&self, channel: ChannelId, has_subscriber: bool) -> bool {
        let words = &self.held_back[usize::from(has_subscriber)];
        let bit = 1 << (channel.0 % 64);
        words[usize::from(channel.0 / 64)].fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// A shard's switch has nothing more to do. Told once or twice (a shard that fails after it had
    /// stopped), it counts once: else the others would leave before their peers have had their
    /// goodbyes.
    pub(crate) fn handle_stopped(&self, shard: ShardId) {
        self.stopped[usize::from(shard.0)].store(true, Ordering::Release);
        self.mailboxes.iter().for_each(|mailbox| mailbox.wake());
    }

    /// A shard's thread ends, well or with a fault.
    pub(crate) fn handle_gone(&self, shard: ShardId, fault: Option<String>) {
        self.mailbox(shard).close();
        let failed = fault.is_some();
        let mut exits = self.lock();
        exits
            .faults
            .extend(fault.map(|message| ShardFault { shard, message }));
        exits.gone += 1;
        drop(exits);
        self.exited.notify_all();
        if failed {
            self.handle_stopped(shard);
            self.stop(FAULT_WITHIN);
        }
        self.directory.close();
    }

    // ---- the threads --------------------------------------------------------------------------

    /// Keeps a shard's thread to be joined.
    pub(crate) fn keep_thread(&self, thread: JoinHandle<()>) {
        self.lock().threads.push(thread);
    }

    /// Waits until all shards are gone and joins their threads. After `deadline` the rest is left
    /// to itself: a reactor that never returns cannot be stopped.
    pub(crate) fn join(&self, deadline: Instant) -> Ending {
        let shards = self.mailboxes.len();
        let mut exits = self.lock();
        while exits.gone < shards {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.exited.wait_timeout(exits, left);
            exits = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let ending = Ending {
            faults: exits.faults.clone(),
            hung: shards - exits.gone,
        };
        if ending.hung == 0 {
            // Their last act is behind them, so this waits for the end of the thread alone. It is
            // done under the lock: whoever asks at the same time returns after the join as well.
            for thread in exits.threads.drain(..) {
                // A panic was caught and noted inside of the thread.
                let _ = thread.join();
            }
        }
        ending
    }

    fn lock(&self) -> MutexGuard<'_, Exits> {
        // Lists and counts are changed in single steps: a panic cannot leave them half done.
        self.exits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_fails_after_it_has_stopped_counts_once() {
        let node = Node::new(0, NodeId::from_bytes([0; 20]), Vec::new(), 2);
        node.handle_stopped(ShardId(1));
        node.handle_gone(ShardId(1), Some(String::from("its ring failed")));
        assert!(!node.is_stopped(), "the other shard has yet to stop");
        node.handle_stopped(ShardId(0));
        assert!(node.is_stopped());
    }
}
