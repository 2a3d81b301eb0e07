//! When a message that was announced is asked for: how long its feed is waited for, and who was asked.

use std::time::Duration;

use super::link::Link;
use super::links::Links;
use super::open::{Open, Stage};
use super::origins::OriginState;
use super::slot::Slot;
use super::smoothed::Smoothed;

/// An announced message is waited for at least so long: on gossipsub 60 % of the requests leave less than
/// 10 ms before the message comes unasked (go-libp2p-pubsub #619).
const GRACE_MIN: Duration = Duration::from_millis(5);

/// And at most so long, while nothing comes from the feed.
const GRACE_MAX: Duration = Duration::from_millis(40);

/// So long for a message of an origin that has no feed yet: it comes by others' feeds.
const GRACE_COLD: Duration = Duration::from_millis(100);

/// A message that a digest names may be under way: longer than it takes between any two neighbours.
pub(super) const GRACE_DIGEST: Duration = Duration::from_millis(200);

/// A feed that is busy with other messages is waited for until then.
const PATIENCE: Duration = Duration::from_millis(250);

/// Whoever is waited for may bring so large a part of what a neighbour remembers meanwhile, and no more: who else has
/// the message has not forgotten it by then.
pub(super) const PATIENCE_SHARE: usize = 4;

/// A link that sends bytes, but not the answer, is waited for at most so many times its answer time, within
/// these bounds: else drops would buy it any time.
const ANSWER_TIMES_MAX: u32 = 4;
const DRIP_MIN: Duration = Duration::from_millis(200);
const DRIP_MAX: Duration = Duration::from_secs(1);

/// When all who announced a message were asked in vain, they are asked again after this.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A message that nobody sends is forgotten after this.
pub(super) const GIVE_UP: Duration = Duration::from_secs(10);

/// What is to be done about a message whose moment has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// It is there, and all have spoken of it.
    Close,
    /// Nothing until then.
    Wait(Duration),
    /// Ask for it. `None` if nobody was asked before, or who was is gone.
    Ask(Option<Unanswered>),
}

/// A link was asked for a message, and did not send it in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unanswered {
    /// Which link.
    pub(super) slot: Slot,
    /// When it was asked.
    pub(super) asked_at: Duration,
    /// Whether it sends other messages meanwhile.
    pub(super) is_at_work: bool,
}

/// What is to be done about a message of the origin. Whoever is to send it and brings so many bytes first has no more
/// time.
pub(super) fn due(
    now: Duration,
    open: &Open,
    state: &OriginState,
    links: &Links,
    patience_bytes: u64,
) -> Due {
    match open.stage() {
        Stage::Held => Due::Close,
        // The verdict says what is next.
        Stage::Checking => Due::Wait(now + GIVE_UP),
        Stage::Waiting => {
            let feed = links.feed_of(state);
            due_from_feed(now, open, feed, state.lateness(), patience_bytes)
        }
        Stage::Asked {
            slot,
            at,
            received_bytes,
        } => {
            let Some(link) = links.get(slot) else {
                return Due::Ask(None);
            };
            let is_busy = is_busy(link, received_bytes, patience_bytes);
            let time = link.answer_time();
            let patience = (time * ANSWER_TIMES_MAX).clamp(DRIP_MIN, DRIP_MAX);
            if is_busy && now < at + patience {
                Due::Wait(now + time)
            } else {
                Due::Ask(Some(Unanswered {
                    slot,
                    asked_at: at,
                    is_at_work: link.is_at_work(at),
                }))
            }
        }
    }
}

/// Whether the link has brought something since so many bytes, and not too much.
fn is_busy(link: &Link, since: u64, patience_bytes: u64) -> bool {
    let brought = link.received_bytes().saturating_sub(since);
    brought > 0 && brought < patience_bytes
}

fn due_from_feed(
    now: Duration,
    open: &Open,
    feed: Option<&Link>,
    lateness: Smoothed,
    patience_bytes: u64,
) -> Due {
    let is_busy = feed
        .is_some_and(|feed| is_busy(feed, open.feed_bytes(), patience_bytes) && !feed.is_suspect());
    if is_busy && now < open.first_at() + PATIENCE {
        Due::Wait(now + lateness.bound().clamp(GRACE_MIN, GRACE_MAX))
    } else {
        Due::Ask(None)
    }
}

/// How long to wait for a message of the origin that this link has announced.
pub(super) fn grace(state: &OriginState, links: &Links, announcer: Slot) -> Duration {
    match state.choice().feed() {
        None => GRACE_COLD,
        Some(feed) if feed == announcer => GRACE_MAX,
        Some(feed) => {
            if links.get(feed).is_none_or(Link::is_suspect) {
                return Duration::ZERO;
            }
            let least = if state.choice().is_learning() {
                GRACE_MAX
            } else {
                GRACE_MIN
            };
            state.lateness().bound().clamp(least, GRACE_MAX)
        }
    }
}
