//! Upgrades run against each other, and against peers that break a rule.

use ringwire_codec::NodeInfoError;
use ringwire_codec::secret::HandshakeError;

use super::super::testing::*;
use super::*;
use crate::time::Instant;

const NOW: Instant = Instant::ZERO;

/// Node 1 against node 2 as `change` makes it; what node 1 says to it.
fn meet(change: impl FnOnce(&mut NodeInfo)) -> Result<Box<Upgraded>, CloseReason> {
    let mut other = node_info(2, Offer::Comet);
    change(&mut other);
    let (a, b) = (upgrade(1, &node_info(1, Offer::Comet)), upgrade(2, &other));
    run_upgrades(a, b, usize::MAX).0
}

fn rejected(change: impl FnOnce(&mut NodeInfo)) -> Reject {
    match meet(change) {
        Err(CloseReason::Rejected(reject)) => reject,
        other => panic!("not rejected: {other:?}"),
    }
}

#[test]
fn two_nodes_know_each_other_however_the_bytes_are_cut() {
    for step in [1, 2, 35, 36, 1044, 1079, usize::MAX] {
        let infos = [node_info(1, Offer::Comet), node_info(2, Offer::Comet)];
        let (a, b) = run_upgrades(upgrade(1, &infos[0]), upgrade(2, &infos[1]), step);
        let (a, b) = (a.expect("an honest pair"), b.expect("an honest pair"));
        assert_eq!((&a.node_info, &b.node_info), (&infos[1], &infos[0]));
        assert_eq!(
            (a.remote_id, b.remote_id),
            (node_key(2).id(), node_key(1).id())
        );
        assert_eq!(a.remote_key, node_key(2).public_key());
        assert_eq!(a.layer.framing, Framing::Comet);
        assert_eq!(a.layer.limits, AgreedLimits::comet(1024));
    }
}

#[test]
fn wide_records_are_spoken_when_both_offer_them_and_only_then() {
    let offers = [Offer::Comet, Offer::Wide];
    for (one, two) in offers.iter().flat_map(|one| offers.map(|two| (*one, two))) {
        let (a, b) = (
            upgrade(1, &node_info(1, one)),
            upgrade(2, &node_info(2, two)),
        );
        let (a, b) = run_upgrades(a, b, 700);
        let both = (one, two) == (Offer::Wide, Offer::Wide);
        let expected = if both { Framing::Wide } else { Framing::Comet };
        assert_eq!(a.expect("an honest pair").layer.framing, expected);
        assert_eq!(b.expect("an honest pair").layer.framing, expected);
    }
}

#[test]
fn both_sides_keep_to_the_smaller_of_two_offers() {
    let mut small = node_info(2, Offer::Wide);
    small.extension = Some(extension(2000));
    let (a, b) = (upgrade(1, &node_info(1, Offer::Wide)), upgrade(2, &small));
    let (a, b) = run_upgrades(a, b, usize::MAX);
    let (a, b) = (
        a.expect("an honest pair").layer,
        b.expect("an honest pair").layer,
    );
    assert_eq!(a.limits, b.limits);
    assert!(a.limits.payload_send_max < 2000);
    assert_eq!(a.limits.gossip_features, 3);
    let (mut a, mut b) = (End::new(a, config()), End::new(b, config()));
    for channel in [DATA, HIGH] {
        a.conn
            .try_send(NOW, channel, message(1, 9_999))
            .expect("the queue has room");
        b.receive(&a.transmit_all(NOW), NOW);
        assert_eq!(b.messages(NOW), [(channel, message(1, 9_999))]);
    }
}

#[test]
fn packets_in_the_same_segment_as_the_node_info_are_not_lost() {
    for (offer, cut) in [
        (Offer::Comet, 0),
        (Offer::Wide, 0),
        (Offer::Comet, 9),
        (Offer::Wide, 9),
    ] {
        let mut a = upgrade(1, &node_info(1, offer));
        let mut b = upgrade(2, &node_info(2, offer));
        b.handle_received(&drain(&mut a)).expect("an honest peer");
        // `a` hears all of `b` up to its NodeInfo and finishes first.
        a.handle_received(&drain(&mut b)).expect("an honest peer");
        let to_b = drain(&mut a);
        b.handle_received(&to_b[..FRAME_SEALED])
            .expect("an honest peer");
        let done = a.handle_received(&drain(&mut b)).expect("an honest peer");
        let mut a_end = End::new(done.expect("it has all it needs").layer, config());
        a_end
            .conn
            .try_send(NOW, VOTE, message(0, 5000))
            .expect("the queue has room");
        let packets = a_end.transmit_all(NOW);
        let early = packets.len() - cut;
        let segment = [&to_b[FRAME_SEALED..], &drain(&mut a), &packets[..early]].concat();
        let done = b.handle_received(&segment).expect("an honest peer");
        let mut b_end = End::new(done.expect("it has all it needs").layer, config());
        b_end.receive(&packets[early..], NOW);
        assert_eq!(b_end.messages(NOW), [(VOTE, message(0, 5000))]);
    }
}

/// A visitor with node key 1 that knows of one channel, and a node of another network.
fn visit(change: impl FnOnce(&mut NodeInfo)) -> (Upgrade, Upgrade) {
    let mut ours = node_info(1, Offer::Comet);
    ours.network = String::from("unknown");
    ours.protocol_version.block = 0;
    ours.channels = [DATA].into_iter().collect();
    let mut theirs = node_info(2, Offer::Comet);
    theirs.network = String::from("elsewhere-1");
    change(&mut theirs);
    let visitor = Upgrade::visiting(UpgradeConfig {
        node_key: node_key(1).into(),
        ephemeral_secret: [0x51; 32],
        node_info: &ours,
        expected_id: None,
        packet_payload_max: 1024,
    });
    (visitor, upgrade(2, &theirs))
}

#[test]
fn a_visitor_is_of_the_network_that_it_finds() {
    let (mut a, mut b) = visit(|_| ());
    b.handle_received(&drain(&mut a)).expect("an honest peer");
    a.handle_received(&drain(&mut b)).expect("an honest peer");
    b.handle_received(&drain(&mut a)).expect("an honest peer");
    let met = a.handle_received(&drain(&mut b)).expect("an honest peer");
    let met = met.expect("the node did not wait for us");
    assert_eq!(a.heard(), Some(&met.node_info));
    let seen = b.handle_received(&drain(&mut a)).expect("an honest peer");
    let seen = seen.expect("our NodeInfo came").node_info;
    assert_eq!(seen.network, "elsewhere-1");
    assert_eq!(
        seen.protocol_version.block,
        met.node_info.protocol_version.block
    );
    assert_eq!(seen.channels[..], [DATA]);
}

#[test]
fn a_visitor_without_a_common_channel_claims_the_first_of_the_peer() {
    let (a, b) = visit(|theirs| theirs.channels = [VOTE, HIGH].into_iter().collect());
    let (a, b) = run_upgrades(a, b, usize::MAX);
    a.expect("there is a common channel");
    assert_eq!(b.expect("there is one").node_info.channels[..], [VOTE]);
}

#[test]
fn a_visitor_heard_also_a_peer_that_it_refuses() {
    let (mut a, mut b) = visit(|theirs| theirs.moniker = String::from("\u{7}"));
    b.handle_received(&drain(&mut a)).expect("an honest peer");
    a.handle_received(&drain(&mut b)).expect("an honest peer");
    b.handle_received(&drain(&mut a)).expect("an honest peer");
    let refused = a.handle_received(&drain(&mut b));
    let moniker = CloseReason::Rejected(Reject::NodeInfo(NodeInfoError::Moniker));
    assert_eq!(refused.map(|_| ()), Err(moniker));
    assert_eq!(a.heard().expect("it was read").network, "elsewhere-1");
}

#[test]
fn the_stage_names_what_is_waited_for() {
    let mut a = upgrade(1, &node_info(1, Offer::Comet));
    let mut b = upgrade(2, &node_info(2, Offer::Comet));
    assert_eq!(a.stage(), UpgradeStage::SecretConnection);
    b.handle_received(&drain(&mut a)).expect("an honest peer");
    let from_b = drain(&mut b);
    a.handle_received(&from_b).expect("an honest peer");
    assert_eq!(a.stage(), UpgradeStage::NodeInfo);
    b.handle_received(&drain(&mut a)).expect("an honest peer");
    assert_eq!(b.stage(), UpgradeStage::Over);
}

// Conformance item 44.
#[test]
fn another_node_than_the_one_that_was_dialed_is_refused_by_both_ids() {
    let info = node_info(1, Offer::Comet);
    let a = Upgrade::new(UpgradeConfig {
        node_key: node_key(1).into(),
        ephemeral_secret: [9; 32],
        node_info: &info,
        expected_id: Some(node_key(3).id()),
        packet_payload_max: 1024,
    });
    let (mut a, mut b) = (a, upgrade(2, &node_info(2, Offer::Comet)));
    b.handle_received(&drain(&mut a)).expect("an honest peer");
    let refused = a
        .handle_received(&drain(&mut b))
        .expect_err("another node answered");
    let wrong = HandshakeError::WrongId {
        expected: node_key(3).id(),
        found: node_key(2).id(),
    };
    assert_eq!(refused, CloseReason::Handshake(wrong));
    assert_eq!(a.stage(), UpgradeStage::Over);
}

// Conformance item 42.
#[test]
fn a_node_info_that_breaks_a_rule_is_refused() {
    let reject = rejected(|info| info.moniker = String::new());
    assert_eq!(reject, Reject::NodeInfo(NodeInfoError::Moniker));
}

// Conformance item 43.
#[test]
fn a_node_info_with_another_id_than_the_key_is_refused() {
    let reject = rejected(|info| info.node_id = node_key(7).id());
    let claimed = node_key(7).id().to_string();
    assert_eq!(
        reject,
        Reject::IdMismatch {
            claimed,
            actual: node_key(2).id()
        }
    );
}

// Conformance item 45.
#[test]
fn a_node_of_another_network_is_refused() {
    let reject = rejected(|info| info.network = String::from("other"));
    let ours = node_info(1, Offer::Comet).network.into();
    let theirs = "other".into();
    let differs = NodeInfoError::Network { ours, theirs };
    assert_eq!(reject, Reject::NodeInfo(differs));
}

// Conformance item 46.
#[test]
fn meeting_ourselves_is_refused() {
    let info = node_info(1, Offer::Comet);
    let twin = Upgrade::new(UpgradeConfig {
        node_key: node_key(1).into(),
        ephemeral_secret: [77; 32],
        node_info: &info,
        expected_id: None,
        packet_payload_max: 1024,
    });
    let outcome = run_upgrades(upgrade(1, &info), twin, usize::MAX).0;
    assert_eq!(
        outcome.expect_err("ourselves"),
        CloseReason::Rejected(Reject::IsSelf)
    );
}

#[test]
fn an_upgraded_connection_can_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Upgraded>();
    is_send::<super::super::MConnection>();
    is_send::<Upgrade>();
}

// ---- peers that hold the keys and break a rule ----------------------------------------------------

/// An upgrade of node 1 whose peer has finished its handshake and may now send what it likes.
fn before_node_info(offer: Offer) -> (Upgrade, Session) {
    let mut honest = upgrade(1, &node_info(1, offer));
    let mut peer = Handshake::new(node_key(2), [2; 32], None);
    let mut to_peer = BytesMut::new();
    loop {
        to_peer.extend_from_slice(&drain(&mut honest));
        let progress = peer.handle_bytes(&mut to_peer).expect("an honest node");
        while let Some(bytes) = peer.poll_transmit() {
            let early = honest
                .handle_received(&bytes)
                .expect("no rule is broken yet");
            assert!(early.is_none());
        }
        if let Progress::Done(session) = progress {
            assert_eq!(honest.stage(), UpgradeStage::NodeInfo);
            return (honest, *session);
        }
    }
}

fn frame(session: &mut Session, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; FRAME_SEALED];
    frame[FRAME_HEADER..FRAME_HEADER + data.len()].copy_from_slice(data);
    session
        .sealer
        .seal(&mut frame, data.len())
        .expect("nonces are left");
    frame
}

fn encoded(info: &NodeInfo) -> Vec<u8> {
    let mut bytes = Vec::new();
    info.encode(&mut bytes);
    bytes
}

#[test]
fn a_node_info_in_many_small_frames_is_accepted() {
    let (mut honest, mut peer) = before_node_info(Offer::Comet);
    let info = encoded(&node_info(2, Offer::Comet));
    let mut done = None;
    for piece in info.chunks(2) {
        assert!(done.is_none());
        let sealed = frame(&mut peer, piece);
        done = honest.handle_received(&sealed).expect("no rule is broken");
    }
    assert_eq!(
        done.expect("it has come whole").node_info,
        node_info(2, Offer::Comet)
    );
}

#[test]
fn a_node_info_that_never_ends_is_refused_at_the_last_frame_allowed() {
    let (mut honest, mut peer) = before_node_info(Offer::Comet);
    for _ in 0..NODE_INFO_FRAMES_MAX {
        let empty = frame(&mut peer, &[]);
        assert!(
            honest
                .handle_received(&empty)
                .expect("not too many yet")
                .is_none()
        );
    }
    let one_more = frame(&mut peer, &[]);
    let error = ConnError::NodeInfoTooManyFrames(NODE_INFO_FRAMES_MAX);
    let refused = honest.handle_received(&one_more).expect_err("one too many");
    assert_eq!(refused, CloseReason::Connection(error));
}

#[test]
fn a_node_info_over_its_maximum_is_refused_from_its_length_alone() {
    let (mut honest, mut peer) = before_node_info(Offer::Comet);
    let sealed = frame(&mut peer, &[0x81, 0x50]);
    let refused = honest.handle_received(&sealed).expect_err("10 241 bytes");
    assert!(matches!(
        refused,
        CloseReason::Connection(ConnError::NodeInfoEncoding(_))
    ));
    assert_eq!(honest.stage(), UpgradeStage::Over);
}

#[test]
fn packets_in_the_frame_of_the_node_info_are_kept_with_frames_and_refused_with_records() {
    for offer in [Offer::Comet, Offer::Wide] {
        let (mut honest, mut peer) = before_node_info(offer);
        let packet = [0x0b, 0x1a, 9, 8, 0x22, 0x10, 1, 0x1a, 3, b'a', b'b', b'c'];
        let sealed = frame(
            &mut peer,
            &[&encoded(&node_info(2, offer))[..], &packet].concat(),
        );
        match (offer, honest.handle_received(&sealed)) {
            (Offer::Comet, Ok(Some(upgraded))) => {
                let mut end = End::new(upgraded.layer, config());
                assert_eq!(end.messages(NOW), [(VOTE, Bytes::from_static(b"abc"))]);
            }
            (Offer::Wide, Err(CloseReason::Connection(ConnError::DataBeforeRecords))) => {}
            (_, other) => panic!("{offer:?}: {other:?}"),
        }
    }
}

#[test]
fn a_changed_byte_of_the_node_info_is_detected() {
    for position in (0..FRAME_SEALED).step_by(131) {
        let (mut honest, mut peer) = before_node_info(Offer::Comet);
        let mut sealed = frame(&mut peer, &encoded(&node_info(2, Offer::Comet)));
        sealed[position] ^= 1;
        let refused = honest.handle_received(&sealed).expect_err("it was changed");
        let error = ConnError::Frame(FrameError::NotAuthentic);
        assert_eq!(refused, CloseReason::Connection(error));
    }
}
