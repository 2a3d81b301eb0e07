//! Clocks and summaries: wall time, CPU time and memory of the whole process, medians with their
//! spread.

use std::time::{Duration, Instant};

use crate::alloc::allocations;

/// What one run of one contender took.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// From the first byte sent to the last byte received.
    pub wall: Duration,
    /// User and system time of the process, both ends together.
    pub cpu: Duration,
    /// Allocations of the process, both ends together.
    pub allocations: u64,
}

/// Times one run.
#[derive(Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: Duration,
    allocations: u64,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Stopwatch {
            cpu: process_cpu(),
            allocations: allocations(),
            wall: Instant::now(),
        }
    }

    /// The time since the start.
    pub fn stop(&self) -> Sample {
        Sample {
            wall: self.wall.elapsed(),
            cpu: process_cpu().saturating_sub(self.cpu),
            allocations: allocations() - self.allocations,
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

/// Memory of this process that is resident now, in bytes.
///
/// # Panics
/// Where there is no `/proc`: a figure must not be made up.
pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has /proc/self/statm");
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse::<u64>().ok());
    // SAFETY: `sysconf` takes a name by value and touches no memory of ours.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.expect("the second field of statm is a number of pages") * page_bytes as u64
}

/// Files that a process of this user may have open, once it asks for as many.
pub fn open_files_max() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid and exclusively borrowed for the call's duration.
    let status = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    assert_eq!(status, 0, "getrlimit cannot fail with a valid pointer");
    limit.rlim_max
}

/// Asks for as many open files as this process may have.
pub fn raise_open_files() {
    let max = open_files_max();
    let limit = libc::rlimit {
        rlim_cur: max,
        rlim_max: max,
    };
    // SAFETY: `limit` is valid for the call's duration.
    let status = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    assert_eq!(
        status, 0,
        "the soft limit may always be raised to the hard one"
    );
}

/// Lets the calling thread, and all it starts from now on, run only where nothing else wants to.
/// Says so loudly when the kernel refuses.
pub fn run_when_idle() {
    // SAFETY: `sched_param` is plain integers, for which all zeros is a valid value.
    let param: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: `param` is valid for the call's duration; 0 is the calling thread.
    let status = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &param) };
    if status != 0 {
        eprintln!("bench: cannot lower the load generator's priority: figures will be worse");
    }
}

/// Pins the calling thread to one CPU. Says so loudly when the kernel refuses.
pub fn pin_to(cpu: usize) {
    pin_to_all(&[cpu]);
}

/// Keeps the calling thread, and all it starts from now on, to some CPUs; to all if none is named.
/// Says so loudly when the kernel refuses.
pub fn pin_to_all(cpus: &[usize]) {
    if cpus.is_empty() {
        return;
    }
    // SAFETY: `cpu_set_t` is a plain bit set, for which all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for cpu in cpus {
        // SAFETY: `set` is valid and the index is kept under `CPU_SETSIZE`.
        unsafe { libc::CPU_SET(cpu % libc::CPU_SETSIZE as usize, &mut set) };
    }
    // SAFETY: `set` is valid for the call's duration; 0 is the calling thread.
    let status = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    if status != 0 {
        eprintln!("bench: cannot pin a thread to CPUs {cpus:?}: figures will be noisier");
    }
}

/// The CPUs that the calling thread may run on, ascending; none if the kernel does not say.
pub fn usable_cpus() -> Vec<usize> {
    // SAFETY: `cpu_set_t` is a plain bit set, for which all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is valid and exclusively borrowed; 0 is the calling thread.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } != 0 {
        return Vec::new();
    }
    let cpus = 0..libc::CPU_SETSIZE as usize;
    // SAFETY: `set` is valid and the index is under `CPU_SETSIZE`.
    cpus.filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) })
        .collect()
}

/// Median, smallest and largest of some figures.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
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
