//! Whether a home's node would reach others and be reached: its port, the names and nodes that its
//! operator named, room on the disk, and the clock.

use std::fs;
use std::io;
use std::net::ToSocketAddrs as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ringwire::ListenAddr;
use ringwire::error::TransportError;
use ringwire::machine::{Finding, Verdict, try_listen};
use ringwire_codec::Host;
use ringwire_core::pex::Timestamp;

use crate::config::NodeConfig;
use crate::control;
use crate::home::Home;
use crate::table::{bytes, number_of};
use crate::visit::{Crew, Target, Visit, Visitor};

/// Time for each node that is asked.
const VISIT_WITHIN: Duration = Duration::from_secs(5);
/// Nodes that are asked at the same time.
const VISITS_AT_ONCE: NonZeroUsize = NonZeroUsize::new(16).expect("it is no zero");
/// Room that a full address book, its successor and a log take for a long time.
const DISK_BYTES_MIN: u64 = 64 << 20;
/// How far ahead of the clock a file may be: other machines have written it.
const AHEAD_MAX: Duration = Duration::from_secs(60);
/// This was written later: a clock before it is wrong. 2026-01-01T00:00:00Z.
const CLOCK_MIN: Duration = Duration::from_secs(1_767_225_600);

/// Looks at all of it, as far as it is known what the node goes by. Takes seconds where nodes do not
/// answer.
pub(super) fn check(home: &Home, config: Option<&NodeConfig>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(config) = config {
        let is_running = control::is_answered(home);
        let listens = config.engine.listen_addrs.iter();
        findings.extend(listens.map(|at| judge_listening(at, is_running, try_listen(at))));
    }
    findings.extend([
        judge_room(room(home.root())),
        judge_clock(SystemTime::now(), newest(home, config)),
    ]);
    if let Some(config) = config {
        findings.push(judge_names(&names(config)));
        findings.extend(nodes(config));
    }
    findings
}

fn judge_listening(
    address: &ListenAddr,
    is_running: bool,
    listened: Result<(), TransportError>,
) -> Finding {
    const WHAT: &str = "address can be listened on";
    let (source, mend) = match listened {
        Ok(()) => return Finding::ok(WHAT, address),
        Err(TransportError::Listen { source, mend, .. }) => (source.to_string(), mend),
        Err(error) => (error.to_string(), String::from("change p2p.laddr")),
    };
    match is_running {
        true => Finding::ok(
            WHAT,
            format!("{address}, by the node that runs on this home"),
        ),
        false => Finding::not_ok(WHAT, Verdict::Fail, format!("{address}: {source}"), mend),
    }
}

/// Bytes that this user may still write to the file system of the home.
fn room(root: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(root)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

fn judge_room(room: io::Result<u64>) -> Finding {
    const WHAT: &str = "room on the home's disk";
    match room {
        Ok(free) if free >= DISK_BYTES_MIN => Finding::ok(WHAT, bytes(free)),
        Ok(free) => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            bytes(free),
            "a full disk costs the address book: make room",
        ),
        Err(error) => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            format!("not known: {error}"),
            "make the home with `ringwire init`",
        ),
    }
}

/// When the home's files were last written, if any.
fn newest(home: &Home, config: Option<&NodeConfig>) -> Option<SystemTime> {
    let mut files = vec![home.config_file()];
    if let Some(config) = config {
        files.push(home.file(&config.node_key_file));
        files.push(home.file(&config.addr_book_file));
    }
    let written = files.iter().filter_map(|path| fs::metadata(path).ok());
    written.filter_map(|found| found.modified().ok()).max()
}

fn judge_clock(now: SystemTime, newest: Option<SystemTime>) -> Finding {
    const WHAT: &str = "clock";
    const MEND: &str =
        "bans, pauses and the address book go by it: run chrony or systemd-timesyncd";
    let since_epoch = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let nanos = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
    let shown = Timestamp::from_unix_nanos(nanos);
    if since_epoch < CLOCK_MIN {
        return Finding::not_ok(WHAT, Verdict::Warn, format!("{shown} is past"), MEND);
    }
    let ahead = newest.and_then(|newest| newest.duration_since(now).ok());
    match ahead.filter(|ahead| *ahead > AHEAD_MAX) {
        Some(ahead) => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            format!(
                "{shown}, {} s before the newest file of the home",
                ahead.as_secs()
            ),
            MEND,
        ),
        None => Finding::ok(WHAT, format!("{shown}, not before the files of the home")),
    }
}

/// The host names of the configuration, and whether each has an address.
fn names(config: &NodeConfig) -> Vec<(String, io::Result<()>)> {
    let named = config
        .engine
        .discovery
        .seeds
        .iter()
        .chain(&config.engine.persistent_peers);
    let mut names: Vec<String> = named
        .filter_map(|address| match &address.host {
            Host::Name(name) => Some(name.to_string()),
            Host::Ip(_) | Host::Unix(_) => None,
        })
        .collect();
    names.sort();
    names.dedup();
    let looked_up = names.into_iter().map(|name| {
        let found = (name.as_str(), 0).to_socket_addrs().map(drop);
        (name, found)
    });
    looked_up.collect()
}

fn judge_names(names: &[(String, io::Result<()>)]) -> Finding {
    const WHAT: &str = "names of seeds and peers";
    let lost: Vec<_> = names
        .iter()
        .filter_map(|(name, found)| Some(format!("{name}: {}", found.as_ref().err()?)))
        .collect();
    match lost.is_empty() {
        true => Finding::ok(
            WHAT,
            format!("{}, all resolved", number_of(names.len(), "name")),
        ),
        false => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            lost.join("; "),
            "ask the name server (`getent hosts NAME`), or put IP addresses in config.toml",
        ),
    }
}

/// The seeds and persistent peers, asked who they are; not those behind Unix sockets, where a visitor
/// cannot come.
fn nodes(config: &NodeConfig) -> Vec<Finding> {
    let lists = [
        ("seeds answer", &config.engine.discovery.seeds),
        ("persistent peers answer", &config.engine.persistent_peers),
    ];
    let lists = lists.into_iter().filter(|(_, nodes)| !nodes.is_empty());
    lists
        .map(|(what, nodes)| {
            let on_network = nodes.iter().filter(|node| node.port != 0).cloned();
            let targets = on_network.map(Target::from).collect();
            match visits(targets) {
                Ok(visits) => judge_nodes(what, &config.engine.network, &visits),
                Err(error) => Finding::not_ok(
                    what,
                    Verdict::Warn,
                    format!("not asked: {error}"),
                    "raise the limits of this user",
                ),
            }
        })
        .collect()
}

fn visits(targets: Vec<Target>) -> io::Result<Vec<Visit>> {
    let mut crew = Crew::new(
        Visitor::new("ringwire-doctor", VISIT_WITHIN)?,
        VISITS_AT_ONCE,
    )?;
    for target in targets {
        crew.order(target);
    }
    Ok(std::iter::from_fn(|| crew.report()).collect())
}

fn judge_nodes(what: &'static str, network: &str, visits: &[Visit]) -> Finding {
    let faults: Vec<_> = visits
        .iter()
        .filter_map(|visit| Some(format!("{}: {}", visit.target, fault(visit, network)?)))
        .collect();
    match faults.is_empty() {
        true => Finding::ok(what, format!("all {}", visits.len())),
        false => Finding::not_ok(
            what,
            Verdict::Warn,
            faults.join("; "),
            "`ringwire probe` tells more; take out of config.toml who is gone",
        ),
    }
}

fn fault(visit: &Visit, network: &str) -> Option<String> {
    if let Some(error) = &visit.error {
        return Some(error.to_string());
    }
    let chain = &visit.node_info.as_ref()?.network;
    (chain != network).then(|| format!("it is of the chain {chain:?}, not {network:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_our_own_node_has_is_no_fault() {
        let owner = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let taken = ListenAddr::from(owner.local_addr().expect("bound"));
        let judge = |is_running| judge_listening(&taken, is_running, try_listen(&taken));
        assert_eq!(judge(true).verdict, Verdict::Ok);
        let fault = judge(false);
        assert_eq!(fault.verdict, Verdict::Fail);
        assert!(fault.mend.contains("another program has the port"));
        drop(owner);
        assert_eq!(judge(false).verdict, Verdict::Ok);
    }

    #[test]
    fn a_full_disk_is_a_warning_from_the_limit_on() {
        assert_eq!(judge_room(Ok(DISK_BYTES_MIN)).verdict, Verdict::Ok);
        assert_eq!(judge_room(Ok(DISK_BYTES_MIN - 1)).verdict, Verdict::Warn);
    }

    #[test]
    fn a_clock_that_went_back_is_noticed_by_the_files() {
        let now = SystemTime::UNIX_EPOCH + CLOCK_MIN;
        let verdict = |newest| judge_clock(now, newest).verdict;
        assert_eq!(verdict(None), Verdict::Ok);
        assert_eq!(verdict(Some(now + AHEAD_MAX)), Verdict::Ok);
        let second = Duration::from_secs(1);
        assert_eq!(verdict(Some(now + AHEAD_MAX + second)), Verdict::Warn);
        assert_eq!(judge_clock(now - second, None).verdict, Verdict::Warn);
    }

    #[test]
    fn a_name_without_an_address_is_named() {
        let lost = io::Error::from(io::ErrorKind::NotFound);
        let names = [
            (String::from("a.example"), Ok(())),
            (String::from("b.example"), Err(lost)),
        ];
        let finding = judge_names(&names);
        assert_eq!(finding.verdict, Verdict::Warn);
        assert!(finding.found.starts_with("b.example: "), "{finding:?}");
        assert_eq!(judge_names(&names[..1]).verdict, Verdict::Ok);
    }
}
