//! The example `comet_peer` follows a chain of each release.

use std::collections::BTreeSet;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use ringwire::bytes::Bytes;
use ringwire::comet::channels;

use super::node::{Chain, WITHIN};
use super::release::RELEASES;
use crate::support::way;

#[allow(
    dead_code,
    reason = "it is a program, and this is one more that uses it"
)]
#[path = "../../../examples/comet_peer.rs"]
mod comet_peer;

use comet_peer::Sight;

/// A transaction that the node is given, and one that we hand in.
const THEIRS: &str = "from=node";
const OURS: &str = "from=us";

/// What must be seen of a chain.
#[derive(Debug, Default)]
struct Seen {
    prevotes: usize,
    precommits: usize,
    parts: usize,
    steps: BTreeSet<u32>,
    gossiped: BTreeSet<Vec<u8>>,
    blocks: BTreeSet<i64>,
    decided: BTreeSet<Vec<u8>>,
}

impl Seen {
    fn take(&mut self, sight: Sight, network: &str) {
        match sight {
            Sight::Step { step, .. } => {
                self.steps.insert(step);
            }
            Sight::Vote { kind: 1, .. } => self.prevotes += 1,
            Sight::Vote { .. } => self.precommits += 1,
            Sight::Part { bytes, .. } => self.parts += usize::from(bytes > 0),
            Sight::Transaction(bytes) => {
                self.gossiped.insert(bytes);
            }
            Sight::Block {
                chain,
                height,
                transactions,
            } => {
                assert_eq!(chain, network);
                assert!(self.blocks.insert(height), "block {height} came twice");
                self.decided.extend(transactions);
            }
        }
    }

    fn is_enough(&self) -> bool {
        self.precommits > 2
            && self.steps.len() > 2
            && self.blocks.len() > 2
            && self.gossiped.contains(THEIRS.as_bytes())
            && [THEIRS, OURS]
                .iter()
                .all(|text| self.decided.contains(text.as_bytes()))
    }
}

/// Looks on until enough was seen.
#[track_caller]
fn look_on(sights: &Receiver<Sight>, network: &str, failure: impl Fn() -> String) {
    let (mut seen, deadline) = (Seen::default(), Instant::now() + WITHIN);
    while !seen.is_enough() {
        let left = deadline.saturating_duration_since(Instant::now());
        match sights.recv_timeout(left) {
            Ok(sight) => seen.take(sight, network),
            Err(error) => panic!("{error}, seen: {seen:?}{}", failure()),
        }
    }
}

#[test]
fn a_chain_of_each_release_is_followed_and_takes_our_transactions() {
    if way::skip_without_ring() {
        return;
    }
    for release in RELEASES {
        let Some(chain) = Chain::new(release, 1) else {
            continue;
        };
        let node = chain.start(0, None);
        node.wait("its first block", |node| {
            node.height().filter(|height| *height > 0)
        });
        let (engine, sights) =
            comet_peer::follow(&chain.network, node.address()).expect("an engine starts");
        engine
            .handle()
            .wait_for_peers_blocking(1, WITHIN)
            .unwrap_or_else(|error| panic!("{}: {error}{}", release.version, node.log()));
        engine
            .handle()
            .publish_blocking(channels::MEMPOOL, Bytes::from_static(OURS.as_bytes()))
            .expect("there is room");
        node.submit(THEIRS);
        look_on(&sights, &chain.network, || node.log());

        let peers = engine.handle().peers();
        let [peer] = peers.as_slice() else {
            panic!("{}: {} peers{}", release.version, peers.len(), node.log());
        };
        assert_eq!(peer.id, node.id);
        let said = &peer.node_info.version;
        assert!(release.is_line_of(said), "{}: {said}", release.version);
        // The table of channels is what such a node announces.
        let announced: BTreeSet<_> = peer.channels().iter().copied().collect();
        let known: BTreeSet<_> = channels::ALL.iter().map(|channel| channel.id).collect();
        assert_eq!(announced, known, "{}", release.version);
    }
}
