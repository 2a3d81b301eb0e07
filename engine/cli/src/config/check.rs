//! The rules of what only the program reads; the engine's are with its configuration.

use std::time::Duration;

use ringwire::error::ConfigError;
use ringwire_core::config::rule::{refuse, refuse_against, within, within_times};

use super::NodeConfig;
use crate::logging;

/// Smallest backlog of gossip per peer: several of the program's largest messages (1 MiB).
const GOSSIP_BACKLOG_BYTES_MIN: usize = 4 << 20;

/// Largest backlog of gossip per peer: more is no delay but a loss of memory.
const GOSSIP_BACKLOG_BYTES_MAX: usize = 1 << 30;

/// Largest budget for all gossip that waits: more than machines have.
const GOSSIP_BUDGET_BYTES_MAX: usize = 1 << 40;

/// Fewest ids of messages that are remembered: fewer than are under way would come twice.
const GOSSIP_SEEN_MIN: usize = 1 << 10;

/// Most ids of messages that are remembered: about 1.6 GB.
const GOSSIP_SEEN_MAX: usize = 1 << 24;

/// Shortest memory of ids: a message must have reached everybody before it is forgotten.
const GOSSIP_SEEN_SPAN_MIN: Duration = Duration::from_secs(10);

/// Longest memory of ids.
const GOSSIP_SEEN_SPAN_MAX: Duration = Duration::from_secs(24 * 3600);

impl NodeConfig {
    /// Checks every rule.
    ///
    /// # Errors
    /// The first rule broken, with the key it concerns and how to mend it.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// All rules broken, the engine's first.
    pub(super) fn problems(&self) -> Vec<ConfigError> {
        let mut problems = self.engine.problems();
        self.check_files(&mut problems);
        self.check_gossip(&mut problems);
        self.check_log(&mut problems);
        problems
    }

    /// The rules of names of files that can be seen without a look at the disk.
    fn check_files(&self, problems: &mut Vec<ConfigError>) {
        let files = [
            ("genesis_file", &self.genesis_file),
            ("node_key_file", &self.node_key_file),
            ("p2p.addr_book_file", &self.addr_book_file),
        ];
        for (number, (key, file)) in files.into_iter().enumerate() {
            if file.trim().is_empty() {
                refuse(
                    problems,
                    key,
                    "must name a file; take the line out for the default",
                );
            } else if let Some((other, _)) = files[..number].iter().find(|(_, it)| *it == file) {
                let rule = format!("names the same file as {other}: give each a file of its own");
                refuse_against(problems, key, other, rule);
            }
        }
    }

    /// What is logged is read by the rules of `--log`.
    fn check_log(&self, problems: &mut Vec<ConfigError>) {
        if let Err(rule) = logging::check(&self.log) {
            refuse(problems, "ringwire.log", rule);
        }
    }

    fn check_gossip(&self, problems: &mut Vec<ConfigError>) {
        within(
            problems,
            "ringwire.gossip_budget_bytes",
            self.gossip_budget_bytes,
            GOSSIP_BACKLOG_BYTES_MIN..=GOSSIP_BUDGET_BYTES_MAX,
        );
        within(
            problems,
            "ringwire.gossip_backlog_bytes_max",
            self.gossip_backlog_bytes_max,
            GOSSIP_BACKLOG_BYTES_MIN..=GOSSIP_BACKLOG_BYTES_MAX,
        );
        within(
            problems,
            "ringwire.gossip_seen_max",
            self.gossip_seen_max,
            GOSSIP_SEEN_MIN..=GOSSIP_SEEN_MAX,
        );
        within_times(
            problems,
            "ringwire.gossip_seen_span",
            self.gossip_seen_span,
            GOSSIP_SEEN_SPAN_MIN..=GOSSIP_SEEN_SPAN_MAX,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that `change` makes faulty.
    fn faults(change: impl FnOnce(&mut NodeConfig)) -> Vec<&'static str> {
        let mut config = NodeConfig::default();
        change(&mut config);
        let problems = config.problems();
        problems.into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn the_defaults_keep_every_rule() {
        assert_eq!(NodeConfig::default().check(), Ok(()));
    }

    #[test]
    fn files_have_a_name_each_and_no_two_the_same() {
        for empty in ["", " "] {
            let empty = || String::from(empty);
            assert_eq!(faults(|c| c.genesis_file = empty()), ["genesis_file"]);
            assert_eq!(faults(|c| c.node_key_file = empty()), ["node_key_file"]);
            let key = "p2p.addr_book_file";
            assert_eq!(faults(|c| c.addr_book_file = empty()), [key]);
        }
        assert!(faults(|c| c.addr_book_file = String::from("b")).is_empty());
        let book_is_key = |c: &mut NodeConfig| c.addr_book_file.clone_from(&c.node_key_file);
        assert_eq!(faults(book_is_key), ["p2p.addr_book_file"]);
        let key_is_genesis = |c: &mut NodeConfig| c.node_key_file.clone_from(&c.genesis_file);
        assert_eq!(faults(key_is_genesis), ["node_key_file"]);
    }

    #[test]
    fn what_is_logged_is_a_filter_or_nothing() {
        for fine in ["", "debug", "info,ringwire::pex=trace"] {
            assert!(faults(|c| c.log = String::from(fine)).is_empty(), "{fine}");
        }
        assert_eq!(faults(|c| c.log = String::from("inof")), ["ringwire.log"]);
    }

    #[test]
    fn budgets_of_gossip_hold_at_both_ends() {
        let key = "ringwire.gossip_backlog_bytes_max";
        for (edge, beyond) in [
            (GOSSIP_BACKLOG_BYTES_MIN, GOSSIP_BACKLOG_BYTES_MIN - 1),
            (GOSSIP_BACKLOG_BYTES_MAX, GOSSIP_BACKLOG_BYTES_MAX + 1),
        ] {
            assert!(faults(|c| c.gossip_backlog_bytes_max = edge).is_empty());
            assert_eq!(faults(|c| c.gossip_backlog_bytes_max = beyond), [key]);
        }
        for (edge, beyond) in [
            (GOSSIP_BACKLOG_BYTES_MIN, GOSSIP_BACKLOG_BYTES_MIN - 1),
            (GOSSIP_BUDGET_BYTES_MAX, GOSSIP_BUDGET_BYTES_MAX + 1),
        ] {
            assert!(faults(|c| c.gossip_budget_bytes = edge).is_empty());
            assert_eq!(
                faults(|c| c.gossip_budget_bytes = beyond),
                ["ringwire.gossip_budget_bytes"]
            );
        }
        for (edge, beyond) in [
            (GOSSIP_SEEN_MIN, GOSSIP_SEEN_MIN - 1),
            (GOSSIP_SEEN_MAX, GOSSIP_SEEN_MAX + 1),
        ] {
            assert!(faults(|c| c.gossip_seen_max = edge).is_empty());
            assert_eq!(
                faults(|c| c.gossip_seen_max = beyond),
                ["ringwire.gossip_seen_max"]
            );
        }
        let nano = Duration::from_nanos(1);
        for (edge, beyond) in [
            (GOSSIP_SEEN_SPAN_MIN, GOSSIP_SEEN_SPAN_MIN - nano),
            (GOSSIP_SEEN_SPAN_MAX, GOSSIP_SEEN_SPAN_MAX + nano),
        ] {
            assert!(faults(|c| c.gossip_seen_span = edge).is_empty());
            assert_eq!(
                faults(|c| c.gossip_seen_span = beyond),
                ["ringwire.gossip_seen_span"]
            );
        }
    }
}
