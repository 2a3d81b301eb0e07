//! What one run took, as the bench reads it.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::Work;

/// One run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// From the first byte sent to the last byte received, seconds.
    pub wall_secs: f64,
    /// User and system time of both ends, seconds; absent where it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_secs: Option<f64>,
    /// Payload bytes delivered, summed over receivers.
    pub bytes: u64,
    /// Messages delivered, summed over receivers.
    pub messages: u64,
    /// How long messages took, for round trips.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
}

/// Points of a distribution, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
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

impl Outcome {
    /// A run of round trips.
    ///
    /// # Panics
    /// If there was none.
    pub fn timed(histogram: &Histogram<u64>) -> Self {
        assert!(!histogram.is_empty(), "no latency was recorded");
        let at = |quantile| histogram.value_at_quantile(quantile) as f64;
        let latency = Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64,
        };
        Outcome {
            latency: Some(latency),
            ..Outcome::default()
        }
    }
}

/// Times one run.
#[derive(Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Stopwatch {
            cpu: process_cpu(),
            wall: Instant::now(),
        }
    }

    /// The outcome if all of the work is done now.
    #[must_use]
    pub fn moved(&self, work: &Work) -> Outcome {
        self.moved_messages(work, work.count as u64 * work.receivers as u64)
    }

    /// The outcome if so many messages have come by now, all receivers together.
    #[must_use]
    pub fn moved_messages(&self, work: &Work, messages: u64) -> Outcome {
        Outcome {
            wall_secs: self.wall.elapsed().as_secs_f64(),
            cpu_secs: Some(process_cpu().saturating_sub(self.cpu).as_secs_f64()),
            bytes: messages * work.bytes as u64,
            messages,
            latency: None,
        }
    }
}

/// CPU time this process has used so far, all threads, user and system.
fn process_cpu() -> Duration {
    // SAFETY: `rusage` is plain integers, for which all zeros is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid, exclusively borrowed `rusage` for the call's duration.
    let status = unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    assert_eq!(
        status, 0,
        "getrusage(RUSAGE_SELF) cannot fail with a valid pointer"
    );
    timeval(usage.ru_utime) + timeval(usage.ru_stime)
}

fn timeval(value: libc::timeval) -> Duration {
    Duration::from_secs(value.tv_sec as u64) + Duration::from_micros(value.tv_usec as u64)
}
