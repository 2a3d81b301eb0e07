//! What only the ring has: buffers lent to the kernel, a queue of submissions, sleep in the kernel.
//! All else is tried together with the other way (`transport::tests`).

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use ringwire_core::buffer::PoolLimits;
use ringwire_core::switch::io::ReadMode;

use super::super::completion::Completion;
use super::super::error::TransportError;
use super::super::tests::{PATIENCE, Rig, one};
use super::super::way::Way;
use super::{Ring, RingConfig};

fn rig() -> Option<Rig> {
    Rig::new(Way::IoUring)
}

#[test]
fn more_buffers_are_lent_once_many_links_receive_at_the_same_time() {
    const LINKS: usize = 100;
    let Some(mut rig) = rig() else { return };
    let mut links: Vec<_> = (0..LINKS).map(|_| rig.pair()).collect();
    rig.turn(Duration::ZERO);
    let at_first = rig.ring().provided.available();
    for (link, theirs) in &mut links {
        theirs.write_all(b"all at once").expect("writes");
        rig.transport.read(*link, ReadMode::Stream);
    }
    for _ in 0..LINKS {
        let chunk = rig.until("bytes", |completion| match completion {
            Completion::Received { chunk, .. } => Some(chunk),
            _ => None,
        });
        rig.pool.give_back_chunk(chunk.bytes);
    }
    rig.turn(Duration::ZERO);
    assert!(rig.ring().provided.available() > at_first);
}

#[test]
fn few_buffers_are_lent_again_once_one_link_is_left() {
    let Some(mut rig) = rig() else { return };
    let at_first = rig.ring().provided.available().max(2);
    let (link, mut theirs) = rig.pair();
    for _ in 0..4 {
        rig.ring().provided.widen();
    }
    rig.turn(Duration::ZERO);
    assert_eq!(rig.ring().provided.available(), at_first << 4);
    rig.transport.read(link, ReadMode::Stream);
    for _ in 0..5000 {
        theirs.write_all(b"one by one").expect("writes");
        let chunk = rig.received(link);
        rig.pool.give_back_chunk(chunk.bytes);
    }
    assert!(rig.ring().provided.available() <= at_first);
}

#[test]
fn a_thread_may_have_more_rings_than_it_can_register() {
    let many = (0..20).map(|_| rig());
    let Some(mut rigs) = many.collect::<Option<Vec<_>>>() else {
        return;
    };
    for rig in &mut rigs {
        let (link, mut theirs) = rig.pair();
        rig.transport.transmit(link, one(b"sent"));
        rig.sent(link);
        let mut read = [0; 4];
        theirs.read_exact(&mut read).expect("the ring has sent it");
        assert_eq!(&read, b"sent");
    }
}

#[test]
fn more_operations_than_the_queue_holds_are_all_carried_out() {
    let config = RingConfig {
        entries: 4,
        ..RingConfig::default()
    };
    let Some(mut rig) = Rig::with(Way::IoUring, config, PoolLimits::default()) else {
        return;
    };
    let mut links: Vec<_> = (0..100).map(|_| rig.pair()).collect();
    for (link, theirs) in &mut links {
        rig.transport.read(*link, ReadMode::Stream);
        rig.transport.transmit(*link, one(&link.0.to_le_bytes()));
        theirs.write_all(b"up").expect("writes");
    }
    let (mut sent, mut received) = (0, 0);
    while sent < links.len() || received < links.len() {
        let is_sent = rig.until("traffic", |completion| match completion {
            Completion::Sent { .. } => Some(true),
            Completion::Received { .. } => Some(false),
            _ => None,
        });
        sent += usize::from(is_sent);
        received += usize::from(!is_sent);
    }
    for (link, theirs) in &mut links {
        let mut got = [0; 8];
        theirs.read_exact(&mut got).expect("reads");
        assert_eq!(got, link.0.to_le_bytes());
        rig.transport.close(*link);
    }
    rig.until_links(0);
}

#[test]
fn a_number_of_buffers_that_is_no_power_of_two_is_refused() {
    if rig().is_none() {
        return;
    }
    for provided_buffers in [0, 3, 1 << 16] {
        let config = RingConfig {
            provided_buffers,
            ..RingConfig::default()
        };
        let refused = Ring::new(config).err().expect("refused");
        assert!(
            matches!(
                refused,
                TransportError::Config {
                    field: "provided_buffers",
                    ..
                }
            ),
            "{refused}"
        );
    }
}

/// Tasks of this machine that the kernel counts as waiting for IO, as of now.
fn waiting_for_io() -> usize {
    let stat = std::fs::read_to_string("/proc/stat").expect("/proc is mounted");
    let count = stat
        .lines()
        .find_map(|line| line.strip_prefix("procs_blocked "));
    count
        .and_then(|count| count.trim().parse().ok())
        .expect("the kernel tells")
}

#[test]
fn a_ring_that_sleeps_is_not_counted_as_waiting_for_io() {
    /// More than the tasks that wait for disks at any moment, so that one look below it proves that
    /// these are not counted; before, each of them was, at every look.
    const RINGS: usize = 24;
    match rig().map(|mut rig| rig.ring().kernel.can_sleep_without_iowait()) {
        Some(true) => {}
        Some(false) => return eprintln!("SKIPPED: this kernel is older than 6.15"),
        None => return,
    }
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let asleep = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        use std::sync::atomic::Ordering::SeqCst;
        for _ in 0..RINGS {
            scope.spawn(|| {
                let mut rig = rig().expect("there was one before");
                rig.turn(Duration::ZERO);
                asleep.fetch_add(1, SeqCst);
                while !is_over.load(SeqCst) {
                    rig.turn(Duration::from_millis(500));
                }
            });
        }
        let start = Instant::now();
        let mut seen = Vec::new();
        while seen.iter().all(|count| *count >= RINGS) && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
            if asleep.load(SeqCst) == RINGS {
                seen.push(waiting_for_io());
            }
        }
        is_over.store(true, SeqCst);
        let least = seen.iter().min();
        assert!(
            least.is_some_and(|least| *least < RINGS),
            "always {least:?} or more"
        );
    });
}
