//! The libraries, behind the engine's own seam: whoever takes one writes what stands here.

mod graviola;
mod openssl;
mod ring;
mod sodium;

use ringwire_codec::secret::aead::{Aead, aws_lc, rustcrypto};

use crate::Failure;
use crate::measure::{FRAME_BYTES, measure as measure_pieces};

/// The one that the engine uses.
pub(crate) const OURS: &str = "aws-lc-rs";
/// The one that another build of this program makes faster.
pub(crate) const OF_TWO_BUILDS: &str = "rustcrypto";
/// All of them, as `measure` knows them.
pub(crate) const NAMES: [&str; 6] = [
    OURS,
    "ring",
    OF_TWO_BUILDS,
    "graviola",
    "openssl",
    "libsodium",
];

/// ChaCha20-Poly1305 as tables name it.
pub(crate) const CHACHA: &str = "ChaCha20-Poly1305";
/// AES-256-GCM as tables name it.
pub(crate) const AES_GCM: &str = "AES-256-GCM";

/// Lengths that are measured of each: CometBFT's frames for the first and records for the second, and those that
/// tell what a length costs.
pub(crate) const CHACHA_BYTES: [usize; 5] = [64, 257, 514, FRAME_BYTES, 65_536];
/// See [`CHACHA_BYTES`].
pub(crate) const AES_GCM_BYTES: [usize; 2] = [1024, 65_536];

/// Measures one library and prints a line for each algorithm and length.
pub(crate) fn measure(name: &str) -> Result<(), Failure> {
    match name {
        OURS => print::<aws_lc::ChaCha, aws_lc::AesGcm>(),
        OF_TWO_BUILDS => print::<rustcrypto::ChaCha, rustcrypto::AesGcm>(),
        "ring" => print::<ring::ChaCha, ring::AesGcm>(),
        "graviola" => print::<graviola::ChaCha, graviola::AesGcm>(),
        "openssl" => print::<openssl::ChaCha, openssl::AesGcm>(),
        "libsodium" => print::<sodium::ChaCha, sodium::AesGcm>(),
        _ => return Err(format!("'{name}' is none of {}", NAMES.join(", ")).into()),
    }
    Ok(())
}

fn print<C: Aead, G: Aead>() {
    for bytes in CHACHA_BYTES {
        print_line(CHACHA, bytes, measure_pieces::<C>(bytes));
    }
    for bytes in AES_GCM_BYTES {
        print_line(AES_GCM, bytes, measure_pieces::<G>(bytes));
    }
}

fn print_line(algorithm: &str, bytes: usize, time: crate::measure::Time) {
    println!(
        "{algorithm} {bytes} {} {}",
        time.sealed_nanos, time.opened_nanos
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens_what_ours_sealed<Ours: Aead, A: Aead>() {
        for len in [1, 16, FRAME_BYTES, 65_536] {
            let (plain, key, nonce) = (vec![3; len], [1; 32], [2; 12]);
            let mut text = plain.clone();
            let mut tag = Ours::new(&key).seal(&nonce, b"head", &mut text);
            let library = A::new(&key);
            assert!(library.open(&nonce, b"head", &mut text, &tag).is_ok());
            assert_eq!(text, plain);
            assert_eq!(library.seal(&nonce, b"head", &mut text), tag);
            tag[0] ^= 1;
            assert!(library.open(&nonce, b"head", &mut text, &tag).is_err());
        }
    }

    #[test]
    fn every_library_opens_what_ours_has_sealed_and_refuses_another_tag() {
        opens_what_ours_sealed::<aws_lc::ChaCha, ring::ChaCha>();
        opens_what_ours_sealed::<aws_lc::ChaCha, rustcrypto::ChaCha>();
        opens_what_ours_sealed::<aws_lc::ChaCha, graviola::ChaCha>();
        opens_what_ours_sealed::<aws_lc::ChaCha, openssl::ChaCha>();
        opens_what_ours_sealed::<aws_lc::ChaCha, sodium::ChaCha>();
        opens_what_ours_sealed::<aws_lc::AesGcm, ring::AesGcm>();
        opens_what_ours_sealed::<aws_lc::AesGcm, rustcrypto::AesGcm>();
        opens_what_ours_sealed::<aws_lc::AesGcm, graviola::AesGcm>();
        opens_what_ours_sealed::<aws_lc::AesGcm, openssl::AesGcm>();
        opens_what_ours_sealed::<aws_lc::AesGcm, sodium::AesGcm>();
    }
}
