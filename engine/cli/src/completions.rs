//! `ringwire completions`: what a shell needs to complete our commands and flags.

use std::str;

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use crate::Cli;
use crate::console;
use crate::failure::Failure;

/// Print the script by which a shell completes commands and flags.
///
/// For bash: ringwire completions bash > ~/.local/share/bash-completion/completions/ringwire. A
/// package of the program brings those of bash, zsh and fish.
#[derive(Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    // Into memory first: the generator panics where a pipe is closed.
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "ringwire", &mut script);
    console::print(str::from_utf8(&script)?.trim_end())
}
