//! The seam to X25519: how two ephemeral keys become a secret that both sides have, by one of two libraries.
//!
//! aws-lc-rs (feature `aws-lc`, default) takes half the time of x25519-dalek, which is always built. Both give the same
//! bytes for every input; the tests compare them.

#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(any(test, not(feature = "aws-lc")))]
mod dalek;

use super::shared_secret::SharedSecret;

/// An ephemeral key by the library that this build prefers.
#[cfg(feature = "aws-lc")]
pub(super) type DefaultEphemeral = aws_lc::Ephemeral;
/// An ephemeral key by the library that this build prefers.
#[cfg(not(feature = "aws-lc"))]
pub(super) type DefaultEphemeral = dalek::Ephemeral;

/// An ephemeral key pair; the secret half is wiped when it is dropped.
pub(super) trait Ephemeral: Sized {
    /// The pair whose secret half these bytes are, clamped as RFC 7748 has it.
    fn new(secret: &[u8; 32]) -> Self;

    /// The public half.
    fn public(&self) -> &[u8; 32];

    /// What both sides have then. `None` if the other key is of low order, which makes it the same for all.
    fn agree(&self, remote: &[u8; 32]) -> Option<SharedSecret>;
}

#[cfg(all(test, feature = "aws-lc"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agreed<E: Ephemeral>(secret: &[u8; 32], remote: &[u8; 32]) -> ([u8; 32], Option<[u8; 32]>) {
        let own = E::new(secret);
        let shared = own.agree(remote).map(|secret| *secret.as_bytes());
        (*own.public(), shared)
    }

    fn both(secret: &[u8; 32], remote: &[u8; 32]) -> Option<[u8; 32]> {
        let by_dalek = agreed::<dalek::Ephemeral>(secret, remote);
        assert_eq!(agreed::<aws_lc::Ephemeral>(secret, remote), by_dalek);
        by_dalek.1
    }

    proptest! {
        #[test]
        fn both_libraries_agree_on_any_bytes(secret: [u8; 32], remote: [u8; 32]) {
            both(&secret, &remote);
        }
    }

    /// 2^255 - 19 and so much, little endian; the top bit may be set, which nobody reads.
    fn near_prime(lowest: u8, top: u8) -> [u8; 32] {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (lowest, top);
        bytes
    }

    #[test]
    fn both_libraries_read_points_that_are_not_canonical_alike_and_refuse_those_of_low_order() {
        for top in [0x7f, 0xff] {
            for lowest in 0xec..=0xff {
                let is_low_order = lowest <= 0xee;
                let shared = both(&[7; 32], &near_prime(lowest, top));
                assert_eq!(shared.is_none(), is_low_order, "{lowest:x} {top:x}");
            }
        }
        let mut small = [0; 32];
        for lowest in 0..=9 {
            small[0] = lowest;
            assert_eq!(both(&[7; 32], &small).is_none(), lowest < 2, "{lowest}");
        }
    }

    #[test]
    fn two_sides_have_the_same_secret_whichever_library_each_has() {
        let (one, two) = (
            aws_lc::Ephemeral::new(&[1; 32]),
            dalek::Ephemeral::new(&[2; 32]),
        );
        let secret =
            |shared: Option<SharedSecret>| *shared.expect("a point of high order").as_bytes();
        assert_eq!(
            secret(one.agree(two.public())),
            secret(two.agree(one.public()))
        );
    }
}
