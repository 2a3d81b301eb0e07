//! Running out: of receive buffers, of descriptors.

use std::io::Write;

use super::super::accepting::ACCEPT_PAUSE;
use super::super::process::{self, Limit, Resource};
use super::*;

both_ways! {
    links_wait_for_receive_buffers_and_go_on_when_they_come_back;
    closing_a_link_that_waits_for_a_buffer_is_fine;
    running_out_of_descriptors_is_reported_once_and_survived;
    out_of_descriptors, ignore = "limits the descriptors of the process: run by the test above in one of its own";
}

fn links_wait_for_receive_buffers_and_go_on_when_they_come_back(way: Way) {
    let config = RingConfig {
        provided_buffers: 2,
        ..RingConfig::default()
    };
    let limits = PoolLimits {
        chunks_max: 2,
        ..PoolLimits::default()
    };
    let Some(mut rig) = Rig::with(way, config, limits) else {
        return;
    };
    let mut links: Vec<_> = (0..5).map(|_| rig.pair()).collect();
    for (link, theirs) in &mut links {
        rig.transport.read(*link, ReadMode::Stream);
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

fn closing_a_link_that_waits_for_a_buffer_is_fine(way: Way) {
    let config = RingConfig {
        provided_buffers: 1,
        ..RingConfig::default()
    };
    let limits = PoolLimits {
        chunks_max: 1,
        ..PoolLimits::default()
    };
    let Some(mut rig) = Rig::with(way, config, limits) else {
        return;
    };
    let (first, mut one_end) = rig.pair();
    let (second, mut other_end) = rig.pair();
    rig.transport.read(first, ReadMode::Stream);
    one_end.write_all(b"x").expect("writes");
    let held = rig.received(first);
    rig.transport.read(second, ReadMode::Stream);
    other_end.write_all(b"y").expect("writes");
    rig.expect_silence(Duration::from_millis(20));
    rig.transport.close(second);
    rig.until_links(1);
    rig.pool.give_back_chunk(held.bytes);
    one_end.write_all(b"z").expect("writes");
    assert_eq!(rig.received(first).received(), b"z");
}

fn running_out_of_descriptors_is_reported_once_and_survived(way: Way) {
    run_alone(way, "limits", "out_of_descriptors");
}

fn out_of_descriptors(way: Way) {
    let Some(mut rig) = Rig::new(way) else { return };
    // The kernel notes the limit when an accept is submitted, so none may be before it is lowered.
    let address = rig.listen();
    let mut client = TcpStream::connect(address).expect("connects");
    let before = process::limit(Resource::OpenFiles);
    // Nothing above descriptor 0 may be opened any more; what is open stays so.
    let none = Limit {
        soft: 1,
        hard: before.hard,
    };
    process::set_limit(Resource::OpenFiles, none).expect("lowers the limit");
    let failed = |completion| matches!(completion, Completion::AcceptFailed { .. }).then_some(());
    rig.until("a failed accept", failed);
    let mut failures = 1;
    let start = Instant::now();
    let mut turns = 0;
    while start.elapsed() < 3 * ACCEPT_PAUSE {
        rig.transport
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
    process::set_limit(Resource::OpenFiles, before).expect("restores the limit");
    assert_eq!(failures, 1, "reported once");
    assert!(turns < 50, "waiting must not spin: {turns} turns");
    client.write_all(b"still there").expect("writes");
    let link = rig.accept();
    rig.transport.read(link, ReadMode::Once);
    assert_eq!(rig.received(link).received(), b"still there");
}
