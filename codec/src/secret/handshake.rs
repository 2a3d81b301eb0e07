//! The handshake: two nodes that share nothing become two that share keys and know each other.
//!
//! Both sides run the same steps at the same time; neither is a client or a server.
//!
//! ```text
//!            ┌─────────────── told: handle_bytes ───────────────┐
//!   new ─► ephemeral key ──35 bytes──► authentication ──frames──► Done(Session)
//!     │                                    │
//!     └─► transmit: our ephemeral key      └─► transmit: our authentication, one frame
//! ```
//!
//! A key that is elsewhere ([`LocalKey::Elsewhere`]) signs later: between the two steps
//! [`Handshake::poll_challenge`] gives what is to be signed, nothing is taken from the input, and
//! [`Handshake::handle_signature`] goes on.
//!
//! It is a value: [`Handshake::poll_transmit`] is drained after each call that told it something, the
//! last one included, and the caller keeps the deadline. It takes from the input only what belongs
//! to the handshake, so bytes of the next message stay where they are.
//!
//! Stricter than the reference where that costs an honest peer nothing: the ephemeral key message
//! has exactly one form, our own key sent back is refused by name, a node key of low order is no
//! identity, and the authentication message is bounded to [`AUTH_BODY_MAX`] bytes and
//! [`AUTH_FRAMES_MAX`] frames.

use std::mem;

use bytes::{Bytes, BytesMut};
use zeroize::Zeroize as _;

use super::agreement::{DefaultEphemeral, Ephemeral as _};
use super::auth::{AUTH_BODY_MAX, AUTH_BYTES, AuthMessage};
use super::frame::{FRAME_HEADER, FRAME_SEALED, FrameOpener, FrameSealer};
use super::schedule::FrameKeys;
use super::shared_secret::SharedSecret;
use super::transcript::{CHALLENGE_BYTES, challenge};
use crate::delimited;
use crate::id::NodeId;
use crate::key::{LocalKey, NodeKey, PublicKey, SIGNATURE_BYTES};

mod error;
mod session;

pub use error::{HandshakeError, HandshakeStage};
pub use session::Session;

/// Bytes of the ephemeral key message: length, field tag, field length, key.
pub const EPHEMERAL_BYTES: usize = 35;

/// The most frames a peer may spread its authentication message over. One byte in each frame would
/// still pass; endless empty frames do not.
pub const AUTH_FRAMES_MAX: usize = 128;

/// What stands before the key in the ephemeral key message.
const EPHEMERAL_PREFIX: [u8; 3] = [0x22, 0x0a, 0x20];

/// What came of the bytes that a handshake was told about.
#[derive(Debug)]
pub enum Progress {
    /// It needs more bytes.
    NeedMore,
    /// It is over. What [`Handshake::poll_transmit`] still holds must be sent first.
    Done(Box<Session>),
}

/// One side of a handshake.
pub struct Handshake {
    node_key: LocalKey,
    expected_id: Option<NodeId>,
    ephemeral_out: Option<Bytes>,
    auth_out: Option<Bytes>,
    challenge_out: Option<[u8; CHALLENGE_BYTES]>,
    state: State,
}

enum State {
    AwaitEphemeral(DefaultEphemeral),
    /// What our key signs was given out.
    AwaitSignature(Box<Secured>),
    AwaitAuth(Box<Secured>),
    Over,
}

/// Keys are agreed, but with whom is not known yet.
struct Secured {
    sealer: FrameSealer,
    opener: FrameOpener,
    challenge: [u8; CHALLENGE_BYTES],
    shared_secret: SharedSecret,
    local_is_lower: bool,
    /// The peer's authentication message as far as it has come.
    auth: Vec<u8>,
    auth_frames: usize,
}

enum Step {
    Wait(State),
    Advance(State),
    Finish(Box<Session>),
}

impl Handshake {
    /// Starts a handshake.
    ///
    /// `ephemeral_secret` must be fresh from a good source of chance: whoever learns it reads this
    /// connection. A dialer gives the id it wants to reach, a listener `None`.
    pub fn new(
        node_key: impl Into<LocalKey>,
        mut ephemeral_secret: [u8; 32],
        expected_id: Option<NodeId>,
    ) -> Self {
        let ephemeral = DefaultEphemeral::new(&ephemeral_secret);
        ephemeral_secret.zeroize();
        let mut message = BytesMut::with_capacity(EPHEMERAL_BYTES);
        message.extend_from_slice(&EPHEMERAL_PREFIX);
        message.extend_from_slice(ephemeral.public());
        Self {
            node_key: node_key.into(),
            expected_id,
            ephemeral_out: Some(message.freeze()),
            auth_out: None,
            challenge_out: None,
            state: State::AwaitEphemeral(ephemeral),
        }
    }

    /// The next bytes to send, if there are any now: first the ephemeral key, later one frame.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.ephemeral_out.take().or_else(|| self.auth_out.take())
    }

    /// What the node's key is to sign, once, if it is elsewhere. The answer is told with
    /// [`Handshake::handle_signature`]; until then `handle_bytes` takes nothing.
    pub fn poll_challenge(&mut self) -> Option<[u8; CHALLENGE_BYTES]> {
        self.challenge_out.take()
    }

    /// Whether it waits for [`Handshake::handle_signature`] and for nothing else.
    pub fn is_signing(&self) -> bool {
        matches!(self.state, State::AwaitSignature(_))
    }

    /// Told what the node's key signed. Whether it verifies is for who asked to find out: a peer would only
    /// hang up. Then drain [`Handshake::poll_transmit`], and call `handle_bytes` with what has come meanwhile.
    /// Without a question the answer is ignored.
    pub fn handle_signature(&mut self, signature: [u8; SIGNATURE_BYTES]) {
        match mem::replace(&mut self.state, State::Over) {
            State::AwaitSignature(mut secured) => {
                self.challenge_out = None;
                self.auth_out = Some(secured.seal_auth(self.node_key.public_key(), signature));
                self.state = State::AwaitAuth(secured);
            }
            other => self.state = other,
        }
    }

    /// Told that bytes have come; takes what it needs from the front of `buf`.
    ///
    /// # Errors
    /// [`HandshakeError`] names the stage and whose fault it is; the handshake is then over.
    pub fn handle_bytes(&mut self, buf: &mut BytesMut) -> Result<Progress, HandshakeError> {
        loop {
            // An error on the way leaves the handshake over.
            let step = match mem::replace(&mut self.state, State::Over) {
                State::AwaitEphemeral(own) => self.receive_ephemeral(own, buf)?,
                State::AwaitSignature(secured) => Step::Wait(State::AwaitSignature(secured)),
                State::AwaitAuth(secured) => self.receive_auth(secured, buf)?,
                State::Over => return Err(HandshakeError::Over),
            };
            match step {
                Step::Advance(state) => self.state = state,
                Step::Wait(state) => {
                    self.state = state;
                    return Ok(Progress::NeedMore);
                }
                Step::Finish(session) => return Ok(Progress::Done(session)),
            }
        }
    }

    /// Told that the peer will send nothing more; gives the reason the handshake failed with.
    pub fn handle_close(&mut self) -> HandshakeError {
        match mem::replace(&mut self.state, State::Over) {
            State::AwaitEphemeral(_) => HandshakeError::Closed(HandshakeStage::EphemeralKey),
            State::AwaitSignature(_) | State::AwaitAuth(_) => {
                HandshakeError::Closed(HandshakeStage::Authentication)
            }
            State::Over => HandshakeError::Over,
        }
    }

    fn receive_ephemeral(
        &mut self,
        own: DefaultEphemeral,
        buf: &mut BytesMut,
    ) -> Result<Step, HandshakeError> {
        check_ephemeral_prefix(buf)?;
        if buf.len() < EPHEMERAL_BYTES {
            return Ok(Step::Wait(State::AwaitEphemeral(own)));
        }
        let message = buf.split_to(EPHEMERAL_BYTES);
        let remote = *message
            .last_chunk()
            .expect("the message is longer than the key in it");
        let mut secured = Secured::agree(&own, &remote)?;
        let LocalKey::Held(key) = &self.node_key else {
            self.challenge_out = Some(secured.challenge);
            return Ok(Step::Advance(State::AwaitSignature(Box::new(secured))));
        };
        let signature = key.sign(&secured.challenge);
        self.auth_out = Some(secured.seal_auth(key.public_key(), signature));
        Ok(Step::Advance(State::AwaitAuth(Box::new(secured))))
    }

    fn receive_auth(
        &mut self,
        mut secured: Box<Secured>,
        buf: &mut BytesMut,
    ) -> Result<Step, HandshakeError> {
        while buf.len() >= FRAME_SEALED {
            let mut frame = buf.split_to(FRAME_SEALED);
            if let Some((message, early_data)) = secured.gather_auth(&mut frame)? {
                let session = secured.verify(message, early_data, self.expected_id)?;
                return Ok(Step::Finish(Box::new(session)));
            }
        }
        Ok(Step::Wait(State::AwaitAuth(secured)))
    }
}

impl Secured {
    /// Step 2: from the two ephemeral keys to the keys of the frames and the challenge.
    fn agree(own: &DefaultEphemeral, remote: &[u8; 32]) -> Result<Self, HandshakeError> {
        if own.public() == remote {
            return Err(HandshakeError::EphemeralReflected);
        }
        let shared_secret = own.agree(remote).ok_or(HandshakeError::EphemeralLowOrder)?;
        let local_is_lower = own.public() < remote;
        let (lower, upper) = if local_is_lower {
            (own.public(), remote)
        } else {
            (remote, own.public())
        };
        let keys = FrameKeys::derive(&shared_secret);
        let (send, recv) = keys.send_and_recv(local_is_lower);
        Ok(Self {
            sealer: FrameSealer::new(send),
            opener: FrameOpener::new(recv),
            challenge: challenge(lower, upper, &shared_secret),
            shared_secret,
            local_is_lower,
            auth: Vec::new(),
            auth_frames: 0,
        })
    }

    /// Our own proof of identity, in its frame.
    fn seal_auth(&mut self, key: PublicKey, signature: [u8; SIGNATURE_BYTES]) -> Bytes {
        let message = AuthMessage { key, signature }.encode();
        let mut frame = vec![0; FRAME_SEALED];
        frame[FRAME_HEADER..FRAME_HEADER + AUTH_BYTES].copy_from_slice(&message);
        self.sealer
            .seal(&mut frame, AUTH_BYTES)
            .expect("the frame has its size, the message fits, and no nonce was used before");
        Bytes::from(frame)
    }

    /// Adds one frame to the peer's message; gives the message and what lies behind it once it is
    /// whole.
    fn gather_auth(
        &mut self,
        frame: &mut [u8],
    ) -> Result<Option<(AuthMessage, Bytes)>, HandshakeError> {
        let data = self.opener.open(frame).map_err(HandshakeError::AuthFrame)?;
        self.auth.extend_from_slice(&frame[data]);
        self.auth_frames += 1;
        let delimited =
            delimited::decode(&self.auth, AUTH_BODY_MAX).map_err(HandshakeError::AuthMalformed)?;
        match delimited {
            Some(whole) => {
                let message =
                    AuthMessage::decode(whole.body).map_err(HandshakeError::AuthMalformed)?;
                let rest = Bytes::copy_from_slice(&self.auth[whole.consumed..]);
                Ok(Some((message, rest)))
            }
            None if self.auth_frames >= AUTH_FRAMES_MAX => Err(HandshakeError::AuthTooManyFrames),
            None => Ok(None),
        }
    }

    /// The last step: is the peer who it says it is, and is it the one that was dialed?
    fn verify(
        self,
        message: AuthMessage,
        early_data: Bytes,
        expected_id: Option<NodeId>,
    ) -> Result<Session, HandshakeError> {
        let remote_key = message.key;
        remote_key
            .verify(&self.challenge, &message.signature)
            .map_err(|_| HandshakeError::BadSignature)?;
        if remote_key.is_low_order() {
            return Err(HandshakeError::IdentityLowOrder);
        }
        let remote_id = remote_key.id();
        match expected_id {
            Some(expected) if expected != remote_id => Err(HandshakeError::WrongId {
                expected,
                found: remote_id,
            }),
            _ => Ok(Session {
                remote_key,
                remote_id,
                sealer: self.sealer,
                opener: self.opener,
                challenge: self.challenge,
                shared_secret: self.shared_secret,
                local_is_lower: self.local_is_lower,
                early_data,
            }),
        }
    }
}

/// Refuses a stream that does not start as it must, from its first byte on.
fn check_ephemeral_prefix(buf: &[u8]) -> Result<(), HandshakeError> {
    for (offset, (&found, expected)) in buf.iter().zip(EPHEMERAL_PREFIX).enumerate() {
        if found != expected {
            return Err(HandshakeError::EphemeralMalformed {
                offset,
                found,
                expected,
            });
        }
    }
    Ok(())
}

/// Fuzz entry: a peer sends anything in clear, then anything behind a good ephemeral key.
#[doc(hidden)]
pub fn fuzz_handshake(bytes: &[u8]) {
    let node_key = NodeKey::from_seed([1; 32]);
    let mut local = Handshake::new(&node_key, [2; 32], None);
    let mut input = BytesMut::from(bytes);
    assert!(!matches!(
        local.handle_bytes(&mut input),
        Ok(Progress::Done(_))
    ));

    // A peer that holds the keys and seals any plaintext as its authentication.
    let mut remote = Handshake::new(&node_key, [3; 32], None);
    let mut local = Handshake::new(&node_key, [2; 32], None);
    let ours = local
        .poll_transmit()
        .expect("the first message waits from the start");
    let theirs = remote
        .poll_transmit()
        .expect("the first message waits from the start");
    let mut input = BytesMut::from(&theirs[..]);
    assert!(matches!(
        local.handle_bytes(&mut input),
        Ok(Progress::NeedMore)
    ));
    let State::AwaitEphemeral(own) = &remote.state else {
        unreachable!("it was told nothing")
    };
    let public = ours
        .last_chunk()
        .expect("the message is longer than the key in it");
    let mut secured = Secured::agree(own, public).expect("two honest keys");
    for data in bytes.chunks(1024).take(AUTH_FRAMES_MAX + 1) {
        let mut frame = [0; FRAME_SEALED];
        frame[FRAME_HEADER..FRAME_HEADER + data.len()].copy_from_slice(data);
        secured
            .sealer
            .seal(&mut frame, data.len())
            .expect("the data fits");
        input.extend_from_slice(&frame);
    }
    assert!(
        !matches!(local.handle_bytes(&mut input), Ok(Progress::Done(_))),
        "no valid signature"
    );
}

#[cfg(test)]
mod tests;
