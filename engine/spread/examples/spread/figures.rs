//! The figures of a run, in the order of the tables: one list for the tables, the JSON and the page that
//! explains them.

use std::time::Duration;

use ringwire_spread::Report;
use ringwire_spread::report::{NEVER, Spread};

use crate::comparison::{Comparison, Outcome};

/// A figure of a run.
pub(crate) struct Figure {
    /// Its key in the JSON.
    pub(crate) key: &'static str,
    /// Its head in the table.
    pub(crate) head: &'static str,
    /// Digits behind the point.
    pub(crate) digits: usize,
    /// The figure, from the run and from flooding with free links. Infinite: never.
    pub(crate) of: fn(&Report, &Report) -> f64,
}

const fn figure(
    key: &'static str,
    head: &'static str,
    digits: usize,
    of: fn(&Report, &Report) -> f64,
) -> Figure {
    Figure {
        key,
        head,
        digits,
        of,
    }
}

/// Figures that stand in one table.
pub(crate) struct Group {
    /// What they are of.
    pub(crate) title: &'static str,
    /// From left to right.
    pub(crate) figures: &'static [Figure],
}

/// All of them.
pub(crate) const GROUPS: [Group; 3] = [
    Group {
        title: "Bytes, for each byte of a payload",
        figures: &[
            figure("copies", "copies", 3, |run, _| run.copies),
            figure("copies_p99", "p99 node", 3, |run, _| run.copies_p99),
            figure("copies_max", "max node", 3, |run, _| run.copies_max),
            figure("control_percent", "control %", 2, |run, _| {
                run.control_share * 100.0
            }),
            figure("header_percent", "headers %", 2, |run, _| {
                run.header_share * 100.0
            }),
            figure("origin_uplink", "origin up", 2, |run, _| run.origin_uplink),
            figure("busiest_uplink", "busiest up", 2, |run, _| {
                run.busiest_uplink
            }),
        ],
    },
    Group {
        title: "Time until so many nodes have a payload: ms, and times that of free flooding and of the direct path",
        figures: &[
            figure("half_ms", "half", 1, |run, _| ms(run.half)),
            figure("p99_ms", "99 %", 1, |run, _| ms(run.most)),
            figure("all_ms", "all", 1, |run, _| ms(run.all)),
            figure("half_by_free", "half/free", 2, |run, free| {
                ms(run.half) / ms(free.half)
            }),
            figure("p99_by_free", "99 %/free", 2, |run, free| {
                ms(run.most) / ms(free.most)
            }),
            figure("all_by_free", "all/free", 2, |run, free| {
                ms(run.all) / ms(free.all)
            }),
            figure("half_by_direct", "half/direct", 2, |run, _| {
                ms(run.half) / ms(run.direct_half)
            }),
            figure("p99_by_direct", "99 %/direct", 2, |run, _| {
                ms(run.most) / ms(run.direct_most)
            }),
            figure("all_by_direct", "all/direct", 2, |run, _| {
                ms(run.all) / direct_all_ms(run)
            }),
        ],
    },
    Group {
        title: "The run",
        figures: &[
            figure("coverage_percent", "coverage %", 3, |run, _| {
                coverage_percent(run)
            }),
            figure("doubled", "doubled", 0, |run, _| run.doubled as f64),
            figure("warm_after", "warm after", 0, |run, _| {
                run.warm_after()
                    .map_or(f64::INFINITY, |payloads| payloads as f64)
            }),
            figure("state_bytes", "state B", 0, |run, _| run.state_bytes as f64),
            figure("sends", "sends", 0, |run, _| run.sends as f64),
        ],
    },
];

impl Figure {
    /// The figure over the runs of a protocol.
    pub(crate) fn spread(&self, comparison: &Comparison, outcome: &Outcome) -> Option<Spread> {
        let runs = outcome.runs.iter().zip(&comparison.free);
        Spread::of(runs.map(|(run, free)| (self.of)(&run.report, &free.report)))
    }
}

/// Milliseconds; infinite for what never happened.
pub(crate) fn ms(time: Duration) -> f64 {
    match time {
        NEVER => f64::INFINITY,
        time => time.as_secs_f64() * 1e3,
    }
}

fn direct_all_ms(run: &Report) -> f64 {
    run.direct_curve
        .last()
        .map_or(f64::NAN, |(time, _)| ms(*time))
}

/// Rounded down, so that 100 means all.
fn coverage_percent(run: &Report) -> f64 {
    (run.coverage() * 1e5).floor() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_given_once_and_the_page_explains_each() {
        let page = include_str!("../../../../docs/simulation.md");
        let figures = || GROUPS.iter().flat_map(|group| group.figures);
        for figure in figures() {
            let namesakes = figures().filter(|other| other.key == figure.key);
            assert_eq!(namesakes.count(), 1, "{}", figure.key);
            let row = format!("| {} | `{}` |", figure.head, figure.key);
            assert!(page.contains(&row), "docs/simulation.md has no row {row}");
        }
    }

    #[test]
    fn coverage_is_100_only_where_nothing_is_missing() {
        let mut run = crate::comparison::tests::report();
        (run.due, run.delivered) = (10_000_000, 10_000_000);
        assert_eq!(coverage_percent(&run), 100.0);
        run.delivered -= 1;
        assert_eq!(coverage_percent(&run), 99.999);
    }
}
