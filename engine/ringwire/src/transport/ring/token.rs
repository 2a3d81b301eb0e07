//! The 64 bits by which a completion says what it completes.
//!
//! ```text
//!   63    56 55            32 31                     0
//!   [ kind ] [ link's index ] [ link's generation      ]
//! ```
//!
//! The lower 56 bits are the [`LinkId`]: place in the slab, and a number that no other link of this
//! ring had before (it wraps after four thousand million links, long after its holder is gone).

use ringwire_core::switch::io::LinkId;

/// Links a ring can hold: what 24 bits can count.
pub(super) const LINKS_MAX: usize = 1 << 24;

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
    /// Of the listener: multishot accept.
    Accept = 6,
    /// Of the listener: the pause before accepting again.
    AcceptPause = 7,
    /// Of the listener: cancel one of the above.
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

/// The id of the link at `index` of the slab.
pub(super) fn link_id(index: usize, generation: u32) -> LinkId {
    debug_assert!(index < LINKS_MAX);
    LinkId((index as u64) << 32 | u64::from(generation))
}

/// The place in the slab that an id names.
pub(super) fn index_of(link: LinkId) -> usize {
    (link.0 >> 32) as usize
}

/// The generation that an id names.
pub(super) fn generation_of(link: LinkId) -> u32 {
    link.0 as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_was_packed() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place + 1, "ALL is in the order of the codes");
            let token = Token::of_link(kind, link_id(LINKS_MAX - 1, u32::MAX));
            assert_eq!(Token::unpack(token.pack()), token);
        }
    }

    #[test]
    fn a_link_id_tells_place_and_generation() {
        let id = link_id(77, 123);
        assert_eq!((index_of(id), generation_of(id)), (77, 123));
    }

    #[test]
    #[should_panic(expected = "returns the user_data")]
    fn a_token_nobody_packed_is_refused() {
        Token::unpack(0);
    }
}
