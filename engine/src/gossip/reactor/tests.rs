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
    assert!(owned.iter().all(|count| (800..1200).contains(count)), "{owned:?}");
}

#[test]
fn a_backlog_counts_its_bytes_both_ways() {
    let known = Seen::new(1, Duration::from_secs(1));
    let id = NodeId::from_bytes([1; 20]);
    let mut peer = FloodPeer { id, backlog: VecDeque::new(), backlog_bytes: 0, known };
    peer.hold([1; 32], Bytes::from_static(b"abc"));
    peer.hold([2; 32], Bytes::from_static(b"de"));
    assert_eq!(peer.backlog_bytes, 5);
    let (digest, body) = peer.take_held().unwrap();
    assert_eq!((digest, peer.backlog_bytes), ([1; 32], 2));
    peer.put_back(digest, body);
    assert_eq!(peer.backlog_bytes, 5);
    assert_eq!(peer.take_held().unwrap().0, [1; 32]);
}
