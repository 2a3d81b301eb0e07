//! The dial plan in simulated time.

use super::*;
use crate::error::NetworkError;
use crate::reactor::ReactorError;

fn address(byte: u8) -> NetAddress {
    format!(
        "{}@127.0.0.1:{}",
        NodeId::from_bytes([byte; 20]),
        1000 + u16::from(byte)
    )
    .parse()
    .expect("a valid address")
}

fn id(byte: u8) -> NodeId {
    NodeId::from_bytes([byte; 20])
}

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn eof() -> CloseReason {
    CloseReason::Network(NetworkError::Eof)
}

fn transient() -> CloseReason {
    CloseReason::Reactor {
        reactor: "r".into(),
        error: ReactorError::transient("busy"),
    }
}

struct World {
    dialer: Dialer,
    chance: Chance,
}

impl World {
    fn new() -> Self {
        World {
            dialer: Dialer::new(Duration::ZERO),
            chance: Chance::new([5; 32]),
        }
    }

    fn start(&mut self, now: Instant) -> Option<Due> {
        let id = self.dialer.next_due(now)?;
        self.dialer.start(id, ShardId(0))
    }

    fn fail(&mut self, now: Instant, attempt: AttemptId, reason: &CloseReason) -> Outcome {
        self.dialer
            .handle_failed(now, attempt, reason, &mut self.chance)
            .expect("known")
            .1
    }

    fn leave(&mut self, now: Instant, byte: u8, reason: &CloseReason) -> Outcome {
        self.dialer
            .handle_left(now, id(byte), reason, &mut self.chance)
    }
}

// Conformance item 57.
#[test]
fn a_persistent_peer_is_dialed_again_after_a_failed_dial_and_after_a_loss() {
    let mut world = World::new();
    world
        .dialer
        .plan(at(0), address(1), DialKind::Persistent, None, false);
    let first = world.start(at(0)).unwrap();
    let pause = world.fail(at(0), first.attempt, &eof()).retry_in.unwrap();
    assert!(pause >= Duration::from_secs(5) && pause <= Duration::from_secs(8));
    assert_eq!(world.start(at(4)), None);
    let second = world.start(at(8)).unwrap();
    assert_ne!(first.attempt, second.attempt);
    world.dialer.handle_joined(at(8), id(1));
    assert_eq!(
        world.leave(at(30), 1, &eof()).retry_in,
        Some(Duration::ZERO)
    );
    assert!(world.start(at(30)).is_some());
}

#[test]
fn a_peer_that_hangs_up_at_once_is_not_dialed_in_a_tight_loop() {
    let mut world = World::new();
    world
        .dialer
        .plan(at(0), address(1), DialKind::Persistent, None, false);
    world.start(at(0)).unwrap();
    world.dialer.handle_joined(at(0), id(1));
    let pause = world.leave(at(9), 1, &eof()).retry_in.unwrap();
    assert!(pause >= Duration::from_secs(5));
}

// Conformance item 58.
#[test]
fn a_persistent_peer_that_came_inbound_is_dialed_when_it_is_lost() {
    let mut world = World::new();
    world
        .dialer
        .plan(at(0), address(1), DialKind::Persistent, None, true);
    assert_eq!(world.start(at(1)), None);
    assert_eq!(
        world.leave(at(60), 1, &eof()).retry_in,
        Some(Duration::ZERO)
    );
    assert_eq!(world.start(at(60)).unwrap().address, address(1));
}

// Conformance item 59.
#[test]
fn a_transient_fault_brings_a_dialed_peer_back_and_a_lasting_one_does_not() {
    for (reason, again) in [(transient(), true), (eof(), false)] {
        let mut world = World::new();
        world
            .dialer
            .plan(at(0), address(1), DialKind::Once, None, false);
        world.start(at(0)).unwrap();
        world.dialer.handle_joined(at(0), id(1));
        assert_eq!(world.leave(at(60), 1, &reason).retry_in.is_some(), again);
        assert_eq!(world.start(at(60)).is_some(), again);
    }
}

#[test]
fn a_peer_that_fails_again_and_again_at_once_is_not_dialed_in_a_tight_loop() {
    let mut world = World::new();
    world
        .dialer
        .plan(at(0), address(1), DialKind::Once, None, false);
    let mut now = at(0);
    for _ in 0..5 {
        world.start(now).expect("due");
        world.dialer.handle_joined(now, id(1));
        let pause = world.leave(now, 1, &transient()).retry_in.expect("again");
        assert!(
            pause >= Duration::from_secs(5),
            "dialed again after {pause:?}"
        );
        now += pause;
    }
}

#[test]
fn who_is_banned_is_dialed_again_when_the_ban_ends_if_it_is_wanted_for_good() {
    for (kind, again) in [
        (DialKind::Persistent, true),
        (DialKind::Once, false),
        (DialKind::Discovered, false),
    ] {
        let mut world = World::new();
        let asker = Asker::Application(ReplyToken(1));
        world
            .dialer
            .plan(at(0), address(1), kind, Some(asker.clone()), false);
        assert_eq!(world.dialer.next_due(at(0)), Some(id(1)));
        let outcome = world.dialer.handle_banned(id(1), at(3600));
        assert_eq!(outcome.askers[..], [asker]);
        assert_eq!(world.start(at(3599)), None);
        assert_eq!(world.start(at(3600)).is_some(), again, "{kind:?}");
    }
}

#[test]
fn who_waits_for_the_end_of_a_ban_is_dialed_when_it_is_lifted() {
    let mut world = World::new();
    for byte in [1, 2, 3] {
        world
            .dialer
            .plan(at(0), address(byte), DialKind::Persistent, None, false);
    }
    world.dialer.handle_banned(id(1), at(3600));
    world.dialer.handle_banned(id(2), at(3600));
    let third = world.start(at(0)).expect("due");
    let pause = world.fail(at(0), third.attempt, &eof()).retry_in;
    assert_eq!(world.start(at(1)), None);
    world.dialer.handle_unbanned(at(1), |who, _| *who == id(2));
    assert_eq!(world.start(at(1)).map(|due| due.address), Some(address(1)));
    assert_eq!(world.start(at(1)), None, "the second is still banned");
    let third_at = at(0) + pause.expect("again");
    assert_eq!(
        world.dialer.next_at(),
        Some(third_at),
        "and the third waits"
    );
}

// Conformance item 51.
#[test]
fn dialing_ourselves_is_never_tried_again() {
    let mut world = World::new();
    world
        .dialer
        .plan(at(0), address(1), DialKind::Persistent, None, false);
    let due = world.start(at(0)).unwrap();
    let outcome = world.fail(at(0), due.attempt, &CloseReason::Rejected(Reject::IsSelf));
    assert_eq!(outcome, Outcome::default());
    assert_eq!(world.dialer.next_at(), None);
}

#[test]
fn a_peer_that_the_operator_named_is_never_given_up() {
    let mut world = World::new();
    let mut now = at(0);
    world
        .dialer
        .plan(now, address(1), DialKind::Persistent, None, false);
    for _ in 0..1000 {
        let due = world.start(now).expect("it is due");
        let outcome = world.fail(now, due.attempt, &eof());
        assert_eq!(outcome.gave_up, None);
        now += outcome.retry_in.expect("again");
    }
}

#[test]
fn who_is_wanted_back_after_a_passing_fault_is_given_up_after_thirty_dials() {
    let mut world = World::new();
    world
        .dialer
        .plan(at(0), address(1), DialKind::Once, None, false);
    world.start(at(0)).expect("due");
    world.dialer.handle_joined(at(0), id(1));
    let mut now = at(60);
    now += world.leave(now, 1, &transient()).retry_in.expect("again");
    for dial in 1..=30 {
        let due = world.start(now).expect("due");
        let outcome = world.fail(now, due.attempt, &eof());
        assert_eq!(outcome.gave_up, (dial == 30).then(|| address(1)));
        assert_eq!(outcome.retry_in.is_none(), dial == 30);
        now += outcome.retry_in.unwrap_or_default();
    }
    assert_eq!(world.start(now), None);
}

#[test]
fn an_id_is_dialed_by_one_attempt_at_a_time_and_all_who_asked_are_told() {
    let mut world = World::new();
    world.dialer.plan(
        at(0),
        address(1),
        DialKind::Once,
        Some(Asker::Application(ReplyToken(1))),
        false,
    );
    let due = world.start(at(0)).unwrap();
    world.dialer.plan(
        at(0),
        address(1),
        DialKind::Once,
        Some(Asker::Application(ReplyToken(2))),
        false,
    );
    assert_eq!(world.start(at(0)), None);
    let outcome = world.fail(at(0), due.attempt, &eof());
    let both = [ReplyToken(1), ReplyToken(2)].map(Asker::Application);
    assert_eq!(outcome.askers[..], both);
    assert_eq!(outcome.retry_in, None);
}

#[test]
fn a_cancelled_attempt_is_heard_of_no_more() {
    let mut world = World::new();
    world
        .dialer
        .plan(at(0), address(1), DialKind::Once, None, false);
    let due = world.start(at(0)).unwrap();
    world.dialer.handle_proven(due.attempt);
    assert!(world.dialer.is_proven(&id(1), None));
    assert!(!world.dialer.is_proven(&id(1), Some(due.attempt)));
    assert_eq!(world.dialer.cancel(&id(1)), Some((due.attempt, ShardId(0))));
    let late = world
        .dialer
        .handle_failed(at(1), due.attempt, &eof(), &mut world.chance);
    assert_eq!(late, None);
    world.dialer.handle_joined(at(1), id(1));
    assert!(!world.dialer.is_proven(&id(1), None));
}

#[test]
fn a_peer_that_was_stopped_on_purpose_is_dialed_no_more() {
    let mut world = World::new();
    world
        .dialer
        .plan(at(0), address(1), DialKind::Persistent, None, true);
    assert_eq!(
        world.leave(at(60), 1, &CloseReason::Stopped),
        Outcome::default()
    );
    assert!(!world.dialer.is_persistent(&id(1)));
}
