//! The providers agree with the published vectors, with each other, and refuse any change.

use super::*;

fn bytes(hex_text: &str) -> Vec<u8> {
    hex::decode(hex_text).unwrap()
}

fn sealed<A: Aead>(aad: &[u8], plain: &[u8]) -> (Vec<u8>, [u8; TAG_BYTES]) {
    let mut text = plain.to_vec();
    let tag = A::new(&[7; KEY_BYTES]).seal(&[9; NONCE_BYTES], aad, &mut text);
    (text, tag)
}

fn opened<A: Aead>(aad: &[u8], sealed: &[u8], tag: &[u8; TAG_BYTES]) -> Result<Vec<u8>, OpenError> {
    let mut text = sealed.to_vec();
    A::new(&[7; KEY_BYTES]).open(&[9; NONCE_BYTES], aad, &mut text, tag)?;
    Ok(text)
}

fn opens_what_the_other_sealed<A: Aead, B: Aead>() {
    for len in [0, 1, 15, 16, 17, 1028, 65_536] {
        let plain: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let (text, tag) = sealed::<A>(b"header", &plain);
        assert_eq!(
            opened::<B>(b"header", &text, &tag),
            Ok(plain),
            "{len} bytes"
        );
    }
}

fn refuses_every_change<A: Aead>() {
    let (text, tag) = sealed::<A>(b"head", &[3; 40]);
    for bit in 0..text.len() * 8 {
        let mut changed = text.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(opened::<A>(b"head", &changed, &tag), Err(OpenError));
    }
    for bit in 0..TAG_BYTES * 8 {
        let mut changed = tag;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(opened::<A>(b"head", &text, &changed), Err(OpenError));
    }
    assert_eq!(opened::<A>(b"Head", &text, &tag), Err(OpenError));
    assert_eq!(opened::<A>(b"", &text, &tag), Err(OpenError));
}

/// Test vector of RFC 8439, 2.8.2.
fn matches_the_rfc_8439_vector<A: Aead>() {
    let key: Vec<u8> = (0x80..0xa0).collect();
    let nonce = bytes("070000004041424344454647");
    let mut text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip \
        for the future, sunscreen would be it."
        .to_vec();
    let aad = bytes("50515253c0c1c2c3c4c5c6c7");
    let aead = A::new(key.as_slice().try_into().unwrap());
    let tag = aead.seal(nonce.as_slice().try_into().unwrap(), &aad, &mut text);
    assert_eq!(text[..16], bytes("d31a8d34648e60db7b86afbc53ef7ec2"));
    assert_eq!(tag.to_vec(), bytes("1ae10b594f09e26a7e902ecbd0600691"));
}

/// Test case 14 of the GCM proposal: a block of zeros under the zero key.
fn matches_the_gcm_vector<A: Aead>() {
    let mut text = [0; 16];
    let tag = A::new(&[0; KEY_BYTES]).seal(&[0; NONCE_BYTES], b"", &mut text);
    assert_eq!(text.to_vec(), bytes("cea7403d4d606b6e074ec5d3baf39d18"));
    assert_eq!(tag.to_vec(), bytes("d0d1c8a799996bf0265b98b5d48ab919"));
}

#[test]
fn the_published_vectors_come_out() {
    matches_the_rfc_8439_vector::<rustcrypto::ChaCha>();
    matches_the_gcm_vector::<rustcrypto::AesGcm>();
    matches_the_rfc_8439_vector::<DefaultChaCha>();
    matches_the_gcm_vector::<DefaultAesGcm>();
}

#[test]
fn one_provider_opens_what_the_other_sealed() {
    opens_what_the_other_sealed::<DefaultChaCha, rustcrypto::ChaCha>();
    opens_what_the_other_sealed::<rustcrypto::ChaCha, DefaultChaCha>();
    opens_what_the_other_sealed::<DefaultAesGcm, rustcrypto::AesGcm>();
    opens_what_the_other_sealed::<rustcrypto::AesGcm, DefaultAesGcm>();
}

fn is_the_same_wherever_the_end_of_the_text_lies<A: Aead>() {
    for len in [0, 1, 16, 17, 100, 1028, 5000] {
        let plain: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let (text, tag) = sealed::<A>(b"header", &plain);
        let whole = [text, tag.to_vec()].concat();
        for head_len in [0, 1, 15, 16, 64, 65, len]
            .into_iter()
            .filter(|head| *head <= len)
        {
            let (head, tail) = plain.split_at(head_len);
            let mut apart = [head, &vec![0xee; tail.len() + TAG_BYTES]].concat();
            let aead = A::new(&[7; KEY_BYTES]);
            aead.seal_with_tail(&[9; NONCE_BYTES], b"header", &mut apart, tail);
            assert_eq!(apart, whole, "{head_len} of {len} bytes");
        }
    }
}

#[test]
fn the_end_of_a_text_may_lie_elsewhere() {
    is_the_same_wherever_the_end_of_the_text_lies::<rustcrypto::ChaCha>();
    is_the_same_wherever_the_end_of_the_text_lies::<rustcrypto::AesGcm>();
    is_the_same_wherever_the_end_of_the_text_lies::<DefaultChaCha>();
    is_the_same_wherever_the_end_of_the_text_lies::<DefaultAesGcm>();
}

#[test]
fn every_flipped_bit_is_refused() {
    refuses_every_change::<rustcrypto::ChaCha>();
    refuses_every_change::<rustcrypto::AesGcm>();
    refuses_every_change::<DefaultChaCha>();
    refuses_every_change::<DefaultAesGcm>();
}

#[test]
#[should_panic(expected = "a record is never longer")]
fn sealing_more_than_the_limit_is_a_fault_of_ours() {
    sealed::<DefaultAesGcm>(b"", &vec![0; SEAL_BYTES_MAX + 1]);
}
