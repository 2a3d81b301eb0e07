//! A Unix socket to listen on, and the file under which it is found.
//!
//! The file outlives a process that is killed, and a socket cannot be bound where a file is. So whose file
//! is it? One that refuses connections belongs to nobody: it is replaced. One that takes them, or says that its
//! queue is full, has an owner and stays. Between the question and the replacement another process could
//! do the same and lose its fresh socket to us; a lock on the directory, which leaves nothing behind, keeps
//! two nodes from that.
//!
//! ```text
//!   bind ──▶ free ────────────────────────────────────────▶ listen
//!     └────▶ a file ─▶ a socket? ─▶ refuses connections? ─▶ removed, bind again
//!                          └ no: told      └ no: in use
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// Why a path cannot be listened on.
#[derive(Debug)]
pub(super) struct Fault {
    /// What the system said.
    pub(super) source: io::Error,
    /// What the operator can do about it.
    pub(super) mend: String,
}

/// The file of a socket of ours, which is removed when it is dropped, unless another took its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        let (device, inode) = identity(path)?;
        Ok(SocketFile {
            path: path.to_owned(),
            device,
            inode,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = identity(&self.path).ok() == Some((self.device, self.inode));
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the file of a closed socket stays; the next start replaces it");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Listens at `path`, in place of the socket of a dead process if there is one.
pub(super) fn bind(path: &Path, backlog: i32) -> Result<(Socket, SocketFile), Fault> {
    let fault = |source: io::Error| Fault {
        mend: mend(&source, path),
        source,
    };
    let address = SockAddr::unix(path).map_err(fault)?;
    let _lock = lock_directory(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(fault)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(path, &address)?;
            socket.bind(&address).map_err(fault)?;
        }
        bound => bound.map_err(fault)?,
    }
    let file = SocketFile::new(path).map_err(fault)?;
    socket.listen(backlog).map_err(fault)?;
    Ok((socket, file))
}

/// Keeps other nodes from the same question, as far as the file system knows locks. Dropped, it is open
/// again.
fn lock_directory(path: &Path) -> Result<Option<File>, Fault> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    // One that can be written to and not read, or is not there, is told by the bind.
    let Ok(opened) = File::open(directory) else {
        return Ok(None);
    };
    match opened.try_lock() {
        Ok(()) => Ok(Some(opened)),
        Err(TryLockError::WouldBlock) => Err(Fault {
            source: io::ErrorKind::AddrInUse.into(),
            mend: format!(
                "another process holds a lock on {}, as a node does for a moment while it starts: \
                 give each socket a directory of its own",
                directory.display()
            ),
        }),
        // A file system without locks: the question is asked without one.
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Removes what is at `path` if it is the socket of a dead process.
fn remove_stale(path: &Path, address: &SockAddr) -> Result<(), Fault> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            let mend = mend(&source, path);
            return Err(Fault { source, mend });
        }
    };
    if !found.file_type().is_socket() {
        return Err(Fault {
            source: io::ErrorKind::AlreadyExists.into(),
            mend: String::from(
                "what is there is no socket, so it stays: move it away, or choose another path",
            ),
        });
    }
    let Err(refused) = knock(address) else {
        return Err(in_use(path));
    };
    match refused.kind() {
        io::ErrorKind::ConnectionRefused => {}
        // It was removed meanwhile.
        io::ErrorKind::NotFound => return Ok(()),
        io::ErrorKind::PermissionDenied => {
            return Err(Fault {
                source: refused,
                mend: String::from(
                    "the socket there belongs to another user: stop its owner, or choose another path",
                ),
            });
        }
        // Its queue is full, or it is a socket of another kind: somebody has it.
        _ => return Err(in_use(path)),
    }
    fs::remove_file(path).map_err(|source| Fault {
        source,
        mend: format!(
            "nobody listens on the socket that is there, and it cannot be removed: `rm {}` as its owner",
            path.display()
        ),
    })?;
    tracing::info!(path = %path.display(), "replaced the socket file of a process that is gone");
    Ok(())
}

/// Whether somebody listens, without waiting.
fn knock(address: &SockAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(address)
}

fn in_use(path: &Path) -> Fault {
    Fault {
        source: io::ErrorKind::AddrInUse.into(),
        mend: format!(
            "another program listens there, most likely another node (`ss -xlp src {}` names it): stop it, or \
             choose another path",
            path.display()
        ),
    }
}

/// What the operator can do when a path cannot be bound.
fn mend(error: &io::Error, path: &Path) -> String {
    let directory = path.parent().unwrap_or(path).display();
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "its directory is not there: `mkdir -p {directory}`, or RuntimeDirectory= in a systemd unit"
        ),
        io::ErrorKind::NotADirectory => {
            format!("{directory} is no directory: choose another path")
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "the node's user may not write in {directory}: `chown` it, or choose another path"
            )
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("{directory} is read-only: choose another path, such as one under /run")
        }
        io::ErrorKind::InvalidInput => {
            String::from("the path is too long for a socket of this system: choose a shorter one")
        }
        _ => String::from("see unix(7) and bind(2)"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("p2p.sock");
        (dir, path)
    }

    fn refusal(path: &Path) -> (io::ErrorKind, String) {
        let fault = bind(path, 1).expect_err("it cannot be had");
        (fault.source.kind(), fault.mend)
    }

    #[test]
    fn the_file_of_a_dead_process_is_replaced_and_goes_with_its_listener() {
        let (_dir, path) = scratch();
        // A listener of the standard library leaves its file, as a killed process does.
        drop(UnixListener::bind(&path).expect("a new path"));
        assert!(path.exists());
        let bound = bind(&path, 1).expect("nobody listens there");
        UnixStream::connect(&path).expect("we do now");
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn the_socket_of_a_live_process_stays_even_with_a_full_queue() {
        let (_dir, path) = scratch();
        let owner = UnixListener::bind(&path).expect("a new path");
        let (kind, mend) = refusal(&path);
        assert_eq!(kind, io::ErrorKind::AddrInUse);
        assert!(mend.contains("another program listens there"), "{mend}");
        let (busy, busy_path) = {
            let busy_path = path.with_file_name("busy.sock");
            (bind(&busy_path, 0).expect("a new path"), busy_path)
        };
        let _waiting: Vec<_> = (0..2)
            .map_while(|_| {
                let address = SockAddr::unix(&busy_path).expect("a short path");
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
                socket.set_nonblocking(true).expect("does not block");
                socket.connect(&address).ok().map(|()| socket)
            })
            .collect();
        assert_eq!(refusal(&busy_path).0, io::ErrorKind::AddrInUse);
        drop((owner, busy));
    }

    #[test]
    fn what_is_no_socket_stays_where_it_is() {
        let (_dir, path) = scratch();
        fs::write(&path, "somebody's diary").expect("writes");
        let (kind, mend) = refusal(&path);
        assert_eq!(kind, io::ErrorKind::AlreadyExists);
        assert!(mend.contains("is no socket"), "{mend}");
        assert_eq!(fs::read(&path).expect("reads"), b"somebody's diary");
    }

    #[test]
    fn a_path_that_cannot_be_had_says_how_to_mend_that() {
        let (dir, path) = scratch();
        let (kind, mend) = refusal(&dir.path().join("nowhere/p2p.sock"));
        assert_eq!(kind, io::ErrorKind::NotFound);
        assert!(mend.contains("mkdir -p"), "{mend}");
        let (kind, mend) = refusal(&dir.path().join("p".repeat(120)));
        assert_eq!(kind, io::ErrorKind::InvalidInput);
        assert!(mend.contains("too long"), "{mend}");
        fs::write(&path, "").expect("writes");
        let (kind, _) = refusal(&path.join("p2p.sock"));
        assert_eq!(kind, io::ErrorKind::NotADirectory);
    }

    #[test]
    fn a_listener_whose_file_was_replaced_leaves_the_other_one_alone() {
        let (_dir, path) = scratch();
        let first = bind(&path, 1).expect("a new path");
        fs::remove_file(&path).expect("an operator's hand");
        let second = bind(&path, 1).expect("the path is free");
        drop(first);
        UnixStream::connect(&path).expect("the second one is there");
        drop(second);
    }

    #[test]
    fn two_who_start_at_once_do_not_take_each_others_socket() {
        let (dir, path) = scratch();
        let other = File::open(dir.path()).expect("a directory");
        other.lock().expect("locks");
        let (kind, mend) = refusal(&path);
        assert_eq!(kind, io::ErrorKind::AddrInUse, "so it is tried again");
        assert!(mend.contains("holds a lock"), "{mend}");
        drop(other);
        bind(&path, 1).expect("the other one is done");
    }
}
