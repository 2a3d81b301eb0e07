//! Asking a reactor: a question of a type, and its answer.
//!
//! A question travels as a call that knows both types, so that neither the switch nor the threads
//! in between have to.

use std::any::{Any, type_name};
use std::fmt;

use ringwire_codec::ChannelId;
use thiserror::Error;

use super::context::Context;
use super::host::Host;
use super::instance::{Erased, Instance};
use super::reactor::Reactor;

/// An answer on its way to who asked.
pub struct Answer(Box<dyn Any + Send>);

impl Answer {
    /// What was answered.
    ///
    /// # Errors
    /// It answers a question of another kind, so another reactor was asked than was meant.
    pub fn into_value<T: 'static>(self) -> Result<T, AskError> {
        let value = self.0.downcast().map_err(|_| AskError::NoSuchReactor)?;
        Ok(*value)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// A reactor that answers questions of type `Q`.
///
/// ```
/// use ringwire_core::reactor::{Answers, Context, Reactor};
/// # use ringwire_core::reactor::{ChannelDescriptor, Envelope, ReactorError};
/// # struct Mempool(Vec<u64>);
/// # impl Reactor for Mempool {
/// #     type Peer = ();
/// #     type Note = ();
/// #     type Timer = ();
/// #     fn channels(&self) -> Vec<ChannelDescriptor> { Vec::new() }
/// #     fn receive(&mut self, _: &mut Context<'_, Self>, _: Envelope<'_>, _: &mut ()) -> Result<(), ReactorError> { Ok(()) }
/// # }
/// /// How many transactions wait?
/// struct Len;
///
/// impl Answers<Len> for Mempool {
///     type Answer = usize;
///
///     fn answer(&mut self, _cx: &mut Context<'_, Self>, _: Len) -> usize {
///         self.0.len()
///     }
/// }
/// ```
pub trait Answers<Q>: Reactor {
    /// What it answers.
    type Answer: Send + 'static;

    /// Answers at once. Who has to wait for something answers that it has begun, and tells the
    /// outcome by a subscription or a channel that came with the question.
    fn answer(&mut self, cx: &mut Context<'_, Self>, question: Q) -> Self::Answer;
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// No reactor of that type is registered.
    #[error("there is no reactor of that type")]
    NoSuchReactor,
    /// The reactor is being called: it asked itself, or asked one that asks it.
    #[error("the reactor is in the middle of a call")]
    Busy,
    /// The reactor panicked over the question.
    #[error("the reactor panicked")]
    Panicked,
    /// The peer is not connected, so that no shard is its own.
    #[error("the peer is not connected")]
    NotConnected,
    /// No answer came in the time that was given for it.
    #[error("no answer came in time")]
    Timeout,
    /// The engine has stopped.
    #[error("the engine has stopped")]
    Stopped,
}

type Call = Box<dyn FnOnce(&mut dyn Instance, &mut dyn Host) -> Option<Answer> + Send>;

/// A question on its way to an instance.
pub struct Ask {
    reactor: &'static str,
    /// The channel by which it is found, where a node may have several of the type.
    channel: Option<ChannelId>,
    is_for: fn(&dyn Instance) -> bool,
    call: Call,
}

impl Ask {
    /// A question for the instance of a reactor.
    pub fn new<R, Q>(question: Q) -> Self
    where
        R: Answers<Q>,
        Q: Send + 'static,
    {
        Ask {
            reactor: type_name::<R>(),
            channel: None,
            is_for: |instance| instance.as_any().is::<Erased<R>>(),
            call: Box::new(|instance, host| {
                let erased: &mut Erased<R> = instance.as_any_mut().downcast_mut()?;
                Some(Answer(Box::new(erased.answer(host, question))))
            }),
        }
    }

    /// Asks the one that owns this channel, of several reactors of the type.
    #[must_use]
    pub fn on(mut self, channel: ChannelId) -> Self {
        self.channel = Some(channel);
        self
    }

    /// The channel of whom is asked; without one it is the first reactor of the type.
    pub fn channel(&self) -> Option<ChannelId> {
        self.channel
    }

    /// Whether the question is for this instance.
    pub fn is_for(&self, instance: &dyn Instance) -> bool {
        (self.is_for)(instance)
    }

    /// Has it answered. `None` if it is for somebody else.
    pub fn put(self, instance: &mut dyn Instance, host: &mut dyn Host) -> Option<Answer> {
        (self.call)(instance, host)
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ask").field(&self.reactor).finish()
    }
}
