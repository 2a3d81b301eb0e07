//! The names of links: where a link stands in its transport's slab, and which of those that stood there
//! it is.
//!
//! ```text
//!   63  56 55            32 31                     0
//!   [  0 ] [ link's index ] [ link's generation      ]
//! ```
//!
//! The generation is a number that no other link of the transport had before (it wraps after four
//! thousand million links, long after its holder is gone). So a name that is kept too long names nobody.

use ringwire_core::switch::io::LinkId;

/// Links a transport can hold: what 24 bits can count.
pub(crate) const LINKS_MAX: usize = 1 << 24;

/// The id of the link at `index` of the slab.
pub(crate) fn link_id(index: usize, generation: u32) -> LinkId {
    debug_assert!(index < LINKS_MAX);
    LinkId((index as u64) << 32 | u64::from(generation))
}

/// The place in the slab that an id names.
pub(crate) fn index_of(link: LinkId) -> usize {
    (link.0 >> 32) as usize
}

/// The generation that an id names.
pub(crate) fn generation_of(link: LinkId) -> u32 {
    link.0 as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_id_tells_place_and_generation() {
        let id = link_id(77, 123);
        assert_eq!((index_of(id), generation_of(id)), (77, 123));
    }
}
