//! [`Comparison`]: every protocol over every seed, beside the baseline.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ringwire_spread::report::{CURVE_POINTS, Spread};
use ringwire_spread::scenario::ScenarioError;
use ringwire_spread::{Report, Scenario};

use crate::contenders::{BASELINE, Contender, find};
use crate::progress::Progress;

/// What is to be played.
#[derive(Clone)]
pub(crate) struct Plan {
    /// The scenario of the first seed.
    pub(crate) scenario: Scenario,
    /// How many seeds: that of the scenario and those after it.
    pub(crate) seeds: u32,
    /// By whom, in this order.
    pub(crate) contenders: Vec<&'static Contender>,
    /// How many runs are played at once. It changes nothing but the time that they take.
    pub(crate) threads: usize,
}

impl Plan {
    /// Payloads that are published in all runs, those of the baseline included.
    pub(crate) fn total(&self) -> u64 {
        let published = self.scenario.warm_messages() + self.scenario.messages;
        let runs = self.seeds as usize * (self.contenders.len() + 1);
        u64::from(published) * runs as u64
    }

    /// All runs: first the baseline's, then each protocol's, each in the order of the seeds.
    fn jobs(&self) -> Vec<Job> {
        let baseline = find(BASELINE).expect("a test finds it");
        let mut free = self.scenario.clone();
        free.model.bits_per_second = None;
        let contenders = self
            .contenders
            .iter()
            .map(|contender| (*contender, &self.scenario));
        std::iter::once((baseline, &free))
            .chain(contenders)
            .flat_map(|(contender, scenario)| {
                (0..u64::from(self.seeds)).map(move |more| Job {
                    contender,
                    scenario: Scenario {
                        seed: scenario.seed.wrapping_add(more),
                        ..scenario.clone()
                    },
                })
            })
            .collect()
    }
}

/// A run to be.
struct Job {
    contender: &'static Contender,
    scenario: Scenario,
}

/// One protocol's run with one seed.
pub(crate) struct Run {
    /// The seed.
    pub(crate) seed: u64,
    /// What it showed.
    pub(crate) report: Report,
}

/// One protocol's runs, in the order of the seeds.
pub(crate) struct Outcome {
    /// Which protocol.
    pub(crate) name: &'static str,
    /// One for each seed.
    pub(crate) runs: Vec<Run>,
}

impl Outcome {
    /// Whether every run brought every payload once.
    pub(crate) fn is_whole(&self) -> bool {
        self.runs.iter().all(|run| run.report.is_whole())
    }

    /// How a payload spreads: the median of the seeds.
    pub(crate) fn curve(&self) -> Vec<(f64, f64)> {
        median_curve(&self.runs, |report| &report.curve)
    }
}

/// All that was played.
pub(crate) struct Comparison {
    /// What was to be played.
    pub(crate) plan: Plan,
    /// Flooding where links are free: over the same overlay, with the same seeds.
    pub(crate) free: Vec<Run>,
    /// The protocols, in the order of the arguments.
    pub(crate) outcomes: Vec<Outcome>,
}

impl Comparison {
    /// Plays all of it.
    pub(crate) fn play(plan: &Plan, progress: &Progress) -> Result<Comparison, ScenarioError> {
        let mut runs = play_all(&plan.jobs(), plan.threads, progress)?.into_iter();
        let mut of_each_seed = || runs.by_ref().take(plan.seeds as usize).collect();
        let free = of_each_seed();
        let outcome = |contender: &&'static Contender| Outcome {
            name: contender.name,
            runs: of_each_seed(),
        };
        let outcomes = plan.contenders.iter().map(outcome).collect();
        let plan = plan.clone();
        Ok(Comparison {
            plan,
            free,
            outcomes,
        })
    }

    /// Whether every protocol brought every payload once, with every seed.
    pub(crate) fn is_whole(&self) -> bool {
        self.outcomes.iter().all(Outcome::is_whole)
    }

    /// The direct path's curve: the median of the seeds. It is the same of every protocol.
    pub(crate) fn direct_curve(&self) -> Vec<(f64, f64)> {
        let outcome = self.outcomes.first();
        outcome.map_or_else(Vec::new, |outcome| {
            median_curve(&outcome.runs, |report| &report.direct_curve)
        })
    }
}

/// Plays the jobs on some threads. The runs come in the order of the jobs.
fn play_all(jobs: &[Job], threads: usize, progress: &Progress) -> Result<Vec<Run>, ScenarioError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut runs = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else {
                return runs;
            };
            runs.push((index, play(job, progress)));
        }
    };
    let mut runs = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(jobs.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let finished = workers.into_iter().map(|worker| {
            let finished = worker.join();
            finished.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        finished.flatten().collect::<Vec<_>>()
    });
    runs.sort_by_key(|(index, _)| *index);
    runs.into_iter().map(|(_, run)| run).collect()
}

fn play(job: &Job, progress: &Progress) -> Result<Run, ScenarioError> {
    let Job {
        contender,
        scenario,
    } = job;
    let seed = scenario.seed;
    progress.begin(contender.name, seed);
    let report = (contender.play)(scenario, &|| progress.advance())?;
    Ok(Run { seed, report })
}

/// `(milliseconds, share of nodes)` for each point of the runs' curves: the median of each.
fn median_curve(runs: &[Run], curve: impl Fn(&Report) -> &[(Duration, f64)]) -> Vec<(f64, f64)> {
    let median = |figures: Vec<f64>| Spread::of(figures).map(|spread| spread.median);
    (0..CURVE_POINTS)
        .filter_map(|point| {
            let points = || runs.iter().filter_map(|run| curve(&run.report).get(point));
            let times = points().map(|(time, _)| time.as_secs_f64() * 1e3).collect();
            let shares = points().map(|(_, share)| *share).collect();
            Some((median(times)?, median(shares)?))
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use ringwire_spread::scenario::Origins;

    use super::*;

    /// A small network, flooded.
    pub(crate) fn plan(seeds: u32) -> Plan {
        Plan {
            scenario: Scenario {
                nodes: 30,
                degree: 8,
                origins: Origins::Some(2),
                warm: 2,
                messages: 4,
                ..Scenario::default()
            },
            seeds,
            contenders: vec![find(BASELINE).expect("it is there")],
            threads: 2,
        }
    }

    /// The plan, played.
    pub(crate) fn comparison(seeds: u32) -> Comparison {
        let plan = plan(seeds);
        let progress = Progress::new(true, plan.total());
        Comparison::play(&plan, &progress).expect("the plan is sound")
    }

    /// What a run showed.
    pub(crate) fn report() -> Report {
        comparison(1).outcomes.remove(0).runs.remove(0).report
    }

    #[test]
    fn every_seed_is_played_once_by_each_and_by_the_baseline() {
        let comparison = comparison(3);
        let seeds = |runs: &[Run]| runs.iter().map(|run| run.seed).collect::<Vec<_>>();
        assert_eq!(seeds(&comparison.free), [7, 8, 9]);
        assert_eq!(seeds(&comparison.outcomes[0].runs), [7, 8, 9]);
        assert_eq!(comparison.plan.total(), 2 * 3 * (2 * 2 + 4));
        assert!(comparison.is_whole());
    }

    #[test]
    fn threads_change_nothing() {
        let traces = |threads| {
            let plan = Plan { threads, ..plan(3) };
            let progress = Progress::new(true, plan.total());
            let comparison = Comparison::play(&plan, &progress).expect("the plan is sound");
            let runs = comparison.free.into_iter().chain(
                comparison
                    .outcomes
                    .into_iter()
                    .flat_map(|outcome| outcome.runs),
            );
            runs.map(|run| (run.seed, run.report.trace))
                .collect::<Vec<_>>()
        };
        assert_eq!(traces(1), traces(4));
    }

    #[test]
    fn the_baseline_is_faster_for_every_seed() {
        let comparison = comparison(3);
        for (free, run) in comparison.free.iter().zip(&comparison.outcomes[0].runs) {
            assert!(free.report.half < run.report.half);
            assert!(free.report.most < run.report.most);
        }
    }

    #[test]
    fn the_direct_path_is_the_first_at_each_point() {
        let comparison = comparison(3);
        let (direct, curve) = (comparison.direct_curve(), comparison.outcomes[0].curve());
        assert_eq!((direct.len(), curve.len()), (CURVE_POINTS, CURVE_POINTS));
        assert_eq!((direct[0], curve[0]), ((0.0, 0.0), (0.0, 0.0)));
        for (direct, curve) in direct.iter().zip(&curve).skip(1) {
            assert!(direct.0 < curve.0, "{direct:?} and {curve:?}");
            assert!((direct.1 - curve.1).abs() < 1e-9, "nothing was lost");
        }
    }
}
