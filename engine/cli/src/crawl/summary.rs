//! What a crawl came to, for eyes and for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringwire_codec::NodeId;
use ringwire_core::pex::Timestamp;
use serde_json::{Value, json};

use super::map::{Map, Place};
use crate::table::{Align, Table, number_of};
use crate::visit::harmless;

/// Upper ends of the classes of round trips, in milliseconds; the last class has none.
const ROUND_TRIPS: [u64; 6] = [10, 25, 50, 100, 200, 400];
/// Upper ends of the classes of ages, in seconds, and their names.
const AGES: [(u64, &str); 4] = [
    (3_600, "an hour"),
    (86_400, "a day"),
    (604_800, "a week"),
    (2_592_000, "30 days"),
];
/// Rows of versions that are shown; the others are summed up.
const VERSIONS_MAX: usize = 15;
/// Characters of the longest bar.
const BAR_CHARS: usize = 40;

/// Figures of a map at one time.
pub(super) struct Summary {
    chain: Option<String>,
    known: usize,
    visited: usize,
    /// Nodes, each once, however many addresses lead to it.
    reachable: usize,
    other_chains: usize,
    answer_pex: usize,
    untaken: u64,
    /// Reachable nodes of the chain, by version.
    versions: BTreeMap<String, usize>,
    /// The same by round trip, then those above the last class.
    round_trips: [usize; ROUND_TRIPS.len() + 1],
    /// The same by how long ago they were first heard of.
    ages: [usize; AGES.len() + 1],
}

impl Summary {
    /// Counts the nodes of `chain` in a map.
    pub(super) fn new(map: &Map, chain: Option<&str>, now: Timestamp) -> Self {
        let mut summary = Summary {
            chain: chain.map(str::to_owned),
            known: map.len(),
            visited: 0,
            reachable: 0,
            other_chains: 0,
            answer_pex: 0,
            untaken: map.untaken(),
            versions: BTreeMap::new(),
            round_trips: [0; ROUND_TRIPS.len() + 1],
            ages: [0; AGES.len() + 1],
        };
        let mut counted = BTreeSet::new();
        for (_, place) in map.places() {
            summary.count(place, now, &mut counted);
        }
        summary
    }

    fn count(&mut self, place: &Place, now: Timestamp, counted: &mut BTreeSet<NodeId>) {
        let Some(found) = &place.found else { return };
        self.visited += 1;
        if found.chain.is_some() && found.chain != self.chain {
            self.other_chains += 1;
            return;
        }
        let is_new = |id| counted.insert(id);
        if !found.reachable || !found.id.is_none_or(is_new) {
            return;
        }
        self.reachable += 1;
        self.answer_pex += usize::from(found.answers_pex);
        let version = found.version.as_deref().unwrap_or_default();
        *self.versions.entry(harmless(version, 30)).or_default() += 1;
        if let Some(round_trip) = found.round_trip {
            self.round_trips[class(round_trip, ROUND_TRIPS.map(Duration::from_millis))] += 1;
        }
        let ages = AGES.map(|(seconds, _)| Duration::from_secs(seconds));
        self.ages[class(now - place.first_heard, ages)] += 1;
    }

    /// As one object.
    pub(super) fn to_json(&self) -> Value {
        let bounded = |counts: &[usize], ends: Vec<f64>| -> Value {
            let ends = ends.into_iter().map(Some).chain([None]);
            let classes = counts.iter().zip(ends);
            classes
                .map(|(nodes, end)| json!({ "below_seconds": end, "nodes": nodes }))
                .collect()
        };
        json!({
            "event": "summary",
            "chain": self.chain,
            "known": self.known,
            "visited": self.visited,
            "reachable": self.reachable,
            "of_other_chains": self.other_chains,
            "answer_pex": self.answer_pex,
            "not_taken": self.untaken,
            "versions": self.versions,
            "round_trips": bounded(
                &self.round_trips,
                ROUND_TRIPS.iter().map(|millis| *millis as f64 / 1e3).collect(),
            ),
            "first_heard": bounded(
                &self.ages,
                AGES.iter().map(|(seconds, _)| *seconds as f64).collect(),
            ),
        })
    }

    /// As text, without the last newline.
    pub(super) fn to_text(&self) -> String {
        let chain = match &self.chain {
            Some(chain) => format!("chain {}", harmless(chain, 60)),
            None => String::from("no chain found"),
        };
        let mut lines = vec![format!(
            "{chain}: {} known, {} visited, {} reachable, {} of them say whom they know, {} of other chains",
            number_of(self.known, "address"),
            self.visited,
            self.reachable,
            self.answer_pex,
            self.other_chains,
        )];
        if self.untaken > 0 {
            lines.push(format!(
                "{} not taken: the map is full, --nodes makes it larger",
                number_of(
                    usize::try_from(self.untaken).unwrap_or(usize::MAX),
                    "address"
                ),
            ));
        }
        if self.reachable > 0 {
            lines.push(String::new());
            lines.extend(bars("VERSION", &self.version_rows()));
            lines.push(String::new());
            let names = ROUND_TRIPS.map(|millis| format!("below {millis} ms"));
            lines.extend(bars(
                "ROUND TRIP",
                &rows(names, "400 ms and more", &self.round_trips),
            ));
            lines.push(String::new());
            let names = AGES.map(|(_, name)| format!("within {name}"));
            lines.extend(bars(
                "FIRST HEARD OF",
                &rows(names, "longer ago", &self.ages),
            ));
        }
        lines.join("\n")
    }

    /// The commonest first; what does not fit is one row.
    fn version_rows(&self) -> Vec<(String, usize)> {
        let mut rows: Vec<_> = self.versions.clone().into_iter().collect();
        rows.sort_by_key(|(_, nodes)| std::cmp::Reverse(*nodes));
        if rows.len() > VERSIONS_MAX {
            let others: usize = rows[VERSIONS_MAX..].iter().map(|(_, nodes)| nodes).sum();
            rows.truncate(VERSIONS_MAX);
            rows.push((String::from("others"), others));
        }
        rows
    }
}

/// The first class whose end lies above `span`.
fn class<const N: usize>(span: Duration, ends: [Duration; N]) -> usize {
    ends.iter().position(|end| span < *end).unwrap_or(N)
}

fn rows<const N: usize>(names: [String; N], last: &str, counts: &[usize]) -> Vec<(String, usize)> {
    let names = names.into_iter().chain([String::from(last)]);
    names.zip(counts.iter().copied()).collect()
}

fn bars(head: &'static str, rows: &[(String, usize)]) -> Vec<String> {
    let most = rows
        .iter()
        .map(|(_, nodes)| *nodes)
        .max()
        .unwrap_or(0)
        .max(1);
    let mut table = Table::new([
        (head, Align::Left),
        ("NODES", Align::Right),
        ("", Align::Left),
    ]);
    for (name, nodes) in rows {
        let bar = "#".repeat((nodes * BAR_CHARS).div_ceil(most));
        table.push([name.clone(), nodes.to_string(), bar]);
    }
    table.lines()
}

#[cfg(test)]
mod tests {
    use super::super::map::Found;
    use super::*;

    fn map() -> Map {
        let mut map = Map::new(Duration::from_secs(60), 10);
        let visits = [
            ("192.0.2.1:1", Some("a-1"), true, 24),
            ("192.0.2.2:1", Some("a-1"), true, 25),
            ("192.0.2.3:1", Some("b-1"), true, 1),
            ("192.0.2.4:1", None, false, 1),
        ];
        for (target, chain, reachable, millis) in visits {
            let found = Found {
                id: None,
                chain: chain.map(str::to_owned),
                version: Some(String::from("0.38")),
                reachable,
                answers_pex: reachable,
                round_trip: Some(Duration::from_millis(millis)),
            };
            let target = target.parse().expect("an address");
            map.visited(&target, found, Timestamp::from_unix_nanos(1));
        }
        map
    }

    #[test]
    fn nodes_of_the_chain_that_were_reached_are_counted_by_class() {
        let now = Timestamp::from_unix_nanos(1) + Duration::from_secs(3_600);
        let summary = Summary::new(&map(), Some("a-1"), now).to_json();
        assert_eq!(summary["known"], 4);
        assert_eq!(summary["reachable"], 2);
        assert_eq!(summary["of_other_chains"], 1);
        assert_eq!(summary["versions"], json!({ "0.38": 2 }));
        // Both sides of an edge: 25 ms is not below 25 ms, an hour is not within an hour.
        assert_eq!(summary["round_trips"][1]["nodes"], 1);
        assert_eq!(summary["round_trips"][2]["nodes"], 1);
        assert_eq!(summary["first_heard"][1]["nodes"], 2);
    }

    #[test]
    fn a_node_of_two_addresses_is_one_node() {
        let mut map = map();
        let mut places = map.places();
        let found = places.next().and_then(|(_, place)| place.found.clone());
        drop(places);
        let id = "1".repeat(40).parse().expect("an id");
        for target in ["192.0.2.5:1", "192.0.2.6:1"] {
            let found = Found {
                id: Some(id),
                ..found.clone().expect("the first of them was visited")
            };
            let target = target.parse().expect("an address");
            map.visited(&target, found, Timestamp::from_unix_nanos(1));
        }
        let summary = Summary::new(&map, Some("a-1"), Timestamp::from_unix_nanos(1)).to_json();
        assert_eq!(
            (
                &summary["known"],
                &summary["visited"],
                &summary["reachable"]
            ),
            (&6.into(), &6.into(), &3.into())
        );
        assert_eq!(summary["versions"], json!({ "0.38": 3 }));
    }

    #[test]
    fn the_text_has_a_bar_for_each_class() {
        let summary = Summary::new(&map(), Some("a-1"), Timestamp::from_unix_nanos(1)).to_text();
        assert!(
            summary.starts_with("chain a-1: 4 addresses known, 4 visited, 2 reachable"),
            "{summary}"
        );
        assert!(
            summary.contains(&format!("0.38         2  {}", "#".repeat(BAR_CHARS))),
            "{summary}"
        );
    }
}
