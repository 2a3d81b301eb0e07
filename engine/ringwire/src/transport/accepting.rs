//! What follows when a connection cannot be accepted.
//!
//! `EMFILE` and the like leave the connection in the backlog, so trying again at once would spin.
//! Hence a pause first. Errors of a single connection (`ECONNABORTED`) consume it: no pause.

use std::time::Duration;

/// Pause after a failed accept.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Errors that concern the connection at hand and not the listener, by accept(2).
pub(super) fn is_of_one_connection(errno: i32) -> bool {
    // Linux alone knows it: the network is gone from under the connection.
    #[cfg(target_os = "linux")]
    if errno == libc::ENONET {
        return true;
    }
    matches!(
        errno,
        libc::ECONNABORTED
            | libc::EINTR
            | libc::EAGAIN
            | libc::EPROTO
            | libc::EPERM
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENOPROTOOPT
    )
}
