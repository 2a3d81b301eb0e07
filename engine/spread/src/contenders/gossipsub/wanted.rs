//! [`Wanted`]: which announced messages a node waits for, and whom it asks next.

use std::collections::VecDeque;
use std::time::Duration;

use crate::machine::LinkId;

/// An announcer has so long to send what it was asked for.
const TIMEOUT: Duration = Duration::from_millis(400);

#[derive(Debug)]
struct Entry {
    id: u32,
    deadline: Duration,
    /// Those not yet asked, in the order in which they announced.
    announcers: VecDeque<LinkId>,
}

/// The announce cache of version 2.0. An entry waits for the answer of one announcer.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    entries: Vec<Entry>,
}

impl Wanted {
    /// A message is announced that the node does not have. Returns the answer's deadline if `link` is to be asked
    /// now.
    pub(super) fn handle_announced(
        &mut self,
        now: Duration,
        id: u32,
        link: LinkId,
    ) -> Option<Duration> {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) {
            entry.announcers.push_back(link);
            return None;
        }
        let deadline = now + TIMEOUT;
        self.entries.push(Entry {
            id,
            deadline,
            announcers: VecDeque::new(),
        });
        Some(deadline)
    }

    /// The message is there.
    pub(super) fn forget(&mut self, id: u32) {
        self.entries.retain(|entry| entry.id != id);
    }

    /// Who is to be asked for which message, since another did not answer in time. A message that nobody else
    /// announced waits for the next announcement.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<(LinkId, u32)> {
        let mut asked = Vec::new();
        self.entries.retain_mut(|entry| {
            if entry.deadline > now {
                return true;
            }
            let next = entry.announcers.pop_front();
            entry.deadline = now + TIMEOUT;
            asked.extend(next.map(|link| (link, entry.id)));
            next.is_some()
        });
        asked
    }

    /// When [`Wanted::expire`] has something to say.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.entries.iter().map(|entry| entry.deadline).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_announcer_is_asked_and_after_the_timeout_the_next() {
        let mut wanted = Wanted::default();
        let announced =
            |wanted: &mut Wanted, link| wanted.handle_announced(Duration::ZERO, 7, LinkId(link));
        assert_eq!(announced(&mut wanted, 1), Some(TIMEOUT));
        assert_eq!(announced(&mut wanted, 2), None);
        assert!(wanted.expire(TIMEOUT - Duration::from_nanos(1)).is_empty());
        assert_eq!(wanted.expire(TIMEOUT), [(LinkId(2), 7)]);
        assert!(wanted.expire(2 * TIMEOUT).is_empty(), "nobody is left");
        assert!(announced(&mut wanted, 3).is_some(), "a new one is asked");
        wanted.forget(7);
        assert_eq!(wanted.deadline(), None);
    }
}
