//! The challenge: what both sides sign to prove that they are the ends of this very connection.
//!
//! A Merlin transcript takes in both ephemeral keys, sorted, and the shared secret. Someone in the
//! middle has another secret with each end, so the two challenges differ and a signature given to
//! one is worthless to the other.

use merlin::Transcript;

use super::shared_secret::SharedSecret;

/// Bytes of the challenge.
pub const CHALLENGE_BYTES: usize = 32;

/// The challenge of a connection, from the ephemeral public keys in bytewise order and the secret.
pub fn challenge(
    lower: &[u8; 32],
    upper: &[u8; 32],
    secret: &SharedSecret,
) -> [u8; CHALLENGE_BYTES] {
    debug_assert!(
        lower < upper,
        "equal keys are refused before, and the caller sorts"
    );
    let mut transcript = Transcript::new(b"TENDERMINT_SECRET_CONNECTION_TRANSCRIPT_HASH");
    transcript.append_message(b"EPHEMERAL_LOWER_PUBLIC_KEY", lower);
    transcript.append_message(b"EPHEMERAL_UPPER_PUBLIC_KEY", upper);
    transcript.append_message(b"DH_SECRET", secret.as_bytes());
    let mut challenge = [0; CHALLENGE_BYTES];
    transcript.challenge_bytes(b"SECRET_CONNECTION_MAC", &mut challenge);
    challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> [u8; 32] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_transcript_library_gives_the_published_vector() {
        let mut transcript = Transcript::new(b"test protocol");
        transcript.append_message(b"some label", b"some data");
        let mut challenge = [0; 32];
        transcript.challenge_bytes(b"challenge", &mut challenge);
        let expected = key("d5a21972d0d5fe320c0d263fac7fffb8145aa640af6e9bca177c03c7efcf0615");
        assert_eq!(challenge, expected);
    }

    #[test]
    fn the_reference_connection_gives_the_reference_challenge() {
        let lower = key("0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20");
        let upper = key("7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13");
        let secret = key("9e004098efc091d4ec2663b4e9f5cfd4d7064571690b4bea97ab146ab9f35056");
        let expected = key("aeeeddd30d4776bbd049fa4791562a50a2a2c939bb34f5f8d5984d3de1b8eaef");
        assert_eq!(
            challenge(&lower, &upper, &SharedSecret::from_bytes(secret)),
            expected
        );
    }
}
