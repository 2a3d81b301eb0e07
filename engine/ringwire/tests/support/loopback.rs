//! Sockets on 127.0.0.1. No port is fixed and no read waits for ever: a test that goes wrong fails,
//! it does not hang.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// The longest any read or write of a test may take.
pub(crate) const IO_TIMEOUT: Duration = Duration::from_secs(20);

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

/// Accepts one connection, with the timeouts of a test.
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    with_timeouts(listener.accept().expect("somebody dials").0)
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
