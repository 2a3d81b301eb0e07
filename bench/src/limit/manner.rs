//! How the limit writes and waits, and the sweep that finds the fastest way on this machine.
//!
//! A limit with parameters of one machine is none on the next: 64 KiB writes on sleeping sockets were
//! passed by a third. So each number of receivers tries every manner once per process, with the same
//! code that is measured afterwards, and the fastest stands for "the limit" from then on.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use ringwire::peer::Framing;

use super::move_bytes;
use crate::case::framing_name;

/// Sealed bytes of one write, in KiB.
const WRITE_KIB: [usize; 5] = [64, 128, 256, 512, 1024];
/// Payload of one try, over all receivers. A try takes some 30 ms.
const TRY_BYTES: usize = 96 << 20;
/// Tries of one manner; the quickest counts.
const TRIES: usize = 2;

/// How bytes are written and waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// Sealed bytes of one write, about.
    pub(super) write_bytes: usize,
    /// Whether both ends watch their socket instead of sleeping in the kernel.
    pub(super) spins: bool,
}

/// All of them. An end that watches its socket wants a CPU of its own: only one receiver may be
/// watched for, and only where it does not share its sender's CPU.
fn all(receivers: usize, cpus: [usize; 2]) -> Vec<Manner> {
    let sizes = WRITE_KIB.map(|kib| kib << 10);
    let sleeping = sizes.map(|write_bytes| Manner {
        write_bytes,
        spins: false,
    });
    let spinning = sleeping.map(|manner| Manner {
        spins: true,
        ..manner
    });
    match receivers == 1 && cpus[0] != cpus[1] {
        true => [sleeping, spinning].concat(),
        false => sleeping.to_vec(),
    }
}

/// What a sweep is made for: record layer, receivers, CPUs.
type Key = (&'static str, usize, [usize; 2]);

/// The fastest manner for so many receivers, found out at the first call.
///
/// # Errors
/// When loopback sockets fail.
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
    let fastest = timed.iter().min_by_key(|(wall, _)| *wall);
    let (_, manner) = fastest.expect("there is more than one manner");
    found.insert(key, *manner);
    Ok(*manner)
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
    fn the_sweep_is_made_once_and_its_answer_kept() {
        let first = best(Framing::Wide, 3, [0, 0]).expect("loopback works");
        assert!(all(3, [0, 0]).contains(&first));
        let again = best(Framing::Wide, 3, [0, 0]).expect("loopback works");
        assert_eq!(first, again);
    }
}
