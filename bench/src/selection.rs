//! Which cases a run is asked for: each word of `--only` selects for itself.
//!
//! A word that is the whole name of a case selects that case; any other word selects each case whose
//! name contains it. So `drain/wide 1 KiB` is one case although `drain/wide 1 KiB x 8` contains it,
//! and an exact name beside a part takes nothing away from what the part selects.
//!
//! Invariant: a word that selects nothing is an error. A run of an hour that lacks a case because of
//! a misspelt name is noticed when the hour is over.

use std::fmt;

/// Words that select no case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NothingSelected {
    /// The words, in the order in which they were given.
    pub words: Vec<String>,
}

impl fmt::Display for NothingSelected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted: Vec<String> = self.words.iter().map(|word| format!("{word:?}")).collect();
        write!(
            out,
            "no case is called like {}; --list names all cases",
            quoted.join(" or ")
        )
    }
}

impl std::error::Error for NothingSelected {}

/// For each name, whether one of the words selects it; without words all are selected.
///
/// # Errors
/// All words that select nothing, an empty one among them.
pub fn select(names: &[String], words: &[String]) -> Result<Vec<bool>, NothingSelected> {
    if words.is_empty() {
        return Ok(vec![true; names.len()]);
    }
    let mut selected = vec![false; names.len()];
    let mut idle = Vec::new();
    for word in words {
        let matches = matches(names, word);
        if matches.is_empty() {
            idle.push(word.clone());
        }
        matches.into_iter().for_each(|index| selected[index] = true);
    }
    match idle.is_empty() {
        true => Ok(selected),
        false => Err(NothingSelected { words: idle }),
    }
}

/// The places of the names that one word selects.
fn matches(names: &[String], word: &str) -> Vec<usize> {
    if word.is_empty() {
        return Vec::new();
    }
    match names.iter().position(|name| name == word) {
        Some(exact) => vec![exact],
        None => (0..names.len())
            .filter(|index| names[*index].contains(word))
            .collect(),
    }
}

/// Refuses words that would have no effect beside one that says all of it, as in `none,limit`.
///
/// # Errors
/// A sentence that names the option and the word that stands alone.
pub fn check_alone(option: &str, words: &[String], alone: &[&str]) -> Result<(), String> {
    let stands_alone = |word: &&String| alone.contains(&word.as_str());
    match words.iter().find(stands_alone) {
        Some(word) if words.len() > 1 => Err(format!(
            "{option} {}: \"{word}\" stands alone, other words beside it have no effect",
            words.join(",")
        )),
        _ => Ok(()),
    }
}

/// Refuses CPUs that this process may not run on. Nothing is refused where the kernel does not say
/// which are usable.
///
/// # Errors
/// A sentence that names the CPU and the usable ones.
pub fn check_cpus(cpus: &[usize], usable: &[usize]) -> Result<(), String> {
    let refused = cpus.iter().find(|cpu| !usable.contains(cpu));
    match refused.filter(|_| !usable.is_empty()) {
        Some(cpu) => Err(format!(
            "--cpus {cpu}: this process may run on the CPUs {usable:?} only"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_says_all_of_it_stands_alone() {
        let words = |words: &[&str]| -> Vec<String> {
            words.iter().map(|word| (*word).to_owned()).collect()
        };
        let check = |given: &[&str]| check_alone("--against", &words(given), &["none", "all"]);
        assert_eq!(check(&["none"]), Ok(()));
        assert_eq!(check(&["limit", "comet"]), Ok(()));
        let error = check(&["none", "all"]).expect_err("one of the two has no effect");
        assert!(error.starts_with("--against none,all: \"none\""), "{error}");
        assert!(check(&["comet", "all"]).is_err());
    }

    #[test]
    fn a_cpu_that_may_not_be_used_is_refused() {
        assert_eq!(check_cpus(&[2, 3], &[2, 3]), Ok(()));
        assert_eq!(check_cpus(&[7], &[]), Ok(()), "the kernel does not say");
        let error = check_cpus(&[2, 9], &[2, 3]).expect_err("nine is none of them");
        assert!(
            error.contains("--cpus 9") && error.contains("[2, 3]"),
            "{error}"
        );
    }

    fn names() -> Vec<String> {
        [
            "drain/wide 1 KiB",
            "drain/wide 1 KiB x 8",
            "small/wide 200 B",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn selected(words: &[&str]) -> Result<Vec<String>, NothingSelected> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let selected = select(&names(), &words)?;
        let chosen = names().into_iter().zip(selected);
        Ok(chosen.filter_map(|(name, is)| is.then_some(name)).collect())
    }

    #[test]
    fn without_words_every_case_runs() {
        assert_eq!(selected(&[]).expect("all"), names());
    }

    #[test]
    fn a_whole_name_selects_one_case_and_a_part_all_that_contain_it() {
        assert_eq!(
            selected(&["drain/wide 1 KiB"]).expect("one"),
            ["drain/wide 1 KiB"]
        );
        assert_eq!(selected(&["drain"]).expect("two").len(), 2);
    }

    #[test]
    fn an_exact_name_takes_nothing_away_from_a_part_beside_it() {
        let both = selected(&["drain/wide 1 KiB", "small"]).expect("two");
        assert_eq!(both, ["drain/wide 1 KiB", "small/wide 200 B"]);
    }

    #[test]
    fn each_word_that_selects_nothing_is_named_also_beside_words_that_do() {
        let error = selected(&["drain/wide 1 KiB", "nosuch", "small", ""]).expect_err("two words");
        assert_eq!(error.words, ["nosuch", ""]);
        let text = error.to_string();
        assert!(
            text.contains("\"nosuch\" or \"\"") && text.contains("--list"),
            "{text}"
        );
    }
}
