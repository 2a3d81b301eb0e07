//! What the tests over real sockets share. All traffic stays on 127.0.0.1.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::time::{Duration, Instant};

use ringwire::config::Config;
use ringwire::handle::{Builder, Engine, is_supported};

/// Tells, loudly, that a test cannot run where io_uring is refused.
pub fn skip_without_ring() -> bool {
    let skip = !is_supported();
    if skip {
        eprintln!("SKIPPED: this machine refuses io_uring, nothing was tested");
    }
    skip
}

/// A configuration for loopback: any port, many peers from one address, no random pauses.
pub fn config() -> Config {
    Config {
        listen_addr: "127.0.0.1:0".parse().expect("a socket address"),
        allow_duplicate_ip: true,
        dial_jitter: Duration::ZERO,
        send_rate: 0,
        recv_rate: 0,
        ..Config::default()
    }
}

/// A bare engine.
pub fn builder(shards: u16) -> Builder {
    Engine::builder(config()).shards(shards)
}

/// Open descriptors of this process.
pub fn descriptors() -> usize {
    count("/proc/self/fd")
}

/// Threads of this process.
pub fn threads() -> usize {
    count("/proc/self/task")
}

fn count(directory: &str) -> usize {
    std::fs::read_dir(directory).expect("procfs").count()
}

/// Resident memory in KiB.
pub fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|n| n.parse().ok());
    kib.expect("VmRSS in KiB")
}

/// Whether `count` comes down to `target` soon; the kernel frees what io_uring held a little after
/// the descriptor is closed.
pub fn settled(count: impl Fn() -> usize, target: usize) -> bool {
    let until = Instant::now() + Duration::from_secs(10);
    while count() > target {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}
