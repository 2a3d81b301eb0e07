//! [`Pipe`]: a node's uplink or downlink, at which lanes take turns.

use std::collections::VecDeque;

/// Who has a turn, and who waits for one.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    busy: bool,
    waiting: VecDeque<u32>,
}

impl Pipe {
    /// A lane has something again. The owner sees to it that it waits once only.
    pub(super) fn wait(&mut self, lane: u32) {
        self.waiting.push_back(lane);
    }

    /// Gives the next lane its turn, unless another has it or none waits.
    pub(super) fn take_turn(&mut self) -> Option<u32> {
        if self.busy {
            return None;
        }
        let lane = self.waiting.pop_front()?;
        self.busy = true;
        Some(lane)
    }

    /// The turn is over.
    pub(super) fn end_turn(&mut self) {
        debug_assert!(self.busy);
        self.busy = false;
    }
}
