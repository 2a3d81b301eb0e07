//! What a running node says of itself: one JSON object, of plain names and SI units.

use std::collections::BTreeMap;
use std::process;
use std::time::Instant;

use ringwire::conn::ConnectionStatus;
use ringwire::handle::{Handle, ShardStatus};
use ringwire::peer::{Direction, Framing, PeerInfo, ShardId};
use ringwire::pex::Pex;
use serde_json::{Map, Value, json};

use super::{figures, named};
use crate::node::Node;

/// Makes the report, on whatever thread.
pub(super) struct Reporter {
    handle: Handle,
    /// What does not change while the node runs.
    node: Map<String, Value>,
    since: Instant,
}

impl Reporter {
    /// A reporter of `node`, which has just started.
    pub(super) fn new(node: &Node) -> Self {
        let (handle, config) = (node.handle(), node.config());
        let facts = [
            ("id", json!(handle.node_id().to_string())),
            ("moniker", json!(config.moniker)),
            ("network", json!(config.network)),
            ("version", json!(config.version)),
            ("listen_addr", json!(handle.listen_addr().to_string())),
            ("address", json!(node.public_address())),
            ("pex", json!(config.pex)),
            ("seed_mode", json!(config.seed_mode)),
            ("shards", json!(handle.shard_count())),
            ("process", json!(process::id())),
        ];
        Reporter {
            handle,
            node: facts
                .map(|(name, fact)| (name.to_owned(), fact))
                .into_iter()
                .collect(),
            since: Instant::now(),
        }
    }

    /// The node as of now.
    pub(super) fn report(&self) -> Value {
        let shards = self.handle.status_blocking();
        let mut node = self.node.clone();
        let uptime = self.since.elapsed().as_secs_f64();
        node.insert(String::from("uptime_seconds"), json!(uptime));
        let peers = shards.iter().flat_map(|shard| {
            let home = shard.shard;
            shard.peers.iter().map(move |peer| (home, peer))
        });
        json!({
            "running": true,
            "node": node,
            "peers": peers.map(|(shard, (info, link))| peer(shard, info, link)).collect::<Vec<_>>(),
            "named_peers": named::named_peers(&self.handle),
            "bans": named::bans(&self.handle),
            "counters": figures::counters(&shards),
            "reactors": reactors(&shards),
            "address_book": self.address_book(),
        })
    }

    /// The book as its file would have it; null if the node has none.
    fn address_book(&self) -> Value {
        let file = self.handle.inspect_blocking(Pex::NAME).unwrap_or_default();
        serde_json::from_slice(&file).unwrap_or_default()
    }
}

fn peer(shard: ShardId, info: &PeerInfo, link: &ConnectionStatus) -> Value {
    let mut peer = json!({
        "id": info.id.to_string(),
        "moniker": info.node_info.moniker,
        "version": info.node_info.version,
        "address": info.remote_addr.to_string(),
        "listen_addr": info.node_info.listen_addr,
        "direction": match info.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        },
        "persistent": info.persistent,
        "framing": match info.framing {
            Framing::Wide => "wide",
            Framing::Comet => "comet",
        },
        "shard": shard.0,
    });
    if let Value::Object(peer) = &mut peer {
        peer.extend(figures::of_connection(link));
    }
    peer
}

/// The figures that reactors show, by reactor, all shards together.
fn reactors(shards: &[ShardStatus]) -> BTreeMap<&str, BTreeMap<&'static str, u64>> {
    let mut reactors: BTreeMap<&str, BTreeMap<_, _>> = BTreeMap::new();
    for (name, figures) in shards.iter().flat_map(|shard| &shard.reactors) {
        let sums = reactors.entry(name).or_default();
        for (figure, value) in figures {
            *sums.entry(*figure).or_default() += value;
        }
    }
    reactors
}
