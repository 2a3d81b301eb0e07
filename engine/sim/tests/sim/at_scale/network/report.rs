//! What came of a run: the same from the same seed, to the last digit.

use std::fmt;
use std::fmt::Write as _;

use ringwire_sim::World;
use serde::Serialize;

use super::books::{BUCKET_LEN, Eclipse, OLD_BUCKETS_PER_GROUP};
use super::plan::Plan;
use super::sample::Sample;
use super::totals::Totals;

/// When the forming network had what, in seconds since the start; looked at every five seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Forming {
    /// One half, 90 %, 99 % and all of the honest nodes had their outbound quota at once.
    pub(crate) half_at: Option<u64>,
    pub(crate) ninety_at: Option<u64>,
    pub(crate) ninety_nine_at: Option<u64>,
    pub(crate) all_at: Option<u64>,
    /// The honest nodes were one connected graph.
    pub(crate) one_graph_at: Option<u64>,
}

impl Forming {
    /// Notes what a look shows for the first time.
    pub(crate) fn note(&mut self, sample: &Sample) {
        let share = sample.quota_share();
        let marks = [
            (&mut self.half_at, share >= 0.50),
            (&mut self.ninety_at, share >= 0.90),
            (&mut self.ninety_nine_at, share >= 0.99),
            (&mut self.all_at, sample.with_quota == sample.nodes),
            (&mut self.one_graph_at, sample.components == 1),
        ];
        for (mark, holds) in marks {
            if holds && mark.is_none() {
                *mark = Some(sample.at_seconds);
            }
        }
    }
}

impl Sample {
    /// Share of the nodes that have their quota now.
    pub(crate) fn quota_share(&self) -> f64 {
        self.with_quota as f64 / self.nodes.max(1) as f64
    }

    /// Share of the nodes that have their quota, or had it a minute before.
    pub(crate) fn quota_share_lately(&self) -> f64 {
        self.with_quota_lately as f64 / self.nodes.max(1) as f64
    }
}

/// The looks of each minute under churn, at their worst.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct UnderChurn {
    /// Looks.
    pub(crate) looks: usize,
    /// Honest nodes judged, at least.
    pub(crate) nodes_min: usize,
    /// Share with its quota at the moment, in the mean and at the least.
    pub(crate) quota_share_mean: f64,
    pub(crate) quota_share_min: f64,
    /// Share with its quota at the moment or a minute before, at the least.
    pub(crate) quota_share_lately_min: f64,
    /// Components of the honest graph, at the most.
    pub(crate) components_max: usize,
    /// Nodes all of whose outbound peers were the attacker's, at the most.
    pub(crate) eclipsed_max: usize,
}

impl UnderChurn {
    fn of(samples: &[Sample]) -> Self {
        let shares = || samples.iter().map(Sample::quota_share);
        let lately = samples.iter().map(Sample::quota_share_lately);
        UnderChurn {
            looks: samples.len(),
            nodes_min: samples.iter().map(|look| look.nodes).min().unwrap_or(0),
            quota_share_mean: shares().sum::<f64>() / samples.len().max(1) as f64,
            quota_share_min: shares().fold(1.0, f64::min),
            quota_share_lately_min: lately.fold(1.0, f64::min),
            components_max: samples
                .iter()
                .map(|look| look.components)
                .max()
                .unwrap_or(0),
            eclipsed_max: samples.iter().map(|look| look.eclipsed).max().unwrap_or(0),
        }
    }
}

/// What honest nodes spent, per node and hour of being up.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Cost {
    /// Hours that all honest nodes together were up.
    pub(crate) node_hours: f64,
    /// Messages and bytes sent on channel 0x00.
    pub(crate) pex_messages: f64,
    pub(crate) pex_bytes: f64,
    /// Sealed bytes sent in all: handshakes, pings and channel 0x00.
    pub(crate) sent_bytes: f64,
    /// Dials made, and those that found nobody.
    pub(crate) dials: f64,
    pub(crate) dials_failed: f64,
    /// Connections refused: budgets used up, banned, any other reason.
    pub(crate) refused_full: f64,
    pub(crate) refused_banned: f64,
    pub(crate) refused_other: f64,
    /// The figures that the reactors show.
    pub(crate) figures: std::collections::BTreeMap<String, f64>,
}

/// The report of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) nodes: u32,
    pub(crate) seeds: u32,
    pub(crate) shards_max: u16,
    pub(crate) simulated_seconds: u64,
    pub(crate) lying_at_the_end: usize,
    pub(crate) left: u64,
    pub(crate) joined: u64,
    pub(crate) forming: Forming,
    pub(crate) under_churn: UnderChurn,
    pub(crate) cost: Cost,
    pub(crate) eclipse: Eclipse,
    /// Share of the honest nodes' outbound connections that go to the attacker's nodes.
    pub(crate) attacker_outbound_share: f64,
    pub(crate) connections: u64,
    pub(crate) steps: u64,
    /// BLAKE3 of everything that happened.
    pub(crate) trace: String,
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        world: &World,
        (lying, left, joined): (usize, u64, u64),
        (forming, samples): (Forming, &[Sample]),
        totals: &Totals,
        (eclipse, attacker_outbound_share): (Eclipse, f64),
    ) -> Self {
        Report {
            seed: plan.seed,
            nodes: plan.nodes,
            seeds: plan.seeds,
            shards_max: plan.shards_max,
            simulated_seconds: world.now().as_nanos() / 1_000_000_000,
            lying_at_the_end: lying,
            left,
            joined,
            forming,
            under_churn: UnderChurn::of(samples),
            cost: Cost::of(totals),
            eclipse,
            attacker_outbound_share,
            connections: world.connections_made(),
            steps: world.trace().entries(),
            trace: hex(&world.trace().hash()),
        }
    }

    /// The report as JSON.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and text are always JSON")
    }
}

impl Cost {
    fn of(totals: &Totals) -> Self {
        let per = |sum| totals.per_node_hour(sum);
        Cost {
            node_hours: totals.up.as_secs_f64() / 3600.0,
            pex_messages: per(totals.pex_messages),
            pex_bytes: per(totals.pex_bytes),
            sent_bytes: per(totals.sent_bytes),
            dials: per(totals.dials),
            dials_failed: per(totals.dials_failed),
            refused_full: per(totals.refused_full),
            refused_banned: per(totals.refused_banned),
            refused_other: per(totals.refused_other),
            figures: totals
                .figures
                .iter()
                .map(|(name, sum)| (name.clone(), per(*sum)))
                .collect(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            forming,
            under_churn,
            cost,
            eclipse,
            ..
        } = self;
        let mut row = |what: &str, value: String| writeln!(f, "| {what} | {value} |");
        let at = |seconds: Option<u64>| match seconds {
            Some(seconds) => format!("{seconds} s"),
            None => String::from("never"),
        };
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        row(
            "seed, nodes, of them in seed mode",
            format!("{}, {}, {}", self.seed, self.nodes, self.seeds),
        )?;
        row("---", String::from("---"))?;
        row("simulated time", format!("{} s", self.simulated_seconds))?;
        row("liars up at the end", self.lying_at_the_end.to_string())?;
        row(
            "nodes that left, joined",
            format!("{}, {}", self.left, self.joined),
        )?;
        row(
            "half, 90 %, 99 %, all honest nodes have their outbound quota after",
            format!(
                "{}, {}, {}, {}",
                at(forming.half_at),
                at(forming.ninety_at),
                at(forming.ninety_nine_at),
                at(forming.all_at)
            ),
        )?;
        row(
            "the honest nodes are one connected graph after",
            at(forming.one_graph_at),
        )?;
        row(
            "under churn: looks, honest nodes judged at least",
            format!("{}, {}", under_churn.looks, under_churn.nodes_min),
        )?;
        row(
            "with their quota at the moment: mean, least",
            format!(
                "{}, {}",
                percent(under_churn.quota_share_mean),
                percent(under_churn.quota_share_min)
            ),
        )?;
        row(
            "with their quota now or a minute before: least",
            percent(under_churn.quota_share_lately_min),
        )?;
        row(
            "components of the honest graph at the most",
            under_churn.components_max.to_string(),
        )?;
        row(
            "honest nodes with outbound peers of the attacker only, at the most",
            under_churn.eclipsed_max.to_string(),
        )?;
        row(
            "per honest node and hour: channel 0x00 messages, bytes sent",
            format!("{:.1}, {:.0}", cost.pex_messages, cost.pex_bytes),
        )?;
        row(
            "… sealed bytes sent in all",
            format!("{:.0}", cost.sent_bytes),
        )?;
        row(
            "… dials, dials that found nobody",
            format!("{:.1}, {:.1}", cost.dials, cost.dials_failed),
        )?;
        row(
            "… connections refused: budgets, banned, other",
            format!(
                "{:.2}, {:.2}, {:.2}",
                cost.refused_full, cost.refused_banned, cost.refused_other
            ),
        )?;
        for (name, value) in &cost.figures {
            row(&format!("… {name}"), format!("{value:.2}"))?;
        }
        row(
            "books: addresses in the mean",
            format!("{:.0}", eclipse.book_len_mean),
        )?;
        row(
            "share of a book that one /16 with 10,000 addresses would have without buckets",
            percent(eclipse.share_without_buckets),
        )?;
        row(
            "share that it has: mean, most",
            format!(
                "{}, {}",
                percent(eclipse.share_mean),
                percent(eclipse.share_max)
            ),
        )?;
        row(
            "share of picks from the new buckets that it gets: mean, most",
            format!(
                "{}, {}",
                percent(eclipse.pick_share_mean),
                percent(eclipse.pick_share_max)
            ),
        )?;
        row(
            "its addresses in new buckets: mean, most",
            format!("{:.1}, {}", eclipse.new_mean, eclipse.new_max),
        )?;
        row(
            "new buckets it reaches at the most, source groups, buckets expected of so many",
            format!(
                "{}, {}, {:.1}",
                eclipse.new_buckets_max, eclipse.source_groups_max, eclipse.buckets_expected
            ),
        )?;
        row(
            "its addresses in one new bucket: most, allowed",
            format!("{}, {BUCKET_LEN}", eclipse.bucket_len_max),
        )?;
        row(
            "its addresses in old buckets: most, allowed; old buckets: most, allowed",
            format!(
                "{}, {}; {}, {OLD_BUCKETS_PER_GROUP}",
                eclipse.old_max,
                BUCKET_LEN * OLD_BUCKETS_PER_GROUP,
                eclipse.old_buckets_max
            ),
        )?;
        row(
            "share of outbound connections to the attacker",
            percent(self.attacker_outbound_share),
        )?;
        row(
            "connections made, steps",
            format!("{}, {}", self.connections, self.steps),
        )?;
        row("trace", self.trace.clone())
    }
}
