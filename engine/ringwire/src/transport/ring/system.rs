//! The few system calls of the ring that no library offers, behind safe functions.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use io_uring::types::Timespec;

/// A new eventfd, closed on exec. Blocking on purpose: io_uring answers a read of a non-blocking
/// one with `EAGAIN` instead of waiting.
pub(super) fn event_counter() -> io::Result<File> {
    // SAFETY: plain numbers go in, a new descriptor or -1 comes out.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(File::from(adopt(fd)))
}

/// Takes ownership of a descriptor that the kernel has just made for us.
pub(super) fn adopt(fd: RawFd) -> OwnedFd {
    assert!(fd >= 0, "the kernel makes no negative descriptors");
    // SAFETY: callers pass a descriptor fresh from the kernel, which nobody else owns.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// `IORING_REGISTER_RING_FDS` and its opposite, as io_uring_register(2) numbers them.
const REGISTER_RING_FDS: libc::c_long = 20;
const UNREGISTER_RING_FDS: libc::c_long = 21;
/// `IORING_ENTER_REGISTERED_RING` of io_uring_enter(2): the descriptor is an index.
const ENTER_REGISTERED_RING: u32 = 1 << 4;

/// `struct io_uring_rsrc_update` of the kernel's interface.
#[repr(C)]
struct RingUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

/// Registers a ring with the calling thread, which may then enter it by index: that spares the
/// kernel the way from descriptor to file at each call.
pub(super) fn register_ring(ring: RawFd) -> io::Result<u32> {
    let mut update = RingUpdate {
        offset: u32::MAX,
        reserved: 0,
        data: ring as u64,
    };
    update_ring(ring, REGISTER_RING_FDS, &mut update)?;
    Ok(update.offset)
}

/// Undoes [`register_ring`], on the same thread. Until then the ring is not gone, even if closed.
pub(super) fn unregister_ring(ring: RawFd, index: u32) -> io::Result<()> {
    let mut update = RingUpdate {
        offset: index,
        reserved: 0,
        data: 0,
    };
    update_ring(ring, UNREGISTER_RING_FDS, &mut update)
}

fn update_ring(ring: RawFd, operation: libc::c_long, update: &mut RingUpdate) -> io::Result<()> {
    // SAFETY: the kernel reads and writes one update, at the address given, during the call alone.
    let updated = unsafe {
        let update: *mut RingUpdate = update;
        libc::syscall(libc::SYS_io_uring_register, ring, operation, update, 1)
    };
    if updated == 1 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// A ring as a call of its thread names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RingName {
    /// Its place among the rings that the thread has registered.
    Index(u32),
    /// Its descriptor.
    Descriptor(RawFd),
}

/// `struct io_uring_getevents_arg` of the kernel's interface.
#[repr(C)]
struct WaitArgument {
    signal_mask: u64,
    signal_mask_bytes: u32,
    least_wait_us: u32,
    /// Address of the time.
    time: u64,
}

/// `IORING_ENTER_EXT_ARG` of io_uring_enter(2): the argument is a [`WaitArgument`].
const ENTER_EXT_ARG: u32 = 1 << 3;

/// `io_uring_enter(2)` that does not wait.
///
/// # Safety
///
/// `submit` entries must lie in the ring's queue, each as its operation demands.
pub(super) unsafe fn enter(ring: RingName, submit: u32, flags: u32) -> io::Result<usize> {
    // SAFETY: the caller vouches for the entries; nothing else is pointed to.
    unsafe { call_enter(ring, submit, 0, flags, std::ptr::null(), 0) }
}

/// `io_uring_enter(2)` that waits for a completion, at most for `wait`; then it answers ETIME.
///
/// # Safety
///
/// As of [`enter`].
pub(super) unsafe fn enter_and_sleep(
    ring: RingName,
    submit: u32,
    flags: u32,
    wait: Duration,
) -> io::Result<usize> {
    let time = Timespec::from(wait);
    let argument = WaitArgument {
        signal_mask: 0,
        signal_mask_bytes: 0,
        least_wait_us: 0,
        time: (&raw const time) as u64,
    };
    let flags = flags | ENTER_EXT_ARG;
    // SAFETY: the caller vouches for the entries; the argument and the time that it points to live
    // until the call returns, and the kernel only reads them.
    unsafe {
        let argument = (&raw const argument).cast();
        call_enter(ring, submit, 1, flags, argument, size_of::<WaitArgument>())
    }
}

/// The call itself.
///
/// # Safety
///
/// As of [`enter`]; `argument` is null, or points to what `flags` say, of so many bytes.
unsafe fn call_enter(
    ring: RingName,
    submit: u32,
    least: u32,
    flags: u32,
    argument: *const libc::c_void,
    argument_bytes: usize,
) -> io::Result<usize> {
    let (ring, flags) = match ring {
        RingName::Index(index) => (i64::from(index), flags | ENTER_REGISTERED_RING),
        RingName::Descriptor(descriptor) => (i64::from(descriptor), flags),
    };
    // SAFETY: the caller vouches for the entries and the argument.
    let entered = unsafe {
        libc::syscall(
            libc::SYS_io_uring_enter,
            ring,
            submit,
            least,
            flags,
            argument,
            argument_bytes,
        )
    };
    usize::try_from(entered).map_err(|_| io::Error::last_os_error())
}

/// A message header that names nothing. The structure has private padding, so it cannot be written
/// as a literal.
pub(crate) fn empty_header() -> libc::msghdr {
    // SAFETY: null pointers and zero lengths are what an empty header consists of.
    unsafe { MaybeUninit::zeroed().assume_init() }
}
