//! [`Liar`]: what a node of Ringwire's gossip says that breaks its rules.
//!
//! A liar is an honest node of which some words are changed on their way out. Its own messages it sends as an
//! honest node does, so that there is something to measure.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ringwire_gossip::feeds::{
    Alias, FEED_MESSAGE_BYTES_MAX, FeedMessage, Lane, Name, Part, Which, encode_have,
};

/// Who has this payload number sends what nobody published.
pub const JUNK: u32 = u32::MAX;

/// A flooding node publishes a message in each such time, as far as it hears anything.
const FLOOD_EVERY: Duration = Duration::from_millis(10);

/// How a node lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// It announces, and sends no message of others, asked or not.
    Withhold,
    /// It announces messages that nobody has published yet.
    Foretell,
    /// It sends little bytes of no use instead of messages, again and again.
    Drip,
    /// It announces each message to all, also to who does not want that, and sends none.
    Stall,
    /// It changes the messages that it passes on.
    Forge,
    /// It publishes without end.
    Flood,
    /// It names origins and messages that there are not.
    Names,
    /// It wants nothing from anybody.
    Quiet,
    /// It sends a message that is longer than any.
    Oversize,
    /// It sends its own messages that go to all members to every second link only.
    Favour,
}

/// A node's lies.
#[derive(Clone, Debug)]
pub struct Liar {
    lie: Lie,
    /// It is honest before.
    from: Duration,
    /// Its names of origins.
    named: BTreeMap<Alias, Bytes>,
    count: u64,
    /// For how much time it has published.
    flooded: Duration,
}

/// What goes out on one link.
pub(crate) type Word = (Lane, Bytes);

impl Liar {
    /// A node that begins to lie at a moment of the run.
    pub fn new(lie: Lie, from: Duration) -> Self {
        Liar {
            lie,
            from,
            named: BTreeMap::new(),
            count: 0,
            flooded: Duration::ZERO,
        }
    }

    /// Whether the node publishes a message of no use now, having heard something.
    pub(crate) fn floods(&mut self, now: Duration) -> bool {
        let floods = self.lie == Lie::Flood && now >= self.from + self.flooded;
        self.flooded += if floods { FLOOD_EVERY } else { Duration::ZERO };
        floods
    }

    /// What the node says to the link instead, and to all of its links besides.
    pub(crate) fn say(
        &mut self,
        now: Duration,
        lane: Lane,
        bytes: Bytes,
    ) -> (Vec<Word>, Vec<Word>) {
        let message = FeedMessage::decode(&bytes).expect("the node is honest inside");
        if let FeedMessage::Alias(alias, _) = message {
            self.named.insert(alias, bytes.clone());
        }
        if now < self.from {
            return (vec![(lane, bytes)], Vec::new());
        }
        self.count += 1;
        // A node's own messages have the alias 0.
        let name = match message {
            FeedMessage::Body(body) if body.alias.number() > 0 => Some((body.alias, body.seq)),
            _ => None,
        };
        if let (Lie::Favour, FeedMessage::Body(body)) = (self.lie, message)
            && body.members.is_some()
            && body.alias.number() == 0
            && self.count.is_multiple_of(2)
        {
            return (Vec::new(), Vec::new());
        }
        match (self.lie, name) {
            (Lie::Withhold, Some((alias, seq))) => (
                vec![(Lane::Control, encode_have(&[Name { alias, seq }]))],
                Vec::new(),
            ),
            (Lie::Stall, Some((alias, seq))) => {
                let named = self.named.get(&alias).expect("it is named before").clone();
                let have = encode_have(&[Name { alias, seq }]);
                let words = vec![(Lane::Control, named), (Lane::Control, have)];
                (Vec::new(), words)
            }
            (Lie::Drip, Some(_)) => (Vec::new(), vec![(Lane::Control, self.drop_of_bytes())]),
            (Lie::Drip, None) => (
                vec![(lane, bytes)],
                vec![(Lane::Control, self.drop_of_bytes())],
            ),
            (Lie::Forge, Some(_)) => {
                let mut forged = bytes.to_vec();
                *forged.last_mut().expect("a body has bytes") ^= 1;
                (vec![(lane, forged.into())], Vec::new())
            }
            (Lie::Names, _) => {
                let mut words = vec![(lane, bytes)];
                words.extend(self.names().map(|bytes| (Lane::Control, bytes)));
                (words, Vec::new())
            }
            (Lie::Foretell, _) => {
                let mut words = vec![(lane, bytes.clone())];
                if let FeedMessage::Have(names) = message {
                    let next = |name: Name| Name {
                        seq: name.seq + 1,
                        ..name
                    };
                    let next: Vec<Name> = names.iter().map(next).collect();
                    words.push((Lane::Control, encode_have(&next)));
                }
                (words, Vec::new())
            }
            (Lie::Quiet, _) => {
                let said = match message {
                    FeedMessage::Part(_, which, stripe) => quiet(which, stripe),
                    _ => bytes,
                };
                (vec![(lane, said)], Vec::new())
            }
            (Lie::Oversize, _) => {
                let long = vec![1; FEED_MESSAGE_BYTES_MAX + 1];
                (vec![(lane, bytes), (Lane::Bodies, long.into())], Vec::new())
            }
            _ => (vec![(lane, bytes)], Vec::new()),
        }
    }

    /// A message that says nothing new.
    fn drop_of_bytes(&self) -> Bytes {
        let alias = Alias::new(0).expect("it is the first");
        let known = self.named.get(&alias).cloned();
        known.unwrap_or_else(|| quiet(Which::All, 1))
    }

    /// Two messages: an origin that there is not, and the last of its messages.
    fn names(&self) -> impl Iterator<Item = Bytes> + use<> {
        let mut origin = [0xee; 32];
        origin[..8].copy_from_slice(&self.count.to_le_bytes());
        let alias = Alias::new(16_000 + (self.count % 256) as u16).expect("it is below the last");
        let named = FeedMessage::Alias(alias, origin).encode();
        let have = encode_have(&[Name {
            alias,
            seq: u64::MAX - self.count,
        }]);
        [named.expect("an alias has its bounds"), have].into_iter()
    }
}

fn quiet(which: Which, stripe: u8) -> Bytes {
    let message = FeedMessage::Part(Part::Quiet, which, stripe);
    message.encode().expect("a part has its bounds")
}
