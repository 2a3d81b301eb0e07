//! What stands under a name, asked before it is opened.

use std::fmt;
use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The device number of `/dev/null` on Linux, as `stat(2)` encodes major 1 and minor 3.
#[cfg(target_os = "linux")]
const NULL_DEVICE: u64 = 0x103;

/// What a name stands for. Symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// Bytes on a disk: the only kind that can be read, replaced and renamed without surprises.
    Regular,
    /// A directory.
    Directory,
    /// A named pipe: to open it waits for somebody at its other end.
    Pipe,
    /// A Unix socket.
    Socket,
    /// `/dev/null`: an operator's word for "no file".
    Null,
    /// Another device that gives bytes one by one, such as a terminal.
    CharacterDevice,
    /// A disk.
    BlockDevice,
    /// Something that this program does not know.
    Other,
}

impl FileKind {
    /// What stands under `path`.
    ///
    /// # Errors
    /// What the file system says; `NotFound` if there is nothing.
    pub fn at(path: &Path) -> io::Result<FileKind> {
        fs::metadata(path).map(|metadata| FileKind::of(&metadata))
    }

    fn of(metadata: &Metadata) -> FileKind {
        type Question = fn(&FileType) -> bool;
        let known: [(Question, FileKind); 6] = [
            (FileType::is_file, FileKind::Regular),
            (FileType::is_dir, FileKind::Directory),
            (FileType::is_fifo, FileKind::Pipe),
            (FileType::is_socket, FileKind::Socket),
            (FileType::is_char_device, FileKind::CharacterDevice),
            (FileType::is_block_device, FileKind::BlockDevice),
        ];
        let file_type = metadata.file_type();
        let kind = known.iter().find(|(is, _)| is(&file_type));
        match kind.map_or(FileKind::Other, |(_, kind)| *kind) {
            FileKind::CharacterDevice if is_null(metadata) => FileKind::Null,
            kind => kind,
        }
    }

    /// Nothing, if it is a regular file.
    ///
    /// # Errors
    /// [`NotRegular`], as the cause of an `InvalidInput`.
    pub fn must_be_regular(self) -> io::Result<()> {
        match self {
            FileKind::Regular => Ok(()),
            kind => Err(io::Error::new(ErrorKind::InvalidInput, NotRegular(kind))),
        }
    }
}

#[cfg(target_os = "linux")]
fn is_null(metadata: &Metadata) -> bool {
    metadata.rdev() == NULL_DEVICE
}

/// Elsewhere device numbers differ from system to system: the device's own number is asked.
#[cfg(not(target_os = "linux"))]
fn is_null(metadata: &Metadata) -> bool {
    fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == metadata.rdev())
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Regular => "a regular file",
            FileKind::Directory => "a directory",
            FileKind::Pipe => "a named pipe",
            FileKind::Socket => "a socket",
            FileKind::Null => "the null device",
            FileKind::CharacterDevice => "a character device",
            FileKind::BlockDevice => "a block device",
            FileKind::Other => "something unknown",
        })
    }
}

/// Why a name was neither opened nor replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {0}, not a regular file")]
pub struct NotRegular(
    /// What it is.
    pub FileKind,
);

impl NotRegular {
    /// What `error` says that it found in place of a regular file, if it says that.
    pub fn in_error(error: &io::Error) -> Option<NotRegular> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// Opens a regular file for reading. Never waits for another program, whatever the name stands for.
///
/// # Errors
/// [`NotRegular`] as the cause of an `InvalidInput`, or what the file system says.
pub fn open(path: &Path) -> io::Result<File> {
    // Asked before it is opened: to open some devices is to set them going.
    FileKind::at(path)?.must_be_regular()?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    // And asked again: the name may mean something else by now.
    FileKind::of(&file.metadata()?).must_be_regular()?;
    Ok(file)
}

/// The bytes of a regular file: all of them if they are no more than `most`, else `most + 1`, so
/// that whoever judges them sees that there are too many.
///
/// # Errors
/// As [`open`], and what the file system says while it is read.
pub fn read_at_most(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = (most as u64).saturating_add(1);
    open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    /// The names of all that lies in a directory, in order.
    pub(crate) fn names_in(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Makes a named pipe with nobody at its other end.
    pub(crate) fn make_pipe(path: &Path) {
        let made = Command::new("mkfifo").arg(path).status();
        assert!(
            made.is_ok_and(|status| status.success()),
            "coreutils are there"
        );
    }

    #[test]
    fn whatever_is_no_regular_file_is_named_and_never_opened() {
        let directory = tempfile::tempdir().unwrap();
        let (pipe, socket) = (
            directory.path().join("pipe"),
            directory.path().join("socket"),
        );
        make_pipe(&pipe);
        let _listener = UnixListener::bind(&socket).unwrap();
        for (path, kind) in [
            (directory.path(), FileKind::Directory),
            (&pipe, FileKind::Pipe),
            (&socket, FileKind::Socket),
            (Path::new("/dev/null"), FileKind::Null),
            (Path::new("/dev/zero"), FileKind::CharacterDevice),
        ] {
            // A blocking open of the pipe would never come back.
            let error = open(path).unwrap_err();
            assert_eq!(NotRegular::in_error(&error), Some(NotRegular(kind)));
            assert!(error.to_string().contains("not a regular file"), "{error}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_one_byte_more_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_at_most(&path, 5).unwrap(), b"12345");
        assert_eq!(read_at_most(&path, 3).unwrap(), b"1234");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read_at_most(&link, 5).unwrap(), b"12345");
        let missing = read_at_most(&directory.path().join("absent"), 5).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert_eq!(NotRegular::in_error(&missing), None);
    }
}
