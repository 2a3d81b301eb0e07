//! Whole-system bench: Ringwire beside the limit, in turn, in one process.
//!
//! `cargo bench -p ringwire-bench --bench system -- [--only NAME] [--quick] [--json FILE]`

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use hdrhistogram::Histogram;
use ringwire::peer::Framing;
use ringwire_bench::engine::{self, Setup};
use ringwire_bench::limit;
use ringwire_bench::measure::{Sample, Spread};
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: jemallocator::Jemalloc = jemallocator::Jemalloc;

/// Throughput and latency of two Ringwire nodes over loopback, as ratios to the least possible
/// code that moves the same sealed bytes. Contenders alternate; medians with their spread.
#[derive(Parser)]
struct Options {
    /// Run only the cases whose name contains this, such as `drain`, `ping-pong/wide` or
    /// `drain/wide 1 KiB`.
    #[arg(long)]
    only: Option<String>,
    /// Small amounts and three runs: checks that everything works, measures little.
    #[arg(long)]
    quick: bool,
    /// Runs of each contender.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// CPUs of the limit's sender and receiver.
    #[arg(long, default_values_t = [0, 1], num_args = 2)]
    cpus: Vec<usize>,
    /// Also write the figures to a file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Given by cargo; means nothing here.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One line of the result.
#[derive(Serialize)]
struct Row {
    bench: &'static str,
    framing: &'static str,
    case: String,
    unit: &'static str,
    limit: Spread,
    ringwire: Spread,
    /// Ringwire over limit, pair by pair.
    ratio: Spread,
    /// CPU seconds per GiB, both ends: limit, Ringwire. Absent where no bytes are counted.
    cpu_per_gib: Option<[Spread; 2]>,
}

fn main() {
    let mut options = Options::parse();
    if options.quick {
        options.runs = options.runs.min(3);
    }
    let only = options.only.clone();
    let wants = |case: String| only.as_deref().is_none_or(|only| case.contains(only));
    let mut rows = Vec::new();
    for framing in [Framing::Wide, Framing::Comet] {
        let name = name_of(framing);
        for kib in [1usize, 8, 64, 512]
            .into_iter()
            .filter(|kib| wants(format!("drain/{name} {kib} KiB")))
        {
            rows.push(drain(&options, framing, kib << 10));
            print_row(rows.last().expect("just pushed"));
        }
        for polled in [false, true] {
            let case = if polled { "polled" } else { "asleep" };
            if wants(format!("ping-pong/{name} {case}")) {
                for quantile in ping_pong(&options, framing, polled) {
                    print_row(&quantile);
                    rows.push(quantile);
                }
            }
        }
    }
    if rows.is_empty() {
        eprintln!("bench: no case is called like {only:?}; without --only all are run");
        std::process::exit(2);
    }
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&rows).expect("rows are plain data");
        if let Err(error) = std::fs::write(path, json) {
            eprintln!("bench: cannot write {}: {error}", path.display());
            std::process::exit(1);
        }
    }
}

fn name_of(framing: Framing) -> &'static str {
    match framing {
        Framing::Comet => "comet",
        Framing::Wide => "wide",
    }
}

fn cpus(options: &Options) -> [usize; 2] {
    [options.cpus[0], options.cpus[1]]
}

fn setup(framing: Framing, polled: bool) -> Setup {
    let busy_poll = if polled {
        Duration::from_micros(50)
    } else {
        Duration::ZERO
    };
    Setup { framing, busy_poll }
}

fn drain(options: &Options, framing: Framing, message_bytes: usize) -> Row {
    let total: usize = if options.quick { 64 << 20 } else { 1 << 30 };
    let setup = setup(framing, true);
    let rate = |sample: &Sample| total as f64 / 1e6 / sample.wall.as_secs_f64();
    let cpu = |sample: &Sample| sample.cpu.as_secs_f64() / (total as f64 / (1u64 << 30) as f64);
    let (mut limits, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        limits.push(limit::drain(framing, total, cpus(options)).expect("loopback works"));
        let ran = engine::drain(setup, message_bytes, total / message_bytes);
        ours.push(ran.expect("the engine starts on this machine"));
    }
    let ratios = limits
        .iter()
        .zip(&ours)
        .map(|(limit, our)| rate(our) / rate(limit));
    Row {
        bench: "drain",
        framing: name_of(framing),
        case: format!("{} KiB", message_bytes >> 10),
        unit: "MB/s",
        ratio: Spread::of(ratios.collect()),
        cpu_per_gib: Some([
            Spread::of(limits.iter().map(cpu).collect()),
            Spread::of(ours.iter().map(cpu).collect()),
        ]),
        limit: Spread::of(limits.iter().map(rate).collect()),
        ringwire: Spread::of(ours.iter().map(rate).collect()),
    }
}

fn ping_pong(options: &Options, framing: Framing, polled: bool) -> Vec<Row> {
    let rounds = if options.quick { 500 } else { 20_000 };
    let setup = setup(framing, polled);
    let (mut limits, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let ran = limit::ping_pong(framing, rounds, polled, cpus(options));
        limits.push(ran.expect("loopback works"));
        let ran = engine::ping_pong(setup, rounds);
        ours.push(ran.expect("the engine starts on this machine"));
    }
    let row = |quantile: f64| {
        let micros =
            |histogram: &Histogram<u64>| histogram.value_at_quantile(quantile) as f64 / 1e3;
        let ratios = limits
            .iter()
            .zip(&ours)
            .map(|(limit, our)| micros(our) / micros(limit));
        Row {
            bench: "ping-pong",
            framing: name_of(framing),
            case: format!(
                "{} p{}",
                if polled { "polled" } else { "asleep" },
                quantile * 100.0
            ),
            unit: "µs",
            ratio: Spread::of(ratios.collect()),
            cpu_per_gib: None,
            limit: Spread::of(limits.iter().map(micros).collect()),
            ringwire: Spread::of(ours.iter().map(micros).collect()),
        }
    };
    vec![row(0.5), row(0.99)]
}

fn print_row(row: &Row) {
    let name = format!("{}/{} {}", row.bench, row.framing, row.case);
    print!(
        "{name:<32} limit {:>8.1}  ringwire {:>8.1} {:<5} ratio {:.2} ({:.2}..{:.2})",
        row.limit.median,
        row.ringwire.median,
        row.unit,
        row.ratio.median,
        row.ratio.min,
        row.ratio.max,
    );
    match &row.cpu_per_gib {
        Some([limit, ours]) => println!("  CPU s/GiB {:.2} : {:.2}", limit.median, ours.median),
        None => println!(),
    }
}
