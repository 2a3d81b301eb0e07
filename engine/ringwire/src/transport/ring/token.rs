//! The 64 bits by which a completion says what it completes.
//!
//! ```text
//!   63    56 55            32 31                     0
//!   [ kind ] [ link's index ] [ link's generation      ]
//! ```
//!
//! The lower 56 bits are the [`LinkId`], or for a listener its place among the ring's.

use ringwire_core::switch::io::LinkId;

/// What an operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    /// Of a link: receive, single or multishot.
    Receive = 1,
    /// Of a link: write.
    Send = 2,
    /// Of a link: connect.
    Connect = 3,
    /// Of a link: the time limit of a dial or of a close.
    Deadline = 4,
    /// Of a link: cancel one of the above.
    Cancel = 5,
    /// Of a listener: multishot accept.
    Accept = 6,
    /// Of a listener: the pause before accepting again.
    AcceptPause = 7,
    /// Of a listener: cancel one of the above.
    AcceptCancel = 8,
    /// Of the waker: read the eventfd.
    Wake = 9,
    /// Of the ring: cancel everything.
    CancelAll = 10,
}

impl Kind {
    const ALL: [Kind; 10] = [
        Kind::Receive,
        Kind::Send,
        Kind::Connect,
        Kind::Deadline,
        Kind::Cancel,
        Kind::Accept,
        Kind::AcceptPause,
        Kind::AcceptCancel,
        Kind::Wake,
        Kind::CancelAll,
    ];
}

/// `user_data` of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) link: LinkId,
}

impl Token {
    /// An operation of a link.
    pub(super) fn of_link(kind: Kind, link: LinkId) -> Self {
        Token { kind, link }
    }

    /// An operation of the ring itself.
    pub(super) fn of_ring(kind: Kind) -> Self {
        Token {
            kind,
            link: LinkId(0),
        }
    }

    /// An operation of a listener, by its place among the ring's acceptors.
    pub(super) fn of_acceptor(kind: Kind, place: usize) -> Self {
        let link = LinkId(place as u64);
        Token { kind, link }
    }

    /// The place that [`Token::of_acceptor`] was given.
    pub(super) fn acceptor(self) -> usize {
        self.link.0 as usize
    }

    pub(super) fn pack(self) -> u64 {
        debug_assert!(self.link.0 >> 56 == 0);
        u64::from(self.kind as u8) << 56 | self.link.0
    }

    /// The token packed into `user_data`. Panics on a number that no token packs to: the kernel
    /// only returns what it was given.
    pub(super) fn unpack(user_data: u64) -> Self {
        let code = usize::from((user_data >> 56) as u8);
        let kind = *code
            .checked_sub(1)
            .and_then(|place| Kind::ALL.get(place))
            .expect("the kernel returns the user_data it was given");
        Token {
            kind,
            link: LinkId(user_data & ((1 << 56) - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::link_id::{LINKS_MAX, link_id};
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_was_packed() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place + 1, "ALL is in the order of the codes");
            let token = Token::of_link(kind, link_id(LINKS_MAX - 1, u32::MAX));
            assert_eq!(Token::unpack(token.pack()), token);
            let of_listener = Token::of_acceptor(kind, 15);
            assert_eq!(Token::unpack(of_listener.pack()).acceptor(), 15);
        }
    }

    #[test]
    #[should_panic(expected = "returns the user_data")]
    fn a_token_nobody_packed_is_refused() {
        Token::unpack(0);
    }
}
