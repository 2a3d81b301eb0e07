//! [`Pbbt`]: how Celestia spreads blocks: pull based broadcast trees.
//!
//! ```text
//!  A ──CompactBlock──▶ B ──CompactBlock──▶ C        flooded: hashes of all parts, signed
//!  A ──HaveParts─────▶ B ──HaveParts─────▶ C        B passes it on as soon as it has asked A …
//!  A ◀─WantParts────── B ◀─WantParts────── C
//!  A ──RecoveryPart──▶ B ──RecoveryPart──▶ C        … and keeps C's request until the part is there
//! ```
//! | rule | value |
//! |---|---|
//! | a block is k parts of 64 KiB and k of parity; k of these 2k give the block, and who has it has all parts | |
//! | the proposer offers the parity parts, shared out among its peers, each to one; the first and the last part to all | redundancy 1 |
//! | who knows of a part that it misses asks the first who offers it; at one time, of one peer | ⌈k ÷ ⌈0.33 × peers⌉⌉ parts |
//! | a part is asked of so many peers | ⌈max(1, 34 ÷ 2k)⌉ |
//! | who has asked for parts offers them to all others at once; nobody is offered a part twice by the same peer | |
//! | a request says how many parts are still missing; the peer sends no more than that | |
//! | a block that is not there is asked for again, data parts only, of peers that have it whole, or, where none is known, of any | 2.5 s |
//! | a new peer is sent the newest compact block | |
//!
//! Source: `consensus/propagation` of celestia-core and celestia-app's `specs/src/recovery.md` (CIP-38). Requests overtake
//! (channel 0x51); all else waits in one line (channel 0x50), which the specification wants, so that a busy link's offers come late.
//! Left out: coding, which costs no time here; parts that are put together from transactions of the mempool, and so
//! the names of transactions in the compact block; rounds and heights, so blocks that overlap do not hold each other up.

mod block;
mod message;
mod part_set;
#[expect(
    clippy::module_inception,
    reason = "the node that speaks PBBT is the room's noun"
)]
mod pbbt;

pub use pbbt::Pbbt;
