//! NodeInfo against the tables of the reference.

use proptest::prelude::*;

use super::wire::{FIELD_MONIKER, FIELD_NETWORK, FIELD_NODE_ID};
use super::*;
use crate::net_address::NetAddressError;
use crate::proto::{put_bytes, varint_tag};
use crate::varint;

const ID: &str = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

fn info() -> NodeInfo {
    NodeInfo {
        protocol_version: ProtocolVersion::default(),
        node_id: ID.parse().expect("the test's own id"),
        listen_addr: "tcp://127.0.0.1:26656".into(),
        network: "test-chain".into(),
        version: "1.2.3-rc0".into(),
        channels: [0x40, 0x20, 0x21].map(ChannelId).into_iter().collect(),
        moniker: "node".into(),
        other: NodeInfoOther {
            tx_index: "on".into(),
            rpc_address: "0.0.0.0:26657".into(),
        },
        extension: None,
    }
}

fn encoded(info: &NodeInfo) -> Vec<u8> {
    let mut buf = Vec::new();
    info.encode(&mut buf);
    buf
}

/// The NodeInfo of [`info`] after `change`.
fn with(change: impl FnOnce(&mut NodeInfo)) -> NodeInfo {
    let mut info = info();
    change(&mut info);
    info
}

fn channels(ids: impl IntoIterator<Item = u8>) -> SmallVec<[ChannelId; CHANNELS_MAX]> {
    ids.into_iter().map(ChannelId).collect()
}

#[test]
fn fields_lie_in_the_order_of_the_reference() {
    let mut body = hex::decode("0a040808100b").expect("the test's own hex");
    for (number, text) in [
        (2, ID.as_bytes()),
        (3, b"tcp://127.0.0.1:26656"),
        (4, b"test-chain"),
        (5, b"1.2.3-rc0"),
        (6, &[0x40, 0x20, 0x21]),
        (7, b"node"),
        (8, b"\x0a\x02on\x12\x0d0.0.0.0:26657"),
    ] {
        body.push(number << 3 | 2);
        body.push(text.len() as u8);
        body.extend(text);
    }
    assert_eq!(info().encode_body(), body);
}

#[test]
fn the_two_embedded_messages_are_written_even_when_empty() {
    let empty = NodeInfo {
        protocol_version: ProtocolVersion::ZERO,
        node_id: ID.parse().unwrap(),
        listen_addr: String::new(),
        network: String::new(),
        version: String::new(),
        channels: SmallVec::new(),
        moniker: String::new(),
        other: NodeInfoOther::default(),
        extension: None,
    };
    let body = [&[0x0a, 0x00, 0x12, 40][..], ID.as_bytes(), &[0x42, 0x00]].concat();
    assert_eq!(empty.encode_body(), body);
    assert_eq!(NodeInfo::decode_body(&body), Ok(empty));
}

#[test]
fn the_extension_travels_in_its_field_and_its_absence_is_none() {
    let offer = Extension {
        version: 1,
        record_bytes_max: 65_536,
        packet_payload_max: 1024,
        gossip_features: 3,
    };
    let offering = with(|info| info.extension = Some(offer));
    let bytes = encoded(&offering);
    assert_eq!(NodeInfo::decode(&bytes), Ok(Some((offering, bytes.len()))));
    let plain = encoded(&info());
    assert_eq!(NodeInfo::decode(&plain).unwrap().unwrap().0.extension, None);
}

#[test]
fn unknown_fields_are_skipped_and_the_last_value_wins() {
    let mut body = info().encode_body();
    put_bytes(77, b"unknown", &mut body);
    put_bytes(FIELD_MONIKER, b"other", &mut body);
    assert_eq!(
        NodeInfo::decode_body(&body),
        Ok(with(|info| info.moniker = "other".into()))
    );
}

#[test]
fn the_longest_node_info_passes_and_one_byte_more_is_refused() {
    let longest = with(|info| info.network = "n".repeat(NODE_INFO_BYTES_MAX));
    let excess = longest.encode_body().len() - NODE_INFO_BYTES_MAX;
    let longest = with(|info| info.network = "n".repeat(NODE_INFO_BYTES_MAX - excess));
    let bytes = encoded(&longest);
    assert_eq!(longest.encode_body().len(), NODE_INFO_BYTES_MAX);
    assert_eq!(longest.validate(), Ok(()));
    assert!(matches!(NodeInfo::decode(&bytes), Ok(Some(_))));
    assert_eq!(NodeInfo::decode(&bytes[..bytes.len() - 1]), Ok(None));

    let longer = with(|info| info.network = "n".repeat(NODE_INFO_BYTES_MAX - excess + 1));
    assert_eq!(
        longer.validate(),
        Err(NodeInfoError::TooLong {
            bytes: NODE_INFO_BYTES_MAX + 1
        })
    );
    assert!(matches!(
        NodeInfo::decode(&encoded(&longer)),
        Err(DecodeError::TooLong { .. })
    ));
}

#[test]
fn an_id_that_is_none_is_refused_by_name() {
    for id in ["", "deadbeef", &"x".repeat(40), &"a".repeat(41)] {
        let mut body = Vec::new();
        put_bytes(FIELD_NODE_ID, id.as_bytes(), &mut body);
        let error = NodeInfo::decode_body(&body).unwrap_err();
        assert_eq!(
            error.to_string(),
            "node_info.default_node_id: must be 40 hexadecimal digits"
        );
    }
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let mut body = info().encode_body();
    put_bytes(FIELD_NETWORK, &[0xff], &mut body);
    let refused = DecodeError::BadValue {
        field: "node_info.network",
        rule: "must be UTF-8",
    };
    assert_eq!(NodeInfo::decode_body(&body), Err(refused));
}

#[test]
fn a_field_of_the_wrong_wire_type_is_refused() {
    let mut body = info().encode_body();
    varint::encode(varint_tag(FIELD_MONIKER), &mut body);
    body.push(1);
    let refused = DecodeError::WrongWireType {
        field: "node_info.moniker",
        found: 0,
    };
    assert_eq!(NodeInfo::decode_body(&body), Err(refused));
}

// Conformance item 32.
#[test]
fn what_the_reference_finds_valid_is_valid() {
    let good = [
        info(),
        with(|info| info.channels = channels(0..16)),
        with(|info| info.channels = channels([])),
        with(|info| info.version = String::new()),
        with(|info| info.other.tx_index = String::new()),
        with(|info| info.other.tx_index = "off".into()),
        with(|info| info.other.rpc_address = String::new()),
        with(|info| info.listen_addr = "0.0.0.0:26656".into()),
        with(|info| info.listen_addr = "not.resolved.example:26656".into()),
        with(|info| info.moniker = " a ".into()),
    ];
    for info in good {
        assert_eq!(info.validate(), Ok(()), "{info:?}");
    }
}

// Conformance item 32.
#[test]
fn what_the_reference_finds_invalid_is_refused() {
    use NodeInfoError::*;
    let blank_or_not_ascii = ["\u{a2}§µ", "caf\u{e9}", "\t", "a\tb", " ", "   ", "\u{7f}"];
    let mut bad = vec![
        (
            with(|info| info.channels = channels(0..17)),
            TooManyChannels { found: 17 },
        ),
        (
            with(|info| info.channels = channels([1, 2, 1])),
            DuplicateChannel(ChannelId(1)),
        ),
        (
            with(|info| info.listen_addr = String::new()),
            ListenAddr(NetAddressError::NoHost),
        ),
        (
            with(|info| info.listen_addr = "not-an-address".into()),
            ListenAddr(NetAddressError::NoPort),
        ),
        (
            with(|info| info.listen_addr = "127.0.0.1:99999".into()),
            ListenAddr(NetAddressError::InvalidPort),
        ),
        (with(|info| info.moniker = String::new()), Moniker),
        (with(|info| info.other.tx_index = "On".into()), TxIndex),
    ];
    for text in blank_or_not_ascii {
        bad.push((with(|info| info.version = text.into()), Version));
        bad.push((with(|info| info.moniker = text.into()), Moniker));
        bad.push((with(|info| info.other.tx_index = text.into()), TxIndex));
        bad.push((
            with(|info| info.other.rpc_address = text.into()),
            RpcAddress,
        ));
    }
    for (info, error) in bad {
        assert_eq!(info.validate(), Err(error), "{info:?}");
    }
}

// Conformance item 33.
#[test]
fn nodes_with_a_common_channel_are_compatible() {
    let ours = info();
    assert_eq!(ours.compatible_with(&info()), Ok(()));
    let more = with(|info| info.channels.push(ChannelId(0x77)));
    assert_eq!(ours.compatible_with(&more), Ok(()));
    assert_eq!(more.compatible_with(&ours), Ok(()));
    let other_p2p = with(|info| info.protocol_version.p2p = 9);
    assert_eq!(ours.compatible_with(&other_p2p), Ok(()));
    let without_channels = with(|info| info.channels.clear());
    assert_eq!(without_channels.compatible_with(&ours), Ok(()));
}

// Conformance item 33.
#[test]
fn another_block_format_network_or_set_of_channels_is_incompatible() {
    use NodeInfoError::*;
    let ours = info();
    for (theirs, error) in [
        (
            with(|info| info.protocol_version.block = 10),
            BlockProtocol {
                ours: 11,
                theirs: 10,
            },
        ),
        (
            with(|info| info.network = "other-chain".into()),
            Network {
                ours: ours.network.as_str().into(),
                theirs: "other-chain".into(),
            },
        ),
        (
            with(|info| info.channels = channels([0x77])),
            NoCommonChannel {
                ours: ours.channels.clone(),
                theirs: channels([0x77]),
            },
        ),
        (
            with(|info| info.channels.clear()),
            NoCommonChannel {
                ours: ours.channels.clone(),
                theirs: channels([]),
            },
        ),
    ] {
        assert!(error.is_incompatible());
        assert_eq!(ours.compatible_with(&theirs), Err(error));
    }
}

#[test]
fn a_difference_names_both_sides_and_shows_no_more_of_a_stranger_than_fits() {
    let mut ours = info();
    ours.network = "ours-1".into();
    ours.channels = channels([0x20, 0x21]);
    let told = |change: &dyn Fn(&mut NodeInfo)| {
        let mut theirs = ours.clone();
        change(&mut theirs);
        ours.compatible_with(&theirs)
            .expect_err("they differ")
            .to_string()
    };
    let network = told(&|info| info.network = "theirs-1".into());
    assert_eq!(
        network,
        "network \"theirs-1\" differs from ours, \"ours-1\""
    );
    let odd = told(&|info| info.network = "\u{1b}[2J".repeat(1000));
    assert!(odd.len() < 1000 && !odd.contains('\u{1b}'), "{odd}");
    let channel = told(&|info| info.channels = channels([0x40]));
    assert_eq!(
        channel,
        "no common channel: ours are 0x20 0x21, theirs are 0x40"
    );
    let none = told(&|info| info.channels.clear());
    assert!(none.ends_with("theirs are none"), "{none}");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        numbers: [u64; 3],
        texts: [String; 6],
        ids: Vec<u8>,
        tail: Vec<u8>,
    ) {
        let [p2p, block, app] = numbers;
        let [listen_addr, network, version, moniker, tx_index, rpc_address] = texts;
        let info = NodeInfo {
            protocol_version: ProtocolVersion { p2p, block, app },
            node_id: ID.parse().unwrap(),
            listen_addr,
            network,
            version,
            channels: channels(ids),
            moniker,
            other: NodeInfoOther { tx_index, rpc_address },
            extension: None,
        };
        let mut bytes = encoded(&info);
        let len = bytes.len();
        bytes.extend(tail);
        prop_assert_eq!(NodeInfo::decode(&bytes), Ok(Some((info, len))));
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        fuzz_node_info(&bytes);
        fuzz_node_info(&[info().encode_body(), bytes].concat());
    }
}

#[test]
fn no_text_of_a_node_info_that_passes_can_drive_a_terminal() {
    type Set = fn(&mut NodeInfo, String);
    let texts: [Set; 6] = [
        |info, text| info.listen_addr = text + "://1.2.3.4:5",
        |info, text| info.listen_addr = text + "host.example:5",
        |info, text| info.network = text,
        |info, text| info.version = text,
        |info, text| info.moniker = text,
        |info, text| info.other.rpc_address = text,
    ];
    for (at, set) in texts.into_iter().enumerate() {
        let sound = with(|info| set(info, "tcp".into()));
        assert_eq!(sound.validate(), Ok(()), "text {at}");
        for escape in ["tcp\x1b[2J", "a\nb", "\u{9b}31m", "\u{202e}", "\x7f", "\0"] {
            let refused = with(|info| set(info, escape.into())).validate();
            assert!(refused.is_err(), "text {at}: {escape:?}");
        }
    }
}
