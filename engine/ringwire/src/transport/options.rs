//! The options that every connection has, whoever moves its bytes.

use std::io;

use ringwire_core::peer::RemoteAddr;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Bytes that the kernel may hold unsent for a link before a write waits. More would only queue up
/// there, where no vote can overtake them (docs/decisions/0016-unsent-bytes.md).
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES: u32 = 128 * 1024;

/// Sets them on the socket of a connection to `remote`. A Unix socket knows no packets, so the options of TCP
/// mean nothing to it.
pub(super) fn set(socket: &Socket, remote: &RemoteAddr) -> io::Result<()> {
    if let RemoteAddr::Ip(_) = remote {
        // Batching is ours (one write per turn), so the kernel shall not wait for more.
        socket.set_tcp_nodelay(true)?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    }
    // Where a write cannot be told so itself, a connection that is gone would end the process.
    #[cfg(target_vendor = "apple")]
    socket.set_nosigpipe(true)?;
    Ok(())
}

/// A new socket for a connection to `remote`, and the address to connect it to.
pub(super) fn socket_to(remote: &RemoteAddr) -> io::Result<(Socket, SockAddr)> {
    let (socket, address) = match remote {
        RemoteAddr::Ip(address) => {
            let domain = Domain::for_address(*address);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            (socket, SockAddr::from(*address))
        }
        RemoteAddr::Unix(path) => {
            let address = SockAddr::unix(&**path)?;
            (Socket::new(Domain::UNIX, Type::STREAM, None)?, address)
        }
    };
    set(&socket, remote)?;
    Ok((socket, address))
}
