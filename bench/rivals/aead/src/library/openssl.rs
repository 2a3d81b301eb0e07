//! OpenSSL 3 through the `openssl` crate: a context for each direction, whose key is expanded once.

use std::cell::RefCell;
use std::marker::PhantomData;

use openssl::cipher::{Cipher, CipherRef};
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use ringwire_codec::secret::aead::{Aead, OpenError};

pub(super) type ChaCha = Key<ChaCha20Poly1305>;
pub(super) type AesGcm = Key<Aes256Gcm>;

/// A call changes its context, though the key stays the same.
pub(super) struct Key<A> {
    seals: RefCell<CipherCtx>,
    opens: RefCell<CipherCtx>,
    algorithm: PhantomData<A>,
}

pub(super) trait Choice: Send + 'static {
    fn cipher() -> &'static CipherRef;
}

pub(super) enum ChaCha20Poly1305 {}
pub(super) enum Aes256Gcm {}

impl Choice for ChaCha20Poly1305 {
    fn cipher() -> &'static CipherRef {
        Cipher::chacha20_poly1305()
    }
}

impl Choice for Aes256Gcm {
    fn cipher() -> &'static CipherRef {
        Cipher::aes_256_gcm()
    }
}

impl<A: Choice> Key<A> {
    fn context(init: impl FnOnce(&mut CipherCtx) -> Result<(), ErrorStack>) -> RefCell<CipherCtx> {
        let mut context = CipherCtx::new().expect("there is memory");
        init(&mut context).expect("OpenSSL has the cipher");
        RefCell::new(context)
    }
}

impl<A: Choice> Aead for Key<A> {
    fn new(key: &[u8; 32]) -> Self {
        let cipher = Some(A::cipher());
        Key {
            seals: Self::context(|context| context.encrypt_init(cipher, Some(key), None)),
            opens: Self::context(|context| context.decrypt_init(cipher, Some(key), None)),
            algorithm: PhantomData,
        }
    }

    fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        let context = &mut *self.seals.borrow_mut();
        let mut tag = [0; 16];
        let sealed = context
            .encrypt_init(None, None, Some(nonce))
            .and_then(|()| run(context, aad, in_out))
            .and_then(|()| context.tag(&mut tag));
        sealed.expect("pieces are short");
        tag
    }

    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        let context = &mut *self.opens.borrow_mut();
        let opened = context
            .decrypt_init(None, None, Some(nonce))
            .and_then(|()| context.set_tag(tag))
            .and_then(|()| run(context, aad, in_out));
        opened.map_err(|_| OpenError)
    }
}

fn run(context: &mut CipherCtx, aad: &[u8], in_out: &mut [u8]) -> Result<(), ErrorStack> {
    if !aad.is_empty() {
        context.cipher_update(aad, None)?;
    }
    context.cipher_update_inplace(in_out, in_out.len())?;
    // Stream ciphers leave nothing for the end.
    context.cipher_final(&mut [])?;
    Ok(())
}
