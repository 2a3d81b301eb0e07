//! The page of a run: charts that a person reads in a minute, and the figures under them.
//!
//! Hand-drawn SVG: a page of bars needs no plotting library, and styles of its own follow the
//! reader's light or dark setting.

mod chart;
pub mod markdown;
pub mod page;
pub mod picture;
mod style;
mod summary;
mod table;
mod terms;
mod view;
