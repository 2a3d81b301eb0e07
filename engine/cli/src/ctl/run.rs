//! One order, and what became of it.

use std::time::Duration;

use clap::{Args, Subcommand};
use ringwire_codec::NetAddress;
use ringwire_core::config::duration;
use serde_json::Value;

use crate::console;
use crate::control::{self, Order};
use crate::failure::Failure;
use crate::home::Home;
use crate::table::{Align, Table, span};

/// Change the node that runs on a home.
///
/// Each order is confirmed when the node has done it; else the exit code is 1 and the error says why. What
/// is ordered holds until the node ends: config.toml is not touched.
#[derive(Args)]
pub(crate) struct CtlArgs {
    #[command(flatten)]
    home: Home,
    /// Print the node's answer as one JSON object.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Connect to a node, and say how that went.
    Dial {
        /// ID@HOST:PORT.
        address: NetAddress,
        /// Keep it connected for as long as this node runs.
        #[arg(long)]
        persistent: bool,
    },
    /// Hang up on a peer, after what waits for it was sent. A persistent one is not dialed again.
    Drop {
        /// Its id; the first four digits or more are enough.
        peer: String,
    },
    /// Refuse a node or a host, in both directions, and hang up on it.
    Ban {
        /// An id (the beginning of a connected peer's is enough) or an IP address.
        target: String,
        /// For how long.
        #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = duration::parse)]
        span: Duration,
    },
    /// End the bans of a node or a host, whoever made them.
    Unban {
        /// An id in full, or an IP address.
        target: String,
    },
    /// Show the bans that hold.
    Bans,
    /// Log more or less from now on.
    Log {
        /// As of --log: a level, or a filter like "info,ringwire::switch=debug".
        filter: String,
    },
}

impl From<&Verb> for Order {
    fn from(verb: &Verb) -> Self {
        match verb {
            Verb::Dial {
                address,
                persistent,
            } => Order::Dial {
                address: address.clone(),
                persistent: *persistent,
            },
            Verb::Drop { peer } => Order::Drop { peer: peer.clone() },
            Verb::Ban { target, span } => Order::Ban {
                target: target.clone(),
                seconds: span.as_secs_f64(),
            },
            Verb::Unban { target } => Order::Unban {
                target: target.clone(),
            },
            Verb::Bans => Order::Bans {},
            Verb::Log { filter } => Order::Log {
                filter: filter.clone(),
            },
        }
    }
}

/// Runs the whole command.
pub(crate) fn run(args: &CtlArgs) -> Result<(), Failure> {
    let Some(answer) = control::order(&args.home, &Order::from(&args.verb))? else {
        let root = args.home.root().display();
        return Err(Failure::new(format!("no node runs on {root}")));
    };
    if args.json {
        return console::print_json(&answer);
    }
    match &answer["bans"] {
        Value::Array(bans) => console::print(&bans_table(bans)),
        _ => console::print(answer["done"].as_str().unwrap_or_default()),
    }
}

fn bans_table(bans: &[Value]) -> String {
    if bans.is_empty() {
        return String::from("nobody is banned");
    }
    let mut table = Table::new([
        ("BANNED", Align::Left),
        ("BY", Align::Left),
        ("ENDS IN", Align::Right),
    ]);
    for ban in bans {
        let text = |key: &str| ban[key].as_str().unwrap_or_default().to_owned();
        let ends = span(ban["ends_seconds"].as_f64().unwrap_or_default());
        table.push([text("target"), text("by"), ends]);
    }
    table.lines().join("\n")
}
