//! Who is known, what the last visit found, and who is due for the next: a value without sockets.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use ringwire_codec::{Host, NodeId};
use ringwire_core::pex::Timestamp;

use crate::visit::Target;

/// What the last visit of a node found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Who it is; `None` if it did not say.
    pub(super) id: Option<NodeId>,
    /// Its chain; `None` if it said nothing.
    pub(super) chain: Option<String>,
    /// The version of its software.
    pub(super) version: Option<String>,
    /// Whether it let us in.
    pub(super) reachable: bool,
    /// Whether it told whom it knows.
    pub(super) answers_pex: bool,
    /// Round trip of TCP's handshake.
    pub(super) round_trip: Option<Duration>,
}

/// One address of the map.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// When somebody first told of it.
    pub(super) first_heard: Timestamp,
    /// When it was last reached.
    pub(super) last_reached: Timestamp,
    /// What its last visit found; `None` if there was none.
    pub(super) found: Option<Found>,
    /// Where it stands among those that are due.
    due: Timestamp,
}

/// All that is known. At most as many places as it was made for.
#[derive(Debug)]
pub(super) struct Map {
    places: BTreeMap<Target, Place>,
    /// When each place is to be visited. A place under way stands in `away` instead.
    due: BTreeSet<(Timestamp, Target)>,
    away: HashSet<Target>,
    /// Those visited by an address without an id, as others tell of them.
    met: BTreeSet<Target>,
    /// Hosts that are being visited: a node refuses a second connection from one address.
    hosts: HashSet<Host>,
    pause: Duration,
    places_max: usize,
    /// Places that were visited at least once.
    visited: usize,
    /// Addresses that found no room.
    untaken: u64,
}

impl Map {
    /// An empty map, whose places are visited again after `pause`.
    pub(super) fn new(pause: Duration, places_max: usize) -> Self {
        Map {
            places: BTreeMap::new(),
            due: BTreeSet::new(),
            away: HashSet::new(),
            met: BTreeSet::new(),
            hosts: HashSet::new(),
            pause,
            places_max,
            visited: 0,
            untaken: 0,
        }
    }

    /// Somebody told of a place. True if it is new and has room; it is due at once. A node that was visited by
    /// an address without an id is not new by the same address with its id.
    pub(super) fn learn(&mut self, target: &Target, now: Timestamp) -> bool {
        if self.places.contains_key(target) || self.met.contains(target) {
            return false;
        }
        if self.places.len() == self.places_max {
            self.untaken += 1;
            return false;
        }
        let place = Place {
            first_heard: now,
            last_reached: Timestamp::NEVER,
            found: None,
            due: now,
        };
        self.places.insert(target.clone(), place);
        self.due.insert((now, target.clone()));
        true
    }

    /// The place that is due longest and whose host is not being visited. It is under way until
    /// [`Map::visited`].
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Target> {
        let next = self
            .due
            .iter()
            .take_while(|(due, _)| *due <= now)
            .find(|(_, target)| !self.hosts.contains(&target.host))?
            .clone();
        self.due.remove(&next);
        let (_, target) = next;
        self.hosts.insert(target.host.clone());
        self.away.insert(target.clone());
        Some(target)
    }

    /// What a visit found, now or in an earlier run. A place that nobody told of is learned by it.
    pub(super) fn visited(&mut self, target: &Target, found: Found, at: Timestamp) {
        self.learn(target, at);
        let Some(place) = self.places.get_mut(target) else {
            return;
        };
        if found.reachable {
            place.last_reached = at;
        }
        if target.id.is_none() && found.id.is_some() {
            self.met.insert(Target {
                id: found.id,
                ..target.clone()
            });
        }
        self.visited += usize::from(place.found.is_none());
        place.found = Some(found);
        let before = std::mem::replace(&mut place.due, at + self.pause);
        let after = (place.due, target.clone());
        if self.away.remove(target) {
            self.hosts.remove(&target.host);
        } else {
            self.due.remove(&(before, target.clone()));
        }
        self.due.insert(after);
    }

    /// Whether somebody is due at `now`, busy hosts included.
    pub(super) fn is_any_due(&self, now: Timestamp) -> bool {
        self.due.first().is_some_and(|(due, _)| *due <= now)
    }

    /// When the next place is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// All places.
    pub(super) fn places(&self) -> impl Iterator<Item = (&Target, &Place)> {
        self.places.iter()
    }

    /// The chain of most of the nodes that were reached; of as many, the first by name.
    pub(super) fn commonest_chain(&self) -> Option<String> {
        let mut chains: BTreeMap<&str, usize> = BTreeMap::new();
        let found = self
            .places
            .values()
            .filter_map(|place| place.found.as_ref());
        for chain in found
            .filter(|found| found.reachable)
            .filter_map(|found| found.chain.as_deref())
        {
            *chains.entry(chain).or_default() += 1;
        }
        let commonest = chains.into_iter().rev().max_by_key(|(_, nodes)| *nodes);
        commonest.map(|(chain, _)| chain.to_owned())
    }

    /// How many places were visited at least once.
    pub(super) fn visited_len(&self) -> usize {
        self.visited
    }

    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Addresses that were told and found no room, each time counted.
    pub(super) fn untaken(&self) -> u64 {
        self.untaken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_nanos(1) + Duration::from_secs(seconds)
    }

    fn target(text: &str) -> Target {
        text.parse().expect("an address")
    }

    fn found(reachable: bool) -> Found {
        Found {
            id: None,
            chain: None,
            version: None,
            reachable,
            answers_pex: false,
            round_trip: None,
        }
    }

    #[test]
    fn a_place_is_visited_once_in_a_pause() {
        let mut map = Map::new(PAUSE, 10);
        let place = target("192.0.2.1:1");
        assert!(map.learn(&place, at(0)));
        assert!(!map.learn(&place, at(1)));
        assert_eq!(map.next(at(1)), Some(place.clone()));
        assert_eq!(map.next(at(1)), None);
        map.visited(&place, found(true), at(2));
        assert_eq!(map.next_due(), Some(at(2) + PAUSE));
        assert_eq!(map.next(at(3601)), None);
        assert_eq!(map.next(at(3602)), Some(place));
    }

    #[test]
    fn two_visits_never_meet_on_one_host() {
        let mut map = Map::new(PAUSE, 10);
        let places = ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"].map(target);
        for place in &places {
            map.learn(place, at(0));
        }
        assert_eq!(map.next(at(0)), Some(places[0].clone()));
        assert_eq!(map.next(at(0)), Some(places[2].clone()));
        assert_eq!(map.next(at(0)), None);
        assert!(map.is_any_due(at(0)));
        map.visited(&places[0], found(false), at(1));
        assert_eq!(map.next(at(1)), Some(places[1].clone()));
    }

    #[test]
    fn a_node_met_without_its_id_is_not_new_with_it() {
        let mut map = Map::new(PAUSE, 10);
        let [one, other] = ["1", "2"].map(|digit| digit.repeat(40));
        let place = target("192.0.2.1:1");
        let met = Found {
            id: Some(one.parse().expect("an id")),
            ..found(true)
        };
        map.visited(&place, met, at(0));
        assert!(!map.learn(&target(&format!("{one}@192.0.2.1:1")), at(1)));
        assert!(map.learn(&target(&format!("{one}@192.0.2.1:2")), at(1)));
        assert!(map.learn(&target(&format!("{other}@192.0.2.1:1")), at(1)));
    }

    #[test]
    fn a_full_map_counts_what_it_does_not_take() {
        let mut map = Map::new(PAUSE, 1);
        assert!(map.learn(&target("192.0.2.1:1"), at(0)));
        assert!(!map.learn(&target("192.0.2.2:1"), at(0)));
        assert_eq!((map.len(), map.untaken()), (1, 1));
    }

    #[test]
    fn a_visit_of_an_earlier_run_counts() {
        let mut map = Map::new(PAUSE, 10);
        let place = target("192.0.2.1:1");
        map.learn(&place, at(0));
        map.visited(&place, found(true), at(100));
        assert_eq!(map.next(at(200)), None);
        let (_, known) = map.places().next().expect("one place");
        assert_eq!((known.first_heard, known.last_reached), (at(0), at(100)));
        map.visited(&place, found(false), at(5000));
        let (_, known) = map.places().next().expect("one place");
        assert_eq!(known.last_reached, at(100));
        assert_eq!(map.next_due(), Some(at(5000) + PAUSE));
        assert_eq!(map.visited_len(), 1);
    }
}
