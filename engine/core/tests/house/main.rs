//! The rules of the house that no compiler checks, read from the sources.
//!
//! What a crate may depend on stands in its Cargo.toml, and what the pure crates may name in their
//! clippy.toml. What is left:
//!
//! * A room of the core imports only rooms that an arrow of the architecture allows.
//! * `unsafe` is allowed only where the kernel is talked to, and in the buffer slab.
//! * State has one owner, and files import each other in no circle (`owners`).
//! * Every file opens with its doc.
//! * Examples, in docs and as programs, use `ringwire` alone or say what else they depend on.
//!
//! Each failure names file and line.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this test reads the sources"
)]

mod owners;

use std::fs;
use std::path::{Path, PathBuf};

/// What each room of the core may import from it, by the arrows of docs/architecture.md. A room may
/// always import itself. One arrow points up, and carries a plain value only: why a peer was closed
/// may be the error of its connection.
const ARROWS: &[(&str, &[&str])] = &[
    ("lib", &[]),
    ("time", &[]),
    ("chance", &[]),
    ("document", &[]),
    ("config", &["error"]),
    ("error", &["conn"]),
    ("metrics", &["time", "config", "error"]),
    ("buffer", &["time", "config", "error"]),
    ("conn", &["time", "config", "error", "buffer", "metrics"]),
    ("peer", &["time", "config", "error", "buffer", "conn"]),
    ("comet", &["config", "conn"]),
    (
        "reactor",
        &[
            "time", "config", "error", "document", "buffer", "conn", "peer",
        ],
    ),
    ("pex", PROTOCOL),
    ("gossip", PROTOCOL),
    ("switch", PROTOCOL),
];

/// What the rooms of the protocol may import, each other included.
const PROTOCOL: &[&str] = &[
    "time", "chance", "document", "config", "error", "metrics", "buffer", "conn", "peer",
    "reactor", "pex", "gossip", "switch",
];

/// Where `unsafe` may be allowed: the ring talks to the kernel, the slab takes its memory back, and the
/// program tells its allocator options by a name that the linker sees. The crates deny it everywhere
/// else.
const UNSAFE_PLACES: &[&str] = &[
    "engine/ringwire/src/transport/ring",
    "engine/core/src/buffer/buffer.rs",
    "engine/cli/src/allocator.rs",
];

/// The crates of the engine.
const CRATES: &[&str] = &["core", "sync", "sim", "ringwire", "cli"];

/// A source file: its path from the workspace root, and its production part.
struct Source {
    path: String,
    production: Vec<(usize, String)>,
    first_line: String,
}

impl Source {
    /// The room of the core it belongs to: `switch` for engine/core/src/switch/io.rs.
    fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("engine/core/src/")?;
        let first = inside.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first))
    }

    /// Whether its whole content is tests.
    fn is_test(&self) -> bool {
        let ends = ["/tests.rs", "_tests.rs"];
        self.path.contains("/tests/") || ends.iter().any(|end| self.path.ends_with(end))
    }
}

fn root() -> PathBuf {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    core.ancestors()
        .nth(2)
        .expect("the core lies in engine/ of the workspace")
        .to_path_buf()
}

/// All sources of the library crates and of the program.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    collect(&root().join("codec/src"), &mut sources);
    for name in CRATES {
        let before = sources.len();
        for folder in ["src", "tests", "examples"] {
            collect(&root().join("engine").join(name).join(folder), &mut sources);
        }
        assert!(
            sources.len() > before + 3,
            "the sources of {name} were found"
        );
    }
    sources
}

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(read(&path));
        }
    }
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).expect("a source is readable UTF-8");
    let relative = path
        .strip_prefix(root())
        .expect("sources lie under the root");
    let numbered = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.to_string()));
    // Tests stand last in a file, behind their attribute; a lone `mod tests;` counts as one.
    let production = numbered
        .take_while(|(_, line)| {
            let is_tests = |mark: &&str| line.starts_with(*mark);
            !["#[cfg(test)]", "#[cfg(all(test"].iter().any(is_tests)
        })
        .collect();
    Source {
        path: relative.to_string_lossy().into_owned(),
        production,
        first_line: text.lines().next().unwrap_or_default().to_string(),
    }
}

/// The rooms a line of code imports or names: `crate::a::B`, `crate::{a::B, c}`.
fn rooms_named(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let mut rooms = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(list) => list.trim_end_matches(['}', ';', ' ']),
            None => rest,
        };
        let items = if names.len() == rest.len() {
            vec![names]
        } else {
            names.split(',').collect()
        };
        for item in items {
            let end = item.trim().find(|c: char| !c.is_alphanumeric() && c != '_');
            let name = item.trim();
            rooms.push(name[..end.unwrap_or(name.len())].to_string());
        }
    }
    rooms
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn rooms_import_only_along_the_arrows() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let Some(room) = source.room() else {
            continue;
        };
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            problems.push(format!(
                "{}: the room `{room}` has no line in ARROWS",
                source.path
            ));
            continue;
        };
        for (number, line) in &source.production {
            for named in rooms_named(line) {
                let is_room = ARROWS.iter().any(|(name, _)| *name == named);
                if is_room && named != room && !allowed.contains(&&*named) {
                    problems.push(format!("{}:{number}: {room} imports {named}", source.path));
                }
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn unsafe_is_allowed_only_where_the_kernel_is_talked_to_and_in_the_slab() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        if UNSAFE_PLACES
            .iter()
            .any(|place| source.path.starts_with(place))
        {
            continue;
        }
        for (number, line) in &source.production {
            let code = line.split("//").next().unwrap_or_default();
            // The attribute of a crate forbids; that of an item, on one line or several, allows.
            if code.contains("unsafe_code") && !code.starts_with("#![") {
                problems.push(format!("{}:{number}: allows unsafe code", source.path));
            }
        }
    }
    for root in [
        "codec/src/lib.rs",
        "engine/core/src/lib.rs",
        "engine/gossip/src/lib.rs",
        "engine/sim/src/lib.rs",
        "engine/ringwire/src/lib.rs",
        "engine/cli/src/main.rs",
    ] {
        let source = read(&self::root().join(root));
        let denies = |(_, line): &(usize, String)| {
            ["#![forbid(unsafe_code)]", "#![deny(unsafe_code)]"].contains(&&**line)
        };
        if !source.production.iter().any(denies) {
            problems.push(format!("{root}: does not deny unsafe code"));
        }
    }
    assert_none(&problems);
}

/// The names that `text` gives away: those of `pub use`, and its own public types, constants and
/// modules.
fn names_given(text: &str) -> Vec<String> {
    let text: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join(" ");
    let mut names = Vec::new();
    for rest in text.split("pub use ").skip(1) {
        let list = rest.split(';').next().unwrap_or_default();
        let inside = list.rsplit_once('{').map(|(_, inside)| inside);
        let given = inside.map_or_else(
            || vec![list.rsplit("::").next().unwrap_or_default()],
            |inside| inside.trim_end_matches(['}', ' ']).split(',').collect(),
        );
        let given = given
            .into_iter()
            .map(str::trim)
            .filter(|name| !name.is_empty());
        names.extend(given.map(String::from));
    }
    for item in ["mod", "struct", "enum", "trait", "const", "type"] {
        for rest in text.split(&format!(" pub {item} ")).skip(1) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            names.push(rest[..end.unwrap_or(rest.len())].to_owned());
        }
    }
    // What only tests see, the project's own and those of applications, and the `fn` of a constant function.
    names.retain(|name| !["bench", "testing", "Readme", "Embedding", "fn"].contains(&&**name));
    names
}

/// What a stranger finds under `ringwire::` fits on one page.
#[test]
fn the_library_gives_no_more_names_than_a_page_holds() {
    const NAMES_MAX: usize = 127;
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("a source");
    let mut names = names_given(&read("engine/ringwire/src/lib.rs"));
    for file in ["mod", "channels", "messages"] {
        let comet = read(&format!("engine/core/src/comet/{file}.rs"));
        let library = comet.split("#[cfg(test)]").next().unwrap_or_default();
        names.extend(names_given(library));
    }
    assert!(names.len() > 60, "the names were found: {names:?}");
    assert!(names.len() <= NAMES_MAX, "{}: {names:#?}", names.len());
}

#[test]
fn the_reader_of_names_finds_lists_single_names_and_items() {
    let text = "use a::Hidden;\npub use b::One;\npub use c::{Two, d::Three};\n pub mod four {}\n";
    assert_eq!(names_given(text), ["One", "Two", "d::Three", "four"]);
}

#[test]
fn every_file_opens_with_its_doc() {
    let problems: Vec<String> = sources()
        .iter()
        .filter(|source| !source.first_line.starts_with("//!"))
        .map(|source| format!("{}:1: the file does not say what it is", source.path))
        .collect();
    assert_none(&problems);
}

/// The crates whose names may be used without a line under `[dependencies]`.
const AT_HAND: &[&str] = &["std", "core", "alloc", "ringwire", "crate", "super", "self"];

/// A page or the docs of a source: its lines, free of the marks of comments. Of an example the code
/// is part of what is shown.
fn shown(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a page or a source is readable UTF-8");
    let whole = path.extension().is_some_and(|extension| extension == "md")
        || path
            .parent()
            .is_some_and(|folder| folder.ends_with("examples"));
    let line = |line: &str| {
        let comment = ["//!", "///"]
            .iter()
            .find_map(|mark| line.trim().strip_prefix(mark));
        match comment {
            Some(comment) => Some(comment.trim().trim_start_matches("# ").to_owned()),
            None => whole.then(|| line.to_owned()),
        }
    };
    text.lines().filter_map(line).collect()
}

/// Crates that `lines` use by `use a::…` and do not name under `[dependencies]`.
fn undeclared(lines: &[String]) -> Vec<String> {
    let mut declared: Vec<&str> = AT_HAND.to_vec();
    let mut of_dependencies = false;
    for line in lines {
        match line.trim() {
            "[dependencies]" => of_dependencies = true,
            "```" => of_dependencies = false,
            entry if of_dependencies => {
                declared.extend(entry.split_once(" = ").map(|(name, _)| name));
            }
            _ => {}
        }
    }
    let used = lines.iter().filter_map(|line| {
        let path = line.strip_prefix("use ")?;
        let end = path.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        path[end..]
            .starts_with("::")
            .then(|| path[..end].to_owned())
    });
    used.filter(|name| !declared.contains(&&**name)).collect()
}

#[test]
fn examples_use_ringwire_alone_or_say_what_else_they_depend_on() {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .expect("there are pages")
        .chain(fs::read_dir(root().join("engine/ringwire/examples")).expect("there are examples"))
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| path.is_file())
        .collect();
    paths.push(root().join("README.md"));
    let sources = sources();
    let of_engine = sources
        .iter()
        .filter(|source| source.path.starts_with("engine/ringwire/src/") && !source.is_test());
    paths.extend(of_engine.map(|source| root().join(&source.path)));
    let readable = ["md", "rs"];
    let is_shown = |path: &&PathBuf| {
        // It is no model for others: it runs the project's own tests.
        !path.ends_with("scale.rs")
            && path
                .extension()
                .is_some_and(|extension| readable.iter().any(|end| extension == *end))
    };
    let problems: Vec<String> = paths
        .iter()
        .filter(is_shown)
        .flat_map(|path| {
            let names = undeclared(&shown(path));
            names.into_iter().map(move |name| {
                format!(
                    "{}: `{name}` has no line under [dependencies]",
                    path.display()
                )
            })
        })
        .collect();
    assert_none(&problems);
}

#[test]
fn the_reader_of_dependencies_takes_what_a_page_names_and_no_more() {
    let page = "use bytes::Bytes;\nuse std::fmt;\nuse tokio::time;\n\
                [dependencies]\ntokio = \"1\"\n```\nhex = \"1\"\nuse hex::encode;";
    let lines: Vec<String> = page.lines().map(String::from).collect();
    assert_eq!(undeclared(&lines), ["bytes", "hex"]);
}

#[test]
fn the_reader_of_imports_finds_single_names_lists_and_paths_in_code() {
    assert_eq!(rooms_named("use crate::time::Instant;"), ["time"]);
    assert_eq!(
        rooms_named("use crate::{time::Instant, conn};"),
        ["time", "conn"]
    );
    assert_eq!(
        rooms_named("    let x = crate::switch::Thing::new();"),
        ["switch"]
    );
    assert_eq!(rooms_named("// see crate::shard"), Vec::<String>::new());
}
