//! Whether this machine can run the engine: what was looked at, what was found, how to mend it.
//!
//! Used by the `doctor` command, which prints all of it. Nothing is changed, except by
//! [`reserve_open_files`], which the engine's start calls, and [`raise_open_files`], which it calls
//! when its configuration asks for it.

use std::fs;
use std::os::fd::AsFd;

use io_uring::{IoUring, Probe, opcode};
use ringwire_core::config::TransportChoice;

use super::affinity;
use super::ring::system::{self, Limit, Resource};
use super::ring::{Ring, RingConfig, mend_setup};
use super::way::Way;

/// Oldest kernel whose io_uring has all that the ring uses (`DEFER_TASKRUN`).
pub(crate) const KERNEL_MIN: (u32, u32) = (6, 1);
/// Locked memory each shard's executor wants.
pub(crate) const LOCKED_BYTES_PER_SHARD: u64 = 512 * 1024;
/// Open files under which a node cannot serve a usual number of peers.
const OPEN_FILES_WANTED: u64 = 4096;

/// Open files that room is made for at most: half a MiB of the kernel's memory.
pub(crate) const RESERVED_FILES_MAX: u64 = 65_536;

/// How a finding is to be taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but not as well as it could.
    Warn,
    /// The engine cannot run like this.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it is to be taken.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// How to mend it; empty if nothing is to be mended.
    pub mend: String,
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(what: &'static str, found: impl ToString) -> Self {
        Finding {
            what,
            verdict: Verdict::Ok,
            found: found.to_string(),
            mend: String::new(),
        }
    }

    /// Something that is not as it should be, and how to mend it.
    pub fn not_ok(
        what: &'static str,
        verdict: Verdict,
        found: impl ToString,
        mend: impl Into<String>,
    ) -> Self {
        Finding {
            what,
            verdict,
            found: found.to_string(),
            mend: mend.into(),
        }
    }
}

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
fn ring_findings(shards: usize) -> Vec<Finding> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let disabled = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
    vec![
        judge_kernel(release.trim()),
        judge_disabled(disabled.as_deref().map(str::trim)),
        check_ring(),
        check_opcodes(),
        check_locked_memory(shards),
    ]
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
            format!("{way}: a node runs, slower than with io_uring"),
            "let io_uring be used, as said above; or set transport = \"readiness\" in config.toml, to \
             be told no more",
        ),
    }
}

/// The gravest verdict of `findings`.
pub fn verdict(findings: &[Finding]) -> Verdict {
    findings
        .iter()
        .map(|finding| finding.verdict)
        .max()
        .unwrap_or(Verdict::Ok)
}

/// The CPUs this process may use, in order: those of `taskset` and cpusets, not all of the machine.
/// Empty only if the kernel does not say.
pub fn available_cpus() -> Vec<usize> {
    system::allowed_cpus().unwrap_or_default()
}

/// Why no ring can be had here; `None` if one can. Sets one up to see, which is the only proof.
pub(crate) fn ring_refusal() -> Option<String> {
    if let Some(limit) = short_locked_memory() {
        let (limit, needed) = (limit >> 10, LOCKED_BYTES_PER_SHARD >> 10);
        return Some(format!(
            "the process may lock {limit} KiB of memory, each shard needs {needed} KiB (ulimit -l)"
        ));
    }
    Ring::new(RingConfig::default())
        .err()
        .map(|error| error.to_string())
}

/// The bytes that this process may lock, if they are too few for even one shard.
pub(crate) fn short_locked_memory() -> Option<u64> {
    let limit = system::limit(Resource::LockedMemory).ok()?.soft;
    (limit < LOCKED_BYTES_PER_SHARD).then_some(limit)
}

/// Raises the limit of open files as far as the process may. Returns the new limit.
pub(crate) fn raise_open_files() -> std::io::Result<u64> {
    let limit = system::limit(Resource::OpenFiles)?;
    if limit.soft < limit.hard {
        system::set_limit(
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
    let limit = system::limit(Resource::OpenFiles)?.soft;
    let count = count.min(limit).min(RESERVED_FILES_MAX);
    let last = i32::try_from(count.saturating_sub(1)).expect("the maximum is far below 2^31");
    // The table never shrinks, so the copy may go at once.
    system::duplicate_from(file.as_fd(), last).map(drop)
}

fn judge_kernel(release: &str) -> Finding {
    const WHAT: &str = "kernel";
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= KERNEL_MIN => {
            Finding::ok(WHAT, release)
        }
        (Some(Ok(_)), Some(Ok(_))) => {
            Finding::not_ok(WHAT, Verdict::Fail, release, "install Linux 6.1 or newer")
        }
        _ => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            format!("unreadable version {release:?}"),
            "mount /proc; Linux 6.1 or newer is needed",
        ),
    }
}

/// The sysctl exists since Linux 6.6; without it nothing is disabled.
fn judge_disabled(value: Option<&str>) -> Finding {
    const WHAT: &str = "kernel.io_uring_disabled";
    match value {
        None => Finding::ok(WHAT, "not there, so not disabled"),
        Some("0") => Finding::ok(WHAT, "0"),
        Some("1") => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            "1: only for privileged processes and kernel.io_uring_group",
            "sysctl -w kernel.io_uring_disabled=0, or put this user's group into \
             kernel.io_uring_group",
        ),
        Some(value) => Finding::not_ok(
            WHAT,
            Verdict::Fail,
            format!("{value}: for nobody"),
            "sysctl -w kernel.io_uring_disabled=0",
        ),
    }
}

/// Sets up a ring as a shard has it, with its buffers: the only proof against seccomp.
fn check_ring() -> Finding {
    const WHAT: &str = "io_uring";
    match Ring::new(RingConfig::default()) {
        Ok(_) => Finding::ok(WHAT, "a ring can be set up"),
        Err(error) => Finding::not_ok(
            WHAT,
            Verdict::Fail,
            &error,
            "see the message; in a container try it outside, to tell seccomp from the kernel",
        ),
    }
}

fn check_opcodes() -> Finding {
    const WHAT: &str = "io_uring operations";
    const NEEDED: [(&str, u8); 8] = [
        // What the ring asks for, and nothing else (`link/entries.rs`, `ring/`).
        ("ACCEPT", opcode::AcceptMulti::CODE),
        ("RECV", opcode::RecvMulti::CODE),
        ("SEND", opcode::Send::CODE),
        ("SENDMSG", opcode::SendMsg::CODE),
        ("CONNECT", opcode::Connect::CODE),
        ("READ", opcode::Read::CODE),
        ("TIMEOUT", opcode::Timeout::CODE),
        ("ASYNC_CANCEL", opcode::AsyncCancel2::CODE),
    ];
    let mut probe = Probe::new();
    let probed = IoUring::new(2).and_then(|ring| ring.submitter().register_probe(&mut probe));
    if let Err(error) = probed {
        return Finding::not_ok(WHAT, Verdict::Fail, &error, mend_setup(&error));
    }
    let missing: Vec<_> = NEEDED
        .into_iter()
        .filter_map(|(name, code)| (!probe.is_supported(code)).then_some(name))
        .collect();
    if missing.is_empty() {
        return Finding::ok(WHAT, format!("all {} supported", NEEDED.len()));
    }
    let found = format!("missing: {}", missing.join(", "));
    Finding::not_ok(WHAT, Verdict::Fail, found, "use Linux 6.1 or newer")
}

fn check_locked_memory(shards: usize) -> Finding {
    const WHAT: &str = "locked memory (RLIMIT_MEMLOCK)";
    match system::limit(Resource::LockedMemory) {
        Ok(limit) => judge_locked_memory(WHAT, limit.soft, shards),
        Err(error) => Finding::not_ok(WHAT, Verdict::Warn, error, "see getrlimit(2)"),
    }
}

fn judge_locked_memory(what: &'static str, soft: u64, shards: usize) -> Finding {
    let needed = LOCKED_BYTES_PER_SHARD.saturating_mul(shards as u64);
    if soft == libc::RLIM_INFINITY {
        return Finding::ok(what, "unlimited");
    }
    let need = if shards == 1 {
        "shard needs"
    } else {
        "shards need"
    };
    let found = format!("{} KiB, {shards} {need} {} KiB", soft >> 10, needed >> 10);
    if soft >= needed {
        return Finding::ok(what, found);
    }
    let mend = format!(
        "ulimit -l {}, LimitMEMLOCK= in a systemd unit, --ulimit memlock= for a container",
        needed >> 10
    );
    Finding::not_ok(what, Verdict::Fail, found, mend)
}

fn check_open_files() -> Finding {
    const WHAT: &str = "open files (RLIMIT_NOFILE)";
    match system::limit(Resource::OpenFiles) {
        Ok(limit) => judge_open_files(WHAT, limit),
        Err(error) => Finding::not_ok(WHAT, Verdict::Warn, error, "see getrlimit(2)"),
    }
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
    use super::*;

    #[test]
    fn a_refusal_to_pin_is_a_warning() {
        assert_eq!(judge_affinity(Ok(())).verdict, Verdict::Ok);
        let refused = judge_affinity(Err(std::io::Error::from_raw_os_error(libc::EPERM)));
        assert_eq!(refused.verdict, Verdict::Warn);
        assert!(refused.found.contains("sched_setaffinity"), "{refused:?}");
    }

    #[test]
    fn a_kernel_is_judged_by_its_first_two_numbers() {
        assert_eq!(judge_kernel("6.1.0-18-amd64").verdict, Verdict::Ok);
        assert_eq!(judge_kernel("6.18.44").verdict, Verdict::Ok);
        assert_eq!(judge_kernel("10.0").verdict, Verdict::Ok);
        assert_eq!(judge_kernel("6.0.19").verdict, Verdict::Fail);
        assert_eq!(judge_kernel("5.15.0-100-generic").verdict, Verdict::Fail);
        assert_eq!(judge_kernel("").verdict, Verdict::Warn);
    }

    #[test]
    fn a_disabled_io_uring_is_named_with_its_sysctl() {
        assert_eq!(judge_disabled(None).verdict, Verdict::Ok);
        assert_eq!(judge_disabled(Some("0")).verdict, Verdict::Ok);
        assert_eq!(judge_disabled(Some("1")).verdict, Verdict::Warn);
        let disabled = judge_disabled(Some("2"));
        assert_eq!(disabled.verdict, Verdict::Fail);
        assert!(disabled.mend.contains("kernel.io_uring_disabled=0"));
    }

    #[test]
    fn locked_memory_is_enough_exactly_at_the_need_of_all_shards() {
        let needed = 3 * LOCKED_BYTES_PER_SHARD;
        assert_eq!(judge_locked_memory("m", needed, 3).verdict, Verdict::Ok);
        let short = judge_locked_memory("m", needed - 1, 3);
        assert_eq!(short.verdict, Verdict::Fail);
        assert!(short.mend.starts_with("ulimit -l 1536"), "{}", short.mend);
        assert_eq!(
            judge_locked_memory("m", libc::RLIM_INFINITY, 1000).verdict,
            Verdict::Ok
        );
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
        let lacks = judge_disabled(Some("2"));
        assert_eq!(lacks.verdict, Verdict::Fail);
        assert_eq!(advice(lacks.clone()).verdict, Verdict::Warn);
        assert_eq!(advice(lacks.clone()).mend, lacks.mend);
        assert_eq!(advice(judge_disabled(None)).verdict, Verdict::Ok);

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
        let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
        let size = status
            .lines()
            .find_map(|line| line.strip_prefix("FDSize:"))
            .expect("the kernel tells");
        size.trim().parse().expect("a number")
    }

    #[test]
    fn room_for_open_files_is_there_before_they_are_opened_and_none_is_left_open() {
        let limit = system::limit(Resource::OpenFiles)
            .expect("the kernel tells")
            .soft;
        let wanted = 3000.min(limit);
        let file = fs::File::open("/proc/self/status").expect("/proc is mounted");
        reserve_open_files(&file, wanted).expect("within the limit");
        assert!(table_size() >= wanted);
        let last = wanted as i32 - 1;
        let again = system::duplicate_from(file.as_fd(), last).expect("within the limit");
        assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&again), last);
    }

    #[test]
    fn room_is_made_up_to_the_limit_however_much_is_asked_for() {
        let file = fs::File::open("/proc/self/status").expect("/proc is mounted");
        reserve_open_files(&file, u64::MAX).expect("as many as there may be");
        reserve_open_files(&file, 0).expect("none");
    }
}
