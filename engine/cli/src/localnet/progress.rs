//! How far a run is, on standard error: a bar for eyes, a line now and then for files.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{stderr, terminal};

/// Pause between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// The progress of one stage after the other.
pub(super) struct Progress {
    shown: Shown,
    stage: &'static str,
    total: Option<u64>,
}

enum Shown {
    Bar(ProgressBar),
    Lines { next: Instant },
    Nothing,
}

impl Progress {
    /// A bar on a terminal, lines elsewhere, nothing if `quiet`.
    pub(super) fn new(quiet: bool) -> Self {
        let shown = match quiet {
            true => Shown::Nothing,
            false if stderr::is_terminal() => Shown::Bar(terminal::progress_bar()),
            false => Shown::Lines {
                next: Instant::now(),
            },
        };
        Progress {
            shown,
            stage: "",
            total: None,
        }
    }

    /// Begins a stage; `total` is the position at its end, if that is known.
    pub(super) fn begin(&mut self, stage: &'static str, total: Option<u64>) {
        (self.stage, self.total) = (stage, total);
        match &mut self.shown {
            Shown::Bar(bar) => {
                bar.reset();
                bar.set_style(style(total.is_some()));
                bar.set_prefix(stage);
                bar.set_message("");
                total.map_or_else(|| bar.unset_length(), |total| bar.set_length(total));
            }
            Shown::Lines { next } => *next = Instant::now() + LINE_INTERVAL,
            Shown::Nothing => {}
        }
    }

    /// Tells the position; `note` is asked for only when it is shown.
    pub(super) fn update(&mut self, position: u64, note: impl FnOnce() -> String) {
        match &mut self.shown {
            Shown::Bar(bar) => {
                bar.set_message(note());
                bar.set_position(position);
            }
            Shown::Lines { next } if Instant::now() >= *next => {
                *next += LINE_INTERVAL;
                let of = self
                    .total
                    .map(|total| format!("/{total}"))
                    .unwrap_or_default();
                stderr::say(&format!("{} {position}{of} {}", self.stage, note()));
            }
            Shown::Lines { .. } | Shown::Nothing => {}
        }
    }

    /// Clears the line for what comes after.
    pub(super) fn finish(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn style(has_total: bool) -> ProgressStyle {
    let template = match has_total {
        true => "{prefix:<9} [{bar:30}] {pos}/{len} {msg}",
        false => "{prefix:<9} {spinner} {pos} {msg}",
    };
    ProgressStyle::with_template(template)
        .expect("both templates name only known keys")
        .progress_chars("=> ")
}
