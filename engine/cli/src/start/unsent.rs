//! Which of the lines that were read were surely sent.
//!
//! Gossip has no receipts. A line is sent when it has left the queues of this node while there was a
//! peer. When the last peer leaves, what still waited for it is lost: gossip takes a message once.
//!
//! ```text
//!   read ≥ published ≥ sent            every look at the node moves `sent` on
//!   └ waiting ┘└ in queues ┘           the last peer gone: what is in queues is lost
//! ```

use crate::node::Backlog;

/// Looks without anything waiting until a message is taken for sent: between two queues it is in
/// neither, for less than a look.
const QUIET_LOOKS: u32 = 2;

/// The account of the lines of one run.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    sent: u64,
    lost: u64,
    /// Lines published when the present row of quiet looks began, and its length.
    quiet: Option<(u64, u32)>,
}

impl Unsent {
    /// Takes a look at the node, before which `published` lines were published.
    pub(super) fn handle_look(&mut self, published: u64, backlog: Backlog) {
        if backlog.peers == 0 {
            self.lost += published.saturating_sub(self.sent);
            self.sent = self.sent.max(published);
            self.quiet = None;
            return;
        }
        if backlog.waiting > 0 {
            self.quiet = None;
            return;
        }
        let (at_begin, looks) = self.quiet.unwrap_or((published, 0));
        if looks + 1 >= QUIET_LOOKS {
            self.sent = self.sent.max(at_begin);
            self.quiet = None;
        } else {
            self.quiet = Some((at_begin, looks + 1));
        }
    }

    /// Whether all of `published` lines are sent or lost.
    pub(super) fn is_settled(&self, published: u64) -> bool {
        self.sent >= published
    }

    /// Lines whose last peer left before they were surely sent.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Backlog = Backlog {
        peers: 1,
        waiting: 0,
    };
    const BUSY: Backlog = Backlog {
        peers: 1,
        waiting: 9,
    };
    const ALONE: Backlog = Backlog {
        peers: 0,
        waiting: 0,
    };

    #[test]
    fn lines_are_sent_once_the_queues_stay_empty() {
        let mut unsent = Unsent::default();
        unsent.handle_look(10, BUSY);
        unsent.handle_look(10, QUIET);
        assert!(!unsent.is_settled(10), "one look proves nothing");
        unsent.handle_look(10, QUIET);
        assert!(unsent.is_settled(10));
        unsent.handle_look(10, ALONE);
        assert_eq!(unsent.lost(), 0, "the peer had everything");
    }

    #[test]
    fn what_was_published_between_two_looks_is_not_taken_for_sent() {
        let mut unsent = Unsent::default();
        unsent.handle_look(10, QUIET);
        unsent.handle_look(20, QUIET);
        assert!(unsent.is_settled(10) && !unsent.is_settled(20));
        unsent.handle_look(20, ALONE);
        assert_eq!(unsent.lost(), 10);
        assert!(unsent.is_settled(20), "lost is settled, too");
    }

    #[test]
    fn what_waits_for_the_last_peer_is_lost_with_it_and_counted_once() {
        let mut unsent = Unsent::default();
        unsent.handle_look(10, BUSY);
        unsent.handle_look(12, ALONE);
        unsent.handle_look(12, ALONE);
        assert_eq!(unsent.lost(), 12);
        unsent.handle_look(15, BUSY);
        unsent.handle_look(15, ALONE);
        assert_eq!(unsent.lost(), 15);
    }

    #[test]
    fn nothing_published_is_nothing_lost() {
        let mut unsent = Unsent::default();
        unsent.handle_look(0, ALONE);
        assert!(unsent.is_settled(0) && unsent.lost() == 0);
    }
}
