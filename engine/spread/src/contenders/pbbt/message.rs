//! [`PbbtMessage`]: what neighbours say to each other.

use super::block::PART_BYTES;
use super::part_set::PartSet;
use crate::contenders::protobuf::{field, number, varint};
use crate::machine::{Message, Payload, Priority, Size};

const HASH_BYTES: u32 = 32;
const SIGNATURE_BYTES: u32 = 64;
/// A block's height, a number with its tag: some millions. The round is 0, which protobuf leaves out.
const HEIGHT_BYTES: u32 = 5;
/// Proposals before this one, none: −1 takes ten bytes. A time: seconds and nanoseconds. A kind.
const POL_ROUND_BYTES: u32 = 11;
const TIME_BYTES: u32 = 13;
const KIND_BYTES: u32 = 2;

/// A message of the propagation reactor.
#[derive(Clone, Debug)]
pub enum PbbtMessage {
    /// A block is proposed; these are its parts.
    CompactBlock(Payload),
    /// The sender has these parts, or will.
    HaveParts {
        /// The block's [`Payload::id`].
        block: u32,
        /// Which parts.
        parts: PartSet,
    },
    /// The sender asks for these parts.
    WantParts {
        /// The block's [`Payload::id`].
        block: u32,
        /// Which parts.
        parts: PartSet,
        /// So many are enough.
        missing: u32,
        /// With proofs: the sender may not have the compact block.
        prove: bool,
    },
    /// A part.
    RecoveryPart {
        /// The block.
        block: Payload,
        /// Which part.
        part: u32,
        /// Whether the way in the hash tree comes with it.
        has_proof: bool,
    },
}

impl Message for PbbtMessage {
    fn size(&self) -> Size {
        match self {
            PbbtMessage::CompactBlock(block) => Size::control(compact_block_bytes(block)),
            PbbtMessage::HaveParts { parts, .. } => {
                let part = |part| field(number(u64::from(part)) + field(HASH_BYTES));
                let parts: u32 = parts.iter().map(part).sum();
                Size::control(field(HEIGHT_BYTES + parts))
            }
            PbbtMessage::WantParts {
                parts,
                missing,
                prove,
                ..
            } => {
                let words: u32 = parts.words().iter().map(|word| varint(*word)).sum();
                let bits = number(64 * parts.words().len() as u64) + field(words);
                let ends = number(u64::from(*prove)) + number(u64::from(*missing));
                Size::control(field(field(bits) + HEIGHT_BYTES + ends))
            }
            PbbtMessage::RecoveryPart {
                block,
                part,
                has_proof,
            } => part_size(block, *part, *has_proof),
        }
    }

    fn priority(&self) -> Priority {
        match self {
            PbbtMessage::WantParts { .. } => Priority::High,
            _ => Priority::Low,
        }
    }
}

/// Data parts of a block: k. As many parity parts follow them.
pub(super) fn data_parts(block: &Payload) -> u32 {
    block.bytes.div_ceil(PART_BYTES)
}

/// Data parts are full but the last; parity parts are full.
fn part_bytes(block: &Payload, part: u32) -> u32 {
    if part + 1 == data_parts(block) {
        block.bytes - part * PART_BYTES
    } else {
        PART_BYTES
    }
}

fn part_size(block: &Payload, part: u32, has_proof: bool) -> Size {
    let bytes = part_bytes(block, part);
    let index = number(u64::from(part));
    let proof = if has_proof {
        let leaves = data_parts(block);
        let aunts = leaves.next_power_of_two().trailing_zeros() + 1;
        field(number(u64::from(leaves)) + index + aunts * field(HASH_BYTES))
    } else {
        0
    };
    Size {
        payload: Some((block.id, bytes)),
        control_bytes: field(HEIGHT_BYTES + index + field(bytes) + proof) - bytes,
    }
}

fn compact_block_bytes(block: &Payload) -> u32 {
    let data_parts = data_parts(block);
    let part_set = number(u64::from(data_parts)) + field(HASH_BYTES);
    let block_id = field(HASH_BYTES) + field(part_set);
    let signature = field(SIGNATURE_BYTES);
    let proposal =
        KIND_BYTES + HEIGHT_BYTES + POL_ROUND_BYTES + field(block_id) + TIME_BYTES + signature;
    let last_length = number(u64::from(part_bytes(block, data_parts - 1)));
    let hashes = field(HASH_BYTES) + 2 * data_parts * field(HASH_BYTES);
    field(field(proposal) + last_length + hashes + signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::NodeIndex;

    fn block(bytes: u32) -> Payload {
        Payload {
            id: 0,
            origin: NodeIndex(0),
            seq: 0,
            bytes,
        }
    }

    #[test]
    fn data_parts_add_up_to_the_block_and_parity_parts_are_full() {
        for bytes in [1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 4 << 20] {
            let block = block(bytes);
            let k = data_parts(&block);
            let sum: u32 = (0..k).map(|part| part_bytes(&block, part)).sum();
            assert_eq!(sum, bytes);
            assert!((k..2 * k).all(|part| part_bytes(&block, part) == PART_BYTES));
        }
    }

    #[test]
    fn the_hashes_of_a_block_of_128_mib_take_131_kb_and_more() {
        let bytes = PbbtMessage::CompactBlock(block(128 << 20)).size().bytes();
        // 2,048 parts and as many of parity, 32 bytes and two of protobuf for each.
        assert!((4096 * 34..4096 * 34 + 400).contains(&bytes), "{bytes}");
    }
}
