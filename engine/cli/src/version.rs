//! `ringwire version`: what speaks here, from which sources it was built, and which protocols it has.

use clap::Args;
use ringwire_codec::node_info::{BLOCK_PROTOCOL, P2P_PROTOCOL};
use serde_json::json;

use crate::console;
use crate::failure::Failure;

/// The commit of the sources; `build.rs` says how it is found.
const COMMIT: &str = env!("RINGWIRE_COMMIT");

/// What the program was built with, as cargo lists it.
const FEATURES: &str = env!("RINGWIRE_FEATURES");

/// For which machines it was built.
const TARGET: &str = env!("RINGWIRE_TARGET");

/// Print version, commit and features of the program, and the protocols it announces to peers.
#[derive(Args)]
pub(crate) struct VersionArgs {
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &VersionArgs) -> Result<(), Failure> {
    let (version, features) = (env!("CARGO_PKG_VERSION"), features(FEATURES));
    if args.json {
        return console::print_json(&json!({
            "version": version,
            "commit": COMMIT,
            "features": features,
            "target": TARGET,
            "p2p_protocol": P2P_PROTOCOL,
            "block_protocol": BLOCK_PROTOCOL,
        }));
    }
    let features = match features.is_empty() {
        true => String::from("none"),
        false => features.join(", "),
    };
    console::print(&format!(
        "ringwire {version} (p2p protocol {P2P_PROTOCOL}, block protocol {BLOCK_PROTOCOL})\n\
         commit {COMMIT}\n\
         features {features}\n\
         built for {TARGET}"
    ))
}

/// The features that do something: `default` only stands for others.
fn features(list: &str) -> Vec<&str> {
    let named = list.split(',').map(str::trim);
    named
        .filter(|name| !name.is_empty() && *name != "default")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_features_are_those_that_do_something() {
        assert_eq!(features("aws-lc,default"), ["aws-lc"]);
        assert_eq!(features("default"), [""; 0]);
        assert_eq!(features(""), [""; 0]);
    }
}
