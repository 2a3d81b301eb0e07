//! The terminal of progress bars: drawn on standard error by way of its queue, so that a terminal
//! that somebody stopped (Ctrl-S) stops nobody else.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, TermLike};
use terminal_size::{Height, Width, terminal_size_of};

use crate::stderr;

/// Pictures a second at most.
const PICTURES_PER_SECOND: u8 = 20;

/// Columns and lines of a terminal that does not say.
const SIZE_UNTOLD: (u16, u16) = (80, 24);

/// A bar on standard error, which is a terminal.
pub(crate) fn progress_bar() -> ProgressBar {
    let terminal = Box::new(Terminal::default());
    let target = ProgressDrawTarget::term_like_with_hz(terminal, PICTURES_PER_SECOND);
    ProgressBar::with_draw_target(None, target)
}

/// A picture in the making, as bytes for the terminal.
#[derive(Debug, Default)]
struct Terminal(Mutex<Vec<u8>>);

impl Terminal {
    fn picture(&self) -> MutexGuard<'_, Vec<u8>> {
        // Bytes are only added: a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, bytes: &[u8]) -> io::Result<()> {
        self.picture().extend_from_slice(bytes);
        Ok(())
    }

    /// Moves the cursor by an escape sequence of ECMA-48: A up, B down, C right, D left.
    fn move_cursor(&self, cells: usize, direction: char) -> io::Result<()> {
        match cells {
            0 => Ok(()),
            _ => self.add(format!("\x1b[{cells}{direction}").as_bytes()),
        }
    }
}

fn size() -> (u16, u16) {
    terminal_size_of(io::stderr()).map_or(SIZE_UNTOLD, |(Width(columns), Height(lines))| {
        (columns, lines)
    })
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        size().0
    }

    fn height(&self) -> u16 {
        size().1
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'D')
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.add(s.as_bytes())?;
        self.add(b"\n")
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.add(s.as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add(b"\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let picture = std::mem::take(&mut *self.picture());
        if !picture.is_empty() {
            stderr::draw(picture);
        }
        Ok(())
    }
}
