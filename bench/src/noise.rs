//! When the figures of a case are worth nothing, and the case is measured again.
//!
//! A neighbour of a virtual machine takes a core for a second, and one run of a contender is half of
//! the others. A median of three then says more of the neighbour than of the contender.

use crate::case::Row;

/// The figure that is looked at: rates repeat on a quiet machine, and tails of latencies never do.
const FIGURE: &str = "throughput";
/// The fastest run over the slowest, beyond which a contender's runs were not alike.
const SPREAD_MAX: f64 = 1.4;
/// The contender that nobody should pass, and by how much one may before that is noise.
const LIMIT: &str = "limit";
const PASSES_BY_MAX: f64 = 1.05;
/// Contenders whose noise counts: a rival may be as uneven as it is.
const OURS: [&str; 2] = [LIMIT, "ringwire"];

/// Why a case should be measured again, if it should.
pub fn complaint(rows: &[Row]) -> Option<String> {
    let uneven = rows.iter().find_map(|row| {
        let spread = row.figure(FIGURE)?.spread;
        let is_uneven =
            OURS.contains(&row.contender.as_str()) && spread.max > spread.min * SPREAD_MAX;
        is_uneven.then(|| {
            format!(
                "{}'s runs reach from {:.0} to {:.0}",
                row.contender, spread.min, spread.max
            )
        })
    });
    uneven.or_else(|| passed_limit(rows))
}

fn passed_limit(rows: &[Row]) -> Option<String> {
    let median = |row: &Row| Some(row.figure(FIGURE)?.spread.median);
    let limit = median(rows.iter().find(|row| row.contender == LIMIT)?)?;
    let fastest = rows
        .iter()
        .find(|row| median(row).is_some_and(|rate| rate > limit * PASSES_BY_MAX))?;
    Some(format!("{} passes the limit", fastest.contender))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Figure;
    use crate::measure::Spread;

    fn row(contender: &str, runs: &[f64]) -> Row {
        Row {
            bench: String::from("drain"),
            framing: String::from("wide"),
            case: String::from("64 KiB"),
            contender: contender.to_owned(),
            figures: vec![Figure {
                name: String::from(FIGURE),
                unit: String::from("MB/s"),
                spread: Spread::of(runs.to_vec()),
                ratio: None,
            }],
        }
    }

    #[test]
    fn even_runs_below_the_limit_are_kept() {
        let rows = [row(LIMIT, &[100.0, 139.0]), row("ringwire", &[95.0, 99.0])];
        assert_eq!(complaint(&rows), None);
        assert_eq!(complaint(&[row("ringwire", &[95.0])]), None, "no limit");
    }

    #[test]
    fn runs_that_are_not_alike_are_measured_again_and_a_rivals_are_not() {
        let rows = [row(LIMIT, &[100.0, 141.0]), row("ringwire", &[95.0])];
        assert!(complaint(&rows).expect("uneven").contains("limit's runs"));
        let rows = [row(LIMIT, &[100.0]), row("tokio", &[10.0, 90.0])];
        assert_eq!(complaint(&rows), None);
    }

    #[test]
    fn who_passes_the_limit_is_measured_again() {
        let rows = [row(LIMIT, &[100.0]), row("ringwire", &[105.0])];
        assert_eq!(complaint(&rows), None, "as fast as it");
        let rows = [row(LIMIT, &[100.0]), row("ringwire", &[106.0])];
        assert_eq!(
            complaint(&rows).expect("faster"),
            "ringwire passes the limit"
        );
    }
}
