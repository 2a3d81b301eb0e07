//! Durations as counts in fixed buckets, of which three make a power of ten.
//!
//! ```text
//!   10 µs ─ 20 ─ 50 ─ 100 ─ 200 ─ 500 ─ 1 ms ─ … ─ 50 s ─ 100 s ─ longer
//! ```
//!
//! The buckets are the same for every figure, so that shards, nodes and dashboards add them up. A
//! histogram is 192 bytes and never allocates; a figure read from it is right to within its bucket, a
//! factor of 2.5 (decision 76 tells why this is enough).

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The longest duration that each bucket but the last takes, in nanoseconds.
pub const BOUNDS: [u64; 22] = bounds();

/// How long something took, over and over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Histogram {
    counts: [u64; BOUNDS.len() + 1],
    sum_nanos: u64,
}

impl Histogram {
    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, duration: Duration) {
        self.record_n(duration, 1);
    }

    /// Counts the same duration `count` times.
    #[inline]
    pub fn record_n(&mut self, duration: Duration, count: u64) {
        // 584 years are enough for anything that is measured here.
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < nanos);
        self.counts[bucket] += count;
        self.sum_nanos = self.sum_nanos.saturating_add(nanos.saturating_mul(count));
    }

    /// Adds what another one has counted.
    pub fn add(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum_nanos = self.sum_nanos.saturating_add(other.sum_nanos);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All durations together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos)
    }

    /// Each bucket: the longest duration it takes, none for the last one, and how many it took.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BOUNDS
            .iter()
            .map(|nanos| Some(Duration::from_nanos(*nanos)));
        bounds.chain([None]).zip(self.counts)
    }

    /// The bound of the bucket in which the fraction `of_all` of all durations ends: half of them took
    /// no longer than `quantile(0.5)`. None if nothing was counted, or it lies in the last bucket.
    pub fn quantile(&self, of_all: f64) -> Option<Duration> {
        let wanted = (self.count() as f64 * of_all).ceil().max(1.0);
        let mut seen = 0;
        let found = self.buckets().find(|(_, count)| {
            seen += count;
            seen as f64 >= wanted
        });
        found.and_then(|(bound, _)| bound)
    }
}

/// As `{"count": 3, "sum_nanos": 70000, "buckets": {"20000": 2, "50000": 1}}`: how many took at most so
/// many nanoseconds and more than the bound before, buckets with nothing in them left out. So programs
/// may add objects up name by name. What took longer than all bounds stands under `inf`.
impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("count", &self.count())?;
        map.serialize_entry("sum_nanos", &self.sum_nanos)?;
        map.serialize_entry("buckets", &Buckets(self))?;
        map.end()
    }
}

struct Buckets<'a>(&'a Histogram);

impl Serialize for Buckets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let filled = self.0.buckets().filter(|(_, count)| *count > 0);
        serializer.collect_map(filled.map(|(bound, count)| match bound {
            Some(bound) => (bound.as_nanos().to_string(), count),
            None => (String::from("inf"), count),
        }))
    }
}

/// 1, 2 and 5 times each power of ten, from ten microseconds on.
const fn bounds() -> [u64; 22] {
    let mut bounds = [0; 22];
    let (mut at, mut decade) = (0, 10_000);
    while at < bounds.len() {
        bounds[at] = match at % 3 {
            0 => decade,
            1 => 2 * decade,
            _ => 5 * decade,
        };
        at += 1;
        if at % 3 == 0 {
            decade *= 10;
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: u64 = 1_000;
    const SECOND: u64 = 1_000_000_000;

    fn of(nanos: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for nanos in nanos {
            histogram.record(Duration::from_nanos(*nanos));
        }
        histogram
    }

    fn filled(histogram: &Histogram) -> Vec<(Option<u64>, u64)> {
        let nanos = |bound: Duration| bound.as_nanos() as u64;
        let some = histogram.buckets().filter(|(_, count)| *count > 0);
        some.map(|(bound, count)| (bound.map(nanos), count))
            .collect()
    }

    #[test]
    fn bounds_go_from_ten_microseconds_to_a_hundred_seconds() {
        assert_eq!(
            BOUNDS[..4],
            [10 * MICRO, 20 * MICRO, 50 * MICRO, 100 * MICRO]
        );
        assert_eq!(BOUNDS[21], 100 * SECOND);
        assert!(BOUNDS.is_sorted());
    }

    #[test]
    fn a_duration_at_a_bound_is_in_its_bucket_and_one_longer_is_in_the_next() {
        let histogram = of(&[
            0,
            10 * MICRO,
            10 * MICRO + 1,
            100 * SECOND,
            100 * SECOND + 1,
        ]);
        let expected = [
            (Some(10 * MICRO), 2),
            (Some(20 * MICRO), 1),
            (Some(100 * SECOND), 1),
            (None, 1),
        ];
        assert_eq!(filled(&histogram), expected);
        assert_eq!(histogram.count(), 5);
        let sum = Duration::from_nanos(20 * MICRO + 1 + 200 * SECOND + 1);
        assert_eq!(histogram.sum(), sum);
    }

    #[test]
    fn histograms_add_up_as_if_one_had_counted_all() {
        let (mut one, other) = (of(&[5, 30 * MICRO]), of(&[30 * MICRO, SECOND]));
        one.add(&other);
        assert_eq!(one, of(&[5, 30 * MICRO, 30 * MICRO, SECOND]));
    }

    #[test]
    fn a_quantile_is_the_bound_of_the_bucket_that_it_falls_in() {
        let mut histogram = of(&[15 * MICRO; 98]);
        histogram.record_n(Duration::from_secs(3), 2);
        let quantile = |of_all| histogram.quantile(of_all);
        assert_eq!(quantile(0.5), Some(Duration::from_micros(20)));
        assert_eq!(quantile(0.98), Some(Duration::from_micros(20)));
        assert_eq!(quantile(0.99), Some(Duration::from_secs(5)));
        assert_eq!(Histogram::default().quantile(0.5), None);
        assert_eq!(of(&[u64::MAX]).quantile(0.5), None);
    }

    #[test]
    fn no_sum_overflows() {
        let mut histogram = of(&[u64::MAX, u64::MAX]);
        histogram.record_n(Duration::MAX, u64::MAX - 2);
        assert_eq!(histogram.sum(), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn as_json_it_has_only_buckets_that_took_something() {
        let json = serde_json::to_value(of(&[15 * MICRO, 15 * MICRO, 200 * SECOND]));
        let expected = serde_json::json!({
            "count": 3,
            "sum_nanos": 200 * SECOND + 30 * MICRO,
            "buckets": { "20000": 2, "inf": 1 },
        });
        assert_eq!(json.expect("plain numbers"), expected);
    }
}
