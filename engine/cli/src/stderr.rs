//! Standard error, written so that nobody ever waits for it.
//!
//! ```text
//!   shards, commands, panics ─▶ queue (bounded) ─▶ rw-stderr ─▶ write(2), which may fail or stall
//!                                └─ full: the line is dropped and counted
//! ```
//!
//! Standard error may be a full disk, a pipe whose reader went away, or one that nobody reads. None
//! of that may stop a shard, a command or the end of the process. So only the thread `rw-stderr`
//! writes; everybody else hands it a line and goes on. A line that finds the queue full, or that the
//! system refuses, is lost and counted; once writing works again an error line tells how many.
//! The process never waits longer than [`FLUSH_WITHIN`] for that thread at its end.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::panic;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel,
};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait. A node logs a few a second; a debug log of thousands of peers, thousands.
const LINES_MAX: usize = 8192;

/// Bytes of all lines that may wait, so that long lines do not take the memory of a small node.
const BYTES_MAX: usize = 1 << 20;

/// Lines that may wait where a picture of a progress bar is still put behind them.
const PICTURE_BEHIND_MAX: usize = 16;

/// Time that the process gives its last lines to be written.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Pause before a write is tried again that a non-blocking descriptor had no room for.
const ROOM_PAUSE: Duration = Duration::from_millis(20);

/// The one queue of this process.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Starts the thread that writes, and has panics told through it. To be called once, first of all.
/// The guard writes what still waits when it is dropped.
///
/// # Errors
/// The system gives no thread or no descriptor.
pub(crate) fn install() -> io::Result<FlushAtEnd> {
    // A descriptor of its own: the lock of `io::stderr` would make others wait for a stalled write.
    let file = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let queue = Queue::start(file)?;
    if QUEUE.set(queue).is_err() {
        unreachable!("called once, by main");
    }
    panic::set_hook(Box::new(tell_panic));
    Ok(FlushAtEnd)
}

/// Hands over a picture of a progress bar, unless others wait: it is worth nothing later on.
pub(crate) fn draw(picture: Vec<u8>) {
    if let Some(queue) = QUEUE.get()
        && queue.shared.waiting_lines.load(Ordering::Relaxed) < PICTURE_BEHIND_MAX
    {
        queue.put(picture);
    }
}

/// Hands over a line; a newline is added.
pub(crate) fn say(line: &str) {
    put(format!("{line}\n").into_bytes());
}

/// Whether standard error is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Waits until everything handed over so far is written or lost, at most for [`FLUSH_WITHIN`].
pub(crate) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH_WITHIN);
    }
}

/// Writes what waits when it is dropped, also when `main` unwinds.
pub(crate) struct FlushAtEnd;

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        flush();
    }
}

/// What logging writes to: each event is handed over whole.
#[derive(Clone, Copy)]
pub(crate) struct LogWriter;

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LogWriter;

    fn make_writer(&'a self) -> LogWriter {
        LogWriter
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        put(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn put(line: Vec<u8>) {
    // Nobody writes before `install`, and then there is no thread that could.
    if let Some(queue) = QUEUE.get() {
        queue.put(line);
    }
}

fn tell_panic(info: &panic::PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => say(&format!("thread '{name}': {info}\n{backtrace}")),
        _ => say(&format!("thread '{name}': {info}")),
    }
}

/// Lines on their way to the thread that writes.
struct Queue {
    messages: SyncSender<Message>,
    shared: Arc<Shared>,
}

enum Message {
    Line(Vec<u8>),
    /// All before it is written or lost: say so by dropping the sender.
    Flush(Sender<()>),
}

/// What the queue and its thread both count.
#[derive(Default)]
struct Shared {
    waiting_lines: AtomicUsize,
    waiting_bytes: AtomicUsize,
    lost: AtomicU64,
}

impl Queue {
    fn start(out: impl Write + Send + 'static) -> io::Result<Queue> {
        // One more for a flush.
        let (messages, received) = sync_channel(LINES_MAX + 1);
        let shared = Arc::new(Shared::default());
        let mut writer = Writer {
            out,
            shared: Arc::clone(&shared),
            is_torn: false,
        };
        thread::Builder::new()
            .name(String::from("rw-stderr"))
            .spawn(move || writer.run(&received))?;
        Ok(Queue { messages, shared })
    }

    /// Takes a line, or counts it as lost if there is no room.
    fn put(&self, line: Vec<u8>) {
        let shared = &self.shared;
        let bytes = line.len();
        let lines = shared.waiting_lines.fetch_add(1, Ordering::Relaxed);
        let before = shared.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let has_room = lines < LINES_MAX && before + bytes <= BYTES_MAX;
        if !has_room || self.messages.try_send(Message::Line(line)).is_err() {
            shared.taken(bytes);
            shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all before is written or lost; false if that took longer than `within`.
    fn flush(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let (done, wait) = channel();
        let mut message = Message::Flush(done);
        // A queue that is full may be one that is read slowly.
        while let Err(TrySendError::Full(refused)) = self.messages.try_send(message) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(ROOM_PAUSE);
            message = refused;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        // The writer says that it is there by dropping its end.
        wait.recv_timeout(left) != Err(RecvTimeoutError::Timeout)
    }
}

impl Shared {
    /// A line waits no more.
    fn taken(&self, bytes: usize) {
        self.waiting_lines.fetch_sub(1, Ordering::Relaxed);
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The one that writes, and may stall.
struct Writer<W> {
    out: W,
    shared: Arc<Shared>,
    /// Whether the last line stopped in its middle.
    is_torn: bool,
}

impl<W: Write> Writer<W> {
    fn run(&mut self, messages: &Receiver<Message>) {
        for message in messages {
            match message {
                Message::Line(line) => {
                    let written = self.write_line(&line);
                    // It counted until now: a stalled write holds its memory.
                    self.shared.taken(line.len());
                    if written {
                        self.tell_lost();
                    }
                }
                Message::Flush(done) => drop(done),
            }
        }
    }

    /// Writes a line, or counts it as lost. Returns which.
    fn write_line(&mut self, line: &[u8]) -> bool {
        if self.is_torn && self.write_all(b"\n") {
            self.is_torn = false;
        }
        let written = !self.is_torn && self.write_all(line);
        if !written {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    /// Writes everything, or stops at the first refusal.
    fn write_all(&mut self, bytes: &[u8]) -> bool {
        let mut written = 0;
        while written < bytes.len() {
            match self.out.write(&bytes[written..]) {
                Ok(more) if more > 0 => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(ROOM_PAUSE),
                Ok(_) | Err(_) => {
                    self.is_torn |= written > 0;
                    return false;
                }
            }
        }
        true
    }

    /// Once a line was written again, tells how many were not. The telling is a line like others,
    /// so it is put off while the queue is too full to be sure of its place.
    fn tell_lost(&self) {
        let has_room = self.shared.waiting_lines.load(Ordering::Relaxed) < LINES_MAX / 2
            && self.shared.waiting_bytes.load(Ordering::Relaxed) < BYTES_MAX / 2;
        if !has_room {
            return;
        }
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::error!(
                lines = lost,
                "lines for standard error were lost: it could not be written to"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use tracing::subscriber::NoSubscriber;

    use super::*;

    /// What a write answers, one after the other; then everything is taken.
    #[derive(Clone, Default)]
    struct Device {
        answers: Arc<Mutex<VecDeque<io::Result<usize>>>>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Device {
        fn answering(answers: impl IntoIterator<Item = io::Result<usize>>) -> Device {
            Device {
                answers: Arc::new(Mutex::new(answers.into_iter().collect())),
                ..Device::default()
            }
        }

        fn text(&self) -> String {
            let written = self.written.lock().expect("no panic holds it").clone();
            String::from_utf8(written).expect("text")
        }
    }

    impl Write for Device {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let answer = self.answers.lock().expect("no panic holds it").pop_front();
            let taken = answer.unwrap_or(Ok(bytes.len()))?;
            let mut written = self.written.lock().expect("no panic holds it");
            written.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn refusal(kind: ErrorKind) -> io::Result<usize> {
        Err(io::Error::from(kind))
    }

    /// A device on which every write stalls until the sender is dropped.
    struct Stalled(Receiver<()>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Has `lines` written to `device` on this thread; returns how many are lost and not yet told.
    fn written(device: &Device, lines: &[&str]) -> u64 {
        let shared = Arc::new(Shared::default());
        let mut writer = Writer {
            out: device.clone(),
            shared: Arc::clone(&shared),
            is_torn: false,
        };
        let (sender, receiver) = sync_channel(lines.len());
        let queue = Queue {
            messages: sender,
            shared: Arc::clone(&shared),
        };
        lines
            .iter()
            .for_each(|line| queue.put(line.as_bytes().to_vec()));
        drop(queue);
        writer.run(&receiver);
        shared.lost.load(Ordering::Relaxed)
    }

    #[test]
    fn a_device_that_refuses_every_write_costs_lines_and_nothing_else() {
        for kind in [ErrorKind::StorageFull, ErrorKind::BrokenPipe] {
            let device = Device::answering((0..3).map(|_| refusal(kind)));
            assert_eq!(written(&device, &["a\n", "b\n", "c\n"]), 3);
            assert_eq!(device.text(), "");
        }
    }

    #[test]
    fn lost_lines_are_told_once_a_line_was_written_again() {
        let device = Device::answering([refusal(ErrorKind::StorageFull)]);
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || Collect(Arc::clone(&sink)))
            .with_ansi(false)
            .finish();
        // With one subscriber alone, `tracing` may ask another test's thread, which has none,
        // whether this line is wanted, and hold to its answer.
        let _second = tracing::Dispatch::new(NoSubscriber::default());
        let left = tracing::subscriber::with_default(subscriber, || {
            written(&device, &["lost\n", "first\n", "second\n"])
        });
        assert_eq!((left, &*device.text()), (0, "first\nsecond\n"));
        let told = String::from_utf8(told.lock().expect("no panic").clone()).expect("text");
        assert_eq!(told.matches("were lost").count(), 1, "{told}");
        assert!(told.contains("lines=1"), "{told}");
    }

    struct Collect(Arc<Mutex<Vec<u8>>>);

    impl Write for Collect {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_stopped_in_its_middle_does_not_run_into_the_next() {
        let device = Device::answering([Ok(2), refusal(ErrorKind::StorageFull)]);
        written(&device, &["torn\n", "whole\n"]);
        assert_eq!(device.text(), "to\nwhole\n");
    }

    #[test]
    fn a_write_without_room_or_interrupted_is_tried_again() {
        let answers = [
            refusal(ErrorKind::WouldBlock),
            refusal(ErrorKind::Interrupted),
            Ok(1),
            refusal(ErrorKind::WouldBlock),
        ];
        let device = Device::answering(answers);
        assert_eq!(written(&device, &["line\n"]), 0);
        assert_eq!(device.text(), "line\n");
    }

    #[test]
    fn nobody_waits_for_a_device_that_stalls_and_what_waits_is_bounded() {
        let (resume, stalled) = channel::<()>();
        let queue = Queue::start(Stalled(stalled)).expect("a thread");
        for _ in 0..2 * LINES_MAX {
            queue.put(b"line\n".to_vec());
        }
        let lost = queue.shared.lost.load(Ordering::Relaxed);
        assert_eq!(lost, LINES_MAX as u64, "so many had no room");
        assert!(!queue.flush(Duration::from_millis(10)), "it stalls");
        drop(resume);
        assert!(queue.flush(Duration::from_secs(60)), "it goes on");
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let (_resume, stalled) = channel::<()>();
        let queue = Queue::start(Stalled(stalled)).expect("a thread");
        for _ in 0..8 {
            queue.put(vec![b'x'; BYTES_MAX / 4]);
        }
        assert_eq!(queue.shared.lost.load(Ordering::Relaxed), 4);
    }
}
