//! Discovery: whom to dial, learned from peers. Pure.
