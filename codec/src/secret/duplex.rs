//! Two handshakes run against each other in memory, for tests and simulations.
//!
//! ```text
//!  left ──poll_transmit──► wire ──at most chunk_bytes at once──► inbox ──handle_bytes──► right
//! ```

use bytes::{Buf as _, BytesMut};

use super::handshake::{Handshake, HandshakeError, Progress, Session};

/// One end: a handshake, what is on its way to it, and what it has not taken yet.
struct End<'a> {
    handshake: &'a mut Handshake,
    wire: BytesMut,
    inbox: BytesMut,
    session: Option<Box<Session>>,
}

impl<'a> End<'a> {
    fn new(handshake: &'a mut Handshake) -> Self {
        Self {
            handshake,
            wire: BytesMut::new(),
            inbox: BytesMut::new(),
            session: None,
        }
    }

    fn transmit_to(&mut self, other: &mut Self) {
        while let Some(bytes) = self.handshake.poll_transmit() {
            other.wire.extend_from_slice(&bytes);
        }
    }

    /// Takes one chunk from the wire; false when there was nothing to take or nobody to take it.
    fn receive(&mut self, chunk_bytes: usize) -> Result<bool, HandshakeError> {
        if self.wire.is_empty() || self.session.is_some() {
            return Ok(false);
        }
        let len = self.wire.len().min(chunk_bytes);
        self.inbox.extend_from_slice(&self.wire[..len]);
        self.wire.advance(len);
        if let Progress::Done(session) = self.handshake.handle_bytes(&mut self.inbox)? {
            self.session = Some(session);
        }
        Ok(true)
    }
}

/// Runs both handshakes to their end, carrying at most `chunk_bytes` at once, and gives the sessions
/// of `left` and `right`.
///
/// # Errors
/// What the side that failed first says; [`HandshakeError::Closed`] when both wait for each other.
///
/// # Panics
/// When `chunk_bytes` is 0.
pub fn run_pair(
    left: &mut Handshake,
    right: &mut Handshake,
    chunk_bytes: usize,
) -> Result<(Box<Session>, Box<Session>), HandshakeError> {
    assert!(chunk_bytes > 0, "a wire that carries nothing never ends");
    let (mut left, mut right) = (End::new(left), End::new(right));
    loop {
        left.transmit_to(&mut right);
        right.transmit_to(&mut left);
        let moved = left.receive(chunk_bytes)? | right.receive(chunk_bytes)?;
        match (left.session.take(), right.session.take()) {
            (Some(left), Some(right)) => return Ok((left, right)),
            // Only one side is done, so it keeps its session for the next turn.
            (left_session, right_session) => {
                left.session = left_session;
                right.session = right_session;
            }
        }
        if !moved {
            let waiting = if left.session.is_none() {
                &mut left
            } else {
                &mut right
            };
            return Err(waiting.handshake.handle_close());
        }
    }
}
