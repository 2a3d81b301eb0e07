//! What is told of a visit: a row for eyes, an object for programs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::visit::{Known, Visit, harmless};

/// Columns of a row before the address: a head and its width, right-aligned if it is a number. Rows are
/// written as the answers come, so no width can follow from them.
const COLUMNS: [(&str, usize, bool); 6] = [
    ("STATE", 6, false),
    ("RTT", 7, true),
    ("CHAIN", 20, false),
    ("VERSION", 12, false),
    ("KNOWS", 6, true),
    ("MONIKER", 20, false),
];

/// The line above all rows.
pub(super) fn heads() -> String {
    line(COLUMNS.map(|(head, ..)| String::from(head)), "ADDRESS")
}

/// A visit as a row; why it failed stands behind the address.
pub(super) fn row(visit: &Visit) -> String {
    let info = visit.node_info.as_ref();
    let said = |text: Option<&str>, width| match text {
        Some(text) => harmless(text, width),
        None => String::from("-"),
    };
    let cells = [
        String::from(if visit.is_ok() { "ok" } else { "FAILED" }),
        visit.round_trip.map_or(String::from("-"), round_trip),
        said(info.map(|info| info.network.as_str()), COLUMNS[2].1),
        said(info.map(|info| info.version.as_str()), COLUMNS[3].1),
        known(&visit.known),
        said(info.map(|info| info.moniker.as_str()), COLUMNS[5].1),
    ];
    let end = match &visit.error {
        None => visit.target.to_string(),
        Some(error) => format!("{}: {}", visit.target, harmless(&error.to_string(), 400)),
    };
    line(cells, &end)
}

fn line(cells: [String; COLUMNS.len()], end: &str) -> String {
    let cells = cells.iter().zip(COLUMNS);
    let mut line: String = cells
        .map(|(cell, (_, width, is_number))| match is_number {
            true => format!("{cell:>width$}  "),
            false => format!("{cell:<width$}  "),
        })
        .collect();
    line.push_str(end);
    line
}

/// Three digits are as much as a round trip over TCP's connect is worth.
fn round_trip(span: Duration) -> String {
    let millis = span.as_secs_f64() * 1e3;
    match millis {
        ..10.0 => format!("{millis:.2}ms"),
        10.0..100.0 => format!("{millis:.1}ms"),
        _ => format!("{millis:.0}ms"),
    }
}

fn known(known: &Known) -> String {
    match known {
        Known::NotAsked => String::from("-"),
        Known::NoChannel => String::from("no pex"),
        Known::Told(addresses) => addresses.len().to_string(),
    }
}

/// A visit as an object. Durations are seconds; what is not known is null.
pub(crate) fn visit_json(visit: &Visit) -> Value {
    let info = visit.node_info.as_ref();
    let seconds = |span: Option<Duration>| span.map(|span| span.as_secs_f64());
    json!({
        "address": visit.target.to_string(),
        "ok": visit.is_ok(),
        "error": visit.error.as_ref().map(ToString::to_string),
        "ip": visit.addr.map(|addr| addr.ip().to_string()),
        "port": visit.target.port,
        "id": info.map(|info| info.node_id.to_string()),
        "id_matches": visit.target.id.and_then(|id| info.map(|info| info.node_id == id)),
        "chain": info.map(|info| info.network.as_str()),
        "version": info.map(|info| info.version.as_str()),
        "moniker": info.map(|info| info.moniker.as_str()),
        "block_protocol": info.map(|info| info.protocol_version.block),
        "app_protocol": info.map(|info| info.protocol_version.app),
        "channels": info.map(|info| info.channels.iter().map(|c| c.to_string()).collect::<Vec<_>>()),
        "listen_addr": info.map(|info| info.listen_addr.as_str()),
        "rpc_address": info.map(|info| info.other.rpc_address.as_str()),
        "ringwire": info.map(|info| info.extension.is_some()),
        "round_trip_seconds": seconds(visit.round_trip),
        "handshake_seconds": seconds(visit.handshake),
        "answers_pex": matches!(visit.known, Known::Told(_)),
        "knows": match &visit.known {
            Known::Told(addresses) => Some(addresses.len()),
            Known::NotAsked | Known::NoChannel => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_has_three_digits() {
        let told = [90, 9_994, 12_345, 250_400].map(|us| round_trip(Duration::from_micros(us)));
        assert_eq!(told, ["0.09ms", "9.99ms", "12.3ms", "250ms"]);
    }

    #[test]
    fn rows_stand_below_their_heads() {
        let heads = heads();
        let cells = ["ok", "1ms", "chain-1", "0.38", "250", "name"].map(String::from);
        let row = line(cells, "here");
        assert_eq!(heads.find("ADDRESS"), row.find("here"));
        assert_eq!(heads.find("CHAIN"), row.find("chain-1"));
    }
}
