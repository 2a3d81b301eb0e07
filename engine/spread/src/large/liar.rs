//! [`LargeLiar`]: what a node says of large payloads that breaks their rules.
//!
//! A liar is an honest node of which some words are changed on their way out. Its own payloads it sends as an honest
//! node does, and it signs in its own name only.

use std::time::Duration;

use bytes::Bytes;
use ringwire_gossip::coded::{
    Account, Encoder, Encoding, Layout, MANIFEST_ID_BYTES, Manifest, ManifestId, Offer, Origin,
    OriginTag, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MIN, SHARD_BYTES, SHARD_BYTES_MIN, Shard,
};
use ringwire_gossip::exchange::{Control, ShardSet};

use super::signature::sign;
use crate::machine::LinkId;

/// The first number of what liars publish: what the run publishes has lower ones.
const JUNK_FROM: u64 = 1 << 40;

/// The length that a flood's manifests promise, as a part of the longest.
const JUNK_PART: usize = 64;

/// Liars that publish beside others' payloads do so beside each such one: all of them at once would fill the lines.
const TURNS: u64 = 4;

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
    /// As a flood, with each payload in the name of an origin that nobody has heard of, and as short as may be.
    FloodOfOrigins,
    /// Beside each fourth payload of others it publishes one whose shards are of no payload.
    Miscode,
    /// Beside each fourth payload of others it publishes one that does not end where its manifest says.
    Pad,
    /// Beside each fourth payload of others it publishes two under one number, each to every second neighbour.
    Twice,
}

/// A node's lies.
#[derive(Clone, Debug)]
pub(super) struct LargeLiar {
    lie: LargeLie,
    own: Account,
    /// When it sends the next drop.
    drips_at: Duration,
    /// Payloads that it has made up.
    made_up: u64,
    /// What it calls its own payloads outside, where that is a lie.
    names: Vec<(ManifestId, Manifest)>,
    /// Which of its own payloads it hides from which links.
    hidden: Vec<(ManifestId, bool)>,
}

impl LargeLiar {
    /// A node of this account that lies from its first word on.
    pub(super) fn new(lie: LargeLie, own: Account) -> Self {
        LargeLiar {
            lie,
            own,
            drips_at: Duration::ZERO,
            made_up: 0,
            names: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// What the node publishes beside a payload of another that it has heard of.
    pub(super) fn publishes(&mut self, heard: &Manifest) -> Vec<Encoder> {
        let takes_turns = heard.seq() % TURNS == u64::from(self.own[0]) % TURNS;
        if heard.origin() == self.own || !takes_turns {
            return Vec::new();
        }
        match self.lie {
            LargeLie::Miscode => vec![self.make_up(0, 0).miscoded().finish()],
            LargeLie::Pad => {
                let longer = self.make_up(1, 0).finish();
                self.names.push((longer.id(), shortened(longer.manifest())));
                vec![longer]
            }
            LargeLie::Twice => {
                let one = self.make_up(0, 0).finish();
                self.made_up -= 1;
                let other = self.make_up(0, 1).finish();
                self.hidden.push((one.id(), false));
                self.hidden.push((other.id(), true));
                vec![one, other]
            }
            _ => Vec::new(),
        }
    }

    /// What the node says to a link where an honest one would say this about shards.
    pub(super) fn say(&mut self, to: LinkId, message: Control) -> Vec<Control> {
        match (self.lie, message) {
            (LargeLie::Impersonate, Control::Offer(offer)) => {
                vec![message, Control::Offer(self.impersonate(&offer.manifest))]
            }
            (LargeLie::Flood | LargeLie::FloodOfOrigins, _) => {
                let junk = self.junk();
                let id = junk.manifest.id();
                let have = Control::Have(id, 0, ShardSet::first(1));
                vec![message, Control::Offer(junk), have]
            }
            (LargeLie::Pad, _) => vec![self.rename(message)],
            (LargeLie::Twice, _) if id_of(&message).is_some_and(|id| self.hides(id, to)) => {
                Vec::new()
            }
            _ => vec![message],
        }
    }

    /// What the node hears where this is said about shards: of its own payloads by the names that they have here.
    pub(super) fn hear(&self, message: Control) -> Control {
        let outside = |id: ManifestId| self.names.iter().find(|(_, name)| name.id() == id);
        match id_of(&message).and_then(outside) {
            Some((own, _)) => with_id(message, *own),
            None => message,
        }
    }

    /// What the node sends to a link where an honest one would send this shard, if anything.
    pub(super) fn send(&mut self, now: Duration, to: LinkId, shard: Shard) -> Option<Shard> {
        if shard.manifest().tag() == OriginTag::of(&self.own) {
            return self.send_own(to, shard);
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
            _ => Some(shard),
        }
    }

    /// A shard of its own payloads, by the name that they have outside.
    fn send_own(&self, to: LinkId, shard: Shard) -> Option<Shard> {
        if self.hides(shard.manifest(), to) {
            return None;
        }
        let Some(name) = self.name_of(shard.manifest()) else {
            return Some(shard);
        };
        let mut wire = shard.wire().to_vec();
        wire[..MANIFEST_ID_BYTES].copy_from_slice(&name.id().0);
        Some(Shard::decode(wire.into()).expect("its lengths are the same"))
    }

    fn name_of(&self, own: ManifestId) -> Option<&Manifest> {
        let name = self.names.iter().find(|(known, _)| *known == own)?;
        Some(&name.1)
    }

    fn hides(&self, own: ManifestId, from: LinkId) -> bool {
        // The two ends of a link have numbers that follow each other.
        let is_every_second = from.0 / 2 % 2 == 1;
        self.hidden.contains(&(own, is_every_second))
    }

    /// The same message with the name that its payload has outside.
    fn rename(&self, message: Control) -> Control {
        let Some(name) = id_of(&message).and_then(|id| self.name_of(id)) else {
            return message;
        };
        match message {
            Control::Offer(_) => Control::Offer(signed(*name)),
            _ => with_id(message, name.id()),
        }
    }

    /// Begins to encode a payload that the run has not published, longer than the shortest by so much; none ends in a zero.
    fn make_up(&mut self, longer_by: usize, kind: u8) -> Encoding {
        self.made_up += 1;
        let mut bytes = vec![kind; PAYLOAD_BYTES_MIN + longer_by];
        fastrand::Rng::with_seed(self.made_up).fill(&mut bytes[1..]);
        *bytes.last_mut().expect("it has a length") = 1;
        let (seq, bytes) = (JUNK_FROM + self.made_up, Bytes::from(bytes));
        let encoding = Encoding::new(self.own, seq, bytes, SHARD_BYTES_MIN);
        encoding.expect("a length that is coded")
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
        self.made_up += 1;
        let (origin, bytes) = match self.lie {
            LargeLie::FloodOfOrigins => (self.nobody(), PAYLOAD_BYTES_MIN),
            _ => (self.own, PAYLOAD_BYTES_MAX / JUNK_PART),
        };
        let layout = Layout::new(bytes, SHARD_BYTES).expect("a payload may be as long");
        signed(Manifest::new(
            origin,
            JUNK_FROM + self.made_up,
            layout,
            [0xee; 32],
        ))
    }

    /// An origin that nobody has heard of: a key costs nothing.
    fn nobody(&self) -> Origin {
        *blake3::keyed_hash(&self.own, &self.made_up.to_le_bytes()).as_bytes()
    }
}

fn signed(manifest: Manifest) -> Offer {
    Offer {
        manifest,
        signature: Some(sign(&manifest)),
    }
}

/// The same payload, said to be a byte shorter.
fn shortened(manifest: &Manifest) -> Manifest {
    let layout = manifest.layout();
    let layout = Layout::new(layout.length() - 1, layout.shard_bytes());
    let layout = layout.expect("a payload may be as short");
    Manifest::new(manifest.origin(), manifest.seq(), layout, manifest.root())
}

/// The payload that a message names.
fn id_of(message: &Control) -> Option<ManifestId> {
    match message {
        Control::Offer(offer) => Some(offer.manifest.id()),
        Control::Have(id, ..) | Control::Want(id, ..) | Control::Times(id, _) => Some(*id),
        Control::Feed { .. } | Control::Grant { .. } | Control::Probe(..) | Control::Echo(..) => {
            None
        }
    }
}

/// A message about shards of another payload.
fn with_id(message: Control, id: ManifestId) -> Control {
    match message {
        Control::Have(_, segment, set) => Control::Have(id, segment, set),
        Control::Want(_, segment, set) => Control::Want(id, segment, set),
        Control::Times(_, times) => Control::Times(id, times),
        other => other,
    }
}
