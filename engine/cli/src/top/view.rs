//! The picture: a model and the operator's choices as cells.
//!
//! ```text
//!   headline, address, state
//!   in and out: rates, curves | round trips, handshakes
//!   peers                        takes what room there is, scrolls
//!   channels
//!   gossip | missing peers, refusals, bans
//!   keys
//! ```

use ratatui::Frame;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Clear, Paragraph, Row, Sparkline, Table};
use ringwire_core::metrics::BOUNDS;

use super::model::{BanRow, ChannelRow, Count, MissingRow, Model, PeerRow};
use super::screen::Screen;
use super::times::{Bound, Spread};
use crate::table::{bytes, number_of, span};

/// Lines of the panel of gossip and troubles, where the screen is 24 lines high.
const PANEL_LINES: u16 = 7;

/// Lines of the channels at most, with their head, where the screen is 24 lines high.
const CHANNEL_LINES_MAX: u16 = 5;

/// Columns that the channels take with their times.
const CHANNEL_COLUMNS: u16 = 75;

/// Columns of the times beside the curves, and of a screen that has room for them.
const TIME_COLUMNS: u16 = 34;
const TIMES_FROM_COLUMNS: u16 = 64;

/// Columns of a rate and its name beside the curve.
const RATE_COLUMNS: u16 = 18;

/// Kinds of lines beside gossip.
const SECTIONS: usize = 3;

/// Characters of who is banned: the time has room beside them.
const TARGET_CHARS_MAX: usize = 26;

/// Hex digits of an id, as many as `peers` shows.
const ID_DIGITS: usize = 12;

/// Columns below which a screen is narrow.
const NARROW_COLUMNS: u16 = 120;

/// The keys, on one line of 80 columns.
const KEYS: &str =
    "sort: r rate u queue t time d direction m moniker / filter p pause ? help q quit";

/// The keys, explained.
const HELP: [&str; 19] = [
    "r        sort peers by rate, both directions together",
    "u        ... by messages that wait to be sent",
    "t        ... by the time they are connected",
    "d        ... by direction, those we dialed first",
    "m        ... by moniker",
    "up down  scroll; also page up, page down, home",
    "/        show peers whose moniker, id or address has a text;",
    "         enter keeps it, escape takes it away",
    "p        pause, and go on",
    "q        quit; also escape and control-C",
    "",
    "Rates: bytes a second on the wire; of channels, of whole messages.",
    "DIR: * is a persistent peer. QUEUE: messages, all channels.",
    "FULL: how often a channel's queue had no room, since the start.",
    "P50, P99: half of all, and 99 of 100, took no longer. OUT: from a peer's queue",
    "to the kernel, IN: from the kernel to the reactor, in the last minute.",
    "Round trips of pings, and handshakes until a peer is known: since the start.",
    "",
    "Any key closes this help.",
];

/// How things are set off from one another; without colour by weight alone.
#[derive(Clone, Copy)]
pub(super) struct Palette {
    /// Whether colours may be used.
    pub(super) has_colour: bool,
}

impl Palette {
    fn head(self) -> Style {
        self.paint(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    fn warning(self) -> Style {
        self.paint(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn curve(self) -> Style {
        self.paint(Color::Green)
    }

    fn paint(self, colour: Color) -> Style {
        match self.has_colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }
}

/// Draws everything. The screen learns how far it can scroll.
pub(super) fn draw(frame: &mut Frame, model: &Model, screen: &mut Screen, palette: Palette) {
    // A low screen keeps its peers, and gives up the panels first.
    let times = match frame.area().height {
        ..16 => 0,
        16..40 => 1,
        _ => 2,
    };
    let lines = u16::try_from(model.channels().len() + 1).unwrap_or(u16::MAX);
    let [head, rates, peers, channels, panel, keys] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(2),
        Constraint::Min(2),
        Constraint::Length(lines.min(times * CHANNEL_LINES_MAX)),
        Constraint::Length(times * PANEL_LINES),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_head(frame, head, model, screen, palette);
    draw_rates(frame, rates, model, palette);
    draw_peers(frame, peers, model, screen, palette);
    draw_channels(frame, channels, model.channels(), palette);
    let [gossip, troubles] = Layout::horizontal([Constraint::Length(38), Constraint::Min(0)])
        .spacing(2)
        .areas(panel);
    let shown = model.gossip().iter().map(count_line).collect();
    let shown = section("GOSSIP", model.gossip().len(), shown, palette);
    draw_lines(frame, gossip, shown);
    draw_troubles(frame, troubles, model, palette);
    draw_keys(frame, keys, screen, palette);
    if screen.shows_help() {
        draw_help(frame, palette);
    }
}

/// The characters of a picture, line by line, without the last newline.
pub(super) fn text(buffer: &Buffer) -> String {
    let columns = usize::from(buffer.area.width).max(1);
    let rows = buffer.content().chunks(columns);
    let lines: Vec<String> = rows.map(line_of).collect();
    lines.join("\n").trim_end().to_owned()
}

/// A wide character has the cell behind its own, too, which is passed over.
fn line_of(row: &[Cell]) -> String {
    let (mut line, mut at) = (String::new(), 0);
    while let Some(cell) = row.get(at) {
        line.push_str(cell.symbol());
        at += Line::raw(cell.symbol()).width().max(1);
    }
    line.trim_end().to_owned()
}

fn draw_head(frame: &mut Frame, area: Rect, model: &Model, screen: &Screen, palette: Palette) {
    let node = model.headline();
    let title = match model.is_known() {
        true => format!(
            "\"{}\" of \"{}\", up {}, {}, {}: {} out, {} in",
            node.moniker,
            node.network,
            span(node.uptime_seconds),
            counted(node.shards, "shard"),
            counted(node.inbound + node.outbound, "peer"),
            node.outbound,
            node.inbound,
        ),
        false => String::from("no answer yet"),
    };
    let second = match screen.trouble() {
        Some(trouble) => Line::styled(format!("{trouble}; asking on"), palette.warning()),
        None => Line::raw(node.address.clone()),
    };
    let title = Line::styled(title, palette.head());
    frame.render_widget(Paragraph::new(vec![title, second]), area);
}

fn counted(number: u64, thing: &str) -> String {
    number_of(usize::try_from(number).unwrap_or(usize::MAX), thing)
}

fn draw_rates(frame: &mut Frame, area: Rect, model: &Model, palette: Palette) {
    let times = match area.width {
        ..TIMES_FROM_COLUMNS => 0,
        _ => TIME_COLUMNS,
    };
    let [words, curves, times] = Layout::horizontal([
        Constraint::Length(RATE_COLUMNS),
        Constraint::Min(0),
        Constraint::Length(times),
    ])
    .areas(area);
    draw_times(frame, times, model);
    let (received, sent): (Vec<u64>, Vec<u64>) = model.history().unzip();
    let lines = [("in ", &received), ("out", &sent)]
        .map(|(name, rates)| Line::raw(format!("{name} {:>12}", per_second(rates.last()))));
    frame.render_widget(Paragraph::new(lines.to_vec()), words);
    let rows: [Rect; 2] = Layout::vertical([Constraint::Length(1); 2]).areas(curves);
    for (row, rates) in rows.into_iter().zip([received, sent]) {
        // The latest that have room, up to the right edge.
        let columns = usize::from(row.width);
        let first = rates.len().saturating_sub(columns);
        let unused = vec![0; columns.saturating_sub(rates.len())];
        let shown = unused.into_iter().chain(rates[first..].iter().copied());
        let curve = Sparkline::default().data(shown).style(palette.curve());
        frame.render_widget(curve, row);
    }
}

/// How long peers take to answer, and to be let in.
fn draw_times(frame: &mut Frame, area: Rect, model: &Model) {
    let lines = [
        ("round trip", model.round_trip_time()),
        ("handshake ", model.handshake_time()),
    ]
    .map(|(name, spread)| {
        let [p50, p99] = spread_words(spread);
        Line::raw(format!("  {name} p50 {p50:>6} p99 {p99:>6}"))
    });
    frame.render_widget(Paragraph::new(lines.to_vec()), area);
}

/// Half of all, and 99 of 100.
fn spread_words(spread: Option<Spread>) -> [String; 2] {
    match spread {
        Some(Spread { p50, p99 }) => [bound(p50), bound(p99)],
        None => ["-", "-"].map(String::from),
    }
}

/// The bound of a bucket in at most six columns: without fractions, since no bucket has one.
fn bound(bound: Bound) -> String {
    match bound {
        Bound::Within(longest) => whole(u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX)),
        Bound::Beyond => format!(">{}", whole(BOUNDS[BOUNDS.len() - 1])),
    }
}

fn whole(nanos: u64) -> String {
    match nanos {
        ..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", nanos / 1_000_000),
        _ => format!("{} s", nanos / 1_000_000_000),
    }
}

fn per_second(rate: Option<&u64>) -> String {
    rate.map_or_else(|| String::from("-"), |rate| format!("{}/s", bytes(*rate)))
}

fn draw_peers(frame: &mut Frame, area: Rect, model: &Model, screen: &mut Screen, palette: Palette) {
    let peers = screen.arrange(model.peers());
    let room = usize::from(area.height.saturating_sub(1));
    let first = screen.first(peers.len(), room);
    let shown = peer_columns(area.width);
    let picked = |cells: [String; PEER_COLUMNS.len()]| {
        let cells = cells
            .into_iter()
            .zip(shown)
            .filter(|(_, is_shown)| *is_shown);
        Row::new(cells.map(|(cell, _)| cell))
    };
    let rows = peers.iter().skip(first).take(room);
    let rows = rows.map(|peer| picked(peer_cells(peer)));
    let heads = picked(PEER_COLUMNS.map(|column| String::from(column.head)));
    // On a wide screen there is room for more of an id, and for long names and addresses.
    let is_wide = area.width >= NARROW_COLUMNS;
    let widths = PEER_COLUMNS.map(|column| match (column.head, is_wide) {
        ("PEER", true) => Constraint::Length(12),
        ("MONIKER", _) | ("ADDRESS", true) => Constraint::Fill(1),
        _ => Constraint::Length(column.width),
    });
    let widths = widths.into_iter().zip(shown);
    let widths = widths
        .filter(|(_, is_shown)| *is_shown)
        .map(|(width, _)| width);
    let table = Table::new(rows, widths).header(heads.style(palette.head()));
    frame.render_widget(table, area);
}

/// A column of the peers.
#[derive(Clone, Copy)]
struct PeerColumn {
    head: &'static str,
    /// The characters it takes on a narrow screen.
    width: u16,
    /// Which is the first to stay where there is no room for all; 0 stays longest.
    rank: usize,
}

const PEER_COLUMNS: [PeerColumn; 8] = {
    const fn column(head: &'static str, width: u16, rank: usize) -> PeerColumn {
        PeerColumn { head, width, rank }
    }
    [
        column("PEER", 8, 0),
        column("MONIKER", 8, 7),
        column("ADDRESS", 21, 6),
        column("DIR", 4, 4),
        column("FOR", 6, 5),
        column("IN/S", 8, 1),
        column("OUT/S", 8, 2),
        column("QUEUE", 5, 3),
    ]
};

/// The columns that a screen has room for. None is cut: half an address is of no use.
fn peer_columns(width: u16) -> [bool; PEER_COLUMNS.len()] {
    let mut shown = [false; PEER_COLUMNS.len()];
    let mut left = width + 1;
    for rank in 0..PEER_COLUMNS.len() {
        let at = PEER_COLUMNS.iter().position(|column| column.rank == rank);
        let at = at.expect("each rank is that of one column");
        // Each has a blank before it, but for the first.
        let wanted = PEER_COLUMNS[at].width + 1;
        shown[at] = wanted <= left;
        left -= if shown[at] { wanted } else { 0 };
    }
    // Somebody stays in the smallest.
    shown[0] = true;
    shown
}

fn peer_cells(peer: &PeerRow) -> [String; PEER_COLUMNS.len()] {
    let direction = match (peer.is_outbound, peer.is_persistent) {
        (true, true) => "out*",
        (true, false) => "out",
        (false, true) => "in*",
        (false, false) => "in",
    };
    [
        peer.id.chars().take(ID_DIGITS).collect(),
        peer.moniker.clone(),
        peer.address.clone(),
        direction.to_owned(),
        span(peer.connected_seconds),
        rate(peer.received_rate),
        rate(peer.sent_rate),
        peer.queued_messages.to_string(),
    ]
}

/// Bytes a second, where the head says so.
fn rate(rate: Option<f64>) -> String {
    // Rates are not negative; the fraction of a byte is no loss.
    rate.map_or_else(|| String::from("-"), |rate| bytes(rate as u64))
}

/// Things a second, to a tenth.
fn times(rate: Option<f64>) -> String {
    rate.map_or_else(|| String::from("-"), |rate| format!("{rate:.1}"))
}

fn draw_channels(frame: &mut Frame, area: Rect, channels: &[ChannelRow], palette: Palette) {
    let heads = [
        "CHANNEL", "IN/S", "OUT/S", "MSGS/S", "FULL", "IN P50", "IN P99", "OUT P50", "OUT P99",
    ];
    let widths = [7, 8, 8, 8, 8, 7, 7, 7, 7].map(Constraint::Length);
    // Where there is no room for all, times give way.
    let columns = match area.width {
        ..CHANNEL_COLUMNS => 5,
        _ => heads.len(),
    };
    let room = usize::from(area.height.saturating_sub(1));
    let shown = match channels.len() {
        count if count > room => room.saturating_sub(1),
        count => count,
    };
    let rows = channels[..shown]
        .iter()
        .map(|channel| Row::new(channel_cells(channel).into_iter().take(columns)));
    let head = Row::new(heads.into_iter().take(columns)).style(palette.head());
    frame.render_widget(Table::new(rows, &widths[..columns]).header(head), area);
    if shown < channels.len() {
        let last = Rect {
            y: area.bottom().saturating_sub(1),
            height: area.height.min(1),
            ..area
        };
        frame.render_widget(hidden(channels.len() - shown, "channel"), last);
    }
}

fn channel_cells(channel: &ChannelRow) -> [String; 9] {
    let [received_p50, received_p99] = spread_words(channel.receive_time);
    let [sent_p50, sent_p99] = spread_words(channel.send_time);
    [
        channel.id.clone(),
        rate(channel.received_rate),
        rate(channel.sent_rate),
        times(channel.messages_rate),
        channel.full.to_string(),
        received_p50,
        received_p99,
        sent_p50,
        sent_p99,
    ]
}

/// What went wrong.
fn draw_troubles(frame: &mut Frame, area: Rect, model: &Model, palette: Palette) {
    let room = usize::from(area.height);
    // Many lines of one kind do not hide the other kinds.
    let each = (room / SECTIONS).max(2);
    let missing = model.missing();
    let shown = missing
        .iter()
        .take(each / 2)
        .flat_map(missing_lines)
        .collect();
    let mut lines = section("NOT CONNECTED", missing.len(), shown, palette);
    let (refusals, bans) = (model.refusals(), model.bans());
    let shown = refusals.iter().take(each).map(count_line).collect();
    lines.extend(section("REFUSED", refusals.len(), shown, palette));
    let shown = bans.iter().take(each).map(ban_line).collect();
    lines.extend(section("BANNED", bans.len(), shown, palette));
    draw_lines(frame, area, lines);
}

/// Draws lines; those that have no room are counted in the last one.
fn draw_lines(frame: &mut Frame, area: Rect, mut lines: Vec<Line>) {
    let room = usize::from(area.height);
    if lines.len() > room && room > 0 {
        let left_out = lines.len() - (room - 1);
        lines.truncate(room - 1);
        lines.push(hidden(left_out, "line"));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// So many of a thing had no room.
fn hidden(count: usize, thing: &str) -> Line<'static> {
    Line::raw(format!("... and {} more", number_of(count, thing)))
}

/// A head with how many there are, and the lines; nothing where there are none.
fn section<'a>(head: &str, count: usize, lines: Vec<Line<'a>>, palette: Palette) -> Vec<Line<'a>> {
    if count == 0 {
        return Vec::new();
    }
    let head = Line::styled(format!("{head}: {count}"), palette.head());
    std::iter::once(head).chain(lines).collect()
}

fn ban_line(ban: &BanRow) -> Line<'static> {
    let target: String = ban.target.chars().take(TARGET_CHARS_MAX).collect();
    Line::raw(format!("{target} for {}", span(ban.ends_seconds)))
}

fn count_line(count: &Count) -> Line<'static> {
    let (total, rate) = match count.name.ends_with(" bytes") {
        true => (bytes(count.total), rate(count.rate)),
        false => (count.total.to_string(), times(count.rate)),
    };
    // A long name takes its room from the number beside it, and not from the rate at the edge.
    let name = &count.name;
    let room = 26usize.saturating_sub(name.chars().count().max(18));
    Line::raw(format!("{name:<18} {total:>room$} {rate:>8}/s"))
}

fn missing_lines(peer: &MissingRow) -> [Line<'static>; 2] {
    let (_, place) = peer.address.split_once('@').unwrap_or(("", &peer.address));
    let next = peer.next_dial_seconds;
    let next = next.map_or_else(String::new, |next| format!(", next dial in {}", span(next)));
    let error = peer.last_error.as_deref().unwrap_or("not dialed yet");
    [
        Line::raw(format!("{place}{next}")),
        Line::raw(format!("  {error}")),
    ]
}

fn draw_keys(frame: &mut Frame, area: Rect, screen: &Screen, palette: Palette) {
    let line = match screen.filter() {
        (filter, true) => format!("filter: {filter}_   enter keeps it, escape takes it away"),
        _ if screen.is_paused() => String::from("PAUSED: p goes on, q quits"),
        ("", false) => KEYS.to_owned(),
        (filter, false) => {
            format!(
                "by {}, filter: {filter}   / changes it, ? help",
                screen.order().word()
            )
        }
    };
    frame.render_widget(Line::styled(line, palette.head()), area);
}

fn draw_help(frame: &mut Frame, palette: Palette) {
    let area = frame.area();
    frame.render_widget(Clear, area);
    let title = std::iter::once(Line::styled("ringwire top: keys", palette.head()));
    let lines: Vec<_> = title.chain(HELP.into_iter().map(Line::raw)).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
