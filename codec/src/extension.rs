//! What two Ringwire nodes tell each other beyond CometBFT, inside NodeInfo.
//!
//! ```text
//! NodeInfo { … 4242 bytes extension }
//! Extension { 1 uint32 version ; 2 uint32 record_bytes_max ; 3 uint32 packet_payload_max ;
//!             4 uint64 gossip_features }
//! ```
//!
//! A CometBFT node skips field 4242 and stays on its own record layer. NodeInfo travels inside the
//! authenticated channel, so nobody between the two can strip or forge the offer. Both sides
//! compute the same [`Agreed`] from the two offers without another round trip; it takes the smaller
//! of each limit, so neither side is ever sent more than it asked for.
//!
//! The rules for later versions: a field is only ever added, and a version offers all that the
//! versions below it do.

use bytes::BufMut;

use crate::error::DecodeError;
use crate::packet::{ChannelId, GOODBYE_VERSION, packet_header_len};
use crate::proto::{Fields, put_varint};

/// The number of NodeInfo's field that carries the extension.
pub const EXTENSION_FIELD: u32 = 4242;

/// The version that this crate speaks. 1: wide records. 2: goodbyes, too.
pub const EXTENSION_VERSION: u32 = GOODBYE_VERSION;

/// The longest encoded extension that is read, in bytes. Today's takes at most 29; the rest is room
/// for the fields of later versions.
pub const EXTENSION_BYTES_MAX: usize = 1024;

/// The smallest record limit a node may offer, in bytes of plaintext. Below it a record would carry
/// less than a CometBFT frame.
pub const RECORD_BYTES_MIN: u32 = 1024;

/// The smallest packet payload a node may offer, in bytes. Below it headers outweigh data.
pub const PACKET_PAYLOAD_MIN: u32 = 64;

const FIELD_VERSION: u32 = 1;
const FIELD_RECORD_BYTES_MAX: u32 = 2;
const FIELD_PACKET_PAYLOAD_MAX: u32 = 3;
const FIELD_GOSSIP_FEATURES: u32 = 4;

/// One node's offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extension {
    /// The highest version spoken, from 1.
    pub version: u32,
    /// The longest record accepted, in bytes of plaintext, from [`RECORD_BYTES_MIN`].
    pub record_bytes_max: u32,
    /// The longest packet payload accepted, in bytes, from [`PACKET_PAYLOAD_MIN`].
    pub packet_payload_max: u32,
    /// The gossip features spoken, one bit each.
    pub gossip_features: u64,
}

/// What both sides may use after NodeInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Agreed {
    /// The longest record either side may send, in bytes of plaintext.
    pub record_bytes_max: u32,
    /// The longest packet payload either side may send, in bytes. A packet of it fits one record.
    pub packet_payload_max: u32,
    /// The gossip features that both speak.
    pub gossip_features: u64,
    /// Whether both read goodbyes.
    pub goodbye: bool,
}

impl Extension {
    /// Reads an extension from the bytes of NodeInfo's field.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLong`] over [`EXTENSION_BYTES_MAX`], [`DecodeError::BadValue`] for a
    /// version of 0 or a limit below its minimum, and the errors of malformed protobuf.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > EXTENSION_BYTES_MAX {
            let (len, max) = (bytes.len() as u64, EXTENSION_BYTES_MAX as u64);
            return Err(DecodeError::TooLong {
                what: "extension",
                len,
                max,
            });
        }
        let mut extension = Self {
            version: 0,
            record_bytes_max: 0,
            packet_payload_max: 0,
            gossip_features: 0,
        };
        let mut fields = Fields::new(bytes, "extension");
        while let Some(field) = fields.next()? {
            match field.number {
                FIELD_VERSION => extension.version = field.uint32("extension.version")?,
                FIELD_RECORD_BYTES_MAX => {
                    extension.record_bytes_max = field.uint32("extension.record_bytes_max")?;
                }
                FIELD_PACKET_PAYLOAD_MAX => {
                    extension.packet_payload_max = field.uint32("extension.packet_payload_max")?;
                }
                FIELD_GOSSIP_FEATURES => {
                    extension.gossip_features = field.varint("extension.gossip_features")?;
                }
                _ => {}
            }
        }
        extension.check()?;
        Ok(extension)
    }

    /// Appends the extension's fields to `buf`.
    ///
    /// # Panics
    ///
    /// If `buf` has too little room left.
    pub fn encode(&self, buf: &mut impl BufMut) {
        put_varint(FIELD_VERSION, self.version.into(), buf);
        put_varint(FIELD_RECORD_BYTES_MAX, self.record_bytes_max.into(), buf);
        put_varint(
            FIELD_PACKET_PAYLOAD_MAX,
            self.packet_payload_max.into(),
            buf,
        );
        put_varint(FIELD_GOSSIP_FEATURES, self.gossip_features, buf);
    }

    /// The offer of a node that accepts records of so many plaintext bytes. A packet may fill one: what is agreed takes its
    /// header off.
    #[must_use]
    pub const fn of_records(record_bytes_max: u32) -> Self {
        Extension {
            version: EXTENSION_VERSION,
            record_bytes_max,
            packet_payload_max: record_bytes_max,
            gossip_features: 0,
        }
    }

    /// What two nodes with these offers use, or `None` if one of them speaks no version at all.
    /// Both sides come to the same answer, as the order of the two does not matter.
    #[must_use]
    pub fn agree(local: &Self, remote: &Self) -> Option<Agreed> {
        let version = local.version.min(remote.version);
        if version == 0 {
            return None;
        }
        let record_bytes_max = local.record_bytes_max.min(remote.record_bytes_max);
        let payload_max = local.packet_payload_max.min(remote.packet_payload_max);
        Some(Agreed {
            record_bytes_max,
            packet_payload_max: payload_max.min(payload_room(record_bytes_max)),
            gossip_features: local.gossip_features & remote.gossip_features,
            goodbye: version >= GOODBYE_VERSION,
        })
    }

    fn check(&self) -> Result<(), DecodeError> {
        let bad_value = |field, rule| Err(DecodeError::BadValue { field, rule });
        if self.version == 0 {
            return bad_value("extension.version", "must be at least 1");
        }
        if self.record_bytes_max < RECORD_BYTES_MIN {
            return bad_value("extension.record_bytes_max", "must be at least 1024");
        }
        if self.packet_payload_max < PACKET_PAYLOAD_MIN {
            return bad_value("extension.packet_payload_max", "must be at least 64");
        }
        Ok(())
    }
}

/// The longest payload whose packet fits a record of `record_bytes`: a packet never spans two.
const fn payload_room(record_bytes: u32) -> u32 {
    // Channel 0xff with `eof` has the longest header; it is at most 22 bytes, so this fits.
    let header = packet_header_len(ChannelId(0xff), true, record_bytes as usize) as u32;
    record_bytes.saturating_sub(header)
}

/// Fuzz target: an offer that is read can be written and read again, and agrees with itself.
#[doc(hidden)]
pub fn fuzz_extension(bytes: &[u8]) {
    let Ok(extension) = Extension::decode(bytes) else {
        return;
    };
    let mut written = Vec::new();
    extension.encode(&mut written);
    assert_eq!(Extension::decode(&written), Ok(extension));
    let agreed = Extension::agree(&extension, &extension).expect("its version was checked");
    assert!(agreed.packet_payload_max < agreed.record_bytes_max);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OFFER: Extension = Extension {
        version: 1,
        record_bytes_max: 65_536,
        packet_payload_max: 16_384,
        gossip_features: 0b101,
    };

    fn encoded(extension: &Extension) -> Vec<u8> {
        let mut buf = Vec::new();
        extension.encode(&mut buf);
        buf
    }

    fn any_offer() -> impl Strategy<Value = Extension> {
        (
            1..=u32::MAX,
            RECORD_BYTES_MIN..=u32::MAX,
            PACKET_PAYLOAD_MIN..=u32::MAX,
            any::<u64>(),
        )
            .prop_map(
                |(version, record_bytes_max, packet_payload_max, gossip_features)| Extension {
                    version,
                    record_bytes_max,
                    packet_payload_max,
                    gossip_features,
                },
            )
    }

    #[test]
    fn an_offer_has_fixed_bytes() {
        assert_eq!(hex::encode(encoded(&OFFER)), "080110808004188080012005");
    }

    #[test]
    fn fields_of_later_versions_are_skipped() {
        let mut bytes = encoded(&OFFER);
        bytes.extend([0x2a, 3, 1, 2, 3, 0x30, 9]);
        assert_eq!(Extension::decode(&bytes), Ok(OFFER));
    }

    #[test]
    fn limits_at_their_minimum_pass_and_one_less_is_refused() {
        let least = Extension {
            version: 1,
            record_bytes_max: RECORD_BYTES_MIN,
            packet_payload_max: PACKET_PAYLOAD_MIN,
            gossip_features: 0,
        };
        assert_eq!(Extension::decode(&encoded(&least)), Ok(least));
        for (field, offer) in [
            (
                "extension.version",
                Extension {
                    version: 0,
                    ..least
                },
            ),
            (
                "extension.record_bytes_max",
                Extension {
                    record_bytes_max: 1023,
                    ..least
                },
            ),
            (
                "extension.packet_payload_max",
                Extension {
                    packet_payload_max: 63,
                    ..least
                },
            ),
        ] {
            let error = Extension::decode(&encoded(&offer)).unwrap_err();
            assert!(matches!(error, DecodeError::BadValue { field: named, .. } if named == field));
        }
    }

    #[test]
    fn a_limit_over_32_bits_is_refused() {
        let mut bytes = encoded(&OFFER);
        put_varint(FIELD_RECORD_BYTES_MAX, u64::from(u32::MAX) + 1, &mut bytes);
        assert!(matches!(
            Extension::decode(&bytes),
            Err(DecodeError::OutOfRange { .. })
        ));
    }

    #[test]
    fn the_longest_extension_passes_and_one_byte_more_is_refused() {
        let padded = |len: usize| {
            let mut bytes = encoded(&OFFER);
            // Tag and a length of two bytes for the unknown field.
            let padding = len - bytes.len() - 3;
            crate::proto::put_message(9, &vec![0; padding], &mut bytes);
            assert_eq!(bytes.len(), len);
            bytes
        };
        assert_eq!(Extension::decode(&padded(EXTENSION_BYTES_MAX)), Ok(OFFER));
        let refused = Extension::decode(&padded(EXTENSION_BYTES_MAX + 1));
        assert!(matches!(refused, Err(DecodeError::TooLong { .. })));
    }

    #[test]
    fn the_smaller_limits_and_the_common_features_are_agreed() {
        let remote = Extension {
            version: 2,
            record_bytes_max: 32_768,
            packet_payload_max: 20_000,
            gossip_features: 0b110,
        };
        let agreed = Agreed {
            record_bytes_max: 32_768,
            packet_payload_max: 16_384,
            gossip_features: 0b100,
            goodbye: false,
        };
        assert_eq!(Extension::agree(&OFFER, &remote), Some(agreed));
    }

    #[test]
    fn goodbyes_are_said_to_nodes_that_read_them_only() {
        let goodbye = |ours, theirs| {
            let [ours, theirs] = [ours, theirs].map(|version| Extension { version, ..OFFER });
            Extension::agree(&ours, &theirs).map(|agreed| agreed.goodbye)
        };
        assert_eq!(goodbye(1, 2), Some(false));
        assert_eq!(goodbye(2, 1), Some(false));
        assert_eq!(goodbye(2, 2), Some(true));
        assert_eq!(goodbye(3, 2), Some(true));
    }

    #[test]
    fn nothing_is_agreed_with_a_node_that_speaks_no_version() {
        assert_eq!(
            Extension::agree(
                &OFFER,
                &Extension {
                    version: 0,
                    ..OFFER
                }
            ),
            None
        );
    }

    #[test]
    fn a_packet_of_the_agreed_payload_fits_one_record() {
        let greedy = Extension {
            packet_payload_max: u32::MAX,
            ..OFFER
        };
        let agreed = Extension::agree(&greedy, &greedy).unwrap();
        let payload = agreed.packet_payload_max as usize;
        let packet = packet_header_len(ChannelId(0xff), true, payload) + payload;
        assert!(packet <= agreed.record_bytes_max as usize);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(offer in any_offer()) {
            prop_assert_eq!(Extension::decode(&encoded(&offer)), Ok(offer));
        }

        #[test]
        fn both_sides_come_to_the_same_answer(a in any_offer(), b in any_offer()) {
            prop_assert_eq!(Extension::agree(&a, &b), Extension::agree(&b, &a));
        }

        #[test]
        fn any_bytes_are_answered(bytes: Vec<u8>) {
            fuzz_extension(&bytes);
        }
    }
}
