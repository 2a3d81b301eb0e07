//! `ringwire probe`: are these nodes there, who are they, and whom do they know?
//!
//! ```text
//!   addresses, lists, files, chain.json ─▶ [targets] ─▶ visits, many at once ─▶ [report] a line each
//! ```

mod report;
mod run;
mod targets;

pub(crate) use report::visit_json;
pub(crate) use run::{ProbeArgs, run};
pub(crate) use targets::parse_list;
