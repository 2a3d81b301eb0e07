//! [`Asker`]: the messages of which something was heard and that are not over yet, and who is asked for them.
//!
//! [`OpenMessages`] has what was heard, and [`asking`](super::asking) the rules of when; here links are asked, and it
//! is noted what they make of it. docs/gossip.md has the timers.

use std::time::Duration;

use super::asking::{self, ASK_AGAIN, Due, GIVE_UP, Unanswered};
use super::config::Counters;
use super::held::Key;
use super::link::Link;
use super::message::{Alias, Name, encode_want};
use super::open::{Open, OpenMessages, Stage};
use super::origins::OriginIndex;
use super::output::{CloseReason, Lane};
use super::routes::Routes;
use super::slot::{Slot, Slots};

/// When all that will speak of a message soon have done so: longer than a message is under way between any
/// two neighbours.
const CLOSE: Duration = Duration::from_millis(400);

#[derive(Debug, Default)]
struct Counted {
    asked: u64,
    unanswered: u64,
    missed: u64,
    lost: u64,
    promises_refused: u64,
}

/// What was heard of, and who is asked for it.
#[derive(Debug)]
pub(super) struct Asker {
    open: OpenMessages,
    /// Who is waited for may bring so many bytes meanwhile.
    patience_bytes: u64,
    counted: Counted,
}

impl Asker {
    /// Among neighbours that remember so many bytes of messages.
    pub(super) fn new(keep_bytes_max: usize) -> Self {
        Asker {
            open: OpenMessages::default(),
            patience_bytes: (keep_bytes_max / asking::PATIENCE_SHARE) as u64,
            counted: Counted::default(),
        }
    }

    /// Adds what it has counted.
    pub(super) fn count_into(&self, counters: &mut Counters) {
        counters.asked += self.counted.asked;
        counters.unanswered += self.counted.unanswered;
        counters.missed += self.counted.missed;
        counters.lost += self.counted.lost;
        counters.promises_refused += self.counted.promises_refused;
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        self.open.bytes()
    }

    /// How far the message is; `None` if nothing was heard of it lately.
    pub(super) fn stage(&mut self, key: Key) -> Option<Stage> {
        self.open.get_mut(key).map(|open| open.stage())
    }

    // ---- what links say -----------------------------------------------------------------------

    /// A link has announced a message. False, and nothing is noted, if it is the first that is heard of it.
    pub(super) fn handle_announced(
        &mut self,
        now: Duration,
        key: Key,
        slot: Slot,
        alias: Alias,
        grace: Duration,
    ) -> bool {
        let Some(open) = self.open.get_mut(key) else {
            return false;
        };
        let is_new = open.note(now, slot, alias, false);
        // Those who spoke before may all have been asked in vain: this one is not made to wait for them.
        if is_new && open.stage() == Stage::Waiting && open.due() > now + grace {
            self.open.set_due(key, now + grace);
        }
        true
    }

    /// A link is the first to announce a message. False if it has announced too much that has not come.
    pub(super) fn handle_promised(
        &mut self,
        now: Duration,
        key: Key,
        slot: Slot,
        alias: Alias,
        grace: Duration,
        routes: &mut Routes,
    ) -> bool {
        if !routes.link_mut(slot).is_some_and(Link::try_promise) {
            self.counted.promises_refused += 1;
            return false;
        }
        let feed_bytes = routes.feed_bytes(key.0);
        let promised_by = Some(slot);
        let open = self
            .open
            .insert(now, key, now + grace, feed_bytes, promised_by);
        open.note(now, slot, alias, false);
        true
    }

    /// A link has sent a message of which nothing was heard lately.
    pub(super) fn begin(&mut self, now: Duration, key: Key, routes: &Routes) {
        let feed_bytes = routes.feed_bytes(key.0);
        self.open.insert(now, key, now + CLOSE, feed_bytes, None);
    }

    /// A link has sent a message, or has spoken of it by that.
    pub(super) fn note(&mut self, now: Duration, key: Key, slot: Slot, alias: Alias, sent: bool) {
        if let Some(open) = self.open.get_mut(key) {
            open.note(now, slot, alias, sent);
        }
    }

    /// A link has announced a message and does not send it: its time is over, or the link has forgotten it.
    pub(super) fn handle_over(&mut self, now: Duration, key: Key, slot: Slot, routes: &mut Routes) {
        let Some(open) = self.open.get_mut(key).filter(|open| open.is_asked_of(slot)) else {
            return;
        };
        open.forget_link(slot);
        let is_lost = open.is_lost();
        if let Some(link) = routes.link_mut(slot) {
            link.handle_excused();
        }
        if is_lost {
            self.counted.lost += 1;
            self.forget(key, routes);
        } else {
            self.ask(now, key, routes);
        }
    }

    /// A link is gone: what it announced is asked for elsewhere.
    pub(super) fn handle_link_down(&mut self, now: Duration, slot: Slot, routes: &mut Routes) {
        for key in self.open.keys() {
            let Some(open) = self.open.get_mut(key) else {
                continue;
            };
            open.forget_link(slot);
            // The link is gone, and its promises with it.
            open.take_promise_of(slot);
            if open.is_lost() {
                self.forget(key, routes);
            } else if open.is_asked_of(slot) {
                self.open.set_due(key, now);
            }
        }
    }

    // ---- what becomes of a message ------------------------------------------------------------

    /// The owner checks the message.
    pub(super) fn handle_checking(&mut self, key: Key) {
        if let Some(open) = self.open.get_mut(key) {
            open.handle_checking();
        }
    }

    /// The message is good; `is_direct` says whether its origin sends it to all members itself. Gives who has spoken of it.
    pub(super) fn handle_accepted(
        &mut self,
        now: Duration,
        key: Key,
        is_direct: bool,
        routes: &mut Routes,
    ) -> Slots {
        self.end_promise(key, routes);
        let Some(open) = self.open.get_mut(key) else {
            return Slots::default();
        };
        open.handle_held(is_direct);
        let (spoke, first_at) = (open.spoke(), open.first_at());
        // Who announced it long before it came may have foretold it: then the others still have to speak.
        let is_fresh = now <= first_at + CLOSE;
        let since = if is_fresh { first_at } else { now };
        self.open.set_due(key, since + CLOSE);
        spoke
    }

    /// Nobody is asked for the message for a while.
    pub(super) fn wait_again(&mut self, now: Duration, key: Key) {
        if let Some(open) = self.open.get_mut(key) {
            open.wait_again();
        }
        self.open.set_due(key, now + ASK_AGAIN);
    }

    /// What this link sent does not count. Another may have the message with time left: whoever sends it says what is
    /// left, and nobody signs that, so one that says too little must not silence the others.
    pub(super) fn forget_word_of(
        &mut self,
        now: Duration,
        key: Key,
        slot: Option<Slot>,
        routes: &mut Routes,
    ) {
        let Some(open) = self.open.get_mut(key) else {
            return;
        };
        open.wait_again();
        if let Some(slot) = slot {
            open.forget_link(slot);
        }
        if open.is_lost() {
            self.forget(key, routes);
        } else {
            self.open.set_due(key, now);
        }
    }

    /// Nothing is to be done about the message any more.
    pub(super) fn forget(&mut self, key: Key, routes: &mut Routes) {
        self.end_promise(key, routes);
        self.open.remove(key);
    }

    /// Another origin has the place: nothing may be left that means the old one. Gives which messages were.
    pub(super) fn forget_origin(&mut self, origin: OriginIndex, routes: &mut Routes) -> Vec<Key> {
        let keys = self.open.keys_of(origin);
        for key in &keys {
            self.forget(*key, routes);
        }
        keys
    }

    fn end_promise(&mut self, key: Key, routes: &mut Routes) {
        let slot = self.open.get_mut(key).and_then(Open::take_promise);
        if let Some(slot) = slot
            && let Some(link) = routes.link_mut(slot)
        {
            link.end_promise();
        }
    }

    // ---- what is due --------------------------------------------------------------------------

    /// The next moment at which something is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.open.next_due()
    }

    /// Does what is due by now. Nothing new is asked for without room to keep what comes until it is checked: it would come
    /// in vain, and nobody sends it twice.
    pub(super) fn handle_timeout(&mut self, now: Duration, has_room: bool, routes: &mut Routes) {
        while let Some(key) = self.open.first_due(now) {
            self.handle_due(now, key, has_room, routes);
        }
    }

    /// The moment has come at which something is done about a message.
    fn handle_due(&mut self, now: Duration, key: Key, has_room: bool, routes: &mut Routes) {
        let Some(open) = self.open.get_mut(key) else {
            return;
        };
        let (state, links) = (routes.origin(key.0), routes.links());
        match asking::due(now, open, state, links, self.patience_bytes) {
            Due::Close => self.close(now, key, routes),
            Due::Wait(until) => self.open.set_due(key, until),
            Due::Ask(unanswered) => {
                let is_fresh = now < open.first_at() + GIVE_UP;
                if let Some(unanswered) = unanswered {
                    open.handle_unanswered(unanswered.slot);
                    self.handle_unanswered(now, key, unanswered, routes);
                }
                if is_fresh && !has_room {
                    self.wait_again(now, key);
                } else {
                    self.ask(now, key, routes);
                }
            }
        }
    }

    /// A neighbour did not send in time what it had announced. One that sends other messages meanwhile has a line
    /// that is too slow for them all, and is no liar.
    fn handle_unanswered(
        &mut self,
        now: Duration,
        key: Key,
        unanswered: Unanswered,
        routes: &mut Routes,
    ) {
        self.counted.unanswered += 1;
        let Some(link) = routes.link_mut(unanswered.slot) else {
            return;
        };
        if unanswered.is_at_work {
            link.handle_excused();
        } else if link.handle_unanswered(now, key, unanswered.asked_at) {
            routes.close(unanswered.slot, CloseReason::Promises);
        }
    }

    /// Asks the next link that has announced the message.
    fn ask(&mut self, now: Duration, key: Key, routes: &mut Routes) {
        let (origin, seq) = key;
        let links = routes.links();
        let is_trusted = |slot: Slot| links.get(slot).is_some_and(Link::is_trusted);
        let Some(open) = self.open.get_mut(key) else {
            return;
        };
        let Some((slot, alias)) = open.next_to_ask(is_trusted) else {
            if now >= open.first_at() + GIVE_UP {
                self.counted.lost += 1;
                self.forget(key, routes);
            } else {
                self.wait_again(now, key);
            }
            return;
        };
        let Some(link) = links.get(slot) else {
            open.forget_link(slot);
            return self.open.set_due(key, now);
        };
        let due = now + link.answer_time();
        let was_asked = open.was_asked();
        let feed_bytes = open.feed_bytes();
        open.handle_asked(now, slot, link.received_bytes());
        self.open.set_due(key, due);
        self.counted.asked += 1;
        routes.send(slot, Lane::Control, encode_want(&[Name { alias, seq }]));
        // A feed that sends nothing at all does not hold up the next message.
        let feed = routes.origin(origin).choice().feed();
        if let Some(feed) = feed
            && !was_asked
            && feed != slot
            && let Some(link) = routes.link_mut(feed)
            && link.received_bytes() == feed_bytes
        {
            link.suspect();
        }
    }

    /// All who will speak of the message soon have done so: what is to be learned from it?
    fn close(&mut self, now: Duration, key: Key, routes: &mut Routes) {
        let (origin, _) = key;
        let Some(open) = self.open.remove(key).filter(Open::teaches) else {
            return;
        };
        let heard = open.heard();
        let state = routes.origin(origin);
        let feed = state.choice().feed();
        let feed = feed.filter(|_| state.is_feeds_affair(open.first_at()));
        let sent = |slot| heard.iter().any(|heard| heard.slot == slot && heard.sent);
        if let Some(feed) = feed
            && open.was_asked()
            && !sent(feed)
        {
            self.counted.missed += 1;
            routes.choose(origin, |state, _| state.handle_missed(now));
            let link = routes.link_mut(feed);
            if link.is_some_and(Link::handle_missed) {
                routes.replace_feed(now, feed);
            }
        }
        let barred = routes.links().barred();
        routes.choose(origin, |state, links| {
            let provenance = |slot| links.provenance(slot);
            state.handle_heard(now, open.first_at(), &heard, barred, provenance)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::PROMISES_MAX;
    use super::super::message::FeedMessage;
    use super::super::output::Output;
    use super::*;

    const GRACE: Duration = Duration::from_millis(5);

    fn slot(number: usize) -> Slot {
        Slot::new(number).expect("a slot")
    }

    fn alias() -> Alias {
        Alias::new(9).expect("an alias")
    }

    /// Three links, and the place of an origin.
    fn routes() -> (Routes, OriginIndex) {
        let mut routes = Routes::with_links(3);
        let place = routes.place_of(Duration::ZERO, slot(0), &[1; 32]);
        let (origin, _) = place.expect("there is room");
        while routes.poll_output().is_some() {}
        (routes, origin)
    }

    /// Whom messages were asked of, and who is to be closed.
    fn said(routes: &mut Routes) -> (Vec<usize>, Vec<usize>) {
        let (mut asked, mut closed) = (Vec::new(), Vec::new());
        while let Some(output) = routes.poll_output() {
            match output {
                Output::Send { slot, bytes, .. } => {
                    if let Ok(FeedMessage::Want(_)) = FeedMessage::decode(&bytes) {
                        asked.push(slot.index());
                    }
                }
                Output::Close { slot, .. } => closed.push(slot.index()),
                other => panic!("{other:?}"),
            }
        }
        (asked, closed)
    }

    fn counters(asker: &Asker) -> Counters {
        let mut counters = Counters::default();
        asker.count_into(&mut counters);
        counters
    }

    /// An asker that has heard of a message from links 0 and 1.
    fn asker(routes: &mut Routes, key: Key) -> Asker {
        let mut asker = Asker::new(1 << 20);
        assert!(!asker.handle_announced(Duration::ZERO, key, slot(0), alias(), GRACE));
        assert!(asker.handle_promised(Duration::ZERO, key, slot(0), alias(), GRACE, routes));
        assert!(asker.handle_announced(Duration::ZERO, key, slot(1), alias(), GRACE));
        asker
    }

    #[test]
    fn who_announced_a_message_is_asked_after_a_grace_and_the_next_when_it_does_not_answer() {
        let (mut routes, origin) = routes();
        let mut asker = asker(&mut routes, (origin, 5));
        assert_eq!(asker.next_due(), Some(GRACE));
        for expected in [vec![0], vec![1]] {
            let due = asker.next_due().expect("it has not come");
            asker.handle_timeout(due - Duration::from_nanos(1), true, &mut routes);
            assert_eq!(said(&mut routes).0, []);
            asker.handle_timeout(due, true, &mut routes);
            assert_eq!(said(&mut routes).0, expected);
        }
        let counters = counters(&asker);
        assert_eq!((counters.asked, counters.unanswered), (2, 1));
    }

    #[test]
    fn nothing_is_asked_for_without_room() {
        let (mut routes, origin) = routes();
        let mut asker = asker(&mut routes, (origin, 5));
        asker.handle_timeout(GRACE, false, &mut routes);
        assert_eq!(said(&mut routes).0, []);
        assert_eq!(asker.next_due(), Some(GRACE + ASK_AGAIN));
        asker.handle_timeout(GRACE + ASK_AGAIN, true, &mut routes);
        assert_eq!(said(&mut routes).0, [0]);
    }

    #[test]
    fn a_message_is_lost_when_all_who_announced_it_say_that_it_is_over() {
        let (mut routes, origin) = routes();
        let key = (origin, 5);
        let mut asker = asker(&mut routes, key);
        asker.handle_timeout(GRACE, true, &mut routes);
        // It was not asked for it, and says nothing by that.
        asker.handle_over(GRACE, key, slot(1), &mut routes);
        assert_eq!(said(&mut routes).0, [0]);
        asker.handle_over(GRACE, key, slot(0), &mut routes);
        assert_eq!(said(&mut routes).0, [1]);
        asker.handle_over(GRACE, key, slot(1), &mut routes);
        assert_eq!((asker.len(), counters(&asker).lost), (0, 1));
    }

    #[test]
    fn a_message_that_came_is_closed_a_while_after_it_was_heard_of_first() {
        let (mut routes, origin) = routes();
        let key = (origin, 5);
        let mut asker = asker(&mut routes, key);
        let spoke = asker.handle_accepted(GRACE, key, false, &mut routes);
        assert_eq!(spoke.iter().map(Slot::index).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(asker.next_due(), Some(CLOSE));
        asker.handle_timeout(CLOSE, true, &mut routes);
        assert_eq!((asker.len(), said(&mut routes).0), (0, vec![]));
    }

    #[test]
    fn what_a_link_that_is_gone_has_announced_is_asked_of_others_or_forgotten() {
        let (mut routes, origin) = routes();
        let mut asker = asker(&mut routes, (origin, 5));
        let alone = (origin, 6);
        assert!(asker.handle_promised(GRACE, alone, slot(0), alias(), GRACE, &mut routes));
        asker.handle_timeout(GRACE, true, &mut routes);
        assert_eq!(said(&mut routes).0, [0]);
        routes.remove_link(GRACE, slot(0));
        asker.handle_link_down(GRACE, slot(0), &mut routes);
        assert_eq!((asker.len(), asker.next_due()), (1, Some(GRACE)));
        asker.handle_timeout(GRACE, true, &mut routes);
        assert_eq!(said(&mut routes).0, [1]);
    }

    #[test]
    fn a_link_promises_so_much_and_no_more_until_something_of_it_is_over() {
        let (mut routes, origin) = routes();
        let mut asker = Asker::new(1 << 20);
        let promise = |asker: &mut Asker, routes: &mut Routes, seq: u64| {
            asker.handle_promised(GRACE, (origin, seq), slot(0), alias(), GRACE, routes)
        };
        let max = PROMISES_MAX as u64;
        assert!((0..max).all(|seq| promise(&mut asker, &mut routes, seq)));
        assert!(!promise(&mut asker, &mut routes, max));
        assert_eq!(counters(&asker).promises_refused, 1);
        asker.forget((origin, 0), &mut routes);
        assert!(promise(&mut asker, &mut routes, max));
    }
}
