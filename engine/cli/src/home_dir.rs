//! Where a home is: `--home`, else `RINGWIRE_HOME`, else `~/.ringwire`.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::error::ErrorKind;

/// The variable that names the home where no flag does.
const VARIABLE: &str = "RINGWIRE_HOME";

/// Name of the home in the directory of its user where neither does.
const DEFAULT_NAME: &str = ".ringwire";

/// The flag of every command that works on a home.
#[derive(Args, Clone)]
pub(crate) struct HomeFlag {
    /// Directory of the node: DIR/config/config.toml and the files it names. Without it
    /// RINGWIRE_HOME says where, else it is ~/.ringwire.
    // Also behind the word of a command that has several, as `config check --home DIR`.
    #[arg(long, value_name = "DIR", global = true)]
    home: Option<PathBuf>,
}

impl HomeFlag {
    /// The home that was named, or the default one.
    ///
    /// # Errors
    /// There is neither.
    pub(crate) fn place(self) -> Result<PathBuf, clap::Error> {
        let place = self.home.or_else(named).or_else(default_place);
        place.ok_or_else(|| {
            clap::Error::raw(
                ErrorKind::MissingRequiredArgument,
                "which home? This user has no home directory, so there is no ~/.ringwire: give \
                 --home DIR, or set RINGWIRE_HOME",
            )
        })
    }
}

/// The home that the variable names.
pub(crate) fn named() -> Option<PathBuf> {
    named_by(env::var_os(VARIABLE))
}

/// A variable that is there and empty is as good as none, as everywhere in a shell.
fn named_by(value: Option<OsString>) -> Option<PathBuf> {
    value.filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The home of a user who named none.
fn default_place() -> Option<PathBuf> {
    within(&env::home_dir()?)
}

/// A name that is not absolute would lead somewhere else with each directory the program is called in.
fn within(user: &Path) -> Option<PathBuf> {
    user.is_absolute().then(|| user.join(DEFAULT_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_home_lies_in_that_of_the_user_or_nowhere() {
        let home = |user: &str| within(Path::new(user));
        assert_eq!(home("/home/ann"), Some("/home/ann/.ringwire".into()));
        assert_eq!(home("/"), Some("/.ringwire".into()));
        assert_eq!(home("ann"), None);
        assert_eq!(home(""), None);
    }

    #[test]
    fn a_variable_names_a_home_unless_it_is_empty() {
        assert_eq!(named_by(Some("a".into())), Some("a".into()));
        assert_eq!(named_by(Some(OsString::new())), None);
        assert_eq!(named_by(None), None);
    }

    #[test]
    fn a_home_that_was_named_is_taken_as_it_is() {
        let flag = HomeFlag {
            home: Some("a".into()),
        };
        assert_eq!(flag.place().expect("it was named"), Path::new("a"));
    }
}
