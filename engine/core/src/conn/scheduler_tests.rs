//! The scheduler's promises, checked against many mixes of channels and against the reference's
//! rule.

use proptest::prelude::*;

use super::*;

/// The reference's rule: least `recently_sent / priority`, ties to the first registered,
/// everything times 0.8 every two seconds.
struct Reference {
    channels: Vec<(u64, u16)>,
}

impl Reference {
    fn pick_and_charge(&mut self, bytes: u64) -> usize {
        let ratio = |&(sent, priority): &(u64, u16)| sent as f32 / f32::from(priority);
        let mut best = 0;
        for index in 1..self.channels.len() {
            if ratio(&self.channels[index]) < ratio(&self.channels[best]) {
                best = index;
            }
        }
        self.channels[best].0 += bytes;
        best
    }

    fn decay(&mut self) {
        for (sent, _) in &mut self.channels {
            *sent = (*sent as f64 * 0.8) as u64;
        }
    }
}

/// Bytes each channel sends of so many packets when all stay busy.
fn saturate(priorities: &[u16], packets: usize, size: impl Fn(usize) -> usize) -> Vec<u64> {
    let mut scheduler = Scheduler::new(priorities.iter().copied());
    (0..priorities.len()).for_each(|index| scheduler.wake(index));
    let mut sent = vec![0; priorities.len()];
    for packet in 0..packets {
        let index = scheduler.pick().expect("all are busy");
        let bytes = size(packet);
        scheduler.charge(index, bytes);
        sent[index] += bytes as u64;
    }
    sent
}

#[test]
fn a_tie_goes_to_the_channel_registered_first() {
    let mut scheduler = Scheduler::new([1, 9, 9]);
    assert_eq!(scheduler.pick(), None);
    scheduler.wake(2);
    scheduler.wake(1);
    assert_eq!(scheduler.pick(), Some(1));
    scheduler.rest(1);
    assert_eq!(scheduler.pick(), Some(2));
    scheduler.rest(2);
    assert!(!scheduler.is_busy());
}

#[test]
fn shares_follow_priorities_as_with_the_reference() {
    let priorities = [5_u16, 10, 1, 7];
    let ours = saturate(&priorities, 230_000, |_| 1036);
    let channels = priorities.iter().map(|&priority| (0, priority)).collect();
    let mut reference = Reference { channels };
    let mut theirs = [0_u64; 4];
    for packet in 0..230_000 {
        theirs[reference.pick_and_charge(1036)] += 1036;
        // About two seconds at the default rate.
        if packet % 9_884 == 0 {
            reference.decay();
        }
    }
    for (ours, theirs) in ours.iter().zip(theirs) {
        let difference = ours.abs_diff(theirs) as f64 / theirs as f64;
        assert!(difference < 0.01, "ours {ours}, the reference's {theirs}");
    }
}

#[test]
fn a_vote_in_a_saturated_connection_is_the_next_packet() {
    let (data, vote) = (0, 1);
    let mut scheduler = Scheduler::new([10, 7]);
    scheduler.wake(data);
    for packet in 0..100_000 {
        let index = scheduler.pick().expect("data is always busy");
        assert_eq!(index, data);
        scheduler.charge(data, 1036);
        if packet % 50 == 0 {
            scheduler.wake(vote);
            assert_eq!(scheduler.pick(), Some(vote), "packet {packet}");
            scheduler.charge(vote, 210);
            scheduler.rest(vote);
        }
    }
}

#[test]
fn a_burst_sent_alone_costs_its_channel_nothing_afterwards() {
    let mut scheduler = Scheduler::new([5, 5]);
    scheduler.wake(0);
    for _ in 0..1000 {
        scheduler.charge(0, 1036);
    }
    scheduler.wake(1);
    let firsts: Vec<_> = (0..6)
        .map(|_| {
            let index = scheduler.pick().expect("both are busy");
            scheduler.charge(index, 1036);
            index
        })
        .collect();
    assert_eq!(
        firsts.iter().filter(|&&index| index == 0).count(),
        3,
        "{firsts:?}"
    );
}

/// Packets of `bulk` that go before one packet of a channel which sent a megabyte by itself a second
/// ago: by our rule, and by the reference's.
#[test]
fn a_block_part_after_a_burst_does_not_wait_as_it_does_with_the_reference() {
    let (data, bulk, burst) = (0, 1, 1000);
    let mut ours = Scheduler::new([10, 5]);
    let mut reference = Reference {
        channels: vec![(0, 10), (0, 5)],
    };
    ours.wake(data);
    for _ in 0..burst {
        ours.charge(data, 1036);
    }
    reference.channels[data].0 = burst * 1036;
    ours.rest(data);
    ours.wake(bulk);
    for _ in 0..20 {
        assert_eq!(ours.pick(), Some(bulk));
        ours.charge(bulk, 1036);
        reference.channels[bulk].0 += 1036;
    }
    ours.wake(data);
    let waited_ours = (0..).take_while(|_| {
        let index = ours.pick().expect("both are busy");
        ours.charge(index, 1036);
        index != data
    });
    let waited_theirs = (0..).take_while(|_| reference.pick_and_charge(1036) != data);
    assert!(waited_ours.count() <= 1);
    assert!(waited_theirs.count() > 400);
}

#[test]
fn moving_the_tags_back_keeps_order_and_shares() {
    let mut scheduler = Scheduler::new([1, 3]);
    scheduler.virtual_time = REBASE_AT - 1_000_000;
    (0..2).for_each(|index| scheduler.wake(index));
    let mut sent = [0_usize; 2];
    for _ in 0..40_000 {
        let index = scheduler.pick().expect("both are busy");
        scheduler.charge(index, 1000);
        sent[index] += 1000;
    }
    assert!(scheduler.virtual_time < REBASE_AT / 2);
    assert_eq!(sent.map(|bytes| (bytes + 5_000_000) / 10_000_000), [1, 3]);
}

proptest! {
    #[test]
    fn no_two_busy_channels_drift_apart_by_more_than_a_packet_each(
        priorities in prop::collection::vec(1_u16..=1000, 2..10),
        sizes in prop::collection::vec(1_usize..65_536, 1..40),
    ) {
        let longest = *sizes.iter().max().expect("not empty") as f64;
        let sent = saturate(&priorities, 3000, |packet| sizes[packet % sizes.len()]);
        for (i, &a) in sent.iter().enumerate() {
            for (j, &b) in sent.iter().enumerate() {
                let (pi, pj) = (f64::from(priorities[i]), f64::from(priorities[j]));
                let drift = (a as f64 / pi - b as f64 / pj).abs();
                let bound = longest / pi + longest / pj + 0.0002 * (a as f64 / pi).max(b as f64 / pj);
                prop_assert!(drift <= bound, "channels {i} and {j}: {drift} over {bound}");
            }
        }
    }

    #[test]
    fn a_channel_that_was_idle_waits_for_one_packet_of_each_other_at_most(
        priorities in prop::collection::vec(1_u16..=1000, 2..10),
        sizes in prop::collection::vec(1_usize..65_536, 1..40),
        before in 1_usize..500,
    ) {
        let vote = priorities.len();
        let mut scheduler = Scheduler::new(priorities.iter().copied().chain([7]));
        (0..vote).for_each(|index| scheduler.wake(index));
        for packet in 0..before {
            let index = scheduler.pick().expect("all are busy");
            scheduler.charge(index, sizes[packet % sizes.len()]);
        }
        scheduler.wake(vote);
        let waited = (0..).take_while(|packet| {
            let index = scheduler.pick().expect("all are busy");
            scheduler.charge(index, sizes[packet % sizes.len()]);
            index != vote
        }).count();
        prop_assert!(waited < priorities.len());
    }
}
