//! [`Seen`]: which payloads a node knows.

/// Some payloads of a run, whose numbers follow each other: a bit for each.
#[derive(Debug, Default)]
pub(super) struct Seen {
    words: Vec<u64>,
    len: usize,
}

impl Seen {
    /// Adds a payload; whether it is new.
    pub(super) fn insert(&mut self, id: u32) -> bool {
        let word = id as usize / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let is_new = !self.contains(id);
        self.words[word] |= 1 << (id % 64);
        self.len += usize::from(is_new);
        is_new
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        let word = self.words.get(id as usize / 64);
        word.is_some_and(|word| word & (1 << (id % 64)) != 0)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}
