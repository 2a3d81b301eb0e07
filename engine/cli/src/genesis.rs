//! Which network a node belongs to: what its operator says, else what its genesis says.
//!
//! CometBFT keeps the chain id in `genesis.json`, not in `config.toml`. So a home of CometBFT needs
//! no line of ours to find its network.

use std::io::{BufReader, ErrorKind};
use std::path::Path;

use ringwire::Config;
use ringwire_codec::file;
use serde::Deserialize;
use tracing::{info, warn};

use crate::config::{LoadedConfig, Source};
use crate::failure::Failure;
use crate::home::Home;

/// What we read of a genesis. The rest, up to gigabytes of state, is skipped as it streams by.
#[derive(Deserialize)]
struct Genesis {
    chain_id: String,
}

/// The configuration with its network: `flag`, the file's own, the genesis's, or the default.
pub(crate) fn with_network(
    home: &Home,
    mut loaded: LoadedConfig,
    flag: Option<&str>,
) -> Result<LoadedConfig, Failure> {
    const KEY: &str = "ringwire.network";
    let names_network = loaded.names_network();
    let LoadedConfig {
        config, sources, ..
    } = &mut loaded;
    if let Some(network) = flag {
        network.clone_into(&mut config.engine.network);
        sources.note(KEY, Source::Flag("--network"));
    } else if !names_network {
        let path = home.file(&config.genesis_file);
        match chain_id(&path)? {
            Some(chain_id) => {
                info!("network {chain_id:?}, the chain_id of {}", path.display());
                config.engine.network = chain_id;
                sources.note(KEY, Source::Genesis);
            }
            None => warn!(
                "network {:?}, the default: there is no {}, and config.toml sets no network in \
                 [ringwire]",
                config.engine.network,
                path.display()
            ),
        }
    }
    Ok(loaded)
}

/// The chain id in a genesis file; none if there is no such file.
pub(crate) fn chain_id(path: &Path) -> Result<Option<String>, Failure> {
    let cannot_read = |error: &dyn std::fmt::Display| {
        Failure::new(format!(
            "{}: {error}; mend it, or name the network in [ringwire] of config.toml",
            path.display()
        ))
    };
    let file = match file::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_read(&error)),
    };
    let genesis: Genesis = serde_json::from_reader(BufReader::new(file))
        .map_err(|error| cannot_read(&format!("no genesis with a chain_id: {error}")))?;
    let named = Config {
        network: genesis.chain_id.clone(),
        ..Config::default()
    };
    // The rule is that of the name of a network; the fault is of this file.
    if let Err(error) = named.check() {
        let problem = error.problem;
        return Err(cannot_read(&format!(
            "chain_id {:?} {problem}",
            genesis.chain_id
        )));
    }
    Ok(Some(genesis.chain_id))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What is found in a file with this text.
    fn found(text: &str) -> Result<Option<String>, Failure> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("genesis.json");
        fs::write(&path, text).expect("room to write");
        chain_id(&path)
    }

    #[test]
    fn a_genesis_names_its_chain_whatever_else_it_holds() {
        let text =
            r#"{"genesis_time":"2026-01-01T00:00:00Z","chain_id":"net-7","app_state":{"a":[1]}}"#;
        assert_eq!(found(text).ok(), Some(Some(String::from("net-7"))));
    }

    #[test]
    fn a_file_that_is_no_genesis_is_an_error_and_a_missing_one_is_not() {
        assert!(found("{}").is_err());
        assert!(found("").is_err());
        assert!(chain_id(Path::new("/dev/zero")).is_err(), "not even opened");
        for chain_id in ["", " ", "net\\n7"] {
            let refused = found(&format!(r#"{{"chain_id":"{chain_id}"}}"#));
            let Err(Failure::Message(said)) = refused else {
                panic!("{chain_id:?} is taken");
            };
            let names_file = said.contains("genesis.json: chain_id");
            assert!(names_file && !said.contains("ringwire.network"), "{said}");
        }
        let absent = Path::new("/absent/genesis.json");
        assert_eq!(chain_id(absent).ok(), Some(None));
    }
}
