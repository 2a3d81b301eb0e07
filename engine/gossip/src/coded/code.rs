//! The Reed–Solomon code, with its working memory kept from one segment to the next.
//!
//! The library reserves about twice a segment for either direction; a node has one [`Code`] per shard of
//! the engine that codes, so that is its bound.

use reed_solomon_simd::{EncoderResult, ReedSolomonDecoder, ReedSolomonEncoder};

use super::layout::SegmentLayout;

/// Why the library's calls cannot fail here.
const LAYOUT: &str = "a layout has 3 to 128 originals, as many repairs, and shards of even length";

/// An encoder and a decoder.
#[derive(Default)]
pub(super) struct Code {
    encoder: Option<ReedSolomonEncoder>,
    decoder: Option<ReedSolomonDecoder>,
    /// Whether the first repair of each segment is wrong: see [`Encoding::miscoded`](super::Encoding::miscoded).
    #[cfg(feature = "testing")]
    pub(super) is_wrong: bool,
}

impl Code {
    /// Makes the repair shards of a segment, to be taken from the result in order. `originals` are its shards in order.
    pub(super) fn repair<'a>(
        &mut self,
        segment: &SegmentLayout,
        originals: impl Iterator<Item = &'a [u8]>,
    ) -> EncoderResult<'_> {
        let encoder = self.encoder(segment);
        for original in originals {
            encoder.add_original_shard(original).expect(LAYOUT);
        }
        encoder.encode().expect(LAYOUT)
    }

    /// Writes the originals that are missing among `held` into `segment_bytes`, where they belong. There
    /// are k shards in `held`, each with its index.
    pub(super) fn restore<'a>(
        &mut self,
        segment: &SegmentLayout,
        held: impl Iterator<Item = (u16, &'a [u8])>,
        segment_bytes: &mut [u8],
    ) {
        let decoder = self.decoder(segment);
        let k = usize::from(segment.originals());
        for (index, shard) in held {
            let index = usize::from(index);
            let added = match index.checked_sub(k) {
                None => decoder.add_original_shard(index, shard),
                Some(repair) => decoder.add_recovery_shard(repair, shard),
            };
            added.expect(LAYOUT);
        }
        let decoded = decoder.decode().expect("k shards of one segment");
        for (index, original) in decoded.restored_original_iter() {
            let at = index * segment.shard_bytes();
            segment_bytes[at..at + original.len()].copy_from_slice(original);
        }
    }

    fn encoder(&mut self, segment: &SegmentLayout) -> &mut ReedSolomonEncoder {
        let (k, m) = (segment.originals().into(), segment.repairs().into());
        if let Some(encoder) = &mut self.encoder {
            encoder.reset(k, m, segment.shard_bytes()).expect(LAYOUT);
        }
        let fresh = || ReedSolomonEncoder::new(k, m, segment.shard_bytes()).expect(LAYOUT);
        self.encoder.get_or_insert_with(fresh)
    }

    fn decoder(&mut self, segment: &SegmentLayout) -> &mut ReedSolomonDecoder {
        let (k, m) = (segment.originals().into(), segment.repairs().into());
        if let Some(decoder) = &mut self.decoder {
            decoder.reset(k, m, segment.shard_bytes()).expect(LAYOUT);
        }
        let fresh = || ReedSolomonDecoder::new(k, m, segment.shard_bytes()).expect(LAYOUT);
        self.decoder.get_or_insert_with(fresh)
    }
}
