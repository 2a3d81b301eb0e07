//! A write in flight: its buffers, how far it is, and what the kernel reads to continue it.
//!
//! ```text
//!   buffers   [########][####....][........]      # written, . to be written
//!                            ▲ written
//!   iovecs                  [....][........]      at most IOVECS_MAX, the rest comes after
//! ```
//!
//! Invariant: between [`Outgoing::header`] or [`Outgoing::single`] and the completion of the write
//! that was given it, nothing here changes or moves: its owner is boxed, and [`Outgoing::begin`],
//! `advance` and `end` are called only when no write is in flight.

use ringwire_core::switch::io::Transmit;

use super::super::system;

/// Buffers one `sendmsg` can take (`UIO_MAXIOV`).
const IOVECS_MAX: usize = 1024;

/// The write of one link; empty while there is none.
pub(super) struct Outgoing {
    header: libc::msghdr,
    /// Kept between writes, so that it allocates only when a write has more buffers than any before.
    iovecs: Vec<libc::iovec>,
    buffers: Transmit,
    /// Bytes of `buffers` written so far.
    written: usize,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Outgoing {
            header: system::empty_header(),
            iovecs: Vec::new(),
            buffers: Transmit::new(),
            written: 0,
        }
    }

    /// Takes the buffers of the next write.
    pub(super) fn begin(&mut self, buffers: Transmit) {
        debug_assert!(self.buffers.is_empty());
        self.buffers = buffers;
        self.written = 0;
    }

    /// Notes that `bytes` more are written; returns whether that was all.
    pub(super) fn advance(&mut self, bytes: usize) -> bool {
        let total: usize = self.buffers.iter().map(|buffer| buffer.len()).sum();
        self.written += bytes;
        assert!(
            self.written <= total,
            "the kernel writes no more than it is given"
        );
        self.written == total
    }

    /// Gives the buffers back.
    pub(super) fn end(&mut self) -> Transmit {
        std::mem::take(&mut self.buffers)
    }

    /// What is not written yet, if it is a single buffer: a plain `send` spares the kernel the
    /// header and its list of buffers.
    pub(super) fn single(&mut self) -> Option<&mut [u8]> {
        match &mut self.buffers[..] {
            [only] => Some(&mut only[self.written..]),
            _ => None,
        }
    }

    /// The message header for what is not written yet.
    pub(super) fn header(&mut self) -> *const libc::msghdr {
        let mut skip = self.written;
        self.iovecs.clear();
        for buffer in &mut self.buffers {
            let written = skip.min(buffer.len());
            skip -= written;
            let rest = &mut buffer[written..];
            if !rest.is_empty() && self.iovecs.len() < IOVECS_MAX {
                let iov_base = rest.as_mut_ptr().cast();
                self.iovecs.push(libc::iovec {
                    iov_base,
                    iov_len: rest.len(),
                });
            }
        }
        self.header.msg_iov = self.iovecs.as_mut_ptr();
        self.header.msg_iovlen = self.iovecs.len() as _;
        &raw const self.header
    }

    /// Lengths of what the next write would be given.
    #[cfg(test)]
    pub(super) fn iovec_lens(&self) -> Vec<usize> {
        self.iovecs.iter().map(|iovec| iovec.iov_len).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringwire_core::buffer::Buffer;

    use super::*;

    fn zeroed(bytes: usize) -> Buffer {
        Buffer::from(BytesMut::zeroed(bytes))
    }

    fn lens(outgoing: &mut Outgoing) -> Vec<usize> {
        outgoing.header();
        outgoing.iovec_lens()
    }

    #[test]
    fn a_write_continues_within_the_buffer_where_it_stopped() {
        let mut outgoing = Outgoing::new();
        outgoing.begin([8, 0, 4].into_iter().map(zeroed).collect());
        assert_eq!(lens(&mut outgoing), [8, 4], "an empty buffer is left out");
        assert!(!outgoing.advance(7));
        assert_eq!(lens(&mut outgoing), [1, 4]);
        assert!(!outgoing.advance(1));
        assert_eq!(lens(&mut outgoing), [4]);
        assert!(outgoing.advance(4));
        assert_eq!(outgoing.end().len(), 3);
    }

    #[test]
    fn a_single_buffer_needs_no_list() {
        let mut outgoing = Outgoing::new();
        outgoing.begin([8].into_iter().map(zeroed).collect());
        assert!(!outgoing.advance(3));
        assert_eq!(outgoing.single().map(|rest| rest.len()), Some(5));
        assert!(outgoing.advance(5));
        outgoing.end();
        outgoing.begin([8, 8].into_iter().map(zeroed).collect());
        assert!(outgoing.single().is_none());
    }

    #[test]
    fn one_call_is_given_no_more_buffers_than_it_takes() {
        let mut outgoing = Outgoing::new();
        outgoing.begin((0..IOVECS_MAX + 1).map(|_| zeroed(1)).collect());
        assert_eq!(lens(&mut outgoing).len(), IOVECS_MAX);
        assert!(!outgoing.advance(IOVECS_MAX));
        assert_eq!(lens(&mut outgoing).len(), 1);
        assert!(outgoing.advance(1));
    }
}
