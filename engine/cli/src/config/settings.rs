//! The keys of `config.toml`, one row each: where it stands, what it means, how it is read and how
//! it is written. The file reader and the documented default file both walk this table.

use toml::de::DeValue;

use super::NodeConfig;
use super::kind::{
    addresses, count, flag, ids, optional_text, payload, pin, private_ids, quoted, rate, spread,
    text, time, way,
};
use super::lists;
use super::weak::Read;

/// The section of a key: the top of the file.
pub(super) const TOP: &str = "";
/// CometBFT's section.
pub(super) const P2P: &str = "p2p";
/// Our own section.
pub(super) const RINGWIRE: &str = "ringwire";

/// One key.
pub(crate) struct Setting {
    /// Section it stands in.
    pub(super) section: &'static str,
    /// Its name.
    pub(super) key: &'static str,
    /// What it means, with its unit; a line each.
    pub(super) about: &'static [&'static str],
    /// Takes the value over, or says what it should have been. What comes back is what was odd about
    /// it: sentences that go on from the name of the key.
    pub(super) read: fn(&mut NodeConfig, &DeValue<'_>) -> Result<Vec<String>, String>,
    /// The value as TOML.
    pub(crate) show: fn(&NodeConfig) -> String,
}

impl Setting {
    /// The key with its section, as errors name it: `p2p.laddr`, `moniker`.
    pub(crate) fn path(&self) -> String {
        path(self.section, self.key)
    }
}

/// A key with its section.
pub(super) fn path(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

// `in` names the part of the configuration that has the key's field; without it, the program's own.
macro_rules! settings {
    ($($section:ident $key:ident: $kind:ident $(in $($part:ident).+)? => $($about:literal)+;)+) => {
        &[$(Setting {
            section: $section,
            key: stringify!($key),
            about: &[$($about),+],
            read: |config, value| {
                let Read { value, notes } = $kind::read(value)?;
                config$($(.$part)+)?.$key = value;
                Ok(notes)
            },
            show: |config| $kind::show(&config$($(.$part)+)?.$key),
        }),+]
    };
}

/// Every key, in the order of the file. `laddr` is the one whose field has another name.
pub(crate) fn all() -> impl Iterator<Item = &'static Setting> {
    NAMES.iter().chain(std::iter::once(&LADDR)).chain(SECTIONS)
}

const NAMES: &[Setting] = settings! {
    TOP moniker: text in engine => "Name of the node for humans, printable ASCII.";
    TOP genesis_file: text =>
        "File whose chain_id names the network when [ringwire] does not, relative to the home.";
    TOP node_key_file: text => "File of the key that gives the node its id, relative to the home.";
};

static LADDR: Setting = Setting {
    section: P2P,
    key: "laddr",
    about: &[
        "Addresses to listen on, comma-separated or a list: tcp://IP:PORT, tcp://NAME:PORT or unix:///PATH.",
        "A name is looked up at the start; port 0 takes any free port.",
    ],
    read: |config, value| {
        let Read { value, notes } = lists::listen_addrs(value)?;
        config.engine.listen_addrs = value;
        Ok(notes)
    },
    show: |config| quoted(&config.engine.listen_text()),
};

const SECTIONS: &[Setting] = settings! {
    P2P external_address: optional_text in engine =>
        "Address that other nodes are told to dial, host:port. Empty: laddr.";
    P2P seeds: addresses in engine.discovery =>
        "Nodes to ask for addresses when nobody else can be asked, ID@host:port, comma-separated or a list.";
    P2P persistent_peers: addresses in engine =>
        "Peers to stay connected to, ID@host:port, comma-separated or a list.";
    P2P pex: flag in engine.discovery => "Whether to exchange addresses with peers and to dial what they tell.";
    P2P seed_mode: flag in engine.discovery =>
        "Whether this node is a seed: it crawls the network, answers who asks, and hangs up.";
    P2P addr_book_file: text => "File of the address book, relative to the node's home.";
    P2P addr_book_strict: flag in engine.discovery =>
        "Whether to refuse addresses that are not routable over the internet."
        "false for a network on private or loopback addresses.";
    P2P private_peer_ids: private_ids in engine.discovery => "Ids that are never told to other nodes, comma-separated or a list.";
    P2P unconditional_peer_ids: ids in engine =>
        "Ids of peers that the limits of peers do not count, comma-separated or a list.";
    P2P max_num_inbound_peers: count in engine => "Peers that may have dialed us, at most.";
    P2P max_num_outbound_peers: count in engine =>
        "Peers that we dial of our own accord, at most; persistent ones not counted.";
    P2P persistent_peers_max_dial_period: time in engine =>
        "Longest pause between two attempts to reach a persistent peer, without a random part of at"
        "most 3s. It is dialed for as long as the node runs. 0s: an hour.";
    P2P max_packet_msg_payload_size: payload in engine =>
        "Payload of the largest packet, bytes. CometBFT nodes refuse packets over their own limit,"
        "so all nodes of a network should agree. At most 64000 are sent, whatever is accepted.";
    P2P send_rate: rate in engine => "Bytes per second sent to one peer at most. 0: no limit.";
    P2P recv_rate: rate in engine => "Bytes per second received from one peer at most. 0: no limit.";
    P2P allow_duplicate_ip: flag in engine => "Whether several peers may share an IP address.";
    P2P handshake_timeout: time in engine =>
        "Time for the whole handshake: the secret connection and the exchange of NodeInfo.";
    P2P dial_timeout: time in engine => "Time for resolving a name and connecting.";
    RINGWIRE network: text in engine =>
        "Name of the network (chain id): only nodes of one network talk to each other."
        "CometBFT keeps it in genesis.json; take this line out to use the chain_id from there.";
    RINGWIRE shards: count in engine =>
        "Threads that carry the traffic. 0: one per usable core.";
    RINGWIRE transport: way in engine =>
        "How the bytes of connections are moved: \"io_uring\", \"readiness\" (epoll, which is"
        "allowed everywhere), or \"auto\": io_uring where this machine lets us, readiness where it does not.";
    RINGWIRE pin_shards: pin in engine =>
        "Whether each shard stays on a core of its own: \"auto\" only when there are as many shards as"
        "usable cores, \"on\" also when there are fewer (for a machine or cpuset of this node alone),"
        "\"off\" never.";
    RINGWIRE busy_poll: time in engine =>
        "How long an idle shard spins for the next event before it sleeps, at most 1ms."
        "0s: never. It shrinks by itself when spinning does not pay.";
    RINGWIRE wide_records: flag in engine =>
        "Whether to offer the faster record layer to peers that speak it.";
    RINGWIRE wide_record_bytes_max: count in engine =>
        "Plaintext of the largest wide record to accept, bytes, 4096 to 66560.";
    RINGWIRE recv_budget_bytes: count in engine =>
        "Received bytes held for all peers together: messages that are not whole or not taken."
        "Shared out over the shards. Beyond it only peers that hold little are read.";
    RINGWIRE send_budget_bytes: count in engine =>
        "Memory of the messages that wait to be sent to all peers together, bytes, shared out over the"
        "shards. Beyond half of it only peers for which little waits take more.";
    RINGWIRE ping_interval: time in engine => "Pause between two pings to a peer.";
    RINGWIRE pong_timeout: time in engine =>
        "Time a peer has to answer a ping; shorter than ping_interval.";
    RINGWIRE max_num_handshakes: count in engine => "Inbound connections that may be shaking hands at once.";
    RINGWIRE max_num_handshakes_per_ip: count in engine =>
        "Of these, from one IP address at most. 0: no limit of its own.";
    RINGWIRE max_num_peers_per_ip: count in engine =>
        "Peers at one IP address at most, where allow_duplicate_ip lets them share one. 0: no limit.";
    RINGWIRE max_num_peers_per_subnet: count in engine =>
        "Inbound peers of one subnet (IPv4 /24, IPv6 /48) at most. 0: no limit.";
    RINGWIRE pex_interval: time in engine.discovery =>
        "Pause between two looks at whether there are enough outbound peers.";
    RINGWIRE seed_disconnect_wait: time in engine.discovery =>
        "How long a seed stays connected to a peer that does not ask for addresses.";
    RINGWIRE gossip: spread =>
        "How the lines of `ringwire start` spread: \"feeds\", by which each comes to a node about once, or"
        "\"flood\", by which every peer sends it; that is how Ringwire did it before it had feeds. All"
        "nodes of a network do the same, but for \"mixed\": feeds, with a bridge to peers that only flood. This and the next keys are for the program's own gossip;"
        "an application that embeds the engine brings its own.";
    RINGWIRE gossip_budget_bytes: count =>
        "With \"flood\": memory for gossip that waits for peers, all of them together, bytes. A peer that brings more"
        "than its share of it is read less.";
    RINGWIRE gossip_backlog_bytes_max: count =>
        "Gossip that may wait for one peer, bytes; a peer that falls further behind, while others keep"
        "up, is stopped.";
    RINGWIRE gossip_seen_max: count =>
        "Ids of gossiped messages that a shard remembers, of all peers; about 100 bytes each.";
    RINGWIRE gossip_seen_span: time =>
        "How long an id of a gossiped message is remembered, unless there are too many.";
    RINGWIRE dial_jitter: time in engine =>
        "Longest random pause before dialing, so that nodes started together do not collide.";
    RINGWIRE log: text =>
        "What is logged, unless --log or RUST_LOG says so: a level (error, warn, info, debug, trace, off)"
        "or a filter like \"info,ringwire::switch=debug\". Empty: what the command logs by itself.";
};
