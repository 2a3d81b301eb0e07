//! The run: the network forms, then nodes leave and join, and each minute it is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringwire_core::config::Config;
use ringwire_sim::{Rng, Scenario, World};

use super::books;
use super::liar::Lie;
use super::plan::{OFFERED, Plan, Role};
use super::report::{Forming, Report};
use super::sample::{self, Sample};
use super::totals::Totals;

/// Pause between two looks, and between two rounds of leaving and joining.
const MINUTE: Duration = Duration::from_secs(60);
/// Pause between two looks while the network forms.
const FORMING_LOOK: Duration = Duration::from_secs(5);
/// A node is judged once it is up for this long.
const SETTLED: Duration = Duration::from_secs(300);
/// Time a node that leaves in good order has for its goodbyes; it is off by the next minute.
const GOODBYE: Duration = Duration::from_secs(10);

/// Runs a plan from its seed and tells what came of it. `progress` hears of each look.
pub(crate) fn run(plan: &Plan, progress: impl FnMut(&Sample)) -> Report {
    let mut run = Run::new(plan, progress);
    run.form();
    while run.now() < run.plan.span {
        run.pass_a_minute();
    }
    run.finish()
}

struct Run<'a, F> {
    plan: &'a Plan,
    progress: F,
    scenario: Scenario,
    world: World,
    chance: Rng,
    quota: usize,
    /// Nodes that are up, and since when.
    up: BTreeMap<u32, Duration>,
    /// Nodes that say goodbye.
    leaving: Vec<u32>,
    /// Nodes that left and may come back.
    gone: Vec<u32>,
    was_short: BTreeSet<u32>,
    samples: Vec<Sample>,
    forming: Forming,
    totals: Totals,
    left: u64,
    joined: u64,
    /// Leaves and joins that are due, in nodes; what is less than one waits for the next minute.
    churn_due: f64,
}

impl<'a, F: FnMut(&Sample)> Run<'a, F> {
    fn new(plan: &'a Plan, progress: F) -> Self {
        let scenario = plan.scenario();
        let world = scenario.build();
        Run {
            plan,
            progress,
            world,
            scenario,
            chance: Rng::new(plan.seed ^ 0xc4a2),
            quota: Config::default().max_num_outbound_peers,
            up: (0..plan.seeds).map(|node| (node, Duration::ZERO)).collect(),
            leaving: Vec::new(),
            gone: Vec::new(),
            was_short: BTreeSet::new(),
            samples: Vec::new(),
            forming: Forming::default(),
            totals: Totals::default(),
            left: 0,
            joined: 0,
            churn_due: 0.0,
        }
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.world.now().as_nanos())
    }

    /// The honest nodes that are up for `at_least`, those in seed mode excepted: they keep nobody.
    fn honest(&self, at_least: Duration) -> BTreeSet<u32> {
        let settled = |since: Duration| self.now() >= since + at_least;
        let up = self.up.iter().filter(|(_, since)| settled(**since));
        let numbers = up.map(|(node, _)| *node);
        numbers
            .filter(|node| self.plan.role(*node) == Role::Honest)
            .collect()
    }

    /// Lets the network form without churn and notes when it had what.
    fn form(&mut self) {
        let all = (0..self.plan.nodes)
            .filter(|node| self.plan.role(*node) == Role::Honest)
            .count();
        while self.now() < self.plan.forming {
            for _ in 0..FORMING_LOOK.as_secs() {
                self.start_some();
                self.world.run_for(Duration::from_secs(1));
            }
            let sample = self.look(&self.honest(Duration::ZERO));
            if sample.nodes == all {
                self.forming.note(&sample);
            }
            self.forget_events();
        }
    }

    /// Starts the nodes of this second: all are there when the time to start is over.
    fn start_some(&mut self) {
        let share =
            (self.now() + Duration::from_secs(1)).as_secs_f64() / self.plan.starting.as_secs_f64();
        let others = f64::from(self.plan.nodes - self.plan.seeds);
        let started = self.plan.seeds + (others * share.min(1.0)) as u32;
        while self.world.node_count() < started {
            self.add_node();
        }
    }

    fn add_node(&mut self) {
        let spec = self.scenario.node_spec(self.world.node_count());
        let node = self.world.add_node(spec);
        self.up
            .insert(node.expect("its configuration holds"), self.now());
    }

    fn pass_a_minute(&mut self) {
        self.world.run_for(MINUTE);
        let sample = self.look(&self.honest(SETTLED));
        self.samples.push(sample);
        self.forget_events();
        for node in std::mem::take(&mut self.leaving) {
            self.world.take_down(node);
        }
        self.churn();
    }

    fn look(&mut self, nodes: &BTreeSet<u32>) -> Sample {
        let plan = self.plan;
        let is_attacker = |node| plan.role(node) == Role::Liar(Lie::Eclipse);
        let sample = sample::look(
            &self.world,
            nodes,
            self.quota,
            is_attacker,
            &mut self.was_short,
        );
        (self.progress)(&sample);
        sample
    }

    /// What happened is not needed, and an hour of it is more than all nodes together.
    fn forget_events(&mut self) {
        for node in 0..self.world.node_count() {
            self.world.take_events(node);
        }
    }

    // ---- churn ------------------------------------------------------------------------------

    fn churn(&mut self) {
        let per_minute = self.plan.churn_per_hour * f64::from(self.plan.nodes) / 60.0;
        self.churn_due += per_minute;
        while self.churn_due >= 1.0 {
            self.churn_due -= 1.0;
            self.leave();
            self.join();
        }
    }

    /// A random node leaves: one half fall silent, one half say goodbye.
    fn leave(&mut self) {
        let nodes: Vec<u32> = self.up.keys().copied().collect();
        let seeds = self.plan.seeds as usize;
        let at = seeds as u64 + self.chance.below((nodes.len() - seeds) as u64);
        let node = nodes[at as usize];
        self.end_life(node);
        self.left += 1;
        if self.chance.happens(0.5) {
            self.world.take_down(node);
        } else {
            self.world.shutdown(node, GOODBYE);
            self.leaving.push(node);
        }
        self.gone.push(node);
    }

    /// One half are new nodes, one half come back with the address book they had kept.
    fn join(&mut self) {
        let back = self.chance.happens(0.5).then(|| self.take_returning());
        match back.flatten() {
            Some(node) => {
                self.world.bring_up(node);
                self.up.insert(node, self.now());
            }
            None => self.add_node(),
        }
        self.joined += 1;
    }

    /// A random node of those that are gone.
    fn take_returning(&mut self) -> Option<u32> {
        let off: Vec<usize> = (0..self.gone.len())
            .filter(|&index| !self.world.is_up(self.gone[index]))
            .collect();
        let chosen = *off.get(self.chance.below(off.len() as u64) as usize)?;
        Some(self.gone.swap_remove(chosen))
    }

    /// Enters the life of a node, which ends now, into the sums.
    fn end_life(&mut self, node: u32) {
        let Some(since) = self.up.remove(&node) else {
            return;
        };
        if !matches!(self.plan.role(node), Role::Liar(_)) {
            let up = self.now() - since;
            self.totals.add_life(&self.world, node, up);
        }
    }

    // ---- the end ----------------------------------------------------------------------------

    fn finish(mut self) -> Report {
        let judged = self.honest(SETTLED);
        let attacked = judged.iter().flat_map(|node| self.world.outbound_of(*node));
        let attacker_outbound = attacked
            .filter(|peer| self.plan.role(*peer) == Role::Liar(Lie::Eclipse))
            .count();
        let outbound = judged.len() * self.quota;
        let eclipse = books::look(&mut self.world, OFFERED, &judged);
        let nodes: Vec<u32> = self.up.keys().copied().collect();
        let lying = nodes
            .iter()
            .filter(|node| matches!(self.plan.role(**node), Role::Liar(_)))
            .count();
        for node in nodes {
            self.end_life(node);
        }
        let attacker_share = attacker_outbound as f64 / outbound.max(1) as f64;
        Report::new(
            self.plan,
            &self.world,
            (lying, self.left, self.joined),
            (self.forming, &self.samples),
            &self.totals,
            (eclipse, attacker_share),
        )
    }
}
