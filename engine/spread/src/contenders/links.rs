//! [`Links`]: a node's links in a row, with what it keeps of each.

use crate::machine::LinkId;

/// Something for each link. A node has few links, so a search along the row is the fastest.
#[derive(Debug)]
pub(super) struct Links<T> {
    ids: Vec<LinkId>,
    values: Vec<T>,
}

impl<T> Default for Links<T> {
    fn default() -> Self {
        Links {
            ids: Vec::new(),
            values: Vec::new(),
        }
    }
}

impl<T> Links<T> {
    pub(super) fn push(&mut self, link: LinkId, value: T) {
        self.ids.push(link);
        self.values.push(value);
    }

    /// Takes a link out; those behind it move up.
    pub(super) fn remove(&mut self, link: LinkId) -> Option<(usize, T)> {
        let at = self.index(link)?;
        self.ids.remove(at);
        Some((at, self.values.remove(at)))
    }

    /// Where it stands in the row.
    pub(super) fn index(&self, link: LinkId) -> Option<usize> {
        self.ids.iter().position(|id| *id == link)
    }

    pub(super) fn get(&self, link: LinkId) -> Option<&T> {
        self.index(link).map(|at| &self.values[at])
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut T> {
        self.index(link).map(|at| &mut self.values[at])
    }

    pub(super) fn ids(&self) -> &[LinkId] {
        &self.ids
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &T)> {
        self.ids.iter().copied().zip(&self.values)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (LinkId, &mut T)> {
        self.ids.iter().copied().zip(&mut self.values)
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }
}
