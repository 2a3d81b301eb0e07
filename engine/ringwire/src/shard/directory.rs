//! The directory of peers that the handle reads: who is connected, on which shard, and how full
//! the queues are.
//!
//! Peers come and go seldom; messages are sent all the time. So readers have snapshots: a change
//! raises the version, a reader keeps the map it has, thread by thread, as long as the version
//! stands. A send takes no lock. What a change copies is not the map but the way to one peer in it
//! (`peer_map` tells how), so a storm of joins costs no more for the snapshots that are kept.
//!
//! Whether a queue has room is the affair of `queue_room`.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use ringwire_codec::NodeId;
use ringwire_sync::wake;

use crate::shard::peer_map::PeerMap;
use crate::shard::queue_room::PeerEntry;

/// Directories whose snapshot one thread keeps. A thread that sends through more engines than this
/// takes the lock now and then.
const CACHED_MAX: usize = 4;

static NEXT_DIRECTORY: AtomicU64 = AtomicU64::new(0);

struct Cached {
    directory: u64,
    version: u64,
    peers: PeerMap,
}

thread_local! {
    static CACHED: RefCell<Vec<Cached>> = const { RefCell::new(Vec::new()) };
}

/// The peers of a node, all shards together.
#[derive(Debug)]
pub(crate) struct Directory {
    number: u64,
    version: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    peers: PeerMap,
    waiting: Vec<Waker>,
}

impl Directory {
    /// Nobody is connected.
    pub(crate) fn new() -> Self {
        Directory {
            number: NEXT_DIRECTORY.fetch_add(1, Ordering::Relaxed),
            version: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// The entry of a connected peer.
    pub(crate) fn find(&self, peer: NodeId) -> Option<Arc<PeerEntry>> {
        self.with(|peers| peers.get(&peer).cloned())
    }

    /// All entries, by id.
    pub(crate) fn entries(&self) -> Vec<Arc<PeerEntry>> {
        self.with(PeerMap::entries)
    }

    /// How many peers are connected.
    pub(crate) fn len(&self) -> usize {
        self.with(PeerMap::len)
    }

    /// A place among those who wait for a change.
    pub(crate) fn watch(&self) -> Watch<'_> {
        Watch {
            directory: self,
            waker: None,
        }
    }

    /// A peer was admitted.
    pub(crate) fn add(&self, entry: Arc<PeerEntry>) {
        self.change(|peers| peers.insert(entry));
    }

    /// A peer is gone; a newer connection of the same id stays.
    pub(crate) fn remove(&self, entry: &Arc<PeerEntry>) {
        self.change(|peers| peers.remove(entry));
    }

    /// Wakes all who wait, because nothing will change any more.
    pub(crate) fn close(&self) {
        self.change(|_| {});
    }

    fn change(&self, change: impl FnOnce(&mut PeerMap)) {
        let mut state = self.lock();
        change(&mut state.peers);
        self.version.fetch_add(1, Ordering::Release);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(wake);
    }

    /// Looks at the snapshot this thread keeps, after renewing it if it is stale.
    fn with<R>(&self, look: impl FnOnce(&PeerMap) -> R) -> R {
        let version = self.version.load(Ordering::Acquire);
        CACHED.with_borrow_mut(|cached| {
            let found = cached
                .iter()
                .position(|entry| entry.directory == self.number);
            if let Some(at) = found.filter(|at| cached[*at].version == version) {
                return look(&cached[at].peers);
            }
            let at = found.unwrap_or_else(|| {
                cached.truncate(CACHED_MAX - 1);
                cached.insert(
                    0,
                    Cached {
                        directory: 0,
                        version: 0,
                        peers: PeerMap::default(),
                    },
                );
                0
            });
            cached[at] = self.snapshot();
            look(&cached[at].peers)
        })
    }

    fn snapshot(&self) -> Cached {
        let state = self.lock();
        let version = self.version.load(Ordering::Acquire);
        Cached {
            directory: self.number,
            version,
            peers: state.peers.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held: a change only moves references.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for peers to come or go; forgotten when dropped, so that a wait which ends
/// without a change leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    directory: &'a Directory,
    waker: Option<Waker>,
}

impl Watch<'_> {
    /// Has `waker` woken at the next change. Look again after this call.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        let mut state = self.directory.lock();
        if let Some(former) = self.waker.replace(waker.clone()) {
            state.forget(&former);
        }
        state.waiting.push(waker.clone());
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(waker) = &self.waker {
            self.directory.lock().forget(waker);
        }
    }
}

impl State {
    /// Forgets one who waits; it may have been woken and forgotten already.
    fn forget(&mut self, waker: &Waker) {
        let found = self.waiting.iter().position(|one| one.will_wake(waker));
        found.map(|at| self.waiting.swap_remove(at));
    }
}

#[cfg(test)]
mod tests {
    use ringwire_codec::NodeKey;

    use super::*;
    use crate::shard::queue_room::tests::entry_of;

    fn entry(seed: u8, index: u32) -> Arc<PeerEntry> {
        entry_of(NodeKey::from_seed([seed; 32]).id(), index)
    }

    #[test]
    fn a_reader_sees_each_change_although_it_keeps_a_snapshot() {
        let directory = Directory::new();
        let peer = entry(1, 0);
        assert!(directory.find(peer.info().id).is_none());
        directory.add(peer.clone());
        assert!(directory.find(peer.info().id).is_some());
        directory.remove(&peer);
        assert_eq!(directory.len(), 0);
    }

    #[test]
    fn a_wait_that_ends_without_a_change_leaves_nothing_behind() {
        let directory = Directory::new();
        for _ in 0..3 {
            let mut watch = directory.watch();
            watch.wait(Waker::noop());
            watch.wait(Waker::noop());
            assert_eq!(directory.lock().waiting.len(), 1);
        }
        assert!(directory.lock().waiting.is_empty());
    }

    #[test]
    fn the_removal_of_a_former_connection_leaves_the_newer_one() {
        let directory = Directory::new();
        let (former, newer) = (entry(1, 0), entry(1, 1));
        directory.add(former.clone());
        directory.add(newer.clone());
        directory.remove(&former);
        let found = directory
            .find(newer.info().id)
            .expect("the newer connection");
        assert!(Arc::ptr_eq(&found, &newer));
    }

    #[test]
    fn a_thread_that_reads_more_directories_than_it_keeps_still_reads_right() {
        let directories: Vec<_> = (0..CACHED_MAX + 3).map(|_| Directory::new()).collect();
        for (seed, directory) in (1..).zip(&directories) {
            directory.add(entry(seed, 0));
        }
        for _ in 0..2 {
            for (seed, directory) in (1..).zip(&directories) {
                assert_eq!(
                    directory.entries()[0].info().id,
                    NodeKey::from_seed([seed; 32]).id()
                );
            }
        }
    }
}
