//! The limit of a round trip: one sealed message, two blocking or busy-polled sockets.

use std::io;
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use hdrhistogram::Histogram;
use ringwire::peer::Framing;
use ringwire_codec::secret::frame::{FRAME_DATA_MAX, FRAME_SEALED};
use ringwire_codec::secret::record::RECORD_OVERHEAD;

use super::ends::{read_some, write_whole};
use super::{Opener, Sealer, loopback_pair};
use crate::engine::reactors::{histogram, record};
use crate::measure::pin_to;

/// Bounces a sealed message of `bytes` `rounds` times; returns round trips in nanoseconds.
/// `polled` spins on a non-blocking socket instead of sleeping in the kernel.
///
/// # Errors
/// When loopback sockets fail.
pub fn ping_pong(
    framing: Framing,
    bytes: usize,
    rounds: u64,
    polled: bool,
    cpus: [usize; 2],
) -> io::Result<Histogram<u64>> {
    let (dialer, listened) = loopback_pair()?;
    dialer.set_nonblocking(polled)?;
    listened.set_nonblocking(polled)?;
    let echo = thread::spawn(move || -> io::Result<()> {
        pin_to(cpus[1]);
        let mut end = PingEnd::new(listened, framing, bytes);
        for _ in 0..rounds {
            end.receive()?;
            end.send()?;
        }
        Ok(())
    });
    let ping = thread::spawn(move || -> io::Result<Histogram<u64>> {
        pin_to(cpus[0]);
        let mut end = PingEnd::new(dialer, framing, bytes);
        let mut times = histogram();
        for _ in 0..rounds {
            let start = Instant::now();
            end.send()?;
            end.receive()?;
            record(&mut times, start.elapsed());
        }
        Ok(times)
    });
    echo.join().expect("the echo does not panic")?;
    ping.join().expect("the pinger does not panic")
}

struct PingEnd {
    bytes: usize,
    stream: TcpStream,
    sealer: Sealer,
    opener: Opener,
    out: Vec<u8>,
    room: Vec<u8>,
}

impl PingEnd {
    fn new(stream: TcpStream, framing: Framing, bytes: usize) -> PingEnd {
        let sealed = match framing {
            Framing::Comet => bytes.div_ceil(FRAME_DATA_MAX) * FRAME_SEALED,
            Framing::Wide => bytes + RECORD_OVERHEAD,
        };
        PingEnd {
            bytes,
            stream,
            sealer: Sealer::new(framing),
            opener: Opener::new(framing),
            out: vec![0; sealed],
            room: vec![0; sealed],
        }
    }

    fn send(&mut self) -> io::Result<()> {
        self.sealer.seal(&mut self.out, self.bytes);
        write_whole(&mut self.stream, &self.out)
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut filled = 0;
        while filled < self.room.len() {
            filled += read_some(&mut self.stream, &mut self.room[filled..])?;
        }
        let mut payload = 0;
        self.opener
            .open(&mut self.room, |plain| payload += plain.len());
        assert_eq!(payload, self.bytes, "one whole ping was opened");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_counts_every_round_trip() {
        for polled in [false, true] {
            let ran = ping_pong(Framing::Wide, 64, 50, polled, [0, 1]);
            let histogram = ran.expect("loopback works");
            assert_eq!(histogram.len(), 50);
        }
    }
}
