//! `ringwire version`: what speaks here, and which protocols.

use clap::Args;
use ringwire_codec::node_info::{BLOCK_PROTOCOL, P2P_PROTOCOL};
use serde_json::json;

use crate::console;
use crate::failure::Failure;

/// Print the version of the program and of the protocols it announces to peers.
#[derive(Args)]
pub(crate) struct VersionArgs {
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &VersionArgs) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if args.json {
        return console::print_json(&json!({
            "version": version,
            "p2p_protocol": P2P_PROTOCOL,
            "block_protocol": BLOCK_PROTOCOL,
        }));
    }
    console::print(&format!(
        "ringwire {version} (p2p protocol {P2P_PROTOCOL}, block protocol {BLOCK_PROTOCOL})"
    ))
}
