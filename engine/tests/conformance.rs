//! The conformance list: what the reference's own tests ask of a peer-to-peer layer, item by item,
//! and where it is asked of this one.
//!
//! Each item of the connection, transport and switch chapters names the tests that cover it, or
//! says why it does not apply. The tests below fail when a named test is gone, when an item has no
//! entry, and when a test claims (`// Conformance item N.`) an item that is not on the list.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Items of the whole list, address book and libraries included.
const ITEM_MAX: u16 = 98;
/// Items that this table must account for: connection, secret connection, values, transport,
/// switch.
const TABLE_MAX: u16 = 66;
/// Lines between a claim and the test it stands above: attributes and a doc.
const CLAIM_REACH: usize = 6;

/// How an item is met.
enum Met {
    /// By these tests.
    By(&'static [&'static str]),
    /// It does not apply, and this is why.
    Not(&'static str),
}

use Met::{By, Not};

/// Item, what it asks, how it is met.
const TABLE: &[(u16, &str, Met)] = &[
@@TABLE@@
];

/// A claim found in the sources: which items, which test, where.
struct Claim {
    items: Vec<u16>,
    test: Option<String>,
    place: String,
}

fn source_files() -> Vec<PathBuf> {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = engine.parent().expect("the engine lies in the workspace");
    let mut files = Vec::new();
    let mut folders = vec![root.join("codec/src"), root.join("engine/src"), root.join("engine/tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "rs") => {
                    files.push(path);
                }
                false => {}
            }
        }
    }
    files
}

/// The names of all tests in the sources: functions under a `#[test]` or inside `proptest!`.
fn test_names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in source_files() {
        let text = fs::read_to_string(file).expect("a source is readable UTF-8");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line == "#[test]" || line.starts_with("#[test]") {
                is_test = true;
            } else if let Some(name) = function_name(line) {
                if std::mem::take(&mut is_test) {
                    names.insert(name);
                }
            } else if !line.starts_with("#[") && !line.starts_with("//") {
                is_test = false;
            }
        }
    }
    names
}

fn function_name(line: &str) -> Option<String> {
    let rest = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn "))?;
    let end = rest.find(['(', '<'])?;
    Some(rest[..end].to_string())
}

fn claims() -> Vec<Claim> {
    let mut claims = Vec::new();
    for file in source_files() {
        let text = fs::read_to_string(&file).expect("a source is readable UTF-8");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(items) = claimed_items(line) else { continue };
            let below = lines.iter().skip(index + 1).take(CLAIM_REACH);
            let test = below.copied().find_map(function_name);
            let place = format!("{}:{}", file.display(), index + 1);
            claims.push(Claim { items, test, place });
        }
    }
    claims
}

/// The numbers of `// Conformance item 5.` or `// Conformance items 5, 6 and 9: words.`
fn claimed_items(line: &str) -> Option<Vec<u16>> {
    let rest = line.strip_prefix("// Conformance item")?;
    let list = rest.strip_prefix('s').unwrap_or(rest);
    let list = list.split(['.', ':', '(']).next().unwrap_or_default();
    let words = list.split([' ', ',']).filter(|word| !word.is_empty() && *word != "and");
    Some(words.map(|word| word.parse().unwrap_or(0)).collect())
}

#[test]
fn every_item_has_an_entry_and_every_named_test_exists() {
    let tests = test_names();
    let mut problems = Vec::new();
    for item in 1..=TABLE_MAX {
        if TABLE.iter().filter(|(number, ..)| *number == item).count() != 1 {
            problems.push(format!("item {item} has no entry, or more than one"));
        }
    }
    for (item, asks, met) in TABLE {
        match met {
            By(names) if names.is_empty() => problems.push(format!("item {item} names no test")),
            By(names) => {
                for name in names.iter().filter(|name| !tests.contains(**name)) {
                    problems.push(format!("item {item} ({asks}): there is no test `{name}`"));
                }
            }
            Not(reason) if reason.len() < 20 => problems.push(format!("item {item}: why not?")),
            Not(_) => {}
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_claim_of_an_item_stands_above_a_test_and_names_items_of_the_list() {
    let mut problems = Vec::new();
    for claim in claims() {
        if claim.items.is_empty() || claim.items.iter().any(|item| !(1..=ITEM_MAX).contains(item)) {
            problems.push(format!("{}: claims {:?}", claim.place, claim.items));
        }
        if claim.test.is_none() {
            problems.push(format!("{}: no test follows", claim.place));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn what_the_table_names_is_claimed_where_it_stands() {
    let mut claimed: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
    for claim in claims() {
        for item in claim.items {
            claimed.entry(item).or_default().extend(claim.test.clone());
        }
    }
    let mut problems = Vec::new();
    for (item, _, met) in TABLE {
        let By(names) = met else { continue };
        let known = claimed.get(item);
        for name in *names {
            if !known.is_some_and(|tests| tests.contains(*name)) {
                problems.push(format!("item {item}: `{name}` does not claim it"));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn claims_are_read_with_one_number_or_several() {
    assert_eq!(claimed_items("// Conformance item 5."), Some(vec![5]));
    assert_eq!(claimed_items("// Conformance items 6, 7 and 8."), Some(vec![6, 7, 8]));
    assert_eq!(claimed_items("// Conformance item 23: the honest row."), Some(vec![23]));
    assert_eq!(claimed_items("// Conformance item x."), Some(vec![0]));
    assert_eq!(claimed_items("// nothing"), None);
}
