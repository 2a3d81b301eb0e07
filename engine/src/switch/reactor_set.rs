//! The reactors of one shard, in the order of registration, and the only place that calls them.
//!
//! A reactor is foreign code: a panic inside is caught here and told to the caller, who closes the
//! peer at hand. The reactor itself lives on; it is its author's part to leave no half-done state
//! behind a panic. Two reactors never run at once, so `AssertUnwindSafe` hides no shared state.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::CloseReason;
use crate::reactor::Reactor;

struct Entry {
    name: String,
    reactor: Box<dyn Reactor>,
}

/// The reactors of one shard.
pub(super) struct ReactorSet {
    entries: Vec<Entry>,
}

impl ReactorSet {
    pub(super) fn new(reactors: Vec<(String, Box<dyn Reactor>)>) -> Self {
        let entry = |(name, reactor)| Entry { name, reactor };
        ReactorSet {
            entries: reactors.into_iter().map(entry).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn name(&self, index: usize) -> &str {
        &self.entries[index].name
    }

    /// Looks at a reactor without calling into its protocol.
    pub(super) fn get(&self, index: usize) -> &dyn Reactor {
        &*self.entries[index].reactor
    }

    /// Runs `call` on one reactor; a panic becomes the reason to close the peer at hand.
    pub(super) fn call<R>(
        &mut self,
        index: usize,
        call: impl FnOnce(&mut dyn Reactor) -> R,
    ) -> Result<R, CloseReason> {
        let entry = &mut self.entries[index];
        catch_unwind(AssertUnwindSafe(|| call(&mut *entry.reactor))).map_err(|panic| {
            CloseReason::ReactorPanic {
                reactor: entry.name.clone(),
                message: text_of(&*panic),
            }
        })
    }
}

/// The text of a panic, if it carried one.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| String::from("no message"))
}
