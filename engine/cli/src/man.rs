//! `ringwire man`: a manual page of each command, made from the help that the program shows.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

use crate::Cli;
use crate::failure::Failure;

/// What stands at the foot of each page.
const SOURCE: &str = concat!("ringwire ", env!("CARGO_PKG_VERSION"));

/// In place of a date, so that one version has one text. An empty one would be left out, and what
/// stands behind it be taken for the date.
const NO_DATE: &str = " ";

/// Write manual pages, one of the program and one of each command.
///
/// Makes DIR if it is missing and writes ringwire.1, ringwire-start.1 and so on into it; pages that
/// are there are replaced. `man -l DIR/ringwire.1` shows one.
#[derive(Args)]
pub(crate) struct ManArgs {
    /// Directory of the pages.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(crate) fn run(args: &ManArgs) -> Result<(), Failure> {
    let directory = &args.directory;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    fs::create_dir_all(directory)
        .and_then(|()| write(command, directory))
        .map_err(|error| Failure::new(format!("{}: {error}", directory.display())))
}

/// Writes the page of a command after those of its own commands.
fn write(command: Command, directory: &Path) -> io::Result<()> {
    for below in command.get_subcommands().cloned() {
        write(below, directory)?;
    }
    let page = Man::new(command).source(SOURCE).date(NO_DATE);
    page.manual("Ringwire").generate_to(directory).map(drop)
}
