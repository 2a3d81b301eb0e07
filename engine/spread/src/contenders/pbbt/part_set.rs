//! [`PartSet`]: some of a block's parts.

/// Some parts: a bit for each. It grows as it needs to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PartSet {
    words: Vec<u64>,
}

impl PartSet {
    /// The first `count` parts.
    pub(super) fn first(count: u32) -> Self {
        let mut set = PartSet {
            words: vec![u64::MAX; count as usize / 64],
        };
        if !count.is_multiple_of(64) {
            set.words.push((1 << (count % 64)) - 1);
        }
        set
    }

    pub(super) fn contains(&self, part: u32) -> bool {
        let word = self.words.get(part as usize / 64);
        word.is_some_and(|word| word & (1 << (part % 64)) != 0)
    }

    pub(super) fn insert(&mut self, part: u32) {
        let word = part as usize / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (part % 64);
    }

    /// Takes a part out; whether it was in.
    pub(super) fn remove(&mut self, part: u32) -> bool {
        let was_in = self.contains(part);
        if was_in {
            self.words[part as usize / 64] &= !(1 << (part % 64));
        }
        was_in
    }

    /// Adds those of the other.
    pub(super) fn add(&mut self, other: &PartSet) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (ours, theirs) in self.words.iter_mut().zip(&other.words) {
            *ours |= theirs;
        }
    }

    /// Those that are not in the other.
    pub(super) fn without(&self, other: &PartSet) -> PartSet {
        let theirs = other.words.iter().copied().chain(std::iter::repeat(0));
        let words = self.words.iter().zip(theirs);
        PartSet {
            words: words.map(|(ours, theirs)| ours & !theirs).collect(),
        }
    }

    /// From the lowest number on.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                // Clears the lowest bit, and stays at 0.
                rest &= rest.wrapping_sub(1);
                (bit < 64).then_some(at as u32 * 64 + bit)
            })
        })
    }

    pub(super) fn len(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// As they are on the wire.
    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(parts: &[u32]) -> PartSet {
        let mut set = PartSet::default();
        parts.iter().for_each(|part| set.insert(*part));
        set
    }

    #[test]
    fn parts_go_in_and_come_out_across_words() {
        let mut parts = set(&[0, 63, 64, 200]);
        assert_eq!(parts.iter().collect::<Vec<_>>(), [0, 63, 64, 200]);
        assert_eq!(parts.len(), 4);
        assert!(parts.remove(64) && !parts.remove(64) && !parts.remove(9999));
        assert_eq!(parts.without(&set(&[0])), set(&[63, 200]));
        parts.add(&set(&[300]));
        assert!(parts.contains(300));
        assert!(parts.without(&PartSet::first(301)).is_empty());
    }

    #[test]
    fn the_first_parts_end_where_they_should() {
        for count in [1, 63, 64, 65, 128] {
            let first = PartSet::first(count);
            assert_eq!(first.len(), count);
            assert!(first.contains(count - 1) && !first.contains(count));
        }
    }
}
