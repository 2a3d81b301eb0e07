//! Ringwire as another commit has it: its own bench, built beside this one, whose figures stand beside
//! ours in the same run.
//!
//! Both sides are programs that measure one case in one run and write it to a file: so neither has a warm
//! heap or loaded code that the other lacks. A program measures all ways of a case that Ringwire has; they
//! are contenders of the case one by one.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use serde::Deserialize;

use crate::case::{Case, Contender, Plan, Ran, Row};
use crate::machine::Report;
use crate::outcome::{Named, Outcome};

/// Digits of a commit's name, as `git describe` is asked for.
const COMMIT_DIGITS: usize = 12;

/// A commit that somebody named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// As it was named: `HEAD~3`, `v0.2.0`.
    pub name: String,
    /// The commit's name, shortened.
    pub commit: String,
}

/// The bench of a revision, built.
#[derive(Clone, Debug)]
pub struct Earlier {
    revision: Revision,
    program: PathBuf,
    /// Where the programs of both sides leave their figures.
    folder: PathBuf,
}

impl Revision {
    /// The commit that git knows by this name.
    ///
    /// # Errors
    /// When git knows none, or is not there.
    pub fn find(name: &str) -> Result<Revision, String> {
        let mut git = Command::new("git");
        git.args(["-C", env!("CARGO_MANIFEST_DIR")]);
        git.args(["rev-parse", "--verify", "--quiet", "--end-of-options"]);
        let output = git.arg(format!("{name}^{{commit}}")).output();
        let output = output.map_err(|error| format!("git cannot be run: {error}"))?;
        let commit = String::from_utf8_lossy(&output.stdout);
        match commit.trim().get(..COMMIT_DIGITS) {
            Some(commit) if output.status.success() => Ok(Revision {
                name: name.to_owned(),
                commit: commit.to_owned(),
            }),
            _ => Err(String::from("git knows no commit of this name")),
        }
    }

    /// Builds its bench under `folder`, where its sources and what is built of them stay for the next time.
    ///
    /// # Errors
    /// Says what failed.
    pub fn build(self, folder: &Path) -> Result<Earlier, String> {
        let sources = folder.join(&self.commit);
        if !sources.join("Cargo.toml").is_file() {
            self.check_out(folder, &sources)?;
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut cargo = Command::new(cargo);
        cargo.current_dir(&sources);
        // The variable would win over the option, and mix what is built of two sources.
        cargo.env_remove("CARGO_TARGET_DIR");
        cargo.args(["bench", "--no-run", "--locked", "--package=ringwire-bench"]);
        cargo.args(["--bench=system", "--message-format=json-render-diagnostics"]);
        cargo.arg("--target-dir").arg(folder.join("target"));
        let output = cargo.stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("{cargo:?} cannot be run: {error}"))?;
        let built = String::from_utf8_lossy(&output.stdout);
        match built.lines().rev().find_map(executable) {
            Some(program) if output.status.success() => Ok(Earlier {
                revision: self,
                program,
                folder: folder.to_owned(),
            }),
            _ => Err(format!("{cargo:?} failed: {}", output.status)),
        }
    }

    /// Puts its files into `sources`, by a name of its own first: a copy that was broken off is not
    /// taken for a whole one.
    fn check_out(&self, folder: &Path, sources: &Path) -> Result<(), String> {
        let partial = folder.join(format!("{}.partial", self.commit));
        let failed = |error: std::io::Error| format!("{}: {error}", partial.display());
        fs::create_dir_all(folder).map_err(failed)?;
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(failed)?;
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut clone = Command::new("git");
        clone.args(["clone", "--quiet", "--shared", "--no-checkout"]);
        check(clone.arg(&root).arg(&partial))?;
        let mut checkout = Command::new("git");
        checkout.current_dir(&partial);
        check(checkout.args(["checkout", "--quiet", "--detach", &self.commit]))?;
        fs::rename(&partial, sources).map_err(failed)
    }
}

fn check(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} failed: {status}")),
        Err(error) => Err(format!("{command:?} cannot be run: {error}")),
    }
}

/// The bench's program, if a line of cargo's messages says that it was built: with a bench come the programs
/// of its package.
fn executable(line: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        target: Target,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    message
        .executable
        .filter(|_| message.target.name == "system")
}

impl Earlier {
    /// The case with each of `ours`, its contenders that are Ringwire, in two: as the revision has it, and
    /// as it is here, compared with the former.
    ///
    /// # Errors
    /// When this program does not know where it lies.
    pub fn stand_beside(&self, case: Case, ours: &[String], plan: &Plan) -> Result<Case, String> {
        let here = std::env::current_exe()
            .map_err(|error| format!("this program cannot be found: {error}"))?;
        let arguments = arguments(&case.name(), plan);
        let then = self.side(&self.program, "then", &arguments);
        let now = self.side(&here, "now", &arguments);
        Ok(in_two(case, ours, &self.revision.commit, &then, &now))
    }

    fn side(&self, program: &Path, name: &str, arguments: &[String]) -> Rc<RefCell<Side>> {
        Rc::new(RefCell::new(Side {
            program: program.to_owned(),
            arguments: arguments.to_vec(),
            figures: self.folder.join(format!("{name}.json")),
            rows: Vec::new(),
        }))
    }
}

/// How a bench measures one case once, with nobody beside Ringwire.
fn arguments(case: &str, plan: &Plan) -> Vec<String> {
    let mut arguments = vec!["--bench", "--against=none", "--runs=1"];
    arguments.extend(plan.quick.then_some("--quick"));
    arguments.extend(plan.full.then_some("--full"));
    let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    arguments.push(format!("--only={case}"));
    arguments.push(String::from("--cpus"));
    arguments.extend(plan.cpus.map(|cpu| cpu.to_string()));
    arguments
}

fn in_two(
    mut case: Case,
    ours: &[String],
    commit: &str,
    then: &Rc<RefCell<Side>>,
    now: &Rc<RefCell<Side>>,
) -> Case {
    for contender in std::mem::take(&mut case.contenders) {
        if !ours.contains(&contender.name) {
            case.contenders.push(contender);
            continue;
        }
        let earlier = case.contenders.len();
        for (side, name, beside) in [
            (then, format!("{} at {commit}", contender.name), 0),
            (now, contender.name.clone(), earlier),
        ] {
            let (side, asked) = (Rc::clone(side), contender.name.clone());
            case.contenders.push(Contender {
                name,
                beside,
                run: Box::new(move || side.borrow_mut().take(&asked)),
            });
        }
    }
    case
}

/// A bench that measures one case, and what it has measured that nobody has taken yet.
struct Side {
    program: PathBuf,
    arguments: Vec<String>,
    figures: PathBuf,
    rows: Vec<Row>,
}

impl Side {
    /// What this contender did in the latest run, or in a new one where it was taken already.
    fn take(&mut self, contender: &str) -> Ran {
        if !self.has(contender) {
            self.rows = self.measure()?;
        }
        let place = self.rows.iter().position(|row| row.contender == contender);
        let row = place.map(|place| self.rows.swap_remove(place));
        let row = row.ok_or_else(|| format!("{} has no such contender", self.program.display()))?;
        let figures = row.figures.into_iter();
        Ok(Outcome {
            others: figures
                .map(|figure| Named::new(figure.name, figure.unit, figure.spread.median))
                .collect(),
            ..Outcome::default()
        })
    }

    fn has(&self, contender: &str) -> bool {
        self.rows.iter().any(|row| row.contender == contender)
    }

    fn measure(&self) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .arg("--json")
            .arg(&self.figures);
        let output = command.output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or("it said nothing");
            return Err(format!("{}: {last}", self.program.display()).into());
        }
        let report: Report = serde_json::from_slice(&fs::read(&self.figures)?)?;
        Ok(report.rows)
    }
}

#[cfg(test)]
mod tests {
    use ringwire::peer::Framing;

    use super::*;
    use crate::case::Figure;
    use crate::measure::Spread;

    #[test]
    fn a_commit_has_a_name_and_anything_else_is_refused() {
        match Revision::find("HEAD") {
            Ok(head) => assert_eq!(head.commit.len(), COMMIT_DIGITS),
            Err(error) => println!("SKIPPED: these sources have no git ({error})"),
        }
        for name in ["no-such-commit", "", "--all", "limit"] {
            assert!(Revision::find(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let lines = [
            r#"{"reason":"compiler-artifact","target":{"name":"bytes"},"executable":null}"#,
            r#"{"reason":"compiler-artifact","target":{"name":"system"},"executable":"/target/release/deps/system-1"}"#,
            r#"{"reason":"compiler-artifact","target":{"name":"carry"},"executable":"/target/release/carry"}"#,
            r#"{"reason":"build-finished","success":true}"#,
        ];
        let found: Vec<PathBuf> = lines.into_iter().filter_map(executable).collect();
        assert_eq!(found, [PathBuf::from("/target/release/deps/system-1")]);
    }

    fn row(contender: &str, value: f64) -> Row {
        Row {
            bench: String::from("drain"),
            framing: String::from("wide"),
            case: String::from("1 KiB"),
            contender: contender.to_owned(),
            figures: vec![Figure {
                name: String::from("throughput"),
                unit: String::from("MB/s"),
                spread: Spread::of(vec![value]),
                ratio: None,
            }],
        }
    }

    fn measured(rows: Vec<Row>) -> Rc<RefCell<Side>> {
        Rc::new(RefCell::new(Side {
            program: PathBuf::from("no-such-program"),
            arguments: Vec::new(),
            figures: PathBuf::new(),
            rows,
        }))
    }

    #[test]
    fn each_of_ours_is_compared_with_itself_at_the_other_commit() {
        let moved = || -> Ran {
            Ok(Outcome {
                others: vec![Named::new("throughput", "MB/s", 100.0)],
                ..Outcome::default()
            })
        };
        let case = Case::new("drain", Framing::Wide, "1 KiB")
            .with("limit", moved)
            .with("ringwire", moved)
            .with("ringwire (one handle)", moved);
        let ours = ["ringwire", "ringwire (one handle)"].map(str::to_owned);
        let then = measured(vec![row("ringwire", 40.0)]);
        let now = measured(vec![row("ringwire", 50.0), row(&ours[1], 7.0)]);
        let mut case = in_two(case, &ours, "0123456789ab", &then, &now);
        let (rows, failures) = case.run(1, |_, _| {});
        let ratios: Vec<(&str, Option<f64>)> = rows
            .iter()
            .map(|row| (&*row.contender, row.figures[0].ratio.map(|it| it.median)))
            .collect();
        let expected = [
            ("limit", None),
            ("ringwire at 0123456789ab", Some(0.4)),
            ("ringwire", Some(1.25)),
            // What it would be compared with could not be measured.
            ("ringwire (one handle)", None),
        ];
        assert_eq!(ratios, expected);
        assert_eq!(failures.len(), 1);
        assert!(failures[0].starts_with("ringwire (one handle) at 0123456789ab"));
    }
}
