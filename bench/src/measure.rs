//! Clocks and summaries: wall time and CPU time of the whole process, medians with their spread.

use std::time::{Duration, Instant};

/// What one run of one contender took.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// From the first byte sent to the last byte received.
    pub wall: Duration,
    /// User and system time of the process, both ends together.
    pub cpu: Duration,
}

/// Times one run.
#[derive(Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Stopwatch {
            cpu: process_cpu(),
            wall: Instant::now(),
        }
    }

    /// The time since the start.
    pub fn stop(&self) -> Sample {
        Sample {
            wall: self.wall.elapsed(),
            cpu: process_cpu().saturating_sub(self.cpu),
        }
    }
}

/// CPU time this process has used so far, all threads, user and system.
pub fn process_cpu() -> Duration {
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

/// Pins the calling thread to one CPU. Says so loudly when the kernel refuses.
pub fn pin_to(cpu: usize) {
    // SAFETY: `cpu_set_t` is a plain bit set, for which all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is valid and `cpu` is bounded by `CPU_SETSIZE` below.
    let status = unsafe {
        libc::CPU_SET(cpu % libc::CPU_SETSIZE as usize, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if status != 0 {
        eprintln!("bench: cannot pin a thread to CPU {cpu}: figures will be noisier");
    }
}

/// Median, smallest and largest of some figures.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Spread {
    /// The middle value.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Summarises `values`.
    ///
    /// # Panics
    /// If there is no value: a bench that ran nothing must not print a figure.
    pub fn of(mut values: Vec<f64>) -> Spread {
        assert!(!values.is_empty(), "no run was measured");
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            (values[middle - 1] + values[middle]) / 2.0
        };
        Spread {
            median,
            min: values[0],
            max: values[values.len() - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_is_between_the_middle_two() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 4.0));
    }

    #[test]
    fn cpu_time_of_the_process_only_grows() {
        let before = process_cpu();
        let mut sum = 0u64;
        while process_cpu() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(process_cpu() > before);
    }
}
