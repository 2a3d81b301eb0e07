//! Where the value of each setting came from.

use std::collections::BTreeMap;
use std::fmt;

/// Where a value came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody said anything.
    #[default]
    Default,
    /// A seed's default in place of a node's.
    Seed,
    /// The configuration file, from 1 on.
    File {
        /// Line of the file.
        line: usize,
    },
    /// The genesis, which names the network.
    Genesis,
    /// A variable of the environment, by its name.
    Variable(&'static str),
    /// A flag, by its name, or the command itself.
    Flag(&'static str),
    /// An order to the running node.
    Order,
}

impl Source {
    /// In one word, for programs.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Source::Default => "default",
            Source::Seed => "seed default",
            Source::File { .. } => "config.toml",
            Source::Genesis => "genesis",
            Source::Variable(_) => "environment",
            Source::Flag(_) => "flag",
            Source::Order => "order",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Source::File { line } => write!(f, ":{line}"),
            Source::Variable(name) | Source::Flag(name) => write!(f, " {name}"),
            _ => Ok(()),
        }
    }
}

/// Where each setting of a node came from, by its key with its section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources(BTreeMap<String, Source>);

impl Sources {
    /// Notes where the value that holds came from.
    pub(crate) fn note(&mut self, key: impl Into<String>, source: Source) {
        self.0.insert(key.into(), source);
    }

    /// Where a value came from.
    pub(crate) fn of(&self, key: &str) -> Source {
        self.0.get(key).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_key_is_its_source_and_nobodys_word_is_the_default() {
        let mut sources = Sources::default();
        sources.note("p2p.seeds", Source::File { line: 7 });
        assert_eq!(sources.of("p2p.seeds").to_string(), "config.toml:7");
        sources.note("p2p.seeds", Source::Flag("--seeds"));
        assert_eq!(sources.of("p2p.seeds").to_string(), "flag --seeds");
        assert_eq!(sources.of("p2p.pex"), Source::Default);
    }
}
