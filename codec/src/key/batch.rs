//! [`BatchVerifier`]: signatures of many keys, checked together.
//!
//! A single check multiplies two points. A batch adds all equations up, each multiplied by a random number, and shares the
//! doublings: of eight signatures each costs some 60 % of a single check, and 35 % if one key made them all.
//!
//! ZIP-215 is the rule by which a batch holds exactly if each of its signatures does. So a node may check together what
//! another one checks alone, and both take the same messages.

use std::convert::Infallible;

use blake3::OutputReader;
use ed25519_zebra::{Signature, batch};
use rand_core::{TryCryptoRng, TryRng};

use super::pair::{PublicKey, SIGNATURE_BYTES};

/// A message, and what is said to be its signature by a key.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Who is said to have signed.
    pub key: PublicKey,
    /// What was signed, without any prefix.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a [u8; SIGNATURE_BYTES],
}

impl Signed<'_> {
    /// Whether the signature is right, by ZIP-215.
    fn holds(&self) -> bool {
        self.key.verify(self.message, self.signature).is_ok()
    }
}

/// Checks signatures together.
pub struct BatchVerifier {
    coefficients: Coefficients,
}

impl BatchVerifier {
    /// From random bytes that nobody else knows: who knew them could put wrong signatures together that a batch takes for
    /// right ones.
    pub fn new(secret: [u8; 32]) -> Self {
        let stream = blake3::Hasher::new_keyed(&secret).finalize_xof();
        BatchVerifier {
            coefficients: Coefficients(stream),
        }
    }

    /// Which of these hold by ZIP-215, in their order. One that does not has all checked one by one.
    pub fn verify(&mut self, signed: &[Signed<'_>]) -> Vec<bool> {
        if signed.len() > 1 && self.do_all_hold(signed) {
            return vec![true; signed.len()];
        }
        signed.iter().map(Signed::holds).collect()
    }

    fn do_all_hold(&mut self, signed: &[Signed<'_>]) -> bool {
        let mut batch = batch::Verifier::new();
        for one in signed {
            let signature = Signature::from_bytes(one.signature);
            batch.queue(((*one.key.as_bytes()).into(), signature, one.message));
        }
        batch.verify(&mut self.coefficients).is_ok()
    }
}

impl std::fmt::Debug for BatchVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchVerifier").finish_non_exhaustive()
    }
}

/// The numbers by which equations are multiplied. No two batches have the same.
struct Coefficients(OutputReader);

impl Coefficients {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }
}

impl TryRng for Coefficients {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

/// The output of a keyed BLAKE3 tells nothing of what follows in it.
impl TryCryptoRng for Coefficients {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::NodeKey;

    /// Signatures by so many keys in turn, and their messages.
    fn signatures(count: u8, keys: u8) -> Vec<(PublicKey, [u8; 2], [u8; SIGNATURE_BYTES])> {
        let one = |number: u8| {
            let key = NodeKey::from_seed([1 + number % keys; 32]);
            let message = [number, 7];
            (key.public_key(), message, key.sign(&message))
        };
        (0..count).map(one).collect()
    }

    fn verdicts(of: &[(PublicKey, [u8; 2], [u8; SIGNATURE_BYTES])]) -> Vec<bool> {
        let signed = of.iter().map(|(key, message, signature)| Signed {
            key: *key,
            message,
            signature,
        });
        BatchVerifier::new([9; 32]).verify(&signed.collect::<Vec<_>>())
    }

    #[test]
    fn what_was_signed_holds_however_many_are_checked_together() {
        for count in [0, 1, 2, 3, 16] {
            for keys in [1, 3, 16] {
                let all = signatures(count, keys);
                assert_eq!(verdicts(&all), vec![true; all.len()], "{count} of {keys}");
            }
        }
    }

    #[test]
    fn a_wrong_one_is_found_wherever_it_stands_and_makes_no_other_wrong() {
        for wrong in 0..5 {
            for byte in [0, 31, 32, 63] {
                let mut all = signatures(5, 3);
                all[wrong].2[byte] ^= 1;
                let expected: Vec<bool> = (0..5).map(|at| at != wrong).collect();
                assert_eq!(verdicts(&all), expected, "byte {byte} of {wrong}");
            }
        }
    }

    #[test]
    fn two_wrong_ones_do_not_make_up_for_each_other() {
        // Their scalars are off by one, in opposite directions: the plain sum of the equations holds.
        let mut all = signatures(2, 1);
        let low = |at: usize, all: &[(PublicKey, [u8; 2], [u8; 64])]| all[at].2[32];
        assert!(low(0, &all) < 255 && low(1, &all) > 0, "no carry");
        all[0].2[32] += 1;
        all[1].2[32] -= 1;
        assert_eq!(verdicts(&all), [false, false]);
    }

    #[test]
    fn a_batch_takes_what_zip_215_takes_and_a_stricter_rule_does_not() {
        // The neutral point as key and as R, and 0 as scalar, hold for every message.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; SIGNATURE_BYTES];
        signature[0] = 1;
        let mut all = signatures(3, 3);
        all[1] = (PublicKey::from_bytes(neutral), [0, 0], signature);
        assert_eq!(verdicts(&all), [true; 3]);
        // No point of the curve: y = 2 has no x.
        neutral[0] = 2;
        all[1].0 = PublicKey::from_bytes(neutral);
        assert_eq!(verdicts(&all), [true, false, true]);
    }
}
