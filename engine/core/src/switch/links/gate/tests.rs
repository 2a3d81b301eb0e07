//! Who passes the gate, and who gives way.

use super::*;
use crate::peer::BanOrigin;
use crate::switch::node::bans::BANS_MAX;

const REMOTE: &str = "10.0.0.1:1";

/// A gate, and sockets that come to it.
struct World {
    gate: Gate,
    now: Instant,
    came: u32,
    /// Links that wait for us and not for their remote.
    ours: Vec<PeerKey>,
}

impl World {
    fn new(handshakes_max: usize, handshakes_per_ip_max: usize) -> Self {
        World {
            gate: Gate::new(GateLimits {
                inbound_max: 5,
                handshakes_max,
                handshakes_per_ip_max,
                ..GateLimits::default()
            }),
            now: Instant::ZERO,
            came: 0,
            ours: Vec::new(),
        }
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// A socket comes: the handshake it begins, and the one that gave way.
    fn come(&mut self, remote: &str) -> Result<(PeerKey, Option<PeerKey>), Reject> {
        let remote = remote_addr(remote);
        let ours = &self.ours;
        let gave_way = self
            .gate
            .find_place(self.now, &remote, |key| !ours.contains(&key))?;
        if let Some(key) = gave_way {
            self.gate.end_handshake(key);
        }
        self.came += 1;
        let key = PeerKey {
            index: self.came,
            generation: 0,
        };
        self.gate.begin_handshake(self.now, key, &remote);
        Ok((key, gave_way))
    }

    fn begin(&mut self, remote: &str) -> PeerKey {
        let (key, gave_way) = self.come(remote).expect("it passes");
        assert_eq!(gave_way, None, "there was a place");
        key
    }

    fn refusal(&mut self, remote: &str) -> Reject {
        self.come(remote).expect_err("it is refused")
    }
}

/// The remote of that address, or behind that Unix socket.
fn remote_addr(text: &str) -> RemoteAddr {
    match text.starts_with('/') {
        true => RemoteAddr::Unix(text.into()),
        false => RemoteAddr::Ip(text.parse().expect("a socket address")),
    }
}

fn ip(remote: &str) -> IpAddr {
    remote_addr(remote).ip().expect("it is of the network")
}

#[test]
fn all_who_come_by_unix_sockets_are_one_host() {
    let mut world = World::new(9, 2);
    world.begin("/run/one.sock");
    world.begin("/run/two.sock");
    assert_eq!(
        world.refusal("/run/three.sock"),
        Reject::HandshakesOverUnix(2)
    );
    world.begin(REMOTE);
    world.wait(5_000);
    let (_, gave_way) = world.come("/run/three.sock").expect("one of them is stuck");
    assert!(gave_way.is_some());
    world.gate.handle_update(GateUpdate::InboundFull(true));
    let full = Reject::InboundFull(5);
    assert_eq!(world.refusal("/run/one.sock"), full);
}

#[test]
fn the_last_handshake_that_fits_passes_and_one_more_is_refused() {
    let mut world = World::new(2, 0);
    let first = world.begin(REMOTE);
    world.begin(REMOTE);
    assert_eq!(world.refusal(REMOTE), Reject::HandshakesFull(2));
    world.gate.end_handshake(first);
    world.begin(REMOTE);
}

#[test]
fn a_host_that_stalls_its_handshakes_leaves_places_for_others() {
    let mut world = World::new(5, 2);
    let refused = |ip: &str| {
        let ip = ip.parse().expect("an address");
        Reject::HandshakesFromIp { ip, limit: 2 }
    };
    world.begin("127.0.0.1:1");
    let mapped = world.begin("[::ffff:127.0.0.1]:2");
    assert_eq!(world.refusal("127.0.0.1:3"), refused("127.0.0.1"));
    world.begin("127.0.0.2:1");
    world.begin("[2a00::1]:1");
    world.begin("[2a00::2]:1");
    // A host of IPv6 has more addresses than anybody can count.
    assert_eq!(world.refusal("[2a00::3]:1"), refused("2a00::3"));
    world.gate.end_handshake(mapped);
    world.begin("127.0.0.1:4");
}

#[test]
fn the_slowest_handshake_of_the_host_with_the_most_gives_way_to_a_newcomer() {
    let mut world = World::new(4, 0);
    let crowd = [1, 2, 3].map(|port| {
        world.wait(10);
        world.begin(&format!("10.0.0.1:{port}"))
    });
    world.begin("10.0.0.2:1");
    // The oldest of the crowd has made a step; the second has not.
    world.gate.handle_step(world.now, crowd[0]);
    let (_, gave_way) = world.come("10.0.0.3:1").expect("there is a crowd");
    assert_eq!(gave_way, Some(crowd[1]));
    // The crowd is two now: still two more than a stranger's none.
    let (_, gave_way) = world.come("10.0.0.4:1").expect("there is a crowd");
    assert_eq!(gave_way, Some(crowd[2]));
    // All have one: nobody is favoured before somebody is stuck.
    assert_eq!(world.refusal("10.0.0.5:1"), Reject::HandshakesFull(4));
}

#[test]
fn who_makes_no_step_for_the_grace_gives_way_also_to_its_own_host() {
    let mut world = World::new(2, 1);
    let silent = world.begin("10.0.0.1:1");
    let busy = world.begin("10.0.0.2:1");
    world.wait(1_999);
    world.gate.handle_step(world.now, busy);
    assert_eq!(world.refusal("10.0.0.3:1"), Reject::HandshakesFull(2));
    let ip = ip(REMOTE);
    let crowded = Reject::HandshakesFromIp { ip, limit: 1 };
    assert_eq!(world.refusal("10.0.0.1:2"), crowded);
    world.wait(1);
    let (again, gave_way) = world.come("10.0.0.1:2").expect("the first is stuck");
    assert_eq!(gave_way, Some(silent));
    world.wait(1_999);
    let (_, gave_way) = world.come("10.0.0.3:1").expect("the second is stuck now");
    assert_eq!(gave_way, Some(busy), "and the other is not yet");
    world.wait(1);
    let (_, gave_way) = world.come("10.0.0.4:1").expect("now it is");
    assert_eq!(gave_way, Some(again));
}

#[test]
fn who_waits_for_us_gives_way_to_nobody() {
    let mut world = World::new(2, 0);
    let keys = [1, 2].map(|port| world.begin(&format!("10.0.0.1:{port}")));
    world.ours = keys.to_vec();
    world.wait(60_000);
    assert_eq!(world.refusal("10.0.0.2:1"), Reject::HandshakesFull(2));
    world.ours.pop();
    let (_, gave_way) = world.come("10.0.0.2:1").expect("one waits for its remote");
    assert_eq!(gave_way, Some(keys[1]));
}

#[test]
fn where_a_persistent_peer_lives_a_place_is_found_and_kept() {
    let mut world = World::new(2, 0);
    world.gate.limits.named_hosts = [Prefix::host(ip("10.0.0.9:1"))].into();
    let stranger = world.begin("10.0.0.1:1");
    world.wait(1);
    let other = world.begin("10.0.0.2:1");
    let (_, gave_way) = world.come("10.0.0.9:1").expect("it has its place");
    assert_eq!(gave_way, Some(stranger));
    let (_, gave_way) = world.come("10.0.0.9:2").expect("it has its place");
    assert_eq!(gave_way, Some(other));
    world.wait(60_000);
    assert_eq!(world.refusal("10.0.0.3:1"), Reject::HandshakesFull(2));
}

#[test]
fn an_address_that_may_be_shared_is_refused_when_its_share_is_used_up() {
    let mut world = World::new(9, 0);
    let limits = &mut world.gate.limits;
    (limits.allow_duplicate_ip, limits.peers_per_ip_max) = (true, 2);
    world
        .gate
        .handle_update(GateUpdate::Occupied(ip(REMOTE), world.now));
    world.wait(2 * SIMULTANEOUS_WINDOW.as_millis() as u64);
    // What the first that comes shows is whether it is the one that lives there.
    world.begin(REMOTE);
    world.begin(REMOTE);
    world
        .gate
        .handle_update(GateUpdate::Occupied(ip(REMOTE), Instant::ZERO));
    let (ip, limit) = (ip(REMOTE), 2);
    assert_eq!(world.refusal(REMOTE), Reject::PeersFromIp { ip, limit });
    world.gate.handle_update(GateUpdate::Vacated(ip));
    world.begin(REMOTE);
}

#[test]
fn a_full_inbound_budget_refuses_unless_some_ids_are_unconditional() {
    let mut world = World::new(9, 0);
    world.gate.handle_update(GateUpdate::InboundFull(true));
    assert_eq!(world.refusal(REMOTE), Reject::InboundFull(5));
    world.gate.limits.has_unconditional = true;
    world.begin(REMOTE);
}

#[test]
fn where_a_peer_of_a_full_node_lives_one_handshake_at_a_time_passes() {
    let mut world = World::new(9, 0);
    world
        .gate
        .handle_update(GateUpdate::Occupied(ip(REMOTE), world.now));
    world.gate.handle_update(GateUpdate::InboundFull(true));
    world.wait(60_000);
    let first = world.begin(REMOTE);
    assert_eq!(world.refusal(REMOTE), Reject::InboundFull(5));
    assert_eq!(world.refusal("10.0.0.2:1"), Reject::InboundFull(5));
    world.gate.end_handshake(first);
    world.begin(REMOTE);
}

// Conformance item 47.
#[test]
fn a_second_socket_from_an_address_is_refused_once_the_first_cannot_be_its_twin() {
    let mut world = World::new(9, 0);
    world.gate.limits.allow_duplicate_ip = false;
    world
        .gate
        .handle_update(GateUpdate::Occupied(ip(REMOTE), world.now));
    world.wait(SIMULTANEOUS_WINDOW.as_millis() as u64);
    world.begin(REMOTE);
    world.begin(REMOTE);
    world.wait(1);
    assert_eq!(world.refusal(REMOTE), Reject::DuplicateIp(ip(REMOTE)));
    world.gate.handle_update(GateUpdate::Vacated(ip(REMOTE)));
    world.begin(REMOTE);
}

#[test]
fn a_banned_address_is_refused_until_the_ban_ends_or_is_lifted() {
    let mut world = World::new(9, 0);
    let until = Instant::from_nanos(100);
    world.gate.handle_update(ban(ip(REMOTE), until));
    world.now = Instant::from_nanos(99);
    assert_eq!(world.refusal(REMOTE), Reject::Banned);
    assert_eq!(world.refusal("[::ffff:10.0.0.1]:1"), Reject::Banned);
    world.now = until;
    world.begin(REMOTE);
    world
        .gate
        .handle_update(ban(ip(REMOTE), Instant::from_nanos(200)));
    assert_eq!(world.refusal(REMOTE), Reject::Banned);
    world.gate.handle_update(GateUpdate::Unbanned(ip(REMOTE)));
    world.begin(REMOTE);
}

#[test]
fn the_bans_of_a_gate_are_bounded() {
    let mut world = World::new(9, 0);
    for address in 0..2 * BANS_MAX as u32 {
        let ip = IpAddr::from(address.to_be_bytes());
        world.gate.handle_update(ban(ip, Instant::from_nanos(100)));
    }
    assert_eq!(world.gate.banned.list(Instant::ZERO).len(), BANS_MAX);
}

fn ban(ip: IpAddr, until: Instant) -> GateUpdate {
    let origin = BanOrigin::Reactor;
    GateUpdate::Banned { ip, until, origin }
}
