//! Standard output, written so that a reader who leaves early is no surprise.

use std::io::{self, ErrorKind, Write as _};

use serde_json::Value;

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

/// What a failed write to standard output means.
pub(crate) fn stdout_failure(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::StdoutClosed,
        _ => Failure::new(format!("cannot write to standard output: {error}")),
    }
}
