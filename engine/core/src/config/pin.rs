//! Whether shards are pinned to CPUs.

use std::fmt;
use std::str::FromStr;

/// Whether each shard stays on a CPU of its own (docs/decisions, 24).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PinShards {
    /// Only when the node has a shard for every CPU that it may use. A node with fewer shards leaves
    /// the choice to the kernel, which knows what else runs on the machine.
    Auto,
    /// Whenever the shards of the process are no more than the CPUs that it may use: for a machine
    /// or a cpuset that belongs to this process alone.
    On,
    /// Never: the default of the library, whose process is the application's.
    #[default]
    Off,
}

impl fmt::Display for PinShards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PinShards::Auto => "auto",
            PinShards::On => "on",
            PinShards::Off => "off",
        })
    }
}

impl FromStr for PinShards {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [PinShards::Auto, PinShards::On, PinShards::Off]
            .into_iter()
            .find(|choice| choice.to_string() == text)
            .ok_or_else(|| format!("must be \"auto\", \"on\" or \"off\", not \"{text}\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_back_and_others_are_told_which_there_are() {
        for choice in [PinShards::Auto, PinShards::On, PinShards::Off] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for word in ["", "Auto", "yes", "0"] {
            let refused = word.parse::<PinShards>().expect_err("no such word");
            assert!(refused.contains("\"auto\", \"on\" or \"off\""), "{refused}");
        }
    }
}
