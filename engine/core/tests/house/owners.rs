//! State has one owner (docs/decisions, 51): its fields are private to a file and its methods stand
//! there; and files do not import each other in a circle.
//!
//! Read from the sources as rustfmt leaves them: an item begins in the first column and ends with a
//! brace in the first column.

use std::collections::{BTreeMap, BTreeSet};

use super::{CRATES, Source, assert_none, sources};

/// The rooms in which every struct keeps the rule.
const ROOMS: &[&str] = &["engine/core/src/switch/", "engine/ringwire/src/shard/"];

/// Circles of files that stay, and why. Each is named by its files, without `.rs`.
const CIRCLES: &[&[&str]] = &[
    // A builder makes the engine, and the engine names its builder for whoever looks for one.
    &["handle/builder", "handle/engine"],
    // A reactor is written against its context, which is typed by the reactor.
    &[
        "reactor/ask",
        "reactor/context",
        "reactor/host",
        "reactor/instance",
        "reactor/reactor",
        "reactor/timers",
    ],
    // The same: discovery acts through the context of the reactor that holds it.
    &["pex/discovery", "pex/reactor"],
    // The same: what waits in a flood is passed on through the flood's context.
    &[
        "gossip/backlog",
        "gossip/counters",
        "gossip/reactor",
        "gossip/slow",
    ],
];

/// A struct: its name, its file, and whether others may see a field of it.
struct Shape {
    name: String,
    path: String,
    is_open: bool,
}

/// Methods of a type: whose, in which file, from which line on, and whether one changes it.
struct Methods {
    owner: String,
    path: String,
    line: usize,
    changes: bool,
}

/// Whether a file is for tests alone, and no part of what the crate is.
fn is_scaffold(path: &str) -> bool {
    path.ends_with("/testing.rs")
}

/// Whether code of a line lets others see a field: `pub` before a name, or in a tuple.
fn shows_field(code: &str) -> bool {
    code.trim_start().starts_with("pub ") || code.trim_start().starts_with("pub(")
}

fn name_after<'a>(code: &'a str, keyword: &str) -> Option<&'a str> {
    let rest = code.split_once(keyword)?.1;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    Some(&rest[..end.unwrap_or(rest.len())])
}

/// The structs of a source.
fn shapes(source: &Source) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    let mut is_inside = false;
    for (_, line) in &source.production {
        let code = line.split("//").next().unwrap_or_default();
        if is_inside {
            is_inside = !code.starts_with('}');
            let shape = shapes.last_mut().expect("it is inside of one");
            shape.is_open |= shows_field(code);
            continue;
        }
        let is_item = code.starts_with("pub") || code.starts_with("struct ");
        let Some(name) = name_after(code, "struct ").filter(|_| is_item) else {
            continue;
        };
        let tuple = code.split_once('(').map_or("", |(_, fields)| fields);
        let tuple = tuple.split_once(name).map_or(tuple, |(_, fields)| fields);
        shapes.push(Shape {
            name: name.to_owned(),
            path: source.path.clone(),
            is_open: code.ends_with(");") && tuple.contains("pub"),
        });
        is_inside = code.ends_with('{');
    }
    shapes
}

/// The blocks of methods of a source that belong to no trait.
fn methods(source: &Source) -> Vec<Methods> {
    let mut all: Vec<Methods> = Vec::new();
    let mut is_inside = false;
    for (number, line) in &source.production {
        let code = line.split("//").next().unwrap_or_default();
        if is_inside {
            is_inside = !code.starts_with('}');
            let block = all.last_mut().expect("it is inside of one");
            block.changes |= code.contains("&mut self");
        } else if code.starts_with("impl") && !code.contains(" for ") {
            let owner = match code.strip_prefix("impl<") {
                Some(generic) => name_after(generic, "> "),
                None => name_after(code, "impl "),
            };
            all.push(Methods {
                owner: owner.unwrap_or_default().to_owned(),
                path: source.path.clone(),
                line: *number,
                changes: false,
            });
            is_inside = code.ends_with('{');
        }
    }
    all
}

/// What breaks the rule: methods that stand elsewhere than the fields, and state that others see. A
/// struct without a method that changes it is a value, and may show what it is made of.
fn broken(sources: &[&Source]) -> Vec<String> {
    let shapes: Vec<Shape> = sources.iter().flat_map(|source| shapes(source)).collect();
    let blocks = sources.iter().flat_map(|source| methods(source));
    blocks
        .filter_map(|block| {
            let mut of_owner = shapes.iter().filter(|shape| shape.name == block.owner);
            let here = of_owner.clone().find(|shape| shape.path == block.path);
            let (owner, place) = (&block.owner, format!("{}:{}", block.path, block.line));
            match here {
                Some(shape) if shape.is_open && block.changes => Some(format!(
                    "{place}: {owner} is state, and others see its fields"
                )),
                None if of_owner.next().is_some() => {
                    Some(format!("{place}: methods of {owner} away from its fields"))
                }
                _ => None,
            }
        })
        .collect()
}

#[test]
fn fields_of_state_are_private_to_a_file_and_its_methods_stand_there() {
    let sources = sources();
    for room in ROOMS {
        let of_room: Vec<&Source> = sources
            .iter()
            .filter(|source| source.path.starts_with(room))
            .filter(|source| !source.is_test() && !is_scaffold(&source.path))
            .collect();
        assert!(of_room.len() > 5, "the sources of {room} were found");
        assert_none(&broken(&of_room));
    }
}

// ---- circles --------------------------------------------------------------------------------

/// A crate's files by their module: `["switch", "io"]` for src/switch/io.rs.
type Modules<'a> = BTreeMap<Vec<String>, &'a Source>;

/// What a file calls by which name: the last segment of each path it imports.
type Imports = BTreeMap<String, Vec<String>>;

fn module_of(source: &Source, root: &str) -> Option<Vec<String>> {
    let inside = source.path.strip_prefix(root)?.strip_suffix(".rs")?;
    let mut module: Vec<String> = inside.split('/').map(String::from).collect();
    if is_list(source) {
        module.pop();
    }
    Some(module)
}

/// Whether a file only lists modules, so that an import of it is one of what it lists.
fn is_list(source: &Source) -> bool {
    ["/mod.rs", "/lib.rs", "/main.rs"]
        .iter()
        .any(|end| source.path.ends_with(end))
}

/// The code of a source on one line, without comments.
fn code_of(source: &Source) -> String {
    let lines = source.production.iter();
    let code = lines.map(|(_, line)| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join(" ")
}

/// Reads one path, or all of a list in braces, behind the segments of `before`. Returns what is left
/// of the text.
fn read_paths<'a>(text: &'a str, before: &[String], paths: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut list) = text.strip_prefix('{') {
        loop {
            list = list.trim_start_matches([',', ' ']);
            match list.strip_prefix('}') {
                Some(rest) => return rest,
                None if list.is_empty() => return list,
                None => list = read_paths(list, before, paths),
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*');
    let (segment, rest) = text.split_at(end.unwrap_or(text.len()));
    let path: Vec<String> = before.iter().cloned().chain([segment.to_owned()]).collect();
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || "_{*".contains(c));
    match rest.strip_prefix("::").filter(|rest| goes_on(rest)) {
        Some(rest) => read_paths(rest, &path, paths),
        None => {
            paths.push(path);
            // What it is renamed to; and at least one character, so that the reader gets on.
            let rest = rest.strip_prefix(" as ").map_or(rest, |renamed| {
                renamed.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
            });
            match segment.is_empty() {
                true => rest.get(1..).unwrap_or_default(),
                false => rest,
            }
        }
    }
}

/// All paths of a code that begin at the crate or at a module above.
fn paths_of(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let is_begin = !code[..at].ends_with("::") && !code[..at].ends_with("$");
            if is_begin {
                read_paths(&code[at..], &[], &mut paths);
            }
        }
    }
    paths
}

/// A path as of the root of the crate; `None` if it leads out of the crate.
fn absolute(module: &[String], path: &[String], modules: &Modules<'_>) -> Option<Vec<String>> {
    let mut base = module.to_vec();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => (base, rest) = (Vec::new(), &path[1..]),
        "self" | "super" => {
            while let Some(first) = rest
                .first()
                .filter(|it| ["self", "super"].contains(&&***it))
            {
                if first == "super" {
                    base.pop();
                }
                rest = &rest[1..];
            }
        }
        child => {
            base.push(child.to_owned());
            modules.get(&base)?;
            base.pop();
        }
    }
    base.extend_from_slice(rest);
    Some(base)
}

/// The file that an absolute path leads to, through the lists on its way.
fn file_of(path: &[String], modules: &Modules<'_>, hops: usize) -> Option<Vec<String>> {
    let found = (0..=path.len()).rev().find_map(|len| {
        let module = &path[..len];
        modules.get(module).map(|source| (module, *source, len))
    });
    let (module, source, len) = found?;
    if !is_list(source) {
        return Some(module.to_vec());
    }
    let listed = imports_of(source).remove(path.get(len)?)?;
    let next = absolute(module, &listed, modules)?;
    (hops > 0).then(|| file_of(&next, modules, hops - 1))?
}

fn imports_of(source: &Source) -> Imports {
    let code = code_of(source);
    let mut paths = Vec::new();
    for rest in code.split("use ").skip(1) {
        read_paths(rest.split(';').next().unwrap_or_default(), &[], &mut paths);
    }
    let named = paths
        .into_iter()
        .filter_map(|path| Some((path.last()?.clone(), path)));
    named.collect()
}

/// What each file of a crate imports from it.
fn edges(modules: &Modules<'_>) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let files = modules.iter().filter(|(_, source)| !is_list(source));
    files
        .map(|(module, source)| {
            let paths = paths_of(&code_of(source));
            let named = paths.iter().filter_map(|path| {
                let path = absolute(module, path, modules)?;
                file_of(&path, modules, 5)
            });
            (module.clone(), named.filter(|to| to != module).collect())
        })
        .collect()
}

/// The circles among files: each file that is reached from itself, with those it shares a circle with.
fn circles(edges: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> BTreeSet<Vec<String>> {
    let reached_from = |start: &Vec<String>| {
        let mut reached = BTreeSet::new();
        let mut next: Vec<_> = edges.get(start).into_iter().flatten().collect();
        while let Some(module) = next.pop() {
            if reached.insert(module) {
                next.extend(edges.get(module).into_iter().flatten());
            }
        }
        reached
    };
    let reached: BTreeMap<_, _> = edges
        .keys()
        .map(|from| (from, reached_from(from)))
        .collect();
    let in_circle = edges
        .keys()
        .filter(|module| reached[module].contains(module));
    in_circle
        .map(|module| {
            let both = |other: &&&Vec<String>| reached[**other].contains(module);
            let circle = reached[module].iter().filter(both);
            circle.map(|module| module.join("/")).collect()
        })
        .collect()
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let sources = sources();
    let mut problems = Vec::new();
    for name in CRATES {
        let root = format!("engine/{name}/src/");
        let modules: Modules<'_> = sources
            .iter()
            .filter(|source| !source.is_test() && !is_scaffold(&source.path))
            .filter_map(|source| Some((module_of(source, &root)?, source)))
            .collect();
        let edges = edges(&modules);
        let imports: usize = edges.values().map(BTreeSet::len).sum();
        assert!(imports > 15, "the imports of {name} were read: {imports}");
        let kept = |circle: &Vec<String>| CIRCLES.iter().any(|kept| circle.iter().eq(kept.iter()));
        let circles = circles(&edges).into_iter().filter(|circle| !kept(circle));
        problems.extend(circles.map(|circle| format!("{root}: a circle of {circle:?}")));
    }
    assert_none(&problems);
}

// ---- the readers ----------------------------------------------------------------------------

fn source(path: &str, text: &str) -> Source {
    let numbered = text.lines().enumerate();
    Source {
        path: path.to_owned(),
        production: numbered
            .map(|(at, line)| (at + 1, line.to_owned()))
            .collect(),
        first_line: String::new(),
    }
}

#[test]
fn the_reader_of_owners_tells_state_from_values_and_finds_methods_that_strayed() {
    let state = "pub(crate) struct Open {\n    pub(crate) field: u8,\n}\n\
                 impl Open {\n    fn change(&mut self) {}\n}\n\
                 pub struct Value {\n    pub field: u8,\n}\nimpl Value {\n    fn look(&self) {}\n}\n\
                 struct Shut<T>(T);\nimpl<T> Shut<T> {\n    fn change(&mut self) {}\n}\n\
                 struct Pair(pub(crate) u8);\nimpl Pair {\n    fn change(&mut self) {}\n}\n";
    let elsewhere = "impl Shut<u8> {\n    fn look(&self) {}\n}\nimpl Drop for Open {\n}\n";
    let [state, elsewhere] = [source("a.rs", state), source("b.rs", elsewhere)];
    let broken = broken(&[&state, &elsewhere]);
    assert_eq!(
        broken,
        [
            "a.rs:4: Open is state, and others see its fields",
            "a.rs:18: Pair is state, and others see its fields",
            "b.rs:1: methods of Shut away from its fields",
        ]
    );
}

#[test]
fn the_reader_of_circles_sees_through_lists_and_groups() {
    let files = [
        source("r/lib.rs", "pub mod room;\npub mod other;"),
        source(
            "r/room/mod.rs",
            "mod a;\nmod b;\npub use a::{First, Second as Renamed};",
        ),
        source("r/room/a.rs", "use super::b::Third;\nuse std::fmt;"),
        source("r/room/b.rs", "use crate::{other::{Fourth, Fifth}, room};"),
        source("r/other.rs", "fn f() -> crate::room::First {}"),
    ];
    let modules: Modules<'_> = files
        .iter()
        .filter_map(|source| Some((module_of(source, "r/")?, source)))
        .collect();
    let found: Vec<_> = circles(&edges(&modules)).into_iter().collect();
    assert_eq!(found, [["other", "room/a", "room/b"].map(String::from)]);
}
