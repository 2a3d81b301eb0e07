//! A table for eyes: columns as wide as their widest cell.

/// How the cells of a column stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Heads and rows; every row has a cell for each head.
pub(crate) struct Table<const COLUMNS: usize> {
    heads: [(&'static str, Align); COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table without rows.
    pub(crate) fn new(heads: [(&'static str, Align); COLUMNS]) -> Self {
        Table {
            heads,
            rows: Vec::new(),
        }
    }

    /// Adds a row below the others.
    pub(crate) fn push(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row);
    }

    /// The lines, the heads first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines_without(&[])
    }

    /// The lines for a screen of so many characters a line. What does not fit is left out by columns, those of these heads, the
    /// first first; and a last line says which.
    pub(crate) fn lines_within(&self, screen: usize, least: &[&'static str]) -> Vec<String> {
        let is_within = |lines: &[String]| lines.iter().all(|it| it.chars().count() <= screen);
        let mut left_out = 0;
        loop {
            let hidden = &least[..left_out];
            let mut lines = self.lines_without(hidden);
            if is_within(&lines) || left_out == least.len() {
                if !hidden.is_empty() {
                    lines.push(format!("(a wider screen has {})", hidden.join(", ")));
                }
                return lines;
            }
            left_out += 1;
        }
    }

    fn lines_without(&self, hidden: &[&str]) -> Vec<String> {
        let heads = self.heads.map(|(head, _)| head.to_owned());
        let lines = || std::iter::once(&heads).chain(&self.rows);
        let widths: [Option<usize>; COLUMNS] = std::array::from_fn(|column| {
            let widest = lines().map(|row| row[column].chars().count()).max();
            widest.filter(|_| !hidden.contains(&self.heads[column].0))
        });
        lines().map(|row| self.line(row, widths)).collect()
    }

    /// A row, without the columns that have no width.
    fn line(&self, row: &[String; COLUMNS], widths: [Option<usize>; COLUMNS]) -> String {
        let cells = row.iter().zip(widths).zip(self.heads);
        let cells = cells.filter_map(|((cell, width), (_, align))| {
            let width = width?;
            Some(match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            })
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

/// Bytes in at most eight columns, by powers of ten.
pub(crate) fn bytes(bytes: u64) -> String {
    let size = bytes as f64;
    match bytes {
        ..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", size / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", size / 1e6),
        _ => format!("{:.1} GB", size / 1e9),
    }
}

/// A time span by its two largest units.
pub(crate) fn span(seconds: f64) -> String {
    // A negative or absurd number of seconds saturates.
    let seconds = seconds as u64;
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A short time with three digits, in its unit.
pub(crate) fn moment(seconds: f64) -> String {
    let (value, unit) = match seconds {
        ..0.000_999_5 => (seconds * 1e6, "µs"),
        0.000_999_5..0.999_5 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    let decimals = match value {
        ..9.995 => 2,
        9.995..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

/// So many of a thing whose plural ends in s, or in es after s.
pub(crate) fn number_of(number: usize, thing: &str) -> String {
    match (number, thing.ends_with('s')) {
        (1, _) => format!("1 {thing}"),
        (_, true) => format!("{number} {thing}es"),
        (_, false) => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new([("NAME", Align::Left), ("N", Align::Right)]);
        table.push(["a".into(), "1".into()]);
        table.push(["longer".into(), "1000".into()]);
        assert_eq!(
            table.lines(),
            ["NAME       N", "a          1", "longer  1000"]
        );
    }

    #[test]
    fn a_narrow_screen_lacks_the_least_columns_and_is_told_which() {
        let heads = ["NAME", "A", "B"].map(|head| (head, Align::Left));
        let mut table = Table::new(heads);
        table.push(["name", "aa", "bb"].map(String::from));
        let within = |screen| table.lines_within(screen, &["B", "A"]);
        assert_eq!(within(12), ["NAME  A   B", "name  aa  bb"]);
        let told = "(a wider screen has B)";
        assert_eq!(within(11), ["NAME  A", "name  aa", told]);
        let told = "(a wider screen has B, A)";
        assert_eq!(within(7), ["NAME", "name", told]);
        assert_eq!(within(1), ["NAME", "name", told], "a name stays");
    }

    #[test]
    fn sizes_and_spans_change_their_unit_at_the_edge() {
        assert_eq!([bytes(999), bytes(1_000)], ["999 B", "1.0 kB"]);
        assert_eq!([bytes(999_949), bytes(1_000_000)], ["999.9 kB", "1.0 MB"]);
        assert_eq!([span(59.9), span(60.0)], ["59s", "1m00s"]);
        assert_eq!([span(3_599.0), span(3_600.0)], ["59m59s", "1h00m"]);
        assert_eq!([span(86_399.0), span(86_400.0)], ["23h59m", "1d00h"]);
    }

    #[test]
    fn a_short_time_has_three_digits_on_both_sides_of_each_edge() {
        let told = [0.0, 0.000_012_34, 0.000_999_4, 0.000_999_5].map(moment);
        assert_eq!(told, ["0.00 µs", "12.3 µs", "999 µs", "1.00 ms"]);
        let told = [0.009_994, 0.009_995, 0.0999_4, 0.099_95].map(moment);
        assert_eq!(told, ["9.99 ms", "10.0 ms", "99.9 ms", "100 ms"]);
        let told = [0.999_4, 0.999_5, 61.0].map(moment);
        assert_eq!(told, ["999 ms", "1.00 s", "61.0 s"]);
    }

    #[test]
    fn one_thing_has_no_plural() {
        let things = [(0, "peer"), (1, "peer"), (2, "address"), (1, "address")];
        let told = things.map(|(number, thing)| number_of(number, thing));
        assert_eq!(told, ["0 peers", "1 peer", "2 addresses", "1 address"]);
    }
}
