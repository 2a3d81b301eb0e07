//! The committed figures, and the comparison with those of today.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// The file: figures by scenario.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// A connection in memory.
    #[serde(default)]
    pub(crate) in_memory: BTreeMap<String, Cost>,
    /// Whole nodes over loopback.
    #[serde(default)]
    pub(crate) over_sockets: BTreeMap<String, f64>,
}

/// What one message costs on a connection in memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) allocations: f64,
    /// Of the development build, which the tests use. Absent where there was no valgrind.
    pub(crate) instructions: Option<f64>,
}

/// One measurement at a time: they must not compete for the CPUs, nor write the file together.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Baseline {
    /// The committed one.
    ///
    /// # Panics
    /// When there is none: a guard without a baseline would let everything pass.
    pub(crate) fn committed() -> Baseline {
        let json = std::fs::read_to_string(path()).expect("the baseline is committed");
        serde_json::from_str(&json).expect("its shape is known")
    }

    /// Takes new figures into the file if a new baseline was asked for; whether it was.
    pub(crate) fn rewrite(change: impl FnOnce(&mut Baseline)) -> bool {
        let wanted = std::env::var("RINGWIRE_BASELINE").is_ok_and(|value| value == "write");
        if wanted {
            let mut baseline = Baseline::committed();
            change(&mut baseline);
            let json = serde_json::to_string_pretty(&baseline).expect("plain data");
            std::fs::write(path(), json + "\n").expect("the sources are writable");
        }
        wanted
    }
}

/// Fails if a scenario is missing on either side, or costs more than `allows` lets pass; tells every
/// figure. `worse` names what of a scenario's cost is too much.
pub(crate) fn compare<T: std::fmt::Debug>(
    measured: &BTreeMap<String, T>,
    baseline: &BTreeMap<String, T>,
    worse: impl Fn(&T, &T) -> Vec<String>,
) {
    assert!(
        measured.keys().eq(baseline.keys()),
        "the baseline has every scenario and no other"
    );
    let mut faults = Vec::new();
    for (scenario, now) in measured {
        let was = &baseline[scenario];
        println!("{scenario}: {now:?}, baseline {was:?}");
        faults.extend(
            worse(now, was)
                .iter()
                .map(|fault| format!("{scenario}: {fault}")),
        );
    }
    assert!(
        faults.is_empty(),
        "a message costs more than it did: {faults:#?}"
    );
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json")
}
