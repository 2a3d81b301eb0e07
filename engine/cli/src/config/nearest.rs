//! Finds what somebody meant to write: the known name with the fewest edits from an unknown one.

/// The candidate nearest to `name`, unless even the nearest is too far to be what was meant:
/// more than one edit per three characters of `name`, rounded up.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let edits_max = name.chars().count().div_ceil(3);
    candidates
        .into_iter()
        .map(|candidate| (edits(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= edits_max)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements that turn `from` into `to`, upper and lower case alike.
fn edits(from: &str, to: &str) -> usize {
    strsim::levenshtein(&from.to_lowercase(), &to.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_count_insertions_deletions_and_replacements() {
        assert_eq!(edits("laddr", "laddr"), 0);
        assert_eq!(edits("ladr", "laddr"), 1);
        assert_eq!(edits("laddrs", "laddr"), 1);
        assert_eq!(edits("saddr", "laddr"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn the_nearest_name_is_found_whatever_its_case() {
        let names = ["laddr", "send_rate", "recv_rate"];
        assert_eq!(nearest("sendrate", names), Some("send_rate"));
        assert_eq!(nearest("LADDR", names), Some("laddr"));
    }

    #[test]
    fn a_name_that_is_near_to_nothing_finds_nothing() {
        assert_eq!(nearest("colour", ["laddr", "send_rate"]), None);
        assert_eq!(nearest("laddrx", ["laddr"]), Some("laddr"));
        assert_eq!(nearest("laddrxyz", ["laddr"]), Some("laddr"));
        assert_eq!(nearest("laddrwxyz", ["laddr"]), None);
    }
}
