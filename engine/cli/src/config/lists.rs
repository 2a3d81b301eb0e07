//! Lists in a file: of addresses to listen on, of addresses that are dialed, and of ids.

use ringwire_codec::{NetAddress, NodeId};
use ringwire_core::config::{ListenAddr, parse_listen_addrs, parse_peer_addresses};
use toml::de::DeValue;

use super::weak::{self, Read};

/// Addresses to listen on.
pub(super) fn listen_addrs(value: &DeValue<'_>) -> Result<Read<Vec<ListenAddr>>, String> {
    of_texts(value, |text| parse_listen_addrs(text).map(Read::plain))
}

/// Addresses that are dialed.
pub(super) fn addresses(value: &DeValue<'_>) -> Result<Read<Vec<NetAddress>>, String> {
    of_texts(value, |text| {
        let list = parse_peer_addresses(text)?;
        Ok(Read {
            value: list.addresses,
            notes: list.left_out,
        })
    })
}

/// Ids; the first that is none is an error.
pub(super) fn ids(value: &DeValue<'_>) -> Result<Read<Vec<NodeId>>, String> {
    of_texts(value, ids_of)
}

/// Ids that are only compared with; what is no id is never met, and left out.
pub(super) fn private_ids(value: &DeValue<'_>) -> Result<Read<Vec<NodeId>>, String> {
    of_texts(value, private_ids_of)
}

/// What stands in a text with commas, as CometBFT writes it, or in a list of such texts.
fn of_texts<T>(
    value: &DeValue<'_>,
    of_text: fn(&str) -> Result<Read<Vec<T>>, String>,
) -> Result<Read<Vec<T>>, String> {
    let read_one = |value: &DeValue<'_>| weak::text(value)?.and_then(|text| of_text(&text));
    let DeValue::Array(items) = value else {
        return read_one(value);
    };
    let mut read = Read::plain(Vec::new());
    for item in items {
        let one = read_one(item.get_ref())?;
        read.value.extend(one.value);
        read.notes.extend(one.notes);
    }
    Ok(read)
}

fn ids_of(text: &str) -> Result<Read<Vec<NodeId>>, String> {
    let parse = |entry: &str| {
        let id = entry.parse();
        id.map_err(|error| format!("\"{entry}\": {error}"))
    };
    let ids: Result<_, String> = entries(text).map(parse).collect();
    ids.map(Read::plain)
}

fn private_ids_of(text: &str) -> Result<Read<Vec<NodeId>>, String> {
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
        assert!(ids_of(&text).is_err());
        let read = private_ids_of(&text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((read.value.len(), read.notes.len()), (1, 1));
    }
}
