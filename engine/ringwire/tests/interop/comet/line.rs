//! The lines of CometBFT there are to meet, and their programs.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::golang::{Program, say_skipped};

/// One line of CometBFT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The folder of its program.
    pub(crate) name: &'static str,
    /// The P2P protocol it announces.
    pub(crate) p2p_protocol: u64,
    place: usize,
}

/// All lines there are to meet.
pub(crate) const LINES: [Line; 2] = [
    Line {
        name: "v0.38",
        p2p_protocol: 8,
        place: 0,
    },
    Line {
        name: "v1",
        p2p_protocol: 9,
        place: 1,
    },
];

impl Line {
    /// The line's program, built if need be; `None`, with a loud word, where it cannot be.
    ///
    /// A program that does not compile fails the test.
    pub(crate) fn program(self) -> Option<&'static Path> {
        static PROGRAMS: [OnceLock<Result<PathBuf, String>>; LINES.len()] =
            [const { OnceLock::new() }; LINES.len()];
        let module = self.name;
        let built = PROGRAMS[self.place].get_or_init(|| {
            Program {
                module,
                package: ".",
            }
            .build()
        });
        match built {
            Ok(program) => Some(program),
            Err(reason) => {
                say_skipped(&format!("CometBFT {module}"), reason);
                None
            }
        }
    }
}
