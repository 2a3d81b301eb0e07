//! Models of each way under Loom: small worlds of two or three threads, run in every order.
//!
//! A wake-up that is lost leaves a thread waiting for ever, and Loom reports the deadlock. Threads wait
//! for a [`Token`] where the engine's wait in `park` or in the kernel: both keep one wake-up that comes
//! before the wait. (Loom's own `park` does not, when the thread waits for a lock at that moment.)

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

use loom::model;
use loom::sync::Condvar;
use loom::thread;

use crate::primitives::{Arc, AtomicUsize, Mutex, Ordering, lock};
use crate::{
    Gauge, InboxLimits, Inlet, InletSender, InletSenders, Mailbox, Notice, ReplySender, ShardWaker,
    Slot, inlet, lanes, reply,
};

/// A request of so many bytes and who waits for its answer.
type Request = (usize, Option<ReplySender<u8>>);
type TestMailbox = Mailbox<Request, ReplySender<u8>>;

fn mailbox(requests: usize, bytes: usize) -> Arc<TestMailbox> {
    let limits = InboxLimits { requests, bytes };
    Arc::new(Mailbox::new(limits, |request| request.0))
}

fn weightless<T>(_: &T) -> usize {
    0
}

/// A wake-up that is kept until it is waited for.
struct Token {
    is_there: Mutex<bool>,
    came: Condvar,
}

impl Token {
    fn new() -> Self {
        Token {
            is_there: Mutex::new(false),
            came: Condvar::new(),
        }
    }

    fn wait(&self) {
        let mut is_there = lock(&self.is_there);
        while !*is_there {
            is_there = self.came.wait(is_there).expect("no panic");
        }
        *is_there = false;
    }

    fn give(&self) {
        *lock(&self.is_there) = true;
        self.came.notify_one();
    }
}

impl Wake for Token {
    fn wake(self: std::sync::Arc<Self>) {
        self.give();
    }
}

/// `block_on` of this crate, with a token in place of `park`.
fn block_on<F: Future>(future: F) -> F::Output {
    let token = std::sync::Arc::new(Token::new());
    let waker = Waker::from(token.clone());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        token.wait();
    }
}

/// A sleeper in the kernel: the notice, and what stands for the eventfd.
struct Sleeper {
    notice: Notice,
    event: Token,
}

impl Sleeper {
    fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Sleeper {
            notice: Notice::default(),
            event: Token::new(),
        })
    }

    /// The end of a turn: sleeps unless there is a notice.
    fn sleep(&self) {
        if self.notice.fall_asleep() {
            self.event.wait();
            self.notice.stand_up();
        } else {
            self.notice.stand_up();
        }
    }
}

impl Wake for Sleeper {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        if self.notice.post() {
            self.event.give();
        }
    }
}

/// Waits for a slot as a call of the handle does.
async fn reserve(
    mailbox: &TestMailbox,
    bytes: usize,
) -> Option<Slot<'_, Request, ReplySender<u8>>> {
    poll_fn(|cx| {
        let slot = mailbox.reserve(bytes).or_else(|| {
            mailbox.wait_for_room(cx.waker());
            mailbox.reserve(bytes)
        });
        match slot {
            Some(slot) => Poll::Ready(Some(slot)),
            None if mailbox.is_closed() => Poll::Ready(None),
            None => Poll::Pending,
        }
    })
    .await
}

// ---- notice ---------------------------------------------------------------------------------

#[test]
fn a_sleeper_finds_what_two_threads_left_before_they_posted() {
    model(|| {
        let sleeper = Sleeper::new();
        let left = Arc::new(AtomicUsize::new(0));
        let threads = [(), ()].map(|()| {
            let (sleeper, left) = (sleeper.clone(), left.clone());
            thread::spawn(move || {
                left.fetch_add(1, Ordering::Relaxed);
                Waker::from(sleeper).wake();
            })
        });
        while left.load(Ordering::Relaxed) < 2 {
            sleeper.sleep();
        }
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

// ---- mailbox --------------------------------------------------------------------------------

#[test]
fn a_shard_that_falls_asleep_finds_each_request_and_each_question() {
    model(|| {
        let mailbox = mailbox(2, 100);
        let sleeper = Sleeper::new();
        mailbox.waker().attach(Waker::from(sleeper.clone()));
        let sends = thread::spawn({
            let mailbox = mailbox.clone();
            move || {
                mailbox.reserve(1).expect("room").fill((1, None));
                mailbox.wake();
            }
        });
        let asks = thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.ask(reply().0)
        });
        let (mut requests, mut questions) = (0, Vec::new());
        loop {
            mailbox.take_control(&mut questions);
            requests += usize::from(mailbox.take_request().is_some());
            if requests == 1 && questions.len() == 1 {
                break;
            }
            sleeper.sleep();
        }
        sends.join().unwrap();
        asks.join().unwrap();
    });
}

#[test]
fn of_two_questions_that_meet_none_stays_behind() {
    model(|| {
        let mailbox = mailbox(1, 100);
        let sleeper = Sleeper::new();
        mailbox.waker().attach(Waker::from(sleeper.clone()));
        let threads = [(), ()].map(|()| {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.ask(reply().0))
        });
        let mut questions = Vec::new();
        loop {
            mailbox.take_control(&mut questions);
            if questions.len() == 2 {
                break;
            }
            sleeper.sleep();
        }
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn who_waits_for_room_is_told_of_it() {
    model(|| {
        let mailbox = mailbox(1, 100);
        mailbox.reserve(1).expect("empty").fill((1, None));
        let driver = thread::spawn({
            let mailbox = mailbox.clone();
            move || {
                assert!(mailbox.take_request().is_some());
                mailbox.tell_room();
            }
        });
        let slot = block_on(reserve(&mailbox, 1));
        slot.expect("nobody closes").fill((1, None));
        driver.join().unwrap();
    });
}

#[test]
fn who_waits_for_room_is_told_when_a_slot_is_dropped_unfilled() {
    model(|| {
        let mailbox = mailbox(1, 100);
        let other = thread::spawn({
            let mailbox = mailbox.clone();
            move || drop(mailbox.reserve(1))
        });
        assert!(block_on(reserve(&mailbox, 1)).is_some());
        other.join().unwrap();
    });
}

/// The third party: it is refused, and what it held for that moment must refuse nobody for ever.
#[test]
fn who_is_refused_keeps_nobody_waiting() {
    model(|| {
        let mailbox = mailbox(2, 10);
        mailbox.reserve(10).expect("empty").fill((10, None));
        let refused = thread::spawn({
            let mailbox = mailbox.clone();
            move || drop(mailbox.reserve(10))
        });
        let driver = thread::spawn({
            let mailbox = mailbox.clone();
            move || {
                assert!(mailbox.take_request().is_some());
                mailbox.tell_room();
            }
        });
        assert!(block_on(reserve(&mailbox, 10)).is_some());
        refused.join().unwrap();
        driver.join().unwrap();
    });
}

/// A second thread takes and gives back the place between the first one's look and its step.
#[test]
fn who_is_overtaken_keeps_nobody_waiting() {
    model(|| {
        let mailbox = mailbox(1, 10);
        let others = [(), ()].map(|()| {
            let mailbox = mailbox.clone();
            thread::spawn(move || drop(mailbox.reserve(1)))
        });
        assert!(block_on(reserve(&mailbox, 1)).is_some());
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn a_slot_that_was_reserved_can_be_filled_and_no_more_are_given_than_there_are() {
    model(|| {
        let mailbox = mailbox(1, 100);
        let sends = thread::spawn({
            let mailbox = mailbox.clone();
            move || {
                let slot = mailbox.reserve(1);
                // `fill` asserts that there is a place.
                slot.map(|slot| slot.fill((1, None))).is_some()
            }
        });
        let slot = mailbox.reserve(1);
        let mine = slot.map(|slot| slot.fill((1, None))).is_some();
        let first = usize::from(mailbox.take_request().is_some());
        let theirs = sends.join().unwrap();
        let rest = std::iter::from_fn(|| mailbox.take_request()).count();
        assert_eq!(first + rest, usize::from(mine) + usize::from(theirs));
    });
}

#[test]
fn a_publisher_that_waits_is_told_when_its_channel_opens() {
    model(|| {
        let mailbox = mailbox(1, 100);
        mailbox.set_publishable(7, false);
        let driver = thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.set_publishable(7, true)
        });
        let slot = block_on(poll_fn(|cx| {
            let slot = mailbox.reserve_to_publish(7, 1).or_else(|| {
                mailbox.wait_for_room(cx.waker());
                mailbox.reserve_to_publish(7, 1)
            });
            slot.map_or(Poll::Pending, Poll::Ready)
        }));
        drop(slot);
        driver.join().unwrap();
    });
}

#[test]
fn whoever_sends_while_a_shard_closes_is_answered() {
    model(|| {
        let mailbox = mailbox(1, 100);
        let closes = thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.close()
        });
        let (sender, answer) = reply();
        let slot = mailbox.reserve(1).expect("empty");
        slot.fill((1, Some(sender)));
        assert_eq!(block_on(answer), None);
        closes.join().unwrap();
    });
}

#[test]
fn whoever_asks_while_a_shard_closes_is_answered() {
    model(|| {
        let mailbox = mailbox(1, 100);
        let closes = thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.close()
        });
        let (sender, answer) = reply();
        mailbox.ask(sender);
        assert_eq!(block_on(answer), None);
        closes.join().unwrap();
    });
}

#[test]
fn whoever_waits_for_room_while_a_shard_closes_is_told() {
    model(|| {
        let mailbox = mailbox(1, 100);
        let slot = mailbox.reserve(1);
        let closes = thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.close()
        });
        assert!(block_on(reserve(&mailbox, 1)).is_none());
        closes.join().unwrap();
        drop(slot);
    });
}

#[test]
fn an_alarm_set_while_a_shard_closes_rings() {
    model(|| {
        let mailbox = mailbox(1, 100);
        let closes = thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.close()
        });
        let mut is_set = false;
        block_on(poll_fn(|cx| {
            if std::mem::replace(&mut is_set, true) {
                return Poll::Ready(());
            }
            mailbox.set_alarm(1, cx.waker().clone());
            Poll::Pending
        }));
        closes.join().unwrap();
        assert!(mailbox.alarms().is_empty());
    });
}

#[test]
fn a_shard_that_sleeps_until_its_next_alarm_hears_of_an_earlier_one() {
    model(|| {
        let mailbox = mailbox(1, 100);
        let sleeper = Sleeper::new();
        mailbox.waker().attach(Waker::from(sleeper.clone()));
        let waits = thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.set_alarm(1, Waker::noop().clone())
        });
        while mailbox.alarms().next().is_none() {
            sleeper.sleep();
        }
        mailbox.alarms().ring(1);
        waits.join().unwrap();
    });
}

// ---- lanes ----------------------------------------------------------------------------------

#[test]
fn a_reader_that_waits_finds_each_item_and_then_the_end() {
    model(|| {
        let (mut senders, mut intake) = lanes(&[Arc::new(ShardWaker::default())], 2, weightless);
        let mut sender = senders.remove(0);
        let shard = thread::spawn(move || {
            for item in 0..2 {
                sender.push(item).expect("two places");
                sender.flush();
            }
        });
        for item in [Some(0), Some(1), None] {
            assert_eq!(block_on(poll_fn(|cx| intake.poll_next(cx))), item);
        }
        shard.join().unwrap();
    });
}

#[test]
fn a_reader_of_two_lanes_ends_after_the_last_item_of_both() {
    model(|| {
        let shards = [(), ()].map(|()| Arc::new(ShardWaker::default()));
        let (senders, mut intake) = lanes(&shards, 1, weightless);
        let threads: Vec<_> = senders
            .into_iter()
            .map(|mut sender| {
                thread::spawn(move || {
                    sender.push(1).expect("a place");
                    sender.flush();
                })
            })
            .collect();
        let mut sum = 0;
        while let Some(item) = block_on(poll_fn(|cx| intake.poll_next(cx))) {
            sum += item;
        }
        assert_eq!(sum, 2);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_shard_with_a_full_lane_is_woken_when_it_is_read_and_loses_nothing() {
    model(|| {
        let sleeper = Sleeper::new();
        let waker = Arc::new(ShardWaker::default());
        waker.attach(Waker::from(sleeper.clone()));
        let (mut senders, mut intake) = lanes(&[waker], 1, weightless);
        let mut sender = senders.remove(0);
        let shard = thread::spawn(move || {
            for item in 0..2 {
                while !sender.has_room() {
                    sleeper.sleep();
                }
                sender.push(item).expect("it has room");
                sender.flush();
            }
        });
        for item in [Some(0), Some(1), None] {
            assert_eq!(block_on(poll_fn(|cx| intake.poll_next(cx))), item);
        }
        shard.join().unwrap();
    });
}

#[test]
fn a_shard_with_a_full_lane_is_woken_when_the_reader_goes() {
    model(|| {
        let sleeper = Sleeper::new();
        let waker = Arc::new(ShardWaker::default());
        waker.attach(Waker::from(sleeper.clone()));
        let (mut senders, intake) = lanes(&[waker], 1, weightless);
        let mut sender = senders.remove(0);
        sender.push(0).expect("a place");
        let reader = thread::spawn(move || drop(intake));
        while !sender.is_abandoned() && !sender.has_room() {
            sleeper.sleep();
        }
        assert!(sender.is_abandoned());
        reader.join().unwrap();
    });
}

// ---- inlets ---------------------------------------------------------------------------------

/// A shard that takes all that comes, and sleeps when it finds nothing: what it got.
fn take_all(mut inlet: Inlet<u8>, sleeper: &Sleeper) -> Vec<u8> {
    let mut got = Vec::new();
    loop {
        match inlet.pop() {
            Some(item) => got.push(item),
            None if inlet.is_over() => return got,
            None => sleeper.sleep(),
        }
    }
}

fn shard_and_inlet(places: usize) -> (InletSender<u8>, Inlet<u8>, std::sync::Arc<Sleeper>) {
    let sleeper = Sleeper::new();
    let waker = Arc::new(ShardWaker::default());
    waker.attach(Waker::from(sleeper.clone()));
    let (sender, inlet) = inlet(&waker, places, usize::MAX, weightless);
    (sender, inlet, sleeper)
}

#[test]
fn a_shard_that_rests_is_woken_for_each_item_and_for_the_end() {
    model(|| {
        let (mut sender, inlet, sleeper) = shard_and_inlet(2);
        let sends = thread::spawn(move || {
            for item in 0..2 {
                sender.push(item).expect("two places");
                sender.flush();
            }
        });
        assert_eq!(take_all(inlet, &sleeper), [0, 1]);
        sends.join().unwrap();
    });
}

#[test]
fn a_sender_that_waits_for_room_gets_it_and_loses_nothing() {
    model(|| {
        let (mut sender, inlet, sleeper) = shard_and_inlet(1);
        let sends = thread::spawn(move || {
            for item in 0..2 {
                block_on(poll_fn(|cx| sender.poll_room(cx)));
                sender.push(item).expect("there is room");
                sender.flush();
            }
        });
        assert_eq!(take_all(inlet, &sleeper), [0, 1]);
        sends.join().unwrap();
    });
}

/// Places enough, and bytes for one item: each end asks for what the other has counted.
#[test]
fn a_sender_that_waits_for_bytes_gets_room_and_loses_nothing() {
    model(|| {
        let sleeper = Sleeper::new();
        let waker = Arc::new(ShardWaker::default());
        waker.attach(Waker::from(sleeper.clone()));
        let (mut sender, inlet) = inlet::<u8>(&waker, 3, 1, |_| 1);
        let sends = thread::spawn(move || {
            for item in 0..2 {
                block_on(poll_fn(|cx| sender.poll_room(cx)));
                sender.push(item).expect("there is room");
                sender.flush();
            }
        });
        assert_eq!(take_all(inlet, &sleeper), [0, 1]);
        sends.join().unwrap();
    });
}

#[test]
fn a_sender_that_waits_for_room_hears_that_the_shard_is_gone() {
    model(|| {
        let (mut sender, inlet, _sleeper) = shard_and_inlet(1);
        sender.push(0).expect("a place");
        let shard = thread::spawn(move || drop(inlet));
        block_on(poll_fn(|cx| sender.poll_room(cx)));
        assert!(sender.is_abandoned());
        shard.join().unwrap();
    });
}

// ---- inlets of several shards ---------------------------------------------------------------

/// A way into two shards, with one place in each, and the shards' ends.
fn shards_and_inlets() -> (InletSenders<u8>, [(Inlet<u8>, std::sync::Arc<Sleeper>); 2]) {
    let mut senders = InletSenders::default();
    let shards = [(), ()].map(|()| {
        let (sender, inlet, sleeper) = shard_and_inlet(1);
        senders.add(sender);
        (inlet, sleeper)
    });
    (senders, shards)
}

#[test]
fn each_of_two_shards_that_rest_is_woken_for_an_item() {
    model(|| {
        let (mut senders, shards) = shards_and_inlets();
        let shards = shards.map(|(mut inlet, sleeper)| {
            thread::spawn(move || {
                loop {
                    match inlet.pop() {
                        Some(item) => return (item, inlet),
                        None => sleeper.sleep(),
                    }
                }
            })
        });
        senders.push(0).expect("a place in each");
        senders.flush();
        for shard in shards {
            let (item, mut inlet) = shard.join().unwrap();
            assert_eq!((item, inlet.pop()), (0, None));
        }
    });
}

#[test]
fn a_sender_that_waits_for_room_with_two_shards_gets_it_with_both() {
    model(|| {
        let (mut senders, shards) = shards_and_inlets();
        senders.push(0).expect("a place in each");
        let shards = shards.map(|(mut inlet, _)| {
            thread::spawn(move || {
                let got: Vec<u8> = std::iter::from_fn(|| inlet.pop()).collect();
                (inlet, got)
            })
        });
        block_on(poll_fn(|cx| senders.poll_room(cx)));
        senders.push(1).expect("there is room with both");
        for shard in shards {
            let (mut inlet, mut got) = shard.join().unwrap();
            got.extend(std::iter::from_fn(|| inlet.pop()));
            assert_eq!(got, [0, 1]);
        }
    });
}

/// The second shard goes while its sender waits; the first, which is full, makes no room.
fn a_shard_goes(had_room: bool) {
    let (mut senders, [(slow, _), (mut going, _)]) = shards_and_inlets();
    senders.push(0).expect("a place in each");
    if had_room {
        assert_eq!(going.pop(), Some(0));
    }
    let shard = thread::spawn(move || drop(going));
    block_on(poll_fn(|cx| senders.poll_room(cx)));
    assert!(senders.is_abandoned());
    shard.join().unwrap();
    drop(slow);
}

#[test]
fn a_sender_that_waits_for_two_shards_hears_that_either_is_gone() {
    model(|| a_shard_goes(false));
}

#[test]
fn a_sender_that_waits_for_one_shard_hears_that_another_is_gone() {
    model(|| a_shard_goes(true));
}

// ---- reply ----------------------------------------------------------------------------------

#[test]
fn an_answer_reaches_who_waits_for_it() {
    model(|| {
        let (sender, answer) = reply();
        let shard = thread::spawn(move || sender.send(7));
        assert_eq!(block_on(answer), Some(7));
        shard.join().unwrap();
    });
}

#[test]
fn a_question_that_is_dropped_is_heard_of() {
    model(|| {
        let (sender, answer) = reply::<u8>();
        let shard = thread::spawn(move || drop(sender));
        assert_eq!(block_on(answer), None);
        shard.join().unwrap();
    });
}

#[test]
fn who_asks_may_give_up_while_the_answer_comes() {
    model(|| {
        let (sender, answer) = reply();
        let shard = thread::spawn(move || sender.send(Arc::new(7)));
        drop(answer);
        // Loom finds what was leaked.
        shard.join().unwrap();
    });
}

// ---- gauge ----------------------------------------------------------------------------------

#[test]
fn a_queue_is_never_given_more_than_it_holds() {
    model(|| {
        let gauge = Arc::new(Gauge::new(1));
        assert!(gauge.reserve());
        // The owner takes the message in: it is queued before it ceases to be coming.
        let owner = thread::spawn({
            let gauge = gauge.clone();
            move || {
                gauge.set_queued(1);
                gauge.release();
            }
        });
        assert!(!gauge.reserve(), "one is queued or coming all the time");
        owner.join().unwrap();
        assert_eq!(gauge.len(), 1);
    });
}

#[test]
fn of_two_who_want_the_last_place_at_most_one_gets_it() {
    model(|| {
        let gauge = Arc::new(Gauge::new(1));
        let other = thread::spawn({
            let gauge = gauge.clone();
            move || gauge.reserve()
        });
        let mine = gauge.reserve();
        let theirs = other.join().unwrap();
        assert!(!(mine && theirs));
        assert_eq!(gauge.len(), usize::from(mine) + usize::from(theirs));
    });
}
