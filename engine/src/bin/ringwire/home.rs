//! The home of a node: a directory laid out as CometBFT lays out its own.
//!
//! ```text
//!   HOME/config/config.toml       what the operator decides
//!   HOME/config/node_key.json     who the node is; mode 0600
//!   HOME/config/genesis.json      which network it belongs to, if config.toml does not say
//!   HOME/config/addrbook.json     whom it knows
//!   HOME/data/ringwire.lock       held while a node runs on this home
//!   HOME/data/ringwire.sock       where a running node is asked how it is
//! ```
//!
//! The second to the fourth are where config.toml says; these are the defaults.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process;

use clap::Args;
use ringwire::config::{Config, LoadedConfig};
use ringwire_codec::NodeKey;
use tracing::warn;

use crate::failure::Failure;

/// Where the node lives.
#[derive(Args, Clone)]
pub(crate) struct Home {
    /// Directory of the node: DIR/config/config.toml and the files it names.
    #[arg(long = "home", value_name = "DIR")]
    root: PathBuf,
}

impl Home {
    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A file that the configuration names: inside the home unless its path is absolute.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// What the operator decides.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.file("config/config.toml")
    }

    /// What a node writes that its operator need not look at.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.file("data")
    }

    /// Reads the configuration; keys that change nothing are named in one log line.
    pub(crate) fn load_config(&self) -> Result<LoadedConfig, Failure> {
        let path = self.config_file();
        let text = fs::read_to_string(&path).map_err(|error| self.cannot_read(&path, &error))?;
        let name = path.display().to_string();
        let loaded = Config::from_toml(&name, &text)?;
        if !loaded.warnings.is_empty() {
            let unused: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
            warn!("{name}: {}", unused.join("; "));
        }
        Ok(loaded)
    }

    /// The configuration, or the defaults where there is none: where the files are.
    pub(crate) fn load_config_or_default(&self) -> Result<Config, Failure> {
        match self.config_file().exists() {
            true => self.load_config().map(|loaded| loaded.config),
            false => Ok(Config::default()),
        }
    }

    /// Reads the key that `init` made or that came with a CometBFT home.
    pub(crate) fn load_node_key(&self, config: &Config) -> Result<NodeKey, Failure> {
        let path = self.file(&config.node_key_file);
        if !path.exists() {
            return Err(self.cannot_read(&path, &io::Error::from(ErrorKind::NotFound)));
        }
        Ok(NodeKey::load(&path)?)
    }

    fn cannot_read(&self, path: &Path, error: &io::Error) -> Failure {
        let mend = match error.kind() {
            ErrorKind::NotFound => {
                format!("run `ringwire init --home {}` first", self.root.display())
            }
            ErrorKind::InvalidData => String::from("save it as UTF-8 text"),
            _ => String::from("check that this user may read it"),
        };
        Failure::new(format!("{}: {error}; {mend}", path.display()))
    }
}

/// Puts a file in its place whole or not at all. False if the name was taken: it is never
/// overwritten, not even by two programs at the same instant.
pub(crate) fn create_whole(path: &Path, text: &str) -> io::Result<bool> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!(".{name}.{}", process::id()));
    let published = write_synced(&temporary, text).and_then(|()| {
        // A link, other than a rename, fails when the name is taken.
        match fs::hard_link(&temporary, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            linked => linked.map(|()| true),
        }
    });
    let removed = fs::remove_file(&temporary);
    let created = published?;
    removed?;
    File::open(directory)?.sync_all()?;
    Ok(created)
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_created_whole_and_never_overwritten() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("config.toml");
        assert!(create_whole(&path, "first").expect("room to write"));
        assert!(!create_whole(&path, "second").expect("room to write"));
        assert_eq!(fs::read_to_string(&path).expect("the file"), "first");
        let left = fs::read_dir(directory.path())
            .expect("the directory")
            .count();
        assert_eq!(left, 1, "no temporary file is left behind");
    }

    #[test]
    fn a_directory_that_is_missing_is_an_error() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(create_whole(&directory.path().join("absent/config.toml"), "text").is_err());
    }
}
