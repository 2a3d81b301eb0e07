//! What a seed has to show for itself, and how it is shown: a live line for eyes, a line now and
//! then for files, objects for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use ringwire::Handle;
use ringwire::metrics::ShardStatus;
use serde_json::json;

use crate::book::Counts;
use crate::console;
use crate::failure::Failure;
use crate::node;
use crate::table::span;
use crate::{stderr, terminal};

/// Pause between two looks of eyes.
const LIVE_INTERVAL: Duration = Duration::from_secs(2);

/// Connections that did not become peers, by reason; those that there were.
#[derive(Clone, Debug, Default, PartialEq)]
struct Refused(BTreeMap<&'static str, u64>);

impl Refused {
    /// Adds up what the shards have counted.
    fn of(shards: &[ShardStatus]) -> Refused {
        let mut refused = BTreeMap::new();
        for shard in shards {
            for (reason, count) in shard.metrics.refusals.by_reason() {
                *refused.entry(reason).or_default() += count;
            }
        }
        refused.retain(|_, count| *count > 0);
        Refused(refused)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_reason = |(reason, count): (&&str, &u64)| format!("{count} {reason}");
        let all: Vec<_> = self.0.iter().map(of_reason).collect();
        match all.is_empty() {
            true => f.write_str("nobody refused"),
            false => write!(f, "refused: {}", all.join(", ")),
        }
    }
}

/// A seed as of now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    uptime: Duration,
    known: Counts,
    peers: usize,
    requests: u64,
    answers: u64,
    refused: Refused,
}

impl Figures {
    /// Asks the node, which has run for `uptime`.
    fn of(handle: &Handle, uptime: Duration) -> Figures {
        let shards = handle.counters_blocking();
        Figures {
            uptime,
            known: Counts {
                old: addresses(&shards, "pex_addresses_old"),
                new: addresses(&shards, "pex_addresses_new"),
                banned: addresses(&shards, "pex_addresses_banned"),
            },
            peers: handle.peer_count(),
            requests: node::figure_of(&shards, "pex_requests_received"),
            answers: node::figure_of(&shards, "pex_answers_sent"),
            refused: Refused::of(&shards),
        }
    }

    fn to_json(&self) -> String {
        let object = json!({
            "uptime_seconds": self.uptime.as_secs_f64(),
            "known_new": self.known.new,
            "known_old": self.known.old,
            "banned": self.known.banned,
            "peers": self.peers,
            "requests": self.requests,
            "answers": self.answers,
            "refused": self.refused.0,
        });
        object.to_string()
    }
}

fn addresses(shards: &[ShardStatus], figure: &str) -> usize {
    usize::try_from(node::figure_of(shards, figure)).unwrap_or(usize::MAX)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "up {}: knows {} new, {} old, {} banned; {} peers now; {} requests, {} answered; {}",
            span(self.uptime.as_secs_f64()),
            self.known.new,
            self.known.old,
            self.known.banned,
            self.peers,
            self.requests,
            self.answers,
            self.refused
        )
    }
}

/// Shows the figures again and again.
pub(super) struct Display {
    shown: Shown,
    began: Instant,
    next: Instant,
    every: Duration,
}

enum Shown {
    Line(ProgressBar),
    Lines,
    Objects,
}

impl Display {
    /// Objects on standard output if `json`; else, on standard error, a live line on a terminal and
    /// a line every so often elsewhere.
    pub(super) fn new(json: bool, every: Duration) -> Self {
        let shown = match json {
            true => Shown::Objects,
            false if stderr::is_terminal() => Shown::Line(live_line()),
            false => Shown::Lines,
        };
        let every = match shown {
            Shown::Line(_) => LIVE_INTERVAL,
            _ => every,
        };
        let now = Instant::now();
        Display {
            shown,
            began: now,
            next: now,
            every,
        }
    }

    /// Shows the figures of `handle`'s node if it is time.
    pub(super) fn update(&mut self, handle: &Handle) -> Result<(), Failure> {
        let now = Instant::now();
        if now < self.next {
            return Ok(());
        }
        self.next = now + self.every;
        self.show(Figures::of(handle, now - self.began))
    }

    fn show(&self, figures: Figures) -> Result<(), Failure> {
        match &self.shown {
            Shown::Line(bar) => bar.set_message(figures.to_string()),
            Shown::Lines => stderr::say(&figures.to_string()),
            Shown::Objects => console::print(&figures.to_json())?,
        }
        Ok(())
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Shown::Line(bar) = &self.shown {
            // The last figures stay on the screen.
            bar.abandon();
        }
    }
}

fn live_line() -> ProgressBar {
    let bar = terminal::progress_bar();
    let style = ProgressStyle::with_template("{wide_msg}");
    bar.set_style(style.expect("the template names only a known key"));
    bar
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn eyes_and_programs_are_told_the_same() {
        let figures = Figures {
            uptime: Duration::from_secs(61),
            known: Counts {
                new: 1,
                old: 2,
                banned: 3,
            },
            peers: 4,
            requests: 6,
            answers: 5,
            refused: Refused([("crowded", 7), ("full", 1)].into()),
        };
        assert_eq!(
            figures.to_string(),
            "up 1m01s: knows 1 new, 2 old, 3 banned; 4 peers now; 6 requests, 5 answered; \
             refused: 7 crowded, 1 full"
        );
        assert!(Figures::default().to_string().ends_with("; nobody refused"));
        let object: Value = serde_json::from_str(&figures.to_json()).expect("an object");
        assert_eq!(object["known_old"], 2);
        assert_eq!(object["answers"], 5);
        assert_eq!(object["refused"]["crowded"], 7);
    }
}
