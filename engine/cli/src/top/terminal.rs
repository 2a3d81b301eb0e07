//! The terminal while the screen has it: taken at the start, given back whatever ends the screen.

use std::io::{self, IsTerminal as _, Stdout, stdin, stdout};
use std::mem::ManuallyDrop;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use signal_hook::consts::signal::{
    SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU,
};
use signal_hook::flag;

/// Signals that end the screen in order. Their default would leave the terminal as it is.
const ENDING: [i32; 8] = [
    SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU,
];

/// The terminal on standard output. Dropped, it is as it was.
pub(super) struct Taken {
    /// Not dropped: it would show the cursor, which is done here, and panic where standard error is gone as well.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    is_ended: Arc<AtomicBool>,
}

impl Taken {
    /// Takes the terminal: its other screen, keys as they are pressed.
    ///
    /// # Errors
    /// The system takes no handler, or the terminal refuses.
    pub(super) fn new() -> io::Result<Self> {
        let is_ended = Arc::new(AtomicBool::new(false));
        for signal in ENDING {
            flag::register(signal, Arc::clone(&is_ended))?;
        }
        give_back_on_panic();
        let taken = Taken {
            terminal: ManuallyDrop::new(Terminal::new(CrosstermBackend::new(stdout()))?),
            is_ended,
        };
        // From here on an error drops `taken`, which gives the terminal back.
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen)?;
        Ok(taken)
    }

    /// Where pictures are drawn.
    pub(super) fn terminal(&mut self) -> &mut Terminal<CrosstermBackend<Stdout>> {
        &mut self.terminal
    }

    /// Whether a signal asked for the end, or the terminal is gone, which is not told by a signal to whoever is
    /// no part of its session any more.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Relaxed) || !stdin().is_terminal()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

/// A terminal that is gone cannot be given back, which is no loss.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}

/// The words of a panic come after the screen is left, so that they stay readable.
fn give_back_on_panic() {
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        give_back();
        told(panic);
    }));
}
