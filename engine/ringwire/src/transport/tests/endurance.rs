//! Thousands of short connections: nothing may be left behind.

use std::io::{Read, Write};

use super::*;

both_ways! {
    thousands_of_short_connections_leave_no_descriptor_behind;
    short_connections, ignore = "counts the descriptors of the process: run by the test above in one of its own";
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs").count()
}

fn thousands_of_short_connections_leave_no_descriptor_behind(way: Way) {
    run_alone(way, "endurance", "short_connections");
}

fn short_connections(way: Way) {
    const ROUNDS: usize = 50;
    const CLIENTS: usize = 60;
    let Some(mut rig) = Rig::new(way) else { return };
    let address = rig.listen();
    rig.turn(Duration::ZERO);
    let before = open_descriptors();
    for round in 0..ROUNDS {
        let mut clients: Vec<_> = (0..CLIENTS)
            .map(|_| TcpStream::connect(address).expect("connects"))
            .collect();
        for client in &mut clients {
            client.write_all(b"ping").expect("writes");
        }
        serve(&mut rig, round, clients);
        rig.until_links(0);
        rig.out.clear();
    }
    assert_eq!(open_descriptors(), before);
}

/// Answers each client once; then both sides close, in every other round the clients first.
fn serve(rig: &mut Rig, round: usize, clients: Vec<TcpStream>) {
    let mut links = Vec::new();
    while links.len() < clients.len() {
        let link = rig.accept();
        rig.transport.read(link, ReadMode::Stream);
        links.push(link);
    }
    // Pings may have come while later links were accepted, so each link is answered unasked.
    for link in &links {
        rig.transport.transmit(*link, one(b"pong"));
    }
    for _ in &links {
        rig.until("an answer", |completion| {
            matches!(completion, Completion::Sent { .. }).then_some(())
        });
    }
    for mut client in clients {
        let mut got = [0; 4];
        client.read_exact(&mut got).expect("reads");
        assert_eq!(&got, b"pong");
    }
    for link in links {
        // In every other round the ring has heard that the client left before it closes.
        if round.is_multiple_of(2) {
            rig.turn(Duration::ZERO);
        }
        rig.transport.close(link);
    }
}
