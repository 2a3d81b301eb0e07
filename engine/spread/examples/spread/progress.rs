//! [`Progress`]: how far the runs are, on standard error, where somebody looks.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over all runs, or nothing. Threads share it.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar that ends at `total` payloads; nothing if `quiet`, and nothing if standard error is no terminal.
    pub(crate) fn new(quiet: bool, total: u64) -> Self {
        let bar = match quiet || !std::io::stderr().is_terminal() {
            true => ProgressBar::hidden(),
            false => ProgressBar::new(total),
        };
        let template = "{msg:<28} [{bar:30}] {pos}/{len} payloads, {eta} left";
        let style = ProgressStyle::with_template(template).expect("it names only known keys");
        bar.set_style(style.progress_chars("=> "));
        Progress { bar }
    }

    /// A run begins.
    pub(crate) fn begin(&self, name: &str, seed: u64) {
        self.bar.set_message(format!("{name}, seed {seed}"));
    }

    /// One more payload has been published.
    pub(crate) fn advance(&self) {
        self.bar.inc(1);
    }

    /// Clears the line for what comes after.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
