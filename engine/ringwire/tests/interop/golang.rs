//! Programs in Go that the tests run: built once, when first needed, from the modules in `go/`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where the modules lie, seen from each package of `engine/`.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ringwire/tests/interop/go");

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

/// A program: a package that a module has or depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// Folder of the module in `go/`.
    pub(crate) module: &'static str,
    /// The package.
    pub(crate) package: &'static str,
}

impl Program {
    /// Builds it; Go's own cache makes it a short affair when nothing has changed. The error says
    /// why it cannot be had on this machine.
    ///
    /// A program that does not compile fails the test.
    pub(crate) fn build(self) -> Result<PathBuf, String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golang");
        fs::create_dir_all(&folder).expect("the folder of test data can be written");
        // Another test program may be building the same.
        let lock = File::create(folder.join("lock")).expect("that folder can be written");
        lock.lock().expect("a file on a local disk can be locked");
        // Fetches what is missing and compiles nothing: only here may the network be to blame.
        let listed = self.go(&["list", "-deps", self.package])?;
        if !listed.status.success() {
            let said = String::from_utf8_lossy(&listed.stderr).into_owned();
            assert!(
                UNREACHABLE.iter().any(|sign| said.contains(sign)),
                "{}: go list: {said}",
                self.module
            );
            return Err(format!(
                "its modules cannot be fetched; run the tests once with a Go module proxy \
                 (GOPROXY) in reach: {said}"
            ));
        }
        let name = match self.package.rsplit_once('/') {
            Some((_, last)) => format!("{}-{last}", self.module),
            None => String::from(self.module),
        };
        let program = folder.join(name.replace('/', "-"));
        let target = program.to_str().expect("a path of UTF-8");
        let flags = ["build", "-p", "2", "-buildvcs=false", "-o", target];
        let built = self.go(&[&flags[..], &[self.package]].concat())?;
        assert!(
            built.status.success(),
            "{}: go build: {}",
            self.module,
            String::from_utf8_lossy(&built.stderr)
        );
        Ok(program)
    }

    /// Runs a verb of Go in the folder of the module.
    fn go(self, args: &[&str]) -> Result<Output, String> {
        let (verb, rest) = args.split_first().expect("a verb");
        let folder = Path::new(SOURCES).join(self.module);
        let run = |go| {
            let mut command = Command::new(go);
            command.arg(verb).arg("-C").arg(&folder).args(rest).output()
        };
        let mut runs = GO.into_iter().map(run);
        runs.find_map(Result::ok).ok_or_else(|| {
            String::from("go cannot be run; install Go 1.23.5 or newer: https://go.dev/dl")
        })
    }
}

/// Says what is not tested, past the capture of the test harness: it must be seen when all is green.
pub(crate) fn say_skipped(what: &str, reason: &str) {
    // Where there is no standard error there is nobody to tell.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: no {what} to test against: {reason}"
    );
}

/// Says a figure that was measured, past the capture of the test harness.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
