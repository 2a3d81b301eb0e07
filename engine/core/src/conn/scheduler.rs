//! Whose packet is next: fair shares by priority in the long run, no waiting behind the bulk.
//!
//! # The rule
//!
//! Start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) over virtual time. Each channel
//! has a *start tag*; the connection has a virtual clock `V`, the start tag of the packet sent last.
//!
//! 1. Among the channels with something to send, the one with the least start tag sends one packet;
//!    ties go to the channel registered first. `V` becomes that start tag.
//! 2. A packet of `n` bytes moves its channel's start tag on by `n / priority`.
//! 3. A channel that becomes busy takes up its tag where it left it, but never before `V`.
//!
//! ```text
//!  bulk, priority 5  ──■■■■──■■■■──■■■■──▶ tags move on quickly
//!  vote, priority 7        ┊ ▲ arrives: its tag is V, every other tag is V or more
//!                          V
//! ```
//!
//! # What it promises
//!
//! * *The reference's shares.* Two channels that stay busy send bytes in proportion to their
//!   priorities; over any stretch the difference is bounded by one packet of each, each over its
//!   priority. The reference picks the least `recentlySent / priority`, which has the same
//!   long-run share.
//! * *A bounded wait.* By rule 3 a channel that was idle, or used less than its share, has the
//!   least tag when it becomes busy: its packet is the next one, after at most the packet of each
//!   channel whose tag is equal.
//! * *No grudge and no credit.* A burst sent while nobody else wanted the line moves `V` along with
//!   it and costs nothing afterwards, where the reference punishes it with a half-life of 6.2 s;
//!   and time spent idle saves up nothing.
//!
//! Decisions are per packet, in integers, O(channels) over a handful of channels side by side.

/// Virtual units of one byte at priority 1. At priority 1000 there are still 16 777 of them, so the
/// rounding of a weight changes a share by less than one part in ten thousand.
const UNITS_PER_BYTE: u64 = 1 << 24;
/// Tags are moved back towards zero when the clock gets here: after 256 GiB at priority 1, and far
/// enough from the end that no packet can overflow it.
const REBASE_AT: u64 = 1 << 62;

/// One channel as the scheduler sees it.
#[derive(Clone, Copy, Debug)]
struct Lane {
    start_tag: u64,
    units_per_byte: u64,
    busy: bool,
}

/// Picks the channel of each packet. Channels are named by the order of their registration.
#[derive(Clone, Debug)]
pub struct Scheduler {
    lanes: Vec<Lane>,
    busy_count: usize,
    virtual_time: u64,
}

impl Scheduler {
    /// A scheduler of idle channels with these priorities.
    ///
    /// # Panics
    /// If a priority is zero.
    pub fn new(priorities: impl IntoIterator<Item = u16>) -> Self {
        let lane = |priority: u16| {
            assert!(priority > 0, "a channel of priority 0 would never send");
            let units_per_byte = UNITS_PER_BYTE / u64::from(priority);
            Lane {
                start_tag: 0,
                units_per_byte,
                busy: false,
            }
        };
        let lanes = priorities.into_iter().map(lane).collect();
        Scheduler {
            lanes,
            busy_count: 0,
            virtual_time: 0,
        }
    }

    /// Whether any channel has something to send.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.busy_count > 0
    }

    /// The channel has something to send from now on.
    #[inline]
    pub fn wake(&mut self, index: usize) {
        let lane = &mut self.lanes[index];
        if !lane.busy {
            lane.busy = true;
            lane.start_tag = lane.start_tag.max(self.virtual_time);
            self.busy_count += 1;
        }
    }

    /// The channel has nothing more to send.
    #[inline]
    pub fn rest(&mut self, index: usize) {
        let lane = &mut self.lanes[index];
        if lane.busy {
            lane.busy = false;
            self.busy_count -= 1;
        }
    }

    /// The channel whose packet is next; `None` when nothing is to be sent.
    #[inline]
    pub fn pick(&self) -> Option<usize> {
        let mut best: Option<(usize, u64)> = None;
        for (index, lane) in self.lanes.iter().enumerate() {
            if lane.busy && best.is_none_or(|(_, tag)| lane.start_tag < tag) {
                best = Some((index, lane.start_tag));
            }
        }
        best.map(|(index, _)| index)
    }

    /// The channel that was picked has sent a packet of so many bytes.
    #[inline]
    pub fn charge(&mut self, index: usize, bytes: usize) {
        let lane = &mut self.lanes[index];
        debug_assert!(
            lane.start_tag >= self.virtual_time,
            "the clock never runs back"
        );
        self.virtual_time = lane.start_tag;
        lane.start_tag += bytes as u64 * lane.units_per_byte;
        if self.virtual_time >= REBASE_AT {
            self.rebase();
        }
    }

    /// Moves all tags back by the clock; their order and distances stay.
    #[cold]
    fn rebase(&mut self) {
        for lane in &mut self.lanes {
            lane.start_tag = lane.start_tag.saturating_sub(self.virtual_time);
        }
        self.virtual_time = 0;
    }
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
