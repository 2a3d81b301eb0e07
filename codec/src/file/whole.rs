//! Writing a file whole: who reads it finds the old content or the new one, never a part.
//!
//! ```text
//! temporary file beside it, of a name that nobody has ─▶ write ─▶ fsync ─▶ rename ─▶ fsync directory
//!           │
//!           └── killed here: the rest of it is removed by a later write, an hour on
//! ```
//!
//! Not every file system can do all of that. One without `fsync` gets its files all the same, and
//! the caller is told. One without an atomic "rename unless taken" nor hard links (vfat, CIFS, sshfs)
//! gets a look and a rename.

use std::fs::{self, DirEntry, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::kind::FileKind;

/// What the name of a temporary file ends with.
const SUFFIX: &str = ".tmp";
/// Age from which a temporary file has no writer any more: writing takes seconds.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);
/// Entries of a directory that are looked at for abandoned files at most; homes have a dozen.
const ENTRIES_MAX: usize = 4096;
/// Symbolic links followed from one name, as many as the kernel follows.
const LINKS_MAX: usize = 40;
/// Mode of a file that is new, before the umask.
const MODE: u32 = 0o644;

/// Whether what was written survives a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Durability {
    /// It is on the disk.
    Synced,
    /// The file system refuses to say when it is.
    Unsynced,
}

/// Replaces a file whole, or makes it. A symbolic link stays, and what it points to is replaced. The
/// file keeps its mode, and its owner where this user may give files away.
///
/// # Errors
/// [`super::NotRegular`] as the cause of an `InvalidInput`, or what the file system says. The file
/// then has its old content.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<Durability> {
    let target = followed(path)?;
    let before = match fs::metadata(&target) {
        Ok(before) => Some(before),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if before.is_some() {
        FileKind::at(&target)?.must_be_regular()?;
    }
    let mut file = temporary(&target, MODE)?;
    if let Some(before) = &before {
        take_over(file.as_file(), before);
    }
    file.write_all(content)?;
    let durability = sync(file.as_file())?;
    file.persist(&target)
        .map_err(|refused| explained(refused.error))?;
    Ok(weaker(durability, sync_directory(&target)))
}

/// Makes a file of `mode` (the umask takes its part), whole. `None` if the name is taken: it is never
/// overwritten, not even by two programs at the same instant, where the file system can promise that.
///
/// # Errors
/// What the file system says; then there is no such file.
pub fn create(path: &Path, content: &[u8], mode: u32) -> io::Result<Option<Durability>> {
    let target = followed(path)?;
    if target.symlink_metadata().is_ok() {
        return Ok(None);
    }
    let mut file = temporary(&target, mode)?;
    file.write_all(content)?;
    let durability = sync(file.as_file())?;
    let refused = match file.persist_noclobber(&target) {
        Ok(_) => return Ok(Some(weaker(durability, sync_directory(&target)))),
        Err(refused) => refused,
    };
    // The moment between this look and the rename is only a race against another writer of the file.
    if refused.error.kind() == ErrorKind::AlreadyExists || target.symlink_metadata().is_ok() {
        return Ok(None);
    }
    refused
        .file
        .persist(&target)
        .map_err(|refused| refused.error)?;
    Ok(Some(weaker(durability, sync_directory(&target))))
}

/// What `path` leads to, whether that exists or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&target) {
            Ok(next) => target = target.with_file_name("").join(next),
            // No link, or nothing at all.
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::new(
        ErrorKind::InvalidInput,
        "its symbolic links lead nowhere",
    ))
}

fn directory_of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// An empty file beside `target`, gone when dropped.
fn temporary(target: &Path, mode: u32) -> io::Result<NamedTempFile> {
    let name = target.file_name().ok_or(ErrorKind::InvalidInput)?;
    let prefix = format!(".{}.", name.to_string_lossy());
    let directory = directory_of(target);
    remove_abandoned(directory, &prefix);
    tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(SUFFIX)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory)
}

/// Removes what killed writers left. A name that nobody has twice would otherwise pile up.
fn remove_abandoned(directory: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(directory) else {
        // A directory may let us write and not look.
        return;
    };
    for entry in entries.take(ENTRIES_MAX).flatten() {
        if is_temporary(&entry, prefix) && is_abandoned(&entry) {
            // Somebody else may have removed it, or may own it; it does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_temporary(entry: &DirEntry, prefix: &str) -> bool {
    let name = entry.file_name();
    let middle = name.to_str().and_then(|name| name.strip_prefix(prefix));
    middle.is_some_and(|middle| middle.ends_with(SUFFIX))
}

fn is_abandoned(entry: &DirEntry) -> bool {
    let written = entry
        .metadata()
        .ok()
        .filter(Metadata::is_file)
        .and_then(|metadata| metadata.modified().ok());
    // A clock that was set back makes a file young, and it stays a while longer.
    written
        .and_then(|written| written.elapsed().ok())
        .is_some_and(|age| age > ABANDONED_AFTER)
}

/// Gives a new file the mode and the owner of the one that it replaces.
fn take_over(file: &File, before: &Metadata) {
    // Where either is refused, the file is ours with the usual mode: the content matters more.
    let _ = file.set_permissions(before.permissions());
    let ours = file.metadata();
    if ours.is_ok_and(|ours| (ours.uid(), ours.gid()) != (before.uid(), before.gid())) {
        let _ = fchown(file, Some(before.uid()), Some(before.gid()));
    }
}

fn sync(file: &File) -> io::Result<Durability> {
    match file.sync_all() {
        Ok(()) => Ok(Durability::Synced),
        // "I do not do that" is no loss of what was written; an error of the disk is.
        Err(error) if is_refusal(&error) => Ok(Durability::Unsynced),
        Err(error) => Err(error),
    }
}

/// The file has its name already, so a directory that cannot be synced is no failure any more.
fn sync_directory(target: &Path) -> Durability {
    match File::open(directory_of(target)).and_then(|directory| directory.sync_all()) {
        Ok(()) => Durability::Synced,
        Err(_) => Durability::Unsynced,
    }
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP | libc::EPERM)
    )
}

fn weaker(one: Durability, other: Durability) -> Durability {
    match (one, other) {
        (Durability::Synced, Durability::Synced) => Durability::Synced,
        _ => Durability::Unsynced,
    }
}

/// A rename onto a file that a container mounted by itself is "busy": the message says why.
fn explained(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::ResourceBusy => io::Error::new(
            ErrorKind::ResourceBusy,
            "it is a mount of its own and cannot be replaced: mount the directory around it",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::SystemTime;

    use super::super::kind::NotRegular;
    use super::super::kind::tests::{make_pipe, names_in};
    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_is_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("book.json");
        let _ = replace(&path, b"first").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let _ = replace(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(names_in(directory.path()), ["book.json"]);
    }

    #[test]
    fn a_link_stays_and_the_file_it_leads_to_is_written() {
        let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (link, file) = (near.path().join("book.json"), far.path().join("real.json"));
        symlink(&file, &link).unwrap();
        // The first time there is nothing at the end of the link.
        for content in [&b"first"[..], b"second"] {
            let _ = replace(&link, content).unwrap();
            assert_eq!(fs::read(&file).unwrap(), content);
            assert!(link.symlink_metadata().unwrap().is_symlink());
        }
        symlink("round", near.path().join("round")).unwrap();
        assert!(replace(&near.path().join("round"), b"x").is_err());
    }

    #[test]
    fn what_is_no_regular_file_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        make_pipe(&pipe);
        for path in [&pipe, Path::new("/dev/null"), directory.path()] {
            let error = replace(path, b"x").unwrap_err();
            assert!(NotRegular::in_error(&error).is_some(), "{error}");
            assert_eq!(create(path, b"x", 0o600).unwrap(), None);
        }
        assert_eq!(FileKind::at(&pipe).unwrap(), FileKind::Pipe);
    }

    #[test]
    fn a_file_that_cannot_be_written_keeps_its_content() {
        let directory = tempfile::tempdir().unwrap();
        assert!(replace(&directory.path().join("absent/book.json"), b"x").is_err());
        let path = directory.path().join("b".repeat(250));
        fs::write(&path, b"old").unwrap();
        // Its temporary name is longer than names may be.
        assert!(replace(&path, b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn a_new_file_has_its_mode_and_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node_key.json");
        assert!(create(&path, b"first", 0o600).unwrap().is_some());
        assert_eq!(create(&path, b"second", 0o600).unwrap(), None);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(names_in(directory.path()), ["node_key.json"]);
    }

    #[test]
    fn writers_of_one_file_do_not_meet_in_their_temporary_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("book.json");
        let contents: Vec<_> = (0..4_u8).map(|byte| vec![byte; 1 << 16]).collect();
        std::thread::scope(|scope| {
            for content in &contents {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _ = replace(&path, content).expect("nobody took its file away");
                    }
                });
            }
        });
        assert!(
            contents.contains(&fs::read(&path).unwrap()),
            "one of them, whole"
        );
        assert_eq!(names_in(directory.path()), ["book.json"]);
    }

    #[test]
    fn what_killed_writers_left_is_removed_once_it_is_old() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("book.json");
        let old = SystemTime::now() - ABANDONED_AFTER - Duration::from_secs(60);
        for (name, is_old) in [
            (".book.json.aaaaaa.tmp", true),
            (".book.json.bbbbbb.tmp", false),
            (".other.json.aaaaaa.tmp", true),
            ("book.json.bak", true),
        ] {
            let file = File::create(directory.path().join(name)).unwrap();
            if is_old {
                file.set_modified(old).unwrap();
            }
        }
        let _ = replace(&path, b"x").unwrap();
        assert_eq!(
            names_in(directory.path()),
            [
                ".book.json.bbbbbb.tmp",
                ".other.json.aaaaaa.tmp",
                "book.json",
                "book.json.bak"
            ]
        );
    }

    #[test]
    fn a_refusal_to_sync_is_told_apart_from_a_failure() {
        for refusal in [libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP, libc::EPERM] {
            assert!(is_refusal(&io::Error::from_raw_os_error(refusal)));
        }
        for failure in [libc::EIO, libc::ENOSPC, libc::EDQUOT] {
            assert!(!is_refusal(&io::Error::from_raw_os_error(failure)));
        }
        // A kernel file system that has no way to sync: a true refusal, or none at all.
        let unsynced = File::open("/proc/self/status").unwrap();
        assert!(sync(&unsynced).is_ok());
    }
}
