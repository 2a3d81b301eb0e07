//! `ringwire crawl`: the map of a network, by asking each node whom it knows.
//!
//! ```text
//!   --seeds, FILE ─▶ [map] who is due ─▶ visits, many at once, one a host
//!                      ▲                    │
//!                      └── whom it knows ───┤
//!                                           └▶ [journal] JSON lines ─▶ [summary]
//! ```
//!
//! Polite by construction: a node is visited once in `--every`, far more seldom than the ten seconds
//! after which the reference takes offence at a second question, and two visits never meet on one host.

mod journal;
mod map;
mod run;
mod summary;

pub(crate) use run::{CrawlArgs, run};
