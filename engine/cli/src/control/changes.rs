//! Orders that change what the node goes by: its lists of nodes, its limits, its rates.
//!
//! Each answer says what holds now and for whom, beside the settings as the engine names them.

use ringwire::{Change, Changed, Handle};
use ringwire_codec::{NetAddress, NodeId};
use ringwire_core::config::effect_of;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::beginnings::one_that_begins;
use crate::reload::holds;

/// One entry more of a list, or one less.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Edit {
    /// `ID@HOST:PORT` of a node that is connected to; else an id, or the beginning of a connected
    /// peer's.
    Add(String),
    /// An id of the list, or the beginning of it.
    Remove(String),
}

/// A list that can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// Whom to keep connected.
    PersistentPeers,
    /// Whom to ask for addresses.
    Seeds,
    /// Whose address is told to nobody.
    PrivateIds,
    /// Who passes the limits.
    UnconditionalIds,
}

/// A whole configuration lacks nothing here, so this asks for it once.
const STOPPING: &str = "the node is stopping";

/// Adds to a list or takes from it.
///
/// # Errors
/// A sentence about an entry that makes no sense, or is not in the list.
pub(super) fn edit(handle: &Handle, list: List, edit: &Edit) -> Result<Value, String> {
    match edit {
        Edit::Add(entry) => list.add(handle, entry),
        Edit::Remove(entry) => list.remove(handle, entry),
    }
}

/// Sets limits of peers; those that are not given stay.
///
/// # Errors
/// A sentence about a limit that is none.
pub(super) fn limits(
    handle: &Handle,
    inbound: Option<usize>,
    outbound: Option<usize>,
) -> Result<Value, String> {
    let changes = [
        inbound.map(Change::MaxInboundPeers),
        outbound.map(Change::MaxOutboundPeers),
    ];
    let changed = change(handle, changes.into_iter().flatten())?;
    let census = changed.census;
    let sides = [
        ("inbound", inbound, census.inbound),
        ("outbound", outbound, census.outbound),
    ];
    let words = sides.into_iter().filter_map(|(side, limit, peers)| {
        let limit = limit?;
        let rest = match peers > limit {
            true => "; nobody is hung up on, no more are taken until there is room",
            false => "",
        };
        Some(format!(
            "at most {limit} {side} peers from now on, {peers} are connected{rest}"
        ))
    });
    answer(words.collect(), &changed)
}

/// Sets the rates of each peer; those that are not given stay.
///
/// # Errors
/// A sentence about a rate that is none.
pub(super) fn rates(
    handle: &Handle,
    send: Option<u64>,
    recv: Option<u64>,
) -> Result<Value, String> {
    let changes = [send.map(Change::SendRate), recv.map(Change::RecvRate)];
    let changed = change(handle, changes.into_iter().flatten())?;
    let words = [("to", send), ("from", recv)]
        .into_iter()
        .filter_map(|(way, rate)| {
            let rate = match rate? {
                0 => String::from("without a limit"),
                rate => format!("{rate} bytes per second"),
            };
            Some(format!(
                "{rate} {way} each peer from now on, on connections that stand as well"
            ))
        });
    answer(words.collect(), &changed)
}

impl List {
    /// One of its entries, in words.
    fn noun(self) -> &'static str {
        match self {
            List::PersistentPeers => "persistent peer",
            List::Seeds => "seed",
            List::PrivateIds => "private id",
            List::UnconditionalIds => "unconditional id",
        }
    }

    fn add(self, handle: &Handle, entry: &str) -> Result<Value, String> {
        let (id, addition) = match self {
            List::PersistentPeers | List::Seeds => {
                let address: NetAddress = entry
                    .parse()
                    .map_err(|error| format!("{entry}: {error}; it is ID@HOST:PORT"))?;
                let make = match self {
                    List::Seeds => Change::AddSeed,
                    _ => Change::AddPersistentPeer,
                };
                (address.id, make(address))
            }
            List::PrivateIds => with_id(handle, entry, Change::AddPrivateId)?,
            List::UnconditionalIds => with_id(handle, entry, Change::AddUnconditionalId)?,
        };
        let is_connected = handle.peers().iter().any(|peer| peer.id == id);
        let changed = change(handle, [addition])?;
        let noun = self.noun();
        // An address is told as it was given, an id in full: its beginning may have been given.
        let named = match self {
            List::PersistentPeers | List::Seeds => entry.to_owned(),
            List::PrivateIds | List::UnconditionalIds => id.to_string(),
        };
        let news = match changed.is_nothing() {
            true => format!("{named} is a {noun} already"),
            false => format!("{named} is a {noun} from now on"),
        };
        let news = news.replace(" a unc", " an unc");
        let rest = match (self, is_connected) {
            (List::PersistentPeers, true) => "it is connected, and dialed whenever it goes away",
            (List::PersistentPeers, false) => "it is dialed until it is connected",
            (List::Seeds, _) => "it is asked when nobody else can be",
            (List::PrivateIds, _) => "its address is told to nobody; who was told before knows it",
            (List::UnconditionalIds, true) => {
                "the limits of peers do not count it, from its connection of now on"
            }
            (List::UnconditionalIds, false) => "the limits of peers do not count it",
        };
        answer(vec![format!("{news}: {rest}")], &changed)
    }

    fn remove(self, handle: &Handle, entry: &str) -> Result<Value, String> {
        let config = handle.config_blocking().ok_or(STOPPING)?;
        let discovery = &config.discovery;
        let of = |addresses: &[NetAddress]| addresses.iter().map(|it| it.id).collect();
        let ids: Vec<NodeId> = match self {
            List::PersistentPeers => of(&config.persistent_peers),
            List::Seeds => of(&discovery.seeds),
            List::PrivateIds => discovery.private_peer_ids.clone(),
            List::UnconditionalIds => config.unconditional_peer_ids.clone(),
        };
        // The address that was added names its node as well.
        let beginning = entry.split_once('@').map_or(entry, |(id, _)| id);
        let id = one_that_begins(ids.into_iter(), beginning, self.noun())?;
        let (removal, rest) = match self {
            List::PersistentPeers => (
                Change::RemovePersistentPeer(id),
                "it is not dialed again; if it is connected it stays until it goes (drop hangs up)",
            ),
            List::Seeds => (Change::RemoveSeed(id), "it is asked no longer"),
            List::PrivateIds => (
                Change::RemovePrivateId(id),
                "its address may be learned and told again",
            ),
            List::UnconditionalIds => (
                Change::RemoveUnconditionalId(id),
                "it is counted as any other; if it is connected it stays",
            ),
        };
        let changed = change(handle, [removal])?;
        let noun = self.noun();
        answer(
            vec![format!("{id} is no {noun} any more: {rest}")],
            &changed,
        )
    }
}

/// An id that is given in full, or by the beginning of a connected peer's, and the change that it makes.
fn with_id(
    handle: &Handle,
    entry: &str,
    make: fn(NodeId) -> Change,
) -> Result<(NodeId, Change), String> {
    let id = match entry.parse::<NodeId>() {
        Ok(id) => id,
        Err(_) => {
            let peers = handle.peers();
            one_that_begins(
                peers.iter().map(|peer| peer.id),
                entry,
                "peer that is connected",
            )?
        }
    };
    Ok((id, make(id)))
}

fn change(handle: &Handle, changes: impl IntoIterator<Item = Change>) -> Result<Changed, String> {
    handle
        .change_blocking(changes)
        .map_err(|error| error.to_string())
}

fn answer(words: Vec<String>, changed: &Changed) -> Result<Value, String> {
    if words.is_empty() {
        return Err(String::from("nothing was ordered: give at least one value"));
    }
    let keys = changed.at_once.iter().chain(&changed.new_connections);
    let settings = keys.map(|key| json!({ "key": key, "holds": holds(effect_of(key)) }));
    Ok(json!({
        "done": words.join("\n"),
        "changed": settings.collect::<Vec<_>>(),
    }))
}
