//! What a message costs on a connection in memory, in allocations and instructions.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread::{self, ScopedJoinHandle};

use crate::baseline::{Baseline, Cost, alone, compare};

/// Messages of one scenario: `carry FRAMING MESSAGE_BYTES`, and how many are counted.
const SCENARIOS: [(&str, usize); 6] = [
    ("wide 200", 20_000),
    ("wide 1024", 5_000),
    ("wide 65536", 100),
    ("comet 200", 20_000),
    ("comet 1024", 5_000),
    ("comet 65536", 50),
];
/// How much more than the baseline is let pass: compilers of one line and C libraries differ by
/// less, and a copy or a lookup too many costs more.
const INSTRUCTIONS_TOLERANCE: f64 = 0.10;
/// Allocations per message repeat exactly but for what is rounded: a buffer made now or just before.
const ALLOCATIONS_TOLERANCE: f64 = 0.02;

#[test]
fn a_message_costs_no_more_than_the_baseline_allows() {
    let _alone = alone();
    // What is counted here does not depend on what else runs.
    let measured: BTreeMap<String, Cost> = thread::scope(|scope| {
        let begin = |(scenario, count): (&'static str, usize)| {
            (scenario, scope.spawn(move || cost(scenario, count)))
        };
        let begun: Vec<_> = SCENARIOS.into_iter().map(begin).collect();
        let end = |(scenario, cost): (&str, ScopedJoinHandle<'_, Cost>)| {
            (
                String::from(scenario),
                cost.join().expect("it said its cost"),
            )
        };
        begun.into_iter().map(end).collect()
    });
    if Baseline::rewrite(|baseline| baseline.in_memory = measured.clone()) {
        return;
    }
    compare(&measured, &Baseline::committed().in_memory, worse);
}

fn worse(now: &Cost, was: &Cost) -> Vec<String> {
    let mut faults = Vec::new();
    if now.allocations > was.allocations + ALLOCATIONS_TOLERANCE {
        faults.push(format!(
            "allocations {} > {}",
            now.allocations, was.allocations
        ));
    }
    if let (Some(now), Some(was)) = (now.instructions, was.instructions)
        && now > was * (1.0 + INSTRUCTIONS_TOLERANCE)
    {
        faults.push(format!("instructions {now:.0} > {was:.0}"));
    }
    faults
}

fn cost(scenario: &str, count: usize) -> Cost {
    let said = carry(Command::new(env!("CARGO_BIN_EXE_carry")), scenario, count).0;
    let allocations = said
        .split([':', ','])
        .nth(1)
        .and_then(|text| text.trim().parse().ok());
    Cost {
        allocations: allocations.expect("carry says how often it allocated"),
        instructions: instructions(scenario, count),
    }
}

/// Instructions per message: those of a longer run less those of a shorter one, so that the
/// handshake and the warm-up do not count.
fn instructions(scenario: &str, count: usize) -> Option<f64> {
    if !cfg!(all(debug_assertions, target_arch = "x86_64")) || !has_valgrind() {
        eprintln!(
            "SKIPPED: {scenario}: instructions need valgrind, x86-64 and a development build"
        );
        return None;
    }
    let collected = |count| {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        valgrind.arg(env!("CARGO_BIN_EXE_carry"));
        let said = carry(valgrind, scenario, count).1;
        let line = said
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let number = line.and_then(|(_, number)| number.trim().parse::<f64>().ok());
        number.expect("callgrind says what it collected")
    };
    Some((collected(2 * count) - collected(count)) / count as f64)
}

fn has_valgrind() -> bool {
    let version = Command::new("valgrind").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// Runs the scenario; returns its standard output and error.
fn carry(mut command: Command, scenario: &str, count: usize) -> (String, String) {
    command.args(scenario.split(' ')).arg(count.to_string());
    let output = command
        .output()
        .expect("the program was built with this test");
    let text = |bytes| String::from_utf8(bytes).expect("it writes text");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{scenario} failed: {err}");
    (out, err)
}
