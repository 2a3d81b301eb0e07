//! What can be said of the flood without peers; whole nodes are in the switch's tests.

use super::*;

#[test]
fn each_id_has_one_owner_and_owners_share_the_ids() {
    let mut owned = [0; 4];
    for n in 0..4000_u32 {
        let digest = *blake3::hash(&n.to_le_bytes()).as_bytes();
        assert_eq!(owner_of(&digest, 1), ShardId(0));
        owned[usize::from(owner_of(&digest, 4).0)] += 1;
    }
    assert!(
        owned.iter().all(|count| (800..1200).contains(count)),
        "{owned:?}"
    );
}
