//! `ringwire show-node-id`: the name by which other nodes know a home.

use clap::Args;
use serde_json::json;

use crate::console;
use crate::failure::Failure;
use crate::home::Home;

/// Print the id of a home's node.
///
/// Prints the id that the key of a home gives its node: forty hex digits, the part before the `@`
/// in persistent_peers.
#[derive(Args)]
pub(crate) struct ShowNodeIdArgs {
    #[command(flatten)]
    home: Home,
    /// Print one JSON object instead of the bare id.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ShowNodeIdArgs) -> Result<(), Failure> {
    let config = args.home.load_config_or_default()?;
    let id = args.home.load_node_key(&config)?.id().to_string();
    if args.json {
        console::print_json(&json!({ "node_id": id }))
    } else {
        console::print(&id)
    }
}
