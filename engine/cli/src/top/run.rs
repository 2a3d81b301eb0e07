//! Asks, draws, and listens to keys.

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::Event;
use serde_json::Value;
use terminal_size::{Height, Width, terminal_size_of};

use super::keys::Keys;
use super::model::Model;
use super::screen::{Screen, Then};
use super::terminal::Taken;
use super::view::{self, Palette};
use crate::console;
use crate::control;
use crate::failure::Failure;
use crate::home::Home;

/// Pause after which signals and answers are looked at, when no key is pressed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Columns and lines of a frame that goes to no terminal.
const SIZE_UNTOLD: (u16, u16) = (80, 24);

/// Largest frame printed as text: more has nobody's screen.
const SIZE_MAX: (u16, u16) = (500, 500);

/// Peers that are asked for: more has nobody's eyes, and a node with ten thousand of them would spend
/// itself on telling them every second.
const PEERS_MAX: usize = 512;

/// Show what a home's node does, live: rates, peers, channels, refusals.
///
/// Asks the node that runs on the home, again and again. Keys sort, filter, scroll and pause; ?
/// explains them, q ends.
#[derive(Args)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    home: Home,
    /// Seconds between two questions.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_seconds)]
    every: f64,
    /// Print one frame as text, from two questions, and end.
    #[arg(long)]
    once: bool,
    /// Use no colours; so does NO_COLOR in the environment.
    #[arg(long)]
    no_color: bool,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok();
    let within = seconds.filter(|seconds| (0.1..=3_600.0).contains(seconds));
    within.ok_or_else(|| String::from("it must be a number from 0.1 to 3600"))
}

impl TopArgs {
    fn every(&self) -> Duration {
        Duration::from_secs_f64(self.every)
    }

    fn palette(&self) -> Palette {
        // As no-color.org has it: set and not empty.
        let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Palette {
            has_colour: !self.no_color && !is_unwanted,
        }
    }
}

/// Runs the whole command.
pub(crate) fn run(args: &TopArgs) -> Result<(), Failure> {
    if args.once {
        return print_once(args);
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::new(
            "top needs a terminal; --once prints one frame, and programs read \
             `ringwire peers --json`",
        ));
    }
    Live::new(args)?.run()
}

/// One frame, with the rates between two reports.
fn print_once(args: &TopArgs) -> Result<(), Failure> {
    let mut model = Model::default();
    model.take(&asked(&args.home).map_err(Failure::new)?);
    thread::sleep(args.every());
    model.take(&asked(&args.home).map_err(Failure::new)?);
    let told =
        terminal_size_of(io::stdout()).map(|(Width(columns), Height(lines))| (columns, lines));
    let (columns, lines) = told.unwrap_or(SIZE_UNTOLD);
    let backend = TestBackend::new(columns.min(SIZE_MAX.0), lines.min(SIZE_MAX.1));
    let mut terminal = Terminal::new(backend)?;
    let (palette, mut screen) = (args.palette(), Screen::default());
    terminal.draw(|frame| view::draw(frame, &model, &mut screen, palette))?;
    console::print(&view::text(terminal.backend().buffer()))
}

/// The report of the running node, or why there is none.
fn asked(home: &Home) -> Result<Value, String> {
    match control::ask_live(home, PEERS_MAX) {
        Ok(Some(report)) => Ok(report),
        Ok(None) => Err(format!("no node runs on {}", home.root().display())),
        Err(failure) => Err(failure.to_string()),
    }
}

/// The live screen. A thread of its own asks, so that keys work while a node is slow to answer.
struct Live {
    taken: Taken,
    keys: Keys,
    every: Duration,
    palette: Palette,
    model: Model,
    screen: Screen,
    /// At most one question is under way.
    questions: SyncSender<()>,
    answers: Receiver<Result<Value, String>>,
    is_asking: bool,
    asked_at: Option<Instant>,
}

impl Live {
    fn new(args: &TopArgs) -> Result<Self, Failure> {
        let (questions, questioned) = sync_channel::<()>(1);
        let (answer, answers) = sync_channel(1);
        let home = args.home.clone();
        thread::Builder::new()
            .name(String::from("rw-top-ask"))
            .spawn(move || {
                // Ends with the screen, which holds the other ends.
                while questioned.recv().is_ok() && answer.send(asked(&home)).is_ok() {}
            })?;
        Ok(Live {
            taken: Taken::new()?,
            keys: Keys::new()?,
            every: args.every(),
            palette: args.palette(),
            model: Model::default(),
            screen: Screen::default(),
            questions,
            answers,
            is_asking: false,
            asked_at: None,
        })
    }

    fn run(mut self) -> Result<(), Failure> {
        self.draw()?;
        while !self.taken.is_ended() {
            self.ask_when_due();
            let mut is_changed = self.take_answer()?;
            match self.keys.next_within(LOOK_EVERY)? {
                Some(Event::Key(key)) if self.screen.handle_key(key) == Then::End => return Ok(()),
                Some(_) => is_changed = true,
                None => {}
            }
            if is_changed {
                self.draw()?;
            }
        }
        Ok(())
    }

    fn ask_when_due(&mut self) {
        let now = Instant::now();
        let is_due = self
            .asked_at
            .is_none_or(|at| now.duration_since(at) >= self.every);
        if is_due && !self.is_asking && !self.screen.is_paused() {
            (self.is_asking, self.asked_at) = (true, Some(now));
            // There is room: the last question has been answered.
            let _ = self.questions.try_send(());
        }
    }

    /// Takes the answer that came, if one did.
    fn take_answer(&mut self) -> Result<bool, Failure> {
        let answer = match self.answers.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return Ok(false),
            Err(TryRecvError::Disconnected) => return Err(Failure::new("the asking thread ended")),
        };
        self.is_asking = false;
        // A picture that was paused meanwhile stands still.
        if !self.screen.is_paused() {
            match answer {
                Ok(report) => {
                    self.model.take(&report);
                    self.screen.set_trouble(None);
                }
                Err(trouble) => self.screen.set_trouble(Some(trouble)),
            }
        }
        Ok(true)
    }

    fn draw(&mut self) -> Result<(), Failure> {
        let (model, screen, palette) = (&self.model, &mut self.screen, self.palette);
        let terminal = self.taken.terminal();
        terminal.draw(|frame| view::draw(frame, model, screen, palette))?;
        Ok(())
    }
}
