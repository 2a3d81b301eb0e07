//! Which way the bytes of an engine are moved: as it is told, or as this machine allows.

use std::fmt;

use ringwire_core::config::TransportChoice;

#[cfg(target_os = "linux")]
use super::ring_check;

/// A way to move bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// The kernel's io_uring.
    IoUring,
    /// Readiness of sockets, told by epoll or kqueue.
    Readiness,
}

impl Way {
    /// The way that `choice` means on this machine; and if that is not io_uring although it might have
    /// been, why.
    pub(crate) fn of(choice: TransportChoice) -> (Way, Option<String>) {
        match choice {
            TransportChoice::IoUring => (Way::IoUring, None),
            TransportChoice::Readiness => (Way::Readiness, None),
            #[cfg(target_os = "linux")]
            TransportChoice::Auto => match ring_check::refusal() {
                None => (Way::IoUring, None),
                refusal => (Way::Readiness, refusal),
            },
            // There is nothing faster here, so there is nothing to be told.
            #[cfg(not(target_os = "linux"))]
            TransportChoice::Auto => (Way::Readiness, None),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::IoUring => "io_uring",
            Way::Readiness => "readiness",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_by_name_is_taken_and_the_choice_follows_the_machine() {
        let (asked, readiness) = (TransportChoice::IoUring, TransportChoice::Readiness);
        assert_eq!(Way::of(asked), (Way::IoUring, None));
        assert_eq!(Way::of(readiness), (Way::Readiness, None));
        let (way, refusal) = Way::of(TransportChoice::Auto);
        assert_eq!(refusal, ring_check::refusal());
        assert_eq!(way == Way::IoUring, refusal.is_none());
    }
}
