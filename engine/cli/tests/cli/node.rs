//! A node that runs while a test looks at it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Run, command, run_at, terminate};

/// Time in which whatever a test waits for must happen, with all cores busy.
pub(crate) const WITHIN: Duration = Duration::from_secs(90);

/// A program that runs on a home until it is told to end; a failed test ends it, too.
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: Log,
}

impl Running {
    /// Starts `command` on `home`, on a free port of this machine.
    pub(crate) fn start(home: &Path, name: &str, args: &[&str]) -> Running {
        Running::start_at(home, name, "tcp://127.0.0.1:0", args)
    }

    /// The same where a test says on which address it listens.
    pub(crate) fn start_at(home: &Path, name: &str, laddr: &str, args: &[&str]) -> Running {
        let home = home
            .to_str()
            .expect("a temporary directory has a plain name");
        let mut child = command(&[name, "--home", home])
            .args(["--laddr", laddr, "--shards", "1"])
            .args(["--addr-book-strict=false"])
            .args(args)
            .stdin(match args.contains(&"--stdin") {
                true => Stdio::piped(),
                false => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        Running {
            child,
            stdout: BufReader::new(stdout),
            log: Log::of(stderr),
        }
    }

    /// Begins to publish lines, as fast as the node takes them, until it ends; it was started with
    /// `--stdin`.
    pub(crate) fn load(&mut self) {
        let mut stdin = self.child.stdin.take().expect("stdin is a pipe");
        thread::spawn(move || {
            let lines = "a line of a node under load\n".repeat(100);
            while stdin.write_all(lines.as_bytes()).is_ok() {}
        });
    }

    /// Publishes these lines; the node was started with `--stdin`.
    pub(crate) fn speak(&mut self, lines: &[String]) {
        let stdin = self.child.stdin.as_mut().expect("stdin is a pipe");
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        stdin.write_all(text.as_bytes()).expect("the program reads");
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout
            .read_line(&mut line)
            .expect("the program writes UTF-8");
        line.trim_end().to_owned()
    }

    /// Waits until its log has a line with `words`: what a signal has brought about is not confirmed in any other way.
    #[track_caller]
    pub(crate) fn wait_log(&self, words: &str) {
        self.log.wait(words);
    }

    /// Asks the program to end and waits for it; its log, and what else it said from now on.
    pub(crate) fn terminated(mut self) -> Run {
        terminate(&self.child);
        self.ended()
    }

    /// Waits for the end that something else has brought about; its log, and what else it said from now on.
    pub(crate) fn ended_by_itself(mut self) -> Run {
        self.ended()
    }

    /// Ends the program without a chance to put anything away.
    pub(crate) fn killed(mut self) {
        self.child.kill().expect("the program still runs");
        self.child.wait().expect("the program ends");
    }

    fn ended(&mut self) -> Run {
        let status = self.child.wait().expect("the program ends");
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).expect("UTF-8");
        Run {
            code: status.code(),
            stdout,
            stderr: self.log.whole(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails when the process has ended already, and then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program writes to standard error, read as it comes: a program that logs much never waits for its test.
struct Log {
    lines: Arc<Lines>,
    reader: Option<JoinHandle<()>>,
}

/// The lines so far, and who waits for one.
#[derive(Default)]
struct Lines {
    text: Mutex<String>,
    more: Condvar,
}

impl Lines {
    fn text(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn of(stderr: ChildStderr) -> Log {
        let lines = Arc::new(Lines::default());
        let heard = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let line = line.expect("the program writes UTF-8");
                heard.text().push_str(&format!("{line}\n"));
                heard.more.notify_all();
            }
        });
        Log {
            lines,
            reader: Some(reader),
        }
    }

    /// Waits until one of the lines has `words`.
    #[track_caller]
    fn wait(&self, words: &str) {
        let (text, waited) = self
            .lines
            .more
            .wait_timeout_while(self.lines.text(), WITHIN, |text| !text.contains(words))
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "{words:?} is not in {text}");
    }

    /// All of it, once the program has ended.
    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the program writes UTF-8");
        }
        self.lines.text().clone()
    }
}

/// What `ringwire peers` says of `home`, once `wanted` is true of it.
pub(crate) fn report_when(home: &Path, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let ran = run_at(home, "peers", &["--json"]);
        let report = ran.json();
        let running = report["running"] == true;
        assert_eq!(ran.code, Some(i32::from(!running)), "{}", ran.stderr);
        if wanted(&report) {
            return report;
        }
        assert!(began.elapsed() < WITHIN, "not in time: {report:#}");
    }
}

/// How many entries a list of a report has.
pub(crate) fn count(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}
