//! Accepting: one multishot accept, and a pause when the process is out of descriptors.
//!
//! When to pause is told by [`super::super::accepting`].

use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fd, Timespec};
use io_uring::{opcode, squeue};

use super::super::accepting::is_of_one_connection;
use super::super::listener::Listener;
use super::token::{Kind, Token};

/// What the ring must start for the listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    Accept,
    Pause,
    Cancel(Kind),
    /// Nothing is in flight any more: drop the listener.
    Free,
}

/// A listener and what is in flight for it.
pub(super) struct Acceptor {
    /// Its place among the ring's acceptors.
    place: usize,
    listener: Listener,
    accepting: bool,
    pausing: bool,
    /// A pause is due before the next accept.
    must_pause: bool,
    /// A failure was reported and nothing was accepted since.
    reported: bool,
    stopping: bool,
    /// The cancellation was sent (once is enough: nothing is started afterwards).
    cancelled: bool,
    cancels: u8,
    pause: Box<Timespec>,
}

impl Acceptor {
    /// An acceptor at a place among the ring's.
    pub(super) fn new(place: usize, listener: Listener, pause: Duration) -> Self {
        Acceptor {
            place,
            listener,
            accepting: false,
            pausing: false,
            must_pause: false,
            reported: false,
            stopping: false,
            cancelled: false,
            cancels: 0,
            pause: Box::new(Timespec::from(pause)),
        }
    }

    pub(super) fn stop(&mut self) {
        self.stopping = true;
    }

    /// What it accepts from.
    pub(super) fn listener(&self) -> &Listener {
        &self.listener
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    pub(super) fn next_action(&mut self) -> Option<Action> {
        if self.stopping {
            return self.stop_action();
        }
        if self.accepting || self.pausing {
            return None;
        }
        if std::mem::take(&mut self.must_pause) {
            self.pausing = true;
            return Some(Action::Pause);
        }
        self.accepting = true;
        Some(Action::Accept)
    }

    fn stop_action(&mut self) -> Option<Action> {
        if !self.accepting && !self.pausing {
            return (self.cancels == 0).then_some(Action::Free);
        }
        if self.cancelled {
            return None;
        }
        self.cancelled = true;
        self.cancels += 1;
        Some(Action::Cancel(if self.accepting {
            Kind::Accept
        } else {
            Kind::AcceptPause
        }))
    }

    /// An accept completed well.
    pub(super) fn accepted(&mut self, last: bool) {
        self.reported = false;
        self.accepting = !last;
    }

    /// An accept failed with `errno`; returns `true` if that is to be reported.
    pub(super) fn failed(&mut self, errno: i32, last: bool) -> bool {
        self.accepting = !last;
        if self.stopping || is_of_one_connection(errno) {
            return false;
        }
        self.must_pause = true;
        !std::mem::replace(&mut self.reported, true)
    }

    pub(super) fn paused(&mut self) {
        self.pausing = false;
    }

    pub(super) fn end_cancel(&mut self) {
        self.cancels -= 1;
    }

    /// The entry for an action; it may point into `self`, which lives until `Free`.
    pub(super) fn entry(&self, action: Action) -> Option<squeue::Entry> {
        let (entry, kind) = match action {
            Action::Accept => (self.accept_entry(), Kind::Accept),
            Action::Pause => (
                opcode::Timeout::new(&raw const *self.pause).build(),
                Kind::AcceptPause,
            ),
            Action::Cancel(target) => {
                let target = Token::of_acceptor(target, self.place);
                (cancel_entry(target), Kind::AcceptCancel)
            }
            Action::Free => return None,
        };
        Some(entry.user_data(Token::of_acceptor(kind, self.place).pack()))
    }

    fn accept_entry(&self) -> squeue::Entry {
        let listener = Fd(self.listener.socket().as_raw_fd());
        opcode::AcceptMulti::new(listener)
            .flags(libc::SOCK_CLOEXEC)
            .build()
    }
}

/// The entry that cancels the operation of `target`.
pub(super) fn cancel_entry(target: Token) -> squeue::Entry {
    opcode::AsyncCancel2::new(CancelBuilder::user_data(target.pack())).build()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn acceptor() -> Acceptor {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        Acceptor::new(0, listener.into(), Duration::from_millis(1))
    }

    #[test]
    fn running_out_of_descriptors_pauses_before_the_next_accept() {
        let mut acceptor = acceptor();
        assert_eq!(acceptor.next_action(), Some(Action::Accept));
        assert!(acceptor.failed(libc::EMFILE, true));
        assert_eq!(acceptor.next_action(), Some(Action::Pause));
        assert_eq!(acceptor.next_action(), None);
        acceptor.paused();
        assert_eq!(acceptor.next_action(), Some(Action::Accept));
    }

    #[test]
    fn a_lasting_failure_is_reported_once_until_something_was_accepted() {
        let mut acceptor = acceptor();
        acceptor.next_action();
        assert!(acceptor.failed(libc::ENFILE, true));
        assert!(!acceptor.failed(libc::ENFILE, true));
        acceptor.accepted(false);
        assert!(acceptor.failed(libc::ENFILE, true));
    }

    #[test]
    fn an_aborted_connection_costs_no_pause_and_no_report() {
        let mut acceptor = acceptor();
        acceptor.next_action();
        assert!(!acceptor.failed(libc::ECONNABORTED, true));
        assert_eq!(acceptor.next_action(), Some(Action::Accept));
    }

    #[test]
    fn a_stopped_listener_is_freed_only_when_nothing_is_in_flight() {
        let mut acceptor = acceptor();
        acceptor.next_action();
        acceptor.stop();
        assert_eq!(acceptor.next_action(), Some(Action::Cancel(Kind::Accept)));
        assert_eq!(acceptor.next_action(), None);
        acceptor.failed(libc::ECANCELED, true);
        assert_eq!(acceptor.next_action(), None);
        acceptor.end_cancel();
        assert_eq!(acceptor.next_action(), Some(Action::Free));
    }
}
