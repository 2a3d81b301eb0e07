//! Names of sockets of any length.
//!
//! The kernel takes 107 bytes of path for a Unix socket, and homes lie deeper than that at times.
//! Then the directory is opened, and the socket is named through it: /proc/self/fd/N/NAME.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// Bytes of a socket's path, the closing zero of the kernel's 108 not counted.
const PATH_BYTES_MAX: usize = 107;

/// A name that the kernel takes for a socket, as long as this value lives.
pub(super) struct Place {
    path: PathBuf,
    /// Open while the path leads through it.
    _directory: Option<File>,
}

impl Place {
    /// The socket `name` in `directory`, which exists.
    pub(super) fn new(directory: &Path, name: &str) -> io::Result<Place> {
        let path = directory.join(name);
        if path.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(Place {
                path,
                _directory: None,
            });
        }
        let directory = File::open(directory)?;
        let path = Path::new("/proc/self/fd")
            .join(directory.as_raw_fd().to_string())
            .join(name);
        Ok(Place {
            path,
            _directory: Some(directory),
        })
    }

    /// The name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_path_that_fits_is_taken_as_it_is_and_a_longer_one_works_all_the_same() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let fixed = root.path().as_os_str().len() + "/".len() + "/s".len();
        for (path_bytes, is_direct) in [(PATH_BYTES_MAX, true), (PATH_BYTES_MAX + 1, false)] {
            let directory = root.path().join("d".repeat(path_bytes - fixed));
            fs::create_dir(&directory).expect("room for a directory");
            let place = Place::new(&directory, "s").expect("the directory is there");
            assert_eq!(place.path() == directory.join("s"), is_direct);
            let _listener = UnixListener::bind(place.path()).expect("a name that fits");
            assert!(directory.join("s").exists());
            UnixStream::connect(place.path()).expect("somebody listens");
        }
    }
}
