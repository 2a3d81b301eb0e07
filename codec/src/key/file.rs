//! The file of a node key: losing it means losing the node's name, so it is written with care.
//!
//! It is made whole or not at all, for its owner alone, and never overwritten ([`crate::file`]). A
//! crash at any step leaves either no key or a whole one.

use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::json::{KEY_JSON_MAX, KeyFormatError};
use super::pair::{NodeKey, SEED_BYTES};
use crate::file::{self, FileKind, NotRegular};

/// Mode of a new key: for its owner alone.
const MODE: u32 = 0o600;

/// Why a node key could not be loaded or saved. The message names the file and how to mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There is no such file.
    #[error(
        "{}: there is no node key; restore it from a backup, or let the node make a new \
         one (it will then have a new id)", path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else than a node key.
    #[error(
        "{}: {fault}; restore the file from a backup, or move it away to get a new id",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with its text.
        fault: KeyFormatError,
    },
    /// The name stands for something that is not read, because to read it could wait for ever.
    #[error("{}: a node key is a regular file, and this is {found}; name another file", path.display())]
    NotAFile {
        /// The name.
        path: PathBuf,
        /// What it stands for.
        found: FileKind,
    },
    /// Saving would overwrite a key.
    #[error("{}: exists already and a node key is never overwritten; move it away first", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}; {}", path.display(), mend(action))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

/// What is done while a key is loaded.
const READ: &str = "read the node key";
/// What is done while one is saved.
const SAVE: &str = "save the node key";

/// How to mend what the operating system refused.
fn mend(action: &str) -> &'static str {
    match action {
        READ => "let this user, and nobody else, read the file: it is for its owner alone",
        _ => "check that the directory exists, is writable by this user and has room",
    }
}

impl KeyFileError {
    fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        match NotRegular::in_error(&source) {
            Some(NotRegular(found)) => Self::NotAFile { path, found },
            None => Self::Io {
                path,
                action,
                source,
            },
        }
    }
}

impl NodeKey {
    /// Reads the key that `path` holds.
    ///
    /// # Errors
    /// [`KeyFileError::Missing`], [`KeyFileError::Malformed`], [`KeyFileError::NotAFile`] or
    /// [`KeyFileError::Io`].
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let text = read_bounded(path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => KeyFileError::Missing {
                path: path.to_owned(),
            },
            _ => KeyFileError::io(path, READ, source),
        })?;
        Self::from_json(&text).map_err(|fault| KeyFileError::Malformed {
            path: path.to_owned(),
            fault,
        })
    }

    /// Writes the key to `path`, readable by its owner only, whole or not at all.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] when `path` is taken, [`KeyFileError::Io`] else.
    pub fn save(&self, path: &Path) -> Result<(), KeyFileError> {
        match file::create(path, self.to_json().as_bytes(), MODE) {
            // A file system that does not sync keeps the key as well as it keeps everything else.
            Ok(Some(_durability)) => Ok(()),
            Ok(None) => Err(KeyFileError::Exists {
                path: path.to_owned(),
            }),
            Err(source) => Err(KeyFileError::io(path, SAVE, source)),
        }
    }

    /// Loads the key at `path`, or, when there is none, saves the one that grows from `seed`.
    ///
    /// A file that is there but cannot be read is an error, never a reason for a new identity.
    ///
    /// # Errors
    /// As [`NodeKey::load`] and [`NodeKey::save`].
    pub fn load_or_generate(path: &Path, seed: [u8; SEED_BYTES]) -> Result<Self, KeyFileError> {
        match Self::load(path) {
            Err(KeyFileError::Missing { .. }) => {}
            other => return other,
        }
        let key = Self::from_seed(seed);
        match key.save(path) {
            Ok(()) => Ok(key),
            // Another process was faster; both must use the one key that is on the disk.
            Err(KeyFileError::Exists { .. }) => Self::load(path),
            Err(error) => Err(error),
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for everything that is read, so that no reallocation leaves a copy of the secret behind.
    let mut text = Zeroizing::new(Vec::with_capacity(KEY_JSON_MAX + 2));
    let limit = KEY_JSON_MAX as u64 + 1;
    file::open(path)?.take(limit).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::file::kind::tests::{make_pipe, names_in};

    // Conformance item 31.
    #[test]
    fn the_first_start_makes_a_key_and_the_second_loads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node_key.json");
        let first = NodeKey::load_or_generate(&path, [1; 32]).unwrap();
        let second = NodeKey::load_or_generate(&path, [2; 32]).unwrap();
        assert_eq!(first.id(), NodeKey::from_seed([1; 32]).id());
        assert_eq!(second.id(), first.id());
    }

    // Conformance item 31.
    #[test]
    fn loading_a_missing_file_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node_key.json");
        let error = NodeKey::load(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Missing { .. }));
        assert!(error.to_string().contains("node_key.json"));
    }

    #[test]
    fn a_saved_key_is_for_its_owner_only_and_leaves_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node_key.json");
        NodeKey::from_seed([1; 32]).save(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(names_in(directory.path()), ["node_key.json"]);
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node_key.json");
        let first = NodeKey::from_seed([1; 32]);
        first.save(&path).unwrap();
        let error = NodeKey::from_seed([2; 32]).save(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Exists { .. }));
        assert_eq!(NodeKey::load(&path).unwrap().id(), first.id());
        assert_eq!(names_in(directory.path()), ["node_key.json"]);
    }

    #[test]
    fn a_damaged_file_is_reported_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node_key.json");
        fs::write(&path, "{").unwrap();
        let error = NodeKey::load_or_generate(&path, [1; 32]).unwrap_err();
        assert!(matches!(error, KeyFileError::Malformed { .. }));
        assert_eq!(fs::read(&path).unwrap(), b"{");
    }

    #[test]
    fn a_name_that_is_no_file_is_refused_at_once_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node_key.json");
        make_pipe(&path);
        // To open it would wait for somebody to write the key.
        let error = NodeKey::load_or_generate(&path, [1; 32]).unwrap_err();
        let found = FileKind::Pipe;
        assert!(matches!(error, KeyFileError::NotAFile { found: f, .. } if f == found));
        assert!(
            error.to_string().contains("this is a named pipe"),
            "{error}"
        );
        assert_eq!(FileKind::at(&path).unwrap(), found);
    }

    #[test]
    fn a_missing_directory_is_named_with_the_way_to_mend_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("absent/node_key.json");
        let error = NodeKey::load_or_generate(&path, [1; 32]).unwrap_err();
        assert!(matches!(error, KeyFileError::Io { .. }));
        assert!(
            error
                .to_string()
                .contains("check that the directory exists")
        );
    }

    #[test]
    fn a_file_far_over_the_limit_is_refused_without_reading_it_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node_key.json");
        fs::write(&path, vec![b' '; 1 << 20]).unwrap();
        let error = NodeKey::load(&path).unwrap_err();
        let too_long = KeyFormatError::TooLong;
        assert!(matches!(error, KeyFileError::Malformed { fault, .. } if fault == too_long));
    }
}
