//! Thousands of short connections: nothing may be left behind.

use std::io::{Read, Write};

use super::*;

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs").count()
}

#[test]
fn thousands_of_short_connections_leave_no_descriptor_behind() {
    run_alone("endurance::short_connections");
}

#[test]
#[ignore = "counts the descriptors of the process: run by the test above in one of its own"]
fn short_connections() {
    const ROUNDS: usize = 50;
    const CLIENTS: usize = 60;
    let Some(mut rig) = Rig::new() else { return };
    let address = rig.listen();
    rig.turn(Duration::ZERO);
    let before = open_descriptors();
    for round in 0..ROUNDS {
        let mut clients: Vec<_> =
            (0..CLIENTS).map(|_| TcpStream::connect(address).expect("connects")).collect();
        for client in &mut clients {
            client.write_all(b"ping").expect("writes");
        }
        serve(&mut rig, round, clients);
        rig.until_links(0);
        rig.out.clear();
    }
    assert_eq!(open_descriptors(), before);
}

/// Echoes each client once; then half of the links are closed by us and half by the clients.
fn serve(rig: &mut Rig, round: usize, clients: Vec<TcpStream>) {
    let mut links = Vec::new();
    while links.len() < clients.len() {
        let link = rig.accept();
        rig.ring.read(link, ReadMode::Stream);
        links.push(link);
    }
    let mut sent = 0;
    // Bytes of an early link may have come while later ones were accepted, so nothing is skipped:
    // every link is answered whether or not its ping was seen.
    for link in &links {
        rig.ring.transmit(*link, one(b"pong"));
    }
    while sent < links.len() {
        rig.until("answers", |completion| match completion {
            Completion::Sent { .. } => Some(sent += 1),
            _ => None,
        });
    }
    for mut client in clients {
        let mut got = [0; 4];
        client.read_exact(&mut got).expect("reads");
        assert_eq!(&got, b"pong");
    }
    for link in links {
        // In every other round the ring has heard that the client left before it closes.
        if round % 2 == 0 {
            rig.turn(Duration::ZERO);
        }
        rig.ring.close(link);
    }
}
