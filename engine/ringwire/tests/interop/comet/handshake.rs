//! Becoming peers with CometBFT, and not becoming peers.

use ringwire::error::DialError;
use ringwire::error::{CloseReason, Reject};
use ringwire::peer::{Direction, Framing, PeerInfo};
use ringwire_codec::secret::HandshakeError;
use ringwire_codec::{NodeInfoError, NodeKey};

use super::ours::{CHANNELS, NETWORK, Ours, dialed_by, each_line, unlimited};
use super::process::{Comet, text};

/// Each side knows the other by its right name, and keeps to CometBFT's framing.
fn check_introduction(comet: &mut Comet, ours: &Ours, theirs: &PeerInfo, direction: Direction) {
    let name = comet.line.name;
    let info = &theirs.node_info;
    assert_eq!(theirs.direction, direction, "{name}");
    assert_eq!(theirs.framing, Framing::Comet, "{name}");
    assert_eq!(info.node_id, comet.id, "{name}");
    assert_eq!(info.network, NETWORK, "{name}");
    assert_eq!(info.protocol_version.p2p, comet.line.p2p_protocol, "{name}");
    assert_eq!(info.extension, None, "{name}");
    assert_eq!(info.validate(), Ok(()), "{name}");
    let port = comet.address.port;
    assert_eq!(
        info.listen_addr,
        format!("tcp://127.0.0.1:{port}"),
        "{name}"
    );

    let seen = comet.peer_added(ours.engine.handle().node_id());
    let info = &seen["node_info"];
    assert_eq!(seen["outbound"], direction == Direction::Inbound, "{name}");
    assert_eq!(info["network"], NETWORK, "{name}");
    assert_eq!(info["moniker"], "ours", "{name}");
    let port = ours.engine.handle().listen_addr().port();
    let listens = text(info, "listen_addr").unwrap_or_default();
    assert!(listens.ends_with(&format!("127.0.0.1:{port}")), "{listens}");
    let channels = text(info, "channels").unwrap_or_default().to_lowercase();
    for (channel, _) in CHANNELS {
        assert!(
            channels.contains(&format!("{:02x}", channel.0)),
            "{channels}"
        );
    }
}

// Conformance items 17 and 48.
#[test]
fn a_comet_node_that_dials_us_becomes_a_peer() {
    each_line(&[], unlimited, |comet, ours| {
        let theirs = dialed_by(comet, ours);
        check_introduction(comet, ours, &theirs, Direction::Inbound);
    });
}

// Conformance items 17 and 48.
#[test]
fn a_comet_node_that_we_dial_becomes_a_peer() {
    each_line(&[], unlimited, |comet, ours| {
        assert_eq!(
            ours.engine.handle().dial_blocking(comet.address.clone()),
            Ok(comet.id)
        );
        let theirs = ours.added(comet);
        check_introduction(comet, ours, &theirs, Direction::Outbound);
    });
}

// Conformance item 44.
#[test]
fn a_comet_node_that_meets_another_node_than_it_dialed_hangs_up() {
    each_line(&[], unlimited, |comet, ours| {
        let mut wrong = ours.address();
        wrong.id = NodeKey::from_seed([0x2d; 32]).id();
        let refusal = comet.dial(&wrong).expect_err("it finds another node");
        assert!(
            refusal.contains(&ours.engine.handle().node_id().to_string()),
            "{refusal}"
        );
        let (_, reason) = ours.refused();
        // Our proof may lie unread in its socket, and then the end is a reset.
        assert!(
            matches!(reason, CloseReason::Network(_)),
            "{}: {reason}",
            comet.line.name
        );
        assert_eq!(ours.engine.handle().peer_count(), 0, "{}", comet.line.name);
    });
}

// Conformance item 44.
#[test]
fn a_comet_node_that_is_not_the_one_we_dialed_is_refused_by_both_ids() {
    each_line(&[], unlimited, |comet, ours| {
        let expected = NodeKey::from_seed([0x2d; 32]).id();
        let mut wrong = comet.address.clone();
        wrong.id = expected;
        let found = comet.id;
        let error = HandshakeError::WrongId { expected, found };
        let refused = DialError::Closed(CloseReason::Handshake(error));
        assert_eq!(
            ours.engine.handle().dial_blocking(wrong),
            Err(refused),
            "{}",
            comet.line.name
        );
    });
}

// Conformance item 45.
#[test]
fn a_comet_node_of_another_network_is_refused_whoever_dials() {
    each_line(&["-network", "elsewhere"], unlimited, |comet, ours| {
        let differs = NodeInfoError::Network {
            ours: NETWORK.into(),
            theirs: "elsewhere".into(),
        };
        let elsewhere = CloseReason::Rejected(Reject::NodeInfo(differs));
        let refused = ours.engine.handle().dial_blocking(comet.address.clone());
        assert_eq!(
            refused,
            Err(DialError::Closed(elsewhere.clone())),
            "{}",
            comet.line.name
        );
        assert_eq!(ours.refused().1, elsewhere, "{}", comet.line.name);

        comet.dial(&ours.address()).expect_err("it is refused");
        assert_eq!(ours.refused().1, elsewhere, "{}", comet.line.name);
        assert_eq!(ours.engine.handle().peer_count(), 0, "{}", comet.line.name);
    });
}
