//! The ways by which one thread wakes another, beside crates that do the same: what decision 41 rests on.
//!
//! * `reply`: one answer to one question, on one thread and there and back between two.
//! * `block_on`: a future that is ready, and one that another thread wakes.
//! * `room`: callers that wait for room in an inbox, all told at once, as after a turn of the shard, or
//!   one by one.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use event_listener::{Event, EventListener};
use ringwire_sync::{InboxLimits, Mailbox};

/// Callers that wait at the same time.
const WAITING: [usize; 3] = [1, 16, 256];

fn replies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reply");
    let cx = &mut Context::from_waker(Waker::noop());
    group.bench_function("ours, one thread", |bencher| {
        bencher.iter(|| {
            let (sender, answer) = ringwire_sync::reply();
            let mut answer = pin!(answer);
            assert!(answer.as_mut().poll(cx).is_pending());
            sender.send(7u64);
            answer.as_mut().poll(cx)
        });
    });
    group.bench_function("oneshot, one thread", |bencher| {
        bencher.iter(|| {
            let (sender, answer) = oneshot::async_channel();
            let mut answer = pin!(answer);
            assert!(answer.as_mut().poll(cx).is_pending());
            let _ = sender.send(7u64);
            answer.as_mut().poll(cx)
        });
    });
    group.bench_function("ours, two threads", |bencher| {
        let (questions, asked) = mpsc::channel::<ringwire_sync::ReplySender<u64>>();
        let other = thread::spawn(move || asked.into_iter().for_each(|sender| sender.send(7)));
        bencher.iter(|| {
            let (sender, answer) = ringwire_sync::reply();
            questions.send(sender).expect("the other thread listens");
            ringwire_sync::block_on(answer)
        });
        drop(questions);
        other.join().expect("no panic");
    });
    group.bench_function("oneshot, two threads", |bencher| {
        let (questions, asked) = mpsc::channel::<oneshot::Sender<u64>>();
        let other = thread::spawn(move || {
            for sender in asked {
                let _ = sender.send(7);
            }
        });
        bencher.iter(|| {
            let (sender, answer) = oneshot::async_channel();
            questions.send(sender).expect("the other thread listens");
            ringwire_sync::block_on(answer)
        });
        drop(questions);
        other.join().expect("no panic");
    });
}

fn block_on(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("block_on");
    let yields = || {
        let mut polls = 0;
        poll_fn(move |cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls == 3 {
                Poll::Ready(polls)
            } else {
                Poll::Pending
            }
        })
    };
    group.bench_function("ours, ready", |bencher| {
        bencher.iter(|| ringwire_sync::block_on(std::future::ready(7)));
    });
    group.bench_function("futures-lite, ready", |bencher| {
        bencher.iter(|| futures_lite::future::block_on(std::future::ready(7)));
    });
    group.bench_function("ours, woken twice", |bencher| {
        bencher.iter(|| ringwire_sync::block_on(yields()));
    });
    group.bench_function("futures-lite, woken twice", |bencher| {
        bencher.iter(|| futures_lite::future::block_on(yields()));
    });
}

/// A waker that no other will wake the same as: so each caller is one of many.
fn waker() -> Waker {
    struct Quiet;
    impl std::task::Wake for Quiet {
        fn wake(self: std::sync::Arc<Self>) {}
    }
    std::sync::Arc::new(Quiet).into()
}

/// An inbox with so many places, all taken.
fn full(places: usize) -> Mailbox<(), ()> {
    let limits = InboxLimits {
        requests: places,
        bytes: 1,
    };
    let mailbox = Mailbox::new(limits, |()| 0);
    for _ in 0..places {
        mailbox.reserve(0).expect("a place").fill(());
    }
    mailbox
}

/// Takes a place as each caller does when it is polled.
fn poll_ours(mailbox: &Mailbox<(), ()>, waker: &Waker) -> bool {
    let slot = mailbox.reserve(0).or_else(|| {
        mailbox.wait_for_room(waker);
        mailbox.reserve(0)
    });
    slot.map(|slot| slot.fill(())).is_some()
}

/// The same with an event: whoever it wakes holds a place, and others keep their turn.
fn poll_theirs(
    mailbox: &Mailbox<(), ()>,
    event: &Event,
    listener: &mut Option<Pin<Box<EventListener>>>,
    cx: &mut Context<'_>,
) -> bool {
    loop {
        if let Some(slot) = mailbox.reserve(0) {
            slot.fill(());
            return true;
        }
        match listener {
            None => *listener = Some(Box::pin(event.listen())),
            Some(listening) => {
                if listening.as_mut().poll(cx).is_pending() {
                    return false;
                }
                *listener = None;
            }
        }
    }
}

fn room(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("room");
    for waiting in WAITING {
        for (manner, freed) in [("at once", waiting), ("one by one", 1)] {
            let id = BenchmarkId::new(format!("ours, {manner}"), waiting);
            group.bench_function(id, |bencher| ours(bencher, waiting, freed));
            let id = BenchmarkId::new(format!("event-listener, {manner}"), waiting);
            group.bench_function(id, |bencher| theirs(bencher, waiting, freed));
        }
    }
}

fn ours(bencher: &mut criterion::Bencher<'_>, waiting: usize, freed: usize) {
    let mailbox = full(waiting);
    let wakers: Vec<_> = (0..waiting).map(|_| waker()).collect();
    bencher.iter(|| {
        let mut left: Vec<_> = wakers.iter().collect();
        left.retain(|waker| !poll_ours(&mailbox, waker));
        while !left.is_empty() {
            for _ in 0..freed {
                mailbox.take_request().expect("it is full");
            }
            mailbox.tell_room();
            // All were woken, and all look.
            left.retain(|waker| !poll_ours(&mailbox, waker));
        }
    });
}

fn theirs(bencher: &mut criterion::Bencher<'_>, waiting: usize, freed: usize) {
    let (mailbox, event) = (full(waiting), Event::new());
    let wakers: Vec<_> = (0..waiting).map(|_| waker()).collect();
    bencher.iter(|| {
        let mut callers: Vec<_> = wakers.iter().map(|waker| (waker, None)).collect();
        let poll = |caller: &mut (&Waker, Option<Pin<Box<EventListener>>>)| {
            let cx = &mut Context::from_waker(caller.0);
            poll_theirs(&mailbox, &event, &mut caller.1, cx)
        };
        callers.iter_mut().for_each(|caller| assert!(!poll(caller)));
        for told in callers.chunks_mut(freed) {
            for _ in 0..freed {
                mailbox.take_request().expect("it is full");
            }
            event.notify_additional(freed);
            // Those at the front of its list were woken, and they look.
            told.iter_mut().for_each(|caller| assert!(poll(caller)));
        }
    });
}

criterion_group!(wake, replies, block_on, room);
criterion_main!(wake);
