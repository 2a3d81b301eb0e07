//! A network that finds itself: thousands of nodes from three seeds, with churn and liars, and what
//! is measured of it.
//!
//! ```text
//!   Plan ──scenario──▶ World        who is what, where, and for how long
//!     └──▶ Run ──each minute──▶ churn ──▶ Sample ──at the end──▶ Report
//! ```
//!
//! Shared by the test, which asserts the promises on a thousand nodes, and by the example program,
//! which runs any size and prints the report.

pub(crate) mod books;
mod liar;
pub(crate) mod plan;
pub(crate) mod report;
mod run;
mod sample;
mod totals;

pub(crate) use plan::Plan;
pub(crate) use run::run;
