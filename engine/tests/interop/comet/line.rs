//! The lines of CometBFT there are to meet, and their programs: built once, when first needed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Where the program of each line lies, in a folder of the line's name.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/go");

/// Where Go may be: on the path, or where its own installer puts it.
const GO: [&str; 2] = ["go", "/usr/local/go/bin/go"];

/// What Go's tools say when they cannot fetch a module, or are older than it and cannot fetch a
/// newer toolchain.
const UNREACHABLE: [&str; 11] = [
    "dial tcp",
    "no such host",
    "connection refused",
    "i/o timeout",
    "TLS handshake",
    "proxyconnect",
    "module lookup disabled",
    "toolchain not available",
    "invalid go version",
    "requires go >=",
    "unexpected EOF",
];

/// One line of CometBFT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The folder of its program.
    pub(crate) name: &'static str,
    /// The P2P protocol it announces.
    pub(crate) p2p_protocol: u64,
    place: usize,
}

/// All lines there are to meet.
pub(crate) const LINES: [Line; 2] = [
    Line {
        name: "v0.38",
        p2p_protocol: 8,
        place: 0,
    },
    Line {
        name: "v1",
        p2p_protocol: 9,
        place: 1,
    },
];

impl Line {
    /// The line's program, built if need be; `None`, with a loud word, where it cannot be.
    ///
    /// A program that does not compile fails the test.
    pub(crate) fn program(self) -> Option<&'static Path> {
        static PROGRAMS: [OnceLock<Result<PathBuf, String>>; LINES.len()] =
            [const { OnceLock::new() }; LINES.len()];
        match PROGRAMS[self.place].get_or_init(|| build(self)) {
            Ok(program) => Some(program),
            Err(reason) => {
                say(&format!(
                    "SKIPPED: no CometBFT {} to test against: {reason}",
                    self.name
                ));
                None
            }
        }
    }
}

/// Past the capture of the test harness: what was not tested must be seen when all is green.
fn say(line: &str) {
    // Where there is no standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Builds the line's program; Go's own cache makes it a short affair when nothing has changed.
fn build(line: Line) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cometpeer");
    fs::create_dir_all(&folder).expect("the folder of test data can be written");
    // Another test program may be building the same.
    let lock = File::create(folder.join("lock")).expect("the folder of test data can be written");
    lock.lock().expect("a file on a local disk can be locked");
    // Fetches what is missing and compiles nothing: only here may the network be to blame.
    let listed = go(line, &["list", "-deps", "."])?;
    if !listed.status.success() {
        let said = String::from_utf8_lossy(&listed.stderr).into_owned();
        assert!(
            UNREACHABLE.iter().any(|sign| said.contains(sign)),
            "{}: go list: {said}",
            line.name
        );
        return Err(format!(
            "its modules cannot be fetched; run the tests once with a Go module proxy (GOPROXY) \
             in reach: {said}"
        ));
    }
    let program = folder.join(line.name);
    let target = program.to_str().expect("a path of UTF-8");
    let built = go(
        line,
        &["build", "-p", "2", "-buildvcs=false", "-o", target, "."],
    )?;
    assert!(
        built.status.success(),
        "{}: go build: {}",
        line.name,
        String::from_utf8_lossy(&built.stderr)
    );
    Ok(program)
}

/// Runs a verb of Go in the folder of the line's program.
fn go(line: Line, args: &[&str]) -> Result<Output, String> {
    let (verb, rest) = args.split_first().expect("a verb");
    let folder = Path::new(SOURCES).join(line.name);
    let run = |go| {
        let mut command = Command::new(go);
        command.arg(verb).arg("-C").arg(&folder).args(rest).output()
    };
    let mut runs = GO.into_iter().map(run);
    runs.find_map(Result::ok).ok_or_else(|| {
        String::from("go cannot be run; install Go 1.23.5 or newer: https://go.dev/dl")
    })
}
