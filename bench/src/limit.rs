//! The limit: the least that can be done to move sealed bytes over one TCP link.
//!
//! Bare sockets, the same AEAD sealed and opened in place; no channels, no packets, no messages. Whether
//! bytes are moved by calls or by an io_uring, the size of a write, and whether the ends sleep or watch
//! is what a sweep of this run found fastest (`manner`). What Ringwire adds to this is what it costs.

mod ends;
mod manner;
mod messages;
mod ping_pong;

use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use ringwire::peer::Framing;
use ringwire_codec::secret::frame::{
    FRAME_DATA_MAX, FRAME_HEADER, FRAME_SEALED, FrameOpener, FrameSealer,
};
use ringwire_codec::secret::record::{RECORD_OVERHEAD, RecordOpener, RecordSealer};

use crate::measure::{Sample, Stopwatch, pin_to};

use ends::{Buffers, Receiver, Sender};
use manner::Manner;
pub use messages::{MESSAGE_BYTES_MAX, messages};
pub use ping_pong::ping_pong;

const KEY: [u8; 32] = [7; 32];
/// Bytes of a sealed record.
const RECORD_SEALED: usize = 65_536;
/// Plaintext bytes of one record.
const RECORD_PLAIN: usize = RECORD_SEALED - RECORD_OVERHEAD;
/// Bytes that a receiver has room for, at least twice what is written at once.
const RECEIVE_BYTES_MIN: usize = 256 * 1024;

/// Seals one write's worth of payload in place, again and again.
enum Sealer {
    Comet(FrameSealer),
    Wide(RecordSealer),
}

/// Opens what [`Sealer`] made.
enum Opener {
    Comet(FrameOpener),
    Wide(RecordOpener),
}

impl Sealer {
    fn new(framing: Framing) -> Sealer {
        match framing {
            Framing::Comet => Sealer::Comet(FrameSealer::new(&KEY)),
            Framing::Wide => Sealer::Wide(RecordSealer::new(&KEY, 65_536)),
        }
    }

    /// Fills and seals `buffer` in place; returns payload bytes.
    fn seal(&mut self, buffer: &mut [u8], payload: usize) -> usize {
        match self {
            Sealer::Comet(sealer) => {
                let mut sealed = 0;
                for frame in buffer.chunks_exact_mut(FRAME_SEALED) {
                    let data = FRAME_DATA_MAX.min(payload - sealed);
                    frame[FRAME_HEADER..FRAME_HEADER + data].fill(0x5a);
                    sealer
                        .seal(frame, data)
                        .expect("the counter is far from its end");
                    sealed += data;
                }
                sealed
            }
            Sealer::Wide(sealer) => {
                let mut sealed = 0;
                for record in buffer.chunks_mut(RECORD_SEALED) {
                    let plain = record.len() - RECORD_OVERHEAD;
                    record[4..4 + plain].fill(0x5a);
                    sealer
                        .seal(record)
                        .expect("the counter is far from its end");
                    sealed += plain;
                }
                sealed
            }
        }
    }
}

impl Opener {
    fn new(framing: Framing) -> Opener {
        match framing {
            Framing::Comet => Opener::Comet(FrameOpener::new(&KEY)),
            Framing::Wide => Opener::Wide(RecordOpener::new(&KEY, 65_536)),
        }
    }

    /// Opens what is whole in `bytes` and hands on the plaintext of each frame or record; returns
    /// the bytes consumed.
    fn open(&mut self, bytes: &mut [u8], mut take: impl FnMut(&[u8])) -> usize {
        let mut at = 0;
        loop {
            let opened = match self {
                Opener::Comet(opener) if bytes.len() - at >= FRAME_SEALED => {
                    let frame = &mut bytes[at..at + FRAME_SEALED];
                    at += FRAME_SEALED;
                    let opened = opener.open(frame);
                    &frame[opened.expect("sealed by the other thread with the same key")]
                }
                Opener::Wide(opener) => match opener.sealed_len(&bytes[at..]) {
                    Ok(Some(sealed)) if bytes.len() - at >= sealed => {
                        let record = &mut bytes[at..at + sealed];
                        at += sealed;
                        let opened = opener.open(record);
                        &record[opened.expect("sealed by the other thread, same key")]
                    }
                    _ => return at,
                },
                Opener::Comet(_) => return at,
            };
            take(opened);
        }
    }
}

/// Whole frames or records that fit `bytes`, one at least: (sealed bytes, payload bytes).
fn one_write(framing: Framing, bytes: usize) -> (usize, usize) {
    let (sealed, payload) = match framing {
        Framing::Comet => (FRAME_SEALED, FRAME_DATA_MAX),
        Framing::Wide => (RECORD_SEALED, RECORD_PLAIN),
    };
    let count = (bytes / sealed).max(1);
    (count * sealed, count * payload)
}

fn loopback_pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let dialer = TcpStream::connect(listener.local_addr()?)?;
    let (listened, _) = listener.accept()?;
    dialer.set_nodelay(true)?;
    listened.set_nodelay(true)?;
    Ok((dialer, listened))
}

/// Moves at least `total` payload bytes one way; the sender on `cpus[0]`, the receiver on
/// `cpus[1]`.
///
/// # Errors
/// When loopback sockets fail.
pub fn drain(framing: Framing, total: usize, cpus: [usize; 2]) -> io::Result<Sample> {
    fan_out(framing, total, 1, cpus)
}

/// Moves at least `total` payload bytes from one sender to each of `receivers`, sealed for each of
/// them apart, a write to each in turn; the sender on `cpus[0]`, receivers on the two in turn.
///
/// # Errors
/// When loopback sockets fail.
pub fn fan_out(
    framing: Framing,
    total: usize,
    receivers: usize,
    cpus: [usize; 2],
) -> io::Result<Sample> {
    let manner = manner::best(framing, receivers, cpus)?;
    move_bytes(framing, total, receivers, cpus, manner)
}

/// [`fan_out`] in one manner.
fn move_bytes(
    framing: Framing,
    total: usize,
    receivers: usize,
    cpus: [usize; 2],
    manner: Manner,
) -> io::Result<Sample> {
    // Whole writes: a receiver that hung up within the last one would break it off.
    let (_, payload_bytes) = one_write(framing, manner.write_bytes);
    let total = total.next_multiple_of(payload_bytes);
    let pairs = (0..receivers).map(|_| loopback_pair());
    let (ends, others): (Vec<_>, Vec<_>) =
        pairs.collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
    let stopwatch = Stopwatch::start();
    let sender = thread::spawn(move || -> io::Result<()> {
        pin_to(cpus[0]);
        send(ends, framing, manner, |sent| sent < total)
    });
    let receivers: Vec<_> = (1usize..)
        .zip(others)
        .map(|(number, stream)| {
            thread::spawn(move || {
                pin_to(cpus[number % 2]);
                let mut received = 0;
                receive(stream, framing, manner, |payload| {
                    received += payload;
                    received < total
                })
            })
        })
        .collect();
    sender.join().expect("the sender does not panic")?;
    for receiver in receivers {
        receiver.join().expect("a receiver does not panic")?;
    }
    Ok(stopwatch.stop())
}

/// Moves payload one way for `span`; returns how many bytes had come by then. The sender on
/// `cpus[0]`, the receiver on `cpus[1]`.
///
/// # Errors
/// When loopback sockets fail.
pub fn timeframe(
    framing: Framing,
    span: Duration,
    cpus: [usize; 2],
) -> io::Result<(Sample, usize)> {
    let manner = manner::best(framing, 1, cpus)?;
    let (end, other) = loopback_pair()?;
    let stopwatch = Stopwatch::start();
    let until = Instant::now() + span;
    let sender = thread::spawn(move || {
        pin_to(cpus[0]);
        send(vec![end], framing, manner, |_| Instant::now() < until)
    });
    let receiver = thread::spawn(move || {
        pin_to(cpus[1]);
        let (mut received, mut in_time) = (0, 0);
        let end = receive(other, framing, manner, |payload| {
            received += payload;
            if Instant::now() <= until {
                in_time = received;
            }
            true
        });
        match end {
            // The sender has stopped and hung up.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(in_time),
            end => end.map(|()| in_time),
        }
    });
    sender.join().expect("the sender does not panic")?;
    let received = receiver.join().expect("the receiver does not panic")?;
    let sample = Sample {
        wall: span,
        ..stopwatch.stop()
    };
    Ok((sample, received))
}

/// Sends to each stream in turn as long as `goes_on` with what each of them got.
fn send(
    streams: Vec<TcpStream>,
    framing: Framing,
    manner: Manner,
    goes_on: impl Fn(usize) -> bool,
) -> io::Result<()> {
    let mut sealers: Vec<_> = streams.iter().map(|_| Sealer::new(framing)).collect();
    let (write_bytes, payload_bytes) = one_write(framing, manner.write_bytes);
    let mut buffers = Buffers::new(write_bytes, streams.len(), manner);
    let mut sender = Sender::new(streams, manner)?;
    let mut sent = 0;
    while goes_on(sent) {
        sender.write_each(&mut buffers, |place, buffer| {
            sealers[place].seal(buffer, payload_bytes);
            buffer.len()
        })?;
        sent += payload_bytes;
    }
    Ok(())
}

/// Receives until `takes`, which is told of the payload of each read, wants no more.
fn receive(
    stream: TcpStream,
    framing: Framing,
    manner: Manner,
    mut takes: impl FnMut(usize) -> bool,
) -> io::Result<()> {
    let mut receiver = Receiver::new(stream, manner)?;
    let mut opener = Opener::new(framing);
    let mut buffer = vec![0u8; RECEIVE_BYTES_MIN.max(2 * manner.write_bytes)];
    let mut filled = 0;
    loop {
        filled += receiver.read_some(&mut buffer[filled..])?;
        let mut payload = 0;
        let consumed = opener.open(&mut buffer[..filled], |plain| payload += plain.len());
        buffer.copy_within(consumed..filled, 0);
        filled -= consumed;
        if !takes(payload) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::manner::Way;
    use super::*;

    #[test]
    fn the_limit_moves_every_byte_it_is_asked_to_in_both_framings() {
        for framing in [Framing::Comet, Framing::Wide] {
            let sample = drain(framing, 3 << 20, [0, 0]).expect("loopback works");
            assert!(sample.wall > Duration::ZERO);
        }
    }

    #[test]
    fn every_manner_moves_whole_frames_and_records() {
        for framing in [Framing::Comet, Framing::Wide] {
            for way in [Way::Calls, Way::Ring] {
                for (write_bytes, receivers) in [(1, 1), (65_536, 3), (1 << 20, 1)] {
                    let manner = Manner {
                        way,
                        write_bytes,
                        spins: false,
                    };
                    let sample = move_bytes(framing, 5 << 20, receivers, [0, 1], manner);
                    assert!(sample.expect("loopback works").wall > Duration::ZERO);
                }
            }
        }
    }

    #[test]
    fn the_limit_ends_with_its_time() {
        let span = Duration::from_millis(50);
        let ran = timeframe(Framing::Comet, span, [0, 1]);
        let (sample, received) = ran.expect("loopback works");
        assert!(sample.wall == span && received > 0);
    }

    #[test]
    fn the_limit_reaches_every_receiver() {
        let sample = fan_out(Framing::Wide, 1 << 20, 5, [0, 1]).expect("loopback works");
        assert!(sample.wall > Duration::ZERO);
    }
}
