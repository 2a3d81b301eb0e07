//! What a home asks of its file system, and whether its files are what they should be.
//!
//! Everything is tried on files of our own, which are gone afterwards. What a file system does not do
//! is a warning where a node runs without it.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use ringwire::machine::{Finding, Verdict};
use ringwire_codec::NodeKey;
use ringwire_codec::file::FileKind;
use ringwire_codec::key::KeyFileError;
use tempfile::TempDir;

use crate::config::LoadedConfig;
use crate::config_command::faults;
use crate::failure::Failure;
use crate::home::Home;
use crate::table::number_of;

/// Looks at a home, in the order in which it is best mended; without `loaded` its config.toml has faults.
pub(super) fn check(home: &Home, loaded: Option<&LoadedConfig>) -> Vec<Finding> {
    let root = home.root().display().to_string();
    let faults = home.has_config().then(|| faults(home));
    let mut findings = vec![judge_config(&root, faults)];
    if let Some(loaded) = loaded {
        findings.push(judge_files(&files(home, loaded)));
        let key = home.file(&loaded.config.node_key_file);
        findings.push(judge_key(&root, NodeKey::load(&key)));
    }
    // Where a node would make its data directory.
    let data_dir = home.data_dir();
    let place = match data_dir.is_dir() {
        true => data_dir,
        false => home.root().to_owned(),
    };
    let scratch = tempfile::Builder::new()
        .prefix(".doctor.")
        .tempdir_in(&place);
    findings.push(judge_writing(scratch.as_ref().map(TempDir::path)));
    if let Ok(scratch) = &scratch {
        findings.push(judge_syncing(sync(scratch.path())));
        findings.push(judge_locking(lock(scratch.path())));
        findings.push(judge_socket(bind(scratch.path())));
    }
    findings
}

/// Whether a node would start with the home's configuration. `None`: there is no config.toml.
fn judge_config(root: &str, faults: Option<Result<Vec<String>, Failure>>) -> Finding {
    const WHAT: &str = "config.toml";
    let (verdict, found, mend) = match faults {
        None => (
            Verdict::Warn,
            String::from("none"),
            format!("make the home: `ringwire init --home {root}`"),
        ),
        Some(Ok(faults)) => match faults.first() {
            None => return Finding::ok(WHAT, "in order"),
            Some(first) => (
                Verdict::Fail,
                format!("{}: {first}", number_of(faults.len(), "fault")),
                format!("`ringwire config check --home {root}` says all of it"),
            ),
        },
        Some(Err(failure)) => (
            Verdict::Fail,
            failure.to_string(),
            String::from("put a file in its place that this user may read"),
        ),
    };
    Finding::not_ok(WHAT, verdict, found, mend)
}

/// Whether the node has an identity.
fn judge_key(root: &str, key: Result<NodeKey, KeyFileError>) -> Finding {
    const WHAT: &str = "node key";
    match key {
        Ok(key) => Finding::ok(WHAT, format!("that of {}", key.id())),
        Err(KeyFileError::Missing { .. }) => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            "none",
            format!("make one: `ringwire init --home {root}`"),
        ),
        Err(error) => Finding::not_ok(
            WHAT,
            Verdict::Fail,
            error.to_string(),
            "bring the file back from where it is kept, or move it away for a new identity",
        ),
    }
}

/// The files that a node of the home reads or writes beside its configuration, with what stands under
/// each name; the address book is the last.
fn files(home: &Home, loaded: &LoadedConfig) -> Vec<(String, io::Result<FileKind>)> {
    let config = &loaded.config;
    let mut files = vec![home.file(&config.node_key_file)];
    // Read only where nobody else says which network it is.
    if !loaded.names_network() {
        files.push(home.file(&config.genesis_file));
    }
    files.push(home.file(&config.addr_book_file));
    let kinds = files.iter().map(|path| {
        let kind = FileKind::at(path);
        (path.display().to_string(), kind)
    });
    kinds.collect()
}

fn judge_files(files: &[(String, io::Result<FileKind>)]) -> Finding {
    const WHAT: &str = "files of the home";
    let book = files.len() - 1;
    for (number, (path, kind)) in files.iter().enumerate() {
        let found = match kind {
            Ok(FileKind::Regular) => continue,
            Ok(FileKind::Null) if number == book => continue,
            Ok(kind) => format!("{path} is {kind}"),
            // Whether it has to be there is for the command that reads it.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => format!("{path}: {error}"),
        };
        let mend =
            "put a file in its place that this user may read, or name another in config.toml";
        return Finding::not_ok(WHAT, Verdict::Fail, found, mend);
    }
    Finding::ok(WHAT, "files, as far as they are there")
}

fn judge_writing(scratch: Result<&Path, &io::Error>) -> Finding {
    const WHAT: &str = "home is writable";
    match scratch {
        Ok(_) => Finding::ok(WHAT, "yes"),
        Err(error) => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            format!("no: {error}"),
            "without it a node keeps no address book and cannot be asked: make the home \
             (`ringwire init`), and let this user write there",
        ),
    }
}

fn sync(scratch: &Path) -> io::Result<()> {
    let mut file = File::create(scratch.join("synced"))?;
    file.write_all(b"x")?;
    file.sync_all()?;
    File::open(scratch)?.sync_all()
}

fn judge_syncing(synced: io::Result<()>) -> Finding {
    const WHAT: &str = "home syncs (fsync)";
    match synced {
        Ok(()) => Finding::ok(WHAT, "yes"),
        Err(error) => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            format!("no: {error}"),
            "a loss of power may cost the address book: use a local disk",
        ),
    }
}

fn lock(scratch: &Path) -> io::Result<()> {
    let file = File::create(scratch.join("locked"))?;
    Ok(file.try_lock()?)
}

fn judge_locking(locked: io::Result<()>) -> Finding {
    const WHAT: &str = "home has locks (flock)";
    match locked {
        Ok(()) => Finding::ok(WHAT, "yes"),
        Err(error) => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            format!("no: {error}"),
            "two nodes that start on this home at once are not kept apart: on NFS mount with \
             local_lock=flock, or use a local disk",
        ),
    }
}

fn bind(scratch: &Path) -> io::Result<()> {
    // By a short name: how long the path may be is no question here.
    let scratch = File::open(scratch)?;
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&scratch);
    UnixListener::bind(format!("/proc/self/fd/{descriptor}/socket")).map(drop)
}

fn judge_socket(bound: io::Result<()>) -> Finding {
    const WHAT: &str = "home takes sockets";
    match bound {
        Ok(()) => Finding::ok(WHAT, "yes"),
        Err(error) => Finding::not_ok(
            WHAT,
            Verdict::Warn,
            format!("no: {error}"),
            "`ringwire peers` cannot ask a node that runs here: use a local disk, and mount /proc",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> io::Error {
        io::Error::from(ErrorKind::Unsupported)
    }

    #[test]
    fn what_a_node_runs_without_is_a_warning() {
        let error = refused();
        for finding in [
            judge_writing(Err(&error)),
            judge_syncing(Err(refused())),
            judge_locking(Err(refused())),
            judge_socket(Err(refused())),
        ] {
            assert_eq!(finding.verdict, Verdict::Warn, "{finding:?}");
            assert!(!finding.mend.is_empty());
        }
    }

    #[test]
    fn a_node_that_would_not_start_is_a_failure_and_a_home_that_is_not_made_a_warning() {
        let verdict = |faults| judge_config("h", faults).verdict;
        assert_eq!(verdict(None), Verdict::Warn);
        assert_eq!(verdict(Some(Ok(vec![]))), Verdict::Ok);
        assert_eq!(verdict(Some(Err(Failure::new("a pipe")))), Verdict::Fail);
        let two = vec![String::from("line 1"), String::from("line 2")];
        let found = judge_config("h", Some(Ok(two)));
        assert_eq!(found.verdict, Verdict::Fail);
        assert_eq!(found.found, "2 faults: line 1");
        assert!(found.mend.contains("config check --home h"), "{found:?}");
    }

    #[test]
    fn a_name_that_is_no_file_is_a_failure_unless_it_says_that_no_book_is_wanted() {
        let files = |key, book| {
            judge_files(&[
                (String::from("node_key.json"), key),
                (String::from("addrbook.json"), book),
            ])
        };
        let absent = || Err(io::Error::from(ErrorKind::NotFound));
        assert_eq!(files(absent(), absent()).verdict, Verdict::Ok);
        let null = files(Ok(FileKind::Regular), Ok(FileKind::Null));
        assert_eq!(null.verdict, Verdict::Ok);
        let pipe = files(Ok(FileKind::Pipe), absent());
        assert_eq!(pipe.verdict, Verdict::Fail);
        assert!(
            pipe.found.contains("node_key.json is a named pipe"),
            "{pipe:?}"
        );
        assert_eq!(files(Ok(FileKind::Null), absent()).verdict, Verdict::Fail);
        assert_eq!(files(Err(refused()), absent()).verdict, Verdict::Fail);
    }

    #[test]
    fn what_is_tried_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path();
        for tried in [sync(path), lock(path), bind(path)] {
            tried.expect("a local disk does all of it");
        }
    }
}
