//! [`Change`]: one thing that an operator changes of a running node.

use ringwire_codec::{NetAddress, NodeId};

use super::Config;

/// One change of what a running node goes by.
///
/// A change says how things are to be, so one that is made twice is made once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Keep a peer connected for good, or at another address than before. It is dialed at once.
    AddPersistentPeer(NetAddress),
    /// Keep a peer no longer. If it is connected it stays until it goes; it is not dialed again.
    RemovePersistentPeer(NodeId),
    /// One more node to ask for addresses, or one at another address.
    AddSeed(NetAddress),
    /// Ask this node for addresses no longer.
    RemoveSeed(NodeId),
    /// Tell nobody the address of a node. Who was told before knows it.
    AddPrivateId(NodeId),
    /// The address of a node is no secret any more.
    RemovePrivateId(NodeId),
    /// Let a node pass the limits of peers; if it is connected, it is no longer counted.
    AddUnconditionalId(NodeId),
    /// Count a node as any other; if it is connected, it stays.
    RemoveUnconditionalId(NodeId),
    /// Inbound peers at most. Nobody is hung up on: there are fewer when some have gone.
    MaxInboundPeers(usize),
    /// Outbound peers at most that discovery dials. Nobody is hung up on.
    MaxOutboundPeers(usize),
    /// Bytes per second to each peer; zero means no limit. Connections that stand keep to it as well.
    SendRate(u64),
    /// Bytes per second from each peer; zero means no limit. Connections that stand keep to it as well.
    RecvRate(u64),
    /// Everything that can change while a node runs, as it is in this configuration; what cannot is
    /// passed over ([`Config::differences`] tells which).
    Live(Box<Config>),
}

impl Change {
    /// Makes the change in a configuration, whose rules are checked by others.
    pub fn make(&self, config: &mut Config) {
        match self {
            Change::AddPersistentPeer(address) => add(&mut config.persistent_peers, address),
            Change::RemovePersistentPeer(id) => remove(&mut config.persistent_peers, id),
            Change::AddSeed(address) => add(&mut config.discovery.seeds, address),
            Change::RemoveSeed(id) => remove(&mut config.discovery.seeds, id),
            Change::AddPrivateId(id) => add_id(&mut config.discovery.private_peer_ids, *id),
            Change::RemovePrivateId(id) => {
                config.discovery.private_peer_ids.retain(|it| it != id);
            }
            Change::AddUnconditionalId(id) => add_id(&mut config.unconditional_peer_ids, *id),
            Change::RemoveUnconditionalId(id) => {
                config.unconditional_peer_ids.retain(|it| it != id);
            }
            Change::MaxInboundPeers(peers) => config.max_num_inbound_peers = *peers,
            Change::MaxOutboundPeers(peers) => config.max_num_outbound_peers = *peers,
            Change::SendRate(rate) => config.send_rate = *rate,
            Change::RecvRate(rate) => config.recv_rate = *rate,
            Change::Live(other) => config.take_live(other),
        }
    }

    /// The node that is to be connected to, and the setting it is to stand in.
    pub(crate) fn named(&self) -> Option<(&'static str, NodeId)> {
        match self {
            Change::AddPersistentPeer(address) => Some(("p2p.persistent_peers", address.id)),
            Change::AddSeed(address) => Some(("p2p.seeds", address.id)),
            _ => None,
        }
    }
}

/// One address per node: the newest.
fn add(list: &mut Vec<NetAddress>, address: &NetAddress) {
    match list.iter_mut().find(|it| it.id == address.id) {
        Some(known) => known.clone_from(address),
        None => list.push(address.clone()),
    }
}

fn remove(list: &mut Vec<NetAddress>, id: &NodeId) {
    list.retain(|address| address.id != *id);
}

fn add_id(list: &mut Vec<NodeId>, id: NodeId) {
    if !list.contains(&id) {
        list.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(byte: u8, port: u16) -> NetAddress {
        NetAddress::from_ip(id(byte), [10, 0, 0, byte].into(), port)
    }

    fn id(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 20])
    }

    fn after(changes: &[Change]) -> Config {
        let mut config = Config::default();
        changes.iter().for_each(|change| change.make(&mut config));
        config
    }

    #[test]
    fn a_change_that_is_made_twice_is_made_once_and_the_newest_address_holds() {
        let config = after(&[
            Change::AddPersistentPeer(address(1, 1)),
            Change::AddPersistentPeer(address(2, 1)),
            Change::AddPersistentPeer(address(1, 9)),
            Change::AddSeed(address(3, 1)),
            Change::AddSeed(address(3, 1)),
            Change::AddPrivateId(id(4)),
            Change::AddPrivateId(id(4)),
            Change::AddUnconditionalId(id(5)),
            Change::AddUnconditionalId(id(5)),
        ]);
        assert_eq!(config.persistent_peers, [address(1, 9), address(2, 1)]);
        assert_eq!(config.discovery.seeds, [address(3, 1)]);
        assert_eq!(config.discovery.private_peer_ids, [id(4)]);
        assert_eq!(config.unconditional_peer_ids, [id(5)]);
    }

    #[test]
    fn what_was_added_can_be_removed_and_leaves_nothing() {
        let config = after(&[
            Change::AddPersistentPeer(address(1, 1)),
            Change::RemovePersistentPeer(id(1)),
            Change::AddSeed(address(2, 1)),
            Change::RemoveSeed(id(2)),
            Change::AddPrivateId(id(3)),
            Change::RemovePrivateId(id(3)),
            Change::AddUnconditionalId(id(4)),
            Change::RemoveUnconditionalId(id(4)),
            Change::RemoveUnconditionalId(id(4)),
        ]);
        assert_eq!(config, Config::default());
    }

    #[test]
    fn limits_and_rates_are_set_and_a_whole_configuration_brings_what_is_live_in_it() {
        let limits = [
            Change::MaxInboundPeers(1),
            Change::MaxOutboundPeers(2),
            Change::SendRate(3),
            Change::RecvRate(4),
        ];
        let mut whole = after(&limits);
        assert_eq!(
            (whole.max_num_inbound_peers, whole.max_num_outbound_peers),
            (1, 2)
        );
        assert_eq!((whole.send_rate, whole.recv_rate), (3, 4));
        whole.network = String::from("another");
        let config = after(&[Change::Live(Box::new(whole))]);
        assert_eq!(config, after(&limits), "the network stays");
    }
}
