//! Rivals: other engines, in programs of ours that do one run and print it as one line of JSON
//! (`bench/rivals`). Each is built when it is asked for, and one that does not build leaves the
//! others alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use ringwire::peer::Framing;

/// One who may run beside Ringwire.
#[derive(Debug)]
pub struct Rival {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, for whoever reads the help.
    pub about: &'static str,
    /// What builds its program.
    pub language: Language,
    /// The ways it is set up; each is a contender.
    pub settings: &'static [Settings],
}

/// What a rival is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// A module of its own under `bench/rivals`.
    Go,
    /// A package of the workspace `bench/rivals/rust`.
    Rust,
}

/// One way to set up a rival.
#[derive(Debug)]
pub struct Settings {
    /// What its program calls them.
    pub name: &'static str,
    /// What tables call the contender.
    pub contender: &'static str,
    /// Beside which record layers it stands.
    pub framings: &'static [Framing],
    /// Whether it runs where throughput is measured.
    pub throughput: bool,
    /// Whether it runs where the receiver is slow.
    pub delay: bool,
    /// Whether it runs where messages are gossiped, and nowhere else.
    pub gossip: bool,
    /// Round trips at most; none if it does not run where they are measured.
    pub rounds_max: u64,
}

/// A rival whose program is there.
#[derive(Clone, Debug)]
pub struct Built {
    /// Who.
    pub rival: &'static Rival,
    /// Its program.
    pub program: PathBuf,
}

const COMET: &[Framing] = &[Framing::Comet];
const WIDE: &[Framing] = &[Framing::Wide];
/// Where a rival has a record layer of its own, it stands beside both of ours, and its name says
/// which cipher it uses where that is not plain.
const EITHER: &[Framing] = &[Framing::Wide, Framing::Comet];

/// With CometBFT's flush timer a round trip takes 200 ms, and all are alike.
const COMET_DEFAULT_ROUNDS: u64 = 50;

/// All of them.
pub const RIVALS: &[Rival] = &[
    Rival {
        name: "comet",
        about: "CometBFT's own switch and connections; needs Go",
        language: Language::Go,
        settings: &[
            both("default", "CometBFT default", COMET)
                .at_most(COMET_DEFAULT_ROUNDS)
                .and_delay(),
            both("maxed", "CometBFT maxed", COMET).at_most(0),
            both("flush0", "CometBFT flush0", COMET)
                .round_trips_only()
                .and_delay(),
        ],
    },
    Rival {
        name: "tokio",
        about: "plain tokio with Ringwire's codec",
        language: Language::Rust,
        settings: &[both("comet", "tokio", COMET), both("wide", "tokio", WIDE)],
    },
    Rival {
        name: "libp2p",
        about: "rust-libp2p: TCP, Noise, Yamux; raw streams, and gossipsub",
        language: Language::Rust,
        settings: &[
            both("default", "libp2p (noise)", EITHER),
            both("gossipsub", "libp2p gossipsub", EITHER).gossip_only(),
        ],
    },
    Rival {
        name: "commonware",
        about: "commonware-p2p, authenticated",
        language: Language::Rust,
        settings: &[both("default", "commonware (ChaCha20)", EITHER)],
    },
];

/// Settings for all that is measured.
const fn both(
    name: &'static str,
    contender: &'static str,
    framings: &'static [Framing],
) -> Settings {
    Settings {
        name,
        contender,
        framings,
        throughput: true,
        delay: false,
        gossip: false,
        rounds_max: u64::MAX,
    }
}

impl Settings {
    const fn at_most(mut self, rounds: u64) -> Self {
        self.rounds_max = rounds;
        self
    }

    const fn round_trips_only(mut self) -> Self {
        self.throughput = false;
        self
    }

    const fn and_delay(mut self) -> Self {
        self.delay = true;
        self
    }

    const fn gossip_only(mut self) -> Self {
        self.gossip = true;
        self.throughput = false;
        self.at_most(0)
    }
}

impl Rival {
    /// Builds its program under `target`, a folder that is the rivals' alone.
    ///
    /// # Errors
    /// Says what failed and what is needed.
    pub fn build(&'static self, target: &Path) -> Result<Built, String> {
        let rivals = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals");
        let program = format!("{}-bench", self.name);
        let (mut command, program, needs) = match self.language {
            Language::Go => {
                let program = target.join(program);
                let mut go = Command::new("go");
                go.current_dir(rivals.join(self.name));
                go.args(["build", "-o"]).arg(&program).arg(".");
                (go, program, "install Go 1.22 or newer")
            }
            Language::Rust => {
                let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
                let mut cargo = Command::new(cargo);
                // There, so that the workspace is built as anybody would build it.
                cargo.current_dir(rivals.join("rust"));
                cargo.args(["build", "--release", "--locked", "--package"]);
                cargo.arg(format!("rival-{}", self.name));
                cargo.arg("--target-dir").arg(target);
                let program = target.join("release").join(program);
                (cargo, program, "install a Rust toolchain")
            }
        };
        // Cargo makes its folder itself, Go does not.
        std::fs::create_dir_all(target)
            .map_err(|error| format!("{} cannot be made: {error}", target.display()))?;
        match command.status() {
            Ok(status) if status.success() => Ok(Built {
                rival: self,
                program,
            }),
            Ok(status) => Err(format!("{command:?} failed: {status}")),
            Err(error) => Err(format!("{command:?} cannot be run ({error}): {needs}")),
        }
    }
}
