//! Accepting until the backlog is empty, and a pause when the process is out of descriptors.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use ringwire_core::peer::RemoteAddr;
use socket2::Socket;

use super::super::accepting::{ACCEPT_PAUSE, is_of_one_connection};
use super::super::listener::Listener;

/// What a look into the backlog has found.
#[derive(Debug)]
pub(super) enum Found {
    /// A connection, which does not block.
    Connection(Socket, RemoteAddr),
    /// A connection that broke before it was accepted.
    Broken,
    /// Nobody is there: the system tells of the next one.
    Nobody,
    /// Accepting fails for now; with an error if that is to be reported.
    Failure(Option<io::Error>),
}

/// A listener, and what is known of its backlog.
pub(super) struct Acceptor {
    listener: Listener,
    /// The backlog was not seen empty since the system told of it.
    has_some: bool,
    /// Until then nothing is accepted.
    paused_until: Option<Instant>,
    /// A failure was reported and nothing was accepted since.
    has_reported: bool,
}

impl Acceptor {
    /// Accepts from `listener`, of which `registry` tells by `token`.
    pub(super) fn new(listener: Listener, registry: &Registry, token: Token) -> io::Result<Self> {
        let socket = listener.socket();
        socket.set_nonblocking(true)?;
        let mut source = SourceFd(&socket.as_raw_fd());
        registry.register(&mut source, token, Interest::READABLE)?;
        Ok(Acceptor {
            listener,
            has_some: false,
            paused_until: None,
            has_reported: false,
        })
    }

    /// The system tells that there are connections.
    pub(super) fn handle_ready(&mut self) {
        self.has_some = true;
    }

    /// Whether [`Acceptor::accept`] may find something.
    pub(super) fn is_due(&self) -> bool {
        self.has_some && self.paused_until.is_none()
    }

    /// When the pause ends, if there is one.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Ends the pause if it is over.
    pub(super) fn handle_time(&mut self, now: Instant) {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
        }
    }

    /// Looks once into the backlog.
    pub(super) fn accept(&mut self) -> Found {
        let (socket, address) = match self.listener.socket().accept() {
            Ok(accepted) => accepted,
            Err(error) => return self.failed(error),
        };
        self.has_reported = false;
        match self.listener.remote_of(Ok(address)) {
            Some(remote) if socket.set_nonblocking(true).is_ok() => {
                Found::Connection(socket, remote)
            }
            _ => Found::Broken,
        }
    }

    fn failed(&mut self, error: io::Error) -> Found {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.has_some = false;
            return Found::Nobody;
        }
        if error.raw_os_error().is_some_and(is_of_one_connection) {
            return Found::Broken;
        }
        self.paused_until = Some(Instant::now() + ACCEPT_PAUSE);
        let is_news = !std::mem::replace(&mut self.has_reported, true);
        Found::Failure(is_news.then_some(error))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use mio::{Events, Poll};

    use super::*;

    fn acceptor() -> (Poll, Acceptor) {
        let poll = Poll::new().expect("a poll");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        let acceptor = Acceptor::new(listener.into(), poll.registry(), Token(0));
        let acceptor = acceptor.expect("registers");
        (poll, acceptor)
    }

    fn failure(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }

    #[test]
    fn a_backlog_is_emptied_and_then_waited_for() {
        let (mut poll, mut acceptor) = acceptor();
        assert!(!acceptor.is_due(), "nobody was told of");
        let address = acceptor.listener.local_addr().expect("bound");
        let client = TcpStream::connect(address).expect("connects");
        poll.poll(&mut Events::with_capacity(4), None)
            .expect("polls");
        acceptor.handle_ready();
        assert!(acceptor.is_due());
        let Found::Connection(_, remote) = acceptor.accept() else {
            panic!("somebody is there")
        };
        assert_eq!(remote, client.local_addr().expect("bound").into());
        assert!(acceptor.is_due(), "there may be more");
        assert!(matches!(acceptor.accept(), Found::Nobody));
        assert!(!acceptor.is_due());
    }

    #[test]
    fn running_out_of_descriptors_pauses_and_is_reported_once() {
        let (_poll, mut acceptor) = acceptor();
        acceptor.handle_ready();
        let told = acceptor.failed(failure(libc::EMFILE));
        assert!(matches!(told, Found::Failure(Some(_))), "{told:?}");
        assert!(!acceptor.is_due());
        let until = acceptor.paused_until().expect("a pause");
        acceptor.handle_time(until - std::time::Duration::from_nanos(1));
        assert!(!acceptor.is_due());
        acceptor.handle_time(until);
        assert!(acceptor.is_due(), "the connection is still in the backlog");
        let again = acceptor.failed(failure(libc::ENFILE));
        assert!(matches!(again, Found::Failure(None)), "{again:?}");
    }

    #[test]
    fn an_aborted_connection_costs_no_pause_and_no_report() {
        let (_poll, mut acceptor) = acceptor();
        acceptor.handle_ready();
        let broken = acceptor.failed(failure(libc::ECONNABORTED));
        assert!(matches!(broken, Found::Broken), "{broken:?}");
        assert!(acceptor.is_due());
    }
}
