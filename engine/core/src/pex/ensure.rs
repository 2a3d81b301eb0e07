//! How many to dial, and whom (reference, `ensurePeers`).

use ringwire_codec::{NetAddress, NodeId};

use super::AddrBook;
use crate::peer::Census;

/// Picks per address wanted. A pick may be connected, resting or drawn before; so a few more are
/// drawn, but a small book is not drawn from for ever.
const PICKS_PER_PLACE: usize = 3;

/// Places left for outbound peers.
pub(super) fn places(census: Census, outbound_max: usize) -> usize {
    outbound_max.saturating_sub(census.outbound + census.dialing)
}

/// The chance, in percent, to pick an address that never proved good. A node with few peers keeps
/// to what it knows; with each outbound peer it dares more.
pub(super) fn bias_to_new(outbound: usize) -> u8 {
    outbound.min(8) as u8 * 10 + 10
}

/// Draws up to `wanted` different addresses that `accepts` allows.
pub(super) fn draw(
    book: &mut AddrBook,
    wanted: usize,
    bias: u8,
    accepts: impl Fn(&NetAddress) -> bool,
) -> Vec<NetAddress> {
    let mut drawn: Vec<NetAddress> = Vec::with_capacity(wanted);
    let is_drawn = |drawn: &[NetAddress], id: &NodeId| drawn.iter().any(|other| other.id == *id);
    for _ in 0..wanted * PICKS_PER_PLACE {
        if drawn.len() == wanted {
            break;
        }
        let picked = book.pick(bias);
        let picked = picked.filter(|picked| !is_drawn(&drawn, &picked.id) && accepts(picked));
        drawn.extend(picked);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(outbound: usize, dialing: usize) -> Census {
        Census {
            outbound,
            dialing,
            inbound: 7,
        }
    }

    #[test]
    fn dials_under_way_take_places_and_inbound_peers_do_not() {
        assert_eq!(places(census(0, 0), 10), 10);
        assert_eq!(places(census(6, 3), 10), 1);
        assert_eq!(places(census(6, 4), 10), 0);
        assert_eq!(places(census(12, 0), 10), 0);
    }

    #[test]
    fn the_bias_grows_with_the_outbound_peers_up_to_ninety_percent() {
        assert_eq!(bias_to_new(0), 10);
        assert_eq!(bias_to_new(4), 50);
        assert_eq!(bias_to_new(8), 90);
        assert_eq!(bias_to_new(100), 90);
    }
}
