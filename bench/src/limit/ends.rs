//! How an end of the limit moves bytes: by calls of its socket, or by an io_uring of its own.
//!
//! ```text
//!   Sender     one buffer for each stream it writes to;   calls: a write after the other
//!                                                         ring:  all of them in one call of the kernel
//!   Receiver   one stream
//! ```
//!
//! The ring is as bare as the calls: no provided buffers, no registered descriptors, one operation for each
//! stream, whose completion is waited for before anything else is done. So its memory is lent for the time of a
//! function, and on loopback, where a write is done while it is submitted, nothing is lost by that.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, opcode, types};

use super::manner::{Manner, Way};

/// Writes to many streams, one write to each in turn.
pub(super) struct Sender {
    streams: Vec<TcpStream>,
    ring: Option<Ring>,
}

impl Sender {
    /// An end that moves bytes in this manner.
    ///
    /// # Errors
    /// When the kernel has no io_uring for us, or a socket fails.
    pub(super) fn new(streams: Vec<TcpStream>, manner: Manner) -> io::Result<Self> {
        for stream in &streams {
            stream.set_nonblocking(manner.is_nonblocking())?;
        }
        let ring = Ring::of(manner, streams.len())?;
        Ok(Sender { streams, ring })
    }

    /// Writes to each stream what `fill` puts into the buffer of its place; as many bytes as `fill` says.
    pub(super) fn write_each(
        &mut self,
        buffers: &mut Buffers,
        mut fill: impl FnMut(usize, &mut [u8]) -> usize,
    ) -> io::Result<()> {
        let Some(ring) = &mut self.ring else {
            for (place, stream) in self.streams.iter_mut().enumerate() {
                let buffer = buffers.of(0);
                let len = fill(place, buffer);
                write_whole(stream, &buffer[..len])?;
            }
            return Ok(());
        };
        let mut writes = Vec::with_capacity(self.streams.len());
        for (place, buffer) in buffers.each(self.streams.len()).enumerate() {
            let len = fill(place, buffer);
            writes.push(&buffer[..len]);
        }
        ring.write_each(&self.streams, &writes)
    }
}

/// The memory from which a sender writes: what the kernel reads later needs a buffer for each stream.
pub(super) struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    /// Buffers of so many bytes, for a sender in this manner to so many streams.
    pub(super) fn new(bytes: usize, streams: usize, manner: Manner) -> Self {
        let count = match manner.way {
            Way::Calls => 1,
            Way::Ring => streams,
        };
        Buffers(vec![vec![0; bytes]; count])
    }

    fn of(&mut self, place: usize) -> &mut [u8] {
        &mut self.0[place]
    }

    fn each(&mut self, streams: usize) -> impl Iterator<Item = &mut [u8]> {
        self.0[..streams].iter_mut().map(Vec::as_mut_slice)
    }
}

/// Reads from one stream.
pub(super) struct Receiver {
    stream: TcpStream,
    ring: Option<Ring>,
}

impl Receiver {
    /// An end that moves bytes in this manner.
    ///
    /// # Errors
    /// As for [`Sender::new`].
    pub(super) fn new(stream: TcpStream, manner: Manner) -> io::Result<Self> {
        stream.set_nonblocking(manner.is_nonblocking())?;
        let ring = Ring::of(manner, 1)?;
        Ok(Receiver { stream, ring })
    }

    /// Reads what is there, at least a byte.
    ///
    /// # Errors
    /// `UnexpectedEof` when the sender has hung up, and what the socket says.
    pub(super) fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.ring {
            Some(ring) => ring.read_some(&self.stream, buffer),
            None => read_some(&mut self.stream, buffer),
        }
    }
}

/// Writes all of it, watching the socket if it does not block.
pub(super) fn write_whole(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads what is there, watching the socket if it does not block.
pub(super) fn read_some(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(error) => return Err(error),
        }
    }
}

/// An io_uring whose operations are over when a function returns.
struct Ring {
    io: IoUring,
    /// Whether it watches its completion queue instead of sleeping in the kernel.
    spins: bool,
}

impl Ring {
    /// The ring of an end in this manner, if it has one.
    fn of(manner: Manner, streams: usize) -> io::Result<Option<Ring>> {
        if manner.way == Way::Calls {
            return Ok(None);
        }
        let entries = u32::try_from(streams.next_power_of_two()).expect("streams are few");
        let io = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .build(entries)?;
        let spins = manner.spins;
        Ok(Some(Ring { io, spins }))
    }

    /// Writes each of `writes` to the stream at its place, whole.
    fn write_each(&mut self, streams: &[TcpStream], writes: &[&[u8]]) -> io::Result<()> {
        let mut written = vec![0; writes.len()];
        loop {
            let mut under_way = 0;
            for (place, bytes) in writes.iter().enumerate() {
                let rest = &bytes[written[place]..];
                if !rest.is_empty() {
                    self.push_write(&streams[place], rest, place);
                    under_way += 1;
                }
            }
            if under_way == 0 {
                return Ok(());
            }
            self.complete(under_way, |place, bytes| written[place] += bytes)?;
        }
    }

    fn read_some(&mut self, stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        let len = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let fd = types::Fd(stream.as_raw_fd());
        let entry = opcode::Recv::new(fd, buffer.as_mut_ptr(), len).build();
        // SAFETY: `buffer` and `stream` are borrowed until `complete` has seen the completion, or the process ends.
        unsafe { self.push(&entry) };
        let mut read = 0;
        self.complete(1, |_, bytes| read = bytes)?;
        match read {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }

    fn push_write(&mut self, stream: &TcpStream, bytes: &[u8], place: usize) {
        let len = u32::try_from(bytes.len()).expect("a write has a MiB at most");
        let fd = types::Fd(stream.as_raw_fd());
        let entry = opcode::Send::new(fd, bytes.as_ptr(), len)
            .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build()
            .user_data(place as u64);
        // SAFETY: `bytes` and `stream` are borrowed by `write_each` until `complete` has seen the completion, or
        // the process ends.
        unsafe { self.push(&entry) };
    }

    /// # Safety
    /// What the entry names must stay valid until [`Ring::complete`] returns.
    unsafe fn push(&mut self, entry: &io_uring::squeue::Entry) {
        // SAFETY: the caller vouches for the entry.
        let pushed = unsafe { self.io.submission().push(entry) };
        pushed.expect("a place for each stream, and all of them are free");
    }

    /// Submits, and waits for so many completions: all that are under way.
    fn complete(&mut self, count: usize, mut done: impl FnMut(usize, usize)) -> io::Result<()> {
        let (mut left, mut failed) = (count, None);
        let mut wanted = if self.spins { 0 } else { count };
        while left > 0 {
            self.enter(wanted);
            for completion in self.io.completion() {
                left -= 1;
                match usize::try_from(completion.result()) {
                    Ok(bytes) => done(completion.user_data() as usize, bytes),
                    Err(_) => failed = Some(io::Error::from_raw_os_error(-completion.result())),
                }
            }
            while left > 0 && self.spins && !self.io.submission().taskrun() {
                std::hint::spin_loop();
            }
            // What the kernel has to say by now is there without any wait.
            wanted = if self.spins { 1 } else { left };
        }
        failed.map_or(Ok(()), Err)
    }

    fn enter(&mut self, wanted: usize) {
        match self.io.submit_and_wait(wanted) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Memory is lent to the kernel: nobody may go on as if it were not.
            Err(error) => {
                eprintln!("bench: io_uring_enter: {error}");
                std::process::abort();
            }
        }
    }
}
