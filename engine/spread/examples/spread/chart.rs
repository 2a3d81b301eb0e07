//! The chart of `--svg`: the share of nodes that have a payload over time, one line a protocol; the direct path is
//! dashed.

use std::ops::Range;

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use crate::comparison::Comparison;

const SIZE: (u32, u32) = (900, 520);
const FONT: &str = "sans-serif";

/// Heights of letters with what hangs below them; the names of the letters' sizes are a fifth less.
const TITLE_PX: i32 = 20;
const LABEL_PX: i32 = 15;

const LEGEND_PX: i32 = 18;
const DASH_PX: i32 = 6;
const GAP_PX: i32 = 4;

/// Okabe and Ito's colours, which most colour-blind readers can tell apart, and five more.
const COLORS: [RGBColor; 12] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(148, 116, 16),
    RGBColor(102, 51, 153),
    RGBColor(160, 30, 50),
    RGBColor(60, 90, 60),
    RGBColor(120, 120, 220),
    RGBColor(150, 150, 150),
];
const DIRECT: RGBColor = RGBColor(60, 60, 60);

/// Where the time begins at the earliest on a logarithmic axis, in milliseconds.
const LOG_FROM_MS: f64 = 0.1;

/// A line to be drawn: milliseconds, share of nodes.
struct Line {
    name: &'static str,
    color: RGBColor,
    is_dashed: bool,
    points: Vec<(f64, f64)>,
}

impl Line {
    /// When all but the last percent of the nodes that ever get a payload have it.
    fn nearly_all(&self) -> f64 {
        let at = self.points.len().saturating_sub(2);
        self.points.get(at).map_or(0.0, |(time, _)| *time)
    }

    /// Ends it where the axis ends.
    fn cut(&mut self, end: f64) {
        // The first point is at 0, before every end.
        let Some(beyond @ 1..) = self.points.iter().position(|(time, _)| *time > end) else {
            return;
        };
        let ((t0, y0), (t1, y1)) = (self.points[beyond - 1], self.points[beyond]);
        self.points[beyond] = (end, y0 + (y1 - y0) * (end - t0) / (t1 - t0));
        self.points.truncate(beyond + 1);
    }
}

/// The chart as a document; with `log` its time is on a logarithmic axis.
pub(crate) fn svg(comparison: &Comparison, log: bool) -> String {
    let mut lines = lines(comparison);
    let end = lines.iter().map(Line::nearly_all).fold(1.0, f64::max) * 1.1;
    for line in &mut lines {
        match log {
            true => line.points.retain(|(time, _)| *time > 0.0),
            // The last percent of one protocol may take longer than all else together.
            false => line.cut(end),
        }
    }
    let times = || {
        lines
            .iter()
            .flat_map(|line| line.points.iter().map(|(time, _)| *time))
    };
    let last = times().fold(1.0, f64::max);
    let first = times().fold(last / 10.0, f64::min).max(LOG_FROM_MS);
    let mut svg = String::new();
    let drawn = match log {
        true => draw(
            &mut svg,
            (first..last * 1.1).log_scale(),
            &title(comparison),
            &lines,
        ),
        false => draw(&mut svg, 0.0..last * 1.02, &title(comparison), &lines),
    };
    drawn.expect("a String takes all that is written to it");
    svg
}

fn lines(comparison: &Comparison) -> Vec<Line> {
    let direct = Line {
        name: "direct path",
        color: DIRECT,
        is_dashed: true,
        points: comparison.direct_curve(),
    };
    let colors = COLORS.into_iter().cycle();
    let protocols = comparison
        .outcomes
        .iter()
        .zip(colors)
        .map(|(outcome, color)| Line {
            name: outcome.name,
            color,
            is_dashed: false,
            points: outcome.curve(),
        });
    std::iter::once(direct).chain(protocols).collect()
}

fn title(comparison: &Comparison) -> String {
    let plan = &comparison.plan;
    let seeds = match plan.seeds {
        1 => format!("seed {}", plan.scenario.seed),
        seeds => format!("median of {seeds} seeds"),
    };
    format!(
        "Nodes that have a payload of {} B, of {}; {seeds}",
        plan.scenario.payload_bytes, plan.scenario.nodes
    )
}

fn draw<X>(
    svg: &mut String,
    time: X,
    title: &str,
    lines: &[Line],
) -> Result<(), Box<dyn std::error::Error>>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let shares: Range<f64> = 0.0..1.0;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, (FONT, TITLE_PX))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(time, shares)?;
    chart
        .configure_mesh()
        .x_desc("ms after publishing")
        .x_label_formatter(&|time| format!("{}", (time * 1e3).round() / 1e3))
        .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
        .label_style((FONT, LABEL_PX))
        .light_line_style(TRANSPARENT)
        .draw()?;
    for line in lines {
        let color = line.color;
        let points = line.points.iter().copied();
        let style = color.stroke_width(2);
        let ends = |(x, y): (i32, i32)| [(x, y), (x + LEGEND_PX, y)];
        let drawn = match line.is_dashed {
            true => chart
                .draw_series(DashedLineSeries::new(points, DASH_PX, GAP_PX, style))?
                .legend(move |place| DashedPathElement::new(ends(place), DASH_PX, GAP_PX, style)),
            false => chart
                .draw_series(LineSeries::new(points, style))?
                .legend(move |place| PathElement::new(ends(place), style)),
        };
        drawn.label(line.name);
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, LABEL_PX))
        .draw()?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::tests::comparison;

    #[test]
    fn a_line_is_cut_where_the_axis_ends() {
        let cut = |end| {
            let mut line = Line {
                name: "a",
                color: DIRECT,
                is_dashed: false,
                points: vec![(0.0, 0.0), (10.0, 0.5), (20.0, 0.9), (40.0, 1.0)],
            };
            assert_eq!(line.nearly_all(), 20.0);
            line.cut(end);
            line.points
        };
        assert_eq!(cut(40.0).len(), 4);
        assert_eq!(cut(30.0)[3], (30.0, 0.95));
        assert_eq!(cut(10.0), [(0.0, 0.0), (10.0, 0.5), (10.0, 0.5)]);
    }

    #[test]
    fn a_chart_has_a_line_for_each_protocol_and_one_for_the_direct_path() {
        for log in [false, true] {
            let svg = svg(&comparison(1), log);
            assert!(
                svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"),
                "{svg}"
            );
            for name in ["direct path", "flood", "ms after publishing", "100 %"] {
                assert!(svg.contains(name), "{name} in {svg}");
            }
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
        assert_eq!(lines(&comparison(1)).len(), 2);
    }
}
