//! The reactors of one shard, in the order of registration, and the only place that calls them.
//!
//! A reactor is foreign code: a panic inside is caught here and told to the caller, who closes the
//! peer at hand. The reactor itself lives on; it is its author's part to leave no half-done state
//! behind a panic. Two reactors never run at once, so `AssertUnwindSafe` hides no shared state.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ringwire_codec::ChannelId;

use crate::document::Document;
use crate::error::{CloseReason, StartPanic};
use crate::peer::PeerKey;
use crate::reactor::Instance;

struct Entry {
    name: String,
    /// Empty while it is called.
    instance: Option<Box<dyn Instance>>,
}

/// The reactors of one shard.
pub(crate) struct ReactorSet {
    entries: Vec<Entry>,
}

impl ReactorSet {
    pub(crate) fn new(reactors: Vec<(String, Box<dyn Instance>)>) -> Self {
        let entry = |(name, instance)| Entry {
            name,
            instance: Some(instance),
        };
        ReactorSet {
            entries: reactors.into_iter().map(entry).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        &self.entries[index].name
    }

    /// Whether a reactor takes more to publish. One that panics takes it: it is only a hint.
    pub(crate) fn has_room(&self, index: usize, channel: ChannelId) -> bool {
        self.ask(index, |reactor| reactor.has_room(channel))
            .unwrap_or(true)
    }

    /// Whether messages for `peer` wait inside a reactor. One that panics keeps nobody waiting.
    pub(crate) fn has_pending(&self, index: usize, peer: PeerKey) -> bool {
        self.ask(index, |reactor| reactor.has_pending(peer))
            .unwrap_or(false)
    }

    /// A reactor's figures; none if it panics.
    pub(crate) fn counters(&self, index: usize) -> Vec<(&'static str, u64)> {
        self.ask(index, |reactor| reactor.counters())
            .unwrap_or_default()
    }

    /// What the reactor of that name shows of its state; nothing if it panics.
    pub(crate) fn inspect(&self, name: &str) -> Option<Document> {
        let index = self.entries.iter().position(|entry| entry.name == name)?;
        self.ask(index, |reactor| reactor.inspect()).flatten()
    }

    /// Looks at a reactor without calling into its protocol; `None` if it panics, or is being called.
    fn ask<R>(&self, index: usize, ask: impl FnOnce(&dyn Instance) -> R) -> Option<R> {
        let instance = self.entries[index].instance.as_deref()?;
        catch_unwind(AssertUnwindSafe(|| ask(instance))).ok()
    }

    /// The first reactor that is not being called and that `is_it` says yes to.
    pub(crate) fn find(&self, is_it: &dyn Fn(&dyn Instance) -> bool) -> Option<&dyn Instance> {
        self.entries[self.position(is_it)?].instance.as_deref()
    }

    /// The place of the first reactor that is not being called and that `is_it` says yes to.
    pub(crate) fn position(&self, is_it: impl Fn(&dyn Instance) -> bool) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| entry.instance.as_deref().is_some_and(&is_it))
    }

    /// Whether the reactor in a place is not being called, and `is_it` says yes to it.
    pub(crate) fn is(&self, index: usize, is_it: impl Fn(&dyn Instance) -> bool) -> bool {
        self.entries[index].instance.as_deref().is_some_and(is_it)
    }

    /// Whether a reactor is being called.
    pub(crate) fn is_calling(&self) -> bool {
        self.entries.iter().any(|entry| entry.instance.is_none())
    }

    /// Takes a reactor out of its place to be called, so that others can be asked meanwhile. `None`
    /// if it is being called.
    pub(crate) fn take(&mut self, index: usize) -> Option<Box<dyn Instance>> {
        self.entries[index].instance.take()
    }

    /// A reactor that was called is back.
    pub(crate) fn put_back(&mut self, index: usize, instance: Box<dyn Instance>) {
        self.entries[index].instance = Some(instance);
    }

    /// A panic as the reason to close the peer at hand.
    pub(crate) fn blame(&self, index: usize, panic: &(dyn Any + Send)) -> CloseReason {
        let StartPanic { reactor, message } = self.blame_start(index, panic);
        CloseReason::ReactorPanic { reactor, message }
    }

    /// A panic as the reason not to start.
    pub(crate) fn blame_start(&self, index: usize, panic: &(dyn Any + Send)) -> StartPanic {
        StartPanic {
            reactor: self.entries[index].name.clone(),
            message: text_of(panic),
        }
    }
}

/// The text of a panic, if it carried one.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| String::from("no message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError, erase};

    struct Faulty;

    impl Reactor for Faulty {
        type Peer = ();
        type Note = ();
        type Timer = ();

        fn channels(&self) -> Vec<ChannelDescriptor> {
            Vec::new()
        }

        fn receive(
            &mut self,
            _: &mut Context<'_, Self>,
            _: Envelope<'_>,
            _: &mut (),
        ) -> Result<(), ReactorError> {
            Ok(())
        }

        fn has_room(&self, _channel: ChannelId) -> bool {
            panic!("asked for room")
        }

        fn has_pending(&self, _peer: PeerKey, _: &()) -> bool {
            panic!("asked for messages")
        }

        fn counters(&self) -> Vec<(&'static str, u64)> {
            panic!("asked for figures")
        }
    }

    #[test]
    fn a_reactor_that_panics_when_it_is_asked_costs_nobody() {
        let set = ReactorSet::new(vec![(String::from("faulty"), erase(Faulty))]);
        let peer = PeerKey {
            index: 0,
            generation: 0,
        };
        assert!(set.has_room(0, ChannelId(1)));
        assert!(!set.has_pending(0, peer));
        assert!(set.counters(0).is_empty());
    }
}
