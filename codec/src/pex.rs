//! Messages of the peer exchange, on channel 0x00: "whom do you know?" and the answer.
//!
//! ```text
//! Message    { oneof { PexRequest = 1 {} ; PexAddrs = 2 } }
//! PexAddrs   { repeated NetAddress addrs = 1 }
//! NetAddress { string id = 1 ; string ip = 2 ; uint32 port = 3 }
//! ```
//!
//! The answer comes from strangers about strangers, so it is read with the rules of the reference
//! and no milder: an IP or port that is none makes the whole message bad, and its sender with it.
//! An id that is none only costs its entry, as in the reference, where the address book refuses it.

use std::net::IpAddr;

use bytes::BufMut;

use crate::error::DecodeError;
use crate::id::NodeId;
use crate::net_address::{Host, NetAddress};
use crate::packet::ChannelId;
use crate::proto::{Fields, put_bytes, put_message, put_varint};

/// The channel of these messages.
pub const PEX_CHANNEL: ChannelId = ChannelId(0x00);

/// The longest message, in bytes.
pub const PEX_BYTES_MAX: usize = 64_000;

/// The most addresses that one message tells.
pub const PEX_ADDRESSES_MAX: usize = 250;

/// The most entries that are read before the message is refused. The reference's selection for a
/// seed's answer can come out one too long; that must not cost an honest node its connection.
const ENTRIES_ACCEPTED_MAX: usize = PEX_ADDRESSES_MAX + 1;

/// The longest entry, with tag and length: a 40-digit id, the longest text of an IPv6 address, the
/// largest port.
const ENTRY_BYTES_MAX: usize = 2 + (2 + 40) + (2 + 45) + (1 + 3);

// So an answer that we write is never longer than a peer accepts.
const _: () = assert!(PEX_ADDRESSES_MAX * ENTRY_BYTES_MAX + 8 <= PEX_BYTES_MAX);

const FIELD_REQUEST: u32 = 1;
const FIELD_ADDRS: u32 = 2;
const FIELD_ADDR: u32 = 1;
const FIELD_ID: u32 = 1;
const FIELD_IP: u32 = 2;
const FIELD_PORT: u32 = 3;

/// A message of the peer exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PexMessage {
    /// Asks for addresses.
    Request,
    /// Tells up to [`PEX_ADDRESSES_MAX`] of them. Only IP addresses travel, never names.
    Addrs(Vec<NetAddress>),
}

impl PexMessage {
    /// Reads a message. Entries whose id is not a node id are left out.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLong`] over [`PEX_BYTES_MAX`], [`DecodeError::TooMany`] over one more than
    /// [`PEX_ADDRESSES_MAX`] entries (that one is left out), [`DecodeError::BadValue`] for an IP
    /// and [`DecodeError::OutOfRange`] for a port that is none, [`DecodeError::UnknownMessage`] if
    /// it is neither message, and the errors of malformed protobuf.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > PEX_BYTES_MAX {
            let (len, max) = (bytes.len() as u64, PEX_BYTES_MAX as u64);
            return Err(DecodeError::TooLong {
                what: "pex message",
                len,
                max,
            });
        }
        let mut message = None;
        let mut fields = Fields::new(bytes, "pex message");
        while let Some(field) = fields.next()? {
            match field.number {
                FIELD_REQUEST => {
                    Fields::new(field.bytes("pex.pex_request")?, "pex_request").skip_all()?;
                    message = Some(Self::Request);
                }
                FIELD_ADDRS => {
                    message = Some(Self::Addrs(decode_addrs(field.bytes("pex.pex_addrs")?)?));
                }
                _ => {}
            }
        }
        message.ok_or(DecodeError::UnknownMessage {
            what: "pex message",
        })
    }

    /// Appends the message to `buf`. Of the addresses, the first [`PEX_ADDRESSES_MAX`] with an IP
    /// are written: the message has no place for names.
    ///
    /// # Panics
    ///
    /// If `buf` has too little room left; [`PEX_BYTES_MAX`] is always enough.
    pub fn encode(&self, buf: &mut impl BufMut) {
        match self {
            Self::Request => put_message(FIELD_REQUEST, &[], buf),
            Self::Addrs(addresses) => {
                let with_ip = addresses.iter().filter_map(|address| match address.host {
                    Host::Ip(ip) => Some((address.id, ip, address.port)),
                    Host::Name(_) | Host::Unix(_) => None,
                });
                let mut addrs = Vec::new();
                for (id, ip, port) in with_ip.take(PEX_ADDRESSES_MAX) {
                    put_message(
                        FIELD_ADDR,
                        &encode_addr(&id.to_string(), ip, port),
                        &mut addrs,
                    );
                }
                put_message(FIELD_ADDRS, &addrs, buf);
            }
        }
    }
}

fn encode_addr(id: &str, ip: IpAddr, port: u16) -> Vec<u8> {
    let mut addr = Vec::with_capacity(ENTRY_BYTES_MAX);
    put_bytes(FIELD_ID, id.as_bytes(), &mut addr);
    put_bytes(FIELD_IP, ip.to_string().as_bytes(), &mut addr);
    put_varint(FIELD_PORT, port.into(), &mut addr);
    addr
}

fn decode_addrs(addrs: &[u8]) -> Result<Vec<NetAddress>, DecodeError> {
    let mut addresses = Vec::new();
    let mut entries = 0;
    let mut fields = Fields::new(addrs, "pex_addrs");
    while let Some(field) = fields.next()? {
        if field.number != FIELD_ADDR {
            continue;
        }
        entries += 1;
        if entries > ENTRIES_ACCEPTED_MAX {
            return Err(DecodeError::TooMany {
                what: "pex_addrs.addrs",
                max: PEX_ADDRESSES_MAX,
            });
        }
        let address = decode_addr(field.bytes("pex_addrs.addrs")?)?;
        if addresses.len() < PEX_ADDRESSES_MAX {
            addresses.extend(address);
        }
    }
    Ok(addresses)
}

/// Reads one entry; `None` if its id is none.
fn decode_addr(addr: &[u8]) -> Result<Option<NetAddress>, DecodeError> {
    let (mut id, mut ip, mut port) = ("", "", 0);
    let mut fields = Fields::new(addr, "net_address");
    while let Some(field) = fields.next()? {
        match field.number {
            FIELD_ID => id = field.text("net_address.id")?,
            FIELD_IP => ip = field.text("net_address.ip")?,
            // Not over the largest u16, so the cast loses nothing.
            FIELD_PORT => port = field.varint_up_to("net_address.port", u16::MAX.into())? as u16,
            _ => {}
        }
    }
    let not_ip = DecodeError::BadValue {
        field: "net_address.ip",
        rule: "must be an IP address",
    };
    let ip = ip.parse().map_err(|_| not_ip)?;
    Ok(id
        .parse::<NodeId>()
        .ok()
        .map(|id| NetAddress::from_ip(id, ip, port)))
}

/// Fuzz target: a message that is read keeps its limits, and can be written and read again.
#[doc(hidden)]
pub fn fuzz_pex(bytes: &[u8]) {
    let Ok(message) = PexMessage::decode(bytes) else {
        return;
    };
    if let PexMessage::Addrs(addresses) = &message {
        assert!(addresses.len() <= PEX_ADDRESSES_MAX);
    }
    let mut written = Vec::new();
    message.encode(&mut written);
    assert!(written.len() <= PEX_BYTES_MAX);
    assert_eq!(PexMessage::decode(&written), Ok(message));
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;

    const ID: &str = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

    fn encoded(message: &PexMessage) -> Vec<u8> {
        let mut buf = Vec::new();
        message.encode(&mut buf);
        buf
    }

    fn address(ip: IpAddr, port: u16) -> NetAddress {
        NetAddress::from_ip(ID.parse().expect("the test's own id"), ip, port)
    }

    /// A `Message` of the given entries.
    fn addrs_of(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut addrs = Vec::new();
        entries
            .iter()
            .for_each(|entry| put_message(FIELD_ADDR, entry, &mut addrs));
        let mut bytes = Vec::new();
        put_message(FIELD_ADDRS, &addrs, &mut bytes);
        bytes
    }

    // Conformance item 81.
    #[test]
    fn a_request_has_the_bytes_of_the_reference() {
        assert_eq!(encoded(&PexMessage::Request), [0x0a, 0x00]);
        assert_eq!(PexMessage::decode(&[0x0a, 0x00]), Ok(PexMessage::Request));
    }

    // Conformance item 81.
    #[test]
    fn an_address_has_the_bytes_of_the_reference() {
        let bytes = addrs_of(&[encode_addr("1", [127, 0, 0, 1].into(), 9090)]);
        assert_eq!(
            hex::encode(&bytes),
            "12130a110a013112093132372e302e302e31188247"
        );
        // Its id is none, so the entry is left out and its sender kept.
        assert_eq!(
            PexMessage::decode(&bytes),
            Ok(PexMessage::Addrs(Vec::new()))
        );
    }

    #[test]
    fn an_empty_answer_is_an_answer() {
        assert_eq!(encoded(&PexMessage::Addrs(Vec::new())), [0x12, 0x00]);
        assert_eq!(
            PexMessage::decode(&[0x12, 0x00]),
            Ok(PexMessage::Addrs(Vec::new()))
        );
    }

    #[test]
    fn an_ip_or_port_that_is_none_makes_the_message_bad() {
        for ip in ["", "1.2.3", "host.example", "fe80::1%eth0", "[::1]"] {
            let mut entry = Vec::new();
            put_bytes(FIELD_ID, ID.as_bytes(), &mut entry);
            put_bytes(FIELD_IP, ip.as_bytes(), &mut entry);
            let refused = PexMessage::decode(&addrs_of(&[entry]));
            let rule = "must be an IP address";
            assert_eq!(
                refused,
                Err(DecodeError::BadValue {
                    field: "net_address.ip",
                    rule
                })
            );
        }
        let mut entry = encode_addr(ID, [1, 2, 3, 4].into(), u16::MAX);
        assert!(PexMessage::decode(&addrs_of(&[entry.clone()])).is_ok());
        put_varint(FIELD_PORT, 65_536, &mut entry);
        let refused = DecodeError::OutOfRange {
            field: "net_address.port",
            value: 65_536,
            max: 65_535,
        };
        assert_eq!(PexMessage::decode(&addrs_of(&[entry])), Err(refused));
    }

    #[test]
    fn two_hundred_and_fifty_addresses_are_told_and_one_more_is_forgiven() {
        let ip = Ipv6Addr::from_bits(u128::MAX).into();
        let entries = vec![encode_addr(ID, ip, u16::MAX); PEX_ADDRESSES_MAX + 2];
        let read = |count: usize| PexMessage::decode(&addrs_of(&entries[..count]));
        let full = PexMessage::Addrs(vec![address(ip, u16::MAX); PEX_ADDRESSES_MAX]);
        assert_eq!(read(PEX_ADDRESSES_MAX), Ok(full.clone()));
        assert_eq!(read(PEX_ADDRESSES_MAX + 1), Ok(full.clone()));
        let too_many = DecodeError::TooMany {
            what: "pex_addrs.addrs",
            max: 250,
        };
        assert_eq!(read(PEX_ADDRESSES_MAX + 2), Err(too_many));
        assert!(encoded(&full).len() <= PEX_BYTES_MAX);
    }

    #[test]
    fn more_addresses_than_allowed_and_names_are_not_told() {
        let mut addresses = vec![address([1, 2, 3, 4].into(), 1); PEX_ADDRESSES_MAX + 1];
        addresses[0].host = Host::Name("seed.example".into());
        let all_but_the_name = PexMessage::Addrs(addresses[1..].to_vec());
        let read = PexMessage::decode(&encoded(&PexMessage::Addrs(addresses)));
        assert_eq!(read, Ok(all_but_the_name));
    }

    #[test]
    fn the_longest_message_passes_and_one_byte_more_is_refused() {
        let mut bytes = encoded(&PexMessage::Request);
        // An unknown field fills the rest; its tag takes one byte and its length three.
        put_bytes(9, &vec![0; PEX_BYTES_MAX - bytes.len() - 4], &mut bytes);
        assert_eq!(bytes.len(), PEX_BYTES_MAX);
        assert_eq!(PexMessage::decode(&bytes), Ok(PexMessage::Request));
        bytes.extend([0x50, 0x00]);
        assert!(matches!(
            PexMessage::decode(&bytes),
            Err(DecodeError::TooLong { .. })
        ));
    }

    #[test]
    fn a_message_of_another_kind_is_refused() {
        let unknown = Err(DecodeError::UnknownMessage {
            what: "pex message",
        });
        assert_eq!(PexMessage::decode(&[]), unknown);
        assert_eq!(PexMessage::decode(&[0x1a, 0x00]), unknown);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(places: Vec<(IpAddr, u16)>) {
            let addresses = places.into_iter().map(|(ip, port)| address(ip, port)).collect();
            let message = PexMessage::Addrs(addresses);
            prop_assert_eq!(PexMessage::decode(&encoded(&message)), Ok(message));
        }

        #[test]
        fn any_bytes_are_answered(bytes: Vec<u8>) {
            fuzz_pex(&bytes);
        }
    }
}
