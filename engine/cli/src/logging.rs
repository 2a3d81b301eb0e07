//! Logs on standard error, as much as was asked for.

use std::env;
use std::str::FromStr as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, fmt, reload};

use crate::config::nearest;
use crate::stderr::{self, LogWriter};

/// The levels, from the least to the most.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Parts of this program; a target begins with one of them.
const PARTS: [&str; 3] = ["ringwire", "ringwire_codec", "glommio"];

/// All targets of the first part, in order. A test holds them against the sources.
const TARGETS: [&str; 31] = [
    "ringwire::config::file",
    "ringwire::control::lock",
    "ringwire::control::server",
    "ringwire::genesis",
    "ringwire::gossip",
    "ringwire::gossip::numbers",
    "ringwire::handle",
    "ringwire::handle::address_book",
    "ringwire::handle::builder",
    "ringwire::handle::engine",
    "ringwire::home",
    "ringwire::metrics::server",
    "ringwire::overrides",
    "ringwire::pex",
    "ringwire::reload",
    "ringwire::service",
    "ringwire::shard::launch",
    "ringwire::shard::logging",
    "ringwire::shard::shell",
    "ringwire::shard::signing",
    "ringwire::shard::store",
    "ringwire::signals",
    "ringwire::start::input",
    "ringwire::start::run",
    "ringwire::stderr",
    "ringwire::switch",
    "ringwire::transport::affinity",
    "ringwire::transport::listener",
    "ringwire::transport::listener::unix",
    "ringwire::transport::ring::dispatch",
    "ringwire::transport::ring::refusals",
];

/// What to log and how.
#[derive(Args)]
pub(crate) struct LogArgs {
    /// What to log: a level (error, warn, info, debug, trace, off) or a filter like
    /// "info,ringwire::switch=debug". Without it RUST_LOG decides, else the command.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// How a log line is written.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For eyes.
    Text,
    /// For programs: one JSON object per line.
    Json,
}

/// Who chose the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command.
    Default,
    /// The configuration file.
    File,
    /// The flag, which is for this program alone.
    Flag,
    /// The variable, which other programs read as well.
    Variable,
    /// An order to the running program.
    Order,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Source::Default => "the command",
            Source::File => "config.toml",
            Source::Flag => "--log",
            Source::Variable => "RUST_LOG",
            Source::Order => "the order",
        }
    }
}

/// A filter as it was written, and who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The filter.
    pub(crate) filter: String,
    /// Who chose it.
    pub(crate) source: Source,
}

impl LogArgs {
    /// Starts logging; `default` is the filter of a command that was not told otherwise.
    ///
    /// # Errors
    /// A sentence about a filter that makes no sense.
    pub(crate) fn install(&self, default: &str) -> Result<(), String> {
        let chosen = match (&self.log, env::var_os("RUST_LOG")) {
            (Some(filter), _) => Some((filter.clone(), Source::Flag)),
            (None, Some(filter)) if !filter.is_empty() => {
                let filter = filter.into_string();
                let filter = filter.map_err(|_| String::from("RUST_LOG is not UTF-8 text"))?;
                Some((filter, Source::Variable))
            }
            _ => None,
        };
        let (filter, source) = chosen.unwrap_or_else(|| (default.to_owned(), Source::Default));
        let chosen = Chosen { filter, source };
        let (filter, change) = reload::Layer::new(parse(&chosen.filter, source)?);
        let lines = fmt::layer()
            .with_writer(LogWriter)
            .with_ansi(stderr::is_terminal());
        let registry = tracing_subscriber::registry().with(filter);
        match self.log_format {
            LogFormat::Text => registry.with(lines).init(),
            LogFormat::Json => registry.with(lines.json()).init(),
        }
        let logging = Logging {
            change,
            at_start: chosen.clone(),
            now: Mutex::new(chosen),
        };
        // Called once, at the start of the program.
        let _ = LOGGING.set(logging);
        Ok(())
    }
}

/// How the filter is changed while the program runs.
struct Logging {
    change: reload::Handle<EnvFilter, Registry>,
    at_start: Chosen,
    now: Mutex<Chosen>,
}

static LOGGING: OnceLock<Logging> = OnceLock::new();

impl Logging {
    fn choose(&self, chosen: Chosen) -> Result<(), String> {
        let filter = parse(&chosen.filter, chosen.source)?;
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != chosen {
            let reloaded = self.change.reload(filter);
            reloaded.map_err(|error| error.to_string())?;
            *now = chosen;
        }
        Ok(())
    }
}

/// Logs by another filter from now on, until the configuration is read again.
///
/// # Errors
/// A sentence about a filter that makes no sense.
pub(crate) fn set_filter(filter: &str) -> Result<(), String> {
    let logging = LOGGING.get().ok_or("nothing is logged yet")?;
    logging.choose(Chosen {
        filter: filter.to_owned(),
        source: Source::Order,
    })
}

/// Logs as the configuration file says, from now on: unless it says nothing, or whoever started the
/// program did.
///
/// # Errors
/// A sentence about a filter that makes no sense.
pub(crate) fn follow_file(filter: &str) -> Result<(), String> {
    let logging = LOGGING.get().ok_or("nothing is logged yet")?;
    let is_told = logging.at_start.source != Source::Default || filter.is_empty();
    logging.choose(match is_told {
        true => logging.at_start.clone(),
        false => Chosen {
            filter: filter.to_owned(),
            source: Source::File,
        },
    })
}

/// The filter by which is logged now; none before anything is logged.
pub(crate) fn chosen() -> Option<Chosen> {
    let logging = LOGGING.get()?;
    let now = logging.now.lock().unwrap_or_else(PoisonError::into_inner);
    Some(now.clone())
}

/// Checks a filter of the configuration file.
///
/// # Errors
/// A sentence about one that makes no sense.
pub(crate) fn check(filter: &str) -> Result<(), String> {
    parse(filter, Source::File).map(drop)
}

/// Reads a filter. A word that is neither a level nor a part of the program would be taken for a
/// part that logs nothing, and silence everything: it is an error.
fn parse(filter: &str, source: Source) -> Result<EnvFilter, String> {
    let about = |fault: String| format!("the filter \"{filter}\" of {}: {fault}", source.name());
    // A filter of spans may have commas of its own; it is left to the parser.
    if filter.contains('[') {
        return EnvFilter::try_new(filter).map_err(|error| about(error.to_string()));
    }
    let words = filter.split(',').map(str::trim);
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    for word in &words {
        check_word(word, source).map_err(about)?;
    }
    EnvFilter::try_new(words.join(",")).map_err(|error| about(error.to_string()))
}

/// Checks `level`, `target` or `target=level`.
fn check_word(word: &str, source: Source) -> Result<(), String> {
    match word.split_once('=') {
        Some((_, level)) if !is_level(level) => {
            let hint = hint(nearest_level(level));
            Err(format!(
                "\"{level}\" is no level ({}){hint}",
                LEVELS.join(", ")
            ))
        }
        Some((target, _)) => check_target(target, source),
        None if is_level(word) => Ok(()),
        None => check_target(word, source),
    }
}

fn is_level(word: &str) -> bool {
    LevelFilter::from_str(word).is_ok()
}

fn check_target(target: &str, source: Source) -> Result<(), String> {
    // A target that is asked for takes all that begin with it.
    let begins_one = |known: &[&str]| known.iter().any(|known| known.starts_with(target));
    let is_within = |part: &str| {
        let rest = target.strip_prefix(part);
        rest.is_some_and(|rest| rest.starts_with("::"))
    };
    let [first, others @ ..] = PARTS;
    if begins_one(&PARTS) || begins_one(&TARGETS) || others.into_iter().any(is_within) {
        return Ok(());
    }
    if is_within(first) {
        let rooms = rooms();
        let named = second_name(target);
        let meant = nearest(named, rooms.iter().copied().map(second_name));
        let meant = rooms.iter().find(|room| Some(second_name(room)) == meant);
        return Err(format!(
            "\"{target}\" is no part of this program that logs ({}){}",
            rooms.join(", "),
            hint(meant.copied())
        ));
    }
    let meant = nearest_level(target).or_else(|| nearest(target, PARTS));
    // The variable may name parts of other programs, which are nothing to us.
    if source == Source::Variable && meant.is_none() {
        return Ok(());
    }
    Err(format!(
        "\"{target}\" is neither a level ({}) nor a part of this program ({}){}",
        LEVELS.join(", "),
        PARTS.join(", "),
        hint(meant)
    ))
}

fn second_name(target: &str) -> &str {
    target.split("::").nth(1).unwrap_or_default()
}

/// The targets as far as their second name.
fn rooms() -> Vec<&'static str> {
    let room = |target: &'static str| {
        let mut ends = target.match_indices("::").map(|(at, _)| at);
        &target[..ends.nth(1).unwrap_or(target.len())]
    };
    let mut rooms: Vec<_> = TARGETS.into_iter().map(room).collect();
    rooms.dedup();
    rooms
}

/// The level that was meant: the one that begins so, or is nearest.
fn nearest_level(word: &str) -> Option<&'static str> {
    let begins = |level: &&str| !word.is_empty() && level.starts_with(&word.to_lowercase());
    LEVELS
        .into_iter()
        .find(begins)
        .or_else(|| nearest(word, LEVELS))
}

fn hint(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("; did you mean \"{meant}\"?"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn fault(filter: &str, source: Source) -> Option<String> {
        parse(filter, source).err()
    }

    #[test]
    fn levels_and_parts_of_the_program_are_taken() {
        for filter in [
            "warn",
            "WARN",
            "3",
            "off",
            "ringwire",
            "ringwire=debug",
            "info,ringwire::switch=debug",
            "warn, ringwire_codec=trace",
            "glommio::executor=off",
            "ringwire::transport=trace,ringwire::shard::store",
            "ring=debug",
            "",
            "[peer{id=7}]=trace",
        ] {
            assert_eq!(fault(filter, Source::Flag), None, "{filter}");
        }
    }

    #[test]
    fn a_mistyped_level_is_refused_with_the_levels_and_the_nearest() {
        for (filter, meant) in [
            ("warning", "warn"),
            ("err", "error"),
            ("inof", "info"),
            ("Debg", "debug"),
            ("info,traec", "trace"),
            ("ringwire=debgu", "debug"),
        ] {
            for source in [Source::Flag, Source::Variable] {
                let said = fault(filter, source).expect("it is refused");
                let wanted = format!("did you mean \"{meant}\"?");
                assert!(said.contains(&wanted), "{said}");
                assert!(
                    said.contains("(off, error, warn, info, debug, trace)"),
                    "{said}"
                );
                assert!(said.contains(source.name()), "{said}");
            }
        }
        let said = fault("loud", Source::Flag).expect("it is refused");
        assert!(
            said.contains("nor a part of this program") && !said.contains("mean"),
            "{said}"
        );
    }

    #[test]
    fn a_part_that_logs_nothing_is_refused_with_those_that_do() {
        for source in [Source::Flag, Source::Variable, Source::Order] {
            let said = fault("ringwire::nonexistent=debug", source).expect("it is refused");
            assert!(said.contains("ringwire::pex, ringwire::reload, "), "{said}");
            assert!(
                !said.contains("mean") && !said.contains("::shard::"),
                "{said}"
            );
            let said = fault("info,ringwire::swich=debug", source).expect("it is refused");
            assert!(
                said.contains("did you mean \"ringwire::switch\"?"),
                "{said}"
            );
            assert!(fault("ringwire::switch::turn=debug", source).is_some());
            assert_eq!(
                fault("ringwire::sh,ringwire::transport::ring=warn", source),
                None
            );
        }
    }

    #[test]
    fn the_targets_that_are_known_are_those_of_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut found = BTreeSet::new();
        for (folder, name) in [
            ("engine/cli/src", "ringwire"),
            ("engine/ringwire/src", "ringwire"),
            ("engine/core/src", "ringwire_core"),
            ("engine/gossip/src", "ringwire_gossip"),
            ("engine/sync/src", "ringwire_sync"),
            ("codec/src", "ringwire_codec"),
        ] {
            targets_below(&root.join(folder), name, &mut found);
        }
        let known: BTreeSet<_> = TARGETS.into_iter().map(String::from).collect();
        assert_eq!(found, known);
        assert!(TARGETS.is_sorted(), "the rooms are told once each");
    }

    /// The targets of all that is logged by the sources below a folder, whose module is `module`.
    fn targets_below(folder: &Path, module: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("a name").path();
            let name = path.file_stem().and_then(|name| name.to_str());
            let name = name.expect("a plain name");
            let module = match name {
                "mod" | "lib" | "main" => module.to_owned(),
                name => format!("{module}::{name}"),
            };
            if path.is_dir() {
                targets_below(&path, &module, found);
            } else {
                let text = fs::read_to_string(&path).expect("a source");
                found.extend(targets_in(&text, &module));
            }
        }
    }

    /// The targets in a text: those that are named, or the module's.
    fn targets_in<'t>(text: &'t str, module: &'t str) -> impl Iterator<Item = String> + 't {
        let calls = LEVELS[1..].iter().flat_map(|level| {
            let plain = text.split(&format!("{level}!(")).collect::<Vec<_>>();
            let spans = text.split(&format!("{level}_span!(")).collect::<Vec<_>>();
            [plain, spans].into_iter().flat_map(|parts| {
                let ends = parts.clone().into_iter().zip(parts.into_iter().skip(1));
                let is_call = |(before, _): &(&str, &str)| {
                    !before.ends_with(|sign: char| sign.is_alphanumeric() || sign == '_')
                };
                ends.filter(is_call).map(|(_, after)| after.trim_start())
            })
        });
        calls.map(
            move |arguments| match arguments.strip_prefix("target: \"") {
                Some(named) => named.split('"').next().unwrap_or_default().to_owned(),
                None => module.to_owned(),
            },
        )
    }

    #[test]
    fn the_flag_knows_this_program_only_and_the_variable_others_too() {
        for filter in ["hyper=debug,info", "tokio"] {
            assert!(fault(filter, Source::Flag).is_some(), "{filter}");
            assert_eq!(fault(filter, Source::Variable), None, "{filter}");
        }
        let said = fault("ringwires::pex=debug", Source::Flag).expect("it is refused");
        assert!(said.contains("ringwire"), "{said}");
    }
}
