//! Every figure of a run as a table, for those who want more than the charts.

use std::fmt::Write;

use super::chart::{escape, short};
use crate::case::{Figure, Row};

/// The rows of one suite.
pub(super) fn html(rows: &[&Row]) -> String {
    let mut html = String::from(
        "<div class=\"wide-table\"><table><thead><tr><th>case</th><th>contender</th><th>figure</th><th>median</th>\
         <th>smallest..largest</th><th>ratio to the first</th></tr></thead><tbody>",
    );
    for row in rows {
        for (index, figure) in row.figures.iter().enumerate() {
            let (case, contender) = match index {
                0 => (
                    format!("{} {}", row.framing, row.case),
                    row.contender.clone(),
                ),
                _ => Default::default(),
            };
            let [median, range, ratio] = cells(figure);
            writeln!(
                html,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{median}</td><td>{range}</td><td>{ratio}</td></tr>",
                escape(&case),
                escape(&contender),
                escape(&figure.name),
            )
            .expect("a String takes all that is written to it");
        }
    }
    html + "</tbody></table></div>"
}

fn cells(figure: &Figure) -> [String; 3] {
    let spread = &figure.spread;
    let ratio = figure.ratio.as_ref().map(|ratio| {
        let [median, min, max] = [ratio.median, ratio.min, ratio.max];
        format!("{median:.2} ({min:.2}..{max:.2})")
    });
    [
        format!("{} {}", short(spread.median), escape(&figure.unit)),
        format!("{}..{}", short(spread.min), short(spread.max)),
        ratio.unwrap_or_default(),
    ]
}
