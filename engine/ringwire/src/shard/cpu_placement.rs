//! Which CPU a shard sits on.
//!
//! Every shard of the process takes a place, whichever engine it belongs to. A node that has a shard
//! for every usable CPU gets each of them pinned to the CPU with the fewest shards; one with fewer is
//! left to the kernel, unless its operator says that the CPUs are its own ([`PinShards`]): several
//! processes cannot see each other's places, and would all take the first CPU.
//!
//! When shards outnumber CPUs a pinned shard could wait for its CPU while another is free, so the
//! newcomers are left to the kernel, and nobody spins ([`crate::shard::spin`]).
//!
//! CPUs come from the affinity of the calling thread, not from the list of online CPUs: under
//! `taskset` or a cpuset the two differ, and pinning outside of it fails.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ringwire_core::config::PinShards;

/// Shards per CPU; the key `None` counts those that are not pinned.
type Taken = BTreeMap<Option<usize>, usize>;

static TAKEN: Mutex<Taken> = Mutex::new(BTreeMap::new());
/// Shards of this process, all engines together. Read by each idle shard before it spins.
static SHARDS: AtomicUsize = AtomicUsize::new(0);

/// A shard's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct CpuPlace {
    /// The CPU to pin the shard to, or none: the kernel chooses.
    pub(crate) cpu: Option<usize>,
    cpus: usize,
}

impl CpuPlace {
    /// Takes a place on one of `cpus` for a shard of a node with `shards` shards.
    pub(crate) fn take(cpus: &[usize], shards: usize, pin: PinShards) -> CpuPlace {
        let mut taken = lock();
        let seated = SHARDS.fetch_add(1, Ordering::Relaxed);
        let cpu = if seated < cpus.len() && is_wanted(pin, shards, cpus.len()) {
            least_taken(&taken, cpus)
        } else {
            None
        };
        *taken.entry(cpu).or_default() += 1;
        CpuPlace {
            cpu,
            cpus: cpus.len(),
        }
    }

    /// Whether the shards of the process outnumber the CPUs this place was chosen from.
    pub(crate) fn is_crowded(&self) -> bool {
        SHARDS.load(Ordering::Relaxed) > self.cpus
    }
}

impl Drop for CpuPlace {
    fn drop(&mut self) {
        let mut taken = lock();
        SHARDS.fetch_sub(1, Ordering::Relaxed);
        if let Some(count) = taken.get_mut(&self.cpu) {
            *count -= 1;
        }
    }
}

/// Whether a node with `shards` shards on `cpus` usable CPUs is to be pinned.
fn is_wanted(pin: PinShards, shards: usize, cpus: usize) -> bool {
    match pin {
        PinShards::Auto => shards >= cpus,
        PinShards::On => true,
        PinShards::Off => false,
    }
}

fn least_taken(taken: &Taken, cpus: &[usize]) -> Option<usize> {
    cpus.iter()
        .copied()
        .min_by_key(|cpu| taken.get(&Some(*cpu)).copied().unwrap_or(0))
}

fn lock() -> MutexGuard<'static, Taken> {
    // A count is changed in one step, so a panic elsewhere cannot leave it half done.
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_taken_cpu_is_chosen_and_the_lowest_among_equals() {
        let taken = Taken::from([(Some(0), 2), (Some(2), 1), (None, 9)]);
        assert_eq!(least_taken(&taken, &[0, 2]), Some(2));
        assert_eq!(least_taken(&taken, &[0, 1, 2, 3]), Some(1));
        assert_eq!(least_taken(&taken, &[]), None);
    }

    #[test]
    fn a_node_that_leaves_cpus_free_is_pinned_only_when_it_is_asked_for() {
        for (shards, cpus, auto) in [(1, 1, true), (1, 2, false), (2, 2, true), (7, 8, false)] {
            assert_eq!(
                is_wanted(PinShards::Auto, shards, cpus),
                auto,
                "{shards} of {cpus}"
            );
            assert!(is_wanted(PinShards::On, shards, cpus));
            assert!(!is_wanted(PinShards::Off, shards, cpus));
        }
    }
}
