//! The fuzz targets of `engine/fuzz` on seeded inputs: they compile, and hold, on stable Rust.
//!
//! `RINGWIRE_FUZZ_INPUTS` says how many inputs each target gets in place of a few hundred.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "how many inputs comes from the environment"
)]

#[path = "../../fuzz/src/inputs.rs"]
#[allow(
    unreachable_pub,
    reason = "the same file is a public module of the fuzz targets"
)]
mod inputs;

use ringwire_core::pex::fuzz_addr_book;
use ringwire_sim::Rng;

/// How many inputs a target gets: `ordinary`, or what the environment says.
fn count(ordinary: u64) -> u64 {
    let asked = std::env::var("RINGWIRE_FUZZ_INPUTS").ok();
    asked.map_or(ordinary, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("RINGWIRE_FUZZ_INPUTS is a number, not {text}"))
    })
}

/// Feeds a target with random bytes of random lengths.
fn feed_random(ordinary: u64, len_max: u64, target: fn(&[u8])) {
    for seed in 0..count(ordinary) {
        let mut rng = Rng::new(seed);
        let mut bytes = vec![0; rng.below(len_max) as usize];
        rng.fill(&mut bytes);
        target(&bytes);
    }
}

/// Feeds a target with a valid text of which some bytes were changed.
fn feed_edited(ordinary: u64, valid: &str, target: fn(&[u8])) {
    target(valid.as_bytes());
    for seed in 0..count(ordinary) {
        let mut rng = Rng::new(seed);
        let mut bytes = valid.as_bytes().to_vec();
        for _ in 0..=rng.below(4) {
            let place = rng.below(bytes.len() as u64) as usize;
            match rng.below(3) {
                0 => bytes[place] = b' ' + rng.below(95) as u8,
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, b"\"'-.,:@[]{}=\n019e"[rng.below(17) as usize]),
            }
        }
        target(&bytes);
    }
}

#[test]
fn edited_lists_of_addresses_are_read_or_refused_and_written_again() {
    let id = "0123456789abcdef0123456789abcdef01234567";
    let valid = format!("{id}@10.0.0.1:26656,{id}@[2001:470::1]:26657,{id}@node.example:1");
    feed_edited(2000, &valid, inputs::fuzz_address_list);
}

#[test]
fn random_bytes_are_no_address_book_and_do_no_harm() {
    feed_random(500, 2000, fuzz_addr_book);
}

#[test]
fn three_nodes_do_what_random_bytes_say_and_find_each_other_again() {
    feed_random(60, 200, inputs::fuzz_network);
}

#[test]
fn an_attacker_that_sends_random_bytes_keeps_nobody_apart() {
    feed_random(60, 600, inputs::fuzz_attacker);
}
