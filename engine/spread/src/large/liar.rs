//! [`LargeLiar`]: what a node says of large payloads that breaks their rules.
//!
//! A liar is an honest node of which some words are changed on their way out. Its own payloads it sends as an honest
//! node does, and it signs in its own name only.

use std::time::Duration;

use ringwire_gossip::coded::{
    Account, Layout, Manifest, Offer, OriginTag, PAYLOAD_BYTES_MAX, SHARD_BYTES, Shard,
};
use ringwire_gossip::exchange::{Control, ShardSet};

use super::signature::sign;

/// The first number of a flood's manifests: what the run publishes has lower ones.
const JUNK_FROM: u64 = 1 << 40;

/// The length that a flood's manifests promise, as a part of the longest.
const JUNK_PART: usize = 64;

/// How a node lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LargeLie {
    /// It announces what it has of others' payloads, and sends none of it.
    Withhold,
    /// It announces what it has of others' payloads, and sends one shard in each such time.
    Drip(Duration),
    /// It changes a byte of each shard of others that it passes on.
    Corrupt,
    /// It offers another manifest in the name of each payload's origin, with a signature of its own.
    Impersonate,
    /// With each message about shards, it offers a payload that there is not, and announces shards of it.
    Flood,
}

/// A node's lies.
#[derive(Clone, Debug)]
pub(super) struct LargeLiar {
    lie: LargeLie,
    own: Account,
    /// When it sends the next drop.
    drips_at: Duration,
    /// Payloads of its flood.
    flooded: u64,
}

impl LargeLiar {
    /// A node of this account that lies from its first word on.
    pub(super) fn new(lie: LargeLie, own: Account) -> Self {
        LargeLiar {
            lie,
            own,
            drips_at: Duration::ZERO,
            flooded: 0,
        }
    }

    /// What the node says where an honest one would say this about shards.
    pub(super) fn say(&mut self, message: Control) -> Vec<Control> {
        match (self.lie, message) {
            (LargeLie::Impersonate, Control::Offer(offer)) => {
                vec![message, Control::Offer(self.impersonate(&offer.manifest))]
            }
            (LargeLie::Flood, _) => {
                let junk = self.junk();
                let id = junk.manifest.id();
                let have = Control::Have(id, 0, ShardSet::first(1));
                vec![message, Control::Offer(junk), have]
            }
            _ => vec![message],
        }
    }

    /// What the node sends where an honest one would send this shard, if anything.
    pub(super) fn send(&mut self, now: Duration, shard: Shard) -> Option<Shard> {
        if shard.manifest().tag() == OriginTag::of(&self.own) {
            return Some(shard);
        }
        match self.lie {
            LargeLie::Withhold => None,
            LargeLie::Drip(every) => {
                let drips = now >= self.drips_at;
                self.drips_at = if drips { now + every } else { self.drips_at };
                drips.then_some(shard)
            }
            LargeLie::Corrupt => {
                let mut wire = shard.wire().to_vec();
                *wire.last_mut().expect("a shard has data") ^= 1;
                Some(Shard::decode(wire.into()).expect("its lengths are the same"))
            }
            LargeLie::Impersonate | LargeLie::Flood => Some(shard),
        }
    }

    /// A manifest that its origin has not made: the liar can sign it in its own name only.
    fn impersonate(&self, manifest: &Manifest) -> Offer {
        let (origin, seq) = (manifest.origin(), manifest.seq());
        let with_origin = |origin| Manifest::new(origin, seq, manifest.layout(), [0xee; 32]);
        Offer {
            manifest: with_origin(origin),
            signature: Some(sign(&with_origin(self.own))),
        }
    }

    /// The next payload that there is not.
    fn junk(&mut self) -> Offer {
        self.flooded += 1;
        let layout = Layout::new(PAYLOAD_BYTES_MAX / JUNK_PART, SHARD_BYTES);
        let layout = layout.expect("a payload may be as long");
        let manifest = Manifest::new(self.own, JUNK_FROM + self.flooded, layout, [0xee; 32]);
        Offer {
            manifest,
            signature: Some(sign(&manifest)),
        }
    }
}
