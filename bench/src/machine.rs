//! Where and how figures came about: machine, kernel, compiler, command, day.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::Offset;
use ringwire_codec::file;
use serde::{Deserialize, Serialize};

use crate::case::Row;
use crate::speeds::Speeds;

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
    /// Writes it to a file, whole or not at all.
    ///
    /// # Errors
    /// When the folder does not take it, or the path names no file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let json = serde_json::to_string_pretty(self).expect("a report is plain data");
        // Figures that a loss of power takes are measured again.
        file::replace(path, (json + "\n").as_bytes()).map(|_| ())
    }
}

/// Finds out whether a report can be written to a file, and leaves the file as it is.
///
/// # Errors
/// When the folder does not take a file, or the path names none.
pub fn try_to_write(path: &Path) -> io::Result<()> {
    let name = path.file_name().filter(|_| !path.is_dir());
    let mut beside = name
        .ok_or_else(|| io::Error::new(io::ErrorKind::IsADirectory, "this names no file"))?
        .to_owned();
    beside.push(".new");
    let beside = path.with_file_name(beside);
    fs::write(&beside, "")?;
    fs::remove_file(beside)
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
    /// What one core gives; files of older runs lack it.
    #[serde(default)]
    pub speeds: Option<Speeds>,
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
            speeds: None,
        }
    }

    /// This machine, and what its CPU of this number gives now.
    pub fn measured(cpu: usize) -> Self {
        Machine {
            speeds: Some(Speeds::of(cpu)),
            ..Machine::here()
        }
    }

    /// What one core gives, in a sentence; empty if it was not measured.
    pub fn speeds_sentence(&self) -> String {
        self.speeds
            .as_ref()
            .map_or_else(String::new, Speeds::sentence)
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
    let seconds = since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0));
    let now = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    Offset::UTC.to_datetime(now).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

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
