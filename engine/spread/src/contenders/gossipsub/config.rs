//! [`GossipsubConfig`]: the figures in which versions and networks differ.

/// How large a mesh is, and how much of it is announced instead of pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GossipsubConfig {
    /// Links that a mesh should have: D.
    pub mesh: usize,
    /// With fewer than this it takes more: D_lo.
    pub mesh_min: usize,
    /// With more than this it gives some up: D_hi.
    pub mesh_max: usize,
    /// Of [`mesh`](Self::mesh) links, how many hear of a message before they get it: D_announce. 0: version 1.2.
    pub announced: usize,
}

impl GossipsubConfig {
    /// Version 1.2 as Ethereum runs it.
    pub const V1_2: Self = GossipsubConfig {
        mesh: 8,
        mesh_min: 6,
        mesh_max: 12,
        announced: 0,
    };

    /// Version 2.0 that announces as much as it can: to all but one.
    pub const V2_0: Self = GossipsubConfig {
        announced: 7,
        ..Self::V1_2
    };

    /// Version 2.0 with the defaults of libp2p: 4 of 6.
    pub const V2_0_DEFAULT: Self = GossipsubConfig {
        mesh: 6,
        mesh_min: 5,
        mesh_max: 12,
        announced: 4,
    };
}
