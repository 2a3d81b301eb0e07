//! Lists of peers, comma-separated.
//!
//! Lists are copied from web pages and grow for years, so one entry among many has a host that
//! cannot exist. CometBFT logs that it finds no such host and goes on with the others; so does this
//! reader. An entry whose id or form is wrong stops both.

use ringwire_codec::NetAddress;
use ringwire_codec::net_address::NetAddressError;

/// The addresses of a list, and what was left out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerAddresses {
    /// The addresses that can be dialed, in their order. A name among them may not resolve; it is
    /// looked up again at each dial.
    pub addresses: Vec<NetAddress>,
    /// What was left out and why: a sentence each, that goes on from the name of the list.
    pub left_out: Vec<String>,
}

/// Reads a comma-separated list of `ID@host:port` and `ID@unix:///path`; empty entries are skipped, and those that nobody
/// could dial are left out: with an impossible host, or port 0.
///
/// # Errors
/// The first entry that is no address, and why.
pub fn parse_peer_addresses(text: &str) -> Result<PeerAddresses, String> {
    let mut list = PeerAddresses::default();
    for entry in entries(text) {
        match entry.parse::<NetAddress>() {
            Ok(address) if !address.can_be_dialed() => {
                list.left_out
                    .push(left_out(entry, &"port 0 cannot be dialed"));
            }
            Ok(address) => list.addresses.push(address),
            Err(error @ NetAddressError::InvalidHost) => {
                list.left_out.push(left_out(entry, &error));
            }
            Err(error) => return Err(format!("\"{entry}\": {error}")),
        }
    }
    Ok(list)
}

fn left_out(entry: &str, why: &dyn std::fmt::Display) -> String {
    format!("goes on without \"{entry}\": {why}")
}

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
    fn an_entry_that_cannot_be_dialed_costs_only_itself() {
        let text = format!(
            "{ID}@127.0.0.1:1, ,{ID}@127.0.0.1.7:1,{ID}@node one:1,{ID}@10.0.0.1:0,{ID}@name:2,{ID}@unix:///p"
        );
        let list = parse_peer_addresses(&text).expect("a list");
        let kept: Vec<_> = list.addresses.iter().map(ToString::to_string).collect();
        let expected = ["127.0.0.1:1", "name:2", "unix:///p"].map(|at| format!("{ID}@{at}"));
        assert_eq!(kept, expected);
        assert_eq!(list.left_out.len(), 3);
        for (note, host) in list.left_out.iter().zip(["127.0.0.1.7", "node one", ":0"]) {
            assert!(
                note.starts_with("goes on without") && note.contains(host),
                "{note}"
            );
        }
        assert_eq!(parse_peer_addresses(" , "), Ok(PeerAddresses::default()));
    }

    #[test]
    fn an_entry_of_another_form_stops_the_reader_as_it_stops_cometbft() {
        for entry in [
            "127.0.0.1:1",
            "xy@127.0.0.1:1",
            &format!("{ID}@127.0.0.1"),
            &format!("{ID}@127.0.0.1:x"),
            &format!("{ID}@:1"),
        ] {
            let error = parse_peer_addresses(&format!("{ID}@127.0.0.1:1,{entry}"));
            let error = error.expect_err(entry);
            assert!(error.starts_with(&format!("\"{entry}\": ")), "{error}");
        }
    }
}
