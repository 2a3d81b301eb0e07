//! Whether this machine can run the engine: what was looked at, what was found, how to mend it.
//!
//! Used by the `doctor` command, which prints all of it. Nothing is changed, except by
//! [`reserve_open_files`], which the engine's start calls, and [`raise_open_files`], which it calls
//! when its configuration asks for it.

use std::os::fd::AsFd;

use ringwire_core::config::TransportChoice;

use super::affinity;
use super::finding::{Finding, Verdict};
use super::process::{self, Limit, Resource};
#[cfg(target_os = "linux")]
use super::ring_check;
use super::way::Way;

/// Open files under which a node cannot serve a usual number of peers.
const OPEN_FILES_WANTED: u64 = 4096;

/// Open files that room is made for at most: half a MiB of the kernel's memory.
pub(crate) const RESERVED_FILES_MAX: u64 = 65_536;

/// Looks at everything `shards` shards need whose bytes are moved as `transport` says, in the order in
/// which it is best mended.
///
/// What io_uring lacks fails only an engine that was told to use nothing else. To one that has the
/// choice it is advice, and one that was told not to use it is not asked.
pub fn check(shards: usize, transport: TransportChoice) -> Vec<Finding> {
    let mut findings = match transport {
        TransportChoice::IoUring => ring_findings(shards),
        TransportChoice::Auto => ring_findings(shards).into_iter().map(advice).collect(),
        TransportChoice::Readiness => Vec::new(),
    };
    findings.extend([
        judge_transport(transport, Way::of(transport)),
        check_open_files(),
        check_cpus(shards),
        judge_affinity(affinity::check()),
    ]);
    findings
}

/// What io_uring needs.
#[cfg(target_os = "linux")]
fn ring_findings(shards: usize) -> Vec<Finding> {
    ring_check::findings(shards)
}

/// What io_uring needs, where there is none.
#[cfg(not(target_os = "linux"))]
fn ring_findings(_: usize) -> Vec<Finding> {
    vec![Finding::not_ok(
        "io_uring",
        Verdict::Fail,
        "only Linux has it",
        "set transport = \"auto\" in config.toml",
    )]
}

/// The same finding where there is another way.
fn advice(finding: Finding) -> Finding {
    Finding {
        verdict: finding.verdict.min(Verdict::Warn),
        ..finding
    }
}

/// The way that will be taken, and why not the faster one.
fn judge_transport(choice: TransportChoice, (way, refusal): (Way, Option<String>)) -> Finding {
    const WHAT: &str = "transport";
    match refusal {
        None => Finding::ok(WHAT, format!("{way} (transport = \"{choice}\")")),
        Some(_) => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            format!("{way}: a node runs, with more system calls than io_uring takes"),
            "let io_uring be used, as said above; or set transport = \"readiness\" in config.toml, to \
             be told no more",
        ),
    }
}

/// The CPUs this process may use, in order: those of `taskset` and cpusets, not all of the machine.
/// Empty only if the kernel does not say.
pub fn available_cpus() -> Vec<usize> {
    process::allowed_cpus().unwrap_or_default()
}

/// Raises the limit of open files as far as the process may. Returns the new limit.
pub(crate) fn raise_open_files() -> std::io::Result<u64> {
    let limit = process::limit(Resource::OpenFiles);
    if limit.soft < limit.hard {
        process::set_limit(
            Resource::OpenFiles,
            Limit {
                soft: limit.hard,
                hard: limit.hard,
            },
        )?;
    }
    Ok(limit.hard)
}

/// Makes room for `count` open files at once, at most up to the limit and [`RESERVED_FILES_MAX`].
/// `file` is any that is open.
///
/// The kernel doubles its table of a process's files when it is full, and when the process has
/// threads, whoever opens the file that does not fit waits until no CPU looks at the old table: 9 to
/// 16 ms here, at the 256th, 512th and 1024th connection. A shard must not wait so long.
///
/// # Errors
/// The kernel refused; then the table grows when it must.
pub(crate) fn reserve_open_files(file: impl AsFd, count: u64) -> std::io::Result<()> {
    let limit = process::limit(Resource::OpenFiles).soft;
    let count = count.min(limit).min(RESERVED_FILES_MAX);
    let last = i32::try_from(count.saturating_sub(1)).expect("the maximum is far below 2^31");
    // The table never shrinks, so the copy may go at once.
    process::duplicate_from(file.as_fd(), last).map(drop)
}

fn check_open_files() -> Finding {
    judge_open_files(
        "open files (RLIMIT_NOFILE)",
        process::limit(Resource::OpenFiles),
    )
}

fn judge_open_files(what: &'static str, limit: Limit) -> Finding {
    let found = format!("{}, can be raised to {}", limit.soft, limit.hard);
    if limit.hard >= OPEN_FILES_WANTED {
        return Finding::ok(what, found);
    }
    let mend = format!("ulimit -n {OPEN_FILES_WANTED}, or LimitNOFILE= in a systemd unit");
    Finding::not_ok(what, Verdict::Warn, found, mend)
}

fn check_cpus(shards: usize) -> Finding {
    judge_cpus(&available_cpus(), shards)
}

fn judge_cpus(cpus: &[usize], shards: usize) -> Finding {
    const WHAT: &str = "CPUs";
    let noun = if shards == 1 { "shard" } else { "shards" };
    let found = format!("{} usable {cpus:?} for {shards} {noun}", cpus.len());
    if cpus.len() >= shards {
        return Finding::ok(WHAT, found);
    }
    let mend = "use fewer shards, or give the process more CPUs (taskset, cpuset)";
    Finding::not_ok(WHAT, Verdict::Warn, found, mend)
}

/// A seccomp profile may forbid to choose CPUs, as systemd's `~@resources` does.
fn judge_affinity(pinned: std::io::Result<()>) -> Finding {
    const WHAT: &str = "CPU affinity";
    match pinned {
        Ok(()) => Finding::ok(WHAT, "shards can be pinned"),
        Err(error) => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            format!("sched_setaffinity is refused ({error}): shards run without being pinned"),
            "let seccomp pass sched_setaffinity, or set pin_shards = \"off\" in config.toml",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::verdict;
    use super::*;

    #[test]
    fn a_refusal_to_pin_is_a_warning() {
        assert_eq!(judge_affinity(Ok(())).verdict, Verdict::Ok);
        let refused = judge_affinity(Err(std::io::Error::from_raw_os_error(libc::EPERM)));
        assert_eq!(refused.verdict, Verdict::Warn);
        assert!(refused.found.contains("sched_setaffinity"), "{refused:?}");
    }

    #[test]
    fn open_files_are_judged_by_the_hard_limit() {
        let limit = |hard| Limit { soft: 256, hard };
        assert_eq!(
            judge_open_files("f", limit(OPEN_FILES_WANTED)).verdict,
            Verdict::Ok
        );
        assert_eq!(
            judge_open_files("f", limit(OPEN_FILES_WANTED - 1)).verdict,
            Verdict::Warn
        );
    }

    #[test]
    fn more_shards_than_cpus_is_a_warning() {
        assert_eq!(judge_cpus(&[0, 2], 2).verdict, Verdict::Ok);
        assert_eq!(judge_cpus(&[0, 2], 3).verdict, Verdict::Warn);
    }

    #[test]
    fn this_machine_is_looked_at_without_harm() {
        let findings = check(1, TransportChoice::IoUring);
        for finding in &findings {
            assert!(!finding.found.is_empty());
            assert_eq!(
                finding.verdict == Verdict::Ok,
                finding.mend.is_empty(),
                "{finding:?}"
            );
        }
        assert!(findings.iter().any(|finding| finding.what == "kernel"));
        assert!(!available_cpus().is_empty());
        assert_eq!(verdict(&[]), Verdict::Ok);
        let gravest = findings.iter().map(|finding| finding.verdict).max();
        assert_eq!(Some(verdict(&findings)), gravest);
    }

    #[test]
    fn what_io_uring_lacks_fails_only_an_engine_that_may_use_nothing_else() {
        let lacks = Finding::not_ok("io_uring", Verdict::Fail, "forbidden", "allow it");
        assert_eq!(advice(lacks.clone()).verdict, Verdict::Warn);
        assert_eq!(advice(lacks.clone()).mend, lacks.mend);
        assert_eq!(
            advice(Finding::ok("io_uring", "there")).verdict,
            Verdict::Ok
        );

        let refused = (Way::Readiness, Some(String::from("forbidden")));
        let told = judge_transport(TransportChoice::Auto, refused);
        assert_eq!(told.verdict, Verdict::Warn);
        assert!(told.found.starts_with("readiness"), "{told:?}");
        let chosen = judge_transport(TransportChoice::Readiness, (Way::Readiness, None));
        assert_eq!(chosen.verdict, Verdict::Ok);

        let findings = check(1, TransportChoice::Readiness);
        let of_ring = |finding: &&Finding| finding.what.contains("io_uring");
        assert_eq!(findings.iter().find(of_ring), None);
        for transport in [TransportChoice::Auto, TransportChoice::Readiness] {
            assert_ne!(verdict(&check(1, transport)), Verdict::Fail);
        }
    }

    /// Places in the kernel's table of this process's files.
    fn table_size() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
        let size = status
            .lines()
            .find_map(|line| line.strip_prefix("FDSize:"))
            .expect("the kernel tells");
        size.trim().parse().expect("a number")
    }

    #[test]
    fn room_for_open_files_is_there_before_they_are_opened_and_none_is_left_open() {
        let limit = process::limit(Resource::OpenFiles).soft;
        let wanted = 3000.min(limit);
        let file = std::fs::File::open("/proc/self/status").expect("/proc is mounted");
        reserve_open_files(&file, wanted).expect("within the limit");
        assert!(table_size() >= wanted);
        let last = wanted as i32 - 1;
        let again = process::duplicate_from(file.as_fd(), last).expect("within the limit");
        assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&again), last);
    }

    #[test]
    fn room_is_made_up_to_the_limit_however_much_is_asked_for() {
        let file = std::fs::File::open("/proc/self/status").expect("/proc is mounted");
        reserve_open_files(&file, u64::MAX).expect("as many as there may be");
        reserve_open_files(&file, 0).expect("none");
    }
}
