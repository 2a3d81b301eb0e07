//! What follows when the kernel refuses to be entered.
//!
//! `io_uring_enter` may answer EAGAIN, ENOMEM or EBUSY: there is no memory for a request, or
//! completions must be taken first. Mostly the next call is taken. If it never is, a shard that
//! simply calls again would keep a core busy for ever and do nothing, and nobody would know.
//!
//! ```text
//!   refused ─▶ again at once, a few times ─▶ after pauses of 1, 2, 4 … 128 ms, told once ─▶ failed
//!      ▲                                                                                  after 30 s
//!      └── taken: all is forgotten
//! ```

use std::io;
use std::time::Duration;

use super::super::error::TransportError;

/// Refusals in a row without a pause: one is usual when completions wait to be taken.
const AT_ONCE: u32 = 4;
/// The first pause; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// How often the pause doubles: up to 128 ms, which no peer notices.
const DOUBLINGS_MAX: u32 = 7;
/// Pauses in a row before somebody is told.
const TOLD_AT: u32 = AT_ONCE + 4;
/// Pauses of a row, together, after which the ring is taken for broken. Peers give a silent node up
/// after 45 s, so nothing is lost by then that would not be lost anyway.
const REFUSED_MAX: Duration = Duration::from_secs(30);

/// Counts refusals, and says how long to pause after each.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    in_a_row: u32,
    /// Pauses of this row together.
    paused: Duration,
    total: u64,
}

impl Refusals {
    /// Takes what a call answered. Returns the pause to be made before the next one.
    ///
    /// # Errors
    /// The call can never succeed, or was refused for [`REFUSED_MAX`].
    pub(super) fn handle(
        &mut self,
        answer: io::Result<usize>,
    ) -> Result<Option<Duration>, TransportError> {
        let error = match answer {
            Ok(_) => return Ok(self.forget()),
            Err(error) => error,
        };
        match error.raw_os_error() {
            // It slept until its time was up or a signal came.
            Some(libc::ETIME | libc::EINTR) => Ok(self.forget()),
            Some(libc::EAGAIN | libc::ENOMEM | libc::EBUSY) => self.refused(error),
            _ => Err(TransportError::Enter(error)),
        }
    }

    /// Calls that were refused since the ring was set up.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    fn forget(&mut self) -> Option<Duration> {
        if self.in_a_row >= TOLD_AT {
            tracing::info!(calls = self.in_a_row, "io_uring_enter is taken again");
        }
        (self.in_a_row, self.paused) = (0, Duration::ZERO);
        None
    }

    fn refused(&mut self, error: io::Error) -> Result<Option<Duration>, TransportError> {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.total += 1;
        if self.paused >= REFUSED_MAX {
            return Err(TransportError::Refused {
                calls: self.in_a_row,
                span: self.paused,
                source: error,
            });
        }
        let Some(doublings) = self.in_a_row.checked_sub(AT_ONCE + 1) else {
            return Ok(None);
        };
        if self.in_a_row == TOLD_AT {
            tracing::warn!(
                calls = self.in_a_row,
                %error,
                "io_uring_enter is refused; the shard tries again after pauses"
            );
        }
        let pause = PAUSE_MIN * (1 << doublings.min(DOUBLINGS_MAX));
        self.paused += pause;
        Ok(Some(pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(errno: i32) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn a_call_that_is_refused_for_ever_pauses_ever_longer_and_fails_in_the_end() {
        for errno in [libc::EAGAIN, libc::ENOMEM, libc::EBUSY] {
            let (mut refusals, mut pauses) = (Refusals::default(), Vec::new());
            let error = loop {
                match refusals.handle(refusal(errno)) {
                    Ok(pause) => pauses.push(pause),
                    Err(error) => break error,
                }
                assert!(pauses.len() < 1000, "it never gives up");
            };
            let at_once = pauses.iter().take_while(|pause| pause.is_none()).count();
            assert_eq!(at_once, AT_ONCE as usize);
            let pauses: Vec<_> = pauses.into_iter().flatten().collect();
            assert!(pauses.is_sorted() && pauses[0] == PAUSE_MIN);
            assert_eq!(pauses.last(), Some(&Duration::from_millis(128)));
            let total: Duration = pauses.iter().sum();
            assert!(total >= REFUSED_MAX && total < REFUSED_MAX + Duration::from_millis(128));
            assert_eq!(refusals.total(), (at_once + pauses.len() + 1) as u64);
            let said = error.to_string();
            assert!(
                said.contains("io_uring_enter") && said.contains("memory"),
                "{said}"
            );
            assert!(
                refusals.handle(refusal(errno)).is_err(),
                "no pauses in a dead ring"
            );
        }
    }

    #[test]
    fn a_call_that_is_taken_again_ends_the_row() {
        let mut refusals = Refusals::default();
        for _ in 0..100 {
            for _ in 0..20 {
                refusals.handle(refusal(libc::EBUSY)).expect("it passes");
            }
            assert_eq!(refusals.handle(Ok(0)).expect("it is taken"), None);
            let next = refusals.handle(refusal(libc::EBUSY)).expect("it passes");
            assert_eq!(next, None, "the first of a new row");
        }
        assert_eq!(refusals.total(), 2100);
    }

    #[test]
    fn the_end_of_a_sleep_is_no_refusal() {
        let mut refusals = Refusals::default();
        for errno in [libc::ETIME, libc::EINTR] {
            for _ in 0..1000 {
                assert_eq!(refusals.handle(refusal(errno)).expect("it slept"), None);
            }
        }
        assert_eq!(refusals.total(), 0);
    }

    #[test]
    fn what_can_never_be_taken_fails_at_once() {
        let mut refusals = Refusals::default();
        for errno in [libc::EBADF, libc::EINVAL, libc::EFAULT] {
            let failed = refusals.handle(refusal(errno));
            assert!(matches!(failed, Err(TransportError::Enter(_))));
        }
    }
}
