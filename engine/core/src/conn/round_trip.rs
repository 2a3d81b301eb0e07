//! How long a peer takes to answer a ping.

use std::time::Duration;

use serde::Serialize;

use crate::time::Instant;

/// How much of a new measurement goes into the smoothed figure: an eighth, as in TCP (RFC 6298).
const SHARE: u32 = 8;

/// The time from our pings to their pongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct RoundTrip {
    /// That of the last ping that was answered.
    #[serde(rename = "last_seconds", serialize_with = "as_seconds")]
    pub last: Duration,
    /// The same smoothed: of each new one an eighth is taken.
    #[serde(rename = "smoothed_seconds", serialize_with = "as_seconds")]
    pub smoothed: Duration,
}

/// Measures it. A ping whose answer cannot be told from another's, or waited because it was us who did
/// not read, is left out.
#[derive(Clone, Debug, Default)]
pub(super) struct RoundTripTimer {
    /// When the ping was written whose answer is awaited.
    began: Option<Instant>,
    known: Option<RoundTrip>,
    /// Measured since somebody asked.
    news: Option<Duration>,
}

impl RoundTripTimer {
    /// A ping was written. If another one waits for its pong, the next pong may be either's.
    pub(super) fn begin(&mut self, now: Instant) {
        self.began = match self.began {
            None => Some(now),
            Some(_) => None,
        };
    }

    /// The pong came.
    pub(super) fn end(&mut self, at: Instant) {
        let Some(began) = self.began.take() else {
            return;
        };
        let last = at - began;
        self.news = Some(last);
        let smoothed = match self.known {
            None => last,
            Some(RoundTrip { smoothed, .. }) => smoothed - smoothed / SHARE + last / SHARE,
        };
        self.known = Some(RoundTrip { last, smoothed });
    }

    /// The ping under way measures something else as well.
    pub(super) fn spoil(&mut self) {
        self.began = None;
    }

    /// What is known; none before the first answer.
    pub(super) fn known(&self) -> Option<RoundTrip> {
        self.known
    }

    /// A measurement that nobody has taken yet.
    #[inline]
    pub(super) fn take_news(&mut self) -> Option<Duration> {
        self.news.take()
    }
}

fn as_seconds<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn round_trip(last: u64, smoothed: u64) -> Option<RoundTrip> {
        let (last, smoothed) = (Duration::from_millis(last), Duration::from_millis(smoothed));
        Some(RoundTrip { last, smoothed })
    }

    #[test]
    fn an_eighth_of_each_new_time_goes_into_the_smoothed_one() {
        let mut timer = RoundTripTimer::default();
        assert_eq!(timer.known(), None);
        timer.begin(at(100));
        timer.end(at(180));
        assert_eq!(timer.known(), round_trip(80, 80));
        timer.begin(at(200));
        timer.end(at(360));
        assert_eq!(timer.known(), round_trip(160, 90));
        assert_eq!(timer.take_news(), Some(Duration::from_millis(160)));
        assert_eq!(timer.take_news(), None, "it is told once");
    }

    #[test]
    fn a_pong_that_nobody_asked_for_or_that_may_be_another_pings_measures_nothing() {
        let mut timer = RoundTripTimer::default();
        timer.end(at(1));
        timer.begin(at(2));
        timer.begin(at(3));
        timer.end(at(4));
        timer.end(at(5));
        assert_eq!((timer.known(), timer.take_news()), (None, None));
        // The pongs of both may have come by now.
        timer.begin(at(6));
        timer.end(at(8));
        assert_eq!(timer.known(), round_trip(2, 2));
    }

    #[test]
    fn a_ping_whose_answer_lay_in_the_socket_measures_nothing() {
        let mut timer = RoundTripTimer::default();
        timer.begin(at(1));
        timer.spoil();
        timer.end(at(500));
        assert_eq!(timer.known(), None);
    }
}
