//! What packages bring beside the program: completions, manual pages, the unit of systemd, the profile
//! of system calls for containers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::{Run, can_run_nodes, default_port, run};

/// The commands that the help lists.
fn commands() -> Vec<String> {
    let help = run(&["--help"]).succeeded().stdout;
    let listed = help
        .split("Commands:\n")
        .nth(1)
        .expect("there are commands");
    let lines = listed.lines().take_while(|line| !line.is_empty());
    // What goes on below a command's name stands further in.
    let named = lines.filter_map(|line| {
        line.strip_prefix("  ")
            .filter(|line| !line.starts_with(' '))
    });
    let names = named.filter_map(|line| line.split_whitespace().next());
    names
        .map(String::from)
        .filter(|name| name != "help")
        .collect()
}

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("packaging")
        .join(name)
}

fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: {tool} is missing");
    }
    found
}

#[test]
fn each_shell_gets_a_script_that_knows_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).succeeded().stdout;
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
    }
    run(&["completions", "tcsh"]).failed(2, "tcsh");
}

#[test]
fn bash_takes_its_script_and_completes_a_command() {
    let script = run(&["completions", "bash"]).succeeded().stdout;
    let ask = "\nCOMP_WORDS=(ringwire show); COMP_CWORD=1; _ringwire ringwire show ringwire\n\
               echo \"${COMPREPLY[@]}\"";
    let shell = Command::new("bash").args(["-c", &(script + ask)]).output();
    let ran = Run::from(shell.expect("bash is there")).succeeded();
    assert_eq!(ran.stdout.trim(), "show-node-id");
}

#[test]
fn every_command_gets_a_manual_page_and_old_pages_are_replaced() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let pages = place.path().join("made/for/them");
    let directory = pages.to_str().expect("a plain name");
    run(&["man", directory]).succeeded();
    let start = pages.join("ringwire-start.1");
    fs::write(&start, "old").expect("room to write");
    run(&["man", directory]).succeeded();
    for command in commands() {
        assert!(
            pages.join(format!("ringwire-{command}.1")).exists(),
            "{command}"
        );
    }
    let page = fs::read_to_string(&start).expect("the page");
    assert!(
        page.contains("RINGWIRE_HOME") && page.contains("persistent"),
        "{page}"
    );
    let file = pages.join("ringwire.1");
    let within_a_file = file.to_str().expect("a plain name");
    run(&["man", within_a_file]).failed(1, "ringwire.1: ");
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    if !has("systemd-analyze") {
        return;
    }
    // It looks for the program where a package puts it.
    let unit = fs::read_to_string(packaging("ringwire.service")).expect("the unit");
    let unit = unit.replace("/usr/bin/ringwire", env!("CARGO_BIN_EXE_ringwire"));
    let place = tempfile::tempdir().expect("a temporary directory");
    let path = place.path().join("ringwire.service");
    fs::write(&path, unit).expect("room to write");
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&path)
        .stdin(Stdio::null())
        .output();
    let ran = Run::from(verified.expect("it was there"));
    // Without a running systemd it tells of its own surroundings, too.
    let ours: Vec<_> = ran
        .stderr
        .lines()
        .filter(|line| line.contains("ringwire.service"))
        .collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

/// The program under the system calls that a profile of containers or a unit allows.
fn confined(by: &str, home: &Path, args: &[&str]) -> Option<Run> {
    if !cfg!(target_arch = "x86_64") || !has("python3") {
        eprintln!("SKIPPED: the profile is tried by python3 on x86-64");
        return None;
    }
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/confine.py"))
        .arg(packaging(by))
        .arg(env!("CARGO_BIN_EXE_ringwire"))
        .args(args)
        .env_remove("RUST_LOG")
        .env("RINGWIRE_HOME", home)
        .stdin(Stdio::null())
        .output()
        .expect("python3 is there");
    let ran = Run::from(output);
    if ran.stderr.contains("SKIPPED") {
        eprintln!("{}", ran.stderr);
        return None;
    }
    Some(ran)
}

/// Has nodes do all that they do under a profile or a unit.
fn try_nodes(by: &str) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let confined = |args: &[&str]| confined(by, home.path(), args);
    let Some(ran) = confined(&["init", "--network", "confined"]) else {
        return;
    };
    ran.succeeded();
    if !can_run_nodes() {
        return;
    }
    let _alone = default_port();
    let args = ["localnet", "--nodes", "3", "--messages", "50", "--quiet"];
    confined(&args).expect("it ran before").succeeded();
    let doctor = confined(&["doctor", "--shards", "1"]);
    let doctor = doctor.expect("it ran before").succeeded().stdout;
    assert!(!doctor.contains("warn  home"), "{doctor}");
    assert!(doctor.contains("shards can be pinned"), "{doctor}");
}

#[test]
fn under_the_profile_of_the_container_all_a_node_does_is_allowed() {
    try_nodes("seccomp.json");
}

#[test]
fn under_the_filter_of_the_unit_all_a_node_does_is_allowed() {
    if has("systemd-analyze") {
        try_nodes("ringwire.service");
    }
}

#[test]
fn the_profile_refuses_what_no_node_needs() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let Some(ran) = confined("seccomp.json", home.path(), &["--refused"]) else {
        return;
    };
    ran.succeeded();
}

#[test]
fn the_image_is_built_by_the_compiler_that_the_sources_name() {
    let read = |path: PathBuf| fs::read_to_string(path).expect("a file of the sources");
    let named = read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rust-toolchain.toml"));
    let named = named.split("channel = \"").nth(1);
    let named = named
        .and_then(|rest| rest.split('"').next())
        .expect("a version");
    let dockerfile = read(packaging("Dockerfile"));
    let base = dockerfile.split("FROM docker.io/library/rust:").nth(1);
    let base = base
        .and_then(|rest| rest.split('-').next())
        .expect("a version");
    assert!(
        named.starts_with(&format!("{base}.")),
        "{base} is not {named}"
    );
}
