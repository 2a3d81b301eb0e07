//! A visit: to dial a node of any network, hear who it is and whom it knows, and leave.
//!
//! ```text
//!   probe, crawl ─▶ [crew] threads ─▶ [line] a blocking [socket] ─▶ [conversation] bytes in, bytes out
//!                                          │
//!                                          └▶ [outcome] who, how far away, whom it knows, or why not
//! ```
//!
//! A visitor has a key of its own, made for the run, and says that it listens nowhere: no node dials
//! it, and no address book takes it in. It claims the network that it finds, so that one visit
//! is enough for a node of which nothing is known but where it is.

mod conversation;
mod crew;
mod line;
mod outcome;
mod socket;
mod target;

pub(crate) use crew::{CREW_MAX, Crew};
pub(crate) use line::Visitor;
use outcome::Step;
pub(crate) use outcome::{Known, Visit, VisitError, harmless};
pub(crate) use target::Target;
