//! Asks the running node, or reads what a stopped one left.

use std::fs;
use std::io::ErrorKind;

use clap::Args;
use serde_json::{Value, json};

use super::text;
use crate::book::Book;
use crate::console;
use crate::control;
use crate::failure::Failure;
use crate::home::Home;

/// Show the peers of a home's node and its address book.
///
/// Asks the node that runs on the home; if none does, says so and shows the address book that the
/// last one left.
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
    let report = match control::ask(&args.home)? {
        Some(report) => report,
        None => left_behind(&args.home)?,
    };
    let book = match &report["address_book"] {
        Value::Null => None,
        file => Some(Book::read(file).map_err(|error| {
            Failure::new(format!("the address book cannot be understood: {error}"))
        })?),
    };
    if args.json {
        return console::print_json(&to_json(report, book.as_ref()));
    }
    console::print(&text::render(
        &report,
        book.as_ref(),
        text::Style {
            ids_in_full: args.full,
            addresses_max: args.addresses,
        },
    ))
}

/// The report of a home on which no node runs.
fn left_behind(home: &Home) -> Result<Value, Failure> {
    let path = home.file(&home.load_config_or_default()?.addr_book_file);
    let book: Value = match fs::read(&path) {
        Ok(file) => serde_json::from_slice(&file).map_err(|error| {
            let path = path.display();
            Failure::new(format!("{path}: {error}; it is not an address book"))
        })?,
        Err(error) if error.kind() == ErrorKind::NotFound => Value::Null,
        Err(error) => return Err(Failure::new(format!("{}: {error}", path.display()))),
    };
    let (root, path) = (home.root().display(), path.display());
    match book {
        Value::Null => eprintln!("no node runs on {root}, and there is no {path}"),
        _ => eprintln!("no node runs on {root}; this is {path} as the last one left it"),
    }
    Ok(json!({
        "running": false,
        "node": null,
        "peers": [],
        "counters": null,
        "reactors": {},
        "address_book": book,
    }))
}

/// The report with its book as a list that needs no knowledge of the file's format.
fn to_json(mut report: Value, book: Option<&Book>) -> Value {
    report["address_book"] = book.map_or(Value::Null, Book::to_json);
    report
}
