//! [`fuzz_feeds`]: what holds of a [`Feeds`] whatever neighbours and its owner do.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::bundle::{BundleWriter, Payload};
use super::config::FeedsConfig;
use super::feeds::Feeds;
use super::message::{
    Alias, Body, DigestEntry, FeedMessage, Name, Part, Which, encode_digest, encode_have,
    encode_over, encode_want,
};
use super::neighbour::{Neighbour, Provenance};
use super::output::{Delivery, Output, Verdict};
use super::slot::Slot;
use crate::coded::Origin;

const OWN: Origin = [0; 32];

/// Slots that an input can name: few, so that links come and go in the same one.
const SLOTS: usize = 5;

/// Reads the bytes as what neighbours, owner and clock do to a node.
///
/// # Panics
/// If a message is delivered twice, something is sent to where no link is, the clock is asked for a moment that is
/// past, or anything is left of neighbours that are gone.
pub fn fuzz_feeds(bytes: &[u8]) {
    let mut script = Script { bytes };
    let config = FeedsConfig {
        check: script.byte() % 2 == 1,
        unchecked_bytes_max: 1024,
        ..FeedsConfig::default()
    };
    let mut stage = Stage::new(config);
    while !script.bytes.is_empty() {
        stage.play(&mut script);
        stage.drain();
    }
    stage.end();
}

/// The bytes that are left.
struct Script<'a> {
    bytes: &'a [u8],
}

impl Script<'_> {
    /// The next byte; 0 behind the last.
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first
    }

    /// Mostly a small number, so that messages meet; sometimes the last ones that there are.
    fn seq(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            254 => u64::MAX - 64,
            byte => u64::from(byte % 80),
        }
    }

    fn alias(&mut self) -> Alias {
        Alias::new(u16::from(self.byte() % 6)).expect("there are more")
    }

    fn some(&mut self, bytes_max: usize) -> Vec<u8> {
        let len = usize::from(self.byte()) % (bytes_max + 1);
        (0..len).map(|_| self.byte()).collect()
    }

    /// Bytes of a message, mostly such as can be read.
    fn message(&mut self) -> Bytes {
        let encoded = match self.byte() % 9 {
            0 => return self.some(60).into(),
            1 | 2 => self.body(),
            3 => return encode_have(&self.names()),
            4 => return encode_want(&self.names()),
            8 => return encode_over(&self.names()),
            5 => {
                let parts = [Part::Quiet, Part::Backup, Part::Feed];
                let part = parts[usize::from(self.byte()) % 3];
                let which = match self.byte() % 4 {
                    0 => Which::All,
                    _ => Which::One(self.alias()),
                };
                FeedMessage::Part(part, which, self.byte() % 2).encode()
            }
            6 => FeedMessage::Alias(self.alias(), [self.byte() % 5; 32]).encode(),
            _ => {
                return encode_digest(&[DigestEntry {
                    alias: self.alias(),
                    last: self.seq(),
                    bits: u64::from(self.byte()),
                }]);
            }
        };
        encoded.expect("it has its bounds")
    }

    fn names(&mut self) -> Vec<Name> {
        let count = 1 + self.byte() % 3;
        let mut name = || Name {
            alias: self.alias(),
            seq: self.seq(),
        };
        (0..count).map(|_| name()).collect()
    }

    /// A message, or a few together.
    fn payload(&mut self, bytes_max: usize) -> Payload {
        let mut writer = BundleWriter::new(true);
        for _ in 0..=self.byte() % 3 {
            writer.push(self.some(bytes_max).into());
        }
        writer.finish().expect("there is one")
    }

    fn body(&mut self) -> Result<Bytes, super::Refusal> {
        let (alias, seq) = (self.alias(), self.seq());
        let payload = self.payload(90);
        FeedMessage::Body(Body {
            alias,
            seq,
            urgent: self.byte().is_multiple_of(2),
            is_bundle: payload.is_bundle,
            priority: 0,
            left_ms: u32::from(self.byte()) * 16,
            signature: None,
            members: self.byte().is_multiple_of(4).then_some([0; 8]),
            payload: &payload.bytes,
        })
        .encode()
    }
}

/// A node, and what was seen of it.
struct Stage {
    feeds: Feeds,
    now: Duration,
    up: BTreeSet<Slot>,
    delivered: BTreeSet<(Origin, u64, u16)>,
    checks: VecDeque<Delivery>,
}

impl Stage {
    fn new(config: FeedsConfig) -> Self {
        Stage {
            feeds: Feeds::new(config, OWN, 0, 7),
            now: Duration::from_secs(1),
            up: BTreeSet::new(),
            delivered: BTreeSet::new(),
            checks: VecDeque::new(),
        }
    }

    fn play(&mut self, script: &mut Script<'_>) {
        match script.byte() % 16 {
            0 if self.up.len() < SLOTS => {
                let outbound = script.byte().is_multiple_of(2);
                let neighbour = Neighbour {
                    id: [script.byte() % 3; 20],
                    provenance: Provenance {
                        group: u64::from(script.byte() % 3),
                        outbound,
                    },
                    rtt: None,
                };
                let slot = self.feeds.handle_link_up(self.now, &neighbour);
                self.up.insert(slot.expect("few are taken"));
            }
            1 => self.hang_up(usize::from(script.byte())),
            2 => self.wait(Duration::from_millis(u64::from(script.byte()) * 8)),
            3 => self.publish(script.payload(20)),
            4 | 5 => {
                let verdicts = [Verdict::PassOn, Verdict::Ignore, Verdict::Blame];
                let of_first = verdicts[usize::from(script.byte()) % 3];
                self.judge(&[of_first, verdicts[usize::from(script.byte()) % 2]]);
            }
            _ => {
                let slot = Slot::new(usize::from(script.byte()) % SLOTS).expect("it is one");
                let message = script.message();
                if self.feeds.handle_message(self.now, slot, &message).is_err() {
                    self.drain();
                    self.hang_up(slot.index());
                }
            }
        }
    }

    fn hang_up(&mut self, number: usize) {
        let slot = Slot::new(number % SLOTS).expect("it is one");
        self.up.remove(&slot);
        self.feeds.handle_link_down(self.now, slot);
    }

    fn publish(&mut self, payload: Payload) {
        let message = Delivery {
            origin: OWN,
            seq: 0,
            index: 0,
            urgent: false,
            is_bundle: payload.is_bundle,
            priority: 0,
            ends: false,
            signature: None,
            members: None,
            payload: payload.bytes,
        };
        let seq = self.feeds.publish(self.now, &message, None);
        let seq = seq.expect("the payload is small");
        assert!(
            self.delivered.insert((OWN, seq, 0)),
            "a number is given once"
        );
    }

    fn judge(&mut self, verdicts: &[Verdict]) {
        let Some(delivery) = self.checks.pop_front() else {
            return;
        };
        let Delivery { origin, seq, .. } = delivery;
        if delivery.is_bundle {
            self.feeds.handle_verdicts(self.now, &origin, seq, verdicts);
        } else {
            self.feeds
                .handle_verdict(self.now, &origin, seq, verdicts[0]);
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.feeds.handle_timeout(self.now);
        let next = self.feeds.next_timeout();
        assert!(next.is_none_or(|next| next > self.now), "{next:?} is past");
    }

    fn drain(&mut self) {
        while let Some(output) = self.feeds.poll_output() {
            match output {
                Output::Send { slot, bytes, .. } => {
                    assert!(self.up.contains(&slot), "nobody is at {slot:?}");
                    FeedMessage::decode(&bytes).expect("what is sent can be read");
                }
                Output::Deliver { delivery, .. } => {
                    assert!(!delivery.is_bundle, "messages are delivered one by one");
                    let Delivery {
                        origin, seq, index, ..
                    } = delivery;
                    let is_new = self.delivered.insert((origin, seq, index));
                    assert!(is_new, "message {seq}, {index} of {origin:?} came twice");
                }
                Output::Check { delivery, .. } => self.checks.push_back(delivery),
                Output::Close { slot, .. } => {
                    self.up.remove(&slot);
                    self.feeds.handle_link_down(self.now, slot);
                }
            }
        }
    }

    /// All links go and all is judged: nothing stays open.
    fn end(mut self) {
        (0..SLOTS).for_each(|number| self.hang_up(number));
        while !self.checks.is_empty() {
            self.judge(&[Verdict::Ignore]);
            self.drain();
        }
        for _ in 0..40 {
            self.wait(Duration::from_secs(1));
            self.drain();
        }
        assert_eq!(self.feeds.open_len(), 0, "nothing is waited for");
        assert_eq!(self.feeds.held_bytes(), 0, "nothing is remembered");
        assert_eq!(self.feeds.next_timeout(), None);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_few_inputs_hold() {
        for input in [
            &[][..],
            &[1],
            // A link, an alias, and a body that is judged when the link is gone.
            &[
                1, 0, 0, 9, 0, 6, 2, 4, 9, 0, 1, 2, 7, 0, 0, 3, 8, 8, 8, 1, 0, 4, 0,
            ],
            &[0; 600],
            &[255; 600],
        ] {
            fuzz_feeds(input);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn whatever_neighbours_do_each_message_comes_once_and_nothing_is_left_of_them(
            bytes in proptest::collection::vec(any::<u8>(), 0..1200),
        ) {
            fuzz_feeds(&bytes);
        }
    }
}
