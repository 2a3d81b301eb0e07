//! What two reports of a node together tell: totals become rates.
//!
//! The node's own uptime is the clock, so the time that an answer took on its way changes no rate. A
//! report of another process, or one that is not younger, begins anew and has no rates.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use super::times::{Spread, Window};

/// Rates of the past that are kept for the curve: more columns than a screen has.
const HISTORY_MAX: usize = 512;

/// Characters of a word that a stranger or an operator chose.
const WORD_CHARS_MAX: usize = 64;

/// Of the node as a whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Headline {
    /// The name that the operator gave it.
    pub(super) moniker: String,
    /// The network's name.
    pub(super) network: String,
    /// Id and address, as others dial it.
    pub(super) address: String,
    /// Seconds since its start.
    pub(super) uptime_seconds: f64,
    /// Threads that carry peers.
    pub(super) shards: u64,
    /// Peers that dialed us, shown or not.
    pub(super) inbound: u64,
    /// Peers that we dialed, shown or not.
    pub(super) outbound: u64,
}

/// A peer that is connected.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PeerRow {
    /// All digits of its id.
    pub(super) id: String,
    /// The name that it gave itself, made harmless.
    pub(super) moniker: String,
    /// Host and port of its end of the connection.
    pub(super) address: String,
    /// Whether we dialed it.
    pub(super) is_outbound: bool,
    /// Whether the operator named it as persistent.
    pub(super) is_persistent: bool,
    /// Seconds since it was connected.
    pub(super) connected_seconds: f64,
    /// Messages that wait to be sent, all channels together.
    pub(super) queued_messages: u64,
    /// Bytes a second taken from its socket, envelopes included; none before two reports had it.
    pub(super) received_rate: Option<f64>,
    /// Bytes a second given to its socket, envelopes included.
    pub(super) sent_rate: Option<f64>,
}

impl PeerRow {
    /// Both directions together, in bytes a second.
    pub(super) fn rate(&self) -> f64 {
        self.received_rate.unwrap_or_default() + self.sent_rate.unwrap_or_default()
    }
}

/// A channel, all peers together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ChannelRow {
    /// Its id, as `0x70`.
    pub(super) id: String,
    /// Bytes of messages a second, received.
    pub(super) received_rate: Option<f64>,
    /// Bytes of messages a second, sent.
    pub(super) sent_rate: Option<f64>,
    /// Messages a second, both directions together.
    pub(super) messages_rate: Option<f64>,
    /// Times since the start that its queue was full.
    pub(super) full: u64,
    /// From a peer's queue to the kernel, in the last minute.
    pub(super) send_time: Option<Spread>,
    /// From the kernel to the reactor, in the last minute.
    pub(super) receive_time: Option<Spread>,
}

/// What of gossip stands first: what moves, then what is wrong. The names of the rest begin alike.
const GOSSIP_FIRST: [&str; 9] = [
    " delivered",
    " published",
    " duplicates",
    " lost",
    " missed",
    " blamed",
    " control bytes",
    " body bytes",
    " left out",
];

/// A figure that only grows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Count {
    /// What is counted.
    pub(super) name: String,
    /// Since the start.
    pub(super) total: u64,
    /// A second.
    pub(super) rate: Option<f64>,
}

/// A persistent peer that is not connected.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MissingRow {
    /// Id and address, as named.
    pub(super) address: String,
    /// Why the last attempt failed.
    pub(super) last_error: Option<String>,
    /// Seconds until the next dial.
    pub(super) next_dial_seconds: Option<f64>,
}

/// A ban that holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BanRow {
    /// An id or a host.
    pub(super) target: String,
    /// Seconds until it ends.
    pub(super) ends_seconds: f64,
}

/// The node as of the last report, with rates since the one before.
#[derive(Debug, Default)]
pub(super) struct Model {
    headline: Headline,
    peers: Vec<PeerRow>,
    channels: Vec<ChannelRow>,
    refusals: Vec<Count>,
    gossip: Vec<Count>,
    missing: Vec<MissingRow>,
    bans: Vec<BanRow>,
    /// Bytes a second received and sent by the node, the oldest first.
    history: VecDeque<(u64, u64)>,
    /// How long messages took of late.
    window: Window,
    round_trip_time: Option<Spread>,
    handshake_time: Option<Spread>,
    before: Option<Before>,
}

/// What of a report the next one is compared with.
#[derive(Debug)]
struct Before {
    process: u64,
    uptime_seconds: f64,
    counters: Value,
    reactors: Value,
    /// By id: seconds connected, bytes received, bytes sent.
    peers: HashMap<String, (f64, u64, u64)>,
}

impl Model {
    /// Takes the report of a running node. What is missing in it counts as zero or empty.
    pub(super) fn take(&mut self, report: &Value) {
        let since = Since::new(self.before.take(), &report["node"]);
        let (counters, node) = (&report["counters"], &report["node"]);
        self.headline = headline(node, &report["peer_counts"]);
        self.peers = list(&report["peers"])
            .map(|peer| since.peer(peer))
            .collect();
        self.remember_times(&since, counters);
        self.channels = since.channels(&counters["channels"], &self.window);
        self.refusals = since.counts(&counters["refused"], |before| &before.counters["refused"]);
        self.gossip = since.gossip(&report["reactors"]);
        self.missing = list(&report["named_peers"]).filter_map(missing).collect();
        self.bans = list(&report["bans"]).map(ban).collect();
        self.remember_rates(&since, counters);
        self.before = Some(Before {
            process: number(&node["process"]),
            uptime_seconds: self.headline.uptime_seconds,
            counters: counters.clone(),
            reactors: report["reactors"].clone(),
            peers: list(&report["peers"]).map(totals).collect(),
        });
    }

    fn remember_times(&mut self, since: &Since, counters: &Value) {
        if since.before.is_none() {
            self.window.clear();
        }
        let uptime = self.headline.uptime_seconds;
        self.window.take(uptime, &counters["channels"]);
        self.round_trip_time = Spread::since_start(&counters["round_trip_time"]);
        self.handshake_time = Spread::since_start(&counters["handshake_time"]);
    }

    fn remember_rates(&mut self, since: &Since, counters: &Value) {
        let rate = |name: &str| {
            let total = number(&counters[name]);
            since.rate(total, since.counter(&[name]))
        };
        match (rate("received_bytes"), rate("sent_bytes")) {
            (Some(received), Some(sent)) => {
                if self.history.len() == HISTORY_MAX {
                    self.history.pop_front();
                }
                // Rates are not negative; the fraction of a byte is no loss.
                self.history.push_back((received as u64, sent as u64));
            }
            // Another process: its past is not this one's.
            _ => self.history.clear(),
        }
    }

    /// Of the node as a whole.
    pub(super) fn headline(&self) -> &Headline {
        &self.headline
    }

    /// Whether a report has been taken.
    pub(super) fn is_known(&self) -> bool {
        self.before.is_some()
    }

    /// The peers, in the order of the report.
    pub(super) fn peers(&self) -> &[PeerRow] {
        &self.peers
    }

    /// The channels, by id.
    pub(super) fn channels(&self) -> &[ChannelRow] {
        &self.channels
    }

    /// How long peers took to answer pings, since the node's start.
    pub(super) fn round_trip_time(&self) -> Option<Spread> {
        self.round_trip_time
    }

    /// How long handshakes took, since the node's start.
    pub(super) fn handshake_time(&self) -> Option<Spread> {
        self.handshake_time
    }

    /// Refusals by reason, those that never happened left out.
    pub(super) fn refusals(&self) -> &[Count] {
        &self.refusals
    }

    /// Figures of the gossip reactor, those that are zero left out.
    pub(super) fn gossip(&self) -> &[Count] {
        &self.gossip
    }

    /// Persistent peers that are not connected.
    pub(super) fn missing(&self) -> &[MissingRow] {
        &self.missing
    }

    /// The bans that hold.
    pub(super) fn bans(&self) -> &[BanRow] {
        &self.bans
    }

    /// Bytes a second received and sent, the oldest first.
    pub(super) fn history(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        self.history.iter().copied()
    }
}

/// The report before, if it is one of the same process and older.
struct Since {
    before: Option<Before>,
    seconds: f64,
}

impl Since {
    fn new(before: Option<Before>, node: &Value) -> Self {
        let uptime = seconds(&node["uptime_seconds"]);
        let before = before.filter(|before| {
            before.process == number(&node["process"]) && before.uptime_seconds < uptime
        });
        let seconds = before
            .as_ref()
            .map_or(0.0, |before| uptime - before.uptime_seconds);
        Since { before, seconds }
    }

    /// Growth a second. A total that fell is that of something new of the same name.
    fn rate(&self, total: u64, before: Option<u64>) -> Option<f64> {
        let growth = total.checked_sub(before?)?;
        Some(growth as f64 / self.seconds)
    }

    fn counter(&self, path: &[&str]) -> Option<u64> {
        let counters = &self.before.as_ref()?.counters;
        Some(number(at(counters, path)))
    }

    fn peer(&self, peer: &Value) -> PeerRow {
        let (id, (connected, received, sent)) = totals(peer);
        let before = self.before.as_ref().and_then(|all| all.peers.get(&id));
        // A peer that came again is another connection, with counters of its own.
        let before = before.filter(|(connected_before, _, _)| *connected_before <= connected);
        let queues = peer["queued_messages"].as_object();
        PeerRow {
            id,
            moniker: harmless(&peer["moniker"]),
            address: harmless(&peer["address"]),
            is_outbound: peer["direction"] == "outbound",
            is_persistent: peer["persistent"] == true,
            connected_seconds: connected,
            queued_messages: queues
                .into_iter()
                .flat_map(|all| all.values().map(number))
                .sum(),
            received_rate: self.rate(received, before.map(|before| before.1)),
            sent_rate: self.rate(sent, before.map(|before| before.2)),
        }
    }

    fn channels(&self, channels: &Value, window: &Window) -> Vec<ChannelRow> {
        let all = channels.as_object().into_iter().flatten();
        all.map(|(id, figures)| {
            let rate = |name: &str| {
                let before = self.counter(&["channels", id, name]);
                self.rate(number(&figures[name]), before)
            };
            let messages = rate("received_messages").zip(rate("sent_messages"));
            let [send_time, receive_time] = window.channel(id);
            ChannelRow {
                id: id.clone(),
                received_rate: rate("received_bytes"),
                sent_rate: rate("sent_bytes"),
                messages_rate: messages.map(|(received, sent)| received + sent),
                full: number(&figures["full"]),
                send_time,
                receive_time,
            }
        })
        .collect()
    }

    /// The figures that are not zero, in their order; `of` finds them in the report before.
    fn counts(&self, figures: &Value, of: impl Fn(&Before) -> &Value) -> Vec<Count> {
        let before = self.before.as_ref().map(of);
        let all = figures.as_object().into_iter().flatten();
        let some = all.filter(|(_, total)| number(total) > 0);
        some.map(|(name, total)| {
            let total = number(total);
            Count {
                name: name.replace('_', " "),
                total,
                rate: self.rate(total, before.map(|before| number(&before[name]))),
            }
        })
        .collect()
    }

    /// The figures of gossip, those of [`GOSSIP_FIRST`] first.
    fn gossip(&self, reactors: &Value) -> Vec<Count> {
        let mut counts = self.counts(&reactors["gossip"], |before| &before.reactors["gossip"]);
        counts.sort_by_key(|count| {
            let place = GOSSIP_FIRST
                .iter()
                .position(|what| count.name.ends_with(what));
            place.unwrap_or(GOSSIP_FIRST.len())
        });
        for count in &mut counts {
            count.name = count.name.trim_start_matches("gossip ").to_owned();
        }
        counts
    }
}

fn headline(node: &Value, peers: &Value) -> Headline {
    Headline {
        moniker: harmless(&node["moniker"]),
        network: harmless(&node["network"]),
        address: harmless(&node["address"]),
        uptime_seconds: seconds(&node["uptime_seconds"]),
        shards: number(&node["shards"]),
        inbound: number(&peers["inbound"]),
        outbound: number(&peers["outbound"]),
    }
}

fn totals(peer: &Value) -> (String, (f64, u64, u64)) {
    let totals = (
        seconds(&peer["connected_seconds"]),
        number(&peer["received_bytes"]),
        number(&peer["sent_bytes"]),
    );
    (harmless(&peer["id"]), totals)
}

fn missing(named: &Value) -> Option<MissingRow> {
    let is_missing = named["named_as"] == "persistent" && named["connected"] == false;
    is_missing.then(|| MissingRow {
        address: harmless(&named["address"]),
        last_error: named["last_error"]
            .is_string()
            .then(|| harmless(&named["last_error"])),
        next_dial_seconds: named["next_dial_seconds"].as_f64(),
    })
}

fn ban(ban: &Value) -> BanRow {
    BanRow {
        target: harmless(&ban["target"]),
        ends_seconds: seconds(&ban["ends_seconds"]),
    }
}

fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, name| &value[*name])
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

/// A text that commands no terminal: controls, and marks that hide or turn what stands beside them,
/// become question marks; what is too long is cut.
fn harmless(text: &Value) -> String {
    let text = text.as_str().unwrap_or_default();
    let shown = text.chars().take(WORD_CHARS_MAX);
    shown
        .map(|char| match char {
            char if char.is_control() => '?',
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => '?',
            '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}' => '?',
            char => char,
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// The report of a node with `peers` peers whose totals grow with `uptime`.
    pub(in crate::top) fn report(uptime: f64, peers: usize) -> Value {
        let total = |each: u64| uptime as u64 * each;
        let peer = |at: usize| {
            json!({
                "id": format!("{at:02}").repeat(20), "moniker": format!("node-{at}"),
                "address": format!("10.0.0.{at}:26656"),
                "direction": if at.is_multiple_of(2) { "outbound" } else { "inbound" },
                "persistent": at == 0, "connected_seconds": uptime - at as f64,
                "received_bytes": total(1_000 * at as u64), "sent_bytes": total(500),
                "queued_messages": { "0x00": 1, "0x70": at },
            })
        };
        json!({
            "running": true,
            "node": {
                "moniker": "home", "network": "demo", "address": format!("{}@h:1", "ab".repeat(20)),
                "uptime_seconds": uptime, "shards": 2, "process": 7,
            },
            "peers": (0..peers).map(peer).collect::<Vec<_>>(),
            "peer_counts": { "inbound": peers / 2, "outbound": peers.div_ceil(2) },
            "named_peers": [{
                "address": format!("{}@10.9.9.9:26656", "cd".repeat(20)), "named_as": "persistent",
                "connected": false, "last_error": "connection refused", "next_dial_seconds": 5.0,
            }],
            "bans": [{ "target": "10.6.6.6", "ends_seconds": 61.0 }],
            "counters": {
                "received_bytes": total(3_000), "sent_bytes": total(2_000),
                "refused": { "crowded": total(2), "banned": 0 },
                "round_trip_time": { "buckets": { "200000": 95, "5000000": 5 } },
                "handshake_time": { "buckets": { "2000000": 9, "inf": 1 } },
                "channels": { "0x70": {
                    "received_bytes": total(900), "sent_bytes": total(800),
                    "received_messages": total(3), "sent_messages": total(2), "full": 4,
                    "send_time": { "buckets": { "50000": total(9), "200000000": total(1) } },
                    "receive_time": { "buckets": { "20000": total(1) } },
                } },
            },
            "reactors": { "gossip": { "gossip_delivered": total(6), "gossip_blamed": 0 } },
        })
    }

    fn after(reports: &[Value]) -> Model {
        let mut model = Model::default();
        reports.iter().for_each(|report| model.take(report));
        model
    }

    /// Whether there are times of sending, receiving, round trips and handshakes.
    fn times(model: &Model) -> [bool; 4] {
        let channel = &model.channels()[0];
        let (round_trip, handshake) = (model.round_trip_time(), model.handshake_time());
        [
            channel.send_time,
            channel.receive_time,
            round_trip,
            handshake,
        ]
        .map(|time| time.is_some())
    }

    #[test]
    fn one_report_has_totals_and_no_rates_and_two_have_both() {
        let model = after(&[report(10.0, 2)]);
        assert!(model.is_known());
        assert_eq!(model.peers()[1].received_rate, None);
        assert_eq!(model.history().count(), 0);
        assert_eq!(
            times(&model),
            [false, false, true, true],
            "those since the start"
        );
        let model = after(&[report(10.0, 2), report(12.0, 2)]);
        assert_eq!(model.peers()[1].received_rate, Some(1_000.0));
        assert_eq!(model.peers()[1].queued_messages, 2);
        assert_eq!(model.history().collect::<Vec<_>>(), [(3_000, 2_000)]);
        assert_eq!(model.channels()[0].messages_rate, Some(5.0));
        assert_eq!(times(&model), [true; 4]);
        assert_eq!(model.refusals().len(), 1, "zeros are left out");
        assert_eq!(model.refusals()[0].rate, Some(2.0));
        assert_eq!(model.gossip()[0].name, "delivered");
        assert_eq!(model.gossip()[0].rate, Some(6.0));
    }

    #[test]
    fn what_gossip_moves_stands_before_what_it_says_and_the_rest_is_in_order() {
        let mut one = report(10.0, 2);
        one["reactors"]["gossip"] = json!({
            "feeds_announced": 1, "feeds_body_bytes": 2, "feeds_delivered": 3, "feeds_expired": 4,
            "feeds_missed": 5, "large_published": 6,
        });
        let model = after(&[one]);
        let names: Vec<_> = model.gossip().iter().map(|it| it.name.as_str()).collect();
        let expected = [
            "feeds delivered",
            "large published",
            "feeds missed",
            "feeds body bytes",
            "feeds announced",
            "feeds expired",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn another_process_and_a_report_that_is_not_younger_have_no_rates() {
        let mut other = report(12.0, 1);
        other["node"]["process"] = json!(8);
        for second in [other, report(10.0, 1), report(3.0, 1)] {
            let model = after(&[report(9.0, 1), report(10.0, 1), second]);
            assert_eq!(model.peers()[0].sent_rate, None);
            assert_eq!(model.history().count(), 0);
            assert_eq!(times(&model)[..2], [false; 2]);
        }
    }

    #[test]
    fn a_peer_that_came_again_has_no_rate_until_it_is_seen_twice() {
        let mut again = report(12.0, 1);
        again["peers"][0]["connected_seconds"] = json!(1.0);
        let model = after(&[report(10.0, 1), again.clone()]);
        assert_eq!(model.peers()[0].sent_rate, None);
        again["node"]["uptime_seconds"] = json!(13.0);
        again["peers"][0]["connected_seconds"] = json!(2.0);
        let model = after(&[report(12.0, 1), again]);
        assert_eq!(model.peers()[0].sent_rate, None, "a younger connection");
    }

    #[test]
    fn the_curve_keeps_so_many_rates_and_no_more() {
        let mut model = Model::default();
        for second in 0..HISTORY_MAX + 1 {
            model.take(&report(second as f64 + 1.0, 0));
        }
        assert_eq!(model.history().count(), HISTORY_MAX);
        model.take(&report(HISTORY_MAX as f64 + 2.0, 0));
        assert_eq!(model.history().count(), HISTORY_MAX);
    }

    #[test]
    fn what_strangers_say_commands_no_terminal_and_is_cut() {
        assert_eq!(harmless(&json!("a\x1b[2J\u{9b}\u{202e}b\nc")), "a?[2J??b?c");
        assert_eq!(harmless(&json!("Zoë 節点")), "Zoë 節点");
        let long = "x".repeat(WORD_CHARS_MAX + 1);
        assert_eq!(harmless(&json!(long)).len(), WORD_CHARS_MAX);
    }

    #[test]
    fn an_answer_of_any_shape_is_taken() {
        for report in [
            json!(null),
            json!([]),
            json!({"peers": {}, "node": 3, "bans": [1]}),
        ] {
            after(&[report.clone(), report]);
        }
    }
}
