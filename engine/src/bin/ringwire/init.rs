//! `ringwire init`: makes a home, and never touches what is there already.

use std::fs;
use std::path::Path;

use clap::Args;
use ringwire::config::Config;
use ringwire_codec::NodeKey;
use serde_json::json;

use crate::console;
use crate::failure::Failure;
use crate::home::{self, Home};

/// Make a home: a configuration to edit and a key of its own.
///
/// Makes DIR/config/config.toml, which explains each of its keys, and DIR/config/node_key.json, the
/// secret that gives the node its id. Files that exist are kept as they are, so it is safe to run
/// it again, also on the home of a CometBFT node.
#[derive(Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    home: Home,
    /// Name of the network (chain id) to write into a new config.toml.
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// Name of the node to write into a new config.toml.
    #[arg(long, value_name = "NAME")]
    moniker: Option<String>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &InitArgs) -> Result<(), Failure> {
    let config = config(args)?;
    let (config_file, key_file) = (args.home.config_file(), args.home.node_key_file());
    let directory = args.home.config_dir();
    fs::create_dir_all(&directory).map_err(|error| cannot_write(&directory, &error))?;

    // The key comes first: if it fails, there is no half a home to wonder about.
    let had_key = key_file.exists();
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::new(format!("no entropy: {error}")))?;
    let key = NodeKey::load_or_generate(&key_file, seed)?;
    let made_config = home::create_whole(&config_file, &config.to_documented_toml())
        .map_err(|error| cannot_write(&config_file, &error))?;

    if args.json {
        return console::print_json(&json!({
            "node_id": key.id().to_string(),
            "config": { "path": config_file, "created": made_config },
            "node_key": { "path": key_file, "created": !had_key },
        }));
    }
    let verb = |made| if made { "created" } else { "kept" };
    console::print(&format!(
        "{:7} {}\n{:7} {}\nnode id {}",
        verb(made_config),
        config_file.display(),
        verb(!had_key),
        key_file.display(),
        key.id(),
    ))
}

/// The defaults with what the flags say.
fn config(args: &InitArgs) -> Result<Config, Failure> {
    let mut config = Config::default();
    config.network = args.network.clone().unwrap_or(config.network);
    config.moniker = args.moniker.clone().unwrap_or(config.moniker);
    config.check()?;
    Ok(config)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    Failure::new(format!(
        "{path}: {error}; check that this user may write there"
    ))
}
