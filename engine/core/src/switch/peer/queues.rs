//! What waits to be sent to one peer, seen from outside its connection: sends without room, who wants
//! to hear of room, and what the gauges last showed.
//!
//! Sets of channels are bits of a `u16`, by the channel's number.

use std::collections::VecDeque;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_codec::node_info::CHANNELS_MAX;

use crate::switch::io::ReplyToken;
use crate::time::Instant;

/// A send of the application that waits for room.
pub(crate) struct WaitingSend {
    /// On which channel.
    pub(crate) channel: ChannelId,
    /// What.
    pub(crate) message: Bytes,
    /// How long it may wait.
    pub(crate) deadline: Option<Instant>,
    /// Who wants to know.
    pub(crate) token: Option<ReplyToken>,
}

/// The queues of one peer.
#[derive(Default)]
pub(crate) struct Queues {
    /// Sends that wait for room, in order.
    waiting: VecDeque<WaitingSend>,
    /// Channels that answered `Full` and whose reactor wants to hear of room.
    starved: u16,
    /// Channels whose gauge is on its way to the shell.
    touched: u16,
    /// Fill of each channel's queue, by number, as the gauges last showed it.
    gauged: [usize; CHANNELS_MAX],
    /// Bytes queued, as the budget last counted them.
    queued: usize,
}

impl Queues {
    // ---- sends that wait --------------------------------------------------------------------

    /// Sends that wait for room.
    pub(crate) fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// The channel of the send that waits at a place.
    pub(crate) fn waiting_at(&self, place: usize) -> Option<ChannelId> {
        self.waiting.get(place).map(|send| send.channel)
    }

    /// Whether a send waits for room on a channel.
    pub(crate) fn waits_on(&self, channel: ChannelId) -> bool {
        self.waiting.iter().any(|send| send.channel == channel)
    }

    /// Sends of a channel that were accepted with room held for them, and still wait.
    pub(crate) fn accepted_on(&self, channel: ChannelId) -> usize {
        let is_accepted = |send: &&WaitingSend| send.token.is_none() && send.channel == channel;
        self.waiting.iter().filter(is_accepted).count()
    }

    /// Lets a send wait behind the others.
    pub(crate) fn push_waiting(&mut self, send: WaitingSend) {
        self.waiting.push_back(send);
    }

    /// Takes the send that waits at a place.
    pub(crate) fn take_waiting(&mut self, place: usize) -> Option<WaitingSend> {
        self.waiting.remove(place)
    }

    /// Takes the sends that have waited too long.
    pub(crate) fn take_late(&mut self, now: Instant) -> VecDeque<WaitingSend> {
        let is_late = |send: &WaitingSend| send.deadline.is_some_and(|at| at <= now);
        let (late, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(is_late);
        self.waiting = waiting;
        late
    }

    /// Takes all sends that wait.
    pub(crate) fn take_all_waiting(&mut self) -> VecDeque<WaitingSend> {
        std::mem::take(&mut self.waiting)
    }

    /// When the first of them has waited too long.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.waiting.iter().filter_map(|send| send.deadline).min()
    }

    // ---- who wants to hear of room ----------------------------------------------------------

    /// A channel has answered `Full`.
    pub(crate) fn starve(&mut self, number: usize) {
        self.starved |= 1 << number;
    }

    /// Whether a channel's reactor wants to hear of room.
    #[inline]
    pub(crate) fn is_starved(&self, number: usize) -> bool {
        self.starved & (1 << number) != 0
    }

    /// A channel's reactor hears of room.
    pub(crate) fn feed(&mut self, number: usize) {
        self.starved &= !(1 << number);
    }

    // ---- gauges -----------------------------------------------------------------------------

    /// The gauge of a channel is to be looked at; says whether that is news.
    #[inline]
    pub(crate) fn touch(&mut self, number: usize) -> bool {
        let is_news = self.touched & (1 << number) == 0;
        self.touched |= 1 << number;
        is_news
    }

    /// The fill that a channel's gauge last showed.
    #[inline]
    pub(crate) fn gauged(&self, number: usize) -> usize {
        self.gauged[number]
    }

    /// The gauge of a channel shows `fill` now; says whether it showed another.
    pub(crate) fn show(&mut self, number: usize, fill: usize) -> bool {
        self.touched &= !(1 << number);
        std::mem::replace(&mut self.gauged[number], fill) != fill
    }

    // ---- memory -----------------------------------------------------------------------------

    /// Bytes queued, as they were last counted.
    #[inline]
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    /// Bytes queued, to count them anew.
    #[inline]
    pub(crate) fn queued_mut(&mut self) -> &mut usize {
        &mut self.queued
    }
}
