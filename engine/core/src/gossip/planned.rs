//! [`Planned`]: a timer that comes at the earliest moment for which it was asked.

use std::time::Duration;

use crate::reactor::{Context, Reactor, TimerKey};
use crate::time::Instant;

/// A timer of a reactor, of which at most one is under way.
#[derive(Debug, Default)]
pub(super) struct Planned(Option<(Instant, TimerKey)>);

impl Planned {
    /// Sees to it that the reactor is called with `timer` after `wait`, or before. One that would come later is brought forward.
    pub(super) fn plan<R: Reactor>(
        &mut self,
        cx: &mut Context<'_, R>,
        wait: Duration,
        timer: R::Timer,
    ) {
        let due = cx.now() + wait;
        match self.0 {
            Some((planned, _)) if planned <= due => return,
            Some((_, key)) => {
                cx.cancel_timer(key);
            }
            None => (),
        }
        self.0 = Some((due, cx.set_timer(wait, timer)));
    }

    /// Whether it is under way.
    pub(super) fn is_planned(&self) -> bool {
        self.0.is_some()
    }

    /// It has come.
    pub(super) fn handle_timeout(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gossip::feeds::{Feeds, FeedsTimer};
    use crate::reactor::{Own, Told};

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// For how long timers were set, and how many were taken back, after these were asked for one after the other, a
    /// millisecond apart.
    fn planned(waits: &[u64]) -> (Vec<Duration>, usize) {
        let (mut told, mut own) = (Told::default(), Own::<Feeds>::new());
        let mut planned = Planned::default();
        for wait in waits {
            let mut cx = own.context(&mut told);
            planned.plan(&mut cx, ms(*wait), FeedsTimer::Due);
            assert!(planned.is_planned());
            told.now += ms(1);
        }
        let timers = told.timers.iter().map(|(after, _)| *after);
        (timers.collect(), told.cancelled.len())
    }

    #[test]
    fn a_timer_is_brought_forward_when_something_shorter_comes_later() {
        assert_eq!(planned(&[12, 3]), (vec![ms(12), ms(3)], 1));
        assert_eq!(planned(&[12, 10]), (vec![ms(12), ms(10)], 1));
    }

    #[test]
    fn a_timer_that_comes_before_is_enough() {
        assert_eq!(planned(&[12, 11, 12, 20]), (vec![ms(12)], 0));
    }

    #[test]
    fn a_timer_that_has_come_is_planned_anew() {
        let (mut told, mut own) = (Told::default(), Own::<Feeds>::new());
        let mut planned = Planned::default();
        for _ in 0..2 {
            let mut cx = own.context(&mut told);
            planned.plan(&mut cx, ms(5), FeedsTimer::Due);
            planned.handle_timeout();
            assert!(!planned.is_planned());
        }
        assert_eq!((told.timers.len(), told.cancelled.len()), (2, 0));
    }
}
