//! Gossip of large payloads among forgers: who offers a manifest that its origin did not sign so is hung up on, and what
//! the origin does publish comes to all.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::{ChannelId, NodeKey};
use ringwire_core::gossip::{Large, LargeConfig};
use ringwire_core::reactor::{
    ChannelDescriptor, Context, Envelope, Instance, Reactor, ReactorError, erase,
};
use ringwire_gossip::coded::{Layout, Manifest, ManifestScope, Offer};
use ringwire_gossip::exchange::Control;
use ringwire_sim::{Scenario, World};

use crate::gossip::{connect, counter};
use crate::support::SOON;

const CONTROL: ChannelId = ChannelId(0x73);
const SHARDS: ChannelId = ChannelId(0x74);
const MOMENT: Duration = Duration::from_secs(1);
const PAYLOAD: usize = 200 * 1024;
const SHARD: usize = 16 * 1024;

/// The origin, who hears it, and the forger.
const ORIGIN: u32 = 0;
const HEARER: u32 = 1;
const FORGER: u32 = 2;

/// What a forger has heard and shall say to all, shared with the test.
#[derive(Default)]
struct Script {
    offers: Vec<Offer>,
    to_say: Vec<Control>,
}

/// A node that says what the test wants.
struct Forger(Rc<RefCell<Script>>);

impl Reactor for Forger {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        let LargeConfig {
            control, shards, ..
        } = LargeConfig::new(CONTROL, SHARDS);
        vec![control, shards]
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        cx.set_timer(MOMENT / 10, ());
    }

    fn receive(
        &mut self,
        _cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        (): &mut (),
    ) -> Result<(), ReactorError> {
        if envelope.channel == CONTROL
            && let Ok(Control::Offer(offer)) = Control::decode(&envelope.message)
        {
            self.0.borrow_mut().offers.push(offer);
        }
        Ok(())
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, (): ()) {
        for message in self.0.borrow_mut().to_say.drain(..) {
            let encoded: Bytes = message.encode();
            cx.try_broadcast(CONTROL, encoded);
        }
        cx.set_timer(MOMENT / 10, ());
    }
}

/// Two honest nodes and a forger.
fn world(signed: bool) -> (World, Rc<RefCell<Script>>) {
    let script = Rc::new(RefCell::new(Script::default()));
    let of_forger = Rc::clone(&script);
    let make = move |node, _| -> Box<dyn Instance> {
        match node {
            FORGER => erase(Forger(Rc::clone(&of_forger))),
            _ => erase(Large::new(LargeConfig {
                signed,
                ..LargeConfig::new(CONTROL, SHARDS)
            })),
        }
    };
    let world = Scenario::new(3).nodes(3).reactor("large", make).build();
    (world, script)
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
        let offer = *script.offers.first().expect("it was heard");
        script.to_say.push(Control::Offer(forge(offer)));
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
