//! Whom to probe: addresses on the command line, and lists in files.
//!
//! ```text
//!   has an @ or a :port ─▶ addresses between commas and blanks
//!   -                   ─▶ the same on standard input
//!   else                ─▶ a file: a chain.json of the chain registry if it is JSON, else the same, with
//!                          comments behind #
//! ```

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use ringwire_codec::Host;
use serde_json::Value;

use crate::failure::Failure;
use crate::visit::Target;

/// Bytes of a list that are read: some 100,000 addresses.
const LIST_BYTES_MAX: u64 = 8 << 20;

/// All targets that the words of a command line name, each once, in order.
///
/// # Errors
/// A word that names none, with its place. One of the command line itself makes the call a wrong one; a file
/// that says something wrong fails.
pub(crate) fn gather(words: &[String]) -> Result<Vec<Target>, Failure> {
    let mut targets = Vec::new();
    for word in words {
        targets.extend(read_word(word)?);
    }
    let mut seen = BTreeSet::new();
    targets.retain(|target| seen.insert(target.clone()));
    if !targets.is_empty() {
        return Ok(targets);
    }
    let nobody = "there is nobody to probe: give ID@HOST:PORT, HOST:PORT, ID@unix:///PATH, or a file with a list of them";
    // A list that is read and names nobody may name somebody tomorrow.
    Err(match words.iter().all(|word| is_blank(word)) {
        true => Failure::misused(nobody),
        false => Failure::new(nobody),
    })
}

fn read_word(word: &str) -> Result<Vec<Target>, Failure> {
    if word == "-" {
        return read_list("standard input", io::stdin());
    }
    if is_blank(word) {
        return Ok(Vec::new());
    }
    let path = Path::new(word);
    // A file may be called anything; an address is none unless such a file is there.
    if !path.exists() && word.contains(':') {
        return parse_list(word).map_err(Failure::misused);
    }
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::misused(format!(
            "{word} is no address and no file: an address has a port, as HOST:PORT, and there is no such file"
        )),
        _ => named(word, &error.to_string()),
    })?;
    read_list(word, file)
}

fn read_list(place: &str, source: impl Read) -> Result<Vec<Target>, Failure> {
    let mut text = String::new();
    let read = source.take(LIST_BYTES_MAX + 1).read_to_string(&mut text);
    match read {
        Err(error) => Err(named(place, &error.to_string())),
        Ok(bytes) if bytes as u64 > LIST_BYTES_MAX => Err(named(
            place,
            &format!("a list of more than {LIST_BYTES_MAX} bytes"),
        )),
        Ok(_) => read_text(&text).map_err(|problem| named(place, &problem)),
    }
}

fn named(place: &str, problem: &str) -> Failure {
    Failure::new(format!("{place}: {problem}"))
}

fn read_text(text: &str) -> Result<Vec<Target>, String> {
    match text.trim_start().starts_with(['{', '[']) {
        true => read_registry(text),
        false => {
            let mut targets = Vec::new();
            for (at, line) in text.lines().enumerate() {
                let line = line.split('#').next().unwrap_or_default();
                let found =
                    parse_list(line).map_err(|problem| format!("line {}: {problem}", at + 1))?;
                targets.extend(found);
            }
            Ok(targets)
        }
    }
}

/// Whether a word names nobody.
fn is_blank(word: &str) -> bool {
    word.split(is_separator).all(str::is_empty)
}

fn is_separator(sign: char) -> bool {
    matches!(sign, ',' | ' ' | '\t' | '\r' | '\n')
}

/// Addresses between commas and blanks.
///
/// # Errors
/// The first that is none.
pub(crate) fn parse_list(text: &str) -> Result<Vec<Target>, String> {
    text.split(is_separator)
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().map_err(|error| format!("{word}: {error}")))
        .collect()
}

/// The peers of a `chain.json`: `{"peers": {"seeds": [{"id", "address"}], "persistent_peers": […]}}`, or a
/// bare list of such peers or of addresses.
fn read_registry(text: &str) -> Result<Vec<Target>, String> {
    let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut targets = Vec::new();
    match &document {
        Value::Array(peers) => read_peers("peers", peers, &mut targets)?,
        document => {
            let peers = document["peers"].as_object().ok_or(
                "this JSON has no \"peers\": expected a chain.json of the chain registry, or a list",
            )?;
            for (kind, peers) in peers {
                let list = peers.as_array().ok_or(format!("peers.{kind} is no list"))?;
                read_peers(kind, list, &mut targets)?;
            }
        }
    }
    let is_unix = |target: &&Target| matches!(target.host, Host::Unix(_));
    match targets.iter().find(is_unix) {
        // Such a file may be anybody's, who has no say in what is sent to a socket of this machine.
        Some(target) => Err(format!(
            "{target}: a Unix socket is taken from the command line or a plain list only"
        )),
        None => Ok(targets),
    }
}

fn read_peers(kind: &str, peers: &[Value], targets: &mut Vec<Target>) -> Result<(), String> {
    for (at, peer) in peers.iter().enumerate() {
        let text = match (peer, &peer["id"], &peer["address"]) {
            (Value::String(text), ..) => text.clone(),
            (_, Value::String(id), Value::String(address)) => format!("{id}@{address}"),
            (_, Value::Null, Value::String(address)) => address.clone(),
            _ => return Err(format!("{kind}[{at}] has no \"address\"")),
        };
        let target = text.trim().parse();
        targets.push(target.map_err(|error| format!("{kind}[{at}], {text}: {error}"))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn texts(targets: Result<Vec<Target>, String>) -> Vec<String> {
        let targets = targets.expect("the list is in order");
        targets.iter().map(Target::to_string).collect()
    }

    #[test]
    fn a_list_has_commas_blanks_lines_and_comments() {
        let list = format!("{ID}@192.0.2.1:1,192.0.2.2:2\n\n# none\n a.example:3 # three\n");
        let first = format!("{ID}@192.0.2.1:1");
        assert_eq!(
            texts(read_text(&list)),
            [first.as_str(), "192.0.2.2:2", "a.example:3"]
        );
    }

    #[test]
    fn a_chain_registry_names_seeds_and_persistent_peers() {
        let registry = format!(
            r#"{{"chain_id": "x-1", "peers": {{
                "persistent_peers": [{{"id": "{ID}", "address": "192.0.2.1:1", "provider": "p"}}],
                "seeds": [{{"id": "{ID}", "address": "s.example:2"}}]}}}}"#
        );
        let both = [format!("{ID}@192.0.2.1:1"), format!("{ID}@s.example:2")];
        assert_eq!(texts(read_text(&registry)), both);
        assert_eq!(texts(read_text(r#"["192.0.2.1:1"]"#)), ["192.0.2.1:1"]);
    }

    #[test]
    fn a_list_that_is_wrong_says_where() {
        let wrong = read_text("192.0.2.1:1\n192.0.2.1\n").expect_err("there is no port");
        assert!(wrong.starts_with("line 2: 192.0.2.1: "), "{wrong}");
        let wrong = read_text(r#"{"peers": {"seeds": [{"id": "x"}]}}"#).expect_err("no address");
        assert_eq!(wrong, "seeds[0] has no \"address\"");
        assert!(read_text(r#"{"chain_id": "x"}"#).is_err());
    }

    #[test]
    fn a_unix_socket_is_taken_from_a_plain_list_and_from_no_registry() {
        let list = format!("{ID}@unix:///run/p2p.sock");
        assert_eq!(texts(read_text(&list)), [list.as_str()]);
        let wrong = read_text(&format!(r#"["{list}"]"#)).expect_err("anybody's file");
        assert!(
            wrong.starts_with(&format!("{list}: a Unix socket ")),
            "{wrong}"
        );
    }

    #[test]
    fn each_target_is_probed_once() {
        let words = ["192.0.2.1:1,192.0.2.2:2".into(), "192.0.2.1:1".into()];
        assert_eq!(gather(&words).expect("both are in order").len(), 2);
        assert!(gather(&[String::from(",:")]).is_err());
    }

    #[test]
    fn who_names_nobody_is_told_what_an_address_is() {
        let refused = |word: &str| {
            let refused = gather(&[word.to_owned()]).expect_err("there is nobody");
            refused.to_string()
        };
        for nobody in ["", " ", ",,"] {
            let told = refused(nobody);
            assert!(told.starts_with("there is nobody to probe"), "{told}");
        }
        let told = refused("192.0.2.1");
        assert!(told.contains("an address has a port"), "{told}");
    }
}
