//! How long things took: histograms of several reports, as the times that half of all, and 99 of 100,
//! did not exceed.
//!
//! ```text
//!   reports   r0 ── r1 ── r2 ── … ── now
//!                   └── one minute ────┘   what was counted between is told
//! ```
//!
//! A channel shows its last minute, since a histogram only grows and its past would hide the present.
//! The report before is compared with in any case, however long ago it was.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ringwire::metrics::Histogram;
use serde_json::Value;

/// For how long what was counted is told.
const WINDOW_SECONDS: f64 = 60.0;

/// Durations by the longest that their bucket takes, in nanoseconds; none is the bucket without end.
type Counts = BTreeMap<Option<u64>, u64>;

/// A time that things took at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// No longer than this.
    Within(Duration),
    /// Longer than the longest time that is told apart.
    Beyond,
}

/// How long something took, of all times that it was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    /// Half of them took no longer.
    pub(super) p50: Bound,
    /// 99 of 100 took no longer.
    pub(super) p99: Bound,
}

impl Spread {
    /// What a report says of all times since the node's start. None where nothing was measured.
    pub(super) fn since_start(histogram: &Value) -> Option<Spread> {
        Spread::of(&counts(histogram))
    }

    fn of(counts: &Counts) -> Option<Spread> {
        let mut histogram = Histogram::default();
        for (bound, count) in counts {
            let longest = bound.map_or(Duration::MAX, Duration::from_nanos);
            histogram.record_n(longest, *count);
        }
        let quantile = |of_all| {
            let found = histogram.quantile(of_all);
            found.map_or(Bound::Beyond, Bound::Within)
        };
        (histogram.count() > 0).then(|| Spread {
            p50: quantile(0.5),
            p99: quantile(0.99),
        })
    }
}

/// The histograms of the channels, as the reports of the last minute had them.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Uptime and histograms, the oldest first.
    reports: VecDeque<(f64, Channels)>,
}

/// By channel: times of sending and of receiving.
type Channels = BTreeMap<String, [Counts; 2]>;

impl Window {
    /// Forgets everything: the next report is that of another process.
    pub(super) fn clear(&mut self) {
        self.reports.clear();
    }

    /// Takes the channels of a report that is younger than those before.
    pub(super) fn take(&mut self, uptime_seconds: f64, channels: &Value) {
        let all = channels.as_object().into_iter().flatten();
        let all = all.map(|(id, figures)| {
            let times = ["send_time", "receive_time"].map(|name| counts(&figures[name]));
            (id.clone(), times)
        });
        self.reports.push_back((uptime_seconds, all.collect()));
        // The oldest that stays is the youngest of those that are a window old.
        let is_old = |at: &(f64, Channels)| uptime_seconds - at.0 >= WINDOW_SECONDS;
        while self.reports.len() > 2 && is_old(&self.reports[1]) {
            self.reports.pop_front();
        }
    }

    /// How long messages of a channel took to be sent and to be received. None before two reports, and
    /// where no message was.
    pub(super) fn channel(&self, id: &str) -> [Option<Spread>; 2] {
        let (Some((then, before)), Some((now, after))) =
            (self.reports.front(), self.reports.back())
        else {
            return [None; 2];
        };
        let after = after.get(id).filter(|_| then < now);
        std::array::from_fn(|way| {
            let mut grown = after?[way].clone();
            for (bound, count) in &mut grown {
                let before = before.get(id).and_then(|times| times[way].get(bound));
                *count = count.saturating_sub(before.copied().unwrap_or_default());
            }
            Spread::of(&grown)
        })
    }
}

fn counts(histogram: &Value) -> Counts {
    let buckets = histogram["buckets"].as_object().into_iter().flatten();
    let read = buckets.filter_map(|(bound, count)| {
        let bound = match bound.as_str() {
            "inf" => None,
            nanos => Some(nanos.parse().ok()?),
        };
        Some((bound, count.as_u64()?))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn within(millis: u64) -> Bound {
        Bound::Within(Duration::from_millis(millis))
    }

    /// Channel 0x01, of which so many messages were sent within 1 ms, and so many within 50 ms.
    fn sent(fast: u64, slow: u64) -> Value {
        json!({ "0x01": { "send_time": { "buckets": { "1000000": fast, "50000000": slow } } } })
    }

    fn spread(window: &Window) -> Option<(Bound, Bound)> {
        let [sent, received] = window.channel("0x01");
        assert_eq!(received, None, "nothing was received");
        sent.map(|spread| (spread.p50, spread.p99))
    }

    #[test]
    fn what_was_counted_between_two_reports_is_told_and_what_came_before_is_not() {
        let mut window = Window::default();
        window.take(10.0, &sent(0, 1_000));
        assert_eq!(spread(&window), None, "one report has no between");
        window.take(11.0, &sent(0, 1_000));
        assert_eq!(spread(&window), None, "nothing was sent");
        window.take(12.0, &sent(98, 1_002));
        assert_eq!(spread(&window), Some((within(1), within(50))));
        window.take(13.0, &sent(298, 1_002));
        assert_eq!(spread(&window), Some((within(1), within(1))));
        window.clear();
        assert_eq!(spread(&window), None);
        assert_eq!(window.channel("0x02"), [None; 2]);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten_but_the_report_before_is_kept() {
        let mut window = Window::default();
        window.take(0.0, &sent(0, 0));
        window.take(1.0, &sent(0, 100));
        window.take(60.9, &sent(50, 100));
        assert_eq!(spread(&window), Some((within(50), within(50))));
        window.take(61.0, &sent(50, 100));
        assert_eq!(spread(&window), Some((within(1), within(1))));
        window.take(4_000.0, &sent(50, 101));
        assert_eq!(spread(&window), Some((within(50), within(50))));
    }

    #[test]
    fn reports_at_a_tenth_of_a_second_fill_the_window_and_no_more() {
        let mut window = Window::default();
        for tenth in 0..2_000 {
            window.take(f64::from(tenth) / 10.0, &sent(1, 1));
        }
        assert!((600..=602).contains(&window.reports.len()));
    }

    #[test]
    fn times_longer_than_any_bucket_are_told_apart_from_none() {
        let beyond = json!({ "buckets": { "10000": 1, "inf": 1 } });
        let spread = Spread::since_start(&beyond).expect("two were counted");
        assert_eq!(spread.p50, Bound::Within(Duration::from_micros(10)));
        assert_eq!(spread.p99, Bound::Beyond);
        for nothing in [json!(null), json!({ "buckets": { "x": 1, "5": "y" } })] {
            assert_eq!(Spread::since_start(&nothing), None);
        }
    }
}
