//! The protocols that can be run, by name. One more is one line more in [`ALL`].

use ringwire_gossip::coded::PAYLOAD_BYTES_MIN;
use ringwire_spread::contenders::{
    Cat, Crds, Dog, Flood, Gossipsub, GossipsubConfig, Pbbt, Plumtree,
};
use ringwire_spread::feeds::FeedsNode;
use ringwire_spread::large::LargeNode;
use ringwire_spread::scenario::ScenarioError;
use ringwire_spread::{NodeIndex, Report, Scenario, run};

/// Hears of each payload when it is published.
pub(crate) type Told<'a> = &'a dyn Fn();

/// A protocol.
pub(crate) struct Contender {
    /// How the arguments call it.
    pub(crate) name: &'static str,
    /// What it does, in a few words.
    pub(crate) what: &'static str,
    /// Plays a scenario with it.
    pub(crate) play: fn(&Scenario, Told<'_>) -> Result<Report, ScenarioError>,
}

/// A contender whose node `$node` with the seed `$seed` of its own is `$machine`.
macro_rules! contender {
    ($name:literal, $what:literal, |$node:pat_param, $seed:pat_param| $machine:expr) => {
        Contender {
            name: $name,
            what: $what,
            play: |scenario, told| {
                let make = |$node: NodeIndex, $seed: u64| $machine;
                run(scenario, make, |_, _| told())
            },
        }
    };
}

/// All of them. The first is run when none is named.
pub(crate) const ALL: &[Contender] = &[
    Contender {
        name: "feeds",
        what: "one link sends and three announce, as each receiver chooses: Ringwire's own",
        play: |scenario, told| {
            if is_large(scenario) {
                let make = |node, seed| LargeNode::new(node, seed, scenario.nodes);
                run(scenario, make, |_, _| told())
            } else {
                run(scenario, FeedsNode::new, |_, _| told())
            }
        },
    },
    Contender {
        name: "direct",
        what: "feeds that send short messages to all at once in a full mesh",
        play: |scenario, told| {
            let make =
                |node, seed| FeedsNode::new(node, seed).with_members(node, 0..scenario.nodes);
            run(scenario, make, |_, _| told())
        },
    },
    contender!(
        "flood",
        "sends on to everybody what is new, as released CometBFT",
        |_, _| Flood::default()
    ),
    contender!(
        "crds",
        "keeps the two best feeds of each origin and pulls the rest, as Solana",
        |_, _| Crds::default()
    ),
    contender!(
        "dog",
        "cuts routes until two copies are left, as CometBFT 2.0 planned",
        |_, _| Dog::default()
    ),
    contender!(
        "plumtree",
        "pushes along one tree and announces on all other links, as iroh",
        |_, _| Plumtree::default()
    ),
    contender!(
        "gossipsub-1.2",
        "pushes along a mesh of eight links and says what it has, as Ethereum",
        |_, _| Gossipsub::new(GossipsubConfig::V1_2)
    ),
    contender!(
        "gossipsub-2.0",
        "announces to seven links of the mesh and pushes to one, a draft of libp2p",
        |_, _| Gossipsub::new(GossipsubConfig::V2_0)
    ),
    contender!(
        "cat",
        "announces to fifteen links and sends to those who ask, as Celestia's transactions",
        |_, salt| Cat::new(salt)
    ),
    contender!(
        "pbbt",
        "pulls coded parts and offers them before they are there, as Celestia's blocks",
        |_, _| Pbbt::default()
    ),
];

/// Whether payloads travel in coded shards.
fn is_large(scenario: &Scenario) -> bool {
    scenario.payload_bytes as usize >= PAYLOAD_BYTES_MIN
}

/// What the others are measured by, with free links: nothing is faster on the same overlay.
pub(crate) const BASELINE: &str = "flood";

/// The one of this name.
pub(crate) fn find(name: &str) -> Option<&'static Contender> {
    ALL.iter().find(|contender| contender.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_given_once_and_the_baseline_has_one() {
        for (at, contender) in ALL.iter().enumerate() {
            let namesakes = ALL.iter().filter(|other| other.name == contender.name);
            assert_eq!(namesakes.count(), 1, "{at}: {}", contender.name);
            assert!(!contender.what.is_empty());
        }
        assert!(find(BASELINE).is_some());
        assert!(find("rumour").is_none());
    }

    #[test]
    fn every_protocol_brings_a_small_network_every_message_once() {
        let scenario = Scenario {
            nodes: 30,
            degree: 8,
            warm: 2,
            messages: 4,
            ..Scenario::default()
        };
        for contender in ALL {
            let published = std::cell::Cell::new(0);
            let report = (contender.play)(&scenario, &|| published.set(published.get() + 1));
            let report = report.expect("the scenario is sound");
            assert!(report.is_whole(), "{}: {report:?}", contender.name);
            assert_eq!(published.get(), 2 * 4 + 4, "{}", contender.name);
        }
    }
}
