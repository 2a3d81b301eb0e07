//! The limit: the least that can be done to move sealed bytes over one TCP link.
//!
//! Blocking sockets, 64 KiB writes, the same AEAD sealed and opened in place; no channels, no
//! packets, no messages. What Ringwire adds to this is what it costs.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use ringwire::peer::Framing;
use ringwire_codec::secret::frame::{
    FRAME_DATA_MAX, FRAME_HEADER, FRAME_SEALED, FrameOpener, FrameSealer,
};
use ringwire_codec::secret::record::{RECORD_OVERHEAD, RecordOpener, RecordSealer};

use crate::measure::{Sample, Stopwatch, pin_to};

const KEY: [u8; 32] = [7; 32];
/// Frames in one write, as many as fit 64 KiB.
const FRAMES_PER_WRITE: usize = 65_536 / FRAME_SEALED;
/// Plaintext bytes of one record, so that a sealed record is one 64 KiB write.
const RECORD_PLAIN: usize = 65_536 - RECORD_OVERHEAD;

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
                let plain = buffer.len() - RECORD_OVERHEAD;
                buffer[4..4 + plain].fill(0x5a);
                sealer
                    .seal(buffer)
                    .expect("the counter is far from its end");
                plain
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

    /// Opens what is whole in `bytes`; returns (bytes consumed, payload bytes).
    fn open(&mut self, bytes: &mut [u8]) -> (usize, usize) {
        let (mut at, mut payload) = (0, 0);
        loop {
            let opened = match self {
                Opener::Comet(opener) if bytes.len() - at >= FRAME_SEALED => {
                    let frame = &mut bytes[at..at + FRAME_SEALED];
                    at += FRAME_SEALED;
                    opener
                        .open(frame)
                        .expect("sealed by the other thread with the same key")
                }
                Opener::Wide(opener) => match opener.sealed_len(&bytes[at..]) {
                    Ok(Some(sealed)) if bytes.len() - at >= sealed => {
                        let record = &mut bytes[at..at + sealed];
                        at += sealed;
                        opener
                            .open(record)
                            .expect("sealed by the other thread, same key")
                    }
                    _ => return (at, payload),
                },
                Opener::Comet(_) => return (at, payload),
            };
            payload += opened.len();
        }
    }
}

fn write_bytes(framing: Framing) -> usize {
    match framing {
        Framing::Comet => FRAMES_PER_WRITE * FRAME_SEALED,
        Framing::Wide => RECORD_PLAIN + RECORD_OVERHEAD,
    }
}

fn payload_per_write(framing: Framing) -> usize {
    match framing {
        Framing::Comet => FRAMES_PER_WRITE * FRAME_DATA_MAX,
        Framing::Wide => RECORD_PLAIN,
    }
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
    let (mut tx, mut rx) = loopback_pair()?;
    let stopwatch = Stopwatch::start();
    let sender = thread::spawn(move || -> io::Result<()> {
        pin_to(cpus[0]);
        let mut sealer = Sealer::new(framing);
        let mut buffer = vec![0u8; write_bytes(framing)];
        let mut sent = 0;
        while sent < total {
            sent += sealer.seal(&mut buffer, payload_per_write(framing));
            tx.write_all(&buffer)?;
        }
        Ok(())
    });
    let receiver = thread::spawn(move || -> io::Result<()> {
        pin_to(cpus[1]);
        let mut opener = Opener::new(framing);
        let mut buffer = vec![0u8; 256 * 1024];
        let (mut filled, mut received) = (0, 0);
        while received < total {
            filled += read_some(&mut rx, &mut buffer[filled..])?;
            let (consumed, payload) = opener.open(&mut buffer[..filled]);
            buffer.copy_within(consumed..filled, 0);
            filled -= consumed;
            received += payload;
        }
        Ok(())
    });
    sender.join().expect("the sender does not panic")?;
    receiver.join().expect("the receiver does not panic")?;
    Ok(stopwatch.stop())
}

fn read_some(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    match stream.read(buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(read),
    }
}

/// Bounces a sealed 64-byte message `rounds` times; returns round trips in nanoseconds.
/// `polled` spins on a non-blocking socket instead of sleeping in the kernel.
///
/// # Errors
/// When loopback sockets fail.
pub fn ping_pong(
    framing: Framing,
    rounds: u64,
    polled: bool,
    cpus: [usize; 2],
) -> io::Result<Histogram<u64>> {
    let (dialer, listened) = loopback_pair()?;
    dialer.set_nonblocking(polled)?;
    listened.set_nonblocking(polled)?;
    let echo = thread::spawn(move || -> io::Result<()> {
        pin_to(cpus[1]);
        let mut end = PingEnd::new(listened, framing);
        for _ in 0..rounds {
            end.receive()?;
            end.send()?;
        }
        Ok(())
    });
    let ping = thread::spawn(move || -> io::Result<Histogram<u64>> {
        pin_to(cpus[0]);
        let mut end = PingEnd::new(dialer, framing);
        let mut histogram = Histogram::new(3).expect("three digits are allowed");
        for _ in 0..rounds {
            let start = Instant::now();
            end.send()?;
            end.receive()?;
            histogram
                .record(nanos(start.elapsed()))
                .expect("the histogram grows by itself");
        }
        Ok(histogram)
    });
    echo.join().expect("the echo does not panic")?;
    ping.join().expect("the pinger does not panic")
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Payload of a ping.
const PING_BYTES: usize = 64;

struct PingEnd {
    stream: TcpStream,
    sealer: Sealer,
    opener: Opener,
    out: Vec<u8>,
    room: Vec<u8>,
}

impl PingEnd {
    fn new(stream: TcpStream, framing: Framing) -> PingEnd {
        let sealed = match framing {
            Framing::Comet => FRAME_SEALED,
            Framing::Wide => PING_BYTES + RECORD_OVERHEAD,
        };
        PingEnd {
            stream,
            sealer: Sealer::new(framing),
            opener: Opener::new(framing),
            out: vec![0; sealed],
            room: vec![0; sealed],
        }
    }

    fn send(&mut self) -> io::Result<()> {
        self.sealer.seal(&mut self.out, PING_BYTES);
        let mut rest = &self.out[..];
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::hint::spin_loop(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut filled = 0;
        while filled < self.room.len() {
            match self.stream.read(&mut self.room[filled..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::hint::spin_loop(),
                Err(error) => return Err(error),
            }
        }
        let (_, payload) = self.opener.open(&mut self.room);
        assert_eq!(payload, PING_BYTES, "one whole ping was opened");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_moves_every_byte_it_is_asked_to_in_both_framings() {
        for framing in [Framing::Comet, Framing::Wide] {
            let sample = drain(framing, 3 << 20, [0, 0]).expect("loopback works");
            assert!(sample.wall > Duration::ZERO);
        }
    }

    #[test]
    fn the_limit_counts_every_round_trip() {
        for polled in [false, true] {
            let histogram = ping_pong(Framing::Wide, 50, polled, [0, 1]).expect("loopback works");
            assert_eq!(histogram.len(), 50);
        }
    }
}
