//! Sockets on 127.0.0.1. No port is fixed and no read waits for ever: a test that goes wrong fails,
//! it does not hang.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that a read, a write or an accept of a test may take.
pub(crate) const IO_TIMEOUT: Duration = Duration::from_secs(20);

/// Pause between two looks at who has dialed.
const POLL: Duration = Duration::from_millis(1);

/// A listener on a port that the system chose.
pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback can be listened on");
    let addr = listener
        .local_addr()
        .expect("a bound listener has an address");
    (listener, addr)
}

/// Connects to `addr`, with the timeouts of a test.
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    with_timeouts(TcpStream::connect(addr).expect("the listener is up"))
}

/// Accepts one connection, with the timeouts of a test. Panics when nobody dials in time.
#[track_caller]
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    listener
        .set_nonblocking(true)
        .expect("a socket takes the option");
    let deadline = Instant::now() + IO_TIMEOUT;
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("accept: {error}"),
        }
        assert!(
            Instant::now() < deadline,
            "nobody dialed within {IO_TIMEOUT:?}"
        );
        thread::sleep(POLL);
    };
    // Some systems hand the option of the listener down.
    stream
        .set_nonblocking(false)
        .expect("a socket takes the option");
    with_timeouts(stream)
}

/// Two ends of one connection: who dialed, who listened.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let (listener, addr) = listen();
    let dialer = connect(addr);
    (dialer, accept(&listener))
}

fn with_timeouts(stream: TcpStream) -> TcpStream {
    stream
        .set_nodelay(true)
        .expect("a TCP socket takes the option");
    stream
        .set_read_timeout(Some(IO_TIMEOUT))
        .expect("the timeout is not zero");
    stream
        .set_write_timeout(Some(IO_TIMEOUT))
        .expect("the timeout is not zero");
    stream
}
