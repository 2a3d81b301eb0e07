//! Says from which commit the program is built, for `ringwire version`.
//!
//! ```text
//!   RINGWIRE_COMMIT ─▶ else git ─▶ else .cargo_vcs_info.json ─▶ else "unknown"
//!   a release script    a checkout   a package of crates.io      a tarball
//! ```
//!
//! Nothing here may fail: a tarball without git is built like everything else.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Digits of a commit that are shown: enough that no two of a repository begin alike.
const COMMIT_DIGITS: usize = 12;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RINGWIRE_COMMIT");
    let commit = told().or_else(checked_out).or_else(packaged);
    let commit = commit.unwrap_or_else(|| String::from("unknown"));
    println!("cargo:rustc-env=RINGWIRE_COMMIT={commit}");
    for (name, variable) in [
        ("RINGWIRE_FEATURES", "CARGO_CFG_FEATURE"),
        ("RINGWIRE_TARGET", "TARGET"),
    ] {
        let value = env::var(variable).unwrap_or_default();
        println!("cargo:rustc-env={name}={value}");
    }
}

/// What whoever builds says: a container has the sources and no repository.
fn told() -> Option<String> {
    let commit = env::var("RINGWIRE_COMMIT").ok()?;
    is_plain(&commit).then_some(commit)
}

/// The commit that is checked out. A change on top of it is not seen here; the release script sees it.
fn checked_out() -> Option<String> {
    // A tarball may lie within a repository that is somebody else's.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    // HEAD says which branch, its log grows with each commit. One that is not there would make cargo
    // run this script every time.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    shortened(&git(&["rev-parse", "HEAD"])?)
}

/// The commit that `cargo package` wrote down.
fn packaged() -> Option<String> {
    let text = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    shortened(rest.split('"').nth(1)?)
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}

fn shortened(commit: &str) -> Option<String> {
    let digits = commit.get(..COMMIT_DIGITS)?;
    is_plain(digits).then(|| digits.to_owned())
}

/// Whether it is one word: cargo reads what is printed here line by line.
fn is_plain(commit: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+".contains(&byte);
    !commit.is_empty() && commit.bytes().all(is_plain)
}
