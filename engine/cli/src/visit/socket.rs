//! A socket that blocks until a deadline: TCP, or a Unix socket of this machine.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use ringwire_codec::Host;
use socket2::{Domain, SockAddr, Type};

use super::Target;

/// Addresses of one name that are tried at most.
const ADDRESSES_MAX: usize = 4;

/// Where a socket connects to.
pub(super) enum Place {
    /// Any of these addresses, the first that answers.
    Tcp(Vec<SocketAddr>),
    /// A path of this machine.
    Unix(Box<str>),
}

impl Place {
    /// Where a target is. Takes what the system's resolver takes for a name.
    ///
    /// # Errors
    /// The name has no address.
    pub(super) fn of(target: &Target) -> io::Result<Place> {
        match &target.host {
            Host::Ip(ip) => Ok(Place::Tcp(vec![SocketAddr::new(*ip, target.port)])),
            Host::Unix(path) => Ok(Place::Unix(path.clone())),
            Host::Name(name) => {
                let found = (&**name, target.port).to_socket_addrs()?;
                let found: Vec<_> = found.take(ADDRESSES_MAX).collect();
                match found.is_empty() {
                    true => Err(io::Error::new(ErrorKind::NotFound, "it has no address")),
                    false => Ok(Place::Tcp(found)),
                }
            }
        }
    }
}

/// A socket that somebody took.
pub(super) struct Connected {
    pub(super) socket: Socket,
    /// The address that answered; a Unix socket has none.
    pub(super) addr: Option<SocketAddr>,
    /// Until TCP was connected. The kernel connects a Unix socket by itself, which says nothing of the node.
    pub(super) round_trip: Option<Duration>,
}

/// A connected socket. What it does takes until a deadline at most.
pub(super) struct Socket(socket2::Socket);

impl Socket {
    /// Connects.
    ///
    /// # Errors
    /// Nobody takes the connection, or nobody does in time.
    pub(super) fn connect(place: &Place, deadline: Instant) -> io::Result<Connected> {
        match place {
            Place::Tcp(addrs) => connect_tcp(addrs, deadline),
            Place::Unix(path) => connect_unix(path, deadline),
        }
    }

    /// Writes all of `bytes`.
    pub(super) fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        self.0.set_write_timeout(Some(left_until(deadline)?))?;
        self.0.write_all(bytes)
    }

    /// Reads what is there, and waits if nothing is. Zero bytes: the other side has ended.
    pub(super) fn read(&mut self, room: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            self.0.set_read_timeout(Some(left_until(deadline)?))?;
            match self.0.read(room) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

/// The first of the addresses that answers, and how long it took.
fn connect_tcp(addrs: &[SocketAddr], deadline: Instant) -> io::Result<Connected> {
    let mut failed = None;
    for addr in addrs {
        let began = Instant::now();
        // One that swallows everything leaves time for the others.
        let left = addrs.len() as u32;
        let within = left_until(deadline)? / left.max(1);
        match TcpStream::connect_timeout(addr, within) {
            Ok(stream) => {
                let round_trip = began.elapsed();
                stream.set_nodelay(true)?;
                return Ok(Connected {
                    socket: Socket(stream.into()),
                    addr: Some(*addr),
                    round_trip: Some(round_trip),
                });
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| ErrorKind::TimedOut.into()))
}

/// A full queue of the listener makes the kernel wait for as long as the socket may write (unix(7)).
fn connect_unix(path: &str, deadline: Instant) -> io::Result<Connected> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(left_until(deadline)?))?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::TimedOut.into()),
        Err(error) => Err(error),
        Ok(()) => Ok(Connected {
            socket: Socket(socket),
            addr: None,
            round_trip: None,
        }),
    }
}

/// What is left until the deadline; an error when it has passed, since no time is no timeout to the
/// system.
fn left_until(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}
