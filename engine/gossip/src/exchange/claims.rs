//! [`Claims`]: which manifest an origin has signed under which number.
//!
//! An origin that signs two manifests of one number could show one half of the network one payload and the other
//! half another. Who has seen both takes neither, and passes both signatures on: they are the proof.

use std::collections::{BTreeMap, VecDeque};

use crate::coded::{ManifestId, Offer, Origin};

/// Numbers of origins that are remembered, as many as manifests whose payload has come: some 600 KiB. Each cost its origin
/// a payload's room at every node, so old ones are not soon pushed out.
pub const CLAIMS_MAX: usize = 4096;

type Number = (Origin, u64);

#[derive(Debug)]
enum Claim {
    One(Box<Offer>),
    /// There were two: nothing of this number is taken any more.
    Void,
}

/// What is known of a manifest's number.
#[derive(Debug)]
pub(super) enum Claimed {
    /// No other manifest has it.
    Free,
    /// Another one has: both are void from now on. This is the other.
    Twice(Box<Offer>),
    /// It is void.
    Void,
}

/// The numbers of all origins, bounded.
#[derive(Debug, Default)]
pub(super) struct Claims {
    claims: BTreeMap<Number, Claim>,
    in_order: VecDeque<Number>,
}

impl Claims {
    /// Whether a manifest is one of two of its number, as far as is known.
    pub(super) fn is_void(&self, offer: &Offer) -> bool {
        matches!(self.claims.get(&number(offer)), Some(Claim::Void))
    }

    /// Looks at a manifest that its origin has signed, before it is taken.
    pub(super) fn look(&mut self, offer: &Offer, id: ManifestId) -> Claimed {
        let Some(claim) = self.claims.get_mut(&number(offer)) else {
            return Claimed::Free;
        };
        if matches!(claim, Claim::One(one) if one.manifest.id() == id) {
            return Claimed::Free;
        }
        match std::mem::replace(claim, Claim::Void) {
            Claim::One(one) => Claimed::Twice(one),
            Claim::Void => Claimed::Void,
        }
    }

    /// A manifest is taken: its number is its own.
    pub(super) fn note(&mut self, offer: Offer) {
        let number = number(&offer);
        if self.claims.contains_key(&number) {
            return;
        }
        if self.in_order.len() >= CLAIMS_MAX
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.claims.remove(&oldest);
        }
        self.claims.insert(number, Claim::One(Box::new(offer)));
        self.in_order.push_back(number);
    }
}

fn number(offer: &Offer) -> Number {
    (offer.manifest.origin(), offer.manifest.seq())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coded::{Layout, Manifest, PAYLOAD_BYTES_MIN, SHARD_BYTES};

    fn offer(seq: u64, root: u8) -> Offer {
        let layout = Layout::new(PAYLOAD_BYTES_MIN, SHARD_BYTES).unwrap();
        Offer {
            manifest: Manifest::new([1; 32], seq, layout, [root; 32]),
            signature: Some([3; 64]),
        }
    }

    fn look(claims: &mut Claims, offer: Offer) -> Claimed {
        claims.look(&offer, offer.manifest.id())
    }

    #[test]
    fn two_manifests_of_a_number_make_it_void_and_the_first_is_given_back_once() {
        let mut claims = Claims::default();
        assert!(matches!(look(&mut claims, offer(1, 1)), Claimed::Free));
        claims.note(offer(1, 1));
        assert!(matches!(look(&mut claims, offer(1, 1)), Claimed::Free));
        assert!(matches!(look(&mut claims, offer(2, 2)), Claimed::Free));
        let twice = look(&mut claims, offer(1, 2));
        assert!(matches!(twice, Claimed::Twice(first) if *first == offer(1, 1)));
        for root in 1..4 {
            assert!(matches!(look(&mut claims, offer(1, root)), Claimed::Void));
            assert!(claims.is_void(&offer(1, root)));
        }
        claims.note(offer(1, 1));
        assert!(claims.is_void(&offer(1, 1)), "what is void stays so");
    }

    #[test]
    fn so_many_numbers_are_remembered_and_not_one_more() {
        let mut claims = Claims::default();
        for seq in 0..=CLAIMS_MAX as u64 {
            claims.note(offer(seq, 1));
        }
        assert!(matches!(look(&mut claims, offer(0, 2)), Claimed::Free));
        assert!(matches!(look(&mut claims, offer(1, 2)), Claimed::Twice(_)));
    }
}
