//! Standard output, written so that a reader who leaves early is no surprise.

use std::io::{self, ErrorKind, Write as _};

use serde_json::Value;
use terminal_size::{Width, terminal_size_of};

use crate::failure::Failure;

/// Writes `text` and a newline to standard output, at once.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(stdout_failure)
}

/// Writes one JSON object and a newline to standard output.
pub(crate) fn print_json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value:#}"))
}

/// Characters of a line of standard output, if that is a terminal.
pub(crate) fn line_chars() -> Option<usize> {
    terminal_size_of(io::stdout()).map(|(Width(columns), _)| columns.into())
}

/// What a failed write to standard output means.
pub(crate) fn stdout_failure(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::StdoutClosed,
        _ => Failure::new(format!("cannot write to standard output: {error}")),
    }
}
