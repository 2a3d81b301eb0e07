//! The allocator of the program.
//!
//! A node's memory comes and goes in lumps: its address book is read, shown and written, and a burst of
//! messages passes. jemalloc keeps what was freed for ten seconds, counts them only while the same
//! arena is used, and an idle node uses none: so it kept the lumps of each thread for good. Here a
//! thread of jemalloc's own gives freed memory back after half a second
//! (docs/decisions/0039-memory-given-back.md).

/// Buffers come and go on every core; the system's allocator would make them meet in its locks.
#[global_allocator]
static ALLOCATOR: jemallocator::Jemalloc = jemallocator::Jemalloc;

/// Options that jemalloc reads before `main`, closed with a zero. `_RJEM_MALLOC_CONF` in the
/// environment changes them.
// SAFETY: nothing else has this name: jemalloc declares it for a program to define. It reads a pointer
// to text that ends with a zero, which a reference to an array is, and writes nothing.
#[allow(
    unsafe_code,
    reason = "a name that the linker sees could be another's; this one jemalloc declares"
)]
#[unsafe(export_name = "_rjem_malloc_conf")]
static OPTIONS: &[u8; 59] = b"background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0\0";
