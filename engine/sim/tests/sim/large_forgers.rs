//! Gossip of large payloads among forgers: who offers a manifest that its origin did not sign so is hung up on, and what
//! the origin does publish comes to all.

use std::cell::RefCell;
use std::rc::Rc;

use ringwire_codec::{ChannelId, NodeKey};
use ringwire_core::gossip::{Large, LargeConfig};
use ringwire_gossip::coded::{Layout, Manifest, ManifestScope, Offer};
use ringwire_gossip::exchange::Control;
use ringwire_sim::World;

use crate::forger::{self, FORGER, HEARER, MOMENT, ORIGIN, Script};
use crate::gossip::{connect, counter};
use crate::support::SOON;

const CONTROL: ChannelId = ChannelId(0x73);
const SHARDS: ChannelId = ChannelId(0x74);
const PAYLOAD: usize = 200 * 1024;
const SHARD: usize = 16 * 1024;

/// Two honest nodes and a forger.
fn world(signed: bool) -> (World, Rc<RefCell<Script>>) {
    let config = LargeConfig::new(CONTROL, SHARDS);
    let channels = [config.control.clone(), config.shards.clone()];
    forger::world(channels, CONTROL, move || {
        Large::new(LargeConfig {
            signed,
            ..config.clone()
        })
    })
}

/// The offer that the forger has heard first.
fn offered(script: &Script) -> Offer {
    let said = script.heard.iter().filter(|(on, _)| *on == CONTROL);
    let mut offers = said.filter_map(|(_, message)| match Control::decode(message) {
        Ok(Control::Offer(offer)) => Some(offer),
        _ => None,
    });
    offers.next().expect("it was heard")
}

/// The forger hears an offer of the origin, and says to the hearer, who has heard nothing, what it makes of it. Then
/// the origin itself speaks to the hearer.
fn play(signed: bool, forge: impl Fn(Offer) -> Offer) -> (World, bool) {
    let (mut world, script) = world(signed);
    connect(&mut world, &[(ORIGIN, FORGER)]);
    world.publish(ORIGIN, SHARDS, PAYLOAD);
    world.run_for(MOMENT);
    connect(&mut world, &[(FORGER, HEARER)]);
    {
        let mut script = script.borrow_mut();
        let offer = offered(&script);
        script.to_say.push(Control::Offer(forge(offer)).encode());
    }
    world.run_for(MOMENT);
    let kept = world.are_connected(FORGER, HEARER);
    connect(&mut world, &[(ORIGIN, HEARER)]);
    world.publish(ORIGIN, SHARDS, PAYLOAD);
    world.run_for(SOON);
    (world, kept)
}

/// Another payload under the manifest's origin and number.
fn changed(manifest: &Manifest, root: u8) -> Manifest {
    let layout = Layout::new(PAYLOAD, SHARD).expect("a length that is coded");
    Manifest::new(manifest.origin(), manifest.seq(), layout, [root; 32])
}

fn of_another(manifest: &Manifest) -> Manifest {
    let key = NodeKey::from_seed([9; 32]);
    let origin = *key.public_key().as_bytes();
    Manifest::new(origin, manifest.seq(), manifest.layout(), manifest.root())
}

#[test]
fn an_offer_that_its_origin_signed_is_taken_from_anybody() {
    let (world, kept) = play(true, |offer| offer);
    assert!(kept);
    assert_eq!(counter(&world, HEARER, "large_unproven"), 0);
    assert_eq!(world.received(HEARER).len(), 2);
}

#[test]
fn a_forger_is_hung_up_on_and_what_the_origin_publishes_comes() {
    type Forge = fn(Offer) -> Offer;
    let forgeries: [(&str, Forge); 5] = [
        ("no signature", |offer| offer.manifest.into()),
        ("another signature", |offer| Offer {
            signature: Some([7; 64]),
            ..offer
        }),
        ("another payload", |offer| Offer {
            manifest: changed(&offer.manifest, 5),
            ..offer
        }),
        ("another's name", |offer| Offer {
            manifest: of_another(&offer.manifest),
            ..offer
        }),
        ("another channel's", |offer| {
            let key = NodeKey::from_seed([9; 32]);
            let manifest = of_another(&offer.manifest);
            let scope = ManifestScope::new("another", SHARDS.0);
            Offer {
                manifest,
                signature: Some(key.sign(&scope.signed(&manifest))),
            }
        }),
    ];
    for (forgery, forge) in forgeries {
        let (world, kept) = play(true, forge);
        assert!(!kept, "{forgery}");
        assert_eq!(counter(&world, HEARER, "large_unproven"), 1, "{forgery}");
        assert_eq!(counter(&world, HEARER, "large_refused"), 0, "{forgery}");
        assert_eq!(world.received(HEARER).len(), 2, "{forgery}");
    }
}

#[test]
fn where_nobody_signs_a_signature_is_refused_and_a_foreign_name_is_not() {
    let sign = |offer: Offer| Offer {
        signature: Some([7; 64]),
        ..offer
    };
    let (world, kept) = play(false, sign);
    assert!(!kept);
    assert_eq!(counter(&world, HEARER, "large_unproven"), 1);
    let (world, kept) = play(false, |offer| changed(&offer.manifest, 5).into());
    assert!(kept, "nobody can tell");
    assert_eq!(world.received(HEARER).len(), 2);
}
