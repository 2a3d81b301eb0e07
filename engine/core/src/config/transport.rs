//! How the bytes of connections are moved.

use std::fmt;
use std::str::FromStr;

/// What an engine uses to move the bytes of its connections (docs/decisions, 65).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransportChoice {
    /// io_uring where the machine lets us, readiness where it does not.
    #[default]
    Auto,
    /// io_uring; an engine does not start without it.
    IoUring,
    /// Readiness of sockets, as epoll tells it: allowed everywhere.
    Readiness,
}

impl TransportChoice {
    const ALL: [TransportChoice; 3] = [
        TransportChoice::Auto,
        TransportChoice::IoUring,
        TransportChoice::Readiness,
    ];
}

impl fmt::Display for TransportChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TransportChoice::Auto => "auto",
            TransportChoice::IoUring => "io_uring",
            TransportChoice::Readiness => "readiness",
        })
    }
}

impl FromStr for TransportChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|choice| choice.to_string() == text)
            .ok_or_else(|| {
                format!("must be \"auto\", \"io_uring\" or \"readiness\", not \"{text}\"")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_back_and_others_are_told_which_there_are() {
        for choice in TransportChoice::ALL {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for word in ["", "Auto", "uring", "epoll"] {
            let refused = word.parse::<TransportChoice>().expect_err("no such word");
            assert!(
                refused.contains("\"auto\", \"io_uring\" or \"readiness\""),
                "{refused}"
            );
        }
    }
}
