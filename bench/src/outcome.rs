//! What one run of one contender did, and the figures that follow from it.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::measure::Sample;

/// Bytes in a GiB, as a number to divide by.
const GIB: f64 = (1u64 << 30) as f64;

/// One run of one contender. What was not measured is absent, and so are its figures. A contender
/// in another process prints this as one line of JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// From the first byte sent to the last byte received, seconds.
    pub wall_secs: f64,
    /// User and system time of both ends, seconds.
    pub cpu_secs: Option<f64>,
    /// Payload bytes delivered, summed over receivers.
    pub bytes: u64,
    /// Messages delivered, summed over receivers.
    pub messages: u64,
    /// Allocations of both ends.
    pub allocations: Option<u64>,
    /// How long messages took.
    pub latency: Option<Percentiles>,
    /// Whatever else this case measures.
    pub others: Vec<Named>,
}

/// A figure of one run under its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// What it is.
    pub name: String,
    /// What it is counted in.
    pub unit: String,
    /// The figure.
    pub value: f64,
}

/// The points of a distribution that are reported, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half were faster.
    pub p50: f64,
    /// Nine in ten were faster.
    pub p90: f64,
    /// All but one in a hundred were faster.
    pub p99: f64,
    /// All but one in a thousand were faster.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

impl Percentiles {
    /// Reads the points off a histogram of nanoseconds.
    ///
    /// # Panics
    /// If nothing was recorded: an empty distribution has no percentiles.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        assert!(!histogram.is_empty(), "no latency was recorded");
        let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64;
        Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64,
        }
    }
}

impl Named {
    /// A figure.
    pub fn new(name: impl Into<String>, unit: impl Into<String>, value: f64) -> Self {
        Named {
            name: name.into(),
            unit: unit.into(),
            value,
        }
    }
}

impl Outcome {
    /// A run that moved `messages` of `message_bytes` each, timed by a stopwatch of this process.
    pub fn moved(sample: &Sample, messages: u64, message_bytes: u64) -> Self {
        Outcome {
            wall_secs: sample.wall.as_secs_f64(),
            cpu_secs: Some(sample.cpu.as_secs_f64()),
            bytes: messages * message_bytes,
            messages,
            allocations: Some(sample.allocations),
            ..Outcome::default()
        }
    }

    /// A run that measured how long messages took and nothing else.
    pub fn timed(histogram: &Histogram<u64>) -> Self {
        Outcome {
            latency: Some(Percentiles::of(histogram)),
            ..Outcome::default()
        }
    }

    /// The figures of this run; the first is what the case is about.
    pub fn figures(&self) -> Vec<Named> {
        let mut figures = Vec::new();
        if let Some(latency) = &self.latency {
            let points = [
                ("p50", latency.p50),
                ("p90", latency.p90),
                ("p99", latency.p99),
                ("p99.9", latency.p999),
                ("max", latency.max),
            ];
            figures.extend(points.map(|(name, nanos)| Named::new(name, "µs", nanos / 1e3)));
        }
        let (bytes, messages) = (self.bytes as f64, self.messages as f64);
        if self.bytes > 0 {
            let rate = bytes / 1e6 / self.wall_secs;
            figures.push(Named::new("throughput", "MB/s", rate));
        }
        if self.messages > 0 {
            let rate = messages / self.wall_secs;
            figures.push(Named::new("messages", "messages/s", rate));
            figures.push(Named::new("amount", "messages", messages));
        }
        if let Some(cpu) = self.cpu_secs {
            if self.bytes > 0 {
                figures.push(Named::new("CPU per GiB", "s", cpu / (bytes / GIB)));
            }
            if self.messages > 0 {
                let per_million = cpu / (messages / 1e6);
                figures.push(Named::new("CPU per million messages", "s", per_million));
            }
        }
        if let (Some(allocations), 1..) = (self.allocations, self.messages) {
            let each = allocations as f64 / messages;
            figures.push(Named::new("allocations per message", "", each));
        }
        figures.extend(self.others.iter().cloned());
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_follow_from_what_was_moved_and_nothing_is_made_up() {
        let outcome = Outcome {
            wall_secs: 2.0,
            cpu_secs: Some(4.0),
            bytes: 1 << 30,
            messages: 1_000_000,
            ..Outcome::default()
        };
        let figures = outcome.figures();
        let value = |name: &str| figures.iter().find(|f| f.name == name).map(|f| f.value);
        assert_eq!(value("messages"), Some(500_000.0));
        assert_eq!(value("CPU per GiB"), Some(4.0));
        assert_eq!(value("CPU per million messages"), Some(4.0));
        assert_eq!(value("allocations per message"), None);
        assert_eq!(value("p50"), None);
    }

    #[test]
    fn a_line_of_json_from_another_process_may_leave_out_what_it_did_not_measure() {
        let line = r#"{"wall_secs":0.5,"bytes":1000000}"#;
        let outcome: Outcome = serde_json::from_str(line).expect("a known shape");
        assert_eq!(outcome.figures(), [Named::new("throughput", "MB/s", 2.0)]);
    }
}
