//! The regression guard: what a message costs on a connection in memory, in allocations and, where
//! valgrind is installed, in instructions, against the committed `baseline.json`. Both repeat from
//! run to run; wall-clock time does not, and is never judged.
//!
//! After a change that is meant to cost or save something, write a new baseline and commit it:
//! `RINGWIRE_BASELINE=write cargo test -p ringwire-bench --test guard`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

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

/// What one message costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Cost {
    allocations: f64,
    /// Of the development build, which the tests use. Absent where there was no valgrind.
    instructions: Option<f64>,
}

#[test]
fn a_message_costs_no_more_than_the_baseline_allows() {
    let measured: BTreeMap<&str, Cost> = SCENARIOS
        .iter()
        .map(|(scenario, count)| (*scenario, cost(scenario, *count)))
        .collect();
    if std::env::var("RINGWIRE_BASELINE").is_ok_and(|value| value == "write") {
        let json = serde_json::to_string_pretty(&measured).expect("plain data");
        std::fs::write(baseline_path(), json + "\n").expect("the sources are writable");
        return;
    }
    let json = std::fs::read_to_string(baseline_path()).expect("the baseline is committed");
    let baseline: BTreeMap<String, Cost> = serde_json::from_str(&json).expect("its shape is known");
    assert_eq!(
        baseline.len(),
        SCENARIOS.len(),
        "the baseline has every scenario"
    );
    let mut worse = Vec::new();
    for (scenario, now) in &measured {
        let was = &baseline[*scenario];
        println!("{scenario}: {now:?}, baseline {was:?}");
        if now.allocations > was.allocations + ALLOCATIONS_TOLERANCE {
            worse.push(format!(
                "{scenario}: allocations {} > {}",
                now.allocations, was.allocations
            ));
        }
        if let (Some(now), Some(was)) = (now.instructions, was.instructions)
            && now > was * (1.0 + INSTRUCTIONS_TOLERANCE)
        {
            worse.push(format!("{scenario}: instructions {now:.0} > {was:.0}"));
        }
    }
    assert!(
        worse.is_empty(),
        "a message costs more than it did: {worse:#?}"
    );
}

fn baseline_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json")
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
