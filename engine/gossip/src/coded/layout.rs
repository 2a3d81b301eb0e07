//! How a payload is cut: into segments, and these into shards.
//!
//! Everything follows from the payload's length and the size of a shard, so that a manifest cannot
//! contradict itself:
//!
//! ```text
//!  shards   = ⌈length ÷ shard bytes⌉
//!  segments = ⌈shards ÷ 128⌉
//!  k        = ⌈shards ÷ segments⌉        of each segment; the last has what is left
//!  m        = k                          repair shards of each segment
//! ```
//!
//! Segments are of nearly equal size: a last segment of one shard would have one repair shard, and two
//! silent relays could keep it from everybody.

use super::fault::Fault;

/// A payload is coded from this many bytes on: 128 KiB and one.
pub const PAYLOAD_BYTES_MIN: usize = 128 * 1024 + 1;
/// The longest payload, in bytes: 128 MiB.
pub const PAYLOAD_BYTES_MAX: usize = 128 * 1024 * 1024;
/// The size of a shard of a payload above 2 MiB, unless the origin chooses another, in bytes: the proof is then
/// below 1 % of it (docs/decisions/0063).
pub const SHARD_BYTES: usize = 32 * 1024;
/// The smallest shard, in bytes.
pub const SHARD_BYTES_MIN: usize = 16 * 1024;
/// The largest shard, in bytes: so much of a lane one shard holds up a vote.
pub const SHARD_BYTES_MAX: usize = 64 * 1024;
/// Most originals of a segment. With shards of 32 KiB a segment is 4 MiB, and a block is one segment.
pub const ORIGINALS_MAX: u16 = 128;

/// One in so many originals is pushed as surplus: 5 %.
const SURPLUS_SHARE: u16 = 20;
/// Surplus shards at least.
const SURPLUS_MIN: u16 = 2;

/// The size of a shard for a payload of so many bytes, unless the origin chooses another: the smallest with which one
/// segment takes the payload, and never more than [`SHARD_BYTES`]. A shard waits at each hop until those before it have
/// left, so a short payload comes sooner in small ones; in a long one that does not show, and proofs do.
pub fn shard_bytes_of(length: usize) -> usize {
    let is_short = length <= SHARD_BYTES_MIN * usize::from(ORIGINALS_MAX);
    if is_short {
        SHARD_BYTES_MIN
    } else {
        SHARD_BYTES
    }
}

/// How one payload is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    length: usize,
    shard_bytes: usize,
    /// Of all segments together.
    originals: usize,
    segments: u16,
    /// Of each segment but the last.
    originals_each: usize,
}

impl Layout {
    /// The layout of `length` bytes in shards of `shard_bytes`.
    ///
    /// # Errors
    /// [`Fault::Length`] outside [`PAYLOAD_BYTES_MIN`] to [`PAYLOAD_BYTES_MAX`];
    /// [`Fault::ShardBytes`] for anything but a power of two from [`SHARD_BYTES_MIN`] to
    /// [`SHARD_BYTES_MAX`].
    pub fn new(length: usize, shard_bytes: usize) -> Result<Self, Fault> {
        if !(PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX).contains(&length) {
            return Err(Fault::Length {
                got: length as u64,
                min: PAYLOAD_BYTES_MIN as u64,
                max: PAYLOAD_BYTES_MAX as u64,
            });
        }
        let is_within = (SHARD_BYTES_MIN..=SHARD_BYTES_MAX).contains(&shard_bytes);
        if !is_within || !shard_bytes.is_power_of_two() {
            return Err(Fault::ShardBytes { got: shard_bytes });
        }
        let originals = length.div_ceil(shard_bytes);
        let segments = originals.div_ceil(usize::from(ORIGINALS_MAX));
        Ok(Layout {
            length,
            shard_bytes,
            originals,
            segments: u16::try_from(segments).expect("128 MiB are at most 64 segments"),
            originals_each: originals.div_ceil(segments),
        })
    }

    /// Bytes of the payload.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Bytes of each shard.
    pub fn shard_bytes(&self) -> usize {
        self.shard_bytes
    }

    /// Bytes of the payload with its padding.
    pub fn padded_bytes(&self) -> usize {
        self.originals * self.shard_bytes
    }

    /// How many segments there are: 1 to 64.
    pub fn segment_count(&self) -> u16 {
        self.segments
    }

    /// One segment.
    ///
    /// # Errors
    /// [`Fault::Segment`]: there is none of that number.
    pub fn segment(&self, index: u16) -> Result<SegmentLayout, Fault> {
        if index >= self.segments {
            let (got, count) = (index, self.segments);
            return Err(Fault::Segment { got, count });
        }
        let before = usize::from(index) * self.originals_each;
        let originals = (self.originals - before).min(self.originals_each);
        Ok(SegmentLayout {
            index,
            offset: before * self.shard_bytes,
            originals: u16::try_from(originals).expect("at most ORIGINALS_MAX"),
            shard_bytes: self.shard_bytes,
        })
    }

    /// All segments in order.
    pub fn segments(&self) -> impl Iterator<Item = SegmentLayout> + use<> {
        let layout = *self;
        (0..layout.segments).filter_map(move |index| layout.segment(index).ok())
    }
}

/// One segment of a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentLayout {
    index: u16,
    offset: usize,
    originals: u16,
    shard_bytes: usize,
}

impl SegmentLayout {
    /// Which segment of its payload this is.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Where it begins in the payload, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// k: shards that hold the payload itself, and as many of any kind give the segment.
    pub fn originals(&self) -> u16 {
        self.originals
    }

    /// m: shards that coding adds.
    pub fn repairs(&self) -> u16 {
        self.originals
    }

    /// k + m.
    pub fn shard_count(&self) -> u16 {
        self.originals() + self.repairs()
    }

    /// How many shards the origin pushes, unasked: k and 5 %, at least k + 2. The others are for those
    /// who ask.
    pub fn pushed(&self) -> u16 {
        let surplus = self.originals.div_ceil(SURPLUS_SHARE).max(SURPLUS_MIN);
        (self.originals + surplus).min(self.shard_count())
    }

    /// Bytes of each shard.
    pub fn shard_bytes(&self) -> usize {
        self.shard_bytes
    }

    /// Bytes of the originals together, padding included.
    pub fn bytes(&self) -> usize {
        usize::from(self.originals) * self.shard_bytes
    }

    /// Checks that the segment has a shard `index`.
    ///
    /// # Errors
    /// [`Fault::Index`] otherwise.
    pub fn check_index(&self, index: u16) -> Result<(), Fault> {
        let (got, count) = (index, self.shard_count());
        if got < count {
            Ok(())
        } else {
            Err(Fault::Index { got, count })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_refused_on_both_sides_of_each_limit() {
        for length in [PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX] {
            assert!(Layout::new(length, SHARD_BYTES).is_ok());
        }
        for length in [0, PAYLOAD_BYTES_MIN - 1, PAYLOAD_BYTES_MAX + 1] {
            let refused = Layout::new(length, SHARD_BYTES);
            assert!(matches!(refused, Err(Fault::Length { .. })), "{length}");
        }
    }

    #[test]
    fn a_payload_of_up_to_2_mib_has_small_shards() {
        assert_eq!(shard_bytes_of(PAYLOAD_BYTES_MIN), SHARD_BYTES_MIN);
        assert_eq!(shard_bytes_of(2 << 20), SHARD_BYTES_MIN);
        assert_eq!(shard_bytes_of((2 << 20) + 1), SHARD_BYTES);
    }

    #[test]
    fn a_shard_is_a_power_of_two_within_its_limits() {
        for bytes in [SHARD_BYTES_MIN, SHARD_BYTES, SHARD_BYTES_MAX] {
            assert!(Layout::new(PAYLOAD_BYTES_MIN, bytes).is_ok());
        }
        for bytes in [
            0,
            SHARD_BYTES_MIN / 2,
            SHARD_BYTES_MIN + 64,
            SHARD_BYTES_MAX * 2,
        ] {
            let refused = Layout::new(PAYLOAD_BYTES_MIN, bytes);
            assert_eq!(refused, Err(Fault::ShardBytes { got: bytes }));
        }
    }

    #[test]
    fn segments_cover_the_payload_and_none_is_much_smaller_than_the_others() {
        for shard_bytes in [SHARD_BYTES_MIN, SHARD_BYTES, SHARD_BYTES_MAX] {
            for originals in PAYLOAD_BYTES_MIN / shard_bytes + 1..=PAYLOAD_BYTES_MAX / shard_bytes {
                let layout = Layout::new(originals * shard_bytes, shard_bytes).unwrap();
                let segments: Vec<_> = layout.segments().collect();
                let mut offset = 0;
                for segment in &segments {
                    assert_eq!(segment.offset(), offset);
                    assert!(segment.originals() <= ORIGINALS_MAX);
                    offset += segment.bytes();
                }
                assert_eq!(offset, layout.padded_bytes());
                let last = segments.last().unwrap().originals();
                assert!(
                    last >= 3,
                    "{originals} shards leave {last} for the last segment"
                );
            }
        }
    }

    #[test]
    fn a_segment_of_129_shards_becomes_two_of_half() {
        let shards = |count: usize| Layout::new(count * SHARD_BYTES, SHARD_BYTES).unwrap();
        assert_eq!(shards(128).segment_count(), 1);
        let two = shards(129);
        let originals: Vec<_> = two.segments().map(|segment| segment.originals()).collect();
        assert_eq!(originals, [65, 64]);
    }

    #[test]
    fn the_surplus_is_two_shards_or_a_twentieth() {
        let pushed = |originals: usize| {
            let layout = Layout::new(originals * SHARD_BYTES, SHARD_BYTES).unwrap();
            layout.segment(0).unwrap().pushed()
        };
        assert_eq!(pushed(5), 7);
        assert_eq!(pushed(40), 42);
        assert_eq!(pushed(41), 44);
        assert_eq!(pushed(128), 135);
    }

    #[test]
    fn a_segment_or_a_shard_behind_the_last_is_refused() {
        let layout = Layout::new(PAYLOAD_BYTES_MIN, SHARD_BYTES).unwrap();
        let segment = layout.segment(0).unwrap();
        assert_eq!(layout.segment(1), Err(Fault::Segment { got: 1, count: 1 }));
        assert_eq!(segment.check_index(9), Ok(()));
        assert_eq!(
            segment.check_index(10),
            Err(Fault::Index { got: 10, count: 10 })
        );
    }
}
