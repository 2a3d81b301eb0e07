//! [`Memory`]: the messages that a node remembers for neighbours that lack them, and the digests by which these learn of
//! them.
//!
//! ```text
//!  message ──▶ held ── asked for ──▶ answer
//!                └─ each second to a few links, and to all when much has come ──▶ digest
//! ```

use std::time::Duration;

use bytes::Bytes;

use super::digests::{self, DigestRounds};
use super::held::{HeldMessages, Key, Scope};
use super::message::{DIGEST_ENTRIES_MAX, NAMES_MAX, Name, encode_digest, encode_have};
use super::origins::OriginIndex;
use super::output::Lane;
use super::routes::Routes;
use super::slot::{Slot, Slots};

/// What is remembered, and who is told of it when.
#[derive(Debug)]
pub(super) struct Memory {
    held: HeldMessages,
    digests: DigestRounds,
    bytes_max: usize,
}

impl Memory {
    /// Remembers messages for so long, and so many bytes of them. `seed` is chance.
    pub(super) fn new(keep: Duration, bytes_max: usize, seed: u64) -> Self {
        Memory {
            held: HeldMessages::new(keep, bytes_max),
            digests: DigestRounds::new(seed),
            bytes_max,
        }
    }

    /// A message is remembered from now on, as this node sends it, for so many milliseconds, 0 for ever; these links have
    /// it. Whether it was asked for says whether others may wait for it, too.
    pub(super) fn insert(
        &mut self,
        now: Duration,
        key: Key,
        (bytes, left_ms): (Bytes, u32),
        had_by: Slots,
        was_asked: bool,
        routes: &mut Routes,
    ) {
        let len = bytes.len();
        self.held.insert(now, key, left_ms, had_by, bytes);
        let since = self
            .digests
            .note_message(now, len, was_asked, self.bytes_max);
        if let Some(since) = since {
            self.tell_all(now, since, routes);
        }
    }

    /// A link has a message.
    pub(super) fn note_had(&mut self, key: Key, slot: Slot) {
        self.held.note_had(key, slot);
    }

    /// The message for a link that asks for it. `None` if it got it before, or the message is not remembered.
    pub(super) fn answer(&mut self, now: Duration, key: Key, slot: Slot) -> Option<Bytes> {
        self.held.answer(now, key, slot)
    }

    /// The answer to a link was left out: it may ask again. Gives when the message came, if it is remembered.
    pub(super) fn forget_answer(&mut self, key: Key, slot: Slot) -> Option<Duration> {
        self.held.forget_answer(key, slot)
    }

    /// Whether the message is remembered, and its time is not over.
    pub(super) fn is_needed(&self, now: Duration, key: Key) -> bool {
        self.held.is_needed(now, key)
    }

    /// Whether so little came after a message that one of these links may still lack, that more may be published: less than half of
    /// what is remembered.
    pub(super) fn has_room(&mut self, now: Duration, links: Slots) -> bool {
        self.held.unconfirmed_bytes(now, links) <= self.bytes_max as u64 / 2
    }

    /// Another origin has the place.
    pub(super) fn forget_origin(&mut self, origin: OriginIndex) {
        self.held.forget_origin(origin);
    }

    /// Another link may get this place.
    pub(super) fn handle_link_down(&mut self, slot: Slot) {
        self.held.handle_link_down(slot);
    }

    /// Bytes of messages.
    pub(super) fn bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Bytes that their entries take.
    pub(super) fn index_bytes(&self) -> usize {
        self.held.index_bytes()
    }

    // ---- digests ------------------------------------------------------------------------------

    /// When [`Memory::handle_timeout`] has something to do.
    pub(super) fn next_due(&self) -> Option<Duration> {
        (self.held.len() > 0).then_some(self.digests.at())
    }

    /// Forgets what was remembered long enough, and tells those links of the rest whose turn it is, if it is time for that.
    pub(super) fn handle_timeout(&mut self, now: Duration, routes: &mut Routes) {
        if !self.digests.begin(now) {
            return;
        }
        self.held.expire(now);
        let links = routes.links();
        let since = now.saturating_sub(digests::age(links.slots().len()));
        let mut ready = links.slots();
        for slot in links.slots().iter().filter(|slot| links.is_behind(*slot)) {
            ready.remove(slot);
        }
        for slot in self.digests.links(ready) {
            self.tell(now, slot, since, routes);
        }
    }

    /// Tells a link which messages are remembered, of the origins of which one came since.
    pub(super) fn tell(&self, now: Duration, slot: Slot, since: Duration, routes: &mut Routes) {
        self.tell_of(now, slot, since, Scope::default(), routes);
    }

    /// Tells all links which messages came since. Who is behind hears only of those that it has told this node of: it
    /// learns how far this node is, and asks for nothing that waits for it.
    fn tell_all(&self, now: Duration, since: Duration, routes: &mut Routes) {
        for slot in routes.links().slots().iter() {
            let is_behind = routes.links().is_behind(slot);
            let had_by = is_behind.then_some(slot);
            self.tell_of(now, slot, since, Scope { since, had_by }, routes);
        }
    }

    fn tell_of(
        &self,
        now: Duration,
        slot: Slot,
        since: Duration,
        scope: Scope,
        routes: &mut Routes,
    ) {
        let mut entries = Vec::new();
        for origin in self.held.origins_since(since) {
            routes.name_origin(slot, Lane::Control, origin);
            entries.extend(self.held.digest(now, origin, scope));
        }
        for some in entries.chunks(DIGEST_ENTRIES_MAX) {
            routes.send(slot, Lane::Control, encode_digest(some));
        }
    }

    /// Announces those of these messages to a link that are still to be had. Gives how many these are.
    pub(super) fn announce(
        &self,
        now: Duration,
        slot: Slot,
        keys: &[Key],
        routes: &mut Routes,
    ) -> usize {
        let mut names = Vec::new();
        for (origin, seq) in keys.iter().copied() {
            if self.held.is_needed(now, (origin, seq)) {
                routes.name_origin(slot, Lane::Control, origin);
                let alias = origin.alias();
                names.push(Name { alias, seq });
            }
        }
        for some in names.chunks(NAMES_MAX) {
            routes.send(slot, Lane::Control, encode_have(some));
        }
        names.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{Body, FeedMessage};
    use super::super::output::Output;
    use super::*;

    const KEEP: Duration = Duration::from_secs(30);
    const NOW: Duration = Duration::from_secs(5);

    fn key(seq: u64) -> Key {
        (OriginIndex::OWN, seq)
    }

    fn body(seq: u64, payload: usize) -> Bytes {
        let payload = vec![7; payload];
        let body = Body::plain(OriginIndex::OWN.alias(), seq, &payload);
        FeedMessage::Body(body).encode().expect("within its bounds")
    }

    fn insert(memory: &mut Memory, routes: &mut Routes, seq: u64, payload: usize) {
        let message = (body(seq, payload), 0);
        memory.insert(NOW, key(seq), message, Slots::NONE, false, routes);
    }

    /// By link, of how many messages each was told, by digests and by announcements.
    fn told(routes: &mut Routes) -> Vec<(usize, usize)> {
        let mut told = Vec::new();
        while let Some(output) = routes.poll_output() {
            let Output::Send { slot, bytes, .. } = output else {
                panic!("{output:?}");
            };
            let count = match FeedMessage::decode(&bytes).expect("it is ours") {
                FeedMessage::Digest(entries) => entries.iter().map(|one| one.seqs().count()).sum(),
                FeedMessage::Have(names) => names.iter().count(),
                _ => continue,
            };
            told.push((slot.index(), count));
        }
        told.sort_unstable();
        told
    }

    #[test]
    fn two_links_are_told_each_second_and_nobody_while_there_is_nothing() {
        let (mut memory, mut routes) = (Memory::new(KEEP, 1 << 20, 7), Routes::with_links(4));
        assert_eq!(memory.next_due(), None);
        insert(&mut memory, &mut routes, 1, 100);
        let due = memory.next_due().expect("there is a message");
        memory.handle_timeout(due - Duration::from_nanos(1), &mut routes);
        assert_eq!(told(&mut routes), []);
        memory.handle_timeout(NOW, &mut routes);
        let first = told(&mut routes);
        memory.handle_timeout(NOW + Duration::from_secs(1), &mut routes);
        let mut all = [first, told(&mut routes)].concat();
        all.sort_unstable();
        assert_eq!(all, [(0, 1), (1, 1), (2, 1), (3, 1)]);
    }

    #[test]
    fn all_are_told_when_much_has_come_and_who_is_behind_only_of_what_it_has() {
        let (mut memory, mut routes) = (Memory::new(KEEP, 1 << 20, 7), Routes::with_links(3));
        let behind = Slot::new(1).expect("a slot");
        let link = routes.link_mut(behind).expect("a link");
        link.set_behind(NOW, true);
        insert(&mut memory, &mut routes, 1, 60_000);
        memory.note_had(key(1), behind);
        assert_eq!(told(&mut routes), []);
        insert(&mut memory, &mut routes, 2, 60_000);
        assert_eq!(told(&mut routes), [(0, 2), (1, 1), (2, 2)]);
    }

    #[test]
    fn what_is_still_to_be_had_is_announced_and_no_more_is_published_while_too_much_is_not() {
        let (mut memory, mut routes) = (Memory::new(KEEP, 100_000, 7), Routes::with_links(1));
        let slot = Slot::new(0).expect("a slot");
        insert(&mut memory, &mut routes, 1, 100);
        insert(&mut memory, &mut routes, 2, 100);
        told(&mut routes);
        let keys = [key(1), key(2), key(3)];
        assert_eq!(memory.announce(NOW, slot, &keys, &mut routes), 2);
        assert_eq!(told(&mut routes), [(0, 2)]);
        let links = routes.links().slots();
        assert!(memory.has_room(NOW, links));
        insert(&mut memory, &mut routes, 3, 60_000);
        assert!(!memory.has_room(NOW, links));
        (1..4).for_each(|seq| memory.note_had(key(seq), slot));
        assert!(memory.has_room(NOW, links));
    }
}
