//! A case: one kind of work, and the contenders that do it in turn.

use std::error::Error;

use ringwire::peer::Framing;
use serde::{Deserialize, Serialize};

use crate::measure::Spread;
use crate::outcome::{Named, Outcome};
use crate::rivals::Built;

/// What became of one run.
pub type Ran = Result<Outcome, Box<dyn Error>>;

/// What the cases are made for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Small amounts: checks that everything works, measures little.
    pub quick: bool,
    /// Also what takes long: 200 receivers, 10,000 peers.
    pub full: bool,
    /// CPUs of the limit's sender and receiver.
    pub cpus: [usize; 2],
    /// Whether the limit runs beside us.
    pub limit: bool,
    /// The rivals that run beside us.
    pub rivals: Vec<Built>,
}

impl Plan {
    /// One amount for a quick run, another for a real one.
    pub fn amount<T>(&self, quick: T, real: T) -> T {
        if self.quick { quick } else { real }
    }
}

/// One who does the work of a case.
pub struct Contender {
    /// Its name: `limit`, `ringwire`, `comet maxed`.
    pub name: String,
    /// The contender of the same case that its figures are compared with, by its place.
    pub beside: usize,
    /// Does the work once.
    pub run: Box<dyn FnMut() -> Ran>,
}

/// Figures that say how much was done and not how well: a ratio of them would mean nothing.
const AMOUNTS: [&str; 3] = ["amount", "span", "peers added"];

/// One kind of work.
pub struct Case {
    /// The suite it belongs to.
    pub bench: &'static str,
    /// The record layer: `wide`, `comet`.
    pub framing: &'static str,
    /// What distinguishes it within the suite.
    pub case: String,
    /// Runs at most, for cases whose figure hardly varies and takes long.
    pub runs_max: usize,
    /// Those who do it; the first is what most others are compared with.
    pub contenders: Vec<Contender>,
}

/// The figures of one contender in one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The suite.
    pub bench: String,
    /// The record layer.
    pub framing: String,
    /// The case within the suite.
    pub case: String,
    /// Who.
    pub contender: String,
    /// What was measured.
    pub figures: Vec<Figure>,
}

impl Row {
    /// The figure of that name, if it was measured.
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}

/// One figure over all runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// What it is counted in; empty for a plain number.
    pub unit: String,
    /// Over the runs.
    #[serde(flatten)]
    pub spread: Spread,
    /// Over the same figure of the contender that it is compared with, which is the case's first unless
    /// another commit stands beside it; pair by pair. Absent for that contender itself.
    pub ratio: Option<Spread>,
}

impl Case {
    /// A case without contenders yet.
    pub fn new(bench: &'static str, framing: Framing, case: impl Into<String>) -> Self {
        Case {
            bench,
            framing: framing_name(framing),
            case: case.into(),
            runs_max: usize::MAX,
            contenders: Vec::new(),
        }
    }

    /// Adds a contender.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, run: impl FnMut() -> Ran + 'static) -> Self {
        self.contenders.push(Contender {
            name: name.into(),
            beside: 0,
            run: Box::new(run),
        });
        self
    }

    /// Adds a contender if there is one.
    #[must_use]
    pub fn with_some<R: FnMut() -> Ran + 'static>(self, name: &str, run: Option<R>) -> Self {
        match run {
            Some(run) => self.with(name, run),
            None => self,
        }
    }

    /// Sets how often the case is run at most.
    #[must_use]
    pub fn at_most(mut self, runs: usize) -> Self {
        self.runs_max = runs;
        self
    }

    /// Its name, as `--only` and `--list` know it: `drain/wide 64 KiB`.
    pub fn name(&self) -> String {
        format!("{}/{} {}", self.bench, self.framing, self.case)
    }

    /// Runs all contenders in turn, `runs` times at most. `begins` hears of each run. A contender
    /// that fails is left out from then on, and named in the second half of the answer.
    pub fn run(
        &mut self,
        runs: usize,
        mut begins: impl FnMut(usize, &str),
    ) -> (Vec<Row>, Vec<String>) {
        let mut failures = Vec::new();
        let mut outcomes: Vec<Vec<Vec<Named>>> = vec![Vec::new(); self.contenders.len()];
        let mut failed = vec![false; self.contenders.len()];
        for run in 0..runs.min(self.runs_max) {
            for (index, contender) in self.contenders.iter_mut().enumerate() {
                if failed[index] {
                    continue;
                }
                begins(run, &contender.name);
                match (contender.run)() {
                    Ok(outcome) => outcomes[index].push(outcome.figures()),
                    Err(error) => {
                        failed[index] = true;
                        failures.push(format!("{}: {error}", contender.name));
                    }
                }
            }
        }
        let rows = (0..self.contenders.len())
            .filter(|index| !failed[*index])
            .map(|index| {
                let beside = self.contenders[index].beside;
                let is_comparable = beside != index && !failed[beside];
                let baseline = is_comparable.then(|| &outcomes[beside][..]);
                self.row(index, &outcomes[index], baseline)
            });
        (rows.collect(), failures)
    }

    fn row(&self, index: usize, runs: &[Vec<Named>], baseline: Option<&[Vec<Named>]>) -> Row {
        let figures = runs[0].iter().map(|figure| {
            let values = over_runs(runs, &figure.name);
            let ratio = baseline.and_then(|baseline| {
                let base = over_runs(baseline, &figure.name);
                let comparable = !AMOUNTS.contains(&figure.name.as_str())
                    && base.len() == values.len()
                    && base.iter().all(|b| *b > 0.0);
                let ratios = values.iter().zip(&base).map(|(value, base)| value / base);
                comparable.then(|| Spread::of(ratios.collect()))
            });
            Figure {
                name: figure.name.clone(),
                unit: figure.unit.clone(),
                spread: Spread::of(values),
                ratio,
            }
        });
        Row {
            bench: self.bench.to_owned(),
            framing: self.framing.to_owned(),
            case: self.case.clone(),
            contender: self.contenders[index].name.clone(),
            figures: figures.collect(),
        }
    }
}

fn over_runs(runs: &[Vec<Named>], name: &str) -> Vec<f64> {
    let named = runs.iter().flatten().filter(|figure| figure.name == name);
    named.map(|figure| figure.value).collect()
}

/// Both record layers, the faster first.
pub const FRAMINGS: [Framing; 2] = [Framing::Wide, Framing::Comet];

/// A record layer as names of cases have it.
pub fn framing_name(framing: Framing) -> &'static str {
    match framing {
        Framing::Comet => "comet",
        Framing::Wide => "wide",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(bytes: u64) -> Ran {
        Ok(Outcome {
            wall_secs: 1.0,
            bytes,
            ..Outcome::default()
        })
    }

    #[test]
    fn contenders_alternate_and_are_compared_pair_by_pair() {
        let mut order = Vec::new();
        let mut ours = [1_000_000, 6_000_000].into_iter();
        let mut case = Case::new("drain", Framing::Wide, "1 KiB")
            .with("limit", || moved(2_000_000))
            .with("ringwire", move || moved(ours.next().expect("two runs")));
        let (rows, failures) = case.run(2, |run, name| order.push((run, name.to_owned())));
        let names = ["limit", "ringwire"].map(str::to_owned);
        let expected = [0, 1]
            .map(|run| names.clone().map(|name| (run, name)))
            .concat();
        assert_eq!(order, expected);
        assert!(failures.is_empty());
        assert!(
            rows[0].figures[0].ratio.is_none(),
            "nothing to compare with"
        );
        let ratio = rows[1].figures[0].ratio.expect("compared with the limit");
        assert_eq!((ratio.min, ratio.max), (0.5, 3.0));
    }

    #[test]
    fn a_contender_that_fails_has_no_row_and_is_named() {
        let mut case = Case::new("drain", Framing::Comet, "1 KiB")
            .with("limit", || moved(1))
            .with("rival", || Err("no such machine".into()));
        let (rows, failures) = case.run(3, |_, _| {});
        assert_eq!(rows.len(), 1);
        assert_eq!(failures, ["rival: no such machine"]);
    }
}
