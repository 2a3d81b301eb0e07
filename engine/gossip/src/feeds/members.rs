//! [`Members`]: the nodes that an application names, to whom an origin sends directly where all are connected.
//!
//! ```text
//!  origin ── body, and the tag of its set ──▶ each member      whose set has the same tag: passes it on to links
//!                                                             that go to no member, and to nobody else
//! ```
//! Nobody can be left out by a mistake: a set is known by a hash of all of it, so a member that knows another set, or none,
//! passes the message on as any other.

use std::collections::{BTreeMap, BTreeSet};

use super::slot::{Slot, Slots};

/// How the owner calls a node, whoever it is: its id.
pub type MemberId = [u8; 20];

/// Stands for a set of members: the first bytes of a BLAKE3 of all of them.
pub type MembersTag = [u8; MEMBERS_TAG_BYTES];

/// Bytes of a [`MembersTag`].
pub const MEMBERS_TAG_BYTES: usize = 8;

/// An origin sends at most so many bytes of a message to members directly, of all copies together: a fiftieth of a second
/// of 100 Mbit/s. What is longer comes sooner by a tree.
pub const DIRECT_BYTES_MAX: usize = 256 * 1024;

const TAG_CONTEXT: &str = "ringwire 2026-11 gossip feeds members";

/// The members, and which links go to them.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Without this node.
    others: BTreeSet<MemberId>,
    tag: Option<MembersTag>,
    linked: BTreeMap<MemberId, Slot>,
}

impl Members {
    /// These are the members from now on; `own` may be one of them. No members: there is no set.
    pub(super) fn new(own: &MemberId, members: &BTreeSet<MemberId>) -> Self {
        let mut others = members.clone();
        others.remove(own);
        Members {
            others,
            tag: (!members.is_empty()).then(|| tag_of(members)),
            linked: BTreeMap::new(),
        }
    }

    /// A neighbour is there.
    pub(super) fn handle_link_up(&mut self, slot: Slot, id: MemberId) {
        if self.others.contains(&id) {
            self.linked.insert(id, slot);
        }
    }

    /// A neighbour is gone.
    pub(super) fn handle_link_down(&mut self, slot: Slot) {
        self.linked.retain(|_, linked| *linked != slot);
    }

    /// What to say with a payload of so many bytes that goes to all members directly. `None` for one that goes as any
    /// other: it is too long for so many, or a member is not connected.
    pub(super) fn tag_for(&self, payload_bytes: usize) -> Option<MembersTag> {
        let copies = self.others.len();
        let is_full = copies > 0 && self.linked.len() == copies;
        let is_short = copies.saturating_mul(payload_bytes) <= DIRECT_BYTES_MAX;
        self.tag.filter(|_| is_full && is_short)
    }

    /// The links whose neighbours get a message with this tag from its origin.
    pub(super) fn served(&self, tag: Option<MembersTag>) -> Slots {
        let mut served = Slots::NONE;
        if tag.is_some() && tag == self.tag {
            self.linked.values().for_each(|slot| {
                served.insert(*slot);
            });
        }
        served
    }

    /// Whether it is the tag of this set.
    pub(super) fn is_ours(&self, tag: Option<MembersTag>) -> bool {
        tag.is_some() && tag == self.tag
    }
}

fn tag_of(members: &BTreeSet<MemberId>) -> MembersTag {
    let mut hasher = blake3::Hasher::new_derive_key(TAG_CONTEXT);
    for member in members {
        hasher.update(member);
    }
    let hash = hasher.finalize();
    *hash.as_bytes().first_chunk().expect("a hash is longer")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: &[u8]) -> BTreeSet<MemberId> {
        numbers.iter().map(|number| [*number; 20]).collect()
    }

    fn slot(number: usize) -> Slot {
        Slot::new(number).unwrap()
    }

    /// Node 0, with links to 1 and 2, among 0, 1 and 2.
    fn linked() -> Members {
        let mut members = Members::new(&[0; 20], &ids(&[0, 1, 2]));
        members.handle_link_up(slot(5), [1; 20]);
        members.handle_link_up(slot(6), [9; 20]);
        members.handle_link_up(slot(7), [2; 20]);
        members
    }

    #[test]
    fn what_is_short_goes_directly_when_every_member_is_connected() {
        let mut members = linked();
        let half = DIRECT_BYTES_MAX / 2;
        let tag = members.tag_for(half);
        assert!(tag.is_some());
        assert_eq!(members.tag_for(half + 1), None);
        members.handle_link_down(slot(6));
        assert_eq!(members.tag_for(half), tag, "it is no member's");
        members.handle_link_down(slot(7));
        assert_eq!(members.tag_for(1), None);
        members.handle_link_up(slot(6), [2; 20]);
        assert_eq!(members.tag_for(1), tag);
    }

    #[test]
    fn members_are_served_by_their_origin_where_both_know_the_same_set() {
        let members = linked();
        let tag = members.tag_for(1);
        let served: Vec<usize> = members.served(tag).iter().map(Slot::index).collect();
        assert_eq!(served, [5, 7]);
        assert!(members.is_ours(tag) && members.served(None).is_empty());
        let others = Members::new(&[0; 20], &ids(&[0, 1, 2, 3]));
        assert!(others.served(tag).is_empty() && !others.is_ours(tag));
        // Which of them this node is does not matter, nor whether it is one.
        for own in [1, 9] {
            assert!(Members::new(&[own; 20], &ids(&[0, 1, 2])).is_ours(tag));
        }
    }

    #[test]
    fn without_members_nothing_goes_directly() {
        for members in [ids(&[]), ids(&[0])] {
            let members = Members::new(&[0; 20], &members);
            assert_eq!(members.tag_for(1), None);
        }
        assert!(!Members::new(&[0; 20], &ids(&[])).is_ours(None));
    }
}
