//! Where the nodes of a world are, what leads from one to another, and who is cut off from whom.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use ringwire_codec::NodeId;

use crate::node::{AddressPlan, PORT, lan_ip};
use crate::profile::LinkProfile;

/// The map of a world.
pub(super) struct Geography {
    /// Where nodes listen, by number.
    addresses: AddressPlan,
    /// The nodes that were added, by where they listen and by id.
    by_ip: BTreeMap<IpAddr, u32>,
    by_id: BTreeMap<NodeId, u32>,
    /// The nodes that have a host name.
    names: BTreeMap<String, u32>,
    /// The address that others see of a node behind a shared one.
    seen_at: BTreeMap<u32, IpAddr>,
    profile: LinkProfile,
    profiles: BTreeMap<(u32, u32), LinkProfile>,
    /// Group of each node while the network is partitioned.
    groups: BTreeMap<u32, usize>,
}

impl Geography {
    /// An empty room: nodes live at 10.0.0.1 and up, on LAN links.
    pub(super) fn new() -> Self {
        Geography {
            addresses: Rc::new(lan_ip),
            by_ip: BTreeMap::new(),
            by_id: BTreeMap::new(),
            names: BTreeMap::new(),
            seen_at: BTreeMap::new(),
            profile: LinkProfile::lan(),
            profiles: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// Lets nodes live where this plan says.
    pub(super) fn set_addresses(&mut self, addresses: AddressPlan) {
        self.addresses = addresses;
    }

    /// Lets a host name lead to a node.
    pub(super) fn set_name(&mut self, name: &str, node: u32) {
        self.names.insert(String::from(name), node);
    }

    /// Lets others see a node at another address.
    pub(super) fn put_behind(&mut self, node: u32, ip: IpAddr) {
        self.seen_at.insert(node, ip);
    }

    /// A node has come.
    ///
    /// # Panics
    /// When another node has its address.
    pub(super) fn add(&mut self, number: u32, id: NodeId) {
        let former = self.by_ip.insert((self.addresses)(number), number);
        assert!(former.is_none(), "an address belongs to one node");
        self.by_id.insert(id, number);
    }

    /// The node of an id, if it has come.
    pub(super) fn number_of(&self, id: NodeId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// The node at an address, if it has come.
    pub(super) fn number_at(&self, ip: &IpAddr) -> Option<u32> {
        self.by_ip.get(ip).copied()
    }

    /// The node that a host name leads to.
    pub(super) fn number_named(&self, name: &str) -> Option<u32> {
        self.names.get(name).copied()
    }

    /// Where a node listens.
    pub(super) fn socket_addr_of(&self, number: u32) -> SocketAddr {
        SocketAddr::new((self.addresses)(number), PORT)
    }

    /// From where a node's connections seem to come.
    pub(super) fn ip_seen(&self, number: u32) -> IpAddr {
        let seen = self.seen_at.get(&number).copied();
        seen.unwrap_or_else(|| (self.addresses)(number))
    }

    /// Gives links made from now on this profile.
    pub(super) fn set_profile(&mut self, profile: LinkProfile) {
        self.profile = profile;
    }

    /// Gives links between two nodes a profile of their own.
    pub(super) fn set_profile_between(&mut self, a: u32, b: u32, profile: LinkProfile) {
        self.profiles.insert((a.min(b), a.max(b)), profile);
    }

    /// The profile of links between two nodes.
    pub(super) fn profile_between(&self, a: u32, b: u32) -> LinkProfile {
        let own = self.profiles.get(&(a.min(b), a.max(b)));
        own.copied().unwrap_or(self.profile)
    }

    /// Divides the nodes into groups that do not reach each other; who is in none reaches everybody.
    pub(super) fn divide(&mut self, groups: &[Vec<u32>]) {
        let members = groups.iter().enumerate();
        self.groups = members
            .flat_map(|(group, nodes)| nodes.iter().map(move |n| (*n, group)))
            .collect();
    }

    /// Whether a partition lies between two nodes.
    pub(super) fn is_cut_off(&self, a: u32, b: u32) -> bool {
        match (self.groups.get(&a), self.groups.get(&b)) {
            (Some(left), Some(right)) => left != right,
            _ => false,
        }
    }
}
