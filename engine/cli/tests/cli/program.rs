//! Running the built program and reading what it says.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ringwire::TransportChoice;
use serde_json::Value;

use crate::way;

/// The port of a node that is told of no other, 26656: one test has it at a time, also to ask the doctor whether it is
/// free.
pub(crate) fn default_port() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A finished run.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in {:?}; {}", self.stdout, self.stderr))
    }

    /// Fails the test unless the program was content.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(
            self.code,
            Some(0),
            "stdout {:?}, stderr {:?}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Fails the test unless the program ended with `code` and said `words` on standard error.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, words: &str) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout {:?}, stderr {:?}",
            self.stdout,
            self.stderr
        );
        assert!(
            self.stderr.contains(words),
            "{words:?} is not in {:?}",
            self.stderr
        );
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("the program writes UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("the program writes UTF-8"),
        }
    }
}

/// A node of a test: on a free port of this machine, with one shard, quiet.
pub(crate) const START: [&str; 7] = [
    "start",
    "--laddr",
    "tcp://127.0.0.1:0",
    "--shards",
    "1",
    "--log",
    "warn",
];

/// Signals that a shell may have had ignored by what it runs in the background, these tests among them;
/// the program would go on ignoring them. A bit each, of the mask in /proc.
const OFTEN_IGNORED: u64 = 0b111;

/// Whether one of them is ignored by this process, and so by those that it starts.
fn ignores_signals() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & OFTEN_IGNORED != 0)
}

/// The program with these arguments, not started yet; signals mean to it what they do in a terminal.
pub(crate) fn command(args: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_ringwire");
    let mut command = match ignores_signals() {
        true => {
            let mut command = Command::new("env");
            command.args(["--default-signal=HUP,INT,QUIT", program]);
            command
        }
        false => Command::new(program),
    };
    command
        .args(args)
        .args(transport_of(args))
        .env_remove("RUST_LOG")
        .env_remove("RINGWIRE_HOME")
        .stdin(Stdio::null());
    command
}

/// What a command that runs nodes is told besides, where the tests want their bytes moved by readiness: the
/// program itself would take io_uring. Not where a test has a way of its own.
fn transport_of(args: &[&str]) -> &'static [&'static str] {
    let runs_nodes = matches!(args.first(), Some(&("start" | "seed" | "localnet")));
    let is_told = args.contains(&"--transport");
    match way::transport() {
        TransportChoice::Readiness if runs_nodes && !is_told => &["--transport", "readiness"],
        _ => &[],
    }
}

/// Runs the program to its end.
pub(crate) fn run(args: &[&str]) -> Run {
    command(args).output().expect("the program starts").into()
}

/// Runs a command on a home.
pub(crate) fn run_at(home: &Path, command: &str, args: &[&str]) -> Run {
    let home = home
        .to_str()
        .expect("a temporary directory has a plain name");
    run(&[&[command, "--home", home], args].concat())
}

/// Whether this machine can run nodes. A test that is skipped for that says so.
pub(crate) fn can_run_nodes() -> bool {
    !way::skip_without_ring()
}

/// Sends a signal to a running program, by its name without SIG.
pub(crate) fn send_signal(process: u32, signal: &str) {
    let kill = Command::new("kill")
        .args(["-s", signal, &process.to_string()])
        .status();
    assert!(kill.is_ok_and(|status| status.success()), "{signal}");
}

/// Asks a running program to end, as an operator or a service manager does.
pub(crate) fn terminate(child: &Child) {
    let kill = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(
        kill.is_ok_and(|status| status.success()),
        "the program still runs"
    );
}
