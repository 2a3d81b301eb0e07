//! The report as tables.

use ringwire_core::pex::Timestamp;
use serde_json::Value;

use crate::book::{Book, endpoint};
use crate::table::{Align, Table, bytes, moment, number_of, span};

/// Hex digits of an id where it need not be whole; as many as `localnet` shows.
const ID_DIGITS: usize = 12;

/// Characters of a time up to its minutes.
const MINUTES: usize = "2026-01-02T03:04".len();

/// Characters of a moniker, which is up to its node.
const MONIKER_CHARS_MAX: usize = 24;

/// What a narrow screen lacks of the peers, and of the address book.
const LEAST_OF_PEERS: [&str; 5] = ["SMOOTHED", "RECORDS", "PING", "QUEUED", "MONIKER"];
const LEAST_OF_ADDRESSES: [&str; 4] = ["TOLD BY", "BANNED UNTIL", "ATTEMPTS", "LAST SUCCESS"];

/// How much is shown.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// All forty digits of an id.
    pub(super) ids_in_full: bool,
    /// Rows of the address book.
    pub(super) addresses_max: usize,
    /// Characters of a line of the screen. Where there is none, whatever reads has room.
    pub(super) screen: usize,
}

/// Everything, without the last newline.
pub(super) fn render(report: &Value, book: Option<&Book>, style: Style) -> String {
    let mut lines = Vec::new();
    if report["running"] == true {
        lines.push(headline(&report["node"]));
        lines.push(String::new());
        peers(&mut lines, &report["peers"], style);
        missing(&mut lines, &report["named_peers"], style);
        lines.push(String::new());
        counters(&mut lines, &report["counters"]);
    }
    match book {
        Some(book) => addresses(&mut lines, book, style),
        None => lines.push(String::from("no address book")),
    }
    lines.join("\n")
}

fn headline(node: &Value) -> String {
    let role = match node["seed_mode"] == true {
        true => "seed",
        false => "node",
    };
    let mut lines = format!(
        "{role} \"{}\" of network \"{}\", up {}\n{}",
        words(&node["moniker"]),
        words(&node["network"]),
        span(node["uptime_seconds"].as_f64().unwrap_or_default()),
        words(&node["address"]),
    );
    // One is told already: it is where the node is reached.
    let listens = node["listen_addrs"].as_array();
    if let Some(listens) = listens.filter(|listens| listens.len() > 1) {
        let listens: Vec<_> = listens.iter().map(words).collect();
        lines += &format!("\nlistens at {}", listens.join(", "));
    }
    lines
}

fn peers(lines: &mut Vec<String>, peers: &Value, style: Style) {
    let mut peers: Vec<&Value> = peers.as_array().into_iter().flatten().collect();
    // Who has been here longest stands first.
    peers.sort_by(|a, b| {
        let since = |peer: &Value| peer["connected_seconds"].as_f64().unwrap_or_default();
        since(b).total_cmp(&since(a))
    });
    if !peers.is_empty() {
        let mut table = Table::new([
            ("PEER", Align::Left),
            ("MONIKER", Align::Left),
            ("ADDRESS", Align::Left),
            ("DIRECTION", Align::Left),
            ("RECORDS", Align::Left),
            ("FOR", Align::Right),
            ("RECEIVED", Align::Right),
            ("SENT", Align::Right),
            ("QUEUED", Align::Right),
            ("PING", Align::Right),
            ("SMOOTHED", Align::Right),
        ]);
        for peer in &peers {
            table.push(peer_row(peer, style));
        }
        lines.extend(table.lines_within(style.screen, &LEAST_OF_PEERS));
    }
    let outbound = peers
        .iter()
        .filter(|peer| peer["direction"] == "outbound")
        .count();
    let inbound = peers.len() - outbound;
    let count = number_of(peers.len(), "peer");
    lines.push(format!("{count}: {outbound} outbound, {inbound} inbound"));
}

/// Every counter that is not zero: the node's own, the refusals by reason, and each channel's.
fn counters(lines: &mut Vec<String>, counters: &Value) {
    let figures = |counters: &Value| -> Vec<String> {
        let all = counters.as_object().into_iter().flatten();
        let counted = all.filter_map(|(name, value)| {
            let count = value.as_u64().filter(|count| *count > 0)?;
            let shown = match name.ends_with("_bytes") {
                true => bytes(count),
                false => count.to_string(),
            };
            Some(format!("{} {shown}", name.replace('_', " ")))
        });
        counted.collect()
    };
    let mut told = Vec::new();
    let mut tell = |what: &str, counters: &Value| {
        let figures = figures(counters);
        if !figures.is_empty() {
            told.push(format!("{what}: {}", figures.join(", ")));
        }
    };
    tell("counted", counters);
    tell("refused", &counters["refused"]);
    for (channel, counters) in counters["channels"].as_object().into_iter().flatten() {
        tell(&format!("channel {channel}"), counters);
    }
    if !told.is_empty() {
        lines.extend(told);
        lines.push(String::new());
    }
}

/// The persistent peers that are not connected, and why.
fn missing(lines: &mut Vec<String>, named: &Value, style: Style) {
    let is_missing = |peer: &&Value| peer["named_as"] == "persistent" && peer["connected"] == false;
    let missing: Vec<&Value> = named
        .as_array()
        .into_iter()
        .flatten()
        .filter(is_missing)
        .collect();
    if missing.is_empty() {
        return;
    }
    let mut table = Table::new([
        ("NOT CONNECTED", Align::Left),
        ("ADDRESS", Align::Left),
        ("FAILED", Align::Right),
        ("NEXT DIAL", Align::Right),
        ("LAST ERROR", Align::Left),
    ]);
    for peer in &missing {
        table.push(missing_row(peer, style));
    }
    lines.push(String::new());
    lines.extend(table.lines());
    lines.push(match missing.len() {
        1 => String::from("1 persistent peer is not connected"),
        count => format!("{count} persistent peers are not connected"),
    });
}

fn missing_row(peer: &Value, style: Style) -> [String; 5] {
    let (_, place) = words(&peer["address"]).split_once('@').unwrap_or_default();
    let next_dial = match peer["next_dial_seconds"].as_f64() {
        Some(seconds) => span(seconds),
        None => String::from("-"),
    };
    let last_error = match (&peer["last_error"], peer["last_error_seconds_ago"].as_f64()) {
        (Value::String(error), Some(ago)) => format!("{} ago: {error}", span(ago)),
        _ => String::from("-"),
    };
    [
        id(&peer["id"], style),
        place.to_owned(),
        peer["failures"].as_u64().unwrap_or_default().to_string(),
        next_dial,
        last_error,
    ]
}

fn peer_row(peer: &Value, style: Style) -> [String; 11] {
    // Inbound, outbound.
    let direction = words(&peer["direction"]).trim_end_matches("bound");
    let direction = match peer["persistent"] == true {
        true => format!("{direction}, kept"),
        false => direction.to_owned(),
    };
    let queued = peer["queued_messages"].as_object();
    let queued = queued.into_iter().flat_map(|queues| queues.values());
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let time = |name: &str| {
        let seconds = peer["round_trip"][name].as_f64();
        seconds.map_or_else(|| String::from("-"), moment)
    };
    [
        id(&peer["id"], style),
        words(&peer["moniker"])
            .chars()
            .take(MONIKER_CHARS_MAX)
            .collect(),
        words(&peer["address"]).to_owned(),
        direction,
        words(&peer["framing"]).to_owned(),
        span(peer["connected_seconds"].as_f64().unwrap_or_default()),
        bytes(number(&peer["received_bytes"])),
        bytes(number(&peer["sent_bytes"])),
        queued.map(number).sum::<u64>().to_string(),
        time("last_seconds"),
        time("smoothed_seconds"),
    ]
}

fn addresses(lines: &mut Vec<String>, book: &Book, style: Style) {
    let rows = book.rows();
    let shown = rows.len().min(style.addresses_max);
    if shown > 0 {
        let mut table = Table::new([
            ("KNOWN", Align::Left),
            ("ADDRESS", Align::Left),
            ("CLASS", Align::Left),
            ("ATTEMPTS", Align::Right),
            ("LAST ATTEMPT", Align::Left),
            ("LAST SUCCESS", Align::Left),
            ("BANNED UNTIL", Align::Left),
            ("TOLD BY", Align::Left),
        ]);
        for row in &rows[..shown] {
            table.push([
                short(&row.known.id().to_string(), style),
                endpoint(&row.known),
                row.kind.word().to_owned(),
                row.known.attempts().to_string(),
                time(row.last_attempt()),
                time(row.last_success()),
                time(row.banned_until()),
                short(&row.known.source().id.to_string(), style),
            ]);
        }
        lines.extend(table.lines_within(style.screen, &LEAST_OF_ADDRESSES));
    }
    let hidden = rows.len() - shown;
    if hidden > 0 {
        lines.push(format!("… and {hidden} more; --addresses shows them"));
    }
    let counts = book.counts();
    lines.push(format!(
        "{}: {} old, {} new, {} banned",
        number_of(rows.len(), "address"),
        counts.old,
        counts.new,
        counts.banned,
    ));
}

fn id(value: &Value, style: Style) -> String {
    short(words(value), style)
}

fn short(id: &str, style: Style) -> String {
    match style.ids_in_full {
        true => id.to_owned(),
        false => id.chars().take(ID_DIGITS).collect(),
    }
}

fn time(time: Option<Timestamp>) -> String {
    let minutes = |time: Timestamp| {
        let text: String = time.to_string().chars().take(MINUTES).collect();
        text.replace('T', " ")
    };
    time.map_or_else(|| String::from("-"), minutes)
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::book::tests::hearsay;

    const ID: &str = "00112233445566778899aabbccddeeff00112233";

    fn report() -> Value {
        let peer = |direction: &str, seconds: f64| {
            json!({
                "id": ID,
                "moniker": format!("{direction}-moniker"),
                "address": "127.0.0.1:26656",
                "direction": direction,
                "persistent": direction == "outbound",
                "framing": "wide",
                "connected_seconds": seconds,
                "received_bytes": 1_500,
                "sent_bytes": 2_000_000,
                "queued_messages": { "0x70": 3, "0x00": 1 },
                "round_trip": match direction {
                    "outbound" => json!({ "last_seconds": 0.0123, "smoothed_seconds": 0.0004 }),
                    _ => Value::Null,
                },
            })
        };
        json!({
            "running": true,
            "node": {
                "moniker": "m", "network": "n", "address": format!("{ID}@127.0.0.1:1"),
                "uptime_seconds": 61.0, "seed_mode": false,
            },
            "peers": [peer("inbound", 1.0), peer("outbound", 61.0)],
        })
    }

    const STYLE: Style = Style {
        ids_in_full: false,
        addresses_max: 2,
        screen: usize::MAX,
    };

    #[test]
    fn who_has_been_here_longest_stands_first_and_queues_are_summed() {
        let text = render(&report(), None, STYLE);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "node \"m\" of network \"n\", up 1m01s");
        assert!(lines[4].starts_with("001122334455  outbound-moniker"));
        assert!(lines[4].contains("  out, kept  "), "{text}");
        assert!(
            lines[4].ends_with("1m01s    1.5 kB  2.0 MB       4  12.3 ms    400 µs"),
            "{text}"
        );
        assert!(lines[5].ends_with("4        -         -"), "{text}");
        assert_eq!(lines[6], "2 peers: 1 outbound, 1 inbound");
        assert_eq!(lines[8], "no address book");
    }

    #[test]
    fn counters_that_are_not_zero_are_told_with_reasons_and_channels() {
        let mut report = report();
        report["counters"] = json!({
            "accepted": 3, "dials": 0, "received_bytes": 1_500,
            "refused": { "crowded": 2, "banned": 0 },
            "channels": { "0x70": { "received_messages": 9, "full": 0 } },
        });
        let text = render(&report, None, STYLE);
        for line in [
            "\ncounted: accepted 3, received bytes 1.5 kB\n",
            "\nrefused: crowded 2\n",
            "\nchannel 0x70: received messages 9\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
    }

    #[test]
    fn a_persistent_peer_that_is_not_connected_is_shown_with_its_last_error() {
        let named = |named_as: &str, connected: bool| {
            json!({
                "id": ID, "address": format!("{ID}@10.0.0.1:26656"), "named_as": named_as,
                "connected": connected, "failures": 7, "last_error": "banned",
                "last_error_seconds_ago": 61.0, "next_dial_seconds": 5.0,
            })
        };
        let mut report = report();
        report["named_peers"] = json!([named("persistent", true), named("seed", false)]);
        let text = render(&report, None, STYLE);
        assert!(!text.contains("NOT CONNECTED"), "{text}");
        report["named_peers"] = json!([named("persistent", false), named("seed", false)]);
        let text = render(&report, None, STYLE);
        let line = text
            .lines()
            .find(|line| line.ends_with("banned"))
            .expect("a row");
        assert!(line.starts_with("001122334455   10.0.0.1:26656"), "{line}");
        assert!(line.ends_with("1m01s ago: banned"), "{line}");
        assert!(
            text.contains("1 persistent peer is not connected"),
            "{text}"
        );
    }

    #[test]
    fn eighty_columns_are_enough() {
        let style = Style {
            screen: 80,
            ..STYLE
        };
        let text = render(&report(), Some(&hearsay(2)), style);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= 80), "{text}");
        assert!(text.contains("(a wider screen has SMOOTHED, "), "{text}");
        assert!(text.contains("(a wider screen has TOLD BY, "), "{text}");
    }

    #[test]
    fn what_of_the_book_is_not_shown_is_counted() {
        let stopped = json!({ "running": false });
        let text = render(&stopped, Some(&hearsay(3)), STYLE);
        assert!(text.starts_with("KNOWN"), "{text}");
        assert!(text.contains("2026-01-02 03:04  -"), "{text}");
        assert!(text.contains("and 1 more"), "{text}");
        assert!(text.ends_with("3 addresses: 0 old, 3 new, 0 banned"));
        let text = render(&stopped, Some(&hearsay(2)), STYLE);
        assert!(!text.contains("more"), "{text}");
    }

    #[test]
    fn ids_are_whole_where_it_is_asked_for() {
        let style = Style {
            ids_in_full: true,
            ..STYLE
        };
        let text = render(&json!({ "running": false }), Some(&hearsay(1)), style);
        let id = |byte: &str| byte.repeat(20);
        assert!(
            text.contains(&id("00")) && text.contains(&id("63")),
            "{text}"
        );
    }
}
