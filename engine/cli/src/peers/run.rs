//! Asks the running node, or reads what a stopped one left.

use std::fmt;
use std::io::ErrorKind;

use clap::Args;
use ringwire_codec::file::{self, FileKind, NotRegular};
use ringwire_core::pex::BOOK_FILE_BYTES_MAX;
use serde_json::{Value, json};

use super::text;
use crate::book::Book;
use crate::console;
use crate::control;
use crate::failure::Failure;
use crate::home::Home;

/// Show the peers of a home's node and its address book.
///
/// Asks the node that runs on the home; if none does, shows the address book that the last one left
/// and ends with exit code 1.
#[derive(Args)]
pub(crate) struct PeersArgs {
    #[command(flatten)]
    home: Home,
    /// Addresses of the book to show; the summary and --json have all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    addresses: usize,
    /// Show ids in full, all forty digits.
    #[arg(long)]
    full: bool,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

/// Runs the whole command.
pub(crate) fn run(args: &PeersArgs) -> Result<(), Failure> {
    let (mut report, book) = match control::ask(&args.home)? {
        Some(report) => running(report)?,
        None => left_behind(&args.home)?,
    };
    if args.json {
        // As a list that asks for no knowledge of the file's format.
        report["address_book"] = book.as_ref().map_or(Value::Null, Book::to_json);
        console::print_json(&report)?;
    } else {
        console::print(&text::render(
            &report,
            book.as_ref(),
            text::Style {
                ids_in_full: args.full,
                addresses_max: args.addresses,
                screen: console::line_chars().unwrap_or(usize::MAX),
            },
        ))?;
    }
    // Scripts that watch a node go by the exit code.
    match report["running"] == true {
        true => Ok(()),
        false => Err(nobody(&args.home, book.is_some())),
    }
}

/// Why a report is not that of a running node.
fn nobody(home: &Home, has_book: bool) -> Failure {
    let what = match has_book {
        true => "this is its address book as the last one left it",
        false => "and there is no address book",
    };
    Failure::new(format!("no node runs on {}; {what}", home.root().display()))
}

/// The report of a running node, with its book.
fn running(mut report: Value) -> Result<(Value, Option<Book>), Failure> {
    let book = match report["address_book"].take() {
        Value::Null => None,
        file => Some(Book::read(file.to_string().as_bytes())?),
    };
    Ok((report, book))
}

/// The report of a home on which no node runs, with the book that the last one left.
fn left_behind(home: &Home) -> Result<(Value, Option<Book>), Failure> {
    let path = home.file(&home.load_config_or_default()?.addr_book_file);
    let cannot_read =
        |error: &dyn fmt::Display| Failure::new(format!("{}: {error}", path.display()));
    let book = match file::read_at_most(&path, BOOK_FILE_BYTES_MAX) {
        Ok(file) => Some(Book::read(&file).map_err(|error| cannot_read(&error))?),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) if NotRegular::in_error(&error) == Some(NotRegular(FileKind::Null)) => None,
        Err(error) => return Err(cannot_read(&error)),
    };
    let report = json!({
        "running": false,
        "node": null,
        "peers": [],
        "named_peers": [],
        "bans": [],
        "counters": null,
        "reactors": {},
    });
    Ok((report, book))
}
