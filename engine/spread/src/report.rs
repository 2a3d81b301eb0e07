//! [`Report`]: what a run showed.

use std::time::Duration;

/// What a run showed. Times are of measured payloads: from publishing until a node has the whole of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// Payloads that were due to somebody, times the nodes they were due to.
    pub due: u64,
    /// Of these, those that arrived.
    pub delivered: u64,
    /// Payloads that a machine gave to its application twice.
    pub doubled: u64,
    /// Payload bytes that a node received for each payload byte: the mean of all nodes.
    pub copies: f64,
    /// The same of the node that is worse than 99 % of all, and of the worst.
    pub copies_p99: f64,
    /// The worst node's.
    pub copies_max: f64,
    /// Bytes that are neither payload nor packet header, for each payload byte that was due.
    pub control_share: f64,
    /// Packet headers and framing, for each payload byte that was due.
    pub header_share: f64,
    /// When half of the nodes had a payload that it was due to: the mean of all payloads. [`NEVER`] if that
    /// did not happen to one of them.
    pub half: Duration,
    /// When 99 % of these nodes had it. [`NEVER`] likewise.
    pub most: Duration,
    /// When all of them had it that ever got it. [`NEVER`] if nobody got one of the payloads.
    pub all: Duration,
    /// When the direct way alone, at full speed, would bring it to half of the nodes and to 99 %.
    pub direct_half: Duration,
    /// To 99 % of the nodes.
    pub direct_most: Duration,
    /// The same for every percent of the nodes, as [`Report::curve`].
    pub direct_curve: Vec<(Duration, f64)>,
    /// Payload bytes that an origin sent, for each byte of its payloads.
    pub origin_uplink: f64,
    /// Payload bytes that the busiest node sent, for each byte of all payloads.
    pub busiest_uplink: f64,
    /// What the machine with the largest state kept, in bytes.
    pub state_bytes: u64,
    /// Copies by the origins' number of a payload, from the first on: how an origin becomes warm.
    pub copies_by_seq: Vec<f64>,
    /// `(time, share of nodes)`: how a payload spreads; at most [`CURVE_POINTS`] points.
    pub curve: Vec<(Duration, f64)>,
    /// Messages that neighbours sent each other in the whole run.
    pub sends: u64,
    /// A hash of all that arrived: equal for equal runs.
    pub trace: String,
}

/// The time of what did not happen.
pub const NEVER: Duration = Duration::MAX;

/// Points of a curve: every percent of the nodes.
pub const CURVE_POINTS: usize = 101;

/// An origin counts as warm from the payload on that has no more copies than this, and so have the next two.
pub const WARM_COPIES: f64 = 1.10;

impl Report {
    /// Whether every payload arrived where it was due, and none twice.
    pub fn is_whole(&self) -> bool {
        self.delivered == self.due && self.doubled == 0
    }

    /// The share of what was due that arrived.
    pub fn coverage(&self) -> f64 {
        self.delivered as f64 / self.due.max(1) as f64
    }

    /// Payloads of an origin before it is warm. `None` if it never is.
    pub fn warm_after(&self) -> Option<usize> {
        let warm = |copies: &[f64]| copies.iter().all(|copies| *copies <= WARM_COPIES);
        self.copies_by_seq.windows(3).position(warm)
    }
}

/// A figure of several runs: the median, the least and the most.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spread {
    /// The middle one; of an even number the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of these figures. `None` for none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = if figures.len().is_multiple_of(2) {
            f64::midpoint(figures[middle - 1], figures[middle])
        } else {
            figures[middle]
        };
        Some(Spread { median, min, max })
    }
}

/// The least of the ascending `values` that a share of them does not exceed. Zero for none.
pub(crate) fn quantile<T: Copy + Default>(values: &[T], share: f64) -> T {
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.max(1) - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_value_that_so_many_do_not_exceed() {
        let values: Vec<u32> = (1..=100).collect();
        assert_eq!(quantile(&values, 0.5), 50);
        assert_eq!(quantile(&values, 0.99), 99);
        assert_eq!(quantile(&values, 1.0), 100);
        assert_eq!(quantile(&values, 0.0), 1);
        assert_eq!(quantile::<u32>(&[], 0.5), 0);
    }

    #[test]
    fn a_spread_has_the_middle_and_both_ends() {
        let spread = |figures: &[f64]| Spread::of(figures.iter().copied());
        let expected = Spread {
            median: 2.0,
            min: 1.0,
            max: 9.0,
        };
        assert_eq!(spread(&[9.0, 1.0, 2.0]), Some(expected));
        assert_eq!(spread(&[1.0, 2.0]).map(|s| s.median), Some(1.5));
        assert_eq!(spread(&[]), None);
    }
}
