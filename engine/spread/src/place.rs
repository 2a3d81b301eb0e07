//! [`Place`]: where a node lives, and how far it is from another.
//!
//! ```text
//!  one way = 1.5 × great circle / 200 km per ms + access of both ends
//! ```
//! Light in glass does 200 km in a millisecond, and cables do not lie straight: 1.35 between Virginia and
//! Frankfurt, 1.5 between London and Sydney, 2.0 between São Paulo and Singapore (the inter-region table of
//! CometBFT's end-to-end tests). Access is what a node's own line adds.

use std::time::Duration;

const CITIES: &str = include_str!("../data/cities.csv");

/// How much longer cables are than the straight way.
const DETOUR: f64 = 1.5;
const KM_PER_MS: f64 = 200.0;
const EARTH_RADIUS_KM: f64 = 6371.0;

/// What a node's own line adds, in milliseconds: from, to.
const ACCESS_MS: (f64, f64) = (0.5, 1.5);

/// A city of the list, with its share of all nodes.
#[derive(Clone, PartialEq, Debug)]
pub struct City {
    /// Its name.
    pub name: &'static str,
    latitude: f64,
    longitude: f64,
    weight: u64,
}

/// Where one node lives.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Place {
    /// Index into [`cities`].
    pub city: usize,
    latitude: f64,
    longitude: f64,
    access_ms: f64,
}

/// All cities, in the order of the file.
///
/// # Panics
/// Never: a test reads the file, which is part of the program.
pub fn cities() -> Vec<City> {
    let lines = CITIES.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.split(',');
            let mut next = || fields.next().expect("a city has five fields");
            let (name, _country) = (next(), next());
            City {
                name,
                latitude: next().parse().expect("a latitude is a number"),
                longitude: next().parse().expect("a longitude is a number"),
                weight: next().parse().expect("a weight is a whole number"),
            }
        })
        .collect()
}

/// Gives each of `count` nodes a place: a city by weight, and a line of its own.
pub fn places(count: u32, rng: &mut fastrand::Rng) -> Vec<Place> {
    let cities = cities();
    let total = cities.iter().map(|city| city.weight).sum();
    let place = |_| {
        let mut rest = rng.u64(0..total);
        let city = cities.iter().position(|city| {
            let is_here = rest < city.weight;
            rest = rest.saturating_sub(city.weight);
            is_here
        });
        let city = city.expect("the rest is below the sum of all weights");
        Place {
            city,
            latitude: cities[city].latitude,
            longitude: cities[city].longitude,
            access_ms: ACCESS_MS.0 + rng.f64() * (ACCESS_MS.1 - ACCESS_MS.0),
        }
    };
    (0..count).map(place).collect()
}

impl Place {
    /// How long a bit is under way from one place to the other while nothing else is.
    pub fn latency_to(&self, other: &Place) -> Duration {
        let cable_ms = DETOUR * self.distance_km(other) / KM_PER_MS;
        Duration::from_secs_f64((cable_ms + self.access_ms + other.access_ms) / 1000.0)
    }

    /// Along a great circle (the haversine formula).
    fn distance_km(&self, other: &Place) -> f64 {
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let north = (to - from) / 2.0;
        let east = (other.longitude - self.longitude).to_radians() / 2.0;
        let chord = north.sin().powi(2) + from.cos() * to.cos() * east.sin().powi(2);
        2.0 * EARTH_RADIUS_KM * chord.sqrt().min(1.0).asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(a: &str, b: &str) -> f64 {
        let cities = cities();
        let at = |name| {
            let city = cities.iter().position(|city| city.name == name);
            let city = city.expect("the city is in the list");
            Place {
                city,
                latitude: cities[city].latitude,
                longitude: cities[city].longitude,
                access_ms: 0.0,
            }
        };
        at(a).latency_to(&at(b)).as_secs_f64() * 1000.0
    }

    /// The measured one-way times of the table named above: 44, 131 and 161 ms.
    #[test]
    fn known_distances_cost_what_was_measured_within_a_third() {
        for (from, to, ms) in [
            ("ashburn", "frankfurt", 44.0),
            ("london", "sydney", 131.0),
            ("sao-paulo", "singapore", 161.0),
        ] {
            let ours = between(from, to);
            assert!((ours / ms - 1.0).abs() < 0.33, "{from} to {to}: {ours} ms");
        }
    }

    #[test]
    fn nodes_live_where_many_live() {
        let places = places(10_000, &mut fastrand::Rng::with_seed(7));
        let cities = cities();
        let total: u64 = cities.iter().map(|city| city.weight).sum();
        for (at, city) in cities.iter().enumerate() {
            let here = places.iter().filter(|place| place.city == at).count() as f64;
            let due = 10_000.0 * city.weight as f64 / total as f64;
            assert!(
                (here - due).abs() < 5.0 * due.sqrt() + 1.0,
                "{}: {here} of {due}",
                city.name
            );
        }
    }
}
