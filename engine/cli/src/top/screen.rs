//! What the operator chose: the order of the peers, a filter, the place, a pause. Keys change it.

use std::cmp::Ordering;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::PeerRow;

/// Characters of a filter.
const FILTER_CHARS_MAX: usize = 40;

/// Peers that one of the page keys passes.
const PAGE: usize = 10;

/// By what the peers are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// Bytes a second, both directions together, the most first.
    #[default]
    Rate,
    /// Messages that wait, the most first.
    Queue,
    /// Time connected, the longest first.
    Time,
    /// Outbound first.
    Direction,
    /// By the name they gave themselves.
    Moniker,
}

impl Order {
    /// As shown in the title of the peers.
    pub(super) fn word(self) -> &'static str {
        match self {
            Order::Rate => "rate",
            Order::Queue => "queue",
            Order::Time => "time",
            Order::Direction => "direction",
            Order::Moniker => "moniker",
        }
    }

    fn compare(self, a: &PeerRow, b: &PeerRow) -> Ordering {
        match self {
            Order::Rate => b.rate().total_cmp(&a.rate()),
            Order::Queue => b.queued_messages.cmp(&a.queued_messages),
            Order::Time => b.connected_seconds.total_cmp(&a.connected_seconds),
            Order::Direction => b.is_outbound.cmp(&a.is_outbound),
            Order::Moniker => a.moniker.cmp(&b.moniker),
        }
    }
}

/// What a key led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The picture is drawn anew.
    Draw,
    /// The screen ends.
    End,
}

/// The choices of the operator.
#[derive(Debug, Default)]
pub(super) struct Screen {
    order: Order,
    is_paused: bool,
    shows_help: bool,
    filter: String,
    is_typing: bool,
    /// Peers above the first that is shown.
    passed: usize,
    /// Why the last question had no answer.
    trouble: Option<String>,
}

impl Screen {
    /// Takes a key.
    pub(super) fn handle_key(&mut self, key: KeyEvent) -> Then {
        if key.kind == KeyEventKind::Release {
            return Then::Draw;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if is_control => return Then::End,
            _ if self.is_typing => self.handle_typed(key.code),
            _ if self.shows_help => self.shows_help = false,
            KeyCode::Char('q') | KeyCode::Esc => return Then::End,
            code => self.handle_command(code),
        }
        Then::Draw
    }

    fn handle_typed(&mut self, code: KeyCode) {
        match code {
            KeyCode::Esc => {
                self.filter.clear();
                self.is_typing = false;
            }
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(char)
                if !char.is_control() && self.filter.chars().count() < FILTER_CHARS_MAX =>
            {
                self.filter.push(char);
            }
            _ => {}
        }
        self.passed = 0;
    }

    fn handle_command(&mut self, code: KeyCode) {
        match code {
            KeyCode::Char('r') => self.order = Order::Rate,
            KeyCode::Char('u') => self.order = Order::Queue,
            KeyCode::Char('t') => self.order = Order::Time,
            KeyCode::Char('d') => self.order = Order::Direction,
            KeyCode::Char('m') => self.order = Order::Moniker,
            KeyCode::Char('p') => self.is_paused = !self.is_paused,
            KeyCode::Char('?') => self.shows_help = true,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Up => self.passed = self.passed.saturating_sub(1),
            KeyCode::Down => self.passed = self.passed.saturating_add(1),
            KeyCode::PageUp => self.passed = self.passed.saturating_sub(PAGE),
            KeyCode::PageDown => self.passed = self.passed.saturating_add(PAGE),
            KeyCode::Home => self.passed = 0,
            _ => {}
        }
    }

    /// Says why a question had no answer; none when one had.
    pub(super) fn set_trouble(&mut self, trouble: Option<String>) {
        self.trouble = trouble;
    }

    /// The peers that pass the filter, in order.
    pub(super) fn arrange<'a>(&self, peers: &'a [PeerRow]) -> Vec<&'a PeerRow> {
        let filter = self.filter.to_lowercase();
        let passes = |peer: &&PeerRow| {
            let words = [&peer.moniker, &peer.id, &peer.address];
            words
                .iter()
                .any(|word| word.to_lowercase().contains(&filter))
        };
        let mut peers: Vec<_> = peers.iter().filter(passes).collect();
        // Equal ones stand by id, so that they do not change places from picture to picture.
        peers.sort_by(|a, b| self.order.compare(a, b).then_with(|| a.id.cmp(&b.id)));
        peers
    }

    /// The first peer to show of `count`, where `room` have room; the last page is full.
    pub(super) fn first(&mut self, count: usize, room: usize) -> usize {
        self.passed = self.passed.min(count.saturating_sub(room));
        self.passed
    }

    /// By what the peers are sorted.
    pub(super) fn order(&self) -> Order {
        self.order
    }

    /// Whether the picture stands still.
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether the keys are explained.
    pub(super) fn shows_help(&self) -> bool {
        self.shows_help
    }

    /// What peers must contain to be shown, and whether it is being typed.
    pub(super) fn filter(&self) -> (&str, bool) {
        (&self.filter, self.is_typing)
    }

    /// Why the last question had no answer.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Model;
    use super::super::model::tests::report;
    use super::*;

    fn press(screen: &mut Screen, code: KeyCode) -> Then {
        screen.handle_key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn typed(screen: &mut Screen, text: &str) {
        for char in text.chars() {
            assert_eq!(press(screen, KeyCode::Char(char)), Then::Draw);
        }
    }

    fn model() -> Model {
        let mut model = Model::default();
        model.take(&report(10.0, 4));
        model.take(&report(11.0, 4));
        model
    }

    fn monikers(screen: &Screen) -> Vec<String> {
        let model = model();
        let peers = screen.arrange(model.peers());
        peers.iter().map(|peer| peer.moniker.clone()).collect()
    }

    #[test]
    fn each_order_has_its_key() {
        let mut screen = Screen::default();
        assert_eq!(monikers(&screen)[0], "node-3", "the fastest");
        typed(&mut screen, "t");
        assert_eq!(monikers(&screen)[0], "node-0", "the longest");
        typed(&mut screen, "u");
        assert_eq!(monikers(&screen)[0], "node-3", "the fullest");
        typed(&mut screen, "d");
        assert_eq!(monikers(&screen), ["node-0", "node-2", "node-1", "node-3"]);
        typed(&mut screen, "m");
        assert_eq!(monikers(&screen), ["node-0", "node-1", "node-2", "node-3"]);
        typed(&mut screen, "r");
        assert_eq!(screen.order(), Order::Rate);
    }

    #[test]
    fn three_keys_end_the_screen_and_escape_leaves_what_is_open_first() {
        let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        let mut screen = Screen::default();
        assert_eq!(screen.handle_key(control), Then::End);
        assert_eq!(press(&mut screen, KeyCode::Esc), Then::End);
        assert_eq!(press(&mut screen, KeyCode::Char('q')), Then::End);
        typed(&mut screen, "?");
        assert!(screen.shows_help());
        assert_eq!(press(&mut screen, KeyCode::Esc), Then::Draw);
        typed(&mut screen, "/q");
        assert_eq!(screen.filter(), ("q", true));
        assert_eq!(press(&mut screen, KeyCode::Esc), Then::Draw);
        assert_eq!(screen.filter(), ("", false));
        typed(&mut screen, "/");
        assert_eq!(screen.handle_key(control), Then::End);
    }

    #[test]
    fn a_filter_finds_names_ids_and_addresses_up_to_its_length() {
        let mut screen = Screen::default();
        typed(&mut screen, "/NODE-2");
        assert_eq!(monikers(&screen), ["node-2"]);
        press(&mut screen, KeyCode::Esc);
        typed(&mut screen, "/10.0.0.1");
        press(&mut screen, KeyCode::Enter);
        assert_eq!(screen.filter(), ("10.0.0.1", false));
        assert_eq!(monikers(&screen), ["node-1"]);
        typed(&mut screen, "/");
        typed(&mut screen, &"x".repeat(FILTER_CHARS_MAX + 1));
        assert_eq!(screen.filter().0.len(), FILTER_CHARS_MAX);
        press(&mut screen, KeyCode::Backspace);
        assert_eq!(screen.filter().0.len(), FILTER_CHARS_MAX - 1);
    }

    #[test]
    fn scrolling_ends_where_the_last_peer_stands_at_the_bottom() {
        let mut screen = Screen::default();
        press(&mut screen, KeyCode::PageDown);
        assert_eq!(screen.first(12, 4), 8);
        press(&mut screen, KeyCode::Down);
        assert_eq!(screen.first(12, 4), 8);
        press(&mut screen, KeyCode::Up);
        assert_eq!(screen.first(12, 4), 7);
        press(&mut screen, KeyCode::Home);
        press(&mut screen, KeyCode::Up);
        assert_eq!(screen.first(12, 4), 0);
        press(&mut screen, KeyCode::Down);
        assert_eq!(screen.first(3, 4), 0, "all have room");
    }

    #[test]
    fn a_pause_begins_and_ends_with_the_same_key() {
        let mut screen = Screen::default();
        typed(&mut screen, "p");
        assert!(screen.is_paused());
        typed(&mut screen, "p");
        assert!(!screen.is_paused());
    }
}
