//! Carries messages over a connection in memory and says how often it allocated: the small,
//! repeatable scenario of `perf/stat.sh`, `perf/allocs.sh` and the guard.
//!
//! `carry FRAMING MESSAGE_BYTES COUNT`, as in `carry wide 200 100000`.

use std::process::ExitCode;

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use ringwire::peer::Framing;
use ringwire_bench::alloc::{Counting, allocations};
use ringwire_bench::pair::{DATA, Pair, WARM_UP_BYTES};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Carries messages from one end of a connection in memory to the other, both ends on one core and
/// no kernel between. Prints allocations and sealed bytes per message, after a warm-up.
#[derive(Parser)]
#[command(name = "carry")]
struct Options {
    /// The record layer
    framing: Layer,
    /// Bytes of a message
    message_bytes: usize,
    /// How many to carry
    count: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Layer {
    Wide,
    Comet,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.message_bytes == 0 || options.message_bytes > 1 << 20 || options.count == 0 {
        eprintln!("carry: messages have 1 byte to 1 MiB, and there is one at least");
        return ExitCode::FAILURE;
    }
    let mut pair = Pair::new(match options.framing {
        Layer::Wide => Framing::Wide,
        Layer::Comet => Framing::Comet,
    });
    let message = Bytes::from(vec![7; options.message_bytes]);
    pair.carry(DATA, &message, WARM_UP_BYTES / options.message_bytes + 1);
    let before = allocations();
    let wire = pair.carry(DATA, &message, options.count);
    let allocated = allocations() - before;
    let each = |total: f64| total / options.count as f64;
    println!(
        "allocations per message: {:.5}, sealed bytes per message: {:.1}",
        each(allocated as f64),
        each(wire as f64)
    );
    ExitCode::SUCCESS
}
