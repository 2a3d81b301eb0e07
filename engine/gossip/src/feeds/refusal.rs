//! [`Refusal`]: why a neighbour's message is not read.

use thiserror::Error;

/// Why a message is refused. Each is the neighbour's fault: no honest node sends such a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The message is longer than any.
    #[error("message: {got} bytes, at most {max}")]
    TooLong {
        /// Bytes of the message.
        got: usize,
        /// The most that a message may have.
        max: usize,
    },
    /// The bytes end inside a field.
    #[error("{field}: {got} bytes are there, {needed} are needed")]
    Truncated {
        /// Which field ends too early.
        field: &'static str,
        /// Bytes that are there.
        got: usize,
        /// Bytes that the field needs.
        needed: usize,
    },
    /// Bytes follow the last field.
    #[error("{got} bytes follow the last field")]
    Trailing {
        /// How many.
        got: usize,
    },
    /// A message of no known kind.
    #[error("kind: {got} is none")]
    Kind {
        /// The kind's number.
        got: u8,
    },
    /// An alias that a link has no room for.
    #[error("alias: {got}, they go up to {max}")]
    Alias {
        /// The alias.
        got: u16,
        /// The highest.
        max: u16,
    },
    /// A stripe that no payload has.
    #[error("stripe: {got}, there are {count}")]
    Stripe {
        /// The stripe.
        got: u8,
        /// How many there are.
        count: u8,
    },
    /// A part that no link can have.
    #[error("part: {got} is none")]
    Part {
        /// The part's number.
        got: u8,
    },
    /// Flags that mean nothing.
    #[error("flags: {got:#010b} has bits of no meaning")]
    Flags {
        /// All flags of the body.
        got: u8,
    },
    /// An urgent message, or an urgent bundle, that is longer than such may be.
    #[error("urgent body: {got} bytes, at most {max}")]
    Urgent {
        /// Bytes of the message or bundle.
        got: usize,
        /// The most that it may have.
        max: usize,
    },
    /// A bundle of a message alone, of none, or of too many.
    #[error("bundle: {got} messages, from 2 to {}", super::BUNDLE_MESSAGES_MAX)]
    Bundle {
        /// How many there are; what is beyond one too many is not counted.
        got: usize,
    },
    /// A list whose bytes are no whole number of entries, or none.
    #[error("list: {got} bytes are no whole number of entries, or none")]
    List {
        /// Bytes of the list.
        got: usize,
    },
    /// An alias that the neighbour has given to no origin.
    #[error("alias {got} was given to no origin")]
    UnknownAlias {
        /// The alias.
        got: u16,
    },
}
