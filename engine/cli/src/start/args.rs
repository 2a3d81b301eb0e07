//! What a node can be told when it starts; the rest stands in its home.

use std::time::Duration;

use clap::Args;
use ringwire_core::config::duration;

use crate::config::{LoadedConfig, Source};
use crate::failure::Failure;
use crate::gossip::Gossip;
use crate::home::Home;
use crate::metrics::MetricsArgs;
use crate::overrides::Overrides;

/// Run the node of a home; with --stdin and --stdout, one end of a gossip pipe.
///
/// Runs until SIGINT or SIGTERM; a second signal ends it at once. At the start it says its address,
/// ID@host:port, ready to stand in another node's persistent_peers.
///
/// With --stdin and --stdout it is one end of a gossip pipe: each line that goes
/// in at one node comes out once at every other node of the network. Lines may overtake each other
/// on their way.
#[derive(Args, Clone)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    pub(super) home: Home,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
    /// Whether to exchange addresses with peers, instead of p2p.pex.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pex: Option<bool>,
    /// Whether to be a seed, instead of p2p.seed_mode; `ringwire seed` does more for that.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    seed_mode: Option<bool>,
    /// How lines spread, instead of ringwire.gossip.
    #[arg(long, value_enum)]
    gossip: Option<Gossip>,
    /// Publish each line of standard input, as soon as there is a peer to hear it.
    #[arg(long)]
    pub(super) stdin: bool,
    /// Print each message received as a line; everything else goes to standard error then. What
    /// strangers write is made harmless: a newline within a message is printed as \n, and on a
    /// terminal every control character as an escape.
    #[arg(long)]
    pub(super) stdout: bool,
    /// Print the bytes of messages as they came, whatever a terminal makes of them.
    #[arg(long, requires = "stdout")]
    pub(super) raw: bool,
    /// End with standard input, after everything published was sent; with exit code 1 and a sentence
    /// if lines were not sent.
    #[arg(long, requires = "stdin")]
    pub(super) exit_on_eof: bool,
    /// With --exit-on-eof: how long lines may wait for a peer before the node gives up.
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "exit_on_eof",
        value_parser = duration::parse)]
    pub(super) peer_timeout: Duration,
}

impl StartArgs {
    /// The home's configuration with what the flags say.
    pub(crate) fn config(&self) -> Result<LoadedConfig, Failure> {
        let mut loaded = self.overrides.load(&self.home)?;
        let discovery = &mut loaded.config.engine.discovery;
        if let Some(pex) = self.pex {
            discovery.pex = pex;
            loaded.sources.note("p2p.pex", Source::Flag("--pex"));
        }
        if let Some(seed_mode) = self.seed_mode {
            discovery.seed_mode = seed_mode;
            loaded
                .sources
                .note("p2p.seed_mode", Source::Flag("--seed-mode"));
        }
        if let Some(gossip) = self.gossip {
            loaded.config.gossip = gossip;
            loaded
                .sources
                .note("ringwire.gossip", Source::Flag("--gossip"));
        }
        let discovery = &mut loaded.config.engine.discovery;
        if discovery.seed_mode {
            loaded.fit_for_seed();
        }
        let config = &loaded.config;
        config.check()?;
        if config.engine.discovery.seed_mode && (self.stdin || self.stdout) {
            return Err(Failure::new(
                "a seed does not gossip: take out --stdin and --stdout, or give --seed-mode=false",
            ));
        }
        Ok(loaded)
    }
}
