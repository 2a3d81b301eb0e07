//! [`Reach`]: what a node's neighbours have said of its last messages.

use std::time::Duration;

use ringwire::gossip::MessageReach;
use serde_json::{Value, json};

/// Of all messages of which that is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// Pairs of a message and a neighbour.
    pub(super) pairs: usize,
    /// Those in which the neighbour has said that it has the message.
    pub(super) told: usize,
    /// How old the oldest message is that some neighbour has not spoken of.
    pub(super) oldest_missing: Option<Duration>,
}

impl Reach {
    /// The sum of these, the oldest first.
    pub(super) fn of(reaches: &[MessageReach]) -> Reach {
        let missing = reaches.iter().find(|reach| !reach.is_everywhere());
        Reach {
            pairs: reaches.iter().map(|reach| reach.neighbours).sum(),
            told: reaches.iter().map(|reach| reach.have).sum(),
            oldest_missing: missing.map(|reach| reach.age),
        }
    }

    /// Of several nodes.
    pub(super) fn sum(reaches: impl Iterator<Item = Reach>) -> Reach {
        reaches.fold(Reach::default(), |sum, reach| Reach {
            pairs: sum.pairs + reach.pairs,
            told: sum.told + reach.told,
            oldest_missing: sum.oldest_missing.max(reach.oldest_missing),
        })
    }

    pub(super) fn to_json(self) -> Value {
        json!({
            "message_neighbour_pairs": self.pairs,
            "pairs_told": self.told,
            "oldest_missing_seconds": self.oldest_missing.map(|age| age.as_secs_f64()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_is_missing_is_told() {
        let reach = |age, have| MessageReach {
            tag: 0,
            age: Duration::from_secs(age),
            neighbours: 4,
            have,
        };
        let of = Reach::of(&[reach(9, 4), reach(8, 3), reach(7, 2)]);
        let expected = Reach {
            pairs: 12,
            told: 9,
            oldest_missing: Some(Duration::from_secs(8)),
        };
        assert_eq!(of, expected);
        let all = Reach::of(&[reach(10, 4)]);
        assert_eq!(all.oldest_missing, None);
        let sum = Reach::sum([of, all].into_iter());
        assert_eq!(
            (sum.pairs, sum.told, sum.oldest_missing),
            (16, 13, of.oldest_missing)
        );
    }
}
