//! What a report says of those that the operator named: whom to keep, whom to ask, whom to refuse.

use ringwire::Handle;
use ringwire::peer::{Ban, BanOrigin, BanTarget};
use ringwire::peer::{NamedAs, NamedPeer};
use serde_json::{Value, json};

/// The persistent peers and seeds, connected or not.
pub(super) fn named_peers(named: &[NamedPeer]) -> Value {
    named.iter().map(named_peer).collect()
}

fn named_peer(peer: &NamedPeer) -> Value {
    let last_error = peer.last_error.as_ref();
    json!({
        "id": peer.address.id.to_string(),
        "address": peer.address.to_string(),
        "named_as": match peer.named_as {
            NamedAs::Persistent => "persistent",
            NamedAs::Seed => "seed",
            NamedAs::Unconditional => "unconditional",
            NamedAs::Asked => "asked",
        },
        "connected": peer.connected,
        "failures": peer.failures,
        "last_error": last_error.map(|(_, reason)| reason.to_string()),
        "last_error_seconds_ago": last_error.map(|(ago, _)| ago.as_secs_f64()),
        "next_dial_seconds": peer.next_dial_in.map(|pause| pause.as_secs_f64()),
    })
}

/// The bans that hold, the operator's first.
pub(super) fn bans(handle: &Handle) -> Value {
    handle.bans_blocking().iter().map(ban).collect()
}

fn ban(ban: &Ban) -> Value {
    json!({
        "target": ban.target.to_string(),
        "kind": match ban.target {
            BanTarget::Id(_) => "id",
            BanTarget::Ip(_) => "host",
        },
        "by": match ban.origin {
            BanOrigin::Operator => "operator",
            BanOrigin::Reactor => "reactor",
        },
        "ends_seconds": ban.ends_in.as_secs_f64(),
    })
}
