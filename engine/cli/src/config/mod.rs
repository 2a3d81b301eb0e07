//! The configuration of a node with a home: read from CometBFT's `config.toml`, written with comments.
//!
//! ```text
//!   config.toml ──file──▶ settings (one row per key) ──▶ NodeConfig ──▶ the engine's Config
//!                              ▲                            │
//!                              └────────── document ◀───────┘   the default file, with comments
//! ```
//!
//! A key is one row of the table in `settings.rs`: its name, what it means, how it is read and how it
//! is written. So what is documented is what is read, and a typo finds its nearest neighbour.
//! Nothing here opens a file: text comes in as an argument.
//!
//! What CometBFT's own reader takes is taken here too, with a warning where it is odd
//! (docs/decisions/0025-homes-as-they-are.md).

mod check;
mod document;
mod file;
mod instrumentation;
mod kind;
mod lists;
mod nearest;
mod node_config;
mod settings;
mod sources;
mod unused;
mod weak;

pub(crate) use file::{ConfigFileProblem, ConfigWarning, LoadedConfig};
pub(crate) use instrumentation::Instrumentation;
pub(crate) use nearest::nearest;
pub(crate) use node_config::NodeConfig;
pub(crate) use settings::all as settings;
pub(crate) use sources::{Source, Sources};
