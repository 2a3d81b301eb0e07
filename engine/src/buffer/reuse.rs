//! Buffers of one size that leave as messages and are used again when those are gone.
//!
//! Like chunks, they come back without a word: whoever holds the last slice drops it, on any
//! thread, and the remainder that is kept here is found to be the only reference left.

use bytes::BytesMut;

/// Where buffers of one size come from and wait for their messages to be dropped.
#[derive(Debug)]
pub(super) struct Reuse {
    bytes: usize,
    /// Remainders, oldest first.
    lent: Vec<BytesMut>,
    lent_max: usize,
    /// Whether one was taken since the last trim.
    in_use: bool,
}

impl Reuse {
    /// For buffers of `bytes`, of which `lent_max` at most are waited for; older ones are left to
    /// whoever keeps their messages.
    pub(super) fn new(bytes: usize, lent_max: usize) -> Self {
        Reuse {
            bytes,
            lent: Vec::new(),
            lent_max,
            in_use: false,
        }
    }

    /// An empty buffer with room for the bytes of this size, and whether it had to be allocated.
    /// The one that came back last is the likeliest to be in the cache.
    pub(super) fn take(&mut self) -> (BytesMut, bool) {
        self.in_use = true;
        for index in (0..self.lent.len()).rev() {
            if self.lent[index].try_reclaim(self.bytes) {
                return (self.lent.remove(index), false);
            }
        }
        (BytesMut::with_capacity(self.bytes), true)
    }

    /// Takes the remainder of a buffer, whose messages may be alive.
    pub(super) fn give_back(&mut self, mut remainder: BytesMut) {
        if self.lent.len() >= self.lent_max {
            self.lent.remove(0);
        }
        remainder.clear();
        self.lent.push(remainder);
    }

    /// Lets all go if none was taken since the last call.
    pub(super) fn trim(&mut self) {
        if !std::mem::take(&mut self.in_use) {
            self.lent.clear();
        }
    }

    /// Whether any is waited for.
    pub(super) fn is_lending(&self) -> bool {
        !self.lent.is_empty()
    }

    /// How many are waited for.
    #[cfg(test)]
    pub(super) fn lent_len(&self) -> usize {
        self.lent.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_its_messages_are_gone_and_not_before() {
        let mut reuse = Reuse::new(1000, 4);
        let (mut buffer, fresh) = reuse.take();
        assert!(fresh);
        buffer.extend_from_slice(&[7; 600]);
        let message = buffer.split().freeze();
        let address = message.as_ptr();
        reuse.give_back(buffer);
        let (other, fresh) = reuse.take();
        assert!(fresh, "the message is kept");
        drop(message);
        let (again, fresh) = reuse.take();
        assert!(!fresh);
        assert_eq!(again.as_ptr(), address);
        assert!(again.capacity() >= 1000 && other.capacity() >= 1000);
    }

    #[test]
    fn what_nobody_takes_for_the_time_of_a_trim_is_let_go() {
        let mut reuse = Reuse::new(100, 2);
        let (buffer, _) = reuse.take();
        reuse.give_back(buffer);
        reuse.trim();
        assert!(reuse.is_lending(), "it was taken just before");
        reuse.trim();
        assert!(!reuse.is_lending());
    }

    #[test]
    fn no_more_are_waited_for_than_was_said() {
        let mut reuse = Reuse::new(100, 2);
        let kept: Vec<_> = (0..5)
            .map(|_| {
                let (mut buffer, _) = reuse.take();
                buffer.extend_from_slice(&[7; 50]);
                let message = buffer.split().freeze();
                reuse.give_back(buffer);
                message
            })
            .collect();
        assert_eq!(reuse.lent.len(), 2);
        assert!(kept.iter().all(|message| message[..] == [7; 50]));
    }
}
