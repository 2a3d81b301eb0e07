//! Lists in a file: of addresses to listen on, of addresses that are dialed, and of ids.

use ringwire_codec::{NetAddress, NodeId};
use ringwire_core::config::{ListenAddr, parse_listen_addrs, parse_peer_addresses};
use toml::de::DeValue;

use super::weak::{self, Read};

/// Addresses to listen on: a text with commas, or a list of such texts.
pub(super) fn listen_addrs(value: &DeValue<'_>) -> Result<Read<Vec<ListenAddr>>, String> {
    let of_text =
        |value| weak::text(value)?.and_then(|text| parse_listen_addrs(&text).map(Read::plain));
    let DeValue::Array(items) = value else {
        return of_text(value);
    };
    let mut read = Read::plain(Vec::new());
    for item in items {
        let one = of_text(item.get_ref())?;
        read.value.extend(one.value);
        read.notes.extend(one.notes);
    }
    Ok(read)
}

/// A list of addresses out of a file.
pub(super) fn addresses(text: &str) -> Result<Read<Vec<NetAddress>>, String> {
    let list = parse_peer_addresses(text)?;
    Ok(Read {
        value: list.addresses,
        notes: list.left_out,
    })
}

/// A list of ids; the first that is none is an error.
pub(super) fn ids(text: &str) -> Result<Read<Vec<NodeId>>, String> {
    let parse = |entry: &str| {
        let id = entry.parse();
        id.map_err(|error| format!("\"{entry}\": {error}"))
    };
    let ids: Result<_, String> = entries(text).map(parse).collect();
    ids.map(Read::plain)
}

/// A list of ids that are only compared with; what is no id is never met, and left out.
pub(super) fn private_ids(text: &str) -> Result<Read<Vec<NodeId>>, String> {
    let mut read = Read::plain(Vec::new());
    for entry in entries(text) {
        match entry.parse() {
            Ok(id) => read.value.push(id),
            Err(error) => read
                .notes
                .push(format!("goes on without \"{entry}\": {error}")),
        }
    }
    Ok(read)
}

/// What stands between the commas; empty entries are skipped.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00112233445566778899aabbccddeeff00112233";

    #[test]
    fn what_is_no_id_matters_only_where_a_peer_is_meant() {
        let text = format!("{ID}, 10.0.0.1");
        assert!(ids(&text).is_err());
        let read = private_ids(&text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((read.value.len(), read.notes.len()), (1, 1));
    }
}
