//! [`Overlay`]: who is linked with whom.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::place::Place;

/// How nodes choose their links.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overlay {
    /// At random.
    #[default]
    Random,
    /// One half among those that are near, the other at random.
    Near,
    /// All with all, whatever the degree is.
    Full,
}

/// A near link is chosen among this share of all nodes, the nearest ones, and among no fewer than the number.
const NEAR_SHARE: f64 = 0.02;
const NEAR_MIN: usize = 24;

impl fmt::Display for Overlay {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Overlay::Random => "random",
            Overlay::Near => "near",
            Overlay::Full => "full",
        })
    }
}

impl FromStr for Overlay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "random" => Ok(Overlay::Random),
            "near" => Ok(Overlay::Near),
            "full" => Ok(Overlay::Full),
            other => Err(format!("`{other}` is neither `random`, `near` nor `full`")),
        }
    }
}

/// Links so that nodes have about `degree` links each: `(who made it, whom to)`, no pair twice. Every node
/// reaches every other.
///
/// Each random cycle through all nodes gives each node two links; a pair that two cycles share gives one
/// link less. A near link is made by one node to another, so the degree of these varies.
pub fn links(
    overlay: Overlay,
    places: &[Place],
    degree: u32,
    rng: &mut fastrand::Rng,
) -> Vec<(u32, u32)> {
    let mut links = Links::default();
    let near = match overlay {
        Overlay::Random => 0,
        Overlay::Near => degree / 4,
        Overlay::Full => {
            links.add_all(places.len() as u32, rng);
            return links.made;
        }
    };
    for _ in 0..(degree / 2 - near).max(1) {
        links.add_cycle(places.len() as u32, rng);
    }
    if near > 0 {
        add_near(&mut links, places, near as usize, rng);
    }
    links.made
}

#[derive(Default)]
struct Links {
    made: Vec<(u32, u32)>,
    pairs: BTreeSet<(u32, u32)>,
}

impl Links {
    fn add(&mut self, source: u32, target: u32) -> bool {
        let pair = (source.min(target), source.max(target));
        let is_new = source != target && self.pairs.insert(pair);
        if is_new {
            self.made.push((source, target));
        }
        is_new
    }

    fn add_all(&mut self, nodes: u32, rng: &mut fastrand::Rng) {
        for one in 0..nodes {
            for other in one + 1..nodes {
                let (source, target) = if rng.bool() {
                    (one, other)
                } else {
                    (other, one)
                };
                self.add(source, target);
            }
        }
    }

    fn add_cycle(&mut self, nodes: u32, rng: &mut fastrand::Rng) {
        let mut order: Vec<u32> = (0..nodes).collect();
        rng.shuffle(&mut order);
        for at in 0..order.len() {
            self.add(order[at], order[(at + 1) % order.len()]);
        }
    }
}

fn add_near(links: &mut Links, places: &[Place], each: usize, rng: &mut fastrand::Rng) {
    let among = NEAR_MIN.max((places.len() as f64 * NEAR_SHARE) as usize);
    let mut others: Vec<u32> = (0..places.len() as u32).collect();
    for (source, place) in places.iter().enumerate() {
        // Shuffled first, so that of those equally far away not always the same are near.
        rng.shuffle(&mut others);
        others.sort_by_cached_key(|other| place.latency_to(&places[*other as usize]));
        let mut near: Vec<u32> = others.iter().copied().take(among + 1).collect();
        rng.shuffle(&mut near);
        let mut made = 0;
        for target in near {
            if made < each && links.add(source as u32, target) {
                made += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::places;

    fn degrees(nodes: u32, links: &[(u32, u32)]) -> Vec<u32> {
        let mut degrees = vec![0; nodes as usize];
        for (source, target) in links {
            degrees[*source as usize] += 1;
            degrees[*target as usize] += 1;
        }
        degrees
    }

    #[test]
    fn nodes_have_about_the_degree_and_no_link_twice() {
        for overlay in [Overlay::Random, Overlay::Near] {
            let mut rng = fastrand::Rng::with_seed(1);
            let places = places(500, &mut rng);
            let links = links(overlay, &places, 16, &mut rng);
            let degrees = degrees(500, &links);
            let mean = degrees.iter().sum::<u32>() as f64 / 500.0;
            assert!((15.0..=16.0).contains(&mean), "{overlay}: {mean}");
            let pairs: BTreeSet<_> = links.iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
            assert_eq!(pairs.len(), links.len());
            assert!(links.iter().all(|(a, b)| a != b));
        }
    }

    #[test]
    fn where_all_are_linked_with_all_each_pair_has_one_link() {
        let mut rng = fastrand::Rng::with_seed(1);
        let places = places(20, &mut rng);
        let links = links(Overlay::Full, &places, 16, &mut rng);
        assert_eq!(degrees(20, &links), [19; 20]);
        assert_eq!(links.len(), 20 * 19 / 2);
    }

    #[test]
    fn near_links_are_shorter() {
        let mut rng = fastrand::Rng::with_seed(1);
        let places = places(500, &mut rng);
        let mut mean = |overlay| {
            let links = links(overlay, &places, 16, &mut rng);
            let ms = links.iter().map(|(a, b)| {
                places[*a as usize]
                    .latency_to(&places[*b as usize])
                    .as_secs_f64()
                    * 1000.0
            });
            ms.sum::<f64>() / links.len() as f64
        };
        let (random, near) = (mean(Overlay::Random), mean(Overlay::Near));
        assert!(near < 0.7 * random, "{near} against {random} ms");
    }
}
