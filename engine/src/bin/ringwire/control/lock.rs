//! One node per home: two would share a key, and write over each other's address book.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::process;

use tracing::warn;

use crate::failure::Failure;
use crate::home::Home;

/// The file that is locked. It stays when the node ends: to remove it would let two nodes lock two
/// files of one name.
const FILE: &str = "ringwire.lock";

/// Bytes read of a lock file: a process id.
const HOLDER_BYTES_MAX: u64 = 20;

/// A home that this process holds. The kernel gives it back when the process ends, however it ends.
pub(crate) struct Lock {
    data_dir: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the home for this process. None, with a warning, if the home cannot be written to: a
    /// node runs there all the same, and nobody can ask it anything.
    ///
    /// # Errors
    /// Another process holds it.
    pub(crate) fn take(home: &Home) -> Result<Option<Lock>, Failure> {
        let data_dir = home.data_dir();
        let mut file = match open(home) {
            Ok(file) => file,
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
            Err(TryLockError::WouldBlock) => return Err(held(home, &mut file)),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // For the words of whoever comes second; the lock holds without them.
        let _ = file
            .set_len(0)
            .and_then(|()| write!(file, "{}", process::id()));
        Ok(Some(Lock {
            data_dir,
            _file: file,
        }))
    }

    /// Where the holder may put a socket.
    pub(super) fn data_dir(&self) -> &PathBuf {
        &self.data_dir
    }
}

fn open(home: &Home) -> io::Result<File> {
    let data_dir = home.data_dir();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&data_dir)?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(data_dir.join(FILE))
}

fn held(home: &Home, file: &mut File) -> Failure {
    let mut holder = String::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(HOLDER_BYTES_MAX).read_to_string(&mut holder));
    let holder = match read {
        Ok(_) if !holder.is_empty() => format!(" (process {})", holder.trim()),
        _ => String::new(),
    };
    Failure::new(format!(
        "a node runs on {} already{holder}; stop it first, or give this one a home of its own",
        home.root().display()
    ))
}
