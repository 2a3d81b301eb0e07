//! What the instances of one node tell each other.
//!
//! ```text
//!   any shard ── Joined, Left, Wanted, Learned, Offence ──▶ coordinator's shard
//!   coordinator's shard ── Ask, Answer, Dismiss ──────────▶ any shard
//! ```
//!
//! An instance on the coordinator's shard tells itself in the same way, so there is one path for
//! everything. Notes stay within the process: one that cannot be read is a fault of ours.

use bytes::Bytes;
use ringwire_codec::{GoodbyeCode, NetAddress, NodeId, PexMessage};

use crate::error::CloseReason;
use crate::peer::{Direction, PeerInfo, PeerKey};
use crate::reactor::Note;

const JOINED: u32 = 1;
const LEFT: u32 = 2;
const LEARNED: u32 = 3;
const OFFENCE: u32 = 4;
const ASK: u32 = 5;
const WANTED: u32 = 6;
const ANSWER: u32 = 7;
const DISMISS: u32 = 8;

/// The first byte of a [`LEFT`] note's digest.
const BY_US: u8 = 0;
const BY_REMOTE: u8 = 1;
const BY_SHUTDOWN: u8 = 2;

/// Bits of the first byte of a [`JOINED`] note's digest.
const IS_OUTBOUND: u8 = 1;
const IS_KEPT: u8 = 2;
const SPEAKS_PEX: u8 = 4;
const LISTENS: u8 = 8;

/// A note between instances.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum PexNote {
    /// A peer was added.
    Joined(NodeId, Introduction),
    /// A peer is gone; who ended the connection.
    Left(NodeId, EndedBy),
    /// A peer asked, and is to be answered from the book as it is now.
    Wanted(PeerKey),
    /// A peer answered with these addresses: the message as it came.
    Learned(NodeId, Bytes),
    /// A peer that broke a rule is being closed.
    Offence(NodeId, String),
    /// A peer of yours is to be asked for addresses.
    Ask(NodeId),
    /// The answer for a peer of yours: the message to send. The key names the connection, so that
    /// an answer never comes to one that did not ask.
    Answer(PeerKey, Bytes),
    /// A peer of yours that only waits has to make room.
    Dismiss(NodeId),
}

/// Who ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EndedBy {
    /// This node.
    Us,
    /// The other side, or the network.
    Remote,
    /// This node, because it stops.
    Shutdown,
}

impl EndedBy {
    /// Who is behind the reason of a peer's end.
    pub(super) fn of(reason: &CloseReason) -> Self {
        match reason {
            CloseReason::Network(_) => EndedBy::Remote,
            CloseReason::Goodbye(goodbye) if goodbye.code != GoodbyeCode::Duplicate => {
                EndedBy::Remote
            }
            CloseReason::Shutdown => EndedBy::Shutdown,
            _ => EndedBy::Us,
        }
    }

    fn byte(self) -> u8 {
        match self {
            EndedBy::Us => BY_US,
            EndedBy::Remote => BY_REMOTE,
            EndedBy::Shutdown => BY_SHUTDOWN,
        }
    }

    fn read(byte: u8) -> Option<Self> {
        Some(match byte {
            BY_US => EndedBy::Us,
            BY_REMOTE => EndedBy::Remote,
            BY_SHUTDOWN => EndedBy::Shutdown,
            _ => return None,
        })
    }
}

/// What the coordinator's shard needs to know of a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Introduction {
    /// Who dialed.
    pub(super) direction: Direction,
    /// Whether the operator wants it kept.
    pub(super) is_kept: bool,
    /// Whether it has the channel of the peer exchange.
    pub(super) speaks_pex: bool,
    /// Where it is: the socket's IP; the port it listens on, or failing that the socket's.
    pub(super) place: NetAddress,
    /// Where it says that it listens.
    pub(super) listens_at: Option<NetAddress>,
}

impl Introduction {
    /// Introduces a peer that has its channel, or has not.
    pub(super) fn new(peer: &PeerInfo, is_kept: bool, speaks_pex: bool) -> Self {
        let listens_at = peer.listen_address();
        let port = match (peer.direction, &listens_at) {
            (Direction::Inbound, Some(address)) => address.port,
            _ => peer.remote_addr.port(),
        };
        Introduction {
            direction: peer.direction,
            is_kept,
            speaks_pex,
            place: NetAddress::from_ip(peer.id, peer.remote_addr.ip(), port),
            listens_at,
        }
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        for (is_set, flag) in [
            (self.direction == Direction::Outbound, IS_OUTBOUND),
            (self.is_kept, IS_KEPT),
            (self.speaks_pex, SPEAKS_PEX),
            (self.listens_at.is_some(), LISTENS),
        ] {
            flags |= if is_set { flag } else { 0 };
        }
        flags
    }

    fn read(flags: u8, body: &[u8]) -> Option<Self> {
        let Ok(PexMessage::Addrs(addresses)) = PexMessage::decode(body) else {
            return None;
        };
        let mut addresses = addresses.into_iter();
        Some(Introduction {
            direction: match flags & IS_OUTBOUND {
                0 => Direction::Inbound,
                _ => Direction::Outbound,
            },
            is_kept: flags & IS_KEPT != 0,
            speaks_pex: flags & SPEAKS_PEX != 0,
            place: addresses.next()?,
            listens_at: addresses.next().filter(|_| flags & LISTENS != 0),
        })
    }
}

impl PexNote {
    /// The note as it travels.
    pub(super) fn into_note(self) -> Note {
        let mut digest = [0; 32];
        let (kind, peer, body) = match self {
            PexNote::Joined(id, introduction) => {
                digest[0] = introduction.flags();
                let mut addresses = vec![introduction.place];
                addresses.extend(introduction.listens_at);
                let mut body = Vec::new();
                PexMessage::Addrs(addresses).encode(&mut body);
                (JOINED, Some(id), Bytes::from(body))
            }
            PexNote::Left(id, ended_by) => {
                digest[0] = ended_by.byte();
                (LEFT, Some(id), Bytes::new())
            }
            PexNote::Wanted(key) => {
                put_key(key, &mut digest);
                (WANTED, None, Bytes::new())
            }
            PexNote::Learned(id, message) => (LEARNED, Some(id), message),
            PexNote::Offence(id, what) => (OFFENCE, Some(id), Bytes::from(what)),
            PexNote::Ask(id) => (ASK, Some(id), Bytes::new()),
            PexNote::Answer(key, message) => {
                put_key(key, &mut digest);
                (ANSWER, None, message)
            }
            PexNote::Dismiss(id) => (DISMISS, Some(id), Bytes::new()),
        };
        Note {
            kind,
            digest,
            peer,
            body,
        }
    }

    /// Reads a note; `None` if it is none of ours.
    pub(super) fn read(note: Note) -> Option<Self> {
        let Note {
            kind,
            digest,
            peer,
            body,
        } = note;
        Some(match kind {
            JOINED => PexNote::Joined(peer?, Introduction::read(digest[0], &body)?),
            LEFT => PexNote::Left(peer?, EndedBy::read(digest[0])?),
            WANTED => PexNote::Wanted(read_key(&digest)),
            LEARNED => PexNote::Learned(peer?, body),
            OFFENCE => PexNote::Offence(peer?, String::from_utf8_lossy(&body).into_owned()),
            ASK => PexNote::Ask(peer?),
            ANSWER => PexNote::Answer(read_key(&digest), body),
            DISMISS => PexNote::Dismiss(peer?),
            _ => return None,
        })
    }
}

fn put_key(key: PeerKey, digest: &mut [u8; 32]) {
    digest[..4].copy_from_slice(&key.index.to_le_bytes());
    digest[4..8].copy_from_slice(&key.generation.to_le_bytes());
}

fn read_key(digest: &[u8; 32]) -> PeerKey {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    PeerKey {
        index: u32::from_le_bytes([a, b, c, d]),
        generation: u32::from_le_bytes([e, f, g, h]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> NetAddress {
        NetAddress::from_ip(NodeId::from_bytes([7; 20]), [192, 0, 2, 1].into(), port)
    }

    #[test]
    fn every_note_is_read_as_it_was_told() {
        let id = NodeId::from_bytes([7; 20]);
        let introduction = Introduction {
            direction: Direction::Outbound,
            is_kept: false,
            speaks_pex: true,
            place: address(1),
            listens_at: Some(address(2)),
        };
        let key = PeerKey {
            index: 7,
            generation: u32::MAX,
        };
        let silent = Introduction {
            direction: Direction::Inbound,
            is_kept: true,
            speaks_pex: false,
            place: address(3),
            listens_at: None,
        };
        for note in [
            PexNote::Joined(id, introduction),
            PexNote::Joined(id, silent),
            PexNote::Left(id, EndedBy::Us),
            PexNote::Left(id, EndedBy::Remote),
            PexNote::Left(id, EndedBy::Shutdown),
            PexNote::Wanted(key),
            PexNote::Learned(id, Bytes::from_static(b"addresses")),
            PexNote::Offence(id, String::from("it was rude")),
            PexNote::Ask(id),
            PexNote::Answer(key, Bytes::from_static(b"addresses")),
            PexNote::Dismiss(id),
        ] {
            assert_eq!(PexNote::read(note.clone().into_note()), Some(note));
        }
    }

    #[test]
    fn a_note_that_is_none_of_ours_is_not_read() {
        let strange = Note {
            kind: 99,
            digest: [0; 32],
            peer: None,
            body: Bytes::new(),
        };
        assert_eq!(PexNote::read(strange.clone()), None);
        assert_eq!(
            PexNote::read(Note {
                kind: LEFT,
                ..strange
            }),
            None
        );
    }
}
