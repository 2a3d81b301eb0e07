//! [`Peers`]: a node's neighbours, which of them are in its mesh, and what they do not want.

use std::time::Duration;

use super::config::GossipsubConfig;
use crate::contenders::links::Links;
use crate::machine::LinkId;

/// A pruned link is not grafted again for so long.
const BACKOFF: Duration = Duration::from_secs(60);
/// Heartbeats for which a node remembers what a neighbour does not want.
const UNWANTED_BEATS: u8 = 3;
/// Links outside the mesh that hear what a node has: D_lazy, or this share of them.
const LAZY: usize = 6;
const LAZY_SHARE: f64 = 0.25;

#[derive(Debug, Default)]
struct Peer {
    outbound: bool,
    is_in_mesh: bool,
    backoff_until: Duration,
    /// Messages that the neighbour has, and the heartbeats for which to remember that.
    unwanted: Vec<(u32, u8)>,
}

/// What a mesh wants to change.
#[derive(PartialEq, Eq, Default, Debug)]
pub(super) struct Changes {
    pub(super) grafted: Vec<LinkId>,
    pub(super) pruned: Vec<LinkId>,
}

#[derive(Debug)]
pub(super) struct Peers {
    config: GossipsubConfig,
    links: Links<Peer>,
}

impl Peers {
    pub(super) fn new(config: GossipsubConfig) -> Self {
        Peers {
            config,
            links: Links::default(),
        }
    }

    pub(super) fn add(&mut self, link: LinkId, outbound: bool) {
        let peer = Peer {
            outbound,
            ..Peer::default()
        };
        self.links.push(link, peer);
    }

    pub(super) fn remove(&mut self, link: LinkId) {
        self.links.remove(link);
    }

    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// The links of the mesh over which a message goes on.
    pub(super) fn mesh_without(&self, from: Option<LinkId>) -> impl Iterator<Item = LinkId> {
        let mesh = self.links.iter().filter(|(_, peer)| peer.is_in_mesh);
        mesh.map(|(link, _)| link)
            .filter(move |link| Some(*link) != from)
    }

    /// Some links outside the mesh.
    pub(super) fn lazy(&self, rng: &mut fastrand::Rng) -> Vec<LinkId> {
        let others = self.links.iter().filter(|(_, peer)| !peer.is_in_mesh);
        let mut others: Vec<LinkId> = others.map(|(link, _)| link).collect();
        rng.shuffle(&mut others);
        others.truncate(LAZY.max((others.len() as f64 * LAZY_SHARE) as usize));
        others
    }

    /// A neighbour took this link into its mesh. Whether ours takes it too.
    pub(super) fn handle_graft(&mut self, now: Duration, link: LinkId) -> bool {
        let is_full = self.mesh_without(None).count() >= self.config.mesh_max;
        let Some(peer) = self.links.get_mut(link) else {
            return false;
        };
        if peer.is_in_mesh {
            return true;
        }
        peer.is_in_mesh = peer.backoff_until <= now && (!is_full || peer.outbound);
        if !peer.is_in_mesh {
            peer.backoff_until = now + BACKOFF;
        }
        peer.is_in_mesh
    }

    /// A neighbour took it out of its own.
    pub(super) fn handle_prune(&mut self, now: Duration, link: LinkId) {
        if let Some(peer) = self.links.get_mut(link) {
            peer.is_in_mesh = false;
            peer.backoff_until = now + BACKOFF;
        }
    }

    /// Brings the mesh to its size when it is too small or too large.
    pub(super) fn balance(&mut self, now: Duration, rng: &mut fastrand::Rng) -> Changes {
        let config = self.config;
        let mut changes = Changes::default();
        let mut mesh: Vec<LinkId> = self.mesh_without(None).collect();
        if mesh.len() < config.mesh_min {
            let others = self.links.iter();
            let free = others.filter(|(_, peer)| !peer.is_in_mesh && peer.backoff_until <= now);
            let mut free: Vec<LinkId> = free.map(|(link, _)| link).collect();
            rng.shuffle(&mut free);
            free.truncate(config.mesh - mesh.len());
            changes.grafted = free;
        } else if mesh.len() > config.mesh_max {
            rng.shuffle(&mut mesh);
            changes.pruned = mesh.split_off(config.mesh);
        }
        for link in &changes.grafted {
            self.links.get_mut(*link).expect("a free link").is_in_mesh = true;
        }
        for link in &changes.pruned {
            self.handle_prune(now, *link);
        }
        changes
    }

    /// A neighbour has this message.
    pub(super) fn set_unwanted(&mut self, link: LinkId, id: u32) {
        if let Some(peer) = self.links.get_mut(link) {
            peer.unwanted.push((id, UNWANTED_BEATS));
        }
    }

    pub(super) fn is_unwanted(&self, link: LinkId, id: u32) -> bool {
        let peer = self.links.get(link);
        peer.is_some_and(|peer| peer.unwanted.iter().any(|(unwanted, _)| *unwanted == id))
    }

    /// A heartbeat is over: forgets what was unwanted long ago.
    pub(super) fn forget_unwanted(&mut self) {
        for (_, peer) in self.links.iter_mut() {
            peer.unwanted.retain_mut(|(_, beats)| {
                *beats -= 1;
                *beats > 0
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(count: u32) -> Peers {
        let mut peers = Peers::new(GossipsubConfig::V1_2);
        for link in 0..count {
            peers.add(LinkId(link), false);
        }
        peers
    }

    #[test]
    fn a_mesh_below_its_least_grows_to_its_size_and_one_above_its_most_shrinks_to_it() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut peers = peers(20);
        let changes = peers.balance(Duration::ZERO, &mut rng);
        assert_eq!(changes.grafted.len(), 8);
        let others: Vec<LinkId> = peers.lazy(&mut rng);
        assert_eq!(others.len(), 6, "of twelve");
        for link in &others[..4] {
            assert!(peers.handle_graft(Duration::ZERO, *link));
        }
        let twelve = peers.balance(Duration::ZERO, &mut rng);
        assert_eq!(twelve, Changes::default(), "twelve are not too many");
        let refused = !peers.handle_graft(Duration::ZERO, others[4]);
        assert!(refused, "a full mesh takes nobody who came by itself");
        peers.add(LinkId(99), true);
        assert!(peers.handle_graft(Duration::ZERO, LinkId(99)));
        let changes = peers.balance(Duration::ZERO, &mut rng);
        assert_eq!(changes.pruned.len(), 5);
        let again = peers.handle_graft(BACKOFF - Duration::from_nanos(1), changes.pruned[0]);
        assert!(!again, "a pruned link rests");
    }

    #[test]
    fn what_is_unwanted_is_remembered_for_three_heartbeats() {
        let mut peers = peers(2);
        peers.set_unwanted(LinkId(0), 5);
        for _ in 0..UNWANTED_BEATS {
            assert!(peers.is_unwanted(LinkId(0), 5) && !peers.is_unwanted(LinkId(1), 5));
            peers.forget_unwanted();
        }
        assert!(!peers.is_unwanted(LinkId(0), 5));
    }
}
