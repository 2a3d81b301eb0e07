//! A table of faults: what goes wrong, where, and when. Part of a world's input like its seed.
//!
//! A rule strikes in one of two ways. Rules that speak of bytes ([`When::AfterBytes`],
//! [`When::Somewhere`]) are looked at when a link is made and become [`LaneFaults`] of it. Rules
//! that speak of time ([`When::At`]) strike the links that exist then. After
//! [`FaultTable::quiet_after`] new links are sound, so that a test can ask whether the network
//! heals.

use std::time::Duration;

use ringwire_core::time::Instant;

use crate::link::{Ending, LaneFaults};
use crate::rng::Rng;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The connection is lost.
    Reset,
    /// One direction ends as if the writer had closed.
    Eof,
    /// A byte arrives with these bits turned; zero picks one bit at random.
    Corrupt(u8),
    /// One direction carries nothing for this long.
    Stall(Duration),
    /// One side reads no more than this many bytes per second.
    SlowReader(u64),
    /// Nodes of different groups cannot reach each other; nodes in no group reach everybody. An
    /// empty list heals. Only with [`When::At`].
    Partition(Vec<Vec<u32>>),
    /// The node loses everything but its key and starts again after the pause. Only with
    /// [`When::At`].
    Crash {
        /// Which node.
        node: u32,
        /// How long it is down.
        down: Duration,
    },
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// At this time after the start of the world, on each link that exists then.
    At(Duration),
    /// On each new link, in the direction from the dialer, before the byte at this offset.
    AfterBytes(u64),
    /// On this share of new links, in a random direction, at a random byte below the bound.
    Somewhere {
        /// Share of links, 0 to 1.
        chance: f64,
        /// The offset is below this.
        below: u64,
    },
}

/// Which links a rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// All of them.
    Everywhere,
    /// Those between these two nodes, whoever dialed.
    Between(u32, u32),
    /// Those with this node at one end.
    Around(u32),
}

impl Where {
    /// Whether the link between `a` and `b` is meant.
    pub fn includes(self, a: u32, b: u32) -> bool {
        match self {
            Where::Everywhere => true,
            Where::Between(x, y) => (x, y) == (a, b) || (x, y) == (b, a),
            Where::Around(node) => node == a || node == b,
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultRule {
    /// What.
    pub fault: Fault,
    /// When.
    pub when: When,
    /// Where.
    pub place: Where,
}

/// The faults of a world.
#[derive(Clone, Debug, Default)]
pub struct FaultTable {
    rules: Vec<FaultRule>,
    quiet_after: Option<Duration>,
}

impl FaultTable {
    /// A world without faults.
    pub fn new() -> Self {
        FaultTable::default()
    }

    /// Adds a rule for all links.
    pub fn with(self, fault: Fault, when: When) -> Self {
        self.with_at(fault, when, Where::Everywhere)
    }

    /// Adds a rule for some links.
    pub fn with_at(mut self, fault: Fault, when: When, place: Where) -> Self {
        self.rules.push(FaultRule { fault, when, place });
        self
    }

    /// Links made later than this are sound.
    pub fn quiet_after(mut self, quiet: Duration) -> Self {
        self.quiet_after = Some(quiet);
        self
    }

    /// A handful of random faults on links of `nodes` nodes during the first `span`: the fuzzer's
    /// table. It always becomes quiet at the end of the span.
    pub fn random(rng: &mut Rng, nodes: u32, span: Duration) -> Self {
        let mut table = FaultTable::new().quiet_after(span);
        for _ in 0..rng.between(1, 5) {
            let when = When::Somewhere {
                chance: 0.3,
                below: 1 << rng.between(8, 18),
            };
            let fault = match rng.below(5) {
                0 => Fault::Reset,
                1 => Fault::Eof,
                2 => Fault::Corrupt(0),
                3 => Fault::Stall(rng.duration_below(span / 4)),
                _ => Fault::SlowReader(rng.between(20_000, 200_000)),
            };
            table = table.with(fault, when);
        }
        if rng.happens(0.5) {
            let (mut left, mut right) = (Vec::new(), Vec::new());
            (0..nodes).for_each(|n| {
                if rng.happens(0.5) {
                    left.push(n)
                } else {
                    right.push(n)
                }
            });
            let from = rng.duration_below(span / 2);
            table = table.with(Fault::Partition(vec![left, right]), When::At(from));
            table = table.with(Fault::Partition(Vec::new()), When::At(from + span / 4));
        }
        if rng.happens(0.5) {
            let node = rng.below(u64::from(nodes)) as u32;
            let crash = Fault::Crash {
                node,
                down: rng.duration_below(span / 4),
            };
            table = table.with(crash, When::At(rng.duration_below(span / 2)));
        }
        table
    }

    /// The rules that strike at a time, with their time.
    pub fn timed(&self) -> impl Iterator<Item = (Duration, &FaultRule)> {
        self.rules.iter().filter_map(|rule| match rule.when {
            When::At(at) => Some((at, rule)),
            When::AfterBytes(_) | When::Somewhere { .. } => None,
        })
    }

    /// The faults of a new link from node `dialer` to node `target`, per direction: the dialer's
    /// bytes first.
    pub fn of_link(
        &self,
        now: Instant,
        dialer: u32,
        target: u32,
        rng: &mut Rng,
    ) -> [LaneFaults; 2] {
        let mut lanes = [LaneFaults::default(), LaneFaults::default()];
        if self
            .quiet_after
            .is_some_and(|quiet| now >= Instant::ZERO + quiet)
        {
            return lanes;
        }
        for rule in self
            .rules
            .iter()
            .filter(|rule| rule.place.includes(dialer, target))
        {
            let (lane, offset) = match rule.when {
                When::At(_) => continue,
                When::AfterBytes(offset) => (0, offset),
                When::Somewhere { chance, below } => {
                    if !rng.happens(chance) {
                        continue;
                    }
                    (rng.below(2) as usize, rng.below(below))
                }
            };
            strike(&mut lanes[lane], &rule.fault, offset, rng);
        }
        lanes
    }
}

/// Enters one fault into the list of a lane. An earlier cut wins: what lies behind it never comes.
fn strike(lane: &mut LaneFaults, fault: &Fault, offset: u64, rng: &mut Rng) {
    let mut cut_at = |ending| {
        if lane.cut.is_none_or(|(earlier, _)| offset < earlier) {
            lane.cut = Some((offset, ending));
        }
    };
    match *fault {
        Fault::Reset => cut_at(Ending::Reset),
        Fault::Eof => cut_at(Ending::Eof),
        Fault::Corrupt(0) => lane.flips.push((offset, 1 << rng.below(8))),
        Fault::Corrupt(mask) => lane.flips.push((offset, mask)),
        Fault::Stall(rest) => lane.stalls.push((offset, rest)),
        Fault::SlowReader(bytes_per_second) => lane.reader_bytes_per_second = bytes_per_second,
        Fault::Partition(_) | Fault::Crash { .. } => {
            debug_assert!(
                false,
                "partitions and crashes strike at a time, not at a byte"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_strikes_the_links_it_names_and_no_others() {
        let place = Where::Between(1, 2);
        let table = FaultTable::new().with_at(Fault::Reset, When::AfterBytes(7), place);
        let mut rng = Rng::new(1);
        let [there, back] = table.of_link(Instant::ZERO, 2, 1, &mut rng);
        assert_eq!((there.cut, back.cut), (Some((7, Ending::Reset)), None));
        assert_eq!(table.of_link(Instant::ZERO, 1, 3, &mut rng)[0].cut, None);
    }

    #[test]
    fn the_earlier_of_two_cuts_wins() {
        let table = FaultTable::new()
            .with(Fault::Eof, When::AfterBytes(9))
            .with(Fault::Reset, When::AfterBytes(5))
            .with(Fault::Eof, When::AfterBytes(6));
        let [there, _] = table.of_link(Instant::ZERO, 0, 1, &mut Rng::new(1));
        assert_eq!(there.cut, Some((5, Ending::Reset)));
    }

    #[test]
    fn links_are_sound_from_the_quiet_on() {
        let quiet = Duration::from_secs(1);
        let table = FaultTable::new()
            .with(Fault::Reset, When::AfterBytes(0))
            .quiet_after(quiet);
        let cut_at = |now| table.of_link(now, 0, 1, &mut Rng::new(1))[0].cut;
        assert!(cut_at(Instant::from_nanos(999_999_999)).is_some());
        assert!(cut_at(Instant::from_nanos(1_000_000_000)).is_none());
    }

    #[test]
    fn a_chance_of_one_always_strikes_below_its_bound() {
        let when = When::Somewhere {
            chance: 1.0,
            below: 10,
        };
        let table = FaultTable::new().with(Fault::Corrupt(0), when);
        let mut rng = Rng::new(4);
        for _ in 0..100 {
            let lanes = table.of_link(Instant::ZERO, 0, 1, &mut rng);
            let flips: Vec<_> = lanes.iter().flat_map(|lane| &lane.flips).collect();
            assert!(flips.len() == 1 && flips[0].0 < 10 && flips[0].1.count_ones() == 1);
        }
    }
}
