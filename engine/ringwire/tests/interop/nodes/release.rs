//! The releases of CometBFT there are to meet, and their programs.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::golang::{Program, say_skipped};

/// The command of every release.
const PACKAGE: &str = "github.com/cometbft/cometbft/cmd/cometbft";

/// One release of CometBFT, pinned by the module of its name in `go/node`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Release {
    /// Its number. What a node says of itself may lag behind in the last place.
    pub(super) version: &'static str,
    module: &'static str,
    place: usize,
}

/// The newest release of each line that is in use.
pub(super) const RELEASES: [Release; 3] = [
    Release {
        version: "0.37.18",
        module: "node/v0.37",
        place: 0,
    },
    Release {
        version: "0.38.26",
        module: "node/v0.38",
        place: 1,
    },
    Release {
        version: "1.0.1",
        module: "node/v1",
        place: 2,
    },
];

impl Release {
    /// Whether a node that says this of itself is of the release's line.
    pub(super) fn is_line_of(self, said: &str) -> bool {
        let line = self.version.rsplit_once('.').map(|(line, _)| line);
        line == said.rsplit_once('.').map(|(line, _)| line)
    }

    /// Its `cometbft`, built if need be; `None`, with a loud word, where it cannot be.
    pub(super) fn program(self) -> Option<&'static Path> {
        static PROGRAMS: [OnceLock<Result<PathBuf, String>>; RELEASES.len()] =
            [const { OnceLock::new() }; RELEASES.len()];
        let program = Program {
            module: self.module,
            package: PACKAGE,
        };
        match PROGRAMS[self.place].get_or_init(|| program.build()) {
            Ok(program) => Some(program),
            Err(reason) => {
                say_skipped(&format!("CometBFT node {}", self.version), reason);
                None
            }
        }
    }
}
