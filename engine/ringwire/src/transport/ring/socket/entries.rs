//! The entries of the ring's queue that start the operations of a link.
//!
//! Invariant: they name the link's descriptor and point into its `pinned` box, or into the ring's sink, only. Both live until
//! the link is quiet, that is until the last completion of each entry made here.

use std::os::fd::AsRawFd;

use io_uring::types::{Fd, Timespec};
use io_uring::{opcode, squeue};
use ringwire_core::peer::RemoteAddr;

use super::super::provided::BUFFER_GROUP;
use super::super::sink::Sink;
use super::{Op, RingSocket};

/// Bytes that one receive discards at most.
const DISCARD_BYTES: u32 = 1 << 20;

impl RingSocket {
    pub(in super::super) fn receive_entry(&self, multi: bool) -> squeue::Entry {
        if multi {
            return opcode::RecvMulti::new(self.fd(), BUFFER_GROUP).build();
        }
        // With a selected buffer a length of zero means all of it.
        opcode::Recv::new(self.fd(), std::ptr::null_mut(), 0)
            .buf_group(BUFFER_GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT)
    }

    /// `MSG_TRUNC` discards the bytes within the kernel, by tcp(7): no memory is needed. A Unix socket
    /// knows no such thing, so its bytes go to `sink`.
    pub(in super::super) fn discard_entry(&self, sink: &mut Sink) -> squeue::Entry {
        if let RemoteAddr::Unix(_) = self.remote {
            let (memory, bytes) = sink.memory();
            return opcode::Recv::new(self.fd(), memory, bytes).build();
        }
        opcode::Recv::new(self.fd(), std::ptr::null_mut(), DISCARD_BYTES)
            .flags(libc::MSG_TRUNC)
            .build()
    }

    /// `MSG_WAITALL` lets the kernel go on after a short write by itself.
    pub(in super::super) fn send_entry(&mut self) -> squeue::Entry {
        let (fd, flags) = (self.fd(), libc::MSG_WAITALL | libc::MSG_NOSIGNAL);
        if let Some(rest) = self.pinned.outgoing.single()
            && let Ok(len) = u32::try_from(rest.len())
        {
            return opcode::Send::new(fd, rest.as_ptr(), len)
                .flags(flags)
                .build();
        }
        opcode::SendMsg::new(fd, self.pinned.outgoing.header())
            .flags(flags as u32)
            .build()
    }

    pub(in super::super) fn connect_entry(&mut self) -> squeue::Entry {
        self.connect = Op::InFlight;
        let address = self.pinned.address.as_ref();
        let address = address.expect("only what `dialing` made is connected");
        opcode::Connect::new(self.fd(), address.as_ptr().cast(), address.len()).build()
    }

    pub(in super::super) fn deadline_entry(&mut self) -> squeue::Entry {
        self.pinned.deadline = Timespec::from(self.time_limit);
        opcode::Timeout::new(&raw const self.pinned.deadline).build()
    }

    fn fd(&self) -> Fd {
        Fd(self.socket.as_raw_fd())
    }
}
