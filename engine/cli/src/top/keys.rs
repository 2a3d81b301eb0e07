//! What a terminal's user does, read on a thread of its own.
//!
//! A terminal that is gone, its window closed or its machine out of reach, reads as empty for ever, and the
//! library that reads it tries again without an end. So it is not left to the thread that looks at signals.

use std::io::{self, ErrorKind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};

/// Events that wait to be taken: more than anybody presses between two looks.
const WAITING_MAX: usize = 64;

/// The events of the terminal. The thread that reads them ends with the program.
pub(super) struct Keys(Receiver<io::Result<Event>>);

impl Keys {
    /// Reads from now on. To be called once.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn new() -> io::Result<Self> {
        let (read, events) = sync_channel(WAITING_MAX);
        thread::Builder::new()
            .name(String::from("rw-top-keys"))
            .spawn(move || {
                loop {
                    let event = event::read();
                    let is_last = match &event {
                        Ok(_) => false,
                        // A signal interrupts the wait, and is no failure.
                        Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                        Err(_) => true,
                    };
                    if read.send(event).is_err() || is_last {
                        return;
                    }
                }
            })?;
        Ok(Keys(events))
    }

    /// The next event, if it comes within `time`.
    ///
    /// # Errors
    /// The terminal cannot be read.
    pub(super) fn next_within(&self, time: Duration) -> io::Result<Option<Event>> {
        match self.0.recv_timeout(time) {
            Ok(event) => event.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}
