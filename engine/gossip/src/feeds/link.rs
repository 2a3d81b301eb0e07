//! [`Link`]: what a node keeps of a neighbour.

use std::time::Duration;

use super::message::{Alias, Part};
use super::origins::OriginIndex;
use super::smoothed::Smoothed;

/// An answer that came within this is never late.
const ANSWER_MIN: Duration = Duration::from_millis(20);

/// Who has not answered after this will not.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Messages that one neighbour has announced and nobody has sent, at most; what it announces beyond is not
/// heard.
pub const PROMISES_MAX: usize = 1024;

/// Messages that the links of a neighbour missed one after the other until it is given up as a feed of all
/// origins.
const MISSES_MAX: u8 = 3;

/// Broken promises after which a neighbour is asked last.
const STRIKES_MAX: u8 = 3;

const NONE: u16 = u16::MAX;

#[derive(Debug)]
pub(super) struct Link {
    /// Their alias → our place of the origin, or `NONE`.
    aliases: Vec<u16>,
    /// What they want of us for an origin of which they said nothing.
    wanted: Part,
    /// What we told them to do with origins of which we said nothing.
    told: Part,
    outbound: bool,
    received_bytes: u64,
    answers: Smoothed,
    /// Whether the last message that it should have sent had to be asked for elsewhere.
    is_suspect: bool,
    misses: u8,
    strikes: u8,
    promises: usize,
}

impl Link {
    /// `rtt`: how long a ping takes, if that is known.
    pub(super) fn new(outbound: bool, rtt: Option<Duration>) -> Self {
        let rtt = rtt.unwrap_or(ANSWER_MAX / 4);
        let mut answers = Smoothed::of(rtt);
        // A measured round trip strays less than a first sample.
        answers.add(rtt);
        answers.add(rtt);
        Link {
            aliases: Vec::new(),
            wanted: Part::Backup,
            told: Part::Backup,
            outbound,
            received_bytes: 0,
            answers,
            is_suspect: false,
            misses: 0,
            strikes: 0,
            promises: 0,
        }
    }

    /// Whether this node made the link.
    pub(super) fn is_outbound(&self) -> bool {
        self.outbound
    }

    /// The origin that they call so.
    pub(super) fn origin_of(&self, alias: Alias) -> Option<OriginIndex> {
        let index = *self.aliases.get(usize::from(alias.number()))?;
        (index != NONE).then(|| Alias::new(index).expect("places have aliases").into())
    }

    /// What they call the origin, if they have ever named it.
    pub(super) fn alias_of(&self, origin: OriginIndex) -> Option<Alias> {
        let number = origin.alias().number();
        let at = self.aliases.iter().position(|index| *index == number)?;
        Some(Alias::new(at as u16).expect("aliases were read with their bound"))
    }

    /// They call the origin so from now on.
    pub(super) fn set_alias(&mut self, alias: Alias, origin: OriginIndex) {
        let at = usize::from(alias.number());
        if self.aliases.len() <= at {
            self.aliases.resize(at + 1, NONE);
        }
        self.aliases[at] = origin.alias().number();
    }

    /// The origin is not known any more: another has its place.
    pub(super) fn forget_origin(&mut self, origin: OriginIndex) {
        let number = origin.alias().number();
        for index in &mut self.aliases {
            if *index == number {
                *index = NONE;
            }
        }
    }

    /// What they want of us for an origin of which they said nothing.
    pub(super) fn wanted(&self) -> Part {
        self.wanted
    }

    /// They want this of us.
    pub(super) fn set_wanted(&mut self, part: Part) {
        self.wanted = part;
    }

    /// What we told them to do with origins of which we said nothing.
    pub(super) fn told(&self) -> Part {
        self.told
    }

    /// We tell them this.
    pub(super) fn set_told(&mut self, part: Part) {
        self.told = part;
    }

    /// Bytes that came over it, so that a slow link can be told from a silent one.
    pub(super) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// A message came.
    pub(super) fn handle_received(&mut self, bytes: usize) {
        self.received_bytes += bytes as u64;
    }

    /// A body came unasked: it does its work.
    pub(super) fn handle_sent(&mut self) {
        self.is_suspect = false;
        self.misses = 0;
    }

    /// A message that it should have sent was asked for elsewhere.
    pub(super) fn suspect(&mut self) {
        self.is_suspect = true;
    }

    /// Whether the last message that it should have sent was asked for elsewhere.
    pub(super) fn is_suspect(&self) -> bool {
        self.is_suspect
    }

    /// It never sent a message that it should have. Returns whether it shall feed nothing any more.
    pub(super) fn handle_missed(&mut self) -> bool {
        self.misses = self.misses.saturating_add(1);
        self.misses == MISSES_MAX
    }

    /// It answered a request after so long.
    pub(super) fn handle_answered(&mut self, after: Duration) {
        self.answers.add(after);
        self.strikes = 0;
    }

    /// It did not answer in time.
    pub(super) fn strike(&mut self) {
        self.strikes = self.strikes.saturating_add(1);
    }

    /// Whether it keeps what it announces.
    pub(super) fn is_trusted(&self) -> bool {
        self.strikes < STRIKES_MAX && !self.is_suspect
    }

    /// How long it may take to answer.
    pub(super) fn answer_time(&self) -> Duration {
        (self.answers.bound() + Duration::from_millis(10)).clamp(ANSWER_MIN, ANSWER_MAX)
    }

    /// Half a round trip.
    pub(super) fn one_way(&self) -> Duration {
        self.answers.mean() / 2
    }

    /// It announced something that is not there yet. Returns false when it has announced too much.
    pub(super) fn try_promise(&mut self) -> bool {
        let has_room = self.promises < PROMISES_MAX;
        self.promises += usize::from(has_room);
        has_room
    }

    /// What it announced first is there, or is given up.
    pub(super) fn end_promise(&mut self) {
        self.promises = self.promises.saturating_sub(1);
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.aliases.capacity() * size_of::<u16>()
    }
}
