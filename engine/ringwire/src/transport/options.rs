//! The options that every connection has, whoever moves its bytes.

use std::io;

use socket2::Socket;

/// Bytes that the kernel may hold unsent for a link before a write waits. More would only queue up
/// there, where no vote can overtake them (docs/decisions/0016-unsent-bytes.md).
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES: u32 = 128 * 1024;

/// Sets them.
pub(super) fn set(socket: &Socket) -> io::Result<()> {
    // Batching is ours (one write per turn), so the kernel shall not wait for more.
    socket.set_tcp_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    // Where a write cannot be told so itself, a connection that is gone would end the process.
    #[cfg(target_vendor = "apple")]
    socket.set_nosigpipe(true)?;
    Ok(())
}
