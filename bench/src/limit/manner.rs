//! How the limit moves bytes and waits, and the sweep that finds the fastest way on this machine.
//!
//! A limit with parameters of one machine is none on the next: 64 KiB writes on sleeping sockets were
//! passed by a third. So each number of receivers tries every manner once per process, with the same
//! code that is measured afterwards, and the fastest stands for "the limit" from then on.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use ringwire::peer::Framing;

use super::move_bytes;
use crate::case::framing_name;

/// Sealed bytes of one write, in KiB.
const WRITE_KIB: [usize; 5] = [64, 128, 256, 512, 1024];
/// Payload of one try, over all receivers. A try takes some 30 ms.
const TRY_BYTES: usize = 96 << 20;
/// Tries of one manner; the quickest counts.
const TRIES: usize = 2;

/// By what bytes are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `read` and `write`, a call for each.
    Calls,
    /// An io_uring for each end.
    Ring,
}

/// How bytes are written and waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// By what.
    pub(super) way: Way,
    /// Sealed bytes of one write, about.
    pub(super) write_bytes: usize,
    /// Whether both ends watch their socket or ring instead of sleeping in the kernel.
    pub(super) spins: bool,
}

impl Manner {
    /// Whether a call that finds nothing to do comes back at once. A ring waits by itself.
    pub(super) fn is_nonblocking(self) -> bool {
        self.spins && self.way == Way::Calls
    }
}

impl fmt::Display for Manner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::Calls => "calls",
            Way::Ring => "io_uring",
        };
        let waits = if self.spins { "watching" } else { "asleep" };
        write!(out, "{way}, {} KiB, {waits}", self.write_bytes >> 10)
    }
}

/// All of them. An end that watches wants a CPU of its own: only one receiver may be watched for, and
/// only where it does not share its sender's CPU.
fn all(receivers: usize, cpus: [usize; 2]) -> Vec<Manner> {
    let waits: &[bool] = match receivers == 1 && cpus[0] != cpus[1] {
        true => &[false, true],
        false => &[false],
    };
    let mut manners = Vec::new();
    for way in [Way::Calls, Way::Ring] {
        for spins in waits {
            manners.extend(WRITE_KIB.map(|kib| Manner {
                way,
                write_bytes: kib << 10,
                spins: *spins,
            }));
        }
    }
    manners
}

/// What a sweep is made for: record layer, receivers, CPUs.
type Key = (&'static str, usize, [usize; 2]);

/// The fastest manner for so many receivers, found out at the first call.
///
/// # Errors
/// When loopback sockets fail, or the kernel has no io_uring for us.
pub(super) fn best(framing: Framing, receivers: usize, cpus: [usize; 2]) -> io::Result<Manner> {
    static FOUND: Mutex<BTreeMap<Key, Manner>> = Mutex::new(BTreeMap::new());
    let key = (framing_name(framing), receivers, cpus);
    let mut found = FOUND.lock().expect("a sweep that panicked ends the bench");
    if let Some(manner) = found.get(&key) {
        return Ok(*manner);
    }
    let mut timed = Vec::new();
    for manner in all(receivers, cpus) {
        for _ in 0..TRIES {
            let each = TRY_BYTES / receivers;
            let sample = move_bytes(framing, each, receivers, cpus, manner)?;
            timed.push((sample.wall, manner));
        }
    }
    timed.sort_by_key(|(wall, _)| *wall);
    let (_, manner) = timed[0];
    tell(key, &timed);
    found.insert(key, manner);
    Ok(manner)
}

/// Says what was found: the fastest of each kind, the fastest of all first.
fn tell((framing, receivers, _): Key, timed: &[(Duration, Manner)]) {
    let mut kinds = Vec::new();
    let mut told = Vec::new();
    for (wall, manner) in timed {
        let kind = (manner.way, manner.spins);
        if !kinds.contains(&kind) {
            kinds.push(kind);
            let rate = TRY_BYTES as f64 / wall.as_secs_f64() / 1e6;
            told.push(format!("{manner}: {rate:.0} MB/s"));
        }
    }
    eprintln!(
        "bench: the limit of {framing} to {receivers}: {}",
        told.join("; ")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_watches_a_socket_where_ends_share_a_cpu() {
        assert!(all(1, [0, 1]).iter().any(|manner| manner.spins));
        assert!(all(7, [0, 1]).iter().all(|manner| !manner.spins));
        assert!(all(1, [3, 3]).iter().all(|manner| !manner.spins));
    }

    #[test]
    fn every_size_is_tried_by_calls_and_by_a_ring() {
        let manners = all(7, [0, 1]);
        let of = |way| manners.iter().filter(|manner| manner.way == way).count();
        assert_eq!([of(Way::Calls), of(Way::Ring)], [WRITE_KIB.len(); 2]);
    }

    #[test]
    fn the_sweep_is_made_once_and_its_answer_kept() {
        let first = best(Framing::Wide, 3, [0, 0]).expect("loopback works");
        assert!(all(3, [0, 0]).contains(&first));
        let again = best(Framing::Wide, 3, [0, 0]).expect("loopback works");
        assert_eq!(first, again);
    }
}
