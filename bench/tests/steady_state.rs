//! The steady state allocates nothing per message: counted, not argued.
//!
//! The counter is the process's, so one test runs at a time.

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

/// One packet or many, whole in a write or cut by its end: what a message is gathered in is used
/// again.
#[test]
fn a_connection_allocates_nothing_for_messages_of_any_length() {
    let _alone = ONE_AT_A_TIME.lock();
    for framing in FRAMINGS {
        for (bytes, count) in [(1, 10_000), (200, 10_000), (1000, 10_000), (65_536, 1000)] {
            let allocated = carried(framing, bytes, count);
            assert_eq!(allocated, 0, "{count} of {bytes} bytes, {framing:?}");
        }
    }
}

/// Messages that pass before the count begins: pools, queues and the ring have their size then.
const WARM_UP: usize = 50_000;
/// Messages that are counted.
const COUNTED: usize = 100_000;
/// Allocations allowed per 10,000 messages of a whole engine: not for messages, but for what the
/// machine makes of their number. A queue that overflows for once grows, a timer is set.
const PER_10_000_MAX: u64 = 10;

/// Notes the allocations of the process after the warm-up and at the end.
struct Witness {
    received: usize,
    before: u64,
    done: Sender<u64>,
}

fn channels() -> Vec<ChannelDescriptor> {
    vec![channel(DATA, 5, 1000)]
}

impl Reactor for Witness {
    fn channels(&self) -> Vec<ChannelDescriptor> {
        channels()
    }

    fn receive(&mut self, _: &mut dyn Context, _: Envelope<'_>) -> Result<(), ReactorError> {
        self.received += 1;
        if self.received == WARM_UP {
            self.before = allocations();
        }
        if self.received == WARM_UP + COUNTED {
            let _ = self.done.send(allocations() - self.before);
        }
        Ok(())
    }
}

#[test]
fn whole_engines_allocate_nothing_per_small_message() {
    let _alone = ONE_AT_A_TIME.lock();
    if !ringwire::handle::is_supported() {
        eprintln!("SKIPPED: this machine does not allow io_uring");
        return;
    }
    for framing in FRAMINGS {
        let (done, finished) = mpsc::channel();
        let star = Star::connect(
            Setup::asleep(framing),
            1,
            || Source::new(channels(), Bytes::from(vec![7; 200]), WARM_UP + COUNTED),
            move |_| Witness {
                received: 0,
                before: 0,
                done: done.clone(),
            },
        );
        let star = star.expect("two nodes on loopback");
        star.fire(DATA).expect("the hub runs");
        let allocated = wait_for(&finished, 1).expect("all messages arrive")[0];
        star.stop().expect("both nodes stop");
        let max = PER_10_000_MAX * COUNTED as u64 / 10_000;
        assert!(
            allocated <= max,
            "{allocated} for {COUNTED} messages, {framing:?}"
        );
        eprintln!("{framing:?}: {allocated} allocations for {COUNTED} messages of 200 bytes");
    }
}
