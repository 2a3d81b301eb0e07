//! The last word of a side that closes on purpose, said to Ringwire nodes only.
//!
//! It travels as the last packet of its sender (docs/wire.md, section 7), so a node that was refused
//! finds the reason in its own log. It is the remote's word: it blames nobody, and it never makes a
//! persistent peer less wanted.

use std::fmt;

use bytes::BytesMut;
use ringwire_codec::packet::{GOODBYE_BODY_MAX, goodbye_text};
use ringwire_codec::{Blame, GoodbyeCode, Packet, PacketGoodbye};

use super::AgreedLimits;
use crate::buffer::Sealer;

/// Bytes of the length in front of a record's plaintext.
const HEADER_BYTES: usize = 4;
/// Bytes of the tag behind it.
const TAG_BYTES: usize = 16;

/// Why a side closes, as it tells the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// Why.
    pub code: GoodbyeCode,
    /// More about it, for people: printable ASCII, at most 128 bytes, often nothing.
    pub text: Box<str>,
}

impl Goodbye {
    /// A goodbye with as much of `text` as it can carry.
    pub fn new(code: GoodbyeCode, text: &str) -> Self {
        Goodbye {
            code,
            text: goodbye_text(text).into(),
        }
    }

    /// Whose fault the end of the connection was. Having no room is nobody's, and what the remote
    /// accuses us of would be ours: a peer is never to blame for a goodbye.
    pub fn blame(&self) -> Blame {
        match self.code {
            GoodbyeCode::Banned | GoodbyeCode::Refused | GoodbyeCode::Fault => Blame::Local,
            _ => Blame::Network,
        }
    }

    /// The sealed record that says it, if the peer reads goodbyes and its records go on.
    pub(crate) fn seal(&self, limits: &AgreedLimits, sealer: &mut Sealer) -> Option<BytesMut> {
        let Sealer::Wide { sealer, .. } = sealer else {
            return None;
        };
        if !limits.goodbye {
            return None;
        }
        let mut record = BytesMut::with_capacity(HEADER_BYTES + 2 + GOODBYE_BODY_MAX + TAG_BYTES);
        record.resize(HEADER_BYTES, 0);
        let (code, text) = (self.code, &*self.text);
        Packet::Goodbye(PacketGoodbye { code, text }).encode(&mut record);
        record.resize(record.len() + TAG_BYTES, 0);
        sealer.seal(&mut record).ok()?;
        Some(record)
    }
}

impl From<PacketGoodbye<'_>> for Goodbye {
    fn from(packet: PacketGoodbye<'_>) -> Self {
        Goodbye {
            code: packet.code,
            text: packet.text.into(),
        }
    }
}

impl fmt::Display for Goodbye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            GoodbyeCode::Stopped => f.write_str("it is done with the connection"),
            GoodbyeCode::Shutdown => f.write_str("it shuts down"),
            GoodbyeCode::Full => f.write_str("it has no room for us"),
            GoodbyeCode::Duplicate => f.write_str("it is connected to us already"),
            GoodbyeCode::Banned => f.write_str("it has banned us"),
            GoodbyeCode::Refused => f.write_str("a rule of its own refuses us"),
            GoodbyeCode::Fault => f.write_str("it says that we broke a rule"),
            GoodbyeCode::Internal => f.write_str("it had trouble of its own"),
            code => write!(f, "reason {}", code.number()),
        }?;
        match &*self.text {
            "" => Ok(()),
            text => write!(f, ": {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use ringwire_codec::packet::GOODBYE_TEXT_MAX;
    use ringwire_codec::{Extension, NodeInfo};

    use super::super::testing::*;
    use super::*;
    use crate::conn::ConnError;
    use crate::error::CloseReason;
    use crate::time::Instant;

    const NOW: Instant = Instant::ZERO;

    /// Two ends; the second one's offer is changed.
    fn pair_with(change: impl FnOnce(&mut Extension)) -> (End, End) {
        let offer = |seed| node_info(seed, Offer::Wide);
        let mut other: NodeInfo = offer(2);
        change(other.extension.as_mut().expect("it offers wide records"));
        let (a, b) = (upgrade(1, &offer(1)), upgrade(2, &other));
        let (a, b) = run_upgrades(a, b, 4096);
        let end = |upgraded: Result<Box<crate::conn::Upgraded>, _>| {
            End::new(upgraded.expect("an honest pair").layer, config())
        };
        (end(a), end(b))
    }

    #[test]
    fn a_goodbye_comes_behind_all_messages_and_says_why() {
        let (mut a, mut b) = pair_with(|_| ());
        for n in 0..3 {
            a.conn.try_send(NOW, DATA, message(n, 5000)).expect("room");
        }
        let mut bytes = a.transmit_all(NOW);
        let goodbye = Goodbye::new(GoodbyeCode::Full, "inbound peers");
        bytes.extend(a.conn.seal_goodbye(&goodbye).expect("the peer reads it"));
        b.receive(&bytes, NOW);
        for n in 0..3 {
            assert_eq!(b.next(NOW), Ok(Some((DATA, message(n, 5000)))));
        }
        let error = b.next(NOW).expect_err("the end");
        assert_eq!(error, ConnError::Goodbye(goodbye.clone()));
        let reason = CloseReason::from(error);
        assert_eq!(reason, CloseReason::Goodbye(goodbye));
        assert!(!reason.is_transient());
        let words = "the remote said goodbye: it has no room for us: inbound peers";
        assert_eq!(reason.to_string(), words);
    }

    #[test]
    fn the_longest_goodbye_fits_the_smallest_limits_that_can_be_agreed_on() {
        let (mut a, mut b) = pair_with(|extension| {
            extension.record_bytes_max = ringwire_codec::extension::RECORD_BYTES_MIN;
            extension.packet_payload_max = ringwire_codec::extension::PACKET_PAYLOAD_MIN;
        });
        let text = "x".repeat(GOODBYE_TEXT_MAX + 9);
        let longest = Goodbye::new(GoodbyeCode::Other(u32::MAX), &text);
        assert_eq!(longest.text.len(), GOODBYE_TEXT_MAX);
        let bytes = a.conn.seal_goodbye(&longest).expect("the peer reads it");
        b.receive(&bytes, NOW);
        assert_eq!(b.next(NOW), Err(ConnError::Goodbye(longest)));
    }

    #[test]
    fn nobody_is_told_who_would_not_understand() {
        let goodbye = Goodbye::new(GoodbyeCode::Stopped, "");
        let (mut a, _) = pair(Offer::Comet);
        assert_eq!(a.conn.seal_goodbye(&goodbye), None);
        let (mut a, mut b) = pair_with(|extension| extension.version = 1);
        assert_eq!(a.conn.seal_goodbye(&goodbye), None);
        assert_eq!(b.conn.seal_goodbye(&goodbye), None);
    }

    #[test]
    fn a_peer_is_never_to_blame_for_what_it_says_at_the_end() {
        for number in 1..=9 {
            let code = GoodbyeCode::from_number(number).expect("not zero");
            let goodbye = Goodbye::new(code, "");
            assert_ne!(goodbye.blame(), Blame::Peer, "{goodbye}");
            assert_eq!(
                CloseReason::Goodbye(goodbye.clone()).blame(),
                goodbye.blame()
            );
        }
    }
}
