//! Logs on standard error, as much as was asked for.

use std::env;
use std::io::{self, IsTerminal as _};

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// What to log and how.
#[derive(Args)]
pub(crate) struct LogArgs {
    /// What to log: a level (error, warn, info, debug, trace, off) or a filter like
    /// "info,ringwire::switch=debug". Without it RUST_LOG decides, else the command.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// How a log line is written.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For eyes.
    Text,
    /// For programs: one JSON object per line.
    Json,
}

impl LogArgs {
    /// Starts logging; `default` is the filter of a command that was not told otherwise.
    ///
    /// # Errors
    /// A sentence about a filter that makes no sense.
    pub(crate) fn install(&self, default: &str) -> Result<(), String> {
        let (filter, source) = match (&self.log, env::var("RUST_LOG")) {
            (Some(filter), _) => (filter.clone(), "--log"),
            (None, Ok(filter)) if !filter.is_empty() => (filter, "RUST_LOG"),
            _ => (default.to_owned(), "the default"),
        };
        let parsed = EnvFilter::try_new(&filter)
            .map_err(|error| format!("the filter \"{filter}\" of {source}: {error}"))?;
        let builder = tracing_subscriber::fmt()
            .with_env_filter(parsed)
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal());
        match self.log_format {
            LogFormat::Text => builder.init(),
            LogFormat::Json => builder.json().init(),
        }
        Ok(())
    }
}
