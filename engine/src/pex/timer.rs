//! What an instance waits for, as the number by which a timer is known.

use crate::peer::PeerKey;

/// A timer of the peer exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PexTimer {
    /// Look whether there are enough peers.
    Look,
    /// Tell the other shards what is in the book.
    Share,
    /// Have the book written down.
    Save,
    /// A seed says goodbye to a peer.
    Leave(PeerKey),
}

/// Peers' tokens have their place, counted from one, in the upper half; so small numbers are free.
const PLACE_SHIFT: u32 = 32;

impl PexTimer {
    /// The timer as a number.
    pub(super) fn token(self) -> u64 {
        match self {
            PexTimer::Look => 1,
            PexTimer::Share => 2,
            PexTimer::Save => 3,
            PexTimer::Leave(key) => {
                (u64::from(key.index) + 1) << PLACE_SHIFT | u64::from(key.generation)
            }
        }
    }

    /// The timer of a number; `None` if it is none of ours.
    pub(super) fn of_token(token: u64) -> Option<Self> {
        match token {
            1 => Some(PexTimer::Look),
            2 => Some(PexTimer::Share),
            3 => Some(PexTimer::Save),
            _ => {
                let place = (token >> PLACE_SHIFT).checked_sub(1)?;
                // Both halves of the number are 32 bits wide, so nothing is cut off.
                let (index, generation) = (place as u32, token as u32);
                Some(PexTimer::Leave(PeerKey { index, generation }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_found_again_by_its_number() {
        let key = |index, generation| PexTimer::Leave(PeerKey { index, generation });
        for timer in [
            PexTimer::Look,
            PexTimer::Share,
            PexTimer::Save,
            key(0, 0),
            key(0, 3),
            key(7, u32::MAX),
            key(u32::MAX - 1, 1),
        ] {
            assert_eq!(PexTimer::of_token(timer.token()), Some(timer));
        }
        assert_eq!(PexTimer::of_token(0), None);
        assert_eq!(PexTimer::of_token(4), None);
    }
}
