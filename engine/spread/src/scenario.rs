//! [`Scenario`]: everything that a run is a function of.

use std::time::Duration;

use thiserror::Error;

use crate::network::Model;
use crate::overlay::Overlay;

/// Who publishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origins {
    /// So many nodes, chosen at random; they take turns.
    Some(u32),
    /// Every node, in random order.
    All,
}

/// A run, whole: the same scenario gives the same report.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// All chance comes from it.
    pub seed: u64,
    /// How many nodes there are.
    pub nodes: u32,
    /// Links of a node: about so many, unless the overlay is [`Overlay::Full`].
    pub degree: u32,
    /// How they are chosen.
    pub overlay: Overlay,
    /// What links have in common.
    pub model: Model,
    /// Who publishes.
    pub origins: Origins,
    /// The length of each payload.
    pub payload_bytes: u32,
    /// Messages of each origin before those that are measured.
    pub warm: u32,
    /// Messages that are measured, of all origins together.
    pub messages: u32,
    /// Time from one message to the next: half as much to one and a half times as much, evenly.
    pub interval: Duration,
    /// Time after the last message of each part, for what is late.
    pub settle: Duration,
    /// The share of nodes that fall silent, all at once, after the warm part: they hear and say nothing, and
    /// their links stay. No origin is among them.
    pub silent: f64,
    /// The share of nodes that leave in a minute, each replaced by a new one with links of its own.
    pub churn: f64,
    /// The share of links that break in a minute. Each is made again after two seconds.
    pub breaks: f64,
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            seed: 7,
            nodes: 1000,
            degree: 16,
            overlay: Overlay::Random,
            model: Model::default(),
            origins: Origins::Some(4),
            payload_bytes: 4096,
            warm: 20,
            messages: 40,
            interval: Duration::from_millis(250),
            settle: Duration::from_secs(5),
            silent: 0.0,
            churn: 0.0,
            breaks: 0.0,
        }
    }
}

/// Why a scenario cannot be played.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ScenarioError {
    /// A network has nodes.
    #[error("{nodes} nodes are too few: take {min} or more")]
    Nodes {
        /// As given.
        nodes: u32,
        /// The least.
        min: u32,
    },
    /// Every node has its links to different nodes.
    #[error(
        "a degree of {degree} does not fit {nodes} nodes: take an even number from 2 to one less than the nodes"
    )]
    Degree {
        /// As given.
        degree: u32,
        /// As given.
        nodes: u32,
    },
    /// A share lies between 0 and 1.
    #[error("{what} is {share}, but a share lies between 0 and {max}")]
    Share {
        /// Which one.
        what: &'static str,
        /// As given.
        share: f64,
        /// The most.
        max: f64,
    },
    /// Somebody publishes something.
    #[error("{what} must be more than 0")]
    Zero {
        /// Which figure.
        what: &'static str,
    },
    /// Origins are nodes.
    #[error("there are {nodes} nodes, so they cannot have {origins} origins among them")]
    Origins {
        /// As given.
        origins: u32,
        /// As given.
        nodes: u32,
    },
    /// Who falls silent or leaves is no origin.
    #[error(
        "{origins} of {nodes} nodes publish, and these neither fall silent nor leave: too few others are left. Take fewer origins, or less silence and no churn"
    )]
    Others {
        /// As given.
        origins: u32,
        /// As given.
        nodes: u32,
    },
}

/// Fewer nodes than this make no network.
pub const NODES_MIN: u32 = 3;

/// More breaks than this, each link every two seconds, leave no network.
pub const BREAKS_MAX: f64 = 30.0;

/// More silent nodes than this leave nothing to measure.
pub const SILENT_MAX: f64 = 0.5;

impl Scenario {
    /// Finds what cannot be played.
    ///
    /// # Errors
    /// [`ScenarioError`] names the figure and what it may be.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let Scenario { nodes, degree, .. } = *self;
        if nodes < NODES_MIN {
            let min = NODES_MIN;
            return Err(ScenarioError::Nodes { nodes, min });
        }
        let is_free = self.overlay == Overlay::Full;
        if !is_free && (degree < 2 || degree % 2 == 1 || degree >= nodes) {
            return Err(ScenarioError::Degree { degree, nodes });
        }
        for (what, share, max) in [
            ("the share of silent nodes", self.silent, SILENT_MAX),
            ("the churn of a minute", self.churn, 1.0),
            (
                "the share of links that break in a minute",
                self.breaks,
                BREAKS_MAX,
            ),
        ] {
            if !(0.0..=max).contains(&share) {
                return Err(ScenarioError::Share { what, share, max });
            }
        }
        let zeros = [
            ("the number of measured messages", self.messages == 0),
            ("the length of a payload", self.payload_bytes == 0),
            ("the number of origins", self.origins == Origins::Some(0)),
            ("the speed of a node", self.model.bits_per_second == Some(0)),
        ];
        if let Some((what, _)) = zeros.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(ScenarioError::Zero { what });
        }
        self.check_origins()
    }

    /// How many nodes publish.
    pub fn origin_count(&self) -> u32 {
        match self.origins {
            Origins::Some(count) => count,
            Origins::All => self.nodes,
        }
    }

    /// How many nodes fall silent.
    pub fn silent_count(&self) -> u32 {
        (f64::from(self.nodes) * self.silent) as u32
    }

    /// Messages before those that are measured.
    pub fn warm_messages(&self) -> u32 {
        self.warm * self.origin_count()
    }

    fn check_origins(&self) -> Result<(), ScenarioError> {
        let (nodes, origins) = (self.nodes, self.origin_count());
        let Some(others) = nodes.checked_sub(origins) else {
            return Err(ScenarioError::Origins { origins, nodes });
        };
        if self.silent_count() > others || (self.churn > 0.0 && others == 0) {
            return Err(ScenarioError::Others { origins, nodes });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_played_and_what_lies_beyond_them_is_named() {
        let scenario = |change: fn(&mut Scenario)| {
            let mut scenario = Scenario::default();
            change(&mut scenario);
            scenario.check()
        };
        assert_eq!(scenario(|_| ()), Ok(()));
        assert_eq!(
            scenario(|s| (s.nodes, s.degree, s.origins) = (3, 2, Origins::All)),
            Ok(())
        );
        assert!(matches!(
            scenario(|s| (s.nodes, s.degree) = (2, 2)),
            Err(ScenarioError::Nodes { .. })
        ));
        assert!(matches!(
            scenario(|s| s.degree = 15),
            Err(ScenarioError::Degree { .. })
        ));
        assert_eq!(scenario(|s| (s.nodes, s.degree) = (17, 16)), Ok(()));
        assert!(matches!(
            scenario(|s| (s.nodes, s.degree) = (16, 16)),
            Err(ScenarioError::Degree { .. })
        ));
        assert_eq!(
            scenario(|s| (s.nodes, s.overlay) = (16, Overlay::Full)),
            Ok(()),
            "the degree says nothing there"
        );
        assert_eq!(scenario(|s| s.breaks = BREAKS_MAX), Ok(()));
        assert!(matches!(
            scenario(|s| s.breaks = BREAKS_MAX + 1.0),
            Err(ScenarioError::Share { .. })
        ));
        assert_eq!(scenario(|s| s.silent = 0.5), Ok(()));
        assert!(matches!(
            scenario(|s| s.silent = 0.51),
            Err(ScenarioError::Share { .. })
        ));
        assert!(matches!(
            scenario(|s| s.churn = f64::NAN),
            Err(ScenarioError::Share { .. })
        ));
        assert!(matches!(
            scenario(|s| s.origins = Origins::Some(0)),
            Err(ScenarioError::Zero { .. })
        ));
        assert_eq!(scenario(|s| s.origins = Origins::Some(1000)), Ok(()));
        assert!(matches!(
            scenario(|s| s.origins = Origins::Some(1001)),
            Err(ScenarioError::Origins { .. })
        ));
    }

    #[test]
    fn origins_leave_room_for_those_who_fall_silent_or_leave() {
        let check = |origins, silent, churn| {
            let scenario = Scenario {
                origins,
                silent,
                churn,
                ..Scenario::default()
            };
            scenario.check()
        };
        let others = |origins| {
            let nodes = 1000;
            Err(ScenarioError::Others { origins, nodes })
        };
        assert_eq!(check(Origins::Some(800), 0.2, 0.0), Ok(()));
        assert_eq!(check(Origins::Some(801), 0.2, 0.0), others(801));
        assert_eq!(check(Origins::Some(999), 0.0, 0.1), Ok(()));
        assert_eq!(check(Origins::All, 0.0, 0.1), others(1000));
        assert_eq!(check(Origins::All, 0.0, 0.0), Ok(()));
    }
}
