//! Pictures as text: what an operator sees at 80 by 24 and at 200 by 50.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::model::tests::report;
use super::*;

const PLAIN: Palette = Palette { has_colour: false };

fn model(peers: usize) -> Model {
    let mut model = Model::default();
    for second in 0..4 {
        model.take(&report(60.0 + f64::from(second * second), peers));
    }
    model
}

fn picture(
    size: (u16, u16),
    model: &Model,
    screen: &mut Screen,
    palette: Palette,
) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a buffer");
    terminal
        .draw(|frame| draw(frame, model, screen, palette))
        .expect("a picture");
    terminal
}

fn shown(size: (u16, u16), model: &Model, screen: &mut Screen) -> String {
    text(picture(size, model, screen, PLAIN).backend().buffer())
}

/// Compares with the picture that is kept; `RINGWIRE_PICTURES=write` keeps the one of now.
fn assert_picture(name: &str, shown: &str) {
    let path = format!("{}/src/top/data/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("RINGWIRE_PICTURES").is_some_and(|wish| wish == "write") {
        std::fs::write(&path, format!("{shown}\n")).expect("room to write");
    }
    let kept = std::fs::read_to_string(&path).expect("a picture is kept");
    assert_eq!(format!("{shown}\n"), kept);
}

fn pressed(code: KeyCode) -> Screen {
    let mut screen = Screen::default();
    screen.handle_key(KeyEvent::new(code, KeyModifiers::NONE));
    screen
}

#[test]
fn at_80_by_24_everything_has_its_place() {
    let shown = shown((80, 24), &model(12), &mut Screen::default());
    assert_picture("80x24.txt", &shown);
}

#[test]
fn at_200_by_50_there_is_room_for_more() {
    let shown = shown((200, 50), &model(40), &mut Screen::default());
    assert_picture("200x50.txt", &shown);
}

#[test]
fn help_names_every_key_and_fits() {
    let shown = shown((80, 24), &model(1), &mut pressed(KeyCode::Char('?')));
    for line in HELP {
        assert!(
            shown.contains(line.trim_end()),
            "{line:?} is not in {shown}"
        );
    }
}

#[test]
fn the_line_of_keys_fits_80_columns() {
    assert!(KEYS.len() <= 80);
}

#[test]
fn a_node_that_is_away_is_named_and_its_last_picture_stays() {
    let mut screen = Screen::default();
    screen.set_trouble(Some(String::from("no node runs on /h")));
    let away = shown((80, 24), &model(3), &mut screen);
    assert!(away.contains("no node runs on /h; asking on"), "{away}");
    assert!(away.contains("node-2"), "{away}");
    let never = shown((80, 24), &Model::default(), &mut screen);
    assert!(never.starts_with("no answer yet"), "{never}");
}

#[test]
fn a_pause_and_a_filter_stand_in_the_last_line() {
    let paused = shown((80, 24), &model(1), &mut pressed(KeyCode::Char('p')));
    assert!(paused.ends_with("PAUSED: p goes on, q quits"), "{paused}");
    let mut screen = pressed(KeyCode::Char('/'));
    for char in "e-2".chars() {
        screen.handle_key(KeyEvent::new(KeyCode::Char(char), KeyModifiers::NONE));
    }
    let typing = shown((80, 24), &model(3), &mut screen);
    assert!(typing.contains("\nfilter: e-2_ "), "{typing}");
    assert!(
        typing.contains("node-2") && !typing.contains("node-1"),
        "{typing}"
    );
}

#[test]
fn no_colour_is_used_where_none_is_wanted() {
    let coloured = |has_colour| {
        let palette = Palette { has_colour };
        let terminal = picture((80, 24), &model(3), &mut Screen::default(), palette);
        let cells = terminal.backend().buffer().content().to_vec();
        cells
            .iter()
            .any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(coloured(true));
    assert!(!coloured(false));
}

#[test]
fn a_screen_of_any_size_is_drawn() {
    for size in [
        (1, 1),
        (3, 2),
        (10, 5),
        (40, 10),
        (80, 15),
        (80, 16),
        (300, 100),
    ] {
        shown(size, &model(5), &mut Screen::default());
    }
}

#[test]
fn on_a_narrow_screen_whole_columns_give_way_and_never_the_id() {
    let heads = |width| {
        let shown = shown((width, 10), &model(2), &mut Screen::default());
        let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
        let at = lines.iter().position(|line| line.starts_with("PEER"));
        let at = at.unwrap_or_else(|| panic!("no peers in {shown}"));
        assert_eq!(lines[at + 1].split(' ').next(), Some("01010101"), "{shown}");
        lines[at].split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(heads(20), "PEER IN/S");
    assert_eq!(heads(40), "PEER DIR IN/S OUT/S QUEUE");
    assert_eq!(heads(60), "PEER MONIKER DIR FOR IN/S OUT/S QUEUE");
    assert_eq!(heads(74), "PEER ADDRESS DIR FOR IN/S OUT/S QUEUE");
    assert_eq!(heads(75), "PEER MONIKER ADDRESS DIR FOR IN/S OUT/S QUEUE");
}

#[test]
fn a_long_name_of_a_count_leaves_room_for_its_rate() {
    let line = |name: &str| {
        let (name, total) = (name.to_owned(), 5642);
        let rate = Some(12.0);
        count_line(&Count { name, total, rate }).to_string()
    };
    assert_eq!(
        line("feeds control bytes"),
        "feeds control bytes  5.6 kB     12 B/s"
    );
    assert_eq!(
        line("feeds promises refused"),
        "feeds promises refused 5642     12.0/s"
    );
    assert_eq!(line("filtered"), "filtered               5642     12.0/s");
}

#[test]
fn a_wide_character_takes_two_cells_and_is_printed_once() {
    let mut other = report(60.0, 1);
    other["peers"][0]["moniker"] = serde_json::json!("節点x");
    let mut model = Model::default();
    model.take(&other);
    let shown = shown((80, 24), &model, &mut Screen::default());
    assert!(shown.contains("節点x"), "{shown}");
}

#[test]
fn a_bound_has_its_unit_and_six_columns_at_most() {
    let told = BOUNDS.map(|nanos| bound(Bound::Within(std::time::Duration::from_nanos(nanos))));
    assert_eq!(told[0], "10 µs");
    assert_eq!([&told[5], &told[6]], ["500 µs", "1 ms"]);
    assert_eq!([&told[14], &told[15]], ["500 ms", "1 s"]);
    assert_eq!([&told[21], &bound(Bound::Beyond)], ["100 s", ">100 s"]);
    assert!(told.iter().all(|words| words.chars().count() <= 6));
}

#[test]
fn channels_without_room_are_counted_and_a_narrow_screen_keeps_their_rates() {
    let mut many = report(60.0, 1);
    let figures = many["counters"]["channels"]["0x70"].clone();
    let channels = (0..9).map(|at| (format!("0x0{at}"), figures.clone()));
    many["counters"]["channels"] = channels.collect();
    let mut model = Model::default();
    model.take(&many);
    let low = shown((80, 24), &model, &mut Screen::default());
    assert!(low.contains("\n0x02 ") && !low.contains("\n0x03 "), "{low}");
    assert!(low.contains("\n... and 6 channels more\n"), "{low}");
    let high = shown((80, 40), &model, &mut Screen::default());
    assert!(high.contains("\n0x08 "), "{high}");
    let narrow = shown((60, 24), &model, &mut Screen::default());
    assert!(narrow.contains(" FULL\n"), "{narrow}");
    assert!(
        !narrow.contains("P99") && !narrow.contains("p99"),
        "{narrow}"
    );
}

#[test]
fn many_missing_peers_hide_neither_refusals_nor_bans_and_long_lists_end_with_a_count() {
    let mut many = report(60.0, 1);
    let named = many["named_peers"][0].clone();
    many["named_peers"] = (0..9).map(|_| named.clone()).collect();
    many["reactors"]["gossip"] = (0..9)
        .map(|at| (format!("gossip_f{at}"), serde_json::json!(1)))
        .collect();
    let mut model = Model::default();
    model.take(&many);
    let shown = shown((80, 24), &model, &mut Screen::default());
    for words in [
        "NOT CONNECTED: 9",
        "REFUSED: 1",
        "BANNED: 1",
        "... and 4 lines more",
    ] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
}
