//! What a running node says of itself: one JSON object, of plain names and SI units.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::process;
use std::time::Instant;

use ringwire::Handle;
use ringwire::metrics::{ConnectionStatus, PeersCursor, PeersPage, ShardStatus};
use ringwire::peer::{Direction, Framing, NamedAs, PeerInfo, ShardId};
use ringwire_codec::NodeId;
use ringwire_core::pex::Pex;
use serde::Serialize;
use serde_json::value::RawValue;
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

/// What a question asks for beside the node and its peers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    /// The address book: up to several megabytes.
    pub(super) address_book: bool,
    /// Peers at most, those with the most traffic; all of them if nothing is said.
    pub(super) peers_max: Option<usize>,
}

/// The node as of now. Its address book stays the text that the engine made: a tree of it takes ten
/// times as much memory, which the process would keep.
#[derive(Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    node: Value,
    /// The book as its file would have it; null if the node has none, left out if nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    address_book: Option<Option<Box<RawValue>>>,
}

impl Reporter {
    /// A reporter of `node`, which has just started.
    pub(super) fn new(node: &Node) -> Self {
        let (handle, config) = (node.handle(), node.config());
        let listens: Vec<_> = handle
            .listen_addrs()
            .iter()
            .map(ToString::to_string)
            .collect();
        let facts = [
            ("id", json!(handle.node_id().to_string())),
            ("moniker", json!(config.engine.moniker)),
            ("network", json!(config.engine.network)),
            ("version", json!(config.engine.version)),
            ("listen_addr", json!(handle.listen_addr().to_string())),
            ("listen_addrs", json!(listens)),
            ("address", json!(node.public_address())),
            ("pex", json!(config.engine.discovery.pex)),
            ("seed_mode", json!(config.engine.discovery.seed_mode)),
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
    pub(super) fn report(&self, parts: Parts) -> Report {
        let shards = self.handle.counters_blocking();
        let peers = Peers::of(&self.handle, parts.peers_max);
        let mut node = self.node.clone();
        let uptime = self.since.elapsed().as_secs_f64();
        node.insert(String::from("uptime_seconds"), json!(uptime));
        let named = self.handle.named_peers_blocking();
        // As the operator names it now: it may have been named, or not, when it was admitted.
        let is_persistent = |id: &NodeId| {
            let mut named = named.iter();
            named.any(|it| it.address.id == *id && it.named_as == NamedAs::Persistent)
        };
        let shown = peers.shown.iter();
        let shown =
            shown.map(|(shard, info, link)| peer(*shard, info, link, is_persistent(&info.id)));
        let node = json!({
            "running": true,
            "node": node,
            "peers": shown.collect::<Vec<_>>(),
            "peer_counts": { "inbound": peers.inbound, "outbound": peers.outbound },
            "named_peers": named::named_peers(&named),
            "bans": named::bans(&self.handle),
            "counters": figures::counters(&shards),
            "reactors": reactors(&shards),
        });
        let book = || {
            self.handle
                .inspect_blocking(Pex::NAME)
                .and_then(on_one_line)
        };
        let address_book = parts.address_book.then(book);
        Report { node, address_book }
    }
}

/// Who is connected.
#[derive(Default)]
struct Peers {
    shown: Vec<(ShardId, PeerInfo, ConnectionStatus)>,
    inbound: usize,
    outbound: usize,
}

impl Peers {
    /// Looks at all peers, a page in each turn of their shard, and keeps `max` of them.
    fn of(handle: &Handle, max: Option<usize>) -> Self {
        let mut peers = Peers::default();
        let mut cursor = Some(PeersCursor::default());
        while let Some(from) = cursor {
            let PeersPage {
                shard,
                peers: page,
                next,
                ..
            } = handle.peers_page_blocking(from);
            for (info, _) in &page {
                *match info.direction {
                    Direction::Inbound => &mut peers.inbound,
                    Direction::Outbound => &mut peers.outbound,
                } += 1;
            }
            let page = page.into_iter().map(|(info, link)| (shard, info, link));
            peers.shown.extend(page);
            if let Some(max) = max
                && peers.shown.len() > max
            {
                let traffic = |link: &ConnectionStatus| {
                    link.counters.received_bytes + link.counters.sent_bytes
                };
                let shown = &mut peers.shown;
                shown.sort_by_key(|(_, info, link)| (Reverse(traffic(link)), info.id));
                shown.truncate(max);
            }
            cursor = next;
        }
        peers
    }
}

/// A document as a value of one line. None if it is not JSON, which the engine never makes.
fn on_one_line(mut document: Vec<u8>) -> Option<Box<RawValue>> {
    // Inside a text they are written as escapes, so these only lay it out.
    document.retain(|byte| !b"\n\t".contains(byte));
    RawValue::from_string(String::from_utf8(document).ok()?).ok()
}

fn peer(shard: ShardId, info: &PeerInfo, link: &ConnectionStatus, persistent: bool) -> Value {
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
        "persistent": persistent,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_goes_as_it_is_but_on_one_line() {
        let book = on_one_line(b"{\n\t\"key\": \"a\\n\\tb\",\n\t\"addrs\": []\n}".to_vec());
        let report = Report {
            node: json!({ "running": true }),
            address_book: Some(book),
        };
        let text = serde_json::to_string(&report).expect("JSON");
        let expected = r#"{"running":true,"address_book":{"key": "a\n\tb","addrs": []}}"#;
        assert_eq!(text, expected);
        assert!(on_one_line(b"{".to_vec()).is_none());
    }
}
