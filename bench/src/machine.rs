//! Where and how figures came about: machine, kernel, compiler, command, day.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::case::Row;

/// A whole run: what the JSON file holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where and how.
    pub machine: Machine,
    /// Runs of each contender, at most.
    pub runs: usize,
    /// Whether amounts were too small to measure anything.
    pub quick: bool,
    /// The figures.
    pub rows: Vec<Row>,
}

impl Report {
    /// Writes it to a file, whole or not at all: beside it first, and then over it.
    ///
    /// # Errors
    /// When the folder does not take it, or the path names no file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let json = serde_json::to_string_pretty(self).expect("a report is plain data");
        let beside = beside(path)?;
        fs::write(&beside, json + "\n")?;
        fs::rename(beside, path)
    }
}

/// Finds out whether a report can be written to a file, and leaves the file as it is.
///
/// # Errors
/// When the folder does not take a file, or the path names none.
pub fn try_to_write(path: &Path) -> io::Result<()> {
    let beside = beside(path)?;
    fs::write(&beside, "")?;
    fs::remove_file(beside)
}

/// Where a file is written before it takes the place of `path`.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().filter(|_| !path.is_dir());
    let mut beside = name
        .ok_or_else(|| io::Error::new(io::ErrorKind::IsADirectory, "this names no file"))?
        .to_owned();
    beside.push(".new");
    Ok(path.with_file_name(beside))
}

/// Where and how figures came about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Model name of the CPU.
    pub cpu: String,
    /// CPUs this process may use.
    pub cores: usize,
    /// Kernel release.
    pub kernel: String,
    /// The compiler that built the bench.
    pub rustc: String,
    /// The commit of the sources, if git knows.
    pub commit: Option<String>,
    /// The command's arguments.
    pub command: String,
    /// The day, as in 2026-11-22.
    pub date: String,
}

impl Machine {
    /// This machine, now.
    pub fn here() -> Self {
        let command = String::from("cargo bench -p ringwire-bench --bench system --");
        Machine {
            cpu: cpu_model().unwrap_or_else(|| String::from("unknown")),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| String::from("unknown"), |text| text.trim().to_owned()),
            rustc: String::from(env!("BENCH_RUSTC")),
            commit: commit(),
            command: arguments().fold(command, |command, argument| command + " " + &argument),
            date: today(),
        }
    }
}

/// This program's arguments, but for where the figures go and what cargo adds.
fn arguments() -> impl Iterator<Item = String> {
    let mut arguments = std::env::args().skip(1);
    std::iter::from_fn(move || {
        loop {
            match arguments.next()? {
                flag if flag == "--bench" || flag.starts_with("--json=") => {}
                flag if flag == "--json" => drop(arguments.next()),
                argument if argument.contains(' ') => return Some(format!("'{argument}'")),
                argument => return Some(argument),
            }
        }
    })
}

fn cpu_model() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let days = since.map_or(0, |since| since.as_secs() / 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The date of a day since 1970-01-01: years begin in March, so that the leap day comes last
/// (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates_across_leap_days_and_years() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_453), (2025, 12, 31));
        assert_eq!(civil(20_454), (2026, 1, 1));
    }

    #[test]
    fn a_place_that_takes_no_file_is_refused_before_anything_is_measured() {
        let here = std::env::temp_dir();
        assert!(try_to_write(&here).is_err(), "a folder");
        assert!(try_to_write(&here.join("no-such-folder/figures.json")).is_err());
        let file = here.join(format!("ringwire-bench-try-{}", std::process::id()));
        fs::write(&file, "older figures").expect("the folder takes it");
        try_to_write(&file).expect("the folder takes another");
        let kept = fs::read_to_string(&file).expect("it is there");
        fs::remove_file(&file).expect("it is ours");
        assert_eq!(kept, "older figures");
    }

    #[test]
    fn a_report_is_written_over_an_older_one_and_nothing_else_is_left() {
        let name = format!("ringwire-bench-report-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("the folder for temporary files takes one");
        let path = folder.join("figures.json");
        let mut report = Report {
            machine: Machine::here(),
            runs: 1,
            quick: true,
            rows: Vec::new(),
        };
        for runs in [1, 2] {
            report.runs = runs;
            report.write(&path).expect("the folder takes it");
            let text = fs::read_to_string(&path).expect("it was written");
            let read: Report = serde_json::from_str(&text).expect("it is whole");
            assert_eq!(read.runs, runs);
        }
        let files = fs::read_dir(&folder).expect("it is there").count();
        fs::remove_dir_all(&folder).expect("it is ours");
        assert_eq!(files, 1);
    }
}
