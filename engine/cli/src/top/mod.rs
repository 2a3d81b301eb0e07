//! A live screen of the node that runs on a home.
//!
//! ```text
//!   control socket ── report ──▶ model ──▶ view ──▶ a buffer of cells ──▶ terminal, or text (--once)
//!                                  ▲        ▲
//!        what was before: rates ───┘        └── screen: order, filter, place, pause  ◀── keys
//! ```
//!
//! Model, screen and view are values: they know no clock, no socket and no terminal. [`mod@run`] has those.

mod keys;
mod model;
mod run;
mod screen;
mod terminal;
mod times;
mod view;

pub(crate) use run::{TopArgs, run};
