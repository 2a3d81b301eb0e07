//! The steady state allocates nothing per message: counted, not argued.
//!
//! The counter is the process's, so one test runs at a time.

#[path = "../../engine/ringwire/tests/common/way.rs"]
mod way;

use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};

use bytes::Bytes;
use ringwire::peer::Framing;
use ringwire::reactor::{ChannelDescriptor, Context, Envelope, Reactor, ReactorError};
use ringwire_bench::alloc::{Counting, allocations};
use ringwire_bench::case::FRAMINGS;
use ringwire_bench::engine::reactors::Source;
use ringwire_bench::engine::{DATA, Setup, Star, channel, wait_for};
use ringwire_bench::pair::{self, Pair, WARM_UP_BYTES};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Allocations while a warm connection in memory carries messages.
fn carried(framing: Framing, message_bytes: usize, count: usize) -> u64 {
    let mut pair = Pair::new(framing);
    let message = Bytes::from(vec![7; message_bytes]);
    pair.carry(
        pair::DATA,
        &message,
        count.max(WARM_UP_BYTES / message_bytes + 1),
    );
    let before = allocations();
    pair.carry(pair::DATA, &message, count);
    allocations() - before
}

/// Lengths on both sides of what changes the way of a message: one packet of CometBFT's or more, a
/// copy of its own or the buffer it was gathered in, each size of such buffers, one record or two.
const LENGTHS: [usize; 14] = [
    1, 200, 256, 1000, 1024, 1500, 4095, 4096, 5000, 8192, 16_384, 65_000, 65_536, 300_000,
];

/// One packet or many, whole in a write or cut by its end: what a message is gathered in is used
/// again.
#[test]
fn a_connection_allocates_nothing_for_messages_of_any_length() {
    let _alone = ONE_AT_A_TIME.lock();
    for framing in FRAMINGS {
        for bytes in LENGTHS {
            let count = (COUNTED_BYTES / bytes).clamp(300, 10_000);
            let allocated = carried(framing, bytes, count);
            let what = format!("{allocated} allocations for {count} of {bytes} bytes, {framing:?}");
            assert!(allocated <= A_BUFFER_MORE, "{what}");
        }
    }
}

/// Allocations allowed in memory: a few buffers more, when more messages are under way at a time than in
/// the warm-up.
const A_BUFFER_MORE: u64 = 8;

/// Bytes of messages that are counted in a connection in memory, of each length.
const COUNTED_BYTES: usize = 16 << 20;

/// Lengths that whole engines are tried with, and how many messages of each are counted; half as many
/// pass before, by which pools, queues and the ring have their size.
const IN_ENGINES: [(usize, usize); 5] = [
    (200, 100_000),
    (1500, 40_000),
    (4096, 40_000),
    (8192, 20_000),
    (65_536, 4000),
];

/// Allocations allowed in engines. Not for messages, but for what the machine makes of their number: a
/// queue that overflows for once grows, a timer is set, a stall of the receiver leaves more under way
/// than before. Nine runs, three of them beside two busy loops, had 8 at most of any length.
const A_FEW: u64 = 40;

/// Notes the allocations of the process after the warm-up and at the end.
struct Witness {
    warm_up: usize,
    counted: usize,
    received: usize,
    before: u64,
    done: Sender<u64>,
}

fn channels() -> Vec<ChannelDescriptor> {
    vec![channel(DATA, 5, 1000)]
}

impl Reactor for Witness {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        channels()
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        self.received += 1;
        if self.received == self.warm_up {
            self.before = allocations();
        }
        if self.received == self.warm_up + self.counted {
            let _ = self.done.send(allocations() - self.before);
        }
        Ok(())
    }
}

/// Allocations of two engines while one sends the other `counted` messages.
fn carried_by_engines(setup: Setup, bytes: usize, counted: usize) -> u64 {
    let warm_up = counted / 2;
    let (done, finished) = mpsc::channel();
    let star = Star::connect(
        setup,
        1,
        move || Source::new(channels(), Bytes::from(vec![7; bytes]), warm_up + counted),
        move |_| Witness {
            warm_up,
            counted,
            received: 0,
            before: 0,
            done: done.clone(),
        },
    );
    let star = star.expect("two nodes on loopback");
    star.fire(DATA).expect("the hub runs");
    let allocated = wait_for(&finished, 1).expect("all messages arrive")[0];
    star.stop().expect("both nodes stop");
    allocated
}

#[test]
fn whole_engines_allocate_nothing_per_message() {
    let _alone = ONE_AT_A_TIME.lock();
    if way::skip_without_ring() {
        return;
    }
    whole_engines_allocate_nothing(Setup::asleep);
}

#[test]
fn whole_engines_by_readiness_allocate_nothing_per_message() {
    let _alone = ONE_AT_A_TIME.lock();
    whole_engines_allocate_nothing(|framing| Setup::asleep(framing).by_readiness());
}

fn whole_engines_allocate_nothing(setup: impl Fn(Framing) -> Setup) {
    for framing in FRAMINGS {
        for (bytes, counted) in IN_ENGINES {
            let allocated = carried_by_engines(setup(framing), bytes, counted);
            let what =
                format!("{allocated} allocations for {counted} of {bytes} bytes, {framing:?}");
            eprintln!("{what}");
            assert!(allocated <= A_FEW, "{what}");
        }
    }
}
