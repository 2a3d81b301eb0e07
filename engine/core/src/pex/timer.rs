//! What an instance waits for, as the number by which a timer is known.
//!
//! ```text
//!   63      62 … 32             31 … 0
//!   kind    place + 1           generation      a timer of a peer
//!   0       0                   1 … 3           a timer of the instance
//! ```

use crate::peer::PeerKey;

/// A timer of the peer exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PexTimer {
    /// Look whether there are enough peers.
    Look,
    /// Have the book written down.
    Save,
    /// A seed looks who has been silent for too long while its places run out.
    Crowd,
    /// A seed says goodbye to a peer.
    Leave(PeerKey),
    /// A request that came too soon may be answered now.
    Answer(PeerKey),
}

/// Peers' tokens have their place, counted from one, in the upper half; so small numbers are free.
const PLACE_SHIFT: u32 = 32;

/// Set in the token of [`PexTimer::Answer`]. A shard has far fewer than 2^31 places of peers.
const IS_ANSWER: u64 = 1 << 63;

impl PexTimer {
    /// The timer as a number.
    pub(super) fn token(self) -> u64 {
        match self {
            PexTimer::Look => 1,
            PexTimer::Save => 2,
            PexTimer::Crowd => 3,
            PexTimer::Leave(key) => token_of(key),
            PexTimer::Answer(key) => IS_ANSWER | token_of(key),
        }
    }

    /// The timer of a number; `None` if it is none of ours.
    pub(super) fn of_token(token: u64) -> Option<Self> {
        match token {
            1 => Some(PexTimer::Look),
            2 => Some(PexTimer::Save),
            3 => Some(PexTimer::Crowd),
            _ => {
                let place = ((token & !IS_ANSWER) >> PLACE_SHIFT).checked_sub(1)?;
                // Both halves of the number are 32 bits wide, so nothing is cut off.
                let (index, generation) = (place as u32, token as u32);
                let key = PeerKey { index, generation };
                Some(match token & IS_ANSWER {
                    0 => PexTimer::Leave(key),
                    _ => PexTimer::Answer(key),
                })
            }
        }
    }
}

fn token_of(key: PeerKey) -> u64 {
    let token = (u64::from(key.index) + 1) << PLACE_SHIFT | u64::from(key.generation);
    debug_assert!(token & IS_ANSWER == 0, "{key:?} is beyond all places");
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_found_again_by_its_number() {
        let key = |index, generation| PeerKey { index, generation };
        let keys = [
            key(0, 0),
            key(0, 3),
            key(7, u32::MAX),
            key(1 << 30, u32::MAX),
        ];
        let of_peers = keys
            .into_iter()
            .flat_map(|key| [PexTimer::Leave(key), PexTimer::Answer(key)]);
        for timer in [PexTimer::Look, PexTimer::Save, PexTimer::Crowd]
            .into_iter()
            .chain(of_peers)
        {
            assert_eq!(PexTimer::of_token(timer.token()), Some(timer));
        }
        assert_eq!(PexTimer::of_token(0), None);
        assert_eq!(PexTimer::of_token(4), None);
        assert_eq!(PexTimer::of_token(IS_ANSWER), None);
    }
}
