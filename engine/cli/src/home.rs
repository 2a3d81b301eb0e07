//! The home of a node: a directory laid out as CometBFT lays out its own.
//!
//! ```text
//!   HOME/config/config.toml       what the operator decides
//!   HOME/config/node_key.json     who the node is; mode 0600
//!   HOME/config/genesis.json      which network it belongs to, if config.toml does not say
//!   HOME/config/addrbook.json     whom it knows
//!   HOME/data/ringwire.lock       held while a node runs on this home
//!   HOME/data/ringwire.sock       where a running node is asked how it is
//!   HOME/data/ringwire-gossip-72.numbers  how far its messages are numbered
//! ```
//!
//! The second to the fourth are where config.toml says; these are the defaults.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, Command, FromArgMatches};
use ringwire_codec::NodeKey;
use ringwire_codec::file::{self, NotRegular};
use ringwire_codec::key::KeyFileError;
use tracing::warn;

use crate::config::{LoadedConfig, NodeConfig};
use crate::failure::Failure;
use crate::home_dir::HomeFlag;

/// Bytes of the longest config.toml that is read: a documented one has 6 KB, and lists of peers may
/// make it longer.
const CONFIG_BYTES_MAX: usize = 4 << 20;

/// Mode of a new config.toml, before the umask.
const CONFIG_MODE: u32 = 0o644;

/// Where the node lives.
#[derive(Clone)]
pub(crate) struct Home {
    root: PathBuf,
}

// As the flag of a command. Written out, since the default is no text that clap could hold: it may
// be missing.
impl Args for Home {
    fn augment_args(command: Command) -> Command {
        HomeFlag::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        HomeFlag::augment_args_for_update(command)
    }
}

impl FromArgMatches for Home {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Home, clap::Error> {
        let root = HomeFlag::from_arg_matches(matches)?.place()?;
        Ok(Home { root })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Home::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Home {
    /// The home in this directory.
    pub(crate) fn at(root: PathBuf) -> Home {
        Home { root }
    }

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

    /// The text of the configuration.
    pub(crate) fn config_text(&self) -> Result<String, Failure> {
        let path = self.config_file();
        read_text(&path).map_err(|error| self.cannot_read(&path, &error))
    }

    /// Reads the configuration; what is odd about it is logged, a line each.
    pub(crate) fn load_config(&self) -> Result<LoadedConfig, Failure> {
        let text = self.config_text()?;
        let name = self.config_file().display().to_string();
        let loaded = NodeConfig::from_toml(&name, &text)?;
        for warning in &loaded.warnings {
            warn!("{name}: {warning}");
        }
        Ok(loaded)
    }

    /// Whether something stands in the place of config.toml, in order or not.
    pub(crate) fn has_config(&self) -> bool {
        let found = self.config_file().symlink_metadata();
        !matches!(found, Err(error) if error.kind() == ErrorKind::NotFound)
    }

    /// The configuration, or the defaults where there is none: where the files are.
    pub(crate) fn load_config_or_default(&self) -> Result<NodeConfig, Failure> {
        match self.has_config() {
            true => self.load_config().map(|loaded| loaded.config),
            false => Ok(NodeConfig::default()),
        }
    }

    /// Reads the key that `init` made or that came with a CometBFT home.
    pub(crate) fn load_node_key(&self, config: &NodeConfig) -> Result<NodeKey, Failure> {
        let path = self.file(&config.node_key_file);
        let key = match NodeKey::load(&path) {
            Err(KeyFileError::Missing { .. }) => {
                // The system's own words, and who forgot `init` is told of it.
                let error = fs::metadata(&path).err();
                let error = error.unwrap_or_else(|| io::Error::from(ErrorKind::NotFound));
                return Err(self.cannot_read(&path, &error));
            }
            loaded => loaded?,
        };
        warn_of_readers(&path);
        Ok(key)
    }

    /// The file of the address book, which the node will write over and over.
    ///
    /// # Errors
    /// It is another file of the node, by whatever name.
    pub(crate) fn addr_book(&self, config: &NodeConfig) -> Result<PathBuf, Failure> {
        let book = self.file(&config.addr_book_file);
        let others = [
            ("config.toml", self.config_file()),
            ("node_key_file", self.file(&config.node_key_file)),
            ("genesis_file", self.file(&config.genesis_file)),
            ("the lock of the home", self.data_dir().join(LOCK_FILE)),
        ];
        match others.iter().find(|(_, other)| is_same_file(&book, other)) {
            Some((what, other)) => Err(Failure::new(format!(
                "p2p.addr_book_file: {} is the same file as {what} ({}), and the node would write \
                 over it: name another file, or /dev/null to keep no address book",
                book.display(),
                other.display()
            ))),
            None => Ok(book),
        }
    }

    fn cannot_read(&self, path: &Path, error: &io::Error) -> Failure {
        let mend = match error.kind() {
            ErrorKind::NotFound => {
                format!("run `ringwire init --home {}` first", self.root.display())
            }
            ErrorKind::InvalidData => String::from("save it as UTF-8 text"),
            ErrorKind::FileTooLarge => String::from("is it really a configuration?"),
            _ if NotRegular::in_error(error).is_some() => String::from("put a file in its place"),
            _ => String::from("check that this user may read it"),
        };
        Failure::new(format!("{}: {error}; {mend}", path.display()))
    }
}

/// Name of the file in the data directory that a running node holds.
pub(crate) const LOCK_FILE: &str = "ringwire.lock";

fn read_text(path: &Path) -> io::Result<String> {
    let bytes = file::read_at_most(path, CONFIG_BYTES_MAX)?;
    if bytes.len() > CONFIG_BYTES_MAX {
        let rule = format!("it has more than {CONFIG_BYTES_MAX} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, rule));
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// Bits of a file's mode by which others than its owner read or write it.
const OTHERS: u32 = 0o077;

/// Warns of a secret key that others can read: they could speak in this node's name.
pub(crate) fn warn_of_readers(key_file: &Path) {
    let Ok(mode) = fs::metadata(key_file).map(|found| found.permissions().mode()) else {
        return;
    };
    if mode & OTHERS != 0 {
        let path = key_file.display();
        warn!(
            "{path}: others may read or change the secret key of this node (mode {:04o}); \
             chmod 600 {path}",
            mode & 0o7777
        );
    }
}

/// Whether two names lead to one file, or will once it is written.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => identity(one) == identity(other),
        (Err(_), Err(_)) => match (one.parent(), other.parent()) {
            (Some(here), Some(there)) => {
                let directories = (fs::canonicalize(here), fs::canonicalize(there));
                let is_same = matches!(directories, (Ok(here), Ok(there)) if here == there);
                is_same && one.file_name() == other.file_name()
            }
            _ => false,
        },
        _ => false,
    }
}

/// Puts a text in its place whole or not at all. False if the name was taken: it is never
/// overwritten, not even by two programs at the same instant.
pub(crate) fn create_whole(path: &Path, text: &str) -> io::Result<bool> {
    let created = file::create(path, text.as_bytes(), CONFIG_MODE)?;
    Ok(created.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_of_one_file_are_seen_through_links_and_before_it_exists() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        for name in ["one", "other"] {
            fs::write(path(name), name).expect("room to write");
        }
        std::os::unix::fs::symlink("one", path("soft")).expect("a link");
        fs::hard_link(path("one"), path("hard")).expect("a link");
        for name in ["one", "./one", "soft", "hard"] {
            assert!(is_same_file(&path("one"), &path(name)), "{name}");
        }
        assert!(!is_same_file(&path("one"), &path("other")));
        assert!(!is_same_file(&path("one"), &path("absent")));
        assert!(is_same_file(&path("absent"), &path("./absent")));
        assert!(!is_same_file(&path("absent"), &path("gone")));
    }

    #[test]
    fn a_text_is_created_whole_and_never_overwritten() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("config.toml");
        assert!(create_whole(&path, "first").expect("room to write"));
        assert!(!create_whole(&path, "second").expect("room to write"));
        assert_eq!(fs::read_to_string(&path).expect("the file"), "first");
        assert!(create_whole(&directory.path().join("absent/config.toml"), "text").is_err());
    }

    #[test]
    fn a_configuration_up_to_the_limit_is_read_and_one_byte_more_is_not() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("config.toml");
        fs::write(&path, " ".repeat(CONFIG_BYTES_MAX)).expect("room to write");
        assert!(read_text(&path).is_ok());
        fs::write(&path, " ".repeat(CONFIG_BYTES_MAX + 1)).expect("room to write");
        let refused = read_text(&path).expect_err("it is too long");
        assert_eq!(refused.kind(), ErrorKind::FileTooLarge);
    }
}
