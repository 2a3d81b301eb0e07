//! Whether this machine lets us use io_uring, and how to mend it if not.

use std::fs;

use io_uring::{IoUring, Probe, opcode};

use super::finding::{Finding, Verdict};
use super::process::{self, Resource, UNLIMITED};
use super::ring::{Ring, RingConfig, mend_setup};

/// Oldest kernel whose io_uring has all that the ring uses (`DEFER_TASKRUN`).
pub(crate) const KERNEL_MIN: (u32, u32) = (6, 1);
/// Locked memory each shard's executor wants.
pub(crate) const LOCKED_BYTES_PER_SHARD: u64 = 512 * 1024;

/// Looks at all that io_uring needs, in the order in which it is best mended.
pub(super) fn findings(shards: usize) -> Vec<Finding> {
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

/// Why no ring can be had here; `None` if one can. Sets one up to see, which is the only proof.
pub(crate) fn refusal() -> Option<String> {
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
    let limit = process::limit(Resource::LockedMemory).soft;
    (limit < LOCKED_BYTES_PER_SHARD).then_some(limit)
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
    judge_locked_memory(WHAT, process::limit(Resource::LockedMemory).soft, shards)
}

fn judge_locked_memory(what: &'static str, soft: u64, shards: usize) -> Finding {
    let needed = LOCKED_BYTES_PER_SHARD.saturating_mul(shards as u64);
    if soft == UNLIMITED {
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

#[cfg(test)]
mod tests {
    use super::*;

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
            judge_locked_memory("m", UNLIMITED, 1000).verdict,
            Verdict::Ok
        );
    }
}
