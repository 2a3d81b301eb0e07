//! One direction of a byte link: what TCP promises, and how badly it may be kept.
//!
//! ```text
//!   transmit ─▶ [ line: bytes per second ] ─▶ latency + jitter ─▶ [ unread ] ─▶ reads of any size
//!                 │ sent when the last byte has left                 │
//!                 └────── at most window_bytes between here and here ┘
//! ```
//!
//! Bytes arrive whole and in order, or the link ends: by EOF or reset, after any byte. A reader
//! that does not read fills the window, and then the writer's transmit stays unsent. The faults of
//! [`LaneFaults`] strike at byte offsets, so that a run meets them at the same byte each time.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use ringwire_core::switch::Transmit;
use ringwire_core::time::Instant;
use smallvec::SmallVec;

use crate::profile::{Chunking, LinkProfile};
use crate::rng::Rng;

/// Bytes that travel as one event; small enough that a slow line shows its pace.
const SEGMENT_BYTES: usize = 16 * 1024;

/// How a stream ends for its reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The writer closed, or seems to have.
    Eof,
    /// The connection was lost.
    Reset,
}

/// What goes wrong in one direction of a link, by offset into its stream.
#[derive(Clone, Debug, Default)]
pub struct LaneFaults {
    /// The reader gets exactly this many bytes, then the ending.
    pub cut: Option<(u64, Ending)>,
    /// These bytes arrive with these bits turned.
    pub flips: Vec<(u64, u8)>,
    /// The line rests this long before the byte at the offset.
    pub stalls: Vec<(u64, Duration)>,
    /// The reader takes no more than this per second; zero means as it comes.
    pub reader_bytes_per_second: u64,
}

/// What a read found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// Nothing yet.
    Nothing,
    /// A slow reader is not ready before this time.
    NotBefore(Instant),
    /// This many bytes.
    Bytes(usize),
    /// The stream is over.
    Ended(Ending),
}

/// What became of a pump: when segments land, and when the transmit has left.
#[derive(Debug, Default)]
pub struct Pumped {
    /// One landing per segment, in order.
    pub landings: SmallVec<[Instant; 8]>,
    /// Set when the last byte of the transmit was put on the line.
    pub sent_at: Option<Instant>,
}

#[derive(Debug)]
enum Segment {
    Bytes(Vec<u8>),
    End(Ending),
}

/// One direction of a link.
#[derive(Debug)]
pub struct Lane {
    profile: LinkProfile,
    faults: LaneFaults,
    /// The transmit that is being written, and how much of it is on the line.
    writing: Option<Transmit>,
    buffer: usize,
    offset: usize,
    written: u64,
    /// Whether the transmit's leaving was reported by a pump.
    sent_reported: bool,
    line_free_at: Instant,
    last_landing: Instant,
    in_flight: VecDeque<Segment>,
    in_flight_bytes: usize,
    unread: BytesMut,
    ended: Option<Ending>,
    /// Nothing more reaches the reader: an ending is on its way, or nobody reads.
    swallows: bool,
    held: bool,
    /// The ending that waits for a held line to be let go.
    ending_due: Option<Ending>,
    reader_ready_at: Instant,
}

impl Lane {
    /// An empty lane.
    pub fn new(profile: LinkProfile, faults: LaneFaults) -> Self {
        Lane {
            profile,
            faults,
            writing: None,
            buffer: 0,
            offset: 0,
            written: 0,
            sent_reported: false,
            line_free_at: Instant::ZERO,
            last_landing: Instant::ZERO,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            unread: BytesMut::new(),
            ended: None,
            swallows: false,
            held: false,
            ending_due: None,
            reader_ready_at: Instant::ZERO,
        }
    }

    /// Takes a transmit. Panics if one is in flight: the writer owes us at most one.
    pub fn begin(&mut self, buffers: Transmit) {
        assert!(
            self.writing.is_none(),
            "at most one transmit of a link is in flight"
        );
        (self.buffer, self.offset) = (0, 0);
        self.sent_reported = false;
        self.writing = Some(buffers);
    }

    /// Whether a transmit is in flight.
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Bytes put on the line so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether a read would find something: bytes or the ending.
    pub fn is_readable(&self) -> bool {
        !self.unread.is_empty() || self.ended.is_some()
    }

    /// Whether the ending has come to the reader's side.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Bytes on their way or waiting for the reader.
    pub fn backlog(&self) -> usize {
        self.in_flight_bytes + self.unread.len()
    }

    /// Puts as much of the transmit on the line as the window has room for.
    pub fn pump(&mut self, now: Instant, rng: &mut Rng) -> Pumped {
        let mut pumped = Pumped::default();
        if self.held {
            return pumped;
        }
        while let Some(piece) = self.next_piece() {
            if let Some(landing) = self.launch(now, piece, rng) {
                pumped.landings.push(landing);
            }
        }
        if let Some(ending) = self.ending_due.take() {
            pumped
                .landings
                .push(self.send_off(now, Segment::End(ending), Duration::ZERO));
        }
        if self.written_whole() && !std::mem::replace(&mut self.sent_reported, true) {
            pumped.sent_at = Some(self.line_free_at.max(now));
        }
        pumped
    }

    /// The buffers of the transmit that has left or was given up.
    pub fn take_written(&mut self) -> Option<Transmit> {
        self.writing.take()
    }

    /// Ends the stream behind what was written; gives the landing of the ending. `None` if the
    /// stream has its ending already, or the line is held and a later pump will send it.
    pub fn end(&mut self, now: Instant, ending: Ending) -> Option<Instant> {
        if self.swallows {
            return None;
        }
        self.swallows = true;
        if self.held {
            self.ending_due = Some(ending);
            return None;
        }
        Some(self.send_off(now, Segment::End(ending), Duration::ZERO))
    }

    /// Nobody reads any more: what was written and will be is dropped.
    pub fn abandon(&mut self) {
        self.swallows = true;
        self.unread.clear();
        self.ended = None;
        for segment in &mut self.in_flight {
            *segment = Segment::Bytes(Vec::new());
        }
        self.in_flight_bytes = 0;
    }

    /// Lets the line rest.
    pub fn stall(&mut self, now: Instant, rest: Duration) {
        self.line_free_at = self.line_free_at.max(now) + rest;
    }

    /// Stops or resumes the line (a partition); what is past it still lands.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// The oldest segment on its way has arrived.
    pub fn land(&mut self) {
        match self.in_flight.pop_front() {
            Some(Segment::Bytes(bytes)) => {
                self.in_flight_bytes -= bytes.len();
                self.unread.extend_from_slice(&bytes);
            }
            Some(Segment::End(ending)) => self.ended = Some(ending),
            None => unreachable!("one landing is planned per segment"),
        }
    }

    /// Reads what has arrived into `room`. The ending comes after the last byte.
    pub fn read(&mut self, now: Instant, room: &mut [u8], rng: &mut Rng) -> Read {
        if now < self.reader_ready_at {
            return Read::NotBefore(self.reader_ready_at);
        }
        if self.unread.is_empty() {
            return self.ended.map_or(Read::Nothing, Read::Ended);
        }
        let cut = match self.profile.chunking {
            Chunking::Whole => usize::MAX,
            Chunking::Random(max) => rng.between(1, max.max(1) as u64) as usize,
        };
        let len = self.unread.len().min(room.len()).min(cut);
        room[..len].copy_from_slice(&self.unread[..len]);
        self.unread.advance(len);
        self.reader_ready_at = now + transfer_time(len, self.faults.reader_bytes_per_second);
        Read::Bytes(len)
    }

    /// The next bytes to put on the line: never across a fault, never over the window.
    fn next_piece(&mut self) -> Option<Vec<u8>> {
        let writing = self.writing.as_ref()?;
        while self.buffer < writing.len() && self.offset == writing[self.buffer].len() {
            (self.buffer, self.offset) = (self.buffer + 1, 0);
        }
        let rest = &writing.get(self.buffer)?[self.offset..];
        let window = if self.swallows {
            usize::MAX
        } else {
            self.profile.window_bytes.saturating_sub(self.backlog())
        };
        let len = rest
            .len()
            .min(SEGMENT_BYTES)
            .min(window)
            .min(self.to_next_fault());
        if len == 0 {
            return None;
        }
        let piece = rest[..len].to_vec();
        self.offset += len;
        Some(piece)
    }

    fn written_whole(&self) -> bool {
        self.writing.as_ref().is_some_and(|buffers| {
            buffers
                .iter()
                .skip(self.buffer + 1)
                .all(|buffer| buffer.is_empty())
                && buffers
                    .get(self.buffer)
                    .is_none_or(|buffer| buffer.len() == self.offset)
        })
    }

    /// Bytes up to the next offset at which a cut or a stall strikes.
    fn to_next_fault(&self) -> usize {
        let cut = self.faults.cut.iter().map(|&(offset, _)| offset);
        let stalls = self.faults.stalls.iter().map(|&(offset, _)| offset);
        let next = cut
            .chain(stalls)
            .filter(|&offset| offset > self.written)
            .min();
        next.map_or(usize::MAX, |offset| (offset - self.written) as usize)
    }

    /// Puts a piece on the line; gives its landing unless it is swallowed.
    fn launch(&mut self, now: Instant, mut piece: Vec<u8>, rng: &mut Rng) -> Option<Instant> {
        let first = self.written;
        let cut = self.faults.cut.filter(|&(offset, _)| offset <= first);
        if let (Some((_, ending)), false) = (cut, self.swallows) {
            self.written += piece.len() as u64;
            return self.end(now, ending);
        }
        for &(offset, rest) in &self.faults.stalls {
            if offset == first {
                self.line_free_at = self.line_free_at.max(now) + rest;
            }
        }
        let range = first..first + piece.len() as u64;
        for &(offset, mask) in self
            .faults
            .flips
            .iter()
            .filter(|flip| range.contains(&flip.0))
        {
            piece[(offset - first) as usize] ^= mask;
        }
        self.written += piece.len() as u64;
        let on_line = transfer_time(piece.len(), self.profile.bytes_per_second);
        self.line_free_at = self.line_free_at.max(now) + on_line;
        if self.swallows {
            return None;
        }
        self.in_flight_bytes += piece.len();
        let jitter = rng.duration_below(self.profile.jitter);
        Some(self.send_off(now, Segment::Bytes(piece), jitter))
    }

    fn send_off(&mut self, now: Instant, segment: Segment, jitter: Duration) -> Instant {
        let landing = self.line_free_at.max(now) + self.profile.latency + jitter;
        self.last_landing = self.last_landing.max(landing);
        self.in_flight.push_back(segment);
        self.last_landing
    }
}

/// How long `bytes` take at a speed; nothing at speed zero, which means unlimited.
fn transfer_time(bytes: usize, bytes_per_second: u64) -> Duration {
    if bytes_per_second == 0 {
        return Duration::ZERO;
    }
    let nanos = bytes as u128 * 1_000_000_000 / u128::from(bytes_per_second);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lane with the landings it owes, driven by hand.
    struct Bench {
        lane: Lane,
        rng: Rng,
        landings: VecDeque<Instant>,
        sent_at: Option<Instant>,
    }

    impl Bench {
        fn new(profile: LinkProfile, faults: LaneFaults) -> Self {
            let lane = Lane::new(profile, faults);
            Bench {
                lane,
                rng: Rng::new(1),
                landings: VecDeque::new(),
                sent_at: None,
            }
        }

        fn write(&mut self, now: Instant, bytes: &[u8]) {
            self.lane
                .begin(std::iter::once(BytesMut::from(bytes).into()).collect());
            self.pump(now);
        }

        fn pump(&mut self, now: Instant) {
            let pumped = self.lane.pump(now, &mut self.rng);
            self.landings.extend(pumped.landings);
            self.sent_at = self.sent_at.or(pumped.sent_at);
        }

        fn land_all(&mut self) {
            while self.landings.pop_front().is_some() {
                self.lane.land();
            }
        }

        fn read_all(&mut self, now: Instant) -> (Vec<u8>, Read) {
            let mut all = Vec::new();
            let mut room = [0; 4096];
            loop {
                match self.lane.read(now, &mut room, &mut self.rng) {
                    Read::Bytes(len) => all.extend_from_slice(&room[..len]),
                    other => return (all, other),
                }
            }
        }
    }

    fn millis(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn bytes_arrive_in_order_after_line_and_latency_and_are_sent_when_they_left() {
        let profile = LinkProfile::wan().at_speed(1_000_000);
        let mut bench = Bench::new(
            LinkProfile {
                jitter: Duration::ZERO,
                ..profile
            },
            LaneFaults::default(),
        );
        bench.write(Instant::ZERO, &[7; 10_000]);
        assert_eq!(bench.sent_at, Some(millis(10)));
        assert_eq!(bench.landings, [millis(50)]);
        bench.land_all();
        assert_eq!(bench.read_all(millis(50)), (vec![7; 10_000], Read::Nothing));
    }

    #[test]
    fn a_full_window_keeps_the_transmit_unsent_until_the_reader_reads() {
        let profile = LinkProfile {
            window_bytes: 1000,
            ..LinkProfile::lan()
        };
        let mut bench = Bench::new(profile, LaneFaults::default());
        bench.write(Instant::ZERO, &[1; 1001]);
        assert_eq!(bench.sent_at, None);
        bench.land_all();
        assert_eq!(bench.read_all(millis(1)).0.len(), 1000);
        bench.pump(millis(1));
        assert_eq!(bench.sent_at, Some(millis(1)));
    }

    #[test]
    fn any_chunking_gives_the_same_bytes() {
        let bytes: Vec<u8> = (0..5000u32).map(|i| i as u8).collect();
        for max in [1, 2, 3, 100, 9000] {
            let mut bench = Bench::new(LinkProfile::lan().chunked(max), LaneFaults::default());
            bench.write(Instant::ZERO, &bytes);
            bench.land_all();
            assert_eq!(bench.read_all(millis(1)).0, bytes, "reads of up to {max}");
        }
    }

    #[test]
    fn a_cut_lets_exactly_its_bytes_through_and_the_writer_does_not_notice() {
        for (offset, ending) in [(0, Ending::Eof), (1, Ending::Reset), (4999, Ending::Eof)] {
            let faults = LaneFaults {
                cut: Some((offset, ending)),
                ..LaneFaults::default()
            };
            let mut bench = Bench::new(LinkProfile::lan(), faults);
            bench.write(Instant::ZERO, &[9; 5000]);
            assert!(bench.sent_at.is_some());
            bench.land_all();
            let (bytes, last) = bench.read_all(millis(1));
            assert_eq!((bytes.len() as u64, last), (offset, Read::Ended(ending)));
        }
    }

    #[test]
    fn a_flip_changes_its_byte_alone() {
        let faults = LaneFaults {
            flips: vec![(42, 0x80)],
            ..LaneFaults::default()
        };
        let mut bench = Bench::new(LinkProfile::lan(), faults);
        bench.write(Instant::ZERO, &[1; 100]);
        bench.land_all();
        let (bytes, _) = bench.read_all(millis(1));
        let changed: Vec<usize> = (0..100).filter(|&i| bytes[i] != 1).collect();
        assert_eq!((changed, bytes[42]), (vec![42], 0x81));
    }

    #[test]
    fn a_stall_delays_what_comes_after_it_and_nothing_before() {
        let faults = LaneFaults {
            stalls: vec![(10, Duration::from_secs(1))],
            ..LaneFaults::default()
        };
        let mut bench = Bench::new(LinkProfile::lan(), faults);
        bench.write(Instant::ZERO, &[1; 20]);
        let latency = LinkProfile::lan().latency;
        assert_eq!(
            bench.landings,
            [Instant::ZERO + latency, millis(1000) + latency]
        );
    }

    #[test]
    fn a_slow_reader_reads_at_its_own_pace() {
        let faults = LaneFaults {
            reader_bytes_per_second: 1000,
            ..LaneFaults::default()
        };
        let mut bench = Bench::new(LinkProfile::lan().chunked(1), faults);
        bench.write(Instant::ZERO, &[1; 3]);
        bench.land_all();
        let (bytes, last) = bench.read_all(millis(5));
        assert_eq!((bytes.len(), last), (1, Read::NotBefore(millis(6))));
    }

    #[test]
    fn an_ending_comes_after_the_last_byte_and_only_once() {
        let mut bench = Bench::new(LinkProfile::lan(), LaneFaults::default());
        bench.write(Instant::ZERO, b"bye");
        assert!(bench.lane.take_written().is_some());
        bench
            .landings
            .extend(bench.lane.end(Instant::ZERO, Ending::Eof));
        assert_eq!(bench.lane.end(Instant::ZERO, Ending::Reset), None);
        bench.land_all();
        assert_eq!(
            bench.read_all(millis(1)),
            (b"bye".to_vec(), Read::Ended(Ending::Eof))
        );
    }

    #[test]
    fn a_held_line_carries_nothing_until_it_is_let_go() {
        let mut bench = Bench::new(LinkProfile::lan(), LaneFaults::default());
        bench.lane.hold(true);
        bench.write(Instant::ZERO, b"wait");
        assert_eq!((bench.landings.len(), bench.sent_at), (0, None));
        bench.lane.hold(false);
        bench.pump(millis(9));
        assert_eq!(bench.sent_at, Some(millis(9)));
    }
}
