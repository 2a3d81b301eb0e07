//! Buffers of one size that leave as messages and are used again when those are gone.
//!
//! Like chunks, they come back without a word: whoever holds the last slice drops it, on any
//! thread, and the remainder that is kept here is found to be the only reference left.

use std::collections::VecDeque;

use bytes::BytesMut;

/// Buffers that are looked at before one is made: a few, so that who keeps messages does not make
/// everybody look at all that are kept.
const LOOKS_MAX: usize = 8;

/// Where buffers of one size come from and wait for their messages to be dropped.
#[derive(Debug)]
pub(super) struct Reuse {
    bytes: usize,
    /// Remainders, oldest first.
    lent: VecDeque<BytesMut>,
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
            lent: VecDeque::new(),
            lent_max,
            in_use: false,
        }
    }

    /// An empty buffer with room for the bytes of this size, and whether it had to be allocated.
    ///
    /// Where each message is gone before the next one comes, it is the buffer that came back last,
    /// the likeliest to be in the cache. Where many are under way, they go in the order in which they
    /// came, so the oldest is free first. Those that are kept for long are the first to be let go.
    pub(super) fn take(&mut self) -> (BytesMut, bool) {
        self.in_use = true;
        let last = self.lent.len().checked_sub(1);
        let oldest = 0..self.lent.len().min(LOOKS_MAX);
        for index in last.into_iter().chain(oldest) {
            if self.lent[index].try_reclaim(self.bytes)
                && let Some(buffer) = self.lent.remove(index)
            {
                return (buffer, false);
            }
        }
        (BytesMut::with_capacity(self.bytes), true)
    }

    /// Takes the remainder of a buffer, whose messages may be alive.
    pub(super) fn give_back(&mut self, mut remainder: BytesMut) {
        if self.lent.len() >= self.lent_max {
            self.lent.pop_front();
        }
        remainder.clear();
        self.lent.push_back(remainder);
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
    fn as_many_messages_may_be_under_way_as_are_waited_for() {
        let mut reuse = Reuse::new(1000, 64);
        let mut under_way = VecDeque::new();
        let mut made = 0;
        for _ in 0..1000 {
            let (mut buffer, fresh) = reuse.take();
            made += u32::from(fresh);
            buffer.extend_from_slice(&[7; 600]);
            under_way.push_back(buffer.split().freeze());
            reuse.give_back(buffer);
            if under_way.len() == 50 {
                under_way.pop_front();
            }
        }
        assert_eq!(made, 50);
    }

    #[test]
    fn buffers_that_are_kept_do_not_hide_those_that_came_back() {
        let mut reuse = Reuse::new(1000, 64);
        let mut message = || {
            let (mut buffer, fresh) = reuse.take();
            buffer.extend_from_slice(&[7; 600]);
            let message = buffer.split().freeze();
            reuse.give_back(buffer);
            (message, fresh)
        };
        let kept: Vec<_> = (0..20).map(|_| message().0).collect();
        let made = (0..1000).filter(|_| message().1).count();
        assert!(made <= 64, "no more than are waited for: {made}");
        assert!(kept.iter().all(|message| message[..] == [7; 600]));
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
