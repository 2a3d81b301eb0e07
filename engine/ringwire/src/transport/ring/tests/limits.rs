//! Running out: of receive buffers, of submission entries, of descriptors.

use std::io::{Read, Write};

use super::super::super::accepting::ACCEPT_PAUSE;
use super::super::system::{self, Limit, Resource};
use super::*;

#[test]
fn links_wait_for_receive_buffers_and_go_on_when_they_come_back() {
    let config = RingConfig {
        provided_buffers: 2,
        ..RingConfig::default()
    };
    let limits = PoolLimits {
        chunks_max: 2,
        ..PoolLimits::default()
    };
    let Some(mut rig) = Rig::with(config, limits) else {
        return;
    };
    let mut links: Vec<_> = (0..5).map(|_| rig.pair()).collect();
    for (link, theirs) in &mut links {
        rig.ring.read(*link, ReadMode::Stream);
        theirs.write_all(&link.0.to_le_bytes()).expect("writes");
    }
    let any = |completion| match completion {
        Completion::Received { link, chunk } => Some((link, chunk)),
        _ => None,
    };
    let mut held = vec![rig.until("bytes", any), rig.until("bytes", any)];
    rig.expect_silence(Duration::from_millis(30));
    let exhausted = rig.pool.counters().exhausted;
    assert!(
        exhausted < 100,
        "waiting must not spin: {exhausted} refills"
    );

    let mut seen = Vec::new();
    while seen.len() < links.len() {
        let (link, chunk) = if held.is_empty() {
            rig.until("bytes", any)
        } else {
            held.remove(0)
        };
        assert_eq!(chunk.received(), link.0.to_le_bytes());
        seen.push(link);
        // Dropped elsewhere: the remainder alone comes back, and the ring finds it by itself.
        let mut bytes = chunk.bytes;
        let slice = rig.pool.cut(&mut bytes, chunk.end);
        rig.pool.give_back_chunk(bytes);
        std::thread::spawn(move || drop(slice))
            .join()
            .expect("the thread ends");
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), links.len(), "each link was served");
}

#[test]
fn more_buffers_are_lent_once_many_links_receive_at_the_same_time() {
    const LINKS: usize = 100;
    let Some(mut rig) = Rig::new() else { return };
    let mut links: Vec<_> = (0..LINKS).map(|_| rig.pair()).collect();
    rig.turn(Duration::ZERO);
    let at_first = rig.ring.provided.available();
    for (link, theirs) in &mut links {
        theirs.write_all(b"all at once").expect("writes");
        rig.ring.read(*link, ReadMode::Stream);
    }
    for _ in 0..LINKS {
        let chunk = rig.until("bytes", |completion| match completion {
            Completion::Received { chunk, .. } => Some(chunk),
            _ => None,
        });
        rig.pool.give_back_chunk(chunk.bytes);
    }
    rig.turn(Duration::ZERO);
    assert!(rig.ring.provided.available() > at_first);
}

#[test]
fn few_buffers_are_lent_again_once_one_link_is_left() {
    let Some(mut rig) = Rig::new() else { return };
    let at_first = rig.ring.provided.available().max(2);
    let (link, mut theirs) = rig.pair();
    for _ in 0..4 {
        rig.ring.provided.widen();
    }
    rig.turn(Duration::ZERO);
    assert_eq!(rig.ring.provided.available(), at_first << 4);
    rig.ring.read(link, ReadMode::Stream);
    for _ in 0..5000 {
        theirs.write_all(b"one by one").expect("writes");
        let chunk = rig.received(link);
        rig.pool.give_back_chunk(chunk.bytes);
    }
    assert!(rig.ring.provided.available() <= at_first);
}

#[test]
fn a_thread_may_have_more_rings_than_it_can_register() {
    let many = (0..20).map(|_| Rig::new());
    let Some(mut rigs) = many.collect::<Option<Vec<_>>>() else {
        return;
    };
    for rig in &mut rigs {
        let (link, mut theirs) = rig.pair();
        rig.ring.transmit(link, one(b"sent"));
        rig.sent(link);
        let mut read = [0; 4];
        theirs.read_exact(&mut read).expect("the ring has sent it");
        assert_eq!(&read, b"sent");
    }
}

#[test]
fn closing_a_link_that_waits_for_a_buffer_is_fine() {
    let config = RingConfig {
        provided_buffers: 1,
        ..RingConfig::default()
    };
    let limits = PoolLimits {
        chunks_max: 1,
        ..PoolLimits::default()
    };
    let Some(mut rig) = Rig::with(config, limits) else {
        return;
    };
    let (first, mut one_end) = rig.pair();
    let (second, mut other_end) = rig.pair();
    rig.ring.read(first, ReadMode::Stream);
    one_end.write_all(b"x").expect("writes");
    let held = rig.received(first);
    rig.ring.read(second, ReadMode::Stream);
    other_end.write_all(b"y").expect("writes");
    rig.expect_silence(Duration::from_millis(20));
    rig.ring.close(second);
    rig.until_links(1);
    rig.pool.give_back_chunk(held.bytes);
    one_end.write_all(b"z").expect("writes");
    assert_eq!(rig.received(first).received(), b"z");
}

#[test]
fn more_operations_than_the_queue_holds_are_all_carried_out() {
    let config = RingConfig {
        entries: 4,
        ..RingConfig::default()
    };
    let Some(mut rig) = Rig::with(config, PoolLimits::default()) else {
        return;
    };
    let mut links: Vec<_> = (0..100).map(|_| rig.pair()).collect();
    for (link, theirs) in &mut links {
        rig.ring.read(*link, ReadMode::Stream);
        rig.ring.transmit(*link, one(&link.0.to_le_bytes()));
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
        rig.ring.close(*link);
    }
    rig.until_links(0);
}

#[test]
fn a_number_of_buffers_that_is_no_power_of_two_is_refused() {
    if Rig::new().is_none() {
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

#[test]
fn running_out_of_descriptors_is_reported_once_and_survived() {
    run_alone("limits::out_of_descriptors");
}

#[test]
#[ignore = "limits the descriptors of the process: run by the test above in one of its own"]
fn out_of_descriptors() {
    let Some(mut rig) = Rig::new() else { return };
    // The kernel notes the limit when an accept is submitted, so none may be before it is lowered.
    let address = rig.listen();
    let mut client = TcpStream::connect(address).expect("connects");
    let before = system::limit(Resource::OpenFiles).expect("a limit");
    // Nothing above descriptor 0 may be opened any more; what is open stays so.
    let none = Limit {
        soft: 1,
        hard: before.hard,
    };
    system::set_limit(Resource::OpenFiles, none).expect("lowers the limit");
    let failed = |completion| matches!(completion, Completion::AcceptFailed { .. }).then_some(());
    rig.until("a failed accept", failed);
    let mut failures = 1;
    let start = Instant::now();
    let mut turns = 0;
    while start.elapsed() < 3 * ACCEPT_PAUSE {
        rig.ring
            .turn(
                &mut rig.pool,
                Wait::Until(Duration::from_millis(50)),
                &mut rig.out,
            )
            .expect("a turn");
        turns += 1;
        failures += rig
            .out
            .drain(..)
            .filter(|completion| matches!(completion, Completion::AcceptFailed { .. }))
            .count();
    }
    system::set_limit(Resource::OpenFiles, before).expect("restores the limit");
    assert_eq!(failures, 1, "reported once");
    assert!(turns < 50, "waiting must not spin: {turns} turns");
    client.write_all(b"still there").expect("writes");
    let link = rig.accept();
    rig.ring.read(link, ReadMode::Once);
    assert_eq!(rig.received(link).received(), b"still there");
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
    let can_tell = |ring: &Ring| ring.kernel.can_sleep_without_iowait();
    match Rig::new() {
        Some(rig) if can_tell(&rig.ring) => {}
        Some(_) => return eprintln!("SKIPPED: this kernel is older than 6.15"),
        None => return,
    }
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let asleep = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        use std::sync::atomic::Ordering::SeqCst;
        for _ in 0..RINGS {
            scope.spawn(|| {
                let mut rig = Rig::new().expect("there was one before");
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
