//! One order, and what became of it.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use ringwire_codec::NetAddress;
use ringwire_core::config::{PEERS_MAX, duration};
use serde_json::Value;

use crate::console;
use crate::control::{self, Edit, Order};
use crate::failure::Failure;
use crate::flag_values::within;
use crate::home::Home;
use crate::table::{Align, Table, span};

/// Change the node that runs on a home.
///
/// Each order is confirmed when the node has done it; else the exit code is 1 and the error says why. What
/// is ordered holds until the node ends or reads its configuration again: config.toml is not touched.
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
    /// Keep a node connected for good, or no longer; as p2p.persistent_peers.
    #[command(subcommand)]
    PersistentPeers(AddressEdit),
    /// Ask a node for addresses, or no longer; as p2p.seeds.
    #[command(subcommand)]
    Seeds(AddressEdit),
    /// Tell nobody the address of a node, or make it no secret; as p2p.private_peer_ids.
    #[command(subcommand)]
    PrivatePeerIds(IdEdit),
    /// Let a node pass the limits of peers, or no longer; as p2p.unconditional_peer_ids.
    #[command(subcommand)]
    UnconditionalPeerIds(IdEdit),
    /// Set how many peers there may be. Nobody is hung up on.
    #[command(group = ArgGroup::new("limit").required(true).multiple(true))]
    Limits {
        /// Peers that dialed us, at most; as p2p.max_num_inbound_peers.
        #[arg(long, value_name = "N", group = "limit", value_parser = within::<usize, 0, { PEERS_MAX as u64 }>)]
        inbound: Option<usize>,
        /// Peers that discovery dials, at most; as p2p.max_num_outbound_peers.
        #[arg(long, value_name = "N", group = "limit", value_parser = within::<usize, 0, { PEERS_MAX as u64 }>)]
        outbound: Option<usize>,
    },
    /// Set how fast a peer is sent to and may send, on connections that stand as well.
    #[command(group = ArgGroup::new("rate").required(true).multiple(true))]
    Rates {
        /// Bytes per second to each peer, 0 for no limit; as p2p.send_rate.
        #[arg(long, value_name = "BYTES", group = "rate", value_parser = within::<u64, 0, { u64::MAX }>)]
        send: Option<u64>,
        /// Bytes per second from each peer, 0 for no limit; as p2p.recv_rate.
        #[arg(long, value_name = "BYTES", group = "rate", value_parser = within::<u64, 0, { u64::MAX }>)]
        recv: Option<u64>,
    },
    /// Read config.toml again: what can change is changed, the rest is named. A broken file changes
    /// nothing. What other orders have changed is as the file says again.
    Reload,
}

#[derive(Subcommand)]
enum AddressEdit {
    /// One more, or one at another address.
    Add {
        /// ID@HOST:PORT.
        address: NetAddress,
    },
    /// One less.
    Remove {
        /// Its id; the first four digits or more are enough.
        id: String,
    },
}

#[derive(Subcommand)]
enum IdEdit {
    /// One more.
    Add {
        /// Its id; of a connected peer the first four digits or more are enough.
        id: String,
    },
    /// One less.
    Remove {
        /// Its id; the first four digits or more are enough.
        id: String,
    },
}

impl From<&AddressEdit> for Edit {
    fn from(edit: &AddressEdit) -> Self {
        match edit {
            AddressEdit::Add { address } => Edit::Add(address.to_string()),
            AddressEdit::Remove { id } => Edit::Remove(id.clone()),
        }
    }
}

impl From<&IdEdit> for Edit {
    fn from(edit: &IdEdit) -> Self {
        match edit {
            IdEdit::Add { id } => Edit::Add(id.clone()),
            IdEdit::Remove { id } => Edit::Remove(id.clone()),
        }
    }
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
            Verb::PersistentPeers(edit) => Order::PersistentPeers(edit.into()),
            Verb::Seeds(edit) => Order::Seeds(edit.into()),
            Verb::PrivatePeerIds(edit) => Order::PrivatePeerIds(edit.into()),
            Verb::UnconditionalPeerIds(edit) => Order::UnconditionalPeerIds(edit.into()),
            Verb::Limits { inbound, outbound } => Order::Limits {
                inbound: *inbound,
                outbound: *outbound,
            },
            Verb::Rates { send, recv } => Order::Rates {
                send: *send,
                recv: *recv,
            },
            Verb::Reload => Order::Reload {},
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
