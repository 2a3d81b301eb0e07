//! The states of a link, without a kernel.

use std::net::SocketAddr;

use bytes::BytesMut;

use super::*;

fn socket() -> Socket {
    Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket")
}

fn nowhere() -> RemoteAddr {
    SocketAddr::from(([127, 0, 0, 1], 1)).into()
}

fn open() -> RingSocket {
    RingSocket::open(socket(), nowhere(), 1)
}

fn dialing() -> RingSocket {
    let to = (nowhere(), SocketAddr::from(([127, 0, 0, 1], 1)).into());
    let mut link = RingSocket::dialing(socket(), to, 1, DialId(1), Duration::from_secs(1));
    link.connect_entry();
    link
}

fn bytes(len: usize) -> Transmit {
    Transmit::from_iter([BytesMut::zeroed(len).into()])
}

/// All that the link wants now. Nothing may be asked of a link after `Free`.
fn actions(link: &mut RingSocket) -> Vec<Action> {
    let mut freed = false;
    let next = || {
        let action = if freed { None } else { link.next_action() };
        freed = action == Some(Action::Free);
        action
    };
    std::iter::from_fn(next).take(10).collect()
}

const PATIENCE: Duration = Duration::from_secs(1);

#[test]
fn a_new_link_wants_nothing() {
    assert_eq!(actions(&mut open()), []);
}

#[test]
fn a_stream_is_armed_again_only_after_its_last_completion() {
    let mut link = open();
    link.set_mode(ReadMode::Stream);
    assert_eq!(actions(&mut link), [Action::Receive { multi: true }]);
    link.end_receive(false, true);
    assert_eq!(actions(&mut link), []);
    link.end_receive(true, true);
    assert_eq!(actions(&mut link), [Action::Receive { multi: true }]);
}

#[test]
fn from_stream_to_once_the_stream_is_cancelled_first() {
    let mut link = open();
    link.set_mode(ReadMode::Stream);
    actions(&mut link);
    link.set_mode(ReadMode::Once);
    assert_eq!(actions(&mut link), [Action::Cancel(Target::Receive)]);
    link.end_receive(true, false);
    assert_eq!(
        actions(&mut link),
        [],
        "the cancellation might hit a new receive"
    );
    link.end_cancel();
    assert_eq!(actions(&mut link), [Action::Receive { multi: false }]);
}

#[test]
fn bytes_that_come_before_the_cancellation_satisfy_once() {
    let mut link = open();
    link.set_mode(ReadMode::Stream);
    actions(&mut link);
    link.set_mode(ReadMode::Once);
    actions(&mut link);
    link.end_receive(true, true);
    link.end_cancel();
    assert_eq!(actions(&mut link), []);
    assert!(link.is_quiet());
}

#[test]
fn a_starved_link_waits_until_it_is_fed() {
    let mut link = open();
    link.set_mode(ReadMode::Stream);
    actions(&mut link);
    link.end_receive(true, false);
    assert!(link.starve());
    assert!(!link.starve(), "it waits already");
    assert_eq!(actions(&mut link), []);
    link.feed();
    assert_eq!(actions(&mut link), [Action::Receive { multi: true }]);
}

#[test]
fn a_short_write_goes_on_where_it_stopped() {
    let mut link = open();
    link.begin_send(bytes(10));
    link.send_entry();
    assert!(matches!(link.end_send(4), SendStep::Continue));
    link.send_entry();
    assert_eq!(
        link.pinned.outgoing.single().map(|rest| rest.len()),
        Some(6)
    );
    assert!(matches!(link.end_send(6), SendStep::Done(buffers) if buffers.len() == 1));
    link.begin_send(bytes(10).into_iter().chain(bytes(5)).collect());
    link.send_entry();
    assert!(matches!(link.end_send(4), SendStep::Continue));
    link.send_entry();
    assert_eq!(link.pinned.outgoing.iovec_lens(), [6, 5]);
    assert!(matches!(link.end_send(11), SendStep::Done(buffers) if buffers.len() == 2));
}

#[test]
#[should_panic(expected = "at most one transmit")]
fn a_second_transmit_in_flight_is_a_bug_of_the_caller() {
    let mut link = open();
    link.begin_send(bytes(1));
    link.begin_send(bytes(1));
}

/// A link in use, closed: its receive and its write are with the kernel.
fn finishing() -> RingSocket {
    let mut link = open();
    link.set_mode(ReadMode::Stream);
    actions(&mut link);
    link.begin_send(bytes(10));
    link.begin_close(PATIENCE);
    let both = [Action::Cancel(Target::Receive), Action::StartDeadline];
    assert_eq!(actions(&mut link), both);
    link
}

/// A link whose write has ended and that waits for the end of the input.
fn lingering() -> RingSocket {
    let mut link = finishing();
    link.end_receive(true, false);
    link.end_cancel();
    assert!(matches!(link.end_send(10), SendStep::Done(_)));
    assert_eq!(actions(&mut link), [Action::ShutDown, Action::Discard]);
    link
}

#[test]
fn a_closed_link_ends_its_write_says_goodbye_and_awaits_the_end_of_the_input() {
    let mut link = lingering();
    link.end_receive(true, true);
    assert_eq!(actions(&mut link), [Action::Discard], "bytes are no end");
    link.end_receive(true, false);
    assert!(!link.fail(), "a closed link has no news");
    assert_eq!(actions(&mut link), [Action::Cancel(Target::Deadline)]);
    link.end_deadline(false);
    assert_eq!(
        actions(&mut link),
        [],
        "the cancellation itself is still to end"
    );
    assert!(link.is_ending());
    link.end_cancel();
    assert_eq!(actions(&mut link), [Action::Free]);
}

#[test]
fn the_goodbye_does_not_wait_for_the_receive_of_before_but_the_discarding_does() {
    let mut link = finishing();
    assert!(matches!(link.end_send(10), SendStep::Done(_)));
    assert_eq!(actions(&mut link), [Action::ShutDown]);
    link.end_receive(true, true);
    assert_eq!(
        actions(&mut link),
        [],
        "the cancellation might hit the new receive"
    );
    link.end_cancel();
    assert_eq!(actions(&mut link), [Action::Discard]);
}

#[test]
fn the_end_of_the_input_does_not_end_a_write_in_flight() {
    let mut link = finishing();
    link.end_receive(true, false);
    link.end_cancel();
    link.fail();
    assert_eq!(actions(&mut link), []);
    assert!(matches!(link.end_send(4), SendStep::Continue));
    assert!(matches!(link.end_send(6), SendStep::Done(_)));
    assert_eq!(actions(&mut link), [Action::ShutDown, Action::Discard]);
}

#[test]
fn a_write_that_fails_after_the_close_leaves_nothing_to_wait_for() {
    let mut link = finishing();
    link.end_receive(true, false);
    link.end_cancel();
    link.abandon_send();
    assert_eq!(actions(&mut link), [Action::Cancel(Target::Deadline)]);
    link.end_deadline(false);
    link.end_cancel();
    assert_eq!(actions(&mut link), [Action::Free]);
}

#[test]
fn an_input_that_never_ends_is_cancelled_at_the_deadline() {
    let mut link = lingering();
    link.end_deadline(true);
    assert_eq!(actions(&mut link), [Action::Cancel(Target::Receive)]);
    link.end_receive(true, true);
    link.end_cancel();
    assert_eq!(actions(&mut link), [Action::Free]);
}

#[test]
fn a_lingering_link_discards_up_to_its_limit_and_then_waits_for_its_deadline() {
    let mut link = lingering();
    link.end_receive(true, true);
    link.note_discarded(DISCARD_BYTES_MAX - 1);
    assert_eq!(actions(&mut link), [Action::Discard]);
    link.end_receive(true, true);
    link.note_discarded(2);
    assert_eq!(actions(&mut link), []);
    link.end_deadline(true);
    assert_eq!(actions(&mut link), [Action::Free]);
}

#[test]
fn a_link_that_never_wrote_does_not_linger() {
    let mut link = open();
    link.begin_close(PATIENCE);
    assert_eq!(actions(&mut link), [Action::Free]);
    let mut adopted = RingSocket::adopted(socket(), nowhere(), 1);
    adopted.begin_close(PATIENCE);
    assert_eq!(adopted.phase(), Phase::Finishing, "others wrote to it");
}

#[test]
fn a_socket_that_refuses_the_goodbye_has_nothing_to_wait_for() {
    let mut link = RingSocket::adopted(socket(), nowhere(), 1);
    link.begin_close(PATIENCE);
    let goodbye = [Action::StartDeadline, Action::ShutDown];
    assert_eq!([link.next_action(), link.next_action()], goodbye.map(Some));
    // This one was never connected.
    link.shut_down();
    assert_eq!(actions(&mut link), [Action::Cancel(Target::Deadline)]);
}

#[test]
fn a_write_that_outlives_its_deadline_is_cancelled() {
    let mut link = open();
    link.begin_send(bytes(10));
    link.begin_close(PATIENCE);
    assert_eq!(actions(&mut link), [Action::StartDeadline]);
    link.end_deadline(true);
    assert_eq!(actions(&mut link), [Action::Cancel(Target::Send)]);
    link.end_cancel();
    assert!(
        matches!(link.end_send(4), SendStep::Done(_)),
        "a short write does not go on"
    );
    assert_eq!(actions(&mut link), [Action::Free]);
}

#[test]
fn a_broken_link_stops_everything_but_is_kept_until_it_is_closed() {
    let mut link = open();
    link.set_mode(ReadMode::Stream);
    actions(&mut link);
    link.begin_send(bytes(10));
    link.end_receive(true, false);
    assert!(link.fail());
    assert!(!link.fail(), "it is news only once");
    assert_eq!(actions(&mut link), [Action::Cancel(Target::Send)]);
    link.end_cancel();
    link.abandon_send();
    assert_eq!(actions(&mut link), []);
    link.begin_close(PATIENCE);
    assert_eq!(actions(&mut link), [Action::Free]);
}

#[test]
fn a_dial_has_a_deadline_that_ends_when_it_connects() {
    let mut link = dialing();
    assert_eq!(actions(&mut link), [Action::StartDeadline]);
    link.end_connect(true);
    assert_eq!(link.phase(), Phase::Open);
    assert_eq!(actions(&mut link), [Action::Cancel(Target::Deadline)]);
    // The deadline passed at the same moment: too late to matter.
    link.end_deadline(true);
    link.end_cancel();
    assert!(!link.is_expired() && link.is_quiet());
}

#[test]
fn a_dial_whose_deadline_passes_is_cancelled() {
    let mut link = dialing();
    actions(&mut link);
    link.end_deadline(true);
    assert!(link.is_expired());
    assert_eq!(actions(&mut link), [Action::Cancel(Target::Connect)]);
}

#[test]
fn a_dial_that_is_closed_ends_both_connect_and_deadline() {
    let mut link = dialing();
    actions(&mut link);
    link.begin_close(PATIENCE);
    let both = [
        Action::Cancel(Target::Connect),
        Action::Cancel(Target::Deadline),
    ];
    assert_eq!(actions(&mut link), both);
    link.end_connect(true);
    assert_eq!(link.phase(), Phase::Closing, "connected too late");
}
