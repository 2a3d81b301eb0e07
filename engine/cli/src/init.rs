//! `ringwire init`: makes a home, and never touches what is there already.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use ringwire::error::ConfigError;
use ringwire_codec::NodeKey;
use serde_json::json;

use crate::config::NodeConfig;
use crate::console;
use crate::failure::Failure;
use crate::genesis;
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
    /// Name of the network (chain id) to write into a new config.toml; without it the chain_id of
    /// DIR/config/genesis.json, if that is there.
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
    refuse_idle_flags(args)?;
    let made = make(&args.home, config(args)?)?;
    if args.json {
        return console::print_json(&json!({
            "node_id": made.key.id().to_string(),
            "config": { "path": text(&made.config_file), "created": made.config_created },
            "node_key": { "path": text(&made.key_file), "created": made.key_created },
        }));
    }
    let verb = |created| if created { "created" } else { "kept" };
    console::print(&format!(
        "{:7} {}\n{:7} {}\nnode id {}",
        verb(made.config_created),
        made.config_file.display(),
        verb(made.key_created),
        made.key_file.display(),
        made.key.id(),
    ))
}

/// Flags that go into a new config.toml have no effect on one that is there: unless it says the same
/// already, that is an error, before anything is made.
fn refuse_idle_flags(args: &InitArgs) -> Result<(), Failure> {
    let path = args.home.config_file();
    if !path.exists() {
        return Ok(());
    }
    let config = genesis::with_network(&args.home, args.home.load_config()?, None)?.config;
    let flags = [
        (
            "--network",
            &args.network,
            "network",
            &config.engine.network,
        ),
        (
            "--moniker",
            &args.moniker,
            "moniker",
            &config.engine.moniker,
        ),
    ];
    for (flag, wanted, key, found) in flags {
        if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != found) {
            let path = path.display();
            return Err(Failure::new(format!(
                "{flag} {wanted}: {path} is there already and keeps its {key} \"{found}\"; change it \
                 there, or leave {flag} out"
            )));
        }
    }
    Ok(())
}

/// A path as text. JSON has no other, so bytes that are no UTF-8 are shown as U+FFFD.
fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A home in which a node can run, and what of it is new.
pub(crate) struct Made {
    /// Who the node is.
    pub(crate) key: NodeKey,
    key_file: PathBuf,
    key_created: bool,
    config_file: PathBuf,
    /// Whether there was no config.toml.
    pub(crate) config_created: bool,
}

/// Makes what the home lacks: a config.toml that says what `config` says, and a key. A config.toml
/// that is there already says where the key is.
pub(crate) fn make(home: &Home, config: NodeConfig) -> Result<Made, Failure> {
    let config_file = home.config_file();
    let config = match config_file.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => config,
        _ => home.load_config()?.config,
    };
    let key_file = home.file(&config.node_key_file);
    let key_created = !key_file
        .try_exists()
        .map_err(|error| cannot_write(&key_file, &error))?;
    for directory in [&config_file, &key_file]
        .into_iter()
        .filter_map(|file| file.parent())
    {
        fs::create_dir_all(directory).map_err(|error| cannot_write(directory, &error))?;
    }
    // The key comes first: if it fails, there is no half a home to wonder about.
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::new(format!("no entropy: {error}")))?;
    let key = NodeKey::load_or_generate(&key_file, seed)?;
    home::warn_of_readers(&key_file);
    let config_created = home::create_whole(&config_file, &config.to_documented_toml())
        .map_err(|error| cannot_write(&config_file, &error))?;
    Ok(Made {
        key,
        key_file,
        key_created,
        config_file,
        config_created,
    })
}

/// The defaults with what the flags say. A genesis that is there names the network.
fn config(args: &InitArgs) -> Result<NodeConfig, Failure> {
    let mut config = NodeConfig::default();
    let network = match &args.network {
        Some(network) => Some(network.clone()),
        None => genesis::chain_id(&args.home.file(&config.genesis_file))?,
    };
    config.engine.network = network.unwrap_or(config.engine.network);
    config.engine.moniker = args.moniker.clone().unwrap_or(config.engine.moniker);
    config.check().map_err(|error| match error.key {
        "ringwire.network" if args.network.is_some() => wrong("--network", &error),
        "moniker" if args.moniker.is_some() => wrong("--moniker", &error),
        _ => error.into(),
    })?;
    Ok(config)
}

/// A flag that says what no configuration may.
fn wrong(flag: &str, error: &ConfigError) -> Failure {
    Failure::misused(format!("{flag}: {}", error.problem))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    Failure::new(format!(
        "{path}: {error}; check that this user may write there"
    ))
}
