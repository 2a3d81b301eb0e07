//! What the system lets this process have: limits, CPUs, numbers of descriptors.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use rustix::process::{Rlimit, getrlimit, setrlimit};

/// A limit that is none.
pub(super) const UNLIMITED: u64 = u64::MAX;

/// A soft and a hard limit of this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Limit {
    /// What is enforced.
    pub(super) soft: u64,
    /// How far the process may raise it by itself.
    pub(super) hard: u64,
}

/// A limit of `getrlimit(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resource {
    /// Bytes of locked memory.
    #[cfg(target_os = "linux")]
    LockedMemory,
    /// Open descriptors.
    OpenFiles,
}

impl Resource {
    fn code(self) -> rustix::process::Resource {
        match self {
            #[cfg(target_os = "linux")]
            Resource::LockedMemory => rustix::process::Resource::Memlock,
            Resource::OpenFiles => rustix::process::Resource::Nofile,
        }
    }
}

/// Reads a limit of this process.
pub(super) fn limit(resource: Resource) -> Limit {
    let limit = getrlimit(resource.code());
    Limit {
        soft: limit.current.unwrap_or(UNLIMITED),
        hard: limit.maximum.unwrap_or(UNLIMITED),
    }
}

/// Sets a limit of this process.
pub(super) fn set_limit(resource: Resource, limit: Limit) -> io::Result<()> {
    let bounded = |limit: u64| Some(limit).filter(|limit| *limit != UNLIMITED);
    let limit = Rlimit {
        current: bounded(limit.soft),
        maximum: bounded(limit.hard),
    };
    Ok(setrlimit(resource.code(), limit)?)
}

/// A copy of `file` whose number is the first free one from `least` on, closed on exec.
pub(super) fn duplicate_from(file: BorrowedFd<'_>, least: RawFd) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(file, least)?)
}

/// The CPUs the calling thread may run on, in order. Unlike the list of online CPUs this respects
/// `taskset` and cpusets, that is containers.
#[cfg(target_os = "linux")]
pub(super) fn allowed_cpus() -> io::Result<Vec<usize>> {
    use rustix::thread::{CpuSet, sched_getaffinity};

    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|cpu| set.is_set(*cpu))
        .collect())
}

/// The CPUs of the machine: threads are not told where to run here.
#[cfg(not(target_os = "linux"))]
pub(super) fn allowed_cpus() -> io::Result<Vec<usize>> {
    let count = std::thread::available_parallelism()?;
    Ok((0..count.get()).collect())
}

/// Sets the CPUs the calling thread may run on.
#[cfg(target_os = "linux")]
pub(super) fn set_allowed_cpus(cpus: &[usize]) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    let mut set = CpuSet::new();
    for cpu in cpus {
        if *cpu >= CpuSet::MAX_CPU {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        set.set(*cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Sets nothing.
#[cfg(not(target_os = "linux"))]
pub(super) fn set_allowed_cpus(_: &[usize]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
