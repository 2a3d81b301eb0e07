//! One node per home: two would share a key, and write over each other's address book.
//!
//! The lock is one that the kernel keeps (`flock`), so that nothing of a killed node has to be cleared
//! away, and a process id that comes again, as 1 does in every container, means nothing. A file system
//! that has no such locks (NFS without its lock daemon) leaves one other sign of a running node: that
//! it answers on its socket.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process;

use ringwire_codec::file::{FileKind, NotRegular};
use tracing::warn;

use super::wire;
use crate::failure::Failure;
use crate::home::{Home, LOCK_FILE};

/// Bytes read of a lock file: a process id.
const HOLDER_BYTES_MAX: u64 = 20;

/// A home that this process holds. The kernel gives it back when the process ends, however it ends.
///
/// The file stays when the node ends: to remove it would let two nodes lock two files of one name.
pub(crate) struct Lock {
    data_dir: PathBuf,
    /// None where the file system has no locks.
    file: Option<File>,
}

impl Lock {
    /// Takes the home for this process. None, with a warning, if the home cannot be written to: a
    /// node runs there all the same, and nobody can ask it anything.
    ///
    /// # Errors
    /// Another process holds it, or something else than a file has the lock's name.
    pub(crate) fn take(home: &Home) -> Result<Option<Lock>, Failure> {
        let data_dir = home.data_dir();
        let path = data_dir.join(LOCK_FILE);
        let mut file = match open(&data_dir, &path) {
            Ok(file) => file,
            Err(error) if NotRegular::in_error(&error).is_some() => {
                let path = path.display();
                return Err(Failure::new(format!("{path}: {error}; move it away")));
            }
            Err(error) => {
                warn!(
                    "{}: {error}; the home is not locked, and `ringwire peers` cannot ask this node",
                    data_dir.display()
                );
                return Ok(None);
            }
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(home, &holder(&mut file))),
            Err(TryLockError::Error(error)) => {
                return without_lock(home, &path, &error).map(Some);
            }
        }
        // For the words of whoever comes second; the lock holds without them.
        let _ = file
            .set_len(0)
            .and_then(|()| write!(file, "{}", process::id()));
        Ok(Some(Lock {
            data_dir,
            file: Some(file),
        }))
    }

    /// Where the holder may put a socket.
    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Whether nobody else can hold this home, so that what lies in it is a dead node's.
    pub(super) fn is_exclusive(&self) -> bool {
        self.file.is_some()
    }
}

fn open(data_dir: &Path, path: &Path) -> io::Result<File> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)?;
    match FileKind::at(path) {
        Ok(kind) => kind.must_be_regular()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// The home of a file system without locks: taken unless a node answers there.
fn without_lock(home: &Home, path: &Path, error: &io::Error) -> Result<Lock, Failure> {
    if wire::is_answered(home) {
        return Err(held(home, ""));
    }
    warn!(
        "{}: {error}; this file system has no locks: start no second node on this home while this \
         one starts (on NFS the mount option local_lock=flock helps, or a home on a local disk)",
        path.display()
    );
    Ok(Lock {
        data_dir: home.data_dir(),
        file: None,
    })
}

/// Who holds the lock, as a remark.
fn holder(file: &mut File) -> String {
    let mut holder = String::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(HOLDER_BYTES_MAX).read_to_string(&mut holder));
    match read {
        Ok(_) if !holder.is_empty() => format!(" (process {})", holder.trim()),
        _ => String::new(),
    }
}

fn held(home: &Home, holder: &str) -> Failure {
    Failure::new(format!(
        "a node runs on {} already{holder}; stop it first, or give this one a home of its own",
        home.root().display()
    ))
}
