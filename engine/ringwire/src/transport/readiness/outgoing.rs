//! A write that may take several calls: its buffers, and how far it is.
//!
//! ```text
//!   buffers   [########][####....][........]      # written, . to be written
//!                            ▲ written
//! ```

use std::io::{self, IoSlice};

use ringwire_core::switch::io::Transmit;
use socket2::Socket;

/// Buffers that one call is given at most. The switch writes fewer at once; the list of them lies on the
/// stack.
const SLICES_MAX: usize = 64;

/// The write of one link; empty while there is none.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    buffers: Transmit,
    /// Bytes of `buffers` written so far.
    written: usize,
}

impl Outgoing {
    /// Whether there is something to write.
    pub(super) fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }

    /// Takes the buffers of the next write.
    pub(super) fn begin(&mut self, buffers: Transmit) {
        debug_assert!(self.buffers.is_empty());
        self.buffers = buffers;
        self.written = 0;
    }

    /// Gives the buffers back.
    pub(super) fn end(&mut self) -> Transmit {
        std::mem::take(&mut self.buffers)
    }

    /// Hands the system as much of the rest as it takes in one call. Returns whether all is written.
    pub(super) fn write_once(&mut self, socket: &Socket) -> io::Result<bool> {
        let (mut slices, mut skip) = ([IoSlice::new(&[]); SLICES_MAX], self.written);
        let (mut count, mut total) = (0, 0);
        for buffer in &self.buffers {
            total += buffer.len();
            let written = skip.min(buffer.len());
            skip -= written;
            let rest = &buffer[written..];
            if !rest.is_empty() && count < SLICES_MAX {
                slices[count] = IoSlice::new(rest);
                count += 1;
            }
        }
        let written = match &slices[..count] {
            // A plain `send` spares the kernel the header and its list of buffers.
            [only] => socket.send_with_flags(only, SEND_FLAGS)?,
            several => socket.send_vectored_with_flags(several, SEND_FLAGS)?,
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written += written;
        Ok(self.written == total)
    }
}

/// A write to a connection that is gone is an error, and no signal that ends the process.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL;
/// The socket itself is told so elsewhere (`SO_NOSIGPIPE`, see `transport::options`).
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SEND_FLAGS: i32 = 0;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use bytes::BytesMut;

    use super::*;

    fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let ours = TcpStream::connect(address).expect("connects");
        ours.set_nonblocking(true).expect("non-blocking");
        (ours.into(), listener.accept().expect("accepts").0)
    }

    fn numbered(lens: &[usize]) -> (Transmit, Vec<u8>) {
        let all: Vec<u8> = (0..lens.iter().sum()).map(|place| place as u8).collect();
        let mut rest = &all[..];
        let mut cut = |len: usize| {
            let (first, after) = rest.split_at(len);
            rest = after;
            BytesMut::from(first).into()
        };
        (lens.iter().map(|len| cut(*len)).collect(), all)
    }

    #[test]
    fn a_write_continues_where_it_stopped() {
        let (socket, mut theirs) = pair();
        let (buffers, all) = numbered(&[8, 0, 4]);
        let mut outgoing = Outgoing::default();
        outgoing.begin(buffers);
        outgoing.written = 7;
        assert!(outgoing.write_once(&socket).expect("there is room"));
        let mut got = [0; 5];
        theirs.read_exact(&mut got).expect("reads");
        assert_eq!(got, all[7..]);
        assert_eq!(outgoing.end().len(), 3);
        assert!(outgoing.is_empty());
    }

    #[test]
    fn one_call_is_given_no_more_buffers_than_its_list_holds() {
        let (socket, mut theirs) = pair();
        for (count, is_one_enough) in [(SLICES_MAX, true), (SLICES_MAX + 1, false)] {
            let (buffers, all) = numbered(&vec![1; count]);
            let mut outgoing = Outgoing::default();
            outgoing.begin(buffers);
            assert_eq!(outgoing.write_once(&socket).ok(), Some(is_one_enough));
            while outgoing.written < count {
                outgoing.write_once(&socket).expect("there is room");
            }
            outgoing.end();
            let mut got = vec![0; count];
            theirs.read_exact(&mut got).expect("reads");
            assert_eq!(got, all);
        }
    }
}
